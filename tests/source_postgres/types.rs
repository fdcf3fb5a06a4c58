//! What each type comes to: values that were written down by hand, and what `discover` says of them.

use serde_json::{Map, Value, json};

use super::Source;
use crate::harness::postgres::Server;

fn integer() -> Value {
    json!({"type": "number", "airbyte_type": "integer"})
}

fn number() -> Value {
    json!({"type": "number"})
}

fn text() -> Value {
    json!({"type": "string"})
}

fn timed(format: &str, airbyte_type: &str) -> Value {
    json!({"type": "string", "format": format, "airbyte_type": airbyte_type})
}

fn array(items: Value) -> Value {
    json!({"type": "array", "items": items})
}

/// A type, its schema, and SQL expressions with what they come to, as the text of JSON: a number keeps each of its digits.
type Case<'a> = (&'a str, Value, &'a [(&'a str, &'a str)]);

#[test]
fn values_of_every_type_are_these() {
    const MOST: &str = "9223372036854775807";
    const PRECISE: &str = "1234567890.123456789012345678901234567890";
    let cases: Vec<Case> = vec![
        ("boolean", json!({"type": "boolean"}), &[("true", "true"), ("false", "false")]),
        ("smallint", integer(), &[("-32768", "-32768"), ("32767", "32767")]),
        ("integer", integer(), &[("-2147483648", "-2147483648"), ("2147483647", "2147483647"), ("0", "0")]),
        ("bigint", integer(), &[("-9223372036854775808", "-9223372036854775808"), (MOST, MOST)]),
        ("oid", integer(), &[("4294967295", "4294967295")]),
        (
            "numeric",
            number(),
            &[
                (PRECISE, PRECISE),
                ("0", "0"),
                ("-0.00", "0.00"),
                ("1.10", "1.10"),
                ("10000", "10000"),
                ("-0.0001", "-0.0001"),
                ("'NaN'", "null"),
                ("'Infinity'", "null"),
                ("'-Infinity'", "null"),
                ("1e20", "100000000000000000000"),
            ],
        ),
        ("numeric(12,2)", number(), &[("3.1", "3.10"), ("-1234567890.99", "-1234567890.99")]),
        (
            "numeric(38)",
            integer(),
            &[("99999999999999999999999999999999999999", "99999999999999999999999999999999999999"), ("70000", "70000")],
        ),
        (
            "real",
            number(),
            &[("3.4145", "3.4145"), ("1.5", "1.5"), ("'NaN'", "null"), ("'infinity'", "null"), ("'-infinity'", "null")],
        ),
        (
            "double precision",
            number(),
            &[("0.1", "0.1"), ("'NaN'", "null"), ("'-infinity'", "null"), ("1234567890.1234567", "1234567890.1234567")],
        ),
        ("money", number(), &[("'1001.01'", "1001.01"), ("'-1000'", "-1000.00")]),
        (
            "text",
            text(),
            &[
                ("''", r#""""#),
                ("'x'", r#""x""#),
                (r#"E'quo"te \\ / \b\f\n\r\t \x01\x7f'"#, "\"quo\\\"te \\\\ / \\b\\f\\n\\r\\t \\u0001\u{7f}\""),
                ("'日本語 🦀 é'", "\"日本語 🦀 é\""),
            ],
        ),
        ("varchar(5)", text(), &[("'a  '", r#""a  ""#)]),
        ("char(5)", text(), &[("'ab'", r#""ab   ""#)]),
        ("name", text(), &[("'a name'", r#""a name""#)]),
        ("\"char\"", text(), &[("'x'", r#""x""#)]),
        ("citext", text(), &[("'MiXed'", r#""MiXed""#)]),
        ("bytea", text(), &[(r"'\x'", r#""\\x""#), (r"'\x00ff10'", r#""\\x00ff10""#)]),
        ("uuid", text(), &[("'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'", r#""a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11""#)]),
        ("mood", text(), &[("'so so'", r#""so so""#)]),
        ("json", text(), &[(r#"'{"a":  [1, 2.50]}'"#, r#""{\"a\":  [1, 2.50]}""#)]),
        ("jsonb", text(), &[(r#"'{"a":  [1, 2.50]}'"#, r#""{\"a\": [1, 2.50]}""#), ("'null'", r#""null""#)]),
        ("xml", text(), &[("'<a b=\"c\">&amp;</a>'", r#""<a b=\"c\">&amp;</a>""#)]),
        ("hstore", text(), &[("'a=>1, b=>NULL'", r#""{\"a\":\"1\",\"b\":null}""#), ("''", r#""{}""#)]),
        (
            "date",
            json!({"type": "string", "format": "date"}),
            &[
                ("'2024-02-29'", r#""2024-02-29""#),
                ("'0001-01-01'", r#""0001-01-01""#),
                ("'1991-02-10 BC'", r#""1991-02-10 BC""#),
                ("'4714-11-24 BC'", r#""4714-11-24 BC""#),
                ("'infinity'", "null"),
                ("'-infinity'", "null"),
            ],
        ),
        (
            "time",
            timed("time", "time_without_timezone"),
            &[
                ("'13:00:01'", r#""13:00:01.000000""#),
                ("'00:00:00'", r#""00:00:00.000000""#),
                ("'23:59:59.999999'", r#""23:59:59.999999""#),
            ],
        ),
        (
            "time with time zone",
            timed("time", "time_with_timezone"),
            &[("'13:00:01.5+08'", r#""13:00:01.500000+08:00""#), ("'13:00:01-03:30'", r#""13:00:01.000000-03:30""#)],
        ),
        (
            "timestamp",
            timed("date-time", "timestamp_without_timezone"),
            &[
                ("'2004-10-19 10:23:54.123456'", r#""2004-10-19T10:23:54.123456""#),
                ("'epoch'", r#""1970-01-01T00:00:00.000000""#),
                ("'0001-12-31 23:59:59.999999 BC'", r#""0001-12-31T23:59:59.999999 BC""#),
                ("'infinity'", "null"),
                ("'-infinity'", "null"),
            ],
        ),
        (
            "timestamptz",
            timed("date-time", "timestamp_with_timezone"),
            &[
                ("'2004-10-19 10:23:00-08'", r#""2004-10-19T18:23:00.000000Z""#),
                ("'0001-12-31 16:00:00-08 BC'", r#""0001-01-01T00:00:00.000000Z""#),
                ("'infinity'", "null"),
                ("'-infinity'", "null"),
            ],
        ),
        (
            "interval",
            text(),
            &[("'P1Y2M3DT4H5M6.5S'", r#""1 year 2 mons 3 days 04:05:06.5""#), ("'-1 day'", r#""-1 days""#)],
        ),
        ("bit(3)", text(), &[("B'101'", r#""101""#)]),
        ("bit varying", text(), &[("B''", r#""""#), ("B'0110'", r#""0110""#)]),
        (
            "inet",
            text(),
            &[
                ("'198.24.10.0/24'", r#""198.24.10.0/24""#),
                ("'198.24.10.1'", r#""198.24.10.1""#),
                ("'::1'", r#""::1""#),
            ],
        ),
        ("cidr", text(), &[("'192.168.1'", r#""192.168.1.0/24""#)]),
        ("macaddr", text(), &[("'08:00:2b:01:02:03'", r#""08:00:2b:01:02:03""#)]),
        ("int4range", text(), &[("'[1,5]'", r#""[1,6)""#), ("'empty'", r#""empty""#)]),
        ("int4multirange", text(), &[("'{[1,3),[5,7)}'", r#""{[1,3),[5,7)}""#)]),
        ("tsrange", text(), &[("'[2010-01-01 14:30,)'", r#""[\"2010-01-01 14:30:00\",)""#)]),
        ("tsvector", text(), &[("'a fat cat'", r#""'a' 'cat' 'fat'""#)]),
        ("pg_lsn", text(), &[("'16/B374D848'", r#""16/B374D848""#)]),
        ("item", text(), &[("ROW('fuzzy dice', 42, 1.99)", r#""(\"fuzzy dice\",42,1.99)""#)]),
        ("positive", integer(), &[("7", "7")]),
        ("short_text", text(), &[("'abc'", r#""abc""#)]),
        (
            "integer[]",
            array(integer()),
            &[("'{1,NULL,-3}'", "[1,null,-3]"), ("'{}'", "[]"), ("'[5:6]={1,2}'", "[1,2]")],
        ),
        (
            "text[]",
            array(text()),
            &[(r#"ARRAY['a', '', NULL, 'NULL', '{"b,c"}']"#, r#"["a","",null,"NULL","{\"b,c\"}"]"#)],
        ),
        ("numeric[]", array(number()), &[("'{131070.23,1.0}'", "[131070.23,1.0]"), ("'{NaN,1}'", "null")]),
        ("boolean[]", array(json!({"type": "boolean"})), &[("'{t,f,NULL}'", "[true,false,null]")]),
        (
            "timestamptz[]",
            array(timed("date-time", "timestamp_with_timezone")),
            &[("'{2004-10-19 10:23:00-08}'", r#"["2004-10-19T18:23:00.000000Z"]"#)],
        ),
        ("jsonb[]", array(text()), &[(r#"ARRAY['{"a":1}'::jsonb, NULL]"#, r#"["{\"a\": 1}",null]"#)]),
        (
            "uuid[]",
            array(text()),
            &[("'{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}'", r#"["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"]"#)],
        ),
        ("mood[]", array(text()), &[("'{happy,so so}'", r#"["happy","so so"]"#)]),
        ("inet[]", array(text()), &[("'{10.0.0.1,NULL}'", r#"["10.0.0.1",null]"#)]),
        ("interval[]", array(text()), &[("'{1 day}'", r#"["1 day"]"#)]),
        ("positive[]", array(integer()), &[("'{1,2}'", "[1,2]")]),
    ];
    let database = Server::shared().database();
    database.administrate("CREATE EXTENSION hstore; CREATE EXTENSION citext");
    database.sql(
        "CREATE TYPE mood AS ENUM ('so so', 'happy');
         CREATE TYPE item AS (name text, supplier int, price numeric);
         CREATE DOMAIN positive AS integer CHECK (VALUE > 0);
         CREATE DOMAIN shorter AS varchar(10);
         CREATE DOMAIN short_text AS shorter;",
    );
    let mut sql = String::from("CREATE TABLE everything (id int PRIMARY KEY");
    for (number, (kind, _, _)) in cases.iter().enumerate() {
        sql += &format!(", c{number} {kind}");
    }
    sql += ");";
    let rows = cases.iter().map(|(_, _, values)| values.len()).max().unwrap();
    // The last row has nothing but NULLs.
    for row in 0..=rows {
        let values = cases.iter().map(|(kind, _, values)| match values.get(row) {
            Some((expression, _)) => format!("({expression})::{kind}"),
            None => "NULL".to_owned(),
        });
        sql += &format!("INSERT INTO everything VALUES ({row}, {});", values.collect::<Vec<_>>().join(", "));
    }
    database.sql(&sql);

    let source = Source::of(&database);
    let stream = source.stream("everything");
    let schemas = stream["json_schema"]["properties"].as_object().unwrap();
    for (number, (kind, schema, _)) in cases.iter().enumerate() {
        assert_eq!(&schemas[&format!("c{number}")], schema, "{kind}");
    }

    let finished = source.read(&source.full_refresh(), None).exits(0);
    // As bytes: numbers have more digits than a parser keeps.
    let stdout = String::from_utf8(finished.stdout.clone()).unwrap();
    let records: Vec<&str> = stdout.lines().filter(|line| line.starts_with("{\"type\":\"RECORD\"")).collect();
    assert_eq!(records.len(), rows + 1);
    for (row, record) in records.iter().enumerate() {
        for (number, (kind, _, values)) in cases.iter().enumerate() {
            let expected = values.get(row).map_or("null", |(_, expected)| expected);
            let pair = format!("\"c{number}\":{expected}");
            let next = if number + 1 == cases.len() { "}".to_owned() } else { format!(",\"c{}\":", number + 1) };
            let from = record.find(&format!("\"c{number}\":")).unwrap_or_else(|| panic!("{kind}: {record}"));
            assert!(
                record[from..].starts_with(&(pair + &next)),
                "{kind}, row {row}: not {expected}, but {:.300}",
                &record[from..]
            );
        }
    }
    validates(&stream, &finished.records("everything"));

    // What became null is told in the record.
    let changes: Vec<&Value> = finished
        .of_type("RECORD")
        .iter()
        .map(|message| &message["record"]["meta"]["changes"])
        .filter(|changes| !changes.is_null())
        .collect();
    assert!(!changes.is_empty());
    let fields: Vec<&str> = changes
        .iter()
        .flat_map(|changes| changes.as_array().unwrap())
        .map(|change| {
            assert_eq!((&change["change"], &change["reason"]), (&json!("NULLED"), &json!("SOURCE_RETRIEVAL_ERROR")));
            change["field"].as_str().unwrap()
        })
        .collect();
    let nulled: usize =
        cases.iter().flat_map(|(_, _, values)| values.iter()).filter(|(_, expected)| *expected == "null").count();
    assert_eq!(fields.len(), nulled);
}

#[test]
fn a_number_keeps_each_of_a_thousand_digits() {
    let (long, small) = ("9".repeat(1000), format!("0.{}1", "0".repeat(999)));
    let database = Server::shared().database();
    database.sql(&format!(
        "CREATE TABLE a (id int PRIMARY KEY, n numeric); INSERT INTO a VALUES (1, {long}), (2, -{small}), (3, 1e-1000)"
    ));
    let source = Source::of(&database);
    // As text: no parser of numbers takes these.
    let finished = source.reading(&source.full_refresh(), None).run_tool().exits(0);
    let stdout = String::from_utf8(finished.stdout).unwrap();
    for (id, number) in [(1, long.clone()), (2, format!("-{small}")), (3, small.clone())] {
        assert_eq!(stdout.matches(&format!("{{\"id\":{id},\"n\":{number}}}")).count(), 1, "{id}");
    }
}

/// Every record is what the schema says, or null.
fn validates(stream: &Value, records: &[&Value]) {
    let mut schema = stream["json_schema"].clone();
    for property in schema["properties"].as_object_mut().unwrap().values_mut() {
        let mut inner = property.clone();
        // An element may be missing, too.
        if let Some(items) = inner.get_mut("items") {
            *items = json!({"anyOf": [{"type": "null"}, items]});
        }
        *property = json!({"anyOf": [{"type": "null"}, inner]});
    }
    let validator = jsonschema::validator_for(&schema).unwrap();
    for record in records {
        if let Err(error) = validator.validate(record) {
            panic!("{error} at {}", error.instance_path());
        }
    }
}

#[test]
fn arrays_in_arrays_are_arrays_in_arrays() {
    let database = Server::shared().database();
    database.sql(
        "CREATE TABLE nested (id int PRIMARY KEY, a int[], b text[][], c bytea[], d bit(3)[]);
         INSERT INTO nested VALUES (1, '{{1,2},{3,NULL}}', '{{{a}},{{b}}}', ARRAY['\\x00ff'::bytea], ARRAY[B'101'])",
    );
    let source = Source::of(&database);
    let finished = source.read(&source.full_refresh(), None).exits(0);
    assert_eq!(
        finished.records("nested"),
        [&json!({"id": 1, "a": [[1, 2], [3, null]], "b": [[["a"]], [["b"]]], "c": ["\\x00ff"], "d": ["101"]})]
    );
}

#[test]
fn moments_at_the_ends_of_time_are_told_apart() {
    let database = Server::shared().database();
    database.sql(
        "CREATE TABLE ends (id int PRIMARY KEY, d date, t timestamp, z timestamptz, e time);
         INSERT INTO ends VALUES
            (1, '5874897-12-31', '294276-12-31 23:59:59.999999', '294276-12-31 23:59:59.999999+00', '24:00'),
            (2, '4714-11-24 BC', '4714-11-24 00:00:00 BC', '4714-11-24 00:00:00+00 BC', '00:00')",
    );
    let source = Source::of(&database);
    let finished = source.read(&source.full_refresh(), None).exits(0);
    let [first, second] = finished.records("ends")[..] else { panic!("two rows") };
    for (column, word) in
        [("d", "5874897-12-31"), ("t", "294276-12-31T23:59:59.999999"), ("z", "294276-12-31T23:59:59.999999Z")]
    {
        let text = first[column].as_str().unwrap();
        assert_eq!(text.trim_start_matches('+'), word);
    }
    assert_eq!(first["e"], "23:59:59.999999", "as Airbyte has it: 24:00 is no time in ISO 8601");
    assert_eq!(
        second,
        &json!({"id": 2, "d": "4714-11-24 BC", "t": "4714-11-24T00:00:00.000000 BC", "z": "4714-11-24T00:00:00.000000Z BC",
            "e": "00:00:00.000000"})
    );
}

#[test]
fn databases_of_other_encodings_give_the_same_text() {
    for (encoding, name) in [("LATIN1", "latin"), ("WIN1252", "windows"), ("EUC_JP", "japanese")] {
        let how = format!("ENCODING '{encoding}' LOCALE 'C' TEMPLATE template0");
        let database = Server::shared().database_with(name, &how);
        let text = if name == "japanese" { "日本語" } else { "Grüße" };
        database.sql(&format!(
            "SET client_encoding = 'UTF8'; CREATE TABLE \"{text}\" (id int PRIMARY KEY, \"{text}\" text);
             INSERT INTO \"{text}\" VALUES (1, '{text}')"
        ));
        let source = Source::of(&database);
        let finished = source.read(&source.full_refresh(), None).exits(0);
        assert_eq!(finished.records(text), [&json!({"id": 1, text: text})], "{encoding}");
    }
}

#[test]
fn the_servers_own_settings_change_no_value() {
    let server = Server::shared();
    let database = server.database();
    database.sql(
        "CREATE TABLE a (id int PRIMARY KEY, t timestamptz, d date, i interval, b bytea, f float8, m money, x xml);
         INSERT INTO a VALUES (1, '2024-07-01 12:00+00', '2024-07-01', '1 day 2 hours', '\\x00ff', 0.1::float8 + 0.2, 1.5, '<a/>')",
    );
    let source = Source::of(&database);
    let catalog = source.full_refresh();
    let before = source.read(&catalog, None).exits(0);
    let mut sql = String::new();
    for setting in [
        "TimeZone = 'Asia/Kathmandu'",
        "DateStyle = 'German'",
        "IntervalStyle = 'iso_8601'",
        "bytea_output = 'escape'",
        "extra_float_digits = 0",
        "search_path = 'pg_temp'",
        "standard_conforming_strings = off",
        "default_transaction_read_only = on",
        "default_transaction_isolation = 'serializable'",
        "row_security = on",
    ] {
        sql += &format!("ALTER DATABASE {} SET {setting};", database.name());
    }
    database.administrate(&sql);
    let after = source.read(&catalog, None).exits(0);
    assert_eq!(before.records("a"), after.records("a"));
    assert_eq!(after.records("a")[0]["f"].to_string(), "0.30000000000000004");
}

#[test]
fn a_table_of_many_columns_is_read_whole() {
    let database = Server::shared().database();
    let columns: Vec<String> = (1..1600).map(|column| format!("column_{column} int2")).collect();
    database.sql(&format!(
        "CREATE TABLE wide (id int PRIMARY KEY, {}); INSERT INTO wide (id, column_1, column_1599) VALUES (1, 2, 3), (2, NULL, 4)",
        columns.join(", ")
    ));
    let source = Source::of(&database);
    let stream = source.stream("wide");
    assert_eq!(stream["json_schema"]["properties"].as_object().unwrap().len(), 1600);
    let finished = source.read(&source.full_refresh(), None).exits(0);
    let records = finished.records("wide");
    assert_eq!(records.len(), 2);
    assert_eq!(records[0].as_object().map(Map::len), Some(1600));
    assert_eq!(
        (&records[0]["column_1"], &records[0]["column_2"], &records[1]["column_1599"]),
        (&json!(2), &Value::Null, &json!(4))
    );
}

#[test]
fn only_the_columns_of_the_configured_catalog_are_read() {
    let database = Server::shared().database();
    database.sql(
        "CREATE TABLE a (id int PRIMARY KEY, kept text, left_out text, gone text); INSERT INTO a VALUES (1, 'x', 'y', 'z')",
    );
    let source = Source::of(&database);
    let mut catalog = source.full_refresh();
    catalog["streams"][0]["stream"]["json_schema"]["properties"].as_object_mut().unwrap().remove("left_out");
    let finished = source.read(&catalog, None).exits(0);
    assert_eq!(finished.records("a"), [&json!({"id": 1, "kept": "x", "gone": "z"})]);

    // A column that was removed is no reason to have nothing.
    database.sql("ALTER TABLE a DROP COLUMN gone");
    let finished = source.read(&catalog, None).exits(0);
    assert_eq!(finished.records("a"), [&json!({"id": 1, "kept": "x"})]);
    assert!(finished.logs("WARN").iter().any(|line| line.contains("gone")), "{:?}", finished.logs("WARN"));
}

#[test]
fn a_database_without_an_encoding_is_read() {
    let database =
        Server::shared().database_with("without_encoding", "ENCODING 'SQL_ASCII' TEMPLATE template0 LOCALE 'C'");
    database.sql(
        "CREATE TABLE a (id int PRIMARY KEY, t text, l text[]);
         INSERT INTO a VALUES (1, convert_from('\\x636166e9', 'SQL_ASCII'), '{x}'), (2, convert_from('\\x636166c3a9', 'SQL_ASCII'), '{}'),
             (3, 'cafe', ARRAY[convert_from('\\xff', 'SQL_ASCII'), NULL]);
         DO $$ BEGIN EXECUTE 'CREATE TABLE ' || quote_ident(convert_from('\\x6ee9', 'SQL_ASCII')) || ' (id int)'; END $$",
    );
    let source = Source::of(&database);
    assert_eq!(source.discover().len(), 2, "a name that is no UTF-8 is no harm to the others");
    let finished = source.read(&super::catalog([super::configured(source.stream("a"), None)]), None).exits(0);
    let records = finished.of_type("RECORD");
    let data: Vec<&Value> = records.iter().map(|record| &record["record"]["data"]).collect();
    assert_eq!(
        data,
        [
            &json!({"id": 1, "t": "caf\u{fffd}", "l": ["x"]}),
            &json!({"id": 2, "t": "café", "l": []}),
            &json!({"id": 3, "t": "cafe", "l": ["\u{fffd}", null]}),
        ]
    );
    let changed = |field: &str| json!([{"field": field, "change": "TRUNCATED", "reason": "SOURCE_RETRIEVAL_ERROR"}]);
    let changes: Vec<&Value> = records.iter().map(|record| &record["record"]["meta"]["changes"]).collect();
    assert_eq!(changes, [&changed("t"), &Value::Null, &changed("l")]);
}
