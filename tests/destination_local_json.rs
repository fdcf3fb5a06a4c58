//! destination-local-json: compatible with Airbyte's, and nothing that a STATE acknowledged is ever lost.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::harness::golden::assert_spec;
use crate::harness::lines::{record_line, state_line, status_line};
use crate::harness::workspace::configured_catalog;
use crate::harness::{Airlock, Finished, Workspace, connector};

struct Destination {
    workspace: Workspace,
    directory: PathBuf,
}

impl Destination {
    fn new() -> Destination {
        let workspace = Workspace::new();
        let directory = workspace.directory("airbyte");
        Destination { workspace, directory }
    }

    fn write(&self, catalog: &Value, input: &str) -> Finished {
        let config = self.workspace.json("config.json", &json!({"destination_path": "/local/out"}));
        let catalog = self.workspace.json("catalog.json", catalog);
        Airlock::of(&connector("destination-local-json"))
            .arg("write")
            .option("--config", config)
            .option("--catalog", catalog)
            .option("--airbyte-dir", &self.directory)
            .stdin(input)
            .run()
    }

    fn file(&self, stream: &str) -> PathBuf {
        self.directory.join(format!("local/out/_airbyte_raw_{stream}.jsonl"))
    }

    /// The numbers of the records in a stream's file; none where there is no file.
    fn numbers(&self, stream: &str) -> Option<Vec<u64>> {
        let text = fs::read_to_string(self.file(stream)).ok()?;
        let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        Some(lines.map(|line| line["_airbyte_data"]["n"].as_u64().unwrap()).collect())
    }
}

/// One stream that is replaced, by this generation where there is one.
fn overwrite(generation: Option<i64>) -> Value {
    let mut catalog = configured_catalog(&["a"]);
    let stream = &mut catalog["streams"][0];
    stream["destination_sync_mode"] = json!("overwrite");
    stream["generation_id"] = json!(generation);
    stream["minimum_generation_id"] = json!(generation);
    stream["sync_id"] = json!(generation.map(|generation| generation * 10));
    catalog
}

#[test]
fn the_spec_is_airbytes() {
    assert_spec("destination-local-json");
}

#[test]
fn check_tries_the_directory_and_refuses_to_leave_it() {
    let workspace = Workspace::new();
    let directory = workspace.directory("airbyte");
    let check = |path: &str| {
        let config = workspace.json("config.json", &json!({"destination_path": path}));
        let check = Airlock::of(&connector("destination-local-json")).arg("check").option("--config", config);
        let finished = check.option("--airbyte-dir", &directory).run().exits(0);
        finished.of_type("CONNECTION_STATUS")[0]["connectionStatus"].clone()
    };
    assert_eq!(check("/local/some/where")["status"], "SUCCEEDED");
    assert_eq!(check("/some/where")["status"], "SUCCEEDED");
    let refused = check("/local/../../etc");
    assert_eq!(refused["status"], "FAILED");
    assert!(refused["message"].as_str().unwrap().contains("inside the /local directory"), "{refused}");
    fs::write(directory.join("local/file"), "").unwrap();
    assert_eq!(check("/local/file/below")["status"], "FAILED");
}

#[test]
fn a_record_is_written_as_airbyte_does_and_its_data_byte_for_byte() {
    let destination = Destination::new();
    let data =
        r#"{"n":1,"text":"\u00e4 \ud83d\ude00 ä","number":12345678901234567890.10,"null":null,"nested":{"a":[1, 2]}}"#;
    let line = format!(
        r#"{{"type":"RECORD","record":{{"stream":"My Stream-1","data":{data},"emitted_at":1700000000123,"meta":null}}}}"#
    );
    let finished = destination.write(&configured_catalog(&["My Stream-1"]), &format!("{line}\n")).exits(0);
    assert!(finished.messages.is_empty(), "{:?}", finished.messages);
    let text = fs::read_to_string(destination.file("My_Stream_1")).unwrap();
    let (id, rest) = text.strip_prefix(r#"{"_airbyte_ab_id":""#).unwrap().split_at(36);
    assert_eq!(rest, format!("\",\"_airbyte_emitted_at\":1700000000123,\"_airbyte_data\":{data}}}\n"));
    assert_eq!((&id[14..15], id.matches('-').count()), ("4", 4), "a random UUID: {id}");
}

#[test]
fn append_adds_and_cuts_a_torn_line() {
    let destination = Destination::new();
    let catalog = configured_catalog(&["a"]);
    destination.write(&catalog, &(record_line("a", 1) + &state_line("a", 1))).exits(0);
    let torn = fs::read_to_string(destination.file("a")).unwrap() + "{\"_airbyte_ab_id\":\"torn";
    fs::write(destination.file("a"), torn).unwrap();
    let finished = destination.write(&catalog, &(record_line("a", 2) + &state_line("a", 2))).exits(0);
    assert_eq!(destination.numbers("a").unwrap(), [1, 2]);
    assert_eq!(finished.logs("WARN").len(), 1, "{:?}", finished.messages);
    assert_eq!(finished.states().len(), 1);
}

#[test]
fn overwrite_swaps_at_the_end_and_a_failed_sync_leaves_the_earlier_file() {
    let destination = Destination::new();
    let complete = record_line("a", 1) + &state_line("a", 1) + &status_line("a", "COMPLETE");
    destination.write(&overwrite(Some(1)), &complete).exits(0);
    assert_eq!(destination.numbers("a").unwrap(), [1]);

    // The second generation fails, continues, and only then takes the place of the first.
    let failed = status_line("a", "STARTED") + &record_line("a", 2) + &state_line("a", 2);
    let finished = destination.write(&overwrite(Some(2)), &failed).exits(1);
    assert_eq!(finished.states().len(), 1, "what was synced was acknowledged");
    assert!(finished.error().1.contains("a"), "{:?}", finished.error());
    assert_eq!(destination.numbers("a").unwrap(), [1]);
    let finished =
        destination.write(&overwrite(Some(2)), &(record_line("a", 3) + &status_line("a", "COMPLETE"))).exits(0);
    assert!(finished.states().is_empty());
    assert_eq!(destination.numbers("a").unwrap(), [2, 3]);
}

#[test]
fn without_a_generation_nothing_is_acknowledged_before_the_swap() {
    let destination = Destination::new();
    let complete = record_line("a", 1) + &state_line("a", 1) + &status_line("a", "COMPLETE");
    assert_eq!(destination.write(&overwrite(None), &complete).exits(0).states().len(), 1);
    let failed = status_line("a", "STARTED") + &record_line("a", 2) + &state_line("a", 2);
    let finished = destination.write(&overwrite(None), &failed).exits(1);
    assert!(finished.states().is_empty());
    assert_eq!(destination.numbers("a").unwrap(), [1]);
    // An input that never speaks of statuses ends all streams with its own end.
    assert_eq!(
        destination.write(&overwrite(None), &(record_line("a", 3) + &state_line("a", 3))).exits(0).states().len(),
        1
    );
    assert_eq!(destination.numbers("a").unwrap(), [3]);
}

#[test]
fn a_source_that_died_before_it_said_anything_replaces_nothing() {
    let error = json!({"type": "TRACE", "trace": {"type": "ERROR", "emitted_at": 1,
        "error": {"message": "The password is wrong.", "failure_type": "config_error"}}});
    let log = json!({"type": "LOG", "log": {"level": "INFO", "message": "Starting"}});
    for (first, second) in [(None, None), (Some(1), Some(2))] {
        let destination = Destination::new();
        let complete = |number| record_line("a", number) + &status_line("a", "COMPLETE");
        destination.write(&overwrite(first), &complete(1)).exits(0);
        for (input, code) in [(String::new(), 0), (format!("{log}\n"), 0), (format!("{error}\n"), 1)] {
            // An earlier attempt may have got further.
            let earlier = status_line("a", "STARTED") + &record_line("a", 2) + &state_line("a", 2);
            destination.write(&overwrite(second), &earlier).exits(1);
            let finished = destination.write(&overwrite(second), &input).exits(code);
            assert!(finished.logs("WARN")[0].contains("did not finish"), "{:?}", finished.messages);
            assert_eq!(destination.numbers("a").unwrap(), [1], "{input}");
        }
        destination.write(&overwrite(second), &complete(3)).exits(0);
        assert_eq!(destination.numbers("a").unwrap().last(), Some(&3));
    }
}

#[test]
fn streams_that_would_share_a_file_are_refused_before_anything_is_written() {
    let destination = Destination::new();
    let input = record_line("a b", 1);
    let finished = destination.write(&configured_catalog(&["a b", "a_b"]), &input).exits(1);
    let (kind, message) = finished.error();
    assert_eq!(kind, "config_error");
    assert!(message.contains("a b") && message.contains("a_b"), "{message}");
    assert_eq!(destination.numbers("a_b"), None);
}

#[test]
fn a_sync_from_the_faker_arrives_whole_and_goes_on_from_what_was_echoed() {
    let destination = Destination::new();
    let workspace = Workspace::new();
    let streams = ["products", "users", "purchases"];
    let config = workspace.json("config.json", &json!({"count": 3000, "seed": 5, "always_updated": false}));
    let catalog = configured_catalog(&streams);
    let catalog_file = workspace.json("catalog.json", &catalog);
    let read = |state: Option<&Path>| {
        let read = Airlock::of(&connector("source-faker")).arg("read");
        let read = read.option("--config", &config).option("--catalog", &catalog_file);
        match state {
            Some(state) => read.option("--state", state).run().exits(0),
            None => read.run().exits(0),
        }
    };
    let first = read(None);
    let written = destination.write(&catalog, std::str::from_utf8(&first.stdout).unwrap()).exits(0);
    for stream in streams {
        let text = fs::read_to_string(destination.file(stream)).unwrap();
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let data: Vec<&Value> = lines.iter().map(|line| &line["_airbyte_data"]).collect();
        assert_eq!(data, first.records(stream), "{stream}");
    }
    // Each state came back as it was sent, with the destination's count beside the source's.
    let mut echoed: Vec<Value> = written.states().into_iter().cloned().collect();
    for state in &mut echoed {
        let statistics = state.as_object_mut().unwrap().remove("destinationStats").unwrap();
        assert_eq!(statistics["recordCount"], state["sourceStats"]["recordCount"]);
    }
    assert_eq!(echoed, first.states().into_iter().cloned().collect::<Vec<_>>());

    let state = workspace.file("state.jsonl", &written.stdout);
    assert!(read(Some(&state)).of_type("RECORD").is_empty());
}
