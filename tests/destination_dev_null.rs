//! destination-dev-null: compatible with Airbyte's in what its users see, and every state comes back.

use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::faulty::live::Live;
use crate::harness::golden::assert_spec;
use crate::harness::lines::{record_line, state_line, status_line};
use crate::harness::workspace::configured_catalog;
use crate::harness::{Airlock, Finished, Workspace, connector, protocol};

fn destination(workspace: &Workspace, test_destination: &Value, streams: &[&str]) -> Airlock {
    let config = workspace.json("destination.json", &json!({ "test_destination": test_destination }));
    let catalog = workspace.json("destination-catalog.json", &configured_catalog(streams));
    Airlock::of(&connector("destination-dev-null"))
        .arg("write")
        .option("--config", config)
        .option("--catalog", catalog)
        .option("--airbyte-dir", workspace.directory("airbyte"))
}

fn write(test_destination: &Value, streams: &[&str], input: impl Into<Vec<u8>>) -> Finished {
    destination(&Workspace::new(), test_destination, streams).stdin(input).run()
}

/// A source's read, and what the destination makes of it, through a pipe: as they end, source first.
fn piped(name: &str, config: &Value, test_destination: &Value, streams: &[&str]) -> (i32, Finished) {
    let workspace = Workspace::new();
    let mut source = Airlock::of(&connector(name))
        .arg("read")
        .option("--config", workspace.json("source.json", config))
        .option("--catalog", workspace.json("catalog.json", &schema_catalog(streams)))
        .into_command()
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        // Its reader may go away before it has written everything, and it says so.
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let output = destination(&workspace, test_destination, streams)
        .into_command()
        .stdin(source.stdout.take().unwrap())
        .output()
        .unwrap();
    let finished = Finished {
        status: output.status,
        stderr: String::from_utf8(output.stderr).unwrap(),
        messages: protocol::messages(&output.stdout),
        stdout: output.stdout,
    };
    (source.wait().unwrap().code().unwrap(), finished)
}

/// Streams whose records have a number.
fn schema_catalog(streams: &[&str]) -> Value {
    let mut catalog = configured_catalog(streams);
    for stream in catalog["streams"].as_array_mut().unwrap() {
        stream["stream"]["json_schema"] = json!({"type": "object", "properties": {"n": {"type": "integer"}}});
    }
    catalog
}

fn silent() -> Value {
    json!({"test_destination_type": "SILENT"})
}

fn throttled(milliseconds: u64) -> Value {
    json!({"test_destination_type": "THROTTLED", "millis_per_record": milliseconds})
}

fn failing(records: u64) -> Value {
    json!({"test_destination_type": "FAILING", "num_messages": records})
}

fn logging(logging_config: Value) -> Value {
    json!({"test_destination_type": "LOGGING", "logging_config": logging_config})
}

fn saved(finished: &Finished) -> Vec<u64> {
    finished.states().iter().map(|state| state["stream"]["stream_state"]["n"].as_u64().unwrap()).collect()
}

fn counts(finished: &Finished) -> Vec<f64> {
    finished.states().iter().map(|state| state["destinationStats"]["recordCount"].as_f64().unwrap()).collect()
}

/// So many records of stream `a`.
fn records(count: u64) -> String {
    (1..=count).map(|number| record_line("a", number)).collect()
}

#[test]
fn the_spec_is_airbytes() {
    assert_spec("destination-dev-null");
}

#[test]
fn check_takes_what_the_spec_takes() {
    let workspace = Workspace::new();
    let check = |test_destination: Value| {
        let config = workspace.json("config.json", &json!({ "test_destination": test_destination }));
        let check = Airlock::of(&connector("destination-dev-null")).arg("check").option("--config", config);
        check.run().exits(0).of_type("CONNECTION_STATUS")[0]["connectionStatus"].clone()
    };
    for right in [
        silent(),
        throttled(10),
        failing(0),
        logging(json!({"logging_type": "FirstN", "max_entry_count": 100})),
        logging(json!({"logging_type": "EveryNth", "nth_entry_to_log": 3, "max_entry_count": 1000})),
        logging(json!({"logging_type": "RandomSampling", "sampling_ratio": 0.001, "seed": 1900, "max_entry_count": 1})),
    ] {
        assert_eq!(check(right.clone())["status"], "SUCCEEDED", "{right}");
    }
    for wrong in [
        logging(json!({"logging_type": "FirstN", "max_entry_count": 1001})),
        json!({"test_destination_type": "THROTTLED", "millis_per_record": -1}),
        json!({"test_destination_type": "LOUD"}),
    ] {
        assert_eq!(check(wrong.clone())["status"], "FAILED", "{wrong}");
    }
}

#[test]
fn every_state_of_a_source_comes_back() {
    let streams = ["products", "users", "purchases"];
    let (code, finished) = piped("source-faker", &json!({"count": 3000, "seed": 5}), &silent(), &streams);
    let finished = finished.exits(0);
    assert_eq!(code, 0);
    assert_eq!(finished.outline(), ["STATE"]);
    for (state, count) in finished.states().iter().zip(counts(&finished)) {
        assert_eq!(state["sourceStats"]["recordCount"], count);
    }
    assert_eq!(counts(&finished).iter().sum::<f64>(), 6100.0);
}

#[test]
fn what_a_failing_source_saved_comes_back() {
    let config = json!({"type": "EXCEPTION_AFTER_N", "throw_after_n_records": 5003});
    let (code, finished) = piped("source-e2e-test", &config, &silent(), &["data"]);
    let finished = finished.exits(1);
    assert_eq!(code, 1);
    assert_eq!(finished.states().len(), 1001);
    assert_eq!(finished.states()[1000]["stream"]["stream_state"], json!({"column1": 5000}));
    assert_eq!(counts(&finished).iter().sum::<f64>(), 5000.0);
    // That the source did not finish is told, for who looks at the destination only.
    assert!(finished.error().1.contains("data"), "{:?}", finished.error());
}

#[test]
fn every_record_of_every_stream_arrives() {
    let streams: Vec<String> = (0..200).map(|number| format!("s_{number}")).collect();
    let streams: Vec<&str> = streams.iter().map(String::as_str).collect();
    let config = json!({"type": "CONTINUOUS_FEED", "max_messages": 100, "mock_catalog": {
        "type": "SINGLE_STREAM", "stream_name": "s", "stream_schema": "{}", "stream_duplication": 200}});
    // It fails at the next record of a stream: 100 are there, and no more.
    let (code, finished) = piped("source-e2e-test", &config, &failing(100), &streams);
    finished.exits(0);
    assert_eq!(code, 0);
    let (_, finished) = piped("source-e2e-test", &config, &failing(99), &streams);
    finished.exits(1);
}

#[test]
fn the_data_of_the_records_that_were_chosen_are_logged() {
    let input = records(10) + &state_line("a", 10) + &status_line("a", "COMPLETE");
    for (logging_config, expected) in [
        (json!({"logging_type": "FirstN", "max_entry_count": 3}), vec![1, 2, 3]),
        (json!({"logging_type": "EveryNth", "nth_entry_to_log": 3, "max_entry_count": 2}), vec![3, 6]),
        (json!({"logging_type": "RandomSampling", "sampling_ratio": 1, "max_entry_count": 2}), vec![1, 2]),
    ] {
        let finished = write(&logging(logging_config.clone()), &["a"], input.clone()).exits(0);
        let most = logging_config["max_entry_count"].as_u64().unwrap();
        let expected: Vec<String> = expected
            .into_iter()
            .zip(1..)
            .map(|(number, entry)| {
                format!(
                    "Logging Destination(stream=a, recordIndex={number}, logEntry={entry}/{most}): {{\"n\":{number}}}"
                )
            })
            .collect();
        assert_eq!(finished.logs("INFO"), expected);
        assert_eq!(saved(&finished), [10]);
    }
    let sampling = json!({"logging_type": "RandomSampling", "sampling_ratio": 0.1, "seed": 7, "max_entry_count": 1000});
    let sample = || {
        let finished = write(&logging(sampling.clone()), &["a"], records(1000)).exits(0);
        finished.logs("INFO").into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let logged = sample();
    assert!((60..140).contains(&logged.len()), "{}", logged.len());
    assert_eq!(logged, sample(), "a seed chooses the same");
}

#[test]
fn a_log_line_has_a_measure() {
    let long = "ä".repeat(1_000_000);
    let line = format!(
        "{{\"type\":\"RECORD\",\"record\":{{\"stream\":\"a\",\"data\":{{\"long\":\"{long}\"}},\"emitted_at\":1}}}}\n"
    );
    let config = logging(json!({"logging_type": "FirstN", "max_entry_count": 5}));
    let finished = write(&config, &["a"], line).exits(0);
    let logged = finished.logs("INFO")[0];
    assert!((4000..4300).contains(&logged.len()), "{}", logged.len());
    assert!(logged.ends_with("bytes more)"), "{}", &logged[4000..]);
}

#[test]
fn a_throttle_takes_its_time_and_commits_on_the_way() {
    let workspace = Workspace::new();
    let since = Instant::now();
    let mut live = Live::start(destination(&workspace, &throttled(20), &["a"]));
    live.send(&(records(10) + &state_line("a", 10)));
    // The input is still open.
    let state = live.wait_for(|message| message["type"] == "STATE");
    assert!(since.elapsed() >= Duration::from_millis(200), "{:?}", since.elapsed());
    assert_eq!(state["state"]["destinationStats"]["recordCount"], 10.0);
    let since = Instant::now();
    live.send(&(records(10) + &state_line("a", 20)));
    live.wait_for(|message| message["type"] == "STATE");
    assert!(since.elapsed() >= Duration::from_millis(200), "{:?}", since.elapsed());
    live.signal(Signal::TERM);
    assert_eq!(live.finish().status.signal(), Some(15));
    let finished = write(&throttled(0), &["a"], records(1000) + &state_line("a", 1)).exits(0);
    assert_eq!(counts(&finished), [1000.0]);
}

#[test]
fn a_signal_is_heard_between_records_and_while_none_comes() {
    let workspace = Workspace::new();
    for (milliseconds, input) in [
        (50, records(3) + &state_line("a", 3) + &records(100_000)),
        (600_000, state_line("a", 1) + &records(1) + &state_line("a", 2)),
    ] {
        let mut live = Live::start(destination(&workspace, &throttled(milliseconds), &["a"]));
        live.send(&input);
        live.wait_for(|message| message["type"] == "STATE");
        let since = Instant::now();
        live.signal(Signal::TERM);
        let finished = live.finish();
        assert_eq!(finished.status.signal(), Some(15), "{}", finished.stderr);
        // Sooner than the host ends one that does not hear, and says so.
        assert!(since.elapsed() < Duration::from_secs(5), "{:?}", since.elapsed());
        assert!(finished.logs("ERROR").is_empty(), "{:?}", finished.logs("ERROR"));
    }
}

#[test]
fn a_failure_comes_after_its_number_of_records_and_keeps_what_was_committed() {
    let input = records(5) + &state_line("a", 5) + &records(5) + &state_line("a", 10) + &status_line("a", "COMPLETE");
    for (number, states) in [(0, vec![]), (4, vec![]), (5, vec![5]), (9, vec![5])] {
        let finished = write(&failing(number), &["a"], input.clone()).exits(1);
        assert_eq!(saved(&finished), states, "{number}");
        let (kind, message) = finished.error();
        assert_eq!(kind, "system_error");
        assert!(message.starts_with(&format!("Failing Destination(stream=a, numMessages={number}")), "{message}");
    }
    let finished = write(&failing(10), &["a"], input).exits(0);
    assert_eq!(saved(&finished), [5, 10]);
}
