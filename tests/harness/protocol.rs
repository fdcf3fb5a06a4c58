//! The validator: each line of an Airbyte command's stdout against a JSON Schema of the protocol that was written for these
//! tests, stricter than Airbyte's own, which lets every field go.

use std::sync::LazyLock;

use jsonschema::Validator;
use serde_json::Value;

static SCHEMA: LazyLock<Validator> = LazyLock::new(|| {
    let schema = serde_json::from_str(include_str!("../protocol.schema.json")).expect("the schema is JSON");
    jsonschema::validator_for(&schema).expect("the schema is a schema")
});

/// The messages of `stdout`, but for the line that says what is in force: it begins every sync, says nothing of what the
/// connector does, and has tests of its own.
#[track_caller]
pub fn messages(stdout: &[u8]) -> Vec<Value> {
    let mut messages = all_messages(stdout);
    messages.retain(|message| !says_what_is_in_force(message));
    messages
}

/// Whether this is the line that says what a connector may touch.
pub fn says_what_is_in_force(message: &Value) -> bool {
    message["log"]["message"].as_str().is_some_and(|text| text.starts_with("In force for the connector "))
}

/// The messages of `stdout`: whole lines, each one a valid AirbyteMessage, and nothing else.
#[track_caller]
pub fn all_messages(stdout: &[u8]) -> Vec<Value> {
    let text = std::str::from_utf8(stdout).expect("stdout is UTF-8");
    assert!(text.is_empty() || text.ends_with('\n'), "the last line is whole: {:?}", text.lines().next_back());
    assert!(!text.contains('\r'), "no carriage return on stdout");
    text.split_terminator('\n').map(message).collect()
}

#[track_caller]
fn message(line: &str) -> Value {
    let shown: String = line.chars().take(500).collect();
    let message: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("no JSON: {error}: {shown}"));
    if let Err(error) = SCHEMA.validate(&message) {
        panic!("no AirbyteMessage: {error} at {}: {shown}", error.instance_path());
    }
    // JSON Schema takes 5 for 5.0; the protocol wants the decimal point.
    for statistics in ["sourceStats", "destinationStats"] {
        for count in message["state"][statistics].as_object().into_iter().flat_map(|counts| counts.values()) {
            assert!(count.is_f64(), "a count without its decimal point: {shown}");
        }
    }
    message
}

#[test]
fn the_validator_refuses_what_is_no_message() {
    for line in [
        r#"{"type":"RECORD","record":{"stream":"a","data":{"b":1}}}"#,
        r#"{"type":"RECORD","record":{"stream":"a","data":[],"emitted_at":1}}"#,
        r#"{"type":"RECORD","record":{"stream":"a","data":{},"emitted_at":1}}"#,
        r#"{"type":"STATE","state":{"type":"STREAM"}}"#,
        r#"{"type":"LOG","log":{"level":"NOTICE","message":"x"}}"#,
        r#"{"type":"TRACE","trace":{"type":"ERROR","emitted_at":1}}"#,
        r#"{"type":"SPEC","spec":{}}"#,
        r#"{"type":"NEWS"}"#,
        "[]",
    ] {
        assert!(!SCHEMA.is_valid(&serde_json::from_str(line).unwrap()), "{line}");
    }
}
