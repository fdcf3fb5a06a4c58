//! Thousands of values at random beside what the server itself makes of them.

use serde_json::Value;

use super::Source;
use crate::harness::postgres::Server;

const ROWS: usize = 3000;

/// A column's name and type, an expression that makes a value at random, and one that makes the server write it as JSON has it. The
/// column is `%`, the random number between 0 and 1 `random()`.
type Column = (&'static str, &'static str, &'static str, &'static str);
const COLUMNS: &[Column] = &[
    ("b", "boolean", "random() < 0.5", "%::text"),
    ("i2", "smallint", "(random() * 65535 - 32768)::int2", "%::text"),
    ("i4", "integer", "((random() - 0.5) * 10 ^ (random() * 9))::int4", "%::text"),
    ("i8", "bigint", "((random() - 0.5) * 10 ^ (random() * 18))::int8", "%::text"),
    (
        "n",
        "numeric",
        "round((random() - 0.5)::numeric * 10::numeric ^ ((random() * 60)::int - 25), (random() * 25)::int)",
        "%::text",
    ),
    ("n2", "numeric(20,4)", "(random() - 0.5)::numeric * 10::numeric ^ (random() * 15)::int", "%::text"),
    ("f4", "real", "((random() - 0.5) * 10 ^ (random() * 60 - 30))::float4", "%::text"),
    ("f8", "double precision", "(random() - 0.5) * 10 ^ (random() * 500 - 250)", "%::text"),
    (
        "t",
        "text",
        "(SELECT coalesce(string_agg(chr(greatest(1, (random() * 10 ^ (1 + (n + g) % 4))::int)), ''), '')
          FROM generate_series(1, (random() * 40 + g - g)::int) AS n)",
        "to_json(%)::text",
    ),
    (
        "d",
        "date",
        "'2000-01-01'::date + ((random() - 0.5) * 1400000)::int",
        "to_json(to_char(%, 'YYYY-MM-DD') || ERA(%))::text",
    ),
    ("m", "time", "'00:00'::time + random() * '24 hours'::interval", "to_json(to_char(%, 'HH24:MI:SS.US'))::text"),
    (
        "ts",
        "timestamp",
        "'2000-01-01'::timestamp + (random() - 0.5) * '3900 years'::interval",
        "to_json(to_char(%, 'YYYY-MM-DD\"T\"HH24:MI:SS.US') || ERA(%))::text",
    ),
    (
        "tz",
        "timestamptz",
        "'2000-01-01'::timestamptz + (random() - 0.5) * '3900 years'::interval",
        "to_json(to_char(%, 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') || ERA(%))::text",
    ),
    (
        "iv",
        "interval",
        "(random() - 0.5) * '1 month 3 days 04:05:06'::interval * 10 ^ (random() * 5)",
        "to_json(%::text)::text",
    ),
    ("u", "uuid", "md5(random()::text)::uuid", "to_json(%::text)::text"),
    ("y", "bytea", "decode(substr(md5(random()::text), 1, 2 * (random() * 16)::int), 'hex')", "to_json(%::text)::text"),
    (
        "j",
        "jsonb",
        "jsonb_build_object('a', random(), 'b', md5(random()::text), 'c', ARRAY[1, NULL])",
        "to_json(%::text)::text",
    ),
    (
        "ia",
        "bigint[]",
        "ARRAY(SELECT CASE WHEN random() < 0.2 THEN NULL ELSE (random() * 1e12)::int8 END FROM generate_series(1, (random() * 6 + g - g)::int))",
        "to_json(%)::text",
    ),
    (
        "ta",
        "text[]",
        "ARRAY(SELECT substr(md5(random()::text), 1, (random() * 9)::int) || '\"\\,' FROM generate_series(1, (random() * 6 + g - g)::int))",
        "to_json(%)::text",
    ),
];

#[test]
fn random_values_are_what_the_server_writes() {
    let database = Server::shared().database();
    let each = |write: &dyn Fn(&Column) -> String| COLUMNS.iter().map(write).collect::<Vec<_>>().join(", ");
    database.sql(&format!(
        "SET TimeZone = 'UTC';
         CREATE TABLE random (id int PRIMARY KEY, {});
         SET client_min_messages = error;
         SELECT setseed(0.4711);
         INSERT INTO random SELECT g, {} FROM generate_series(1, {ROWS}) AS g;",
        each(&|(name, kind, _, _)| format!("{name} {kind}")),
        // Some of each are missing.
        each(&|(_, _, value, _)| format!("CASE WHEN random() < 0.05 THEN NULL ELSE {value} END")),
    ));
    let expressions = each(&|(name, _, _, json)| {
        let json = json.replace("ERA(%)", "CASE WHEN extract(year FROM %) < 0 THEN ' BC' ELSE '' END");
        json.replace('%', name)
    });
    let expected = database.rows(&format!("SELECT {expressions} FROM random ORDER BY id"));
    assert_eq!(expected.len(), ROWS);

    let source = Source::of(&database);
    let finished =
        source.command("read").option("--catalog", source.workspace.json("catalog.json", &source.full_refresh()));
    let finished = finished.run_tool().exits(0);
    let stdout = String::from_utf8(finished.stdout).unwrap();
    let records: Vec<&str> = stdout.lines().filter(|line| line.starts_with("{\"type\":\"RECORD\"")).collect();
    assert_eq!(records.len(), ROWS);
    for (row, (record, expected)) in records.iter().zip(&expected).enumerate() {
        let parsed: Value = serde_json::from_str(record).unwrap();
        let data = &parsed["record"]["data"];
        assert_eq!(data["id"], row + 1);
        for ((name, kind, _, _), expected) in COLUMNS.iter().zip(expected) {
            let value = &data[name];
            let Some(expected) = expected else {
                assert!(value.is_null(), "{kind}: {value} in place of NULL");
                continue;
            };
            let same = match *kind {
                // Each digit counts, and is in the line.
                "numeric" | "numeric(20,4)" | "bigint" => record.contains(&format!("\"{name}\":{expected},")),
                "real" => value.as_f64().is_some_and(|value| value as f32 == expected.parse::<f32>().unwrap()),
                "double precision" => value.as_f64() == expected.parse().ok(),
                _ => *value == serde_json::from_str::<Value>(expected).unwrap(),
            };
            assert!(same, "row {row}, {kind}: {value}, not {expected}");
        }
    }
}
