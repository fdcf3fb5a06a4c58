//! Incremental reads by a cursor: what is new comes, and what came does not come again.

use rustix::process::Signal;
use serde_json::{Value, json};

use super::{Source, assert_each_once, numbers, states};
use crate::harness::postgres::Server;

#[test]
fn new_rows_come_by_cursors_of_every_type() {
    let kinds = [
        ("int", "g"),
        ("bigint", "g * 10000000000"),
        ("numeric", "g * 1.000000000000000000001"),
        ("numeric(10,2)", "g * 1.01"),
        ("double precision", "g / 7.0"),
        ("real", "g / 7.0"),
        ("text", "lpad(g::text, 5, '''')"),
        ("varchar(10)", "lpad(g::text, 5, '0')"),
        ("uuid", "('00000000-0000-0000-0000-' || lpad(g::text, 12, '0'))::uuid"),
        ("date", "'2024-01-01'::date + g"),
        ("timestamp", "'2024-01-01'::timestamp + g * '0.000001s'::interval"),
        ("timestamptz", "'2024-01-01'::timestamptz + g * '0.000001s'::interval"),
        ("time", "'00:00'::time + g * '0.000001s'::interval"),
    ];
    let database = Server::shared().database();
    for (number, (kind, value)) in kinds.iter().enumerate() {
        database.sql(&format!(
            "CREATE TABLE t{number} (id int, c {kind}); CREATE VIEW v{number} AS SELECT {value} AS c, g AS id FROM generate_series(1, 30) g;
             INSERT INTO t{number} SELECT id, c FROM v{number} WHERE id <= 10"
        ));
    }
    let mut source = Source::of(&database);
    source.config["schemas"] = json!(["public"]);
    let streams = source.discover();
    let tables = streams.into_iter().filter(|stream| stream["name"].as_str().unwrap().starts_with('t'));
    let by_cursor = super::catalog(tables.map(|stream| super::configured(stream, Some("c"))));
    let read = |state: Option<&[Value]>, expected: &[i64]| {
        let finished = source.read(&by_cursor, state).exits(0);
        for (number, (kind, _)) in kinds.iter().enumerate() {
            assert_eq!(numbers(&finished, &format!("t{number}"), "id"), expected, "{kind}");
        }
        assert_eq!(states(&finished).len(), kinds.len(), "each stream has a state");
        states(&finished)
    };
    let add = |from: i64, to: i64| {
        let inserts = (0..kinds.len()).map(|number| {
            format!("INSERT INTO t{number} SELECT id, c FROM v{number} WHERE id BETWEEN {from} AND {to};")
        });
        database.sql(&inserts.collect::<String>());
    };
    let first = read(None, &(1..=10).collect::<Vec<_>>());
    let nothing = read(Some(&first), &[]);
    add(11, 15);
    let second = read(Some(&nothing), &(11..=15).collect::<Vec<_>>());
    add(16, 16);
    read(Some(&second), &[16]);
}

/// The state of a stream `a`, as Airbyte's connector of before 3.8 wrote it, or after.
fn airbyte_state(state: Value) -> [Value; 1] {
    [
        json!({"type": "STREAM", "stream": {"stream_descriptor": {"name": "a", "namespace": "public"}, "stream_state": state}}),
    ]
}

#[test]
fn rows_that_share_the_last_cursor_are_not_lost() {
    let database = Server::shared().database();
    database.sql("CREATE TABLE a (id int, c int); INSERT INTO a VALUES (1, 1), (2, 5), (3, 5)");
    let source = Source::of(&database);
    let catalog = source.incremental("a", "c");
    let first = source.read(&catalog, None).exits(0);
    assert_eq!(numbers(&first, "a", "id"), [1, 2, 3]);
    let state = &states(&first)[0]["stream"]["stream_state"];
    assert_eq!(
        (
            &state["state_type"],
            &state["version"],
            &state["cursor_field"],
            &state["cursor"],
            &state["cursor_record_count"]
        ),
        (&json!("cursor_based"), &json!(2), &json!(["c"]), &json!("5"), &json!(2))
    );

    database.sql("INSERT INTO a VALUES (4, 5), (5, 3)");
    let second = source.read(&catalog, Some(&states(&first))).exits(0);
    let ids = numbers(&second, "a", "id");
    assert!(ids.contains(&4) && !ids.contains(&1) && !ids.contains(&5), "{ids:?}");
    let third = source.read(&catalog, Some(&states(&second))).exits(0);
    assert!(numbers(&third, "a", "id").is_empty());
}

#[test]
fn states_of_airbytes_source_postgres_go_on() {
    let database = Server::shared().database();
    database.sql(
        "CREATE TABLE a (id int PRIMARY KEY, at timestamptz);
         INSERT INTO a SELECT g, '2024-01-01 00:00:00+00'::timestamptz + g * '1.000001s'::interval FROM generate_series(1, 10) g",
    );
    let source = Source::of(&database);
    for (cursor, state) in [
        (
            "id",
            json!({"version": 2, "state_type": "cursor_based", "stream_name": "a", "stream_namespace": "public",
            "cursor_field": ["id"], "cursor": "7", "cursor_record_count": 1}),
        ),
        (
            "id",
            json!({"version": 2, "state_type": "cursor_based", "stream_name": "a", "stream_namespace": "public",
            "cursor_field": ["id"], "cursor": "7"}),
        ),
        (
            "id",
            json!({"version": 3, "state_type": "cursor_based", "stream_name": "", "stream_namespace": "", "cursors": {"id": 7}}),
        ),
        (
            "at",
            json!({"version": 2, "state_type": "cursor_based", "stream_name": "a", "stream_namespace": "public",
            "cursor_field": ["at"], "cursor": "2024-01-01T00:00:07.000007Z", "cursor_record_count": 1}),
        ),
        (
            "at",
            json!({"version": 3, "state_type": "cursor_based", "stream_name": "", "stream_namespace": "",
            "cursors": {"at": "2024-01-01T00:00:07.000007Z"}}),
        ),
    ] {
        let finished = source.read(&source.incremental("a", cursor), Some(&airbyte_state(state.clone()))).exits(0);
        let ids: Vec<i64> = numbers(&finished, "a", "id").into_iter().filter(|id| *id != 7).collect();
        assert_eq!(ids, [8, 9, 10], "{state}");
    }
}

#[test]
fn rows_without_a_cursor_come_once() {
    let database = Server::shared().database();
    database.sql("CREATE TABLE a (id int, c int); INSERT INTO a VALUES (1, NULL), (2, 1), (3, NULL)");
    let source = Source::of(&database);
    let catalog = source.incremental("a", "c");
    let first = source.read(&catalog, None).exits(0);
    assert_each_once(numbers(&first, "a", "id"), 1..=3);
    let again = source.read(&catalog, Some(&states(&first))).exits(0);
    assert!(numbers(&again, "a", "id").is_empty(), "{:?}", numbers(&again, "a", "id"));
    database.sql("INSERT INTO a VALUES (4, 2)");
    let second = source.read(&catalog, Some(&states(&again))).exits(0);
    assert_eq!(numbers(&second, "a", "id"), [4]);
    // One that comes later without a cursor is not lost.
    database.sql("INSERT INTO a VALUES (5, NULL)");
    let third = source.read(&catalog, Some(&states(&second))).exits(0);
    assert!(numbers(&third, "a", "id").contains(&5));
}

#[test]
fn an_empty_table_has_a_state_and_its_first_rows_come() {
    let database = Server::shared().database();
    database.sql("CREATE TABLE a (id int PRIMARY KEY)");
    let source = Source::of(&database);
    let catalog = source.incremental("a", "id");
    let first = source.read(&catalog, None).exits(0);
    assert_eq!((numbers(&first, "a", "id").len(), states(&first).len()), (0, 1));
    database.sql("INSERT INTO a VALUES (-5), (0)");
    let second = source.read(&catalog, Some(&states(&first))).exits(0);
    assert_eq!(numbers(&second, "a", "id"), [-5, 0]);
}

#[test]
fn odd_cursors_have_their_place() {
    let database = Server::shared().database();
    database.sql(
        "CREATE TABLE a (id int, c timestamp);
         INSERT INTO a VALUES (1, '-infinity'), (2, '4000-01-01 BC'), (3, '2024-01-01'), (4, '294276-01-01'), (5, 'infinity');
         CREATE TABLE b (id int, c numeric); INSERT INTO b VALUES (1, '-Infinity'), (2, -1), (3, 1e100), (4, 'NaN');
         CREATE TABLE d (id int, c text COLLATE \"en-x-icu\"); INSERT INTO d VALUES (1, 'a'), (2, 'B'), (3, 'ä'), (4, 'c'), (5, 'C');",
    );
    let source = Source::of(&database);
    let expected: [(&str, &[i64]); 3] = [("a", &[1, 2, 3, 4, 5]), ("b", &[1, 2, 3, 4]), ("d", &[1, 3, 2, 4, 5])];
    for (name, expected) in expected {
        let catalog = source.incremental(name, "c");
        let first = source.read(&catalog, None).exits(0);
        assert_eq!(numbers(&first, name, "id"), *expected, "{name}");
        let again = source.read(&catalog, Some(&states(&first))).exits(0);
        assert!(numbers(&again, name, "id").is_empty(), "{name}");
    }
    // Between two that were read, by the collation of the column.
    database.sql("INSERT INTO d VALUES (6, 'd'), (7, 'b')");
    let catalog = source.incremental("d", "c");
    let state = json!({"version": 2, "state_type": "cursor_based", "cursor_field": ["c"], "cursor": "B", "cursor_record_count": 1});
    let state = json!({"type": "STREAM", "stream": {"stream_descriptor": {"name": "d", "namespace": "public"}, "stream_state": state}});
    assert_eq!(numbers(&source.read(&catalog, Some(&[state])).exits(0), "d", "id"), [4, 5, 6]);
}

#[test]
fn a_killed_incremental_read_goes_on_at_a_value_that_was_complete() {
    const ROWS: i64 = 400_000;
    let database = Server::shared().database();
    // Many rows share a cursor; some have none.
    database.sql(&format!(
        "CREATE TABLE a (id int PRIMARY KEY, c int); CREATE INDEX ON a (c);
         INSERT INTO a SELECT g, CASE WHEN g % 50 = 0 THEN NULL ELSE (g * 7919::bigint % {ROWS}) / 30 END FROM generate_series(1, {ROWS}) g;
         ANALYZE a;"
    ));
    let source = Source::of(&database);
    let catalog = source.incremental("a", "c");
    let mut random = fastrand::Rng::with_seed(11);
    let (mut committed, mut state) = (Vec::new(), None);
    for attempt in 0..3 {
        let (moment, mut killed) = (random.usize(100_000..120_000), false);
        let watched = source.start(&catalog, state.as_deref()).watch(|reading, records, states| {
            if attempt < 2 && !killed && records >= moment && states > 0 {
                reading.signal(if attempt == 0 { Signal::KILL } else { Signal::TERM });
                killed = true;
            }
        });
        assert_eq!(watched.status.success(), attempt == 2, "{:?}", watched.errors);
        committed.extend_from_slice(watched.committed().0);
        state = watched.committed_state().or(state);
    }
    assert_each_once(committed, 1..=ROWS);
    let nothing = source.start(&catalog, state.as_deref()).watch(|_, _, _| ());
    assert!(nothing.status.success() && nothing.ids.is_empty(), "{}", nothing.ids.len());
}

#[test]
fn a_view_is_read_by_a_cursor() {
    let database = Server::shared().database();
    database.sql(
        "CREATE TABLE a (id int PRIMARY KEY, at date); INSERT INTO a SELECT g, '2024-01-01'::date + g FROM generate_series(1, 9) g;
         CREATE VIEW v AS SELECT id, at FROM a",
    );
    let source = Source::of(&database);
    let catalog = source.incremental("v", "at");
    let first = source.read(&catalog, None).exits(0);
    assert_eq!(numbers(&first, "v", "id").len(), 9);
    database.sql("INSERT INTO a VALUES (10, '2025-01-01')");
    assert_eq!(numbers(&source.read(&catalog, Some(&states(&first))).exits(0), "v", "id"), [10]);
}

#[test]
fn a_cursor_that_is_gone_or_none_is_named() {
    let database = Server::shared().database();
    database
        .sql("CREATE TABLE a (id int PRIMARY KEY, at date, doc jsonb); INSERT INTO a VALUES (1, '2024-01-01', '{}')");
    let source = Source::of(&database);
    let by_date = source.incremental("a", "at");
    for (cursor, change) in [("no_such_column", ""), ("doc", ""), ("at", "ALTER TABLE a DROP COLUMN at")] {
        let mut catalog = by_date.clone();
        catalog["streams"][0]["cursor_field"] = json!([cursor]);
        database.sql(change);
        let finished = source.read(&catalog, None).exits(1);
        let (kind, message) = finished.error();
        assert_eq!(kind, "config_error", "{message}");
        assert!(message.contains(cursor) && message.contains("public.a"), "{message}");
    }
}

#[test]
fn another_cursor_begins_anew() {
    let database = Server::shared().database();
    database.sql(
        "CREATE TABLE a (id int PRIMARY KEY, other int); INSERT INTO a SELECT g, 100 - g FROM generate_series(1, 10) g",
    );
    let source = Source::of(&database);
    let first = source.read(&source.incremental("a", "id"), None).exits(0);
    let second = source.read(&source.incremental("a", "other"), Some(&states(&first)));
    if second.status.success() {
        assert_each_once(numbers(&second, "a", "id"), 1..=10);
        assert!(second.logs("WARN").iter().any(|line| line.contains("cursor")), "{:?}", second.logs("WARN"));
    } else {
        assert_eq!(second.error().0, "config_error");
    }
}

#[test]
fn equal_cursors_with_different_texts_are_complete_only_at_the_end() {
    let database = Server::shared().database();
    // Each value has two rows, one as 1 and one as 1.0: the first state comes between two of them.
    database.sql(
        "CREATE TABLE a (id int PRIMARY KEY, c numeric);
         INSERT INTO a SELECT g, CASE WHEN g % 2 = 0 THEN (g / 2)::numeric(12, 0) ELSE (g / 2)::numeric(12, 1) END
         FROM generate_series(1, 120001) g; CREATE INDEX ON a (c, id); ANALYZE a",
    );
    let source = Source::of(&database);
    let catalog = source.incremental("a", "c");
    let first = source.start(&catalog, None).watch(|_, _, _| ());
    let (read, state) = first.states[0].clone();
    assert_eq!(first.ids[..read].last(), Some(&100_000), "the state is between two rows with equal cursors");
    assert!(first.states.len() > 1, "there is another one, at the end");

    database.sql("UPDATE a SET c = c + 1000000 WHERE id = 100000");
    let second = source.read(&catalog, Some(&[state])).exits(0);
    assert_each_once(numbers(&second, "a", "id"), 100_000..=120_001);

    // At the end it is the server that counts, and nothing comes again.
    let third = source.read(&catalog, Some(&states(&second))).exits(0);
    assert!(numbers(&third, "a", "id").is_empty(), "{:?}", numbers(&third, "a", "id"));
    database.sql("INSERT INTO a VALUES (120002, 1050000.00)");
    let fourth = source.read(&catalog, Some(&states(&third))).exits(0);
    assert_each_once(numbers(&fourth, "a", "id"), [100_000, 120_002]);
}

#[test]
fn a_state_that_is_no_bytea_is_refused() {
    let database = Server::shared().database();
    database.sql("CREATE TABLE a (id int PRIMARY KEY, c bytea); INSERT INTO a VALUES (1, '\\x01'), (2, '\\x4162')");
    let source = Source::of(&database);
    let catalog = source.incremental("a", "c");
    let state = |cursor: &str| {
        airbyte_state(json!({"version": 2, "state_type": "cursor_based", "cursor_field": ["c"], "cursor": cursor,
            "cursor_record_count": 1}))
    };
    // "AQ==" is the base64 of the first one; as a bytea it would be four bytes, behind which rows would be lost.
    let finished = source.read(&catalog, Some(&state("AQ=="))).exits(1);
    let (kind, message) = finished.error();
    assert!(kind == "config_error" && message.contains("saved state"), "{kind}: {message}");
    assert!(!message.contains("AQ=="), "{message}");
    assert_eq!(numbers(&source.read(&catalog, Some(&state("\\x01"))).exits(0), "a", "id"), [2]);
}
