//! Airbyte's own models of the protocol (airbyte-protocol-models) over every line that the binary prints.

use std::fs;

use serde_json::{Value, json};

use super::{run, script};
use crate::harness::lines::{record_line, state_line, status_line};
use crate::harness::workspace::configured_catalog;
use crate::harness::{Airlock, Workspace, connector, test_guest};

const FAKER_STREAMS: [&str; 3] = ["products", "users", "purchases"];

#[test]
fn every_line_parses_and_says_the_same() {
    let workspace = Workspace::new();
    let airbyte = workspace.directory("airbyte");
    let mut files = Vec::new();
    let mut expected = serde_json::Map::new();
    let mut add = |name: &str, run: Airlock, code: i32, counts: Value| {
        let path = workspace.file(name, run.run_tool().exits(code).stdout);
        expected.insert(path.to_str().unwrap().to_owned(), counts);
        files.push(path);
    };
    // Each run ends before the next is prepared.
    let config = |content: Value| workspace.json("config.json", &content);
    let of = |connector: &std::path::Path, command: &str| {
        Airlock::of(connector).option("--airbyte-dir", &airbyte).arg(command)
    };
    let read = |connector: &std::path::Path, content: Value, streams: &[&str]| {
        let catalog = workspace.json("catalog.json", &configured_catalog(streams));
        of(connector, "read").option("--config", config(content)).option("--catalog", catalog)
    };

    let faker = connector("source-faker");
    let faker_config = json!({"count": 50_000, "seed": 1});
    add("spec", of(&faker, "spec"), 0, json!({"SPEC": 1}));
    let check = |content| of(&faker, "check").option("--config", config(content));
    add("check", check(faker_config.clone()), 0, json!({"CONNECTION_STATUS": 1}));
    add("failed-check", check(json!({"count": "many"})), 0, json!({"CONNECTION_STATUS": 1}));
    add("discover", of(&faker, "discover").option("--config", config(json!({}))), 0, json!({"CATALOG": 1}));
    // Each sync begins with a LOG that says what is in force.
    let counts = json!({"LOG": 1, "TRACE": 12, "RECORD": 100_100, "STATE": 101});
    add("long-read", read(&faker, faker_config, &FAKER_STREAMS), 0, counts);
    add("refused-read", read(&faker, json!({"count": "many"}), &FAKER_STREAMS), 1, json!({"TRACE": 1}));

    // Failures with all their fields, annotations, logs and the rest, and states of all streams.
    let details = r#"{"code": 7, "note": ["hm"]}"#;
    let fails = json!({"from": "read", "kind": "transient_error", "details": details});
    let counts = json!({"LOG": 1, "TRACE": 7, "RECORD": 6, "STATE": 2});
    add("failing-read", read(&test_guest("source-fails"), fails, &["one", "two"]), 1, counts);
    let counts = json!({"LOG": 2, "TRACE": 3, "RECORD": 4, "STATE": 1});
    add("annotations", read(&test_guest("source-annotates"), json!({}), &["one"]), 0, counts);
    // Compiled before, or a debug message would say that it is now.
    of(&test_guest("source-talks"), "spec").run_tool().exits(0);
    let counts = json!({"LOG": 11, "TRACE": 8, "CONTROL": 1, "RECORD": 3, "STATE": 1});
    add("talk", read(&test_guest("source-talks"), json!({}), &["one"]).arg("--debug"), 0, counts);
    let counts = json!({"LOG": 3, "TRACE": 6, "RECORD": 6, "STATE": 2});
    add("global-state", read(&test_guest("source-states"), json!({"form": "global"}), &["one", "two"]), 0, counts);

    let destination = connector("destination-local-json");
    let write = |streams: &[&str], input: &str| {
        let catalog = workspace.json("catalog.json", &configured_catalog(streams));
        let config = config(json!({"destination_path": "/local/out"}));
        of(&destination, "write").option("--config", config).option("--catalog", catalog).stdin(input)
    };
    let input = record_line("a", 1) + &state_line("a", 1) + &status_line("a", "COMPLETE");
    add("write", write(&["a"], &input), 0, json!({"LOG": 1, "STATE": 1}));
    add("failing-write", write(&["a"], &record_line("b", 1)), 1, json!({"LOG": 1, "TRACE": 1}));
    add("write-spec", of(&destination, "spec"), 0, json!({"SPEC": 1}));

    let output = run(script("protocol_models.py", &workspace).args(&files));
    let counts: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(counts, Value::Object(expected));
    assert!(files.iter().all(|file| fs::metadata(file).unwrap().len() > 0));
}
