//! The streams of a catalog: what there is in a database that may be read.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::Source;
use crate::harness::postgres::Server;

fn names(streams: &[Value]) -> BTreeSet<(&str, &str)> {
    let name = |stream: &'static str| stream;
    let (namespace, name) = (name("namespace"), name("name"));
    streams.iter().map(|stream| (stream[namespace].as_str().unwrap(), stream[name].as_str().unwrap())).collect()
}

#[test]
fn every_kind_of_relation_is_a_stream_and_nothing_else() {
    let database = Server::shared().database();
    database.sql(
        "CREATE TABLE a_table (id int PRIMARY KEY, note text);
         CREATE VIEW a_view AS SELECT * FROM a_table;
         CREATE MATERIALIZED VIEW a_materialized_view AS SELECT * FROM a_table;
         CREATE TABLE a_partitioned_table (id int, at date, PRIMARY KEY (at, id)) PARTITION BY RANGE (at);
         CREATE TABLE a_partition PARTITION OF a_partitioned_table FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
         CREATE TABLE a_partition_by_itself PARTITION OF a_partitioned_table DEFAULT;
         CREATE TABLE a_parent (id int);
         CREATE TABLE a_child (more int) INHERITS (a_parent);
         CREATE UNLOGGED TABLE an_unlogged_table (id int);
         CREATE SEQUENCE a_sequence;
         CREATE INDEX an_index ON a_table (note);
         CREATE TYPE a_composite AS (a int);
         CREATE TEMPORARY TABLE a_temporary_table (id int);
         CREATE SCHEMA \"Other\";
         CREATE TABLE \"Other\".\"A Table\" (\"Id\" int PRIMARY KEY);
         CREATE SCHEMA an_empty_schema;",
    );
    database.administrate(
        "CREATE FOREIGN DATA WRAPPER a_wrapper; CREATE SERVER a_server FOREIGN DATA WRAPPER a_wrapper;
         CREATE FOREIGN TABLE a_foreign_table (id int) SERVER a_server; GRANT SELECT ON a_foreign_table TO airbyte",
    );
    let mut source = Source::of(&database);
    let public = [
        "a_child",
        "a_foreign_table",
        "a_materialized_view",
        "a_parent",
        "a_partitioned_table",
        "a_table",
        "a_view",
        "an_unlogged_table",
    ];
    let in_public: BTreeSet<(&str, &str)> = public.iter().map(|name| ("public", *name)).collect();
    let mut all = in_public.clone();
    all.insert(("Other", "A Table"));
    assert_eq!(names(&source.discover()), all);
    for (schemas, expected) in [
        (json!([]), all.clone()),
        (json!(["public"]), in_public),
        (json!(["Other"]), BTreeSet::from([("Other", "A Table")])),
        (json!(["public", "Other"]), all),
        (json!(["an_empty_schema"]), BTreeSet::new()),
    ] {
        source.config["schemas"] = schemas.clone();
        assert_eq!(names(&source.discover()), expected, "{schemas}");
    }
}

#[test]
fn a_stream_has_keys_modes_and_columns() {
    let database = Server::shared().database();
    database.sql(
        "CREATE TABLE with_key (b text, a int, c bytea, PRIMARY KEY (a, b));
         CREATE TABLE without_key (id int, doc jsonb);
         CREATE TABLE only_documents (doc json, flags boolean[]);
         CREATE VIEW a_view AS SELECT a FROM with_key;
         CREATE TABLE changed (id int PRIMARY KEY, gone int, twice int GENERATED ALWAYS AS (id * 2) STORED);
         ALTER TABLE changed DROP COLUMN gone;
         ALTER TABLE changed ADD COLUMN come date;",
    );
    let source = Source::of(&database);
    let with_key = source.stream("with_key");
    assert_eq!(with_key["source_defined_primary_key"], json!([["a"], ["b"]]), "in the order of the key");
    assert_eq!(with_key["supported_sync_modes"], json!(["full_refresh", "incremental"]));
    assert_eq!((&with_key["is_resumable"], &with_key["namespace"]), (&json!(true), &json!("public")));
    assert!(
        with_key["source_defined_cursor"] != json!(true)
            && with_key["default_cursor_field"].as_array().is_none_or(Vec::is_empty)
    );
    let columns: BTreeSet<&String> = with_key["json_schema"]["properties"].as_object().unwrap().keys().collect();
    assert_eq!(columns.into_iter().collect::<Vec<_>>(), ["a", "b", "c"]);
    // A parsed object may have lost its order; as it was printed it is the table's.
    let printed = String::from_utf8(source.command("discover").run().exits(0).stdout).unwrap();
    assert!(printed.contains(r#""properties":{"b":{"type":"string"},"a":{"#), "{printed}");

    let without_key = source.stream("without_key");
    assert!(without_key["source_defined_primary_key"].as_array().is_none_or(Vec::is_empty));
    assert_eq!(without_key["is_resumable"], true, "by the places of rows");
    assert_eq!(
        source.stream("only_documents")["supported_sync_modes"],
        json!(["full_refresh"]),
        "no column is a cursor"
    );
    assert_ne!(source.stream("a_view")["is_resumable"], true);
    assert_eq!(
        source.stream("changed")["json_schema"]["properties"],
        json!({
            "id": {"type": "number", "airbyte_type": "integer"},
            "twice": {"type": "number", "airbyte_type": "integer"},
            "come": {"type": "string", "format": "date"},
        })
    );
}

#[test]
fn only_what_the_user_may_read_is_there() {
    let database = Server::shared().database();
    database.administrate(
        "CREATE TABLE open (id int PRIMARY KEY); GRANT SELECT ON open TO airbyte;
         CREATE TABLE closed (id int PRIMARY KEY);
         CREATE TABLE writable (id int); GRANT INSERT ON writable TO airbyte;
         CREATE TABLE some_columns (id int PRIMARY KEY, name text, secret text);
         GRANT SELECT (id, name) ON some_columns TO airbyte;
         CREATE SCHEMA closed_schema; CREATE TABLE closed_schema.a (id int); GRANT SELECT ON closed_schema.a TO airbyte;
         CREATE TABLE by_group (id int);
         DO $$ BEGIN CREATE ROLE a_group; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
         GRANT SELECT ON by_group TO a_group; GRANT a_group TO airbyte;
         CREATE TABLE to_all (id int); GRANT SELECT ON to_all TO PUBLIC;
         CREATE VIEW of_closed AS SELECT * FROM closed; GRANT SELECT ON of_closed TO airbyte;",
    );
    database.administrate("INSERT INTO some_columns VALUES (1, 'a', 'a secret'); INSERT INTO closed VALUES (7);");
    let source = Source::of(&database);
    let streams = source.discover();
    let expected = ["by_group", "of_closed", "open", "some_columns", "to_all"];
    assert_eq!(names(&streams), expected.iter().map(|name| ("public", *name)).collect());
    let columns = source.stream("some_columns")["json_schema"]["properties"].clone();
    assert_eq!(columns.as_object().unwrap().keys().collect::<Vec<_>>(), ["id", "name"]);

    // And it can be read.
    let finished = source.read(&source.full_refresh(), None).exits(0);
    assert_eq!(finished.records("some_columns"), [&json!({"id": 1, "name": "a"})]);
    assert_eq!(finished.records("of_closed"), [&json!({"id": 7})]);
}

#[test]
fn names_are_what_they_are() {
    let database = Server::shared().database();
    let long = "ü".repeat(31) + "x"; // 63 bytes
    let odd = [
        "Upper",
        "a space",
        "quo\"te",
        "apo'stroph",
        "back\\slash",
        "semi;colon",
        "$1",
        "select",
        "日本語",
        "🦀",
        "a.b",
        "-- x",
        "new\nline",
        "%s",
        &long,
    ];
    for name in odd {
        let quoted = name.replace('"', "\"\"");
        database.sql(&format!(
            "CREATE TABLE \"{quoted}\" (\"{quoted}\" int PRIMARY KEY, \"id\" text); INSERT INTO \"{quoted}\" VALUES (1, 'x')"
        ));
    }
    let source = Source::of(&database);
    let catalog = source.full_refresh();
    let found: BTreeSet<&str> = catalog["streams"]
        .as_array()
        .unwrap()
        .iter()
        .map(|stream| stream["stream"]["name"].as_str().unwrap())
        .collect();
    assert_eq!(found, BTreeSet::from(odd));
    let finished = source.read(&catalog, None).exits(0);
    for name in odd {
        assert_eq!(finished.records(name), [&json!({name: 1, "id": "x"})], "{name}");
    }
    // By a cursor, too.
    for name in odd {
        let catalog = source.incremental(name, name);
        let finished = source.read(&catalog, None).exits(0);
        assert_eq!(finished.records(name), [&json!({name: 1, "id": "x"})], "{name}");
        let again = source.read(&catalog, Some(&super::states(&finished))).exits(0);
        assert!(again.records(name).is_empty(), "{name}");
        if name == "quo\"te" {
            break; // The rest is the same, and each of these takes two runs.
        }
    }
}

#[test]
fn same_names_in_two_schemas_are_two_streams() {
    let database = Server::shared().database();
    database.sql(
        "CREATE SCHEMA one; CREATE SCHEMA two; CREATE TABLE one.t (id int); CREATE TABLE two.t (id int, more int);
         INSERT INTO one.t VALUES (1); INSERT INTO two.t VALUES (2, 3);",
    );
    let source = Source::of(&database);
    let finished = source.read(&source.full_refresh(), None).exits(0);
    let records: Vec<(&Value, &Value)> = finished
        .of_type("RECORD")
        .into_iter()
        .map(|message| (&message["record"]["namespace"], &message["record"]["data"]))
        .collect();
    assert_eq!(records, [(&json!("one"), &json!({"id": 1})), (&json!("two"), &json!({"id": 2, "more": 3}))]);
}

#[test]
fn an_empty_database_has_an_empty_catalog() {
    let database = Server::shared().database();
    assert_eq!(Source::of(&database).discover(), [] as [Value; 0]);
}

#[test]
fn thousands_of_tables_are_found_by_a_few_queries() {
    let server = Server::start(&crate::harness::postgres::Options {
        settings: "log_statement = 'all'\nmax_locks_per_transaction = 4096",
        ..Default::default()
    });
    let database = server.database();
    database.sql(
        "SET client_min_messages = error;
         DO $$ BEGIN FOR n IN 1..3000 LOOP
            EXECUTE format('CREATE TABLE t_%s (id int PRIMARY KEY, at timestamptz, note varchar(20))', n);
         END LOOP; END $$",
    );
    let before = server.log().matches("LOG:  ").count();
    assert_eq!(Source::of(&database).discover().len(), 3000);
    let after = server.log();
    let statements = after.matches("LOG:  ").count() - before;
    assert!(statements < 40, "{statements} statements");
}
