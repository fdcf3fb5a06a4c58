//! `write`'s stdin: everything a source, a platform or a client may send, and everything that none should.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::lines::{record_line, state_line, status_line};
use crate::harness::workspace::configured_catalog;
use crate::harness::{Airlock, Finished, Workspace, connector};

struct Writing {
    workspace: Workspace,
    directory: PathBuf,
}

impl Writing {
    fn new() -> Writing {
        let workspace = Workspace::new();
        let directory = workspace.directory("airbyte");
        Writing { workspace, directory }
    }

    fn command(&self, streams: &[&str]) -> Airlock {
        let config = self.workspace.json("config.json", &json!({"destination_path": "/local"}));
        let catalog = self.workspace.json("catalog.json", &configured_catalog(streams));
        Airlock::of(&connector("destination-local-json"))
            .arg("write")
            .option("--config", config)
            .option("--catalog", catalog)
            .option("--airbyte-dir", &self.directory)
    }

    fn write(&self, streams: &[&str], input: impl Into<Vec<u8>>) -> Finished {
        self.command(streams).stdin(input).run()
    }

    /// The data that arrived for a stream.
    fn data(&self, stream: &str) -> Vec<Value> {
        let text = fs::read_to_string(self.directory.join(format!("local/_airbyte_raw_{stream}.jsonl")));
        let text = text.unwrap_or_default();
        text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["_airbyte_data"].clone()).collect()
    }
}

fn numbers(data: &[Value]) -> Vec<u64> {
    data.iter().map(|record| record["n"].as_u64().unwrap()).collect()
}

#[test]
fn nothing_is_a_sync_of_nothing() {
    let write = Writing::new();
    assert!(write.write(&[], "").exits(0).messages.is_empty());
    for input in ["", "\n \n"] {
        // The destination can not know whether the source had nothing to say, or died.
        let finished = write.write(&["a"], input).exits(0);
        assert_eq!((finished.outline(), finished.logs("WARN").len()), (vec!["LOG".to_owned()], 1), "{input:?}");
    }
}

#[test]
fn the_form_that_python_sources_give_is_understood() {
    let write = Writing::new();
    let input = [
        "Using AIRBYTE_ENTRYPOINT: python main.py\n",
        r#"{"type":"LOG","log":{"level":"INFO","message":"Starting syncing"}}"#,
        "\n",
        &status_line("a", "STARTED"),
        r#"{"type":"TRACE","trace":{"type":"ESTIMATE","emitted_at":1.0,"estimate":{"name":"a","type":"STREAM"}}}"#,
        "\n",
        &status_line("a", "RUNNING"),
        // PyAirbyte: every field, null where there is nothing.
        r#"{"type":"RECORD","log":null,"spec":null,"connectionStatus":null,"catalog":null,"record":{"namespace":null,"stream":"a","data":{"n":1,"none":null},"emitted_at":1795328919764.1,"meta":null,"file_reference":null},"state":null,"trace":null,"control":null,"destination_catalog":null}"#,
        "\n",
        r#"{"type": "RECORD", "record": {"stream": "a", "data": {"n": 2, "text": "ü"}, "emitted_at": 1795328919765}}"#,
        "\r\n",
        r#"{"type":"STATE","log":null,"record":null,"state":{"type":"STREAM","stream":{"stream_descriptor":{"name":"a","namespace":null},"stream_state":{"n":2}},"global_":null,"data":null,"sourceStats":{"recordCount":2.0,"rejectedRecordCount":null},"destinationStats":null},"trace":null,"new_field":{"kept":true}}"#,
        "\n",
        &status_line("a", "COMPLETE"),
        r#"{"type":"SOMETHING_NEW","record":7}"#,
    ]
    .concat();
    // Counts may be null on the way in and never on the way out: this echo is looked at by hand.
    let finished = write.command(&["a"]).stdin(input).run_tool().exits(0);
    assert_eq!(write.data("a"), [json!({"n": 1, "none": null}), json!({"n": 2, "text": "ü"})]);
    let lines: Vec<Value> =
        String::from_utf8(finished.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let states: Vec<&Value> = lines.iter().filter(|line| line["type"] == "STATE").collect();
    assert_eq!(states.len(), 1);
    assert_eq!(states[0]["new_field"], json!({"kept": true}));
    assert_eq!(states[0]["state"]["stream"]["stream_state"], json!({"n": 2}));
    assert_eq!(states[0]["state"]["sourceStats"], json!({"recordCount": 2.0, "rejectedRecordCount": null}));
    assert_eq!(states[0]["state"]["destinationStats"], json!({"recordCount": 2.0, "rejectedRecordCount": 0.0}));
    let passed_over: Vec<&str> = lines.iter().filter_map(|line| line["log"]["message"].as_str()).collect();
    assert!(passed_over.iter().any(|text| text.contains("AIRBYTE_ENTRYPOINT")), "{passed_over:?}");
    assert!(passed_over.iter().any(|text| text.contains("SOMETHING_NEW")), "{passed_over:?}");
}

#[test]
fn global_states_cover_all_streams_under_either_name() {
    let write = Writing::new();
    let global = |name: &str, number: usize| {
        format!(
            "{{\"type\":\"STATE\",\"state\":{{\"type\":\"GLOBAL\",\"{name}\":{{\"shared_state\":{{\"n\":{number}}},\"stream_states\":[]}}}}}}\n"
        )
    };
    let input = record_line("a", 1)
        + &record_line("b", 2)
        + &global("global", 1)
        + &record_line("a", 3)
        + &global("global_", 2);
    let finished = write.write(&["a", "b"], input).exits(0);
    let states = finished.states();
    assert_eq!(states.len(), 2);
    assert_eq!(states[1]["global"]["shared_state"], json!({"n": 2}));
    let counts = states.iter().map(|state| state["destinationStats"]["recordCount"].as_f64().unwrap());
    assert_eq!(counts.collect::<Vec<_>>(), [2.0, 1.0]);
    assert_eq!((numbers(&write.data("a")), numbers(&write.data("b"))), (vec![1, 3], vec![2]));
}

#[test]
fn a_line_that_begins_like_a_message_and_is_none_ends_the_sync() {
    let cut = record_line("a", 2).trim_end().trim_end_matches('}').to_owned();
    let long = format!(
        "{{\"type\":\"RECORD\",\"record\":{{\"stream\":\"a\",\"data\":{{\"x\":\"{}\"}}}}}}\n",
        "x".repeat(70_000)
    );
    for (name, bad, expected) in [
        ("cut off", cut.as_bytes(), "cut off"),
        ("cut off in the middle", &[cut.as_bytes(), b"\n"].concat(), "cut off"),
        (
            "two on a line",
            &[record_line("a", 2).trim_end(), &record_line("a", 3)].concat().into_bytes(),
            "not valid JSON",
        ),
        ("not UTF-8", b"{\"type\":\"RECORD\",\"record\":{\"stream\":\"a\",\"data\":{\"n\":\"\xff\"}}}\n", "not UTF-8"),
        ("no data", b"{\"type\":\"RECORD\",\"record\":{\"stream\":\"a\",\"data\":null,\"emitted_at\":1}}\n", "data"),
        ("no record", b"{\"type\":\"RECORD\"}\n", "`record`"),
        ("no state", b"{\"type\":\"STATE\",\"state\":null}\n", "`state`"),
        ("unknown stream", record_line("stranger", 1).as_bytes(), "stranger"),
        ("state of an unknown stream", state_line("stranger", 1).as_bytes(), "stranger"),
        ("state of no type", b"{\"type\":\"STATE\",\"state\":{}}\n", "`data`"),
        ("state of an unknown type", b"{\"type\":\"STATE\",\"state\":{\"type\":\"NEW\"}}\n", "none of STREAM"),
        ("too long", long.as_bytes(), "--max-record-bytes"),
        ("after its end", (status_line("a", "COMPLETE") + &record_line("a", 9)).as_bytes(), "COMPLETE"),
    ] {
        let write = Writing::new();
        let mut input = (record_line("a", 1) + &state_line("a", 1)).into_bytes();
        input.extend_from_slice(bad);
        if bad.ends_with(b"\n") {
            input.extend_from_slice((record_line("a", 5) + &state_line("a", 5)).as_bytes());
        }
        let finished = write.command(&["a"]).option("--max-record-bytes", "4000").stdin(input).run().exits(1);
        let (kind, message) = finished.error();
        assert_eq!(kind, "system_error");
        let line = if name == "after its end" { "Line 4" } else { "Line 3" };
        assert!(message.contains(expected) && message.contains(line), "{name}: {message}");
        assert!(!message.contains("\"n\""), "no content: {message}");
        let states: Vec<&Value> = finished.states().iter().map(|state| &state["stream"]["stream_state"]["n"]).collect();
        assert_eq!(states, [1], "{name}: no STATE after it");
        assert_eq!(numbers(&write.data("a")), [1], "{name}: what was acknowledged is there");
    }
}

#[test]
fn a_last_line_without_its_line_break_counts_if_it_is_whole() {
    let write = Writing::new();
    let input = record_line("a", 1) + state_line("a", 1).trim_end();
    assert_eq!(write.write(&["a"], input).exits(0).states().len(), 1);
}

#[test]
fn a_huge_record_passes_and_states_of_other_streams_with_it() {
    let write = Writing::new();
    let text = "x".repeat(32 * 1024 * 1024);
    let huge = format!(
        "{{\"type\":\"RECORD\",\"record\":{{\"stream\":\"a\",\"data\":{{\"n\":2,\"text\":\"{text}\"}},\"emitted_at\":1}}}}\n"
    );
    let input = record_line("a", 1) + &huge + &record_line("b", 3) + &state_line("a", 2) + &state_line("b", 3);
    assert_eq!(write.write(&["a", "b"], input).exits(0).states().len(), 2);
    let data = write.data("a");
    assert_eq!(numbers(&data), [1, 2]);
    assert_eq!(data[1]["text"].as_str().unwrap().len(), text.len());
}

#[test]
fn a_line_that_does_not_fit_into_the_memory_is_told() {
    let write = Writing::new();
    let huge = format!(
        "{{\"type\":\"RECORD\",\"record\":{{\"stream\":\"a\",\"data\":{{\"text\":\"{}",
        "x".repeat(120_000_000)
    );
    let input = record_line("a", 1) + &state_line("a", 1) + &huge;
    let finished = write.command(&["a"]).option("--max-memory", "60MiB").stdin(input).run().exits(1);
    let (kind, message) = finished.error();
    assert_eq!(kind, "system_error");
    assert!(message.contains("60 MiB") && message.contains("--max-memory"), "{message}");
}

#[test]
fn interleaved_streams_keep_their_order() {
    let write = Writing::new();
    let streams = ["a", "b", "c"];
    let input: String = (0..9000).map(|number| record_line(streams[number as usize % 3], number)).collect();
    write.write(&streams, input + &state_line("c", 1)).exits(0);
    for (place, stream) in streams.iter().enumerate() {
        let expected: Vec<u64> = (0..9000).filter(|number| number % 3 == place as u64).collect();
        assert_eq!(numbers(&write.data(stream)), expected, "{stream}");
    }
}

#[test]
fn a_stream_that_was_spoken_of_and_not_finished_fails_the_sync_and_the_others_are_finalised() {
    let write = Writing::new();
    let input = status_line("a", "STARTED")
        + &record_line("a", 1)
        + &record_line("b", 2)
        + &state_line("b", 2)
        + &status_line("b", "COMPLETE");
    for end in ["", &status_line("a", "INCOMPLETE")] {
        let finished = write.write(&["a", "b"], input.clone() + end).exits(1);
        let message = finished.error().1;
        assert!(message.contains("not finalised") && message.contains(": a."), "{message}");
        assert_eq!(finished.states().len(), 1);
    }
}

#[test]
fn a_state_comes_back_while_the_input_is_still_open() {
    let write = Writing::new();
    let mut child = write.command(&["a"]).spawn();
    let mut stdin = child.stdin.take().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut in_force = String::new();
    stdout.read_line(&mut in_force).unwrap();
    assert!(in_force.contains("In force"), "{in_force}");
    for number in 1..=3 {
        stdin.write_all((record_line("a", number) + &state_line("a", number)).as_bytes()).unwrap();
        // Waits for as long as it takes: nothing else is sent before the echo is here.
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let echoed: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(echoed["state"]["stream"]["stream_state"]["n"], number);
        assert_eq!(write.data("a").len() as u64, number, "what is echoed is on disk");
    }
    drop(stdin);
    assert!(child.wait().unwrap().success());
}

#[test]
fn many_states_and_streams_take_time_in_proportion() {
    let writing = Writing::new();
    // Replaced without a generation: all states are held until the end, and committed there.
    let mut catalog = configured_catalog(&["a"]);
    catalog["streams"][0]["destination_sync_mode"] = json!("overwrite");
    catalog["streams"][0]["generation_id"] = Value::Null;
    let input: String = (0..30_000).map(|number| record_line("a", number) + &state_line("a", number)).collect();
    let command = writing.command(&["a"]);
    writing.workspace.json("catalog.json", &catalog);
    let since = Instant::now();
    let finished = command.stdin(input).run().exits(0);
    assert_eq!(finished.states().len(), 30_000);
    // When each commit looked at all states that waited, it took more than a minute.
    assert!(since.elapsed() < Duration::from_secs(20), "{:?}", since.elapsed());
}

#[test]
fn what_is_said_of_records_is_bounded_like_the_records() {
    let writing = Writing::new();
    let mut child = writing.command(&["a"]).spawn();
    let mut stdin = child.stdin.take().unwrap();
    let meta = format!("{{\"changes\":[],\"note\":\"{}\"}}", "x".repeat(100_000));
    for number in 0..3000 {
        let record = format!(
            "{{\"type\":\"RECORD\",\"record\":{{\"stream\":\"a\",\"data\":{{\"n\":{number}}},\"emitted_at\":1,\"meta\":{meta}}}}}\n"
        );
        stdin.write_all(record.as_bytes()).unwrap();
    }
    // The most that it has held so far, when nearly all 300 MB have gone through.
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let kilobytes: usize = peak.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(kilobytes < 120_000, "{kilobytes} kB");
    drop(stdin);
    assert!(child.wait_with_output().unwrap().status.success());
    assert_eq!(writing.data("a").len(), 3000);
}
