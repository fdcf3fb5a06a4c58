//! source-e2e-test: compatible with Airbyte's in what its users see, and stopped promptly whatever it is at.

use std::os::unix::process::ExitStatusExt;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::faulty::live::Live;
use crate::harness::golden::assert_spec;
use crate::harness::workspace::configured_catalog;
use crate::harness::{Airlock, Finished, Workspace, connector};

/// A guest that hears that it is to stop ends long before this: the time that the host leaves to one that does not.
const GRACE: Duration = Duration::from_secs(5);

fn source(workspace: &Workspace, command: &str, config: &Value) -> Airlock {
    let config = workspace.json("config.json", config);
    Airlock::of(&connector("source-e2e-test")).arg(command).option("--config", config)
}

fn read_streams(workspace: &Workspace, config: &Value, catalog: &Value) -> Airlock {
    source(workspace, "read", config).option("--catalog", workspace.json("catalog.json", catalog))
}

fn read(workspace: &Workspace, config: &Value, stream: &str) -> Airlock {
    read_streams(workspace, config, &configured_catalog(&[stream]))
}

/// What `discover` finds.
fn discovered(workspace: &Workspace, config: &Value) -> Vec<Value> {
    let finished = source(workspace, "discover", config).run().exits(0);
    finished.of_type("CATALOG")[0]["catalog"]["streams"].as_array().unwrap().clone()
}

/// A configured catalog of all that `discover` finds.
fn discovered_catalog(workspace: &Workspace, config: &Value) -> Value {
    let configured = |stream| {
        json!({"stream": stream, "sync_mode": "full_refresh", "destination_sync_mode": "append",
               "generation_id": 1, "minimum_generation_id": 0, "sync_id": 1})
    };
    json!({"streams": discovered(workspace, config).into_iter().map(configured).collect::<Vec<_>>()})
}

fn numbers(finished: &Finished) -> Vec<u64> {
    finished.records("data").iter().map(|record| record["column1"].as_u64().unwrap()).collect()
}

fn endless(interval: u64) -> Value {
    json!({"type": "INFINITE_FEED", "max_records": i64::MAX, "message_interval": interval})
}

fn continuous(max_messages: u64, mock_catalog: &Value) -> Value {
    json!({"type": "CONTINUOUS_FEED", "max_messages": max_messages, "seed": 42, "mock_catalog": mock_catalog})
}

fn single_stream(copies: u64) -> Value {
    json!({"type": "SINGLE_STREAM", "stream_name": "data_stream", "stream_duplication": copies,
           "stream_schema": r#"{"type": "object", "properties": {"column1": {"type": "string"}}}"#})
}

/// It was stopped by a signal, and heard of it by itself.
fn assert_cancelled(finished: &Finished, since: Instant) {
    assert_eq!(finished.status.signal(), Some(15), "{:?} {}", finished.status, finished.stderr);
    assert!(since.elapsed() < GRACE, "{:?}", since.elapsed());
    assert!(finished.logs("ERROR").is_empty(), "{:?}", finished.logs("ERROR"));
    assert_eq!(finished.statuses("data"), ["STARTED", "RUNNING", "INCOMPLETE"]);
    assert!(finished.errors().is_empty());
}

#[test]
fn the_spec_is_airbytes() {
    assert_spec("source-e2e-test");
}

#[test]
fn a_check_tells_what_is_wrong_and_where() {
    let workspace = Workspace::new();
    let check = |config: Value| {
        let finished = source(&workspace, "check", &config).run().exits(0);
        finished.of_type("CONNECTION_STATUS")[0]["connectionStatus"].clone()
    };
    for config in [
        endless(10),
        json!({"type": "EXCEPTION_AFTER_N", "throw_after_n_records": 5}),
        continuous(10, &single_stream(3)),
        json!({"type": "BENCHMARK", "schema": "FIVE_STRING_COLUMNS",
               "terminationCondition": {"type": "MAX_BYTES", "max": 1e9}}),
    ] {
        assert_eq!(check(config.clone())["status"], "SUCCEEDED", "{config}");
    }
    let schema = r#"{"type": "object", "properties": {"field1": {"type": "invalid_type"}}}"#;
    for (config, part) in [
        // The specification requires it, as Airbyte's does.
        (json!({}), "error: \"type\" is a required property"),
        (json!({"type": "INFINITE_FEED"}), "error: \"max_records\" is a required property"),
        (json!({"type": "ENDLESS_FEED"}), "/type: value is not one of \"INFINITE_FEED\", \"EXCEPTION_AFTER_N\""),
        (json!({"type": "EXCEPTION_AFTER_N", "throw_after_n_records": 0}), "throw_after_n_records is 0"),
        (
            continuous(10, &json!({"type": "SINGLE_STREAM", "stream_name": "s", "stream_schema": schema})),
            "stream s can not be used: #/properties/field1/type",
        ),
        (continuous(10, &json!({"type": "MULTI_STREAM", "stream_schemas": "{\n  \"a\": {,\n}"})), "line 2 column 9"),
        (continuous(10, &single_stream(10_001)), "stream_duplication is 10001"),
    ] {
        let status = check(config);
        assert_eq!(status["status"], "FAILED");
        assert!(status["message"].as_str().unwrap().contains(part), "{part}: {status}");
    }
}

#[test]
fn the_infinite_feed_counts_to_its_number() {
    let workspace = Workspace::new();
    let config = json!({"type": "INFINITE_FEED", "max_records": 1000, "message_interval": 0});
    assert_eq!(discovered(&workspace, &config)[0]["name"], "data");
    let finished = read(&workspace, &config, "data").run().exits(0);
    assert_eq!(numbers(&finished), (1..=1000).collect::<Vec<u64>>());
    assert_eq!(finished.outline(), ["STARTED", "RUNNING", "RECORD", "COMPLETE"]);
}

#[test]
fn a_signal_ends_the_infinite_feed() {
    let workspace = Workspace::new();
    let mut live = Live::start(read(&workspace, &endless(0), "data"));
    live.wait_for(|message| message["record"]["data"]["column1"] == 10_000);
    let since = Instant::now();
    live.signal(Signal::TERM);
    let finished = live.finish();
    assert_cancelled(&finished, since);
    let records = numbers(&finished);
    assert!(records.iter().copied().eq(1..=records.len() as u64), "none is missing and none comes twice");
}

#[test]
fn a_reader_that_goes_away_ends_the_infinite_feed() {
    // In a long interval nothing is written that would show it.
    for interval in [0, 600_000] {
        let workspace = Workspace::new();
        let mut live = Live::start(read(&workspace, &endless(interval), "data"));
        live.wait_for(|message| message["type"] == "RECORD");
        let since = Instant::now();
        live.close_stdout();
        let finished = live.finish().exits(1);
        assert!(finished.stderr.contains("stdout can not be written to any more"), "{}", finished.stderr);
        assert!(since.elapsed() < GRACE, "{:?}", since.elapsed());
    }
}

#[test]
fn in_a_long_interval_a_record_has_left_and_a_signal_is_heard() {
    let workspace = Workspace::new();
    let mut live = Live::start(read(&workspace, &endless(600_000), "data"));
    live.wait_for(|message| message["type"] == "RECORD");
    let since = Instant::now();
    live.signal(Signal::TERM);
    let finished = live.finish();
    assert_cancelled(&finished, since);
    assert_eq!(numbers(&finished), [1]);
}

#[test]
fn an_interval_lies_between_two_records() {
    let workspace = Workspace::new();
    let config = json!({"type": "INFINITE_FEED", "max_records": 4, "message_interval": 100});
    let since = Instant::now();
    let finished = read(&workspace, &config, "data").run().exits(0);
    assert!(since.elapsed() >= Duration::from_millis(300), "{:?}", since.elapsed());
    assert_eq!(numbers(&finished), [1, 2, 3, 4]);
    let mut times = finished.of_type("RECORD").into_iter().map(|message| message["record"]["emitted_at"].as_i64());
    let first = times.next().unwrap();
    assert!(times.all(|time| time > first), "each left by itself");
}

#[test]
fn an_exception_comes_after_everything_before_it_and_the_next_read_goes_on() {
    let workspace = Workspace::new();
    let config = json!({"type": "EXCEPTION_AFTER_N", "throw_after_n_records": 7});
    let finished = read(&workspace, &config, "data").run().exits(1);
    assert_eq!(finished.outline(), ["STARTED", "STATE", "RUNNING", "RECORD", "STATE", "RECORD", "ERROR", "INCOMPLETE"]);
    assert_eq!(numbers(&finished), [1, 2, 3, 4, 5, 6, 7]);
    let (kind, message) = finished.error();
    assert_eq!(kind, "system_error");
    assert!(message.starts_with("Scheduled exceptional event"), "{message}");
    let saved: Vec<&Value> = finished.states().iter().map(|state| &state["stream"]["stream_state"]).collect();
    assert_eq!(saved, [&json!({"column1": 0}), &json!({"column1": 5})]);
    assert_eq!(finished.states()[1]["sourceStats"]["recordCount"], 5.0);

    let state = workspace.file("state.jsonl", &finished.stdout);
    let finished = read(&workspace, &config, "data").option("--state", state).run().exits(1);
    assert_eq!(numbers(&finished), [6, 7, 8, 9, 10, 11, 12]);
}

#[test]
fn records_are_valid_by_the_schema_and_a_seed_decides_them() {
    let workspace = Workspace::new();
    let schema = json!({
        "type": "object", "required": ["id"], "additionalProperties": false,
        "properties": {
            "id": {"type": "integer", "minimum": 10, "maximum": 20},
            "price": {"type": ["null", "number"], "minimum": 0, "exclusiveMaximum": 5},
            "is_new": {"type": "boolean"},
            "color": {"enum": ["red", "blue"]},
            "kind": {"const": "car"},
            "day": {"type": "string", "format": "date"},
            "at": {"type": "string", "format": "date-time"},
            "tags": {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 2},
            "owner": {"$ref": "#/definitions/person"},
        },
        "definitions": {"person": {"type": "object", "required": ["name"], "properties": {
            "name": {"type": "string"}, "friend": {"$ref": "#/definitions/person"}}}},
    });
    let schemas = json!({"cars": schema, "carts": {"properties": {"n": {"type": "integer"}}}});
    let mock_catalog = json!({"type": "MULTI_STREAM", "stream_schemas": schemas.to_string()});
    let config = continuous(50, &mock_catalog);
    let catalog = discovered_catalog(&workspace, &config);
    assert_eq!(catalog["streams"][0]["stream"]["json_schema"], schema);
    let finished = read_streams(&workspace, &config, &catalog).run().exits(0);
    let validator = jsonschema::options().should_validate_formats(true).build(&schema).unwrap();
    let cars = finished.records("cars");
    assert_eq!((cars.len(), finished.records("carts").len()), (50, 50));
    for car in &cars {
        assert!(validator.is_valid(car), "{car}");
        assert_eq!(car.as_object().unwrap().len(), 9, "{car}");
    }
    let again = read_streams(&workspace, &config, &catalog).run().exits(0);
    assert_eq!(again.records("cars"), cars);
    let mut other = config.clone();
    other["seed"] = json!(43);
    assert_ne!(read_streams(&workspace, &other, &catalog).run().exits(0).records("cars"), cars);
    // On every machine: this is what a native test of the guest draws.
    let config = continuous(1, &single_stream(1));
    let catalog = discovered_catalog(&workspace, &config);
    let finished = read_streams(&workspace, &config, &catalog).run().exits(0);
    assert_eq!(finished.records("data_stream"), [&json!({"column1": "wijnm"})]);
}

#[test]
fn many_streams_are_discovered_and_read() {
    let workspace = Workspace::new();
    let streams = discovered(&workspace, &continuous(1, &single_stream(10_000)));
    assert_eq!(streams.len(), 10_000);
    assert_eq!(streams[9_999]["name"], "data_stream_9999");

    let config = continuous(3, &single_stream(300));
    let catalog = discovered_catalog(&workspace, &config);
    let finished = read_streams(&workspace, &config, &catalog).run().exits(0);
    for number in 0..300 {
        let stream = format!("data_stream_{number}");
        assert_eq!(finished.records(&stream).len(), 3);
        assert_eq!(finished.statuses(&stream), ["STARTED", "RUNNING", "COMPLETE"]);
    }
    assert_ne!(finished.records("data_stream_0"), finished.records("data_stream_1"));
}

#[test]
fn a_benchmark_ends_at_its_number_of_records_or_bytes() {
    let workspace = Workspace::new();
    for (kind, max, expected) in [("MAX_RECORDS", 12_345, 12_345), ("MAX_BYTES", 191 * 2_000 + 1, 2_001)] {
        let config = json!({"type": "BENCHMARK", "schema": "FIVE_STRING_COLUMNS",
                            "terminationCondition": {"type": kind, "max": max}});
        let catalog = discovered_catalog(&workspace, &config);
        let finished = read_streams(&workspace, &config, &catalog).run().exits(0);
        let records = finished.records("stream1");
        assert_eq!(records.len(), expected);
        let value = "valuevaluevaluevaluevalue1";
        assert_eq!(
            *records[10],
            json!({"field1": value, "field2": value, "field3": value, "field4": value, "field5": value})
        );
        assert_eq!(finished.statuses("stream1"), ["STARTED", "RUNNING", "COMPLETE"]);
    }
}
