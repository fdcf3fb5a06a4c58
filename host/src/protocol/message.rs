//! The lines that the host writes, all but RECORD (which `record_lines` makes). Each function gives one whole line with its
//! line break. Knows nothing of when they are written.

use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, json};

use super::failure::Failure;
use super::log_level::LogLevel;
use super::stream_name::StreamName;

/// Now, in milliseconds since 1970: what Airbyte's `emitted_at` holds.
pub fn now() -> i64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX)
}

/// LOG.
pub fn log(level: LogLevel, message: &str) -> Vec<u8> {
    #[derive(Serialize)]
    struct Log<'a> {
        level: LogLevel,
        message: &'a str,
    }
    line("LOG", "log", &Log { level, message })
}

/// SPEC, of an Airbyte ConnectorSpecification.
pub fn spec(specification: &RawValue) -> Vec<u8> {
    line("SPEC", "spec", specification)
}

/// CATALOG, of an AirbyteCatalog.
pub fn catalog(catalog: &RawValue) -> Vec<u8> {
    line("CATALOG", "catalog", catalog)
}

/// CONNECTION_STATUS: succeeded, or failed with a message.
pub fn connection_status(failed: Option<&str>) -> Vec<u8> {
    let status = match failed {
        None => json!({"status": "SUCCEEDED"}),
        Some(message) => json!({"status": "FAILED", "message": message}),
    };
    line("CONNECTION_STATUS", "connectionStatus", &status)
}

/// CONTROL with a new config.
pub fn config_changed(config: &RawValue) -> Vec<u8> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Control<'a> {
        r#type: &'static str,
        #[serde(rename = "emitted_at")]
        emitted_at: i64,
        connector_config: ConnectorConfig<'a>,
    }
    #[derive(Serialize)]
    struct ConnectorConfig<'a> {
        config: &'a RawValue,
    }
    let control =
        Control { r#type: "CONNECTOR_CONFIG", emitted_at: now(), connector_config: ConnectorConfig { config } };
    line("CONTROL", "control", &control)
}

/// The fields of a TRACE ERROR's `error` that the protocol defines.
const ERROR_FIELDS: [&str; 5] = ["message", "internal_message", "stack_trace", "failure_type", "stream_descriptor"];

/// TRACE ERROR.
pub fn trace_error(failure: &Failure) -> Vec<u8> {
    let mut error = Map::new();
    error.insert("message".into(), failure.message.as_str().into());
    if let Some(text) = &failure.internal_message {
        error.insert("internal_message".into(), text.as_str().into());
    }
    if let Some(text) = &failure.stack_trace {
        error.insert("stack_trace".into(), text.as_str().into());
    }
    error.insert("failure_type".into(), json!(failure.kind));
    if let Some(stream) = &failure.stream {
        error.insert("stream_descriptor".into(), json!(stream));
    }
    for (name, value) in &failure.details {
        // What the protocol defines is the host's to say.
        if !ERROR_FIELDS.contains(&name.as_str()) {
            error.insert(name.clone(), value.clone());
        }
    }
    trace("ERROR", "error", &error)
}

/// The states of a stream that a source tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum StreamStatus {
    /// It has been opened.
    Started,
    /// Its first record follows.
    Running,
    /// It has been read to its end.
    Complete,
    /// It ended before its end.
    Incomplete,
}

/// TRACE STREAM_STATUS, with Airbyte's reasons (a JSON array) where there are any.
pub fn stream_status(stream: &StreamName, status: StreamStatus, reasons: Option<&RawValue>) -> Vec<u8> {
    #[derive(Serialize)]
    struct Status<'a> {
        stream_descriptor: &'a StreamName,
        status: StreamStatus,
        #[serde(skip_serializing_if = "Option::is_none")]
        reasons: Option<&'a RawValue>,
    }
    trace("STREAM_STATUS", "stream_status", &Status { stream_descriptor: stream, status, reasons })
}

/// How much a stream will have.
#[derive(Debug, Deserialize, Serialize)]
pub struct Estimate {
    /// Its records.
    #[serde(skip_serializing_if = "Option::is_none")]
    row_estimate: Option<u64>,
    /// Its bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    byte_estimate: Option<u64>,
}

/// TRACE ESTIMATE of a stream.
pub fn estimate(stream: &StreamName, estimate: &Estimate) -> Vec<u8> {
    #[derive(Serialize)]
    struct OfStream<'a> {
        #[serde(flatten)]
        stream: &'a StreamName,
        r#type: &'static str,
        #[serde(flatten)]
        estimate: &'a Estimate,
    }
    trace("ESTIMATE", "estimate", &OfStream { stream, r#type: "STREAM", estimate })
}

/// TRACE ANALYTICS.
pub fn analytics(kind: &str, value: Option<&str>) -> Vec<u8> {
    trace("ANALYTICS", "analytics", &json!({"type": kind, "value": value}))
}

/// STATE of one stream. `records` counts those since the state before it; Airbyte wants it with a decimal point.
pub fn stream_state(stream: &StreamName, state: &RawValue, records: u64) -> Vec<u8> {
    #[derive(Serialize)]
    struct State<'a> {
        r#type: &'static str,
        stream: StreamState<'a>,
        #[serde(rename = "sourceStats")]
        source_stats: Statistics,
    }
    let stream = StreamState { stream_descriptor: stream, stream_state: state };
    line("STATE", "state", &State { r#type: "STREAM", stream, source_stats: Statistics::of(records) })
}

/// GLOBAL STATE.
pub fn global_state(shared: Option<&RawValue>, streams: &[(StreamName, Box<RawValue>)], records: u64) -> Vec<u8> {
    #[derive(Serialize)]
    struct State<'a> {
        r#type: &'static str,
        global: Global<'a>,
        #[serde(rename = "sourceStats")]
        source_stats: Statistics,
    }
    #[derive(Serialize)]
    struct Global<'a> {
        #[serde(skip_serializing_if = "Option::is_none")]
        shared_state: Option<&'a RawValue>,
        stream_states: Vec<StreamState<'a>>,
    }
    let stream_states =
        streams.iter().map(|(name, state)| StreamState { stream_descriptor: name, stream_state: state }).collect();
    let global = Global { shared_state: shared, stream_states };
    line("STATE", "state", &State { r#type: "GLOBAL", global, source_stats: Statistics::of(records) })
}

#[derive(Serialize)]
struct StreamState<'a> {
    stream_descriptor: &'a StreamName,
    stream_state: &'a RawValue,
}

/// AirbyteStateStats. The counts are doubles in the protocol: serde writes 5.0, never 5.
#[derive(Serialize)]
struct Statistics {
    #[serde(rename = "recordCount")]
    record_count: f64,
}

impl Statistics {
    fn of(records: u64) -> Statistics {
        Statistics { record_count: records as f64 }
    }
}

fn trace(kind: &str, field: &str, content: &(impl Serialize + ?Sized)) -> Vec<u8> {
    let mut text =
        format!("{{\"type\":\"TRACE\",\"trace\":{{\"type\":\"{kind}\",\"emitted_at\":{},\"{field}\":", now())
            .into_bytes();
    append_json(&mut text, content);
    text.extend_from_slice(b"}}\n");
    text
}

fn line(kind: &str, field: &str, content: &(impl Serialize + ?Sized)) -> Vec<u8> {
    let mut text = format!("{{\"type\":\"{kind}\",\"{field}\":").into_bytes();
    append_json(&mut text, content);
    text.extend_from_slice(b"}\n");
    text
}

fn append_json(text: &mut Vec<u8>, content: &(impl Serialize + ?Sized)) {
    // The types of this module have text keys only and a Vec takes every write: serde_json has no way to fail on them.
    serde_json::to_writer(text, content).expect("a message of the host is serializable");
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn text(line: Vec<u8>) -> String {
        String::from_utf8(line).unwrap()
    }

    #[test]
    fn counts_have_a_decimal_point() {
        let stream = StreamName { name: "users".into(), namespace: Some("public".into()) };
        let state = RawValue::from_string("{\"id\":1.50}".into()).unwrap();
        assert_eq!(
            text(stream_state(&stream, &state, 5)),
            "{\"type\":\"STATE\",\"state\":{\"type\":\"STREAM\",\"stream\":{\"stream_descriptor\":{\"name\":\"users\",\
             \"namespace\":\"public\"},\"stream_state\":{\"id\":1.50}},\"sourceStats\":{\"recordCount\":5.0}}}\n"
        );
    }

    #[test]
    fn details_never_replace_what_the_protocol_defines() {
        let mut failure = Failure::config_error("no");
        failure.details.insert("message".into(), "yes".into());
        failure.details.insert("stack_trace".into(), 5.into());
        failure.details.insert("code".into(), 7.into());
        let value: Value = serde_json::from_slice(&trace_error(&failure)).unwrap();
        assert_eq!(value["trace"]["error"], json!({"message": "no", "failure_type": "config_error", "code": 7}));
    }
}
