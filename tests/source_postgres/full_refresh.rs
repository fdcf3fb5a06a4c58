//! Full refreshes, which go on where they were stopped: nothing is missing, and nothing comes again that a state has covered.

use rustix::process::Signal;
use serde_json::{Value, json};

use super::{Source, assert_each_once, catalog, configured, numbers, states};
use crate::harness::postgres::{Database, Server};

/// Enough for some states.
const ROWS: i64 = 250_000;

#[test]
fn a_table_is_read_whole_and_its_state_says_so() {
    let database = Server::shared().database();
    database.sql(
        "CREATE TABLE a (id int PRIMARY KEY, t text); INSERT INTO a SELECT g, 'x' || g FROM generate_series(1, 1000) g;
         CREATE TABLE empty (id int PRIMARY KEY);
         CREATE VIEW v AS SELECT id FROM a;
         CREATE TABLE parts (id int) PARTITION BY HASH (id);
         CREATE TABLE part_0 PARTITION OF parts FOR VALUES WITH (MODULUS 2, REMAINDER 0);
         CREATE TABLE part_1 PARTITION OF parts FOR VALUES WITH (MODULUS 2, REMAINDER 1);
         INSERT INTO parts SELECT id FROM a;
         CREATE TABLE parent (id int); CREATE TABLE child () INHERITS (parent);
         INSERT INTO parent SELECT generate_series(1, 10); INSERT INTO child SELECT generate_series(11, 20);",
    );
    let source = Source::of(&database);
    let everything = source.full_refresh();
    let finished = source.read(&everything, None).exits(0);
    for (stream, rows) in [("a", 1000), ("empty", 0), ("v", 1000), ("parts", 1000), ("parent", 20), ("child", 10)] {
        let first = if stream == "child" { 11 } else { 1 };
        assert_each_once(numbers(&finished, stream, "id"), first..first + rows);
        let statuses: &[&str] = if rows == 0 { &["STARTED", "COMPLETE"] } else { &["STARTED", "RUNNING", "COMPLETE"] };
        assert_eq!(finished.statuses(stream), statuses, "{stream}");
        let of_stream = |state: &&Value| state["stream"]["stream_descriptor"]["name"] == stream;
        let last = finished.states().into_iter().rfind(of_stream).unwrap_or_else(|| panic!("{stream} has a state"));
        assert_eq!(last["stream"]["stream_descriptor"]["namespace"], "public");
    }

    // The platform clears states between full refreshes. Where it does not, the next one is a whole one all the same.
    let again = source.read(&everything, Some(&states(&finished))).exits(0);
    assert_eq!(numbers(&again, "a", "id").len(), 1000);
}

/// Reads a stream of `id`s, killed again and again at odd moments, until it is whole. What was committed is returned.
#[track_caller]
fn read_in_pieces(source: &Source, catalog: &Value, expected_kills: usize, mut between: impl FnMut(usize)) -> Vec<i64> {
    let mut random = fastrand::Rng::with_seed(7);
    let (mut committed, mut state) = (Vec::new(), None);
    for attempt in 0.. {
        let moment = random.usize(100_000..130_000);
        let mut killed = false;
        let watched = source.start(catalog, state.as_deref()).watch(|reading, records, states| {
            if !killed && attempt < expected_kills && records >= moment && states > 0 {
                reading.signal(Signal::KILL);
                killed = true;
            }
        });
        let (ids, new_state) = watched.committed();
        committed.extend_from_slice(ids);
        state = new_state.or(state);
        if watched.status.success() {
            assert_eq!(attempt, expected_kills, "it was killed each time before");
            assert_eq!(ids.len(), watched.ids.len(), "a state covers the last record");
            return committed;
        }
        assert!(killed, "{} {:?}", watched.stderr, watched.errors);
        between(attempt);
    }
    unreachable!()
}

fn fill(database: &Database, columns: &str, values: &str) {
    database.sql(&format!("CREATE TABLE rows ({columns}); INSERT INTO rows SELECT {values} FROM generate_series(1, {ROWS}) g; ANALYZE rows;"));
}

#[test]
fn a_killed_read_goes_on_by_the_key() {
    // Rows lie in another order than their keys have.
    let scattered = format!("(g * 7919::bigint % {ROWS} + 1)::int");
    for (columns, values) in [
        ("id int PRIMARY KEY, t text", format!("{scattered}, 'some text'")),
        ("id int, part int, name text, PRIMARY KEY (part, name)", format!("{scattered}, g % 7, 'n' || g")),
        (
            "id int, name text COLLATE \"en-x-icu\" PRIMARY KEY",
            format!("{scattered}, chr(65 + g % 26 + (g % 2) * 32) || ' ü-' || g"),
        ),
    ] {
        let database = Server::shared().database();
        fill(&database, columns, &values);
        let source = Source::of(&database);
        let committed = read_in_pieces(&source, &source.full_refresh(), 2, |_| ());
        assert_each_once(committed, 1..=ROWS);
    }
}

#[test]
fn a_killed_read_goes_on_by_the_places_of_rows() {
    let database = Server::shared().database();
    fill(&database, "id int, t text", "g, 'some text'");
    let source = Source::of(&database);
    let catalog = source.full_refresh();
    let committed = read_in_pieces(&source, &catalog, 2, |_| ());
    assert_each_once(committed, 1..=ROWS);

    // Rows lie elsewhere after this: a place says nothing any more, and all are read.
    let mut before = Vec::new();
    let watched = source.start(&catalog, None).watch(|reading, _, states| {
        if states == 1 {
            reading.signal(Signal::KILL);
        }
    });
    before.extend_from_slice(watched.committed().0);
    assert!(!before.is_empty());
    database.sql("DELETE FROM rows WHERE id % 2 = 0; VACUUM FULL rows;");
    let mut kills = 0;
    let after = source.start(&catalog, watched.committed_state().as_deref()).watch(|_, _, _| kills += 1);
    assert!(after.status.success(), "{:?}", after.errors);
    assert_each_once(after.ids, (1..=ROWS).step_by(2));
}

#[test]
fn rows_that_change_between_two_runs_do_no_harm() {
    let database = Server::shared().database();
    fill(&database, "id int PRIMARY KEY, t text", "g * 2, 'some text'");
    let source = Source::of(&database);
    let committed = read_in_pieces(&source, &source.full_refresh(), 1, |_| {
        // Updated rows move in the table; some go, some come before and behind the place of the state.
        database.sql(&format!(
            "UPDATE rows SET t = 'another text' WHERE id % 10 = 0; DELETE FROM rows WHERE id % 100 = 4;
             INSERT INTO rows VALUES (1, 'new'), ({}, 'new')",
            2 * ROWS + 1
        ));
    });
    // Whoever was there from the first to the last is there once.
    let mut ids = committed;
    ids.sort_unstable();
    assert!(ids.windows(2).all(|pair| pair[0] < pair[1]), "none comes twice");
    for id in (2..=2 * ROWS).step_by(2).filter(|id| id % 100 != 4) {
        assert!(ids.binary_search(&id).is_ok(), "{id} is missing");
    }
    assert!(ids.binary_search(&(2 * ROWS + 1)).is_ok(), "what came behind the place is read");
}

#[test]
fn a_unique_index_serves_where_there_is_no_primary_key() {
    let database = Server::shared().database();
    fill(&database, "id int NOT NULL UNIQUE, t text", &format!("(g * 7919::bigint % {ROWS} + 1)::int, 'x'"));
    let source = Source::of(&database);
    let committed = read_in_pieces(&source, &source.full_refresh(), 1, |_| {
        database.sql("VACUUM FULL rows");
    });
    assert_each_once(committed, 1..=ROWS);
}

#[test]
fn a_state_that_is_no_longer_understood_begins_anew() {
    let database = Server::shared().database();
    database.sql(
        "CREATE TABLE a (id int PRIMARY KEY, other int); INSERT INTO a SELECT g, g FROM generate_series(1, 100) g",
    );
    let source = Source::of(&database);
    let everything = source.full_refresh();
    let state = |state: Value| json!({"type": "STREAM", "stream": {"stream_descriptor": {"name": "a", "namespace": "public"}, "stream_state": state}});
    for saved in [
        json!({}),
        json!({"state_type": "from the future", "version": 99}),
        json!({"version": 2, "state_type": "xmin", "num_wraparound": 0, "xmin_xid_value": 5, "xmin_raw_value": 5}),
        json!({"version": 2, "state_type": "cursor_based", "cursor_field": ["id"], "cursor": "50"}),
        json!({"version": 2, "state_type": "key_based", "key_field": ["gone"], "key": ["50"]}),
        json!({"version": 2, "state_type": "key_based", "key_field": ["id"], "key": ["not a number"]}),
        json!({"version": 2, "state_type": "key_based", "key_field": ["id"], "key": []}),
        json!({"version": 2, "state_type": "ctid", "ctid": "(0,1); DROP TABLE a", "relation_filenode": 1}),
    ] {
        let finished = source.read(&everything, Some(&[state(saved.clone())]));
        if finished.status.success() {
            assert_eq!(numbers(&finished, "a", "id").len(), 100, "{saved}");
        } else {
            // Or it is refused: nothing is ever left out silently.
            let (_, message) = finished.error();
            assert!(message.contains("state"), "{saved}: {message}");
        }
    }
    // What is in a state is a value, and no SQL.
    assert_eq!(database.value("SELECT count(*) FROM a"), "100");
}

#[test]
fn the_key_may_be_of_any_type_that_has_an_order() {
    // A state for each row would be needed to stop at each: so the states are made here, as the connector writes them.
    let database = Server::shared().database();
    let kinds = [
        ("bigint", "g * 1000000007::bigint"),
        ("numeric", "g / 7.0"),
        ("text", "'quo''te \\ ' || g"),
        ("varchar(20)", "'v' || g"),
        ("char(6)", "'c' || g"),
        ("uuid", "md5(g::text)::uuid"),
        ("date", "'2024-01-01'::date - g"),
        ("timestamp", "'2024-01-01'::timestamp + g * '0.000001s'::interval"),
        ("timestamptz", "'2024-01-01'::timestamptz + g * '0.000001s'::interval"),
        ("time", "'00:00'::time + g * '1.000001s'::interval"),
        ("bytea", "decode(md5(g::text), 'hex')"),
        ("boolean", "g % 2 = 0"),
        ("inet", "'10.0.0.0'::inet + g"),
        ("interval", "g * '1 day 1.5s'::interval"),
        ("real", "g / 7.0"),
        ("double precision", "g / 7.0"),
        ("mood", "CASE g % 2 WHEN 0 THEN 'sad' ELSE 'happy' END::mood"),
        ("positive", "g::positive"),
        ("citext", "'Case' || g"),
        ("int[]", "ARRAY[g % 3, g]"),
        ("jsonb", "to_jsonb(g)"),
        ("oid", "g::oid"),
        ("bit(8)", "g::bit(8)"),
    ];
    database.administrate("CREATE EXTENSION citext");
    database.sql("CREATE TYPE mood AS ENUM ('sad', 'happy'); CREATE DOMAIN positive AS int CHECK (VALUE > 0);");
    for (number, (kind, value)) in kinds.iter().enumerate() {
        database.sql(&format!(
            "CREATE TABLE k{number} (id int, k {kind} PRIMARY KEY);
             INSERT INTO k{number} SELECT g, {value} FROM generate_series(1, 40) g ON CONFLICT DO NOTHING"
        ));
    }
    let source = Source::of(&database);
    let everything = source.full_refresh();
    let state = |number: usize, key: &str| {
        json!({"type": "STREAM", "stream": {"stream_descriptor": {"name": format!("k{number}"), "namespace": "public"},
            "stream_state": {"version": 2, "state_type": "key_based", "key_field": ["k"], "key": [key],
                "stream_name": format!("k{number}"), "stream_namespace": "public"}}})
    };
    let half: Vec<(String, Vec<Option<String>>)> = (0..kinds.len())
        .map(|number| {
            let rows = database.rows(&format!("SELECT id, k::text FROM k{number} AS t ORDER BY t.k"));
            let middle = rows[(rows.len() - 1) / 2][1].clone().unwrap();
            (middle, rows[rows.len().div_ceil(2)..].iter().map(|row| row[0].clone()).collect())
        })
        .collect();
    let saved: Vec<Value> = half.iter().enumerate().map(|(number, (key, _))| state(number, key)).collect();
    let finished = source.read(&everything, Some(&saved)).exits(0);
    for (number, (_, expected)) in half.iter().enumerate() {
        let ids: Vec<Option<String>> =
            numbers(&finished, &format!("k{number}"), "id").iter().map(|id| Some(id.to_string())).collect();
        assert_eq!(&ids, expected, "{}", kinds[number].0);
    }
}

#[test]
fn a_full_refresh_beside_an_incremental_one() {
    let database = Server::shared().database();
    database.sql("CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id int PRIMARY KEY); INSERT INTO a VALUES (1); INSERT INTO b VALUES (2)");
    let source = Source::of(&database);
    let both = catalog([configured(source.stream("a"), None), configured(source.stream("b"), Some("id"))]);
    let first = source.read(&both, None).exits(0);
    assert_eq!((numbers(&first, "a", "id"), numbers(&first, "b", "id")), (vec![1], vec![2]));
    database.sql("INSERT INTO a VALUES (3); INSERT INTO b VALUES (4)");
    let second = source.read(&both, Some(&states(&first))).exits(0);
    assert_eq!((numbers(&second, "a", "id"), numbers(&second, "b", "id")), (vec![1, 3], vec![4]));
}

#[test]
fn a_null_in_a_key_stays_one_whatever_is_configured() {
    let database = Server::shared().database();
    database.sql("CREATE TABLE a (id int, k text[] PRIMARY KEY); INSERT INTO a VALUES (1, '{a}'), (2, ARRAY[NULL])");
    database.administrate(&format!("ALTER DATABASE {} SET array_nulls = off", database.name()));
    let source = Source::of(&database);
    let state = json!({"type": "STREAM", "stream": {"stream_descriptor": {"name": "a", "namespace": "public"},
        "stream_state": {"version": 2, "state_type": "key_based", "key_field": ["k"], "key": ["{NULL}"]}}});
    // NULL is behind every text; the word would be before "a".
    let finished = source.read(&source.full_refresh(), Some(&[state])).exits(0);
    assert!(numbers(&finished, "a", "id").is_empty(), "{:?}", numbers(&finished, "a", "id"));
}
