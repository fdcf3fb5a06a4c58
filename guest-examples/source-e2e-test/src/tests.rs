//! Whole reads, through a host in memory.

use airlock_sdk::testing::{Event, Host, Run};
use airlock_sdk::{FailureKind, Interruption, StreamName};
use serde_json::{Value, json};

use super::*;

fn catalog(streams: &[&str], schema: &Value) -> Value {
    let streams: Vec<Value> = streams
        .iter()
        .map(|name| {
            json!({"stream": {"name": name, "json_schema": schema, "supported_sync_modes": ["full_refresh"]},
                   "sync_mode": "full_refresh", "destination_sync_mode": "append"})
        })
        .collect();
    json!({ "streams": streams })
}

fn read(host: Host, config: &Value, stream: &str) -> Run {
    host.read::<EndToEndTest>(config, &catalog(&[stream], &json!({})))
}

fn feed(config: Value) -> Result<Box<dyn Feed>> {
    serde_json::from_value::<Config>(config).unwrap().feed()
}

fn numbers(run: &Run) -> Vec<u64> {
    run.records("data").iter().map(|record| record["column1"].as_u64().unwrap()).collect()
}

/// Why a stream failed alone.
fn failed(run: &Run, name: &str) -> Option<String> {
    run.events.iter().find_map(|event| match event {
        Event::Finished { stream, failed } if stream.name == name => failed.clone(),
        _ => None,
    })
}

fn continuous(mock_catalog: Value) -> Value {
    json!({"type": "CONTINUOUS_FEED", "max_messages": 5, "seed": 42, "mock_catalog": mock_catalog})
}

#[test]
fn the_infinite_feed_counts() {
    let run = read(Host::new(), &json!({"type": "INFINITE_FEED", "max_records": 3}), "data");
    assert_eq!(run.result, Ok(()));
    assert_eq!(numbers(&run), [1, 2, 3]);
    assert!(run.checkpoints("data").is_empty());
    for none in [0, -1] {
        assert!(numbers(&read(Host::new(), &json!({"type": "INFINITE_FEED", "max_records": none}), "data")).is_empty());
    }
}

#[test]
fn without_a_number_the_infinite_feed_has_no_end() {
    let host = Host::new().interrupting_after(3, Interruption::Closed);
    let run = read(host, &json!({"type": "INFINITE_FEED"}), "data");
    assert!(run.result.is_err());
    let records = numbers(&run);
    assert!(records.len() > 1000);
    assert!(records.iter().copied().eq(1..=records.len() as u64));
}

#[test]
fn each_record_leaves_before_the_interval() {
    let config = json!({"type": "INFINITE_FEED", "max_records": 3, "message_interval": 600_000});
    let run = read(Host::new(), &config, "data");
    let batches = run.events.iter().filter(|event| matches!(event, Event::Records { .. })).count();
    assert_eq!((batches, numbers(&run)), (3, vec![1, 2, 3]));

    let run = read(Host::new().interrupting_after(1, Interruption::Cancelled), &config, "data");
    assert_eq!(numbers(&run), [1]);
    assert!(run.result.is_err());
}

#[test]
fn an_exception_comes_after_the_records_and_states_before_it() {
    for (after, states) in [(1, vec![0]), (5, vec![0, 5]), (7, vec![0, 5])] {
        let config = json!({"type": "EXCEPTION_AFTER_N", "throw_after_n_records": after});
        let run = read(Host::new(), &config, "data");
        assert_eq!(numbers(&run), (1..=after).collect::<Vec<u64>>());
        let saved: Vec<u64> = run.checkpoints("data").iter().map(|state| state["column1"].as_u64().unwrap()).collect();
        assert_eq!(saved, states);
        assert!(failed(&run, "data").unwrap().starts_with("Scheduled exceptional event"), "{run:?}");
    }
}

#[test]
fn an_exception_goes_on_after_a_state() {
    let config = json!({"type": "EXCEPTION_AFTER_N", "throw_after_n_records": 2});
    let run = read(Host::new().with_state([("data", json!({"column1": 5}))]), &config, "data");
    assert_eq!(run.checkpoints("data"), [json!({"column1": 5})]);
    assert_eq!(numbers(&run), [6, 7]);
    // Airbyte's begins anew with a state that it does not know.
    let run = read(Host::new().with_state([("data", json!({"other": 5}))]), &config, "data");
    assert_eq!(numbers(&run), [1, 2]);
}

#[test]
fn the_legacy_catalogs_are_airbytes() {
    let schema = json!({"type": "object", "properties": {"column1": {"type": "string"}}});
    let catalog = |config| serde_json::to_value(feed(config).unwrap().catalog()).unwrap();
    assert_eq!(
        catalog(json!({"type": "INFINITE_FEED"})),
        json!({"streams": [{"name": "data", "json_schema": schema, "supported_sync_modes": ["full_refresh"]}]})
    );
    assert_eq!(
        catalog(json!({"type": "EXCEPTION_AFTER_N", "throw_after_n_records": 1})),
        json!({"streams": [{"name": "data", "json_schema": schema, "source_defined_cursor": true,
                            "supported_sync_modes": ["full_refresh", "incremental"]}]})
    );
}

#[test]
fn a_stream_that_does_not_exist_fails_alone() {
    let config = json!({"type": "INFINITE_FEED", "max_records": 1});
    let run = Host::new().read::<EndToEndTest>(&config, &catalog(&["carts", "data"], &json!({})));
    assert_eq!(run.result, Ok(()));
    assert!(failed(&run, "carts").unwrap().contains("There is no stream carts"));
    assert_eq!(numbers(&run), [1]);
}

#[test]
fn a_benchmark_is_exact() {
    for (condition, max, expected) in [
        ("MAX_RECORDS", json!(2345), 2345),
        ("MAX_RECORDS", json!(2e3), 2000),
        ("MAX_RECORDS", json!(0), 0),
        ("MAX_RECORDS", json!(-7), 0),
        ("MAX_BYTES", json!(1), 1),
        ("MAX_BYTES", json!(191), 1),
        ("MAX_BYTES", json!(192), 2),
        ("MAX_BYTES", json!(191_000), 1000),
    ] {
        let config = json!({"type": "BENCHMARK", "schema": "FIVE_STRING_COLUMNS",
                            "terminationCondition": {"type": condition, "max": max}});
        let run = read(Host::new(), &config, "stream1");
        assert_eq!(run.result, Ok(()));
        let records = run.records("stream1");
        assert_eq!(records.len(), expected, "{condition} {max}");
        for (record, number) in records.iter().zip(1..) {
            let value = format!("valuevaluevaluevaluevalue{}", number % 10);
            let expected = json!({"field1": value, "field2": value, "field3": value, "field4": value, "field5": value});
            assert_eq!(*record, expected);
        }
        assert!(records.iter().all(|record| record.to_string().len() == 191));
    }
    let endless = json!({"type": "BENCHMARK", "schema": "FIVE_STRING_COLUMNS",
                         "terminationCondition": {"type": "MAX_BYTES", "max": 1e300}});
    let run = read(Host::new().interrupting_after(5, Interruption::Closed), &endless, "stream1");
    assert_eq!(run.records("stream1").len(), 5000);
}

#[test]
fn one_schema_serves_many_streams() {
    let catalog = |copies: Value| {
        let schema = r#"{"type": "object", "properties": {"n": {"type": "integer"}}}"#;
        let mut mock = json!({"type": "SINGLE_STREAM", "stream_name": "ds", "stream_schema": schema});
        if !copies.is_null() {
            mock["stream_duplication"] = copies;
        }
        feed(continuous(mock)).map(|feed| feed.catalog())
    };
    let names = |copies| catalog(copies).unwrap().streams.into_iter().map(|stream| stream.name).collect::<Vec<_>>();
    assert_eq!(names(Value::Null), ["ds"]);
    assert_eq!(names(json!(1)), ["ds"]);
    assert_eq!(names(json!(3)), ["ds_0", "ds_1", "ds_2"]);
    assert_eq!(names(json!(10_000)).len(), 10_000);
    for copies in [0, 10_001, -1] {
        let failure = catalog(json!(copies)).unwrap_err();
        assert_eq!(failure.kind, FailureKind::ConfigError);
        assert!(failure.message.contains("from 1 to 10000"), "{failure}");
    }
}

#[test]
fn streams_of_their_own_schema_have_records_of_it() {
    let schemas = json!({
        "stream1": {"type": "object", "properties": {"field1": {"type": "string"}}},
        "stream2": {"type": "object", "properties": {"field1": {"type": "boolean"}}},
    });
    let config = continuous(json!({"type": "MULTI_STREAM", "stream_schemas": schemas.to_string()}));
    let discovered = feed(config.clone()).unwrap().catalog();
    let streams: Vec<Value> = discovered.streams.iter().map(|stream| json!({ "stream": stream })).collect();
    let read = || Host::new().read::<EndToEndTest>(&config, &json!({ "streams": streams }));
    let run = read();
    assert_eq!(run.result, Ok(()));
    assert!(run.records("stream1").iter().all(|record| record["field1"].is_string()));
    assert!(run.records("stream2").iter().all(|record| record["field1"].is_boolean()));
    assert_eq!((run.records("stream1").len(), run.records("stream2").len()), (5, 5));
    assert_eq!(run.events, read().events, "the seed decides the records");
}

#[test]
fn a_record_has_the_fields_that_are_configured() {
    let config = continuous(json!({"type": "SINGLE_STREAM", "stream_name": "ds", "stream_schema":
        r#"{"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "string"}}}"#}));
    let selected = json!({"type": "object", "properties": {"b": {"type": "string"}}});
    let run = Host::new().read::<EndToEndTest>(&config, &catalog(&["ds"], &selected));
    let record = run.records("ds").remove(0);
    assert_eq!(record.as_object().unwrap().keys().collect::<Vec<_>>(), ["b"]);
}

#[test]
fn a_schema_that_can_not_be_used_is_told_with_its_place() {
    for (mock_catalog, parts) in [
        (
            json!({"type": "SINGLE_STREAM", "stream_name": "my_stream", "stream_schema": "{\"type\": "}),
            ["stream_schema", "line 1 column 9"],
        ),
        (
            json!({"type": "SINGLE_STREAM", "stream_name": "my_stream", "stream_schema": "[123, 456]"}),
            ["my_stream", "#: "],
        ),
        (
            json!({"type": "SINGLE_STREAM", "stream_name": "my_stream", "stream_schema":
            r#"{"type": "object", "properties": {"field1": {"type": "invalid_type"}}}"#}),
            ["my_stream", "#/properties/field1/type: "],
        ),
        (json!({"type": "MULTI_STREAM", "stream_schemas": "[1]"}), ["stream_schemas", "line 1 column 0"]),
        (json!({"type": "MULTI_STREAM", "stream_schemas": r#"{"type": "object"}"#}), ["stream type", "#: "]),
        (
            json!({"type": "MULTI_STREAM", "stream_schemas":
            r#"{"stream1": {"type": "object", "properties": {"field2": ["invalid field spec"]}}}"#}),
            ["stream1", "#/properties/field2: "],
        ),
    ] {
        let config: Config = serde_json::from_value(continuous(mock_catalog)).unwrap();
        let failure = EndToEndTest::check(config).unwrap_err();
        assert_eq!(failure.kind, FailureKind::ConfigError);
        for part in parts {
            assert!(failure.message.contains(part), "{part}: {failure}");
        }
    }
    // In the catalog it fails its stream alone.
    let config = continuous(json!({"type": "SINGLE_STREAM", "stream_name": "ds", "stream_schema": "{}"}));
    let mut catalog = catalog(&["bad", "good"], &json!({"properties": {"n": {"type": "integer"}}}));
    catalog["streams"][0]["stream"]["json_schema"] = json!({"type": 7});
    let run = Host::new().read::<EndToEndTest>(&config, &catalog);
    assert_eq!(run.result, Ok(()));
    assert!(failed(&run, "bad").unwrap().contains("#/type"));
    assert_eq!(run.records("good").len(), 5);
}

#[test]
fn options_have_limits() {
    let with = |field: &str, value: i64| {
        let mut config = continuous(json!({"type": "SINGLE_STREAM", "stream_name": "ds", "stream_schema": "{}"}));
        config[field] = json!(value);
        feed(config).map(drop)
    };
    for (field, right, wrong) in [
        ("max_messages", vec![1, 100_000_000_000], vec![0, -1, 100_000_000_001]),
        ("message_interval_ms", vec![0, 60_000], vec![-1, 60_001]),
        ("seed", vec![0, 1_000_000, -1, i64::MAX], vec![]),
    ] {
        for value in right {
            assert_eq!(with(field, value), Ok(()), "{field}");
        }
        for value in wrong {
            let failure = with(field, value).unwrap_err();
            assert_eq!(failure.kind, FailureKind::ConfigError);
            assert!(failure.message.starts_with(&format!("{field} is {value}")), "{failure}");
        }
    }
    for config in [
        json!({"type": "EXCEPTION_AFTER_N", "throw_after_n_records": 0}),
        json!({"type": "INFINITE_FEED", "message_interval": -1}),
    ] {
        assert_eq!(feed(config).map(drop).unwrap_err().kind, FailureKind::ConfigError);
    }
}

#[test]
fn the_examples_are_true() {
    let config: Value = serde_json::from_str(include_str!("../examples/config.json")).unwrap();
    let catalog: Value = serde_json::from_str(include_str!("../examples/catalog.json")).unwrap();
    let run = Host::new().read::<EndToEndTest>(&config, &catalog);
    assert_eq!(run.result, Ok(()));
    let discovered = feed(config).unwrap().catalog();
    let configured: ConfiguredCatalog = serde_json::from_value(catalog).unwrap();
    let streams: Vec<_> = configured.streams.into_iter().map(|configured| configured.stream).collect();
    assert_eq!(streams, discovered.streams);
    for stream in &streams {
        assert_eq!(run.records(StreamName::from(stream)).len(), 100);
    }
}
