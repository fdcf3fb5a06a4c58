//! destination-postgres: Airbyte's raw tables in a real database, and nothing that a STATE acknowledged is lost.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::harness::golden::assert_spec;
use crate::harness::lines::{record_line, state_line, status_line};
use crate::harness::postgres::{Database, MD5_USER, Server};
use crate::harness::{Airlock, Finished, Workspace, connector};

struct Destination {
    workspace: Workspace,
    database: Database<'static>,
    config: Value,
}

impl Destination {
    fn new() -> Destination {
        let database = Server::shared().database();
        let mut config = database.config();
        config["schema"] = json!("shop");
        config["disable_type_dedupe"] = json!(true);
        Destination { workspace: Workspace::new(), database, config }
    }

    fn command(&self, command: &str) -> Airlock {
        Airlock::of(&connector("destination-postgres"))
            .arg(command)
            .option("--config", self.workspace.json("config.json", &self.config))
    }

    fn write_command(&self, catalog: &Value) -> Airlock {
        self.command("write")
            .option("--catalog", self.workspace.json("catalog.json", catalog))
            .option("--airbyte-dir", self.workspace.directory("airbyte"))
    }

    fn write(&self, catalog: &Value, input: &str) -> Finished {
        self.write_command(catalog).stdin(input).run()
    }

    /// A run that has acknowledged the state of a record with the number 1, and waits, when this returns.
    fn begin(&self, catalog: &Value) -> (Child, ChildStdin) {
        let mut child = self.write_command(catalog).spawn();
        let mut input = child.stdin.take().unwrap();
        input.write_all((record_line("a", 1) + &state_line("a", 1)).as_bytes()).unwrap();
        let mut stdout = BufReader::new(child.stdout.as_mut().unwrap());
        let mut line = String::new();
        while !line.starts_with("{\"type\":\"STATE\"") {
            line.clear();
            assert_ne!(stdout.read_line(&mut line).unwrap(), 0, "it ended before the state");
        }
        (child, input)
    }

    /// The same, but it has been given one more record.
    fn start(&self, catalog: &Value) -> (Child, ChildStdin) {
        let (child, mut input) = self.begin(catalog);
        input.write_all(record_line("a", 2).as_bytes()).unwrap();
        (child, input)
    }

    /// The numbers in a table, in order.
    fn numbers(&self, table: &str) -> Vec<i64> {
        let query = format!("SELECT _airbyte_data -> 'n' FROM airbyte_internal.\"{table}\" ORDER BY 1");
        self.database.rows(&query).into_iter().map(|row| row[0].as_ref().unwrap().parse().unwrap()).collect()
    }

    fn tables(&self) -> Vec<String> {
        let query = "SELECT tablename FROM pg_tables WHERE schemaname = 'airbyte_internal' ORDER BY 1";
        self.database.rows(query).into_iter().map(|row| row[0].clone().unwrap()).collect()
    }
}

const TABLE: &str = "shop_raw__stream_a";
const TEMPORARY: &str = "shop_raw__stream_a_airbyte_tmp";

fn catalog(stream: &str, mode: &str, more: Value) -> Value {
    let mut configured = json!({
        "stream": {"name": stream, "json_schema": {}, "supported_sync_modes": ["full_refresh", "incremental"]},
        "sync_mode": "full_refresh",
        "destination_sync_mode": mode,
    });
    configured.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({"streams": [configured]})
}

fn append() -> Value {
    catalog("a", "append", json!({"generation_id": 1, "minimum_generation_id": 0, "sync_id": 1}))
}

fn overwrite(generation_id: u64) -> Value {
    let more =
        json!({"generation_id": generation_id, "minimum_generation_id": generation_id, "sync_id": generation_id});
    catalog("a", "overwrite", more)
}

fn record(data: Value) -> String {
    json!({"type": "RECORD", "record": {"stream": "a", "emitted_at": 1, "data": data}}).to_string() + "\n"
}

#[test]
fn the_spec_is_airbytes() {
    assert_spec("destination-postgres");
}

#[test]
fn check_makes_a_table_and_leaves_nothing() {
    let destination = Destination::new();
    let finished = destination.command("check").run().exits(0);
    assert_eq!(finished.of_type("CONNECTION_STATUS")[0]["connectionStatus"]["status"], "SUCCEEDED");
    let there = "SELECT count(*) FROM pg_namespace WHERE nspname = 'airbyte_internal'";
    assert_eq!(destination.database.value(there), "0");
}

#[test]
fn check_says_what_does_not_work() {
    let mut destination = Destination::new();
    let works = destination.config.clone();
    for (field, value, words) in [
        ("password", json!("wrong-word"), &["password is wrong", "28P01"][..]),
        ("database", json!("nowhere"), &["no database \"nowhere\"", "3D000"]),
        ("username", json!(MD5_USER), &["permission denied", "42501"]),
        ("ssl_mode", json!({"mode": "require"}), &["does not encrypt"]),
        ("host", json!("nowhere.invalid"), &["can not be found"]),
        ("port", json!(0), &["port has to be"]),
        (
            "tunnel_method",
            json!({"tunnel_method": "SSH_PASSWORD_AUTH", "tunnel_host": "x", "tunnel_port": 22, "tunnel_user": "x", "tunnel_user_password": "xxxx"}),
            &["SSH tunnels"],
        ),
    ] {
        destination.config = works.clone();
        destination.config[field] = value;
        let finished = destination.command("check").run().exits(0);
        let status = finished.of_type("CONNECTION_STATUS")[0]["connectionStatus"].clone();
        assert_eq!(status["status"], "FAILED", "{field}");
        for word in words {
            assert!(status["message"].as_str().unwrap().contains(word), "{field}: {status}");
        }
    }
}

#[test]
fn append_adds_rows_in_airbytes_shape() {
    let destination = Destination::new();
    for number in [1, 2] {
        let input = record_line("a", number) + &state_line("a", number) + &status_line("a", "COMPLETE");
        let finished = destination.write(&append(), &input).exits(0);
        assert_eq!(finished.states().len(), 1);
    }
    assert_eq!(destination.numbers(TABLE), [1, 2]);
    assert_eq!(destination.tables(), [TABLE]);
    let columns = "SELECT string_agg(attname || ' ' || format_type(atttypid, NULL), ', ' ORDER BY attnum) FROM pg_attribute \
                   WHERE attrelid = 'airbyte_internal.shop_raw__stream_a'::regclass AND attnum > 0";
    assert_eq!(
        destination.database.value(columns),
        "_airbyte_raw_id character varying, _airbyte_data jsonb, _airbyte_extracted_at timestamp with time zone, \
         _airbyte_loaded_at timestamp with time zone, _airbyte_meta jsonb, _airbyte_generation_id bigint"
    );
    let row = "SELECT length(_airbyte_raw_id), _airbyte_extracted_at, _airbyte_loaded_at, _airbyte_meta, _airbyte_generation_id \
               FROM airbyte_internal.shop_raw__stream_a LIMIT 1";
    let expected = ["36", "1970-01-01 00:00:00.001+00", "", "{\"changes\": [], \"sync_id\": 1}", "1"];
    let row: Vec<String> =
        destination.database.rows(row)[0].iter().map(|value| value.clone().unwrap_or_default()).collect();
    assert_eq!(row, expected);
}

#[test]
fn what_jsonb_can_not_hold_is_left_out_and_told() {
    let destination = Destination::new();
    let data = r#"{"n":1,"text":"x\u0000y","half":"\ud83d","kept":"\\u0000 \t\\ \ud83d\ude00"}"#;
    let input = format!("{{\"type\":\"RECORD\",\"record\":{{\"stream\":\"a\",\"emitted_at\":1,\"data\":{data}}}}}\n");
    destination.write(&append(), &(input + &status_line("a", "COMPLETE"))).exits(0);
    let rows =
        destination.database.rows("SELECT _airbyte_data, _airbyte_meta FROM airbyte_internal.shop_raw__stream_a");
    let value = |column: usize| serde_json::from_str::<Value>(rows[0][column].as_ref().unwrap()).unwrap();
    assert_eq!(value(0), json!({"n": 1, "text": "xy", "half": "\u{fffd}", "kept": "\\u0000 \t\\ \u{1f600}"}));
    let changes = value(1)["changes"].clone();
    for (index, field) in ["half", "text"].into_iter().enumerate() {
        assert_eq!(changes[index]["field"], field, "{changes}");
        assert_eq!(changes[index]["reason"], "DESTINATION_SERIALIZATION_ERROR");
    }
}

#[test]
fn what_was_not_acknowledged_is_not_there_after_a_failure() {
    let destination = Destination::new();
    let input = record_line("a", 1) + &state_line("a", 1) + &record_line("a", 2) + "{\"type\":\"RECORD\",\"record\":";
    let finished = destination.write(&append(), &input).exits(1);
    assert_eq!(finished.states().len(), 1);
    assert_eq!(destination.numbers(TABLE), [1]);
}

#[test]
fn a_generation_replaces_when_it_is_complete_and_is_gone_on_with() {
    let destination = Destination::new();
    let whole = |number| record_line("a", number) + &state_line("a", number) + &status_line("a", "COMPLETE");
    destination.write(&overwrite(1), &whole(1)).exits(0);

    let cut = record_line("a", 2) + &state_line("a", 2) + &record_line("a", 3) + &status_line("a", "INCOMPLETE");
    let finished = destination.write(&overwrite(2), &cut);
    assert_eq!(finished.states().len(), 1);
    assert_eq!(destination.numbers(TABLE), [1], "readers see the earlier table");
    assert_eq!(destination.numbers(TEMPORARY), [2], "what is acknowledged is kept, and no more");

    destination.write(&overwrite(2), &whole(4)).exits(0);
    assert_eq!(destination.numbers(TABLE), [2, 4]);
    assert_eq!(destination.tables(), [TABLE]);
    // An attempt of a sync that had completed the stream adds to it; the next generation replaces it.
    destination.write(&overwrite(2), &whole(5)).exits(0);
    assert_eq!(destination.numbers(TABLE), [2, 4, 5]);
    destination.write(&overwrite(3), &status_line("a", "COMPLETE")).exits(0);
    assert_eq!(destination.numbers(TABLE), [0_i64; 0]);
}

#[test]
fn append_takes_over_what_an_unfinished_refresh_wrote() {
    let destination = Destination::new();
    destination.write(&append(), &(record_line("a", 1) + &status_line("a", "COMPLETE"))).exits(0);
    let cut = record_line("a", 2) + &state_line("a", 2) + &status_line("a", "INCOMPLETE");
    destination.write(&overwrite(2), &cut);
    assert_eq!(destination.tables(), [TABLE, TEMPORARY]);
    destination.write(&append(), &(record_line("a", 3) + &status_line("a", "COMPLETE"))).exits(0);
    assert_eq!(destination.numbers(TABLE), [1, 2, 3]);
    assert_eq!(destination.tables(), [TABLE]);
}

#[test]
fn overwrite_without_a_generation_is_all_or_nothing() {
    let destination = Destination::new();
    let overwrite = catalog("a", "overwrite", json!({}));
    let input = |number| record_line("a", number) + &state_line("a", number);
    let finished = destination.write(&overwrite, &(input(1) + &status_line("a", "COMPLETE"))).exits(0);
    assert_eq!(finished.states().len(), 1);
    let finished = destination.write(&overwrite, &(input(2) + &status_line("a", "INCOMPLETE"))).exits(1);
    assert_eq!(finished.states().len(), 0);
    assert_eq!(destination.numbers(TABLE), [1]);
    assert_eq!(destination.tables(), [TABLE]);
    destination.write(&overwrite, &(input(3) + &status_line("a", "COMPLETE"))).exits(0);
    assert_eq!(destination.numbers(TABLE), [3]);
}

#[test]
fn the_newest_of_each_key_stays() {
    let destination = Destination::new();
    let catalog = catalog("a", "append_dedup", json!({"primary_key": [["k"], ["l", "m"]], "cursor_field": ["t"]}));
    let records = [
        json!({"n": 1, "k": 1, "l": {"m": "x"}, "t": "2024-02-01"}),
        json!({"n": 2, "k": 1, "l": {"m": "x"}, "t": "2024-01-01"}),
        json!({"n": 3, "k": 1, "l": {"m": "y"}, "t": null}),
        json!({"n": 4, "k": 1, "l": {"m": "y"}, "t": null}),
        // No whole key: like no other.
        json!({"n": 5, "k": 2, "l": {"m": null}}),
        json!({"n": 6, "k": 2, "l": {}}),
        // Deleted in the source.
        json!({"n": 7, "k": 3, "l": {"m": 1}, "t": "2024-01-01"}),
        json!({"n": 8, "k": 3, "l": {"m": 1}, "t": "2024-01-02", "_ab_cdc_deleted_at": "2024-01-02"}),
    ];
    let input: String = records.into_iter().map(record).collect();
    destination.write(&catalog, &(input + &status_line("a", "COMPLETE"))).exits(0);
    assert_eq!(destination.numbers(TABLE), [1, 4, 5, 6]);
    let again = record(json!({"n": 9, "k": 1.0, "l": {"m": "x"}, "t": "2024-03-01"}));
    destination.write(&catalog, &(again + &status_line("a", "COMPLETE"))).exits(0);
    assert_eq!(destination.numbers(TABLE), [4, 5, 6, 9]);
}

#[test]
fn a_key_is_needed_to_deduplicate() {
    let destination = Destination::new();
    let finished = destination.write(&catalog("a", "append_dedup", json!({})), "").exits(1);
    assert_eq!(finished.error().0, "config_error");
    assert!(finished.error().1.contains("primary key"), "{:?}", finished.error());
}

#[test]
fn a_killed_sync_leaves_what_is_acknowledged_and_the_next_goes_on() {
    let destination = Destination::new();
    for (catalog, table) in [(append(), TABLE), (overwrite(2), TEMPORARY)] {
        let (mut child, input) = destination.start(&catalog);
        child.kill().unwrap();
        child.wait().unwrap();
        drop(input);
        assert_eq!(destination.numbers(table), [1]);
    }
    destination.write(&overwrite(2), &(record_line("a", 3) + &status_line("a", "COMPLETE"))).exits(0);
    assert_eq!(destination.numbers(TABLE), [1, 3]);
    assert_eq!(destination.tables(), [TABLE]);
}

#[test]
fn an_interrupted_sync_rolls_back() {
    let destination = Destination::new();
    let (mut child, _input) = destination.start(&append());
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    child.wait().unwrap();
    assert_eq!(destination.numbers(TABLE), [1]);
    let connections =
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'airlock%'";
    // It has said goodbye, and the server takes a moment to hear it.
    while destination.database.value(connections) != "0" {
        std::thread::yield_now();
    }
}

#[test]
fn a_lost_connection_may_pass() {
    let destination = Destination::new();
    let (child, mut input) = destination.start(&append());
    destination.database.administrate(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'airlock%'",
    );
    input.write_all((record_line("a", 3) + &state_line("a", 3)).as_bytes()).unwrap();
    drop(input);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let output = String::from_utf8(output.stdout).unwrap();
    assert!(output.contains("\"failure_type\":\"transient_error\""), "{output}");
    assert!(!output.contains("\"STATE\""), "{output}");
    assert_eq!(destination.numbers(TABLE), [1]);
}

#[test]
fn two_syncs_of_a_table_do_not_take_each_others_for_their_own() {
    let more = record_line("a", 3) + &state_line("a", 3);
    let complete = status_line("a", "COMPLETE");
    let other = record_line("a", 7) + &state_line("a", 7);
    for (rest, other_end) in [
        (more.clone() + &complete, "INCOMPLETE"),
        (complete.clone(), "INCOMPLETE"),
        (more, "COMPLETE"),
        (complete, "COMPLETE"),
    ] {
        let destination = Destination::new();
        let (child, mut input) = destination.begin(&overwrite(2));
        let finished = destination.write(&overwrite(3), &(other.clone() + &status_line("a", other_end)));
        assert_eq!(finished.states().len(), 1);
        input.write_all(rest.as_bytes()).unwrap();
        drop(input);
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{other_end}, {rest}");
        let output = String::from_utf8(output.stdout).unwrap();
        assert!(output.contains("transient_error") && output.contains("Another sync writes the table"), "{output}");
        assert!(!output.contains("\"STATE\""), "{output}");
        let (table, tables) =
            if other_end == "COMPLETE" { (TABLE, &[TABLE][..]) } else { (TEMPORARY, &[TABLE, TEMPORARY][..]) };
        assert_eq!(destination.numbers(table), [7], "the other's is whole");
        assert!(tables.ends_with(&destination.tables().iter().map(String::as_str).collect::<Vec<_>>()));
    }
}

#[test]
fn a_trigger_that_talks_is_not_listened_to() {
    let destination = Destination::new();
    destination.write(&append(), &status_line("a", "COMPLETE")).exits(0);
    // 20 MB of records and as much of notices: more than lies between a server and a client that does not read.
    destination.database.sql(&format!(
        "CREATE FUNCTION talks() RETURNS trigger LANGUAGE plpgsql AS
         $$ BEGIN RAISE NOTICE '%', repeat('x', 1000); NEW._airbyte_meta = to_jsonb(current_setting('client_min_messages')); RETURN NEW; END $$;
         CREATE TRIGGER talks BEFORE INSERT ON airbyte_internal.{TABLE} FOR EACH ROW EXECUTE FUNCTION talks()"
    ));
    let text = "y".repeat(1000);
    let records: String = (0..20_000).map(|number| record(json!({"n": number, "text": text}))).collect();
    let start = Instant::now();
    destination.write(&append(), &(records + &state_line("a", 1) + &status_line("a", "COMPLETE"))).exits(0);
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    let silent = format!("SELECT count(*) FROM airbyte_internal.{TABLE} WHERE _airbyte_meta = '\"error\"'");
    assert_eq!(destination.database.value(&silent), "20000");
}

#[test]
fn a_name_with_a_nul_character_is_refused() {
    let finished = Destination::new().write(&catalog("a\0b", "append", json!({})), "").exits(1);
    assert_eq!(finished.error().0, "config_error");
    assert!(finished.error().1.contains("a\\0b"), "{:?}", finished.error());
}

#[test]
fn odd_and_long_names_have_tables_of_their_own() {
    let destination = Destination::new();
    let long = "é".repeat(100);
    let names = ["it's \"odd\"; --".to_owned(), format!("{long}1"), format!("{long}2")];
    let mut all = json!({"streams": []});
    let mut input = String::new();
    for (number, name) in (1..).zip(&names) {
        all["streams"].as_array_mut().unwrap().push(catalog(name, "append", json!({}))["streams"][0].clone());
        input +=
            &json!({"type": "RECORD", "record": {"stream": name, "emitted_at": 1, "data": {"n": number}}}).to_string();
        input += "\n";
        input += &status_line(&name.replace('"', "\\\""), "COMPLETE");
    }
    destination.write(&all, &input).exits(0);
    let tables = destination.tables();
    assert_eq!(tables.len(), 3, "{tables:?}");
    assert!(tables.contains(&"shop_raw__stream_it's \"odd\"; --".to_owned()), "{tables:?}");

    let mut twins = append();
    twins["streams"].as_array_mut().unwrap().push(catalog("A", "append", json!({}))["streams"][0].clone());
    let finished = destination.write(&twins, "").exits(1);
    assert_eq!(finished.error().0, "config_error");
}

#[test]
fn a_table_of_somebody_else_is_left_alone() {
    let destination = Destination::new();
    destination
        .database
        .sql("CREATE SCHEMA airbyte_internal; CREATE TABLE airbyte_internal.shop_raw__stream_a (n int)");
    let finished = destination.write(&append(), &record_line("a", 1)).exits(1);
    assert_eq!(finished.error().0, "config_error");
    assert!(finished.error().1.contains("no column _airbyte_raw_id"), "{:?}", finished.error());
}

#[test]
fn a_view_of_a_table_is_not_dropped_unasked() {
    let mut destination = Destination::new();
    let whole = |number| record_line("a", number) + &status_line("a", "COMPLETE");
    destination.write(&overwrite(1), &whole(1)).exits(0);
    destination.database.sql("CREATE VIEW v AS SELECT * FROM airbyte_internal.shop_raw__stream_a");
    let finished = destination.write(&overwrite(2), &whole(2)).exits(1);
    assert_eq!(finished.error().0, "config_error");
    assert!(finished.error().1.contains("drop_cascade"), "{:?}", finished.error());
    assert_eq!(destination.numbers(TABLE), [1]);
    destination.config["drop_cascade"] = json!(true);
    destination.write(&overwrite(2), &whole(3)).exits(0);
    assert_eq!(destination.numbers(TABLE), [3]);
}

#[test]
fn a_value_that_is_refused_is_not_quoted() {
    let destination = Destination::new();
    let input = "{\"type\":\"RECORD\",\"record\":{\"stream\":\"a\",\"emitted_at\":1,\"data\":{\"n\":7e777777}}}\n";
    let finished = destination.write(&append(), &(input.to_owned() + &state_line("a", 1))).exits(1);
    assert_eq!(finished.states().len(), 0);
    assert!(finished.error().1.contains("22003"), "{:?}", finished.error());
    assert!(!finished.errors()[0].to_string().contains("777"));
}

#[test]
fn a_source_is_synced_through_a_pipe() {
    let destination = Destination::new();
    let workspace = Workspace::new();
    let source = || Airlock::of(&connector("source-faker"));
    let config = workspace.json("config.json", &json!({"count": 1000, "seed": 1}));
    let discovered = source().arg("discover").option("--config", &config).run().exits(0);
    let streams = discovered.of_type("CATALOG")[0]["catalog"]["streams"].as_array().unwrap().clone();
    let configured: Vec<Value> = streams
        .into_iter()
        .map(|stream| {
            json!({
                "stream": stream, "sync_mode": "full_refresh", "destination_sync_mode": "overwrite",
                "generation_id": 1, "minimum_generation_id": 1, "sync_id": 5,
            })
        })
        .collect();
    let catalog = json!({"streams": configured});
    let path = workspace.json("catalog.json", &catalog);
    let read = source().arg("read").option("--config", &config).option("--catalog", path).into_command();
    let mut read = { read }.stdout(Stdio::piped()).spawn().unwrap();
    let mut write = destination.write_command(&catalog).into_command();
    let written = write.stdin(read.stdout.take().unwrap()).output().unwrap();
    assert!(read.wait().unwrap().success());
    assert!(written.status.success(), "{}", String::from_utf8_lossy(&written.stdout));
    let count = |stream| {
        destination.database.value(&format!("SELECT count(*) FROM airbyte_internal.shop_raw__stream_{stream}"))
    };
    assert_eq!((count("users").as_str(), count("products").as_str()), ("1000", "100"));
    assert_eq!(destination.tables().len(), 3);
}
