//! Reads of whole streams against the Python CDK: what is asked for, which records come, and which state is left.

use std::collections::BTreeSet;

use airlock_sdk::testing::{Host, HttpRequest, HttpResponse, Run};
use airlock_sdk::{FailureKind, Interruption, StreamWriter};
use serde_json::{Value, json};

use super::*;
use crate::manifest::{Node, Remarks};
use crate::stream::Stream;

/// What the CDK did. How long a read took is a second.
const STREAMS: &str = include_str!("streams.json");

fn read_stream(declared: &Value, state: &Value, responses: &Value) -> Run {
    let remarks = Remarks::default();
    let stream: Stream = Node::root(declared, &remarks).read().unwrap();
    assert_eq!(remarks.take(), [] as [String; 0]);
    let state = state.as_object().cloned();
    let responses = responses.clone();
    let answer = move |request: &HttpRequest| match &responses[target(request)] {
        Value::Null => HttpResponse::new(404).body("{}"),
        Value::Number(status) => HttpResponse::new(u16::try_from(status.as_u64().unwrap()).unwrap()).body("{}"),
        body => HttpResponse::json(body),
    };
    run_of(Host::new().answering(answer), &stream, state)
}

fn run_of(host: Host, stream: &Stream, state: Option<Object>) -> Run {
    host.run(|| {
        let session = Session::new(Object::new());
        session.begin_stream(StreamWriter::open("s")?);
        let (stream, state) = stream.going_on(&session, state)?;
        read(stream, &session, &[], state)
    })
}

fn target(request: &HttpRequest) -> &str {
    request.url.trim_start_matches("https://server")
}

/// A state without how long its read took.
fn timeless(mut state: Value) -> Value {
    if state["lookback_window"].as_i64().is_some_and(|seconds| seconds > 0) {
        state["lookback_window"] = json!(1);
    }
    if let Some(parents) = state.get_mut("parent_state").and_then(Value::as_object_mut) {
        for parent in parents.values_mut() {
            *parent = timeless(parent.take());
        }
    }
    state
}

#[test]
fn streams_are_read_as_the_cdk_reads_them() {
    let cases: Vec<Value> = serde_json::from_str(STREAMS).unwrap();
    assert!(cases.len() > 30);
    for case in cases {
        let name = &case["name"];
        let run = read_stream(&case["stream"], &case["state"], &case["responses"]);
        let mut requests: Vec<&str> = run.requests().into_iter().map(target).collect();
        requests.sort_unstable();
        assert_eq!(json!(requests), case["requests"], "the requests of {name}");
        let sorted = |records: Vec<Value>| {
            let mut texts: Vec<String> = records.iter().map(Value::to_string).collect();
            texts.sort_unstable();
            texts
        };
        let expected = case["records"].as_array().unwrap().iter();
        let expected = expected.map(|record| serde_json::from_str(record.as_str().unwrap()).unwrap()).collect();
        assert_eq!(sorted(run.records("s")), sorted(expected), "the records of {name}");
        let states = run.checkpoints("s");
        let last = timeless(states.last().unwrap().clone());
        assert_eq!(last.to_string(), timeless(case["last_state"].clone()).to_string(), "the state of {name}");
        let kind = run.result.as_ref().err().map(|failure| failure.kind);
        let expected = case["failures"].as_array().unwrap().first();
        let expected = expected.map(|_| FailureKind::SystemError);
        assert_eq!(kind, expected, "the failure of {name}");
        assert_eq!(case["status"] == "COMPLETE", run.result.is_ok(), "the status of {name}");
    }
}

fn cursor(more: &Value) -> Value {
    let option = |name: &str| json!({"type": "RequestOption", "inject_into": "request_parameter", "field_name": name});
    let mut cursor = json!({
        "type": "DatetimeBasedCursor", "cursor_field": "at", "datetime_format": "%Y-%m-%d",
        "start_datetime": "2024-01-01", "end_datetime": "2024-03-10",
        "start_time_option": option("from"), "end_time_option": option("to"),
    });
    cursor.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    cursor
}

/// A stream `s` whose partitions are the records of `parents`; both have dates.
fn child(parent_cursor: &Value, child_cursor: &Value) -> Value {
    let stream = |name: &str, path: &str, cursor: Value, router: Value| {
        json!({
            "type": "DeclarativeStream", "name": name, "incremental_sync": cursor,
            "schema_loader": {"type": "InlineSchemaLoader", "schema": {}},
            "retriever": {
                "type": "SimpleRetriever",
                "requester": {"type": "HttpRequester", "url_base": "https://server", "path": path},
                "record_selector": {"type": "RecordSelector", "extractor": {"type": "DpathExtractor", "field_path": []}},
                "partition_router": router,
            },
        })
    };
    let parents = stream("parents", "/parents", cursor(parent_cursor), Value::Null);
    let option = json!({"type": "RequestOption", "inject_into": "request_parameter", "field_name": "pid"});
    let config = json!({
        "type": "ParentStreamConfig", "stream": parents, "parent_key": "id", "partition_field": "pid",
        "request_option": option, "incremental_dependency": true,
    });
    let router = json!({"type": "SubstreamPartitionRouter", "parent_stream_configs": [config]});
    stream("s", "/s", cursor(child_cursor), router)
}

/// The CDK saves what it has come to for all partitions together, though it does not know them all: a new one would begin there.
#[test]
fn partitions_that_a_parent_did_not_give_are_not_covered() {
    let declared = child(&json!({"step": "P1M", "cursor_granularity": "P1D"}), &json!({}));
    let responses = json!({
        "/parents?from=2024-01-01&to=2024-01-31": [{"id": 1, "at": "2024-01-02"}, {"id": 2, "at": "2024-01-03"}],
        "/s?pid=1&from=2024-01-01&to=2024-03-10": [{"id": 1, "at": "2024-02-01"}],
        "/s?pid=2&from=2024-01-01&to=2024-03-10": [{"id": 1, "at": "2024-02-02"}],
    });
    let run = read_stream(&declared, &Value::Null, &responses);
    // The last partition that came has not been begun, as in the CDK.
    let requests: Vec<&str> = run.requests().into_iter().map(target).collect();
    let expected = [
        "/parents?from=2024-01-01&to=2024-01-31",
        "/parents?from=2024-02-01&to=2024-02-29",
        "/s?pid=1&from=2024-01-01&to=2024-03-10",
    ];
    assert_eq!(BTreeSet::from_iter(requests), BTreeSet::from(expected));
    assert_eq!(run.result.as_ref().unwrap_err().kind, FailureKind::SystemError);
    let state = json!({
        "use_global_cursor": false,
        "states": [{"partition": {"parent_slice": {}, "pid": 1}, "cursor": {"at": "2024-02-01"}}],
        "lookback_window": 0,
        "parent_state": {"parents": {"at": "2024-01-01"}},
    });
    assert_eq!(run.checkpoints("s").last(), Some(&state));
}

/// Parents and children by their dates, as a server gives them that takes bounds.
fn answer(request: &HttpRequest) -> HttpResponse {
    let (path, query) = target(request).split_once('?').unwrap();
    let parameter = |name: &str| query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
    let between = |at: &str| parameter("from").unwrap() <= at && at <= parameter("to").unwrap();
    let records: Vec<Value> = match path {
        "/parents" => (1..=9).map(|id| json!({"id": id, "at": format!("2024-0{}-0{id}", 1 + id % 3)})).collect(),
        _ => {
            let pid: u64 = parameter("pid").unwrap().parse().unwrap();
            (1..=3).map(|n| json!({"id": pid * 10 + n, "at": format!("2024-0{n}-0{}", 1 + pid % 9)})).collect()
        }
    };
    HttpResponse::json(&records.into_iter().filter(|record| between(record["at"].as_str().unwrap())).collect())
}

#[test]
fn a_read_that_was_interrupted_anywhere_goes_on_after_its_last_state() {
    let steps = json!({"step": "P1M", "cursor_granularity": "P1D"});
    for (parent_cursor, child_cursor) in [(&steps, &json!({})), (&json!({}), &steps), (&steps, &steps)] {
        let declared = child(parent_cursor, child_cursor);
        let remarks = Remarks::default();
        let stream: Stream = Node::root(&declared, &remarks).read().unwrap();
        let ids =
            |run: &Run| run.records("s").iter().map(|record| record["id"].as_u64().unwrap()).collect::<BTreeSet<_>>();
        let whole = ids(&run_of(Host::new().answering(answer), &stream, None));
        assert_eq!(whole.len(), 27);
        let mut ends = 0;
        for taken in (0..60).step_by(3) {
            let host = Host::new().answering(answer).interrupting_after(taken, Interruption::Cancelled);
            let first = run_of(host, &stream, None);
            ends += usize::from(first.result.is_ok());
            let state = first.checkpoints("s").last().and_then(Value::as_object).cloned();
            let second = run_of(Host::new().answering(answer), &stream, state);
            assert_eq!(second.result, Ok(()));
            let both: BTreeSet<u64> = ids(&first).union(&ids(&second)).copied().collect();
            assert_eq!(both, whole, "after {taken}");
        }
        assert!((1..20).contains(&ends), "{ends}");
    }
}

#[test]
fn an_empty_list_of_routers_is_none() {
    let mut declared = child(&json!({}), &json!({}));
    declared["retriever"]["partition_router"] = json!([]);
    let run = read_stream(&declared, &Value::Null, &json!({"/s?from=2024-01-01&to=2024-03-10": []}));
    assert_eq!(run.result, Ok(()));
    assert_eq!(run.checkpoints("s"), [json!({"at": "2024-01-01"})]);
}

/// The CDK saves the mark, too, and never reads the whole again.
#[test]
fn a_first_read_that_failed_is_begun_anew() {
    let mut stream = child(&json!({}), &json!({}));
    stream["retriever"].as_object_mut().unwrap().remove("partition_router");
    let mut whole = stream.clone();
    whole.as_object_mut().unwrap().remove("incremental_sync");
    let declared = json!({
        "type": "StateDelegatingStream", "name": "s", "full_refresh_stream": whole, "incremental_stream": stream,
    });
    let run = read_stream(&declared, &Value::Null, &json!({}));
    assert!(run.result.is_err());
    assert_eq!(run.checkpoints("s"), [] as [Value; 0]);
    let run = read_stream(&declared, &Value::Null, &json!({"/s": [{"id": 1}]}));
    assert_eq!(run.checkpoints("s"), [json!({"__ab_no_cursor_state_message": true})]);
}

#[test]
fn what_an_api_does_not_keep_is_read_anew() {
    let stream = |name: &str, cursor: Value| {
        let mut stream = child(&json!({}), &json!({}));
        stream["retriever"].as_object_mut().unwrap().remove("partition_router");
        stream["retriever"]["requester"]["path"] = name.into();
        stream["incremental_sync"] = cursor;
        stream
    };
    let which = |full: &Value, period: &str, state: Value| {
        let declared = json!({
            "type": "StateDelegatingStream", "name": "s", "full_refresh_stream": stream("full", full.clone()),
            "incremental_stream": stream("incremental", cursor(&json!({}))), "api_retention_period": period,
        });
        let remarks = Remarks::default();
        let stream: Stream = Node::root(&declared, &remarks).read().unwrap();
        assert_eq!(remarks.take(), [] as [String; 0]);
        let session = Session::new(Object::new());
        let (chosen, state) = stream.going_on(&session, state.as_object().cloned()).unwrap();
        (std::ptr::eq(chosen, stream.of_state(true)), state.is_some())
    };
    let now = "2024-03-15";
    crate::datetime::set_now(crate::datetime::DateTime::parse(now, "%Y-%m-%d").unwrap());
    let (incremental, full) = ((true, true), (false, false));
    let none = Value::Null;
    assert_eq!(which(&none, "P7D", Value::Null), full);
    assert_eq!(which(&none, "P7D", json!({"at": "2024-03-08"})), incremental);
    assert_eq!(which(&none, "P7D", json!({"at": "2024-03-07"})), full);
    assert_eq!(which(&none, "P1M", json!({"at": "2024-03-07"})), incremental);
    assert_eq!(which(&none, "", json!({"at": "1990-03-07"})), incremental);
    assert_eq!(which(&none, "P7D", json!({"at": "some day"})), full);
    assert_eq!(which(&none, "P7D", json!({"other": "2024-03-08"})), full);
    assert_eq!(which(&none, "P7D", json!({"__ab_no_cursor_state_message": true})), incremental);
    let first = cursor(&json!({"cursor_field": "first"}));
    assert_eq!(which(&first, "P7D", json!({"at": "2024-03-01", "first": "2024-03-14"})), incremental);
    assert_eq!(which(&first, "P7D", json!({"at": "2024-03-14"})), incremental);
    let slices = json!([{"start": "2024-01-01", "end": "2024-03-14", "most_recent_cursor_value": "2024-03-01"}]);
    assert_eq!(which(&none, "P7D", json!({"state_type": "date-range", "slices": slices})), full);
}
