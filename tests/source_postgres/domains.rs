//! Domains and types out of sight, as keys and as cursors: rows are compared as the server orders them.

use serde_json::{Value, json};

use super::{Source, catalog, configured, numbers, states};
use crate::harness::postgres::{Database, Server};

/// Tables with an `id`, and a key `k` of each type.
const TABLES: [(&str, &str, &str); 5] = [
    // Domains over a domain over what an extension compares.
    ("case_blind", "d2", "chr(CASE g % 2 WHEN 0 THEN 64 ELSE 96 END + g)"),
    ("enumerated", "feeling", "(ARRAY['sad', 'ok', 'glad', 'happy'])[g]::mood"),
    ("checked_later", "small", "g"),
    ("out_of_sight", "closed.hidden", "g"),
    ("worded", "words", "'word ' || chr(96 + g)"),
];

fn prepare(database: &Database) {
    database.administrate(
        "CREATE SCHEMA ext; CREATE EXTENSION citext SCHEMA ext; CREATE SCHEMA mid; CREATE SCHEMA closed;
         GRANT USAGE ON SCHEMA ext, mid TO airbyte;
         CREATE DOMAIN mid.d1 AS ext.citext; CREATE DOMAIN d2 AS mid.d1;
         CREATE TYPE mood AS ENUM ('sad', 'ok', 'glad', 'happy'); CREATE DOMAIN feeling AS mood;
         CREATE DOMAIN small AS int; CREATE DOMAIN closed.hidden AS int; CREATE DOMAIN words AS varchar(20) COLLATE \"en-x-icu\"",
    );
    for (table, kind, value) in TABLES {
        database.administrate(&format!(
            "CREATE TABLE {table} (id int, k {kind} PRIMARY KEY);
             INSERT INTO {table} SELECT g, {value} FROM generate_series(1, 4) g; GRANT SELECT ON {table} TO airbyte"
        ));
    }
    database.administrate("ALTER DOMAIN small ADD CHECK (VALUE > 100) NOT VALID");
}

fn saved(table: &str, state: &Value) -> Value {
    json!({"type": "STREAM", "stream": {"stream_descriptor": {"name": table, "namespace": "public"}, "stream_state": state}})
}

#[test]
fn a_read_goes_on_by_domains() {
    let database = Server::shared().database();
    prepare(&database);
    let source = Source::of(&database);
    for (sync_mode, cursor) in [("full_refresh", None), ("incremental", Some("k"))] {
        let everything = catalog(TABLES.map(|(table, ..)| configured(source.stream(table), cursor)));
        let after_the_second = TABLES.map(|(table, ..)| {
            let key = database.value(&format!("SELECT k::text FROM {table} WHERE id = 2"));
            let state = match cursor {
                None => json!({"version": 2, "state_type": "key_based", "key_field": ["k"], "key": [key]}),
                Some(_) => json!({"version": 2, "state_type": "cursor_based", "cursor_field": ["k"], "cursor": key,
                    "cursor_record_count": 1}),
            };
            saved(table, &state)
        });
        let finished = source.read(&everything, Some(&after_the_second)).exits(0);
        for (table, ..) in TABLES {
            assert_eq!(numbers(&finished, table, "id"), [3, 4], "{sync_mode} of {table}");
        }
        if cursor.is_some() {
            let again = source.read(&everything, Some(&states(&finished))).exits(0);
            assert!(again.of_type("RECORD").is_empty(), "{:?}", again.of_type("RECORD"));
        }
    }
}

#[test]
fn a_type_that_may_not_be_named_is_no_cursor_and_no_key_to_go_on_from() {
    let database = Server::shared().database();
    database.administrate(
        "CREATE SCHEMA closed; CREATE TYPE closed.mood AS ENUM ('sad', 'happy'); CREATE DOMAIN feeling AS closed.mood;
         CREATE TABLE a (id int, k closed.mood PRIMARY KEY); CREATE TABLE b (k feeling PRIMARY KEY);
         INSERT INTO a VALUES (1, 'sad'), (2, 'happy'); INSERT INTO b VALUES ('sad'); GRANT SELECT ON a, b TO airbyte",
    );
    let source = Source::of(&database);
    let stream = source.stream("a");
    assert_eq!(stream["source_defined_primary_key"], json!([["k"]]));
    assert_eq!(source.stream("b")["supported_sync_modes"], json!(["full_refresh"]));

    let whole = catalog([configured(stream.clone(), None)]);
    let state = json!({"version": 2, "state_type": "key_based", "key_field": ["k"], "key": ["sad"]});
    let finished = source.read(&whole, Some(&[saved("a", &state)])).exits(0);
    assert_eq!(numbers(&finished, "a", "id"), [1, 2]);

    let finished = source.read(&catalog([configured(stream, Some("k"))]), None).exits(1);
    let (kind, message) = finished.error();
    assert_eq!(kind, "config_error", "{message}");
    assert!(message.contains("USAGE") && message.contains("closed"), "{message}");
    assert!(numbers(&finished, "a", "id").is_empty(), "nothing is sent before");
}
