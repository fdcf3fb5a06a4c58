//! One line of a destination's input, read. Knows nothing of the lines around it.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::Number;
use serde_json::value::RawValue;

use super::document::RawObject;
use super::stream_name::StreamName;

/// What a line says.
#[derive(Debug)]
pub enum InputMessage<'a> {
    /// A record.
    Record(Record<'a>),
    /// The source saved its position.
    State(State),
    /// The source tells how a stream is doing.
    StreamStatus {
        /// The stream.
        stream: StreamName,
        /// It has been read to its end.
        complete: bool,
    },
    /// The source tells of a failure.
    Error,
    /// A TRACE of another kind.
    OtherTrace,
    /// A message that no destination needs (LOG, for example).
    Ignored,
    /// Text, or a message of a type that is not known here.
    Unknown,
}

/// AirbyteRecordMessage.
#[derive(Debug, Deserialize)]
pub struct Record<'a> {
    /// The stream's name.
    #[serde(borrow)]
    pub stream: Text<'a>,
    /// The stream's namespace.
    #[serde(borrow, default)]
    pub namespace: Option<Text<'a>>,
    /// The record: a JSON object.
    #[serde(borrow)]
    pub data: &'a RawValue,
    /// When it was read. Some sources give a fraction.
    #[serde(default)]
    emitted_at: Option<Number>,
    /// Airbyte's `meta`.
    #[serde(borrow, default)]
    pub meta: Option<&'a RawValue>,
    /// Airbyte's `file_reference`.
    #[serde(borrow, default)]
    pub file_reference: Option<&'a RawValue>,
}

impl Record<'_> {
    /// When it was read, in milliseconds since 1970, if it says so.
    pub fn emitted_at(&self) -> Option<i64> {
        let number = self.emitted_at.as_ref()?;
        // `as` saturates, and a fraction of a millisecond is nobody's business.
        number.as_i64().or_else(|| number.as_f64().map(|milliseconds| milliseconds as i64))
    }
}

/// Text that is borrowed from the line wherever it has no escapes.
#[derive(Debug, Deserialize)]
pub struct Text<'a>(#[serde(borrow)] pub Cow<'a, str>);

/// A STATE message.
#[derive(Debug, PartialEq, Eq)]
pub struct State {
    /// What it covers: one stream, or everything.
    pub stream: Option<StreamName>,
    /// The AirbyteStateMessage as it came.
    pub state: String,
    /// How it is echoed.
    pub echo: Echo,
}

/// The line that echoes a STATE: everything it came with, and `destinationStats`.
#[derive(Debug, PartialEq, Eq)]
pub struct Echo {
    /// The line up to where the statistics belong.
    before: String,
    /// The rest of it.
    after: String,
}

impl Echo {
    /// The whole line. Counts have a decimal point, as the protocol wants it.
    pub fn line(&self, records: u32, rejected: u32) -> Vec<u8> {
        let Echo { before, after } = self;
        format!(
            "{before}\"destinationStats\":{{\"recordCount\":{records}.0,\"rejectedRecordCount\":{rejected}.0}}{after}\n"
        )
        .into_bytes()
    }
}

/// An AirbyteMessage, as far as a destination's input needs it. Every field may be null.
#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow, rename = "type", default)]
    kind: Option<Text<'a>>,
    #[serde(borrow, default)]
    record: Option<Record<'a>>,
    #[serde(borrow, default)]
    state: Option<&'a RawValue>,
    #[serde(borrow, default)]
    trace: Option<&'a RawValue>,
}

/// Only the type, whatever it is.
#[derive(Deserialize)]
struct Kind<'a> {
    #[serde(borrow, rename = "type", default)]
    kind: Option<&'a RawValue>,
}

/// Says whether a line that is not UTF-8 may be passed over, as other text is. The error says what is wrong with a message.
pub fn pass_over_broken_text(line: &[u8]) -> Result<(), String> {
    let line = line.trim_ascii();
    match std::str::from_utf8(line) {
        Err(error) if line.first() == Some(&b'{') => {
            Err(format!("begins like a message but is not UTF-8: byte {} is wrong", error.valid_up_to()))
        }
        _ => Ok(()),
    }
}

/// Reads a line. The error says what is wrong without repeating the line.
pub fn parse(line: &str) -> Result<InputMessage<'_>, String> {
    let line = line.trim_ascii();
    if !line.starts_with('{') {
        return Ok(InputMessage::Unknown);
    }
    let message: Message = match serde_json::from_str(line) {
        Ok(message) => message,
        Err(error) => return unless_unknown(line, &error),
    };
    let missing = |field: &str| format!("is a message without its `{field}`");
    match message.kind.as_ref().map(|kind| kind.0.as_ref()) {
        Some("RECORD") => {
            let record = message.record.ok_or_else(|| missing("record"))?;
            if !record.data.get().starts_with('{') {
                return Err("is a RECORD whose `data` is not a JSON object".to_owned());
            }
            Ok(InputMessage::Record(record))
        }
        Some("STATE") => {
            let state = message.state.ok_or_else(|| missing("state"))?;
            Ok(InputMessage::State(parse_state(line, state)?))
        }
        Some("TRACE") => parse_trace(message.trace.ok_or_else(|| missing("trace"))?),
        Some("LOG" | "SPEC" | "CONNECTION_STATUS" | "CATALOG" | "CONTROL" | "DESTINATION_CATALOG") => {
            Ok(InputMessage::Ignored)
        }
        _ => Ok(InputMessage::Unknown),
    }
}

/// A message of an unknown type may have fields of the known names that hold something else.
fn unless_unknown<'a>(line: &str, error: &serde_json::Error) -> Result<InputMessage<'a>, String> {
    if let Ok(Kind { kind }) = serde_json::from_str(line) {
        let kind = kind.map_or("null", RawValue::get);
        if !matches!(kind, "\"RECORD\"" | "\"STATE\"" | "\"TRACE\"") {
            return Ok(InputMessage::Unknown);
        }
        // serde's own words may repeat a value.
        let kind = kind.trim_matches('"');
        return Err(format!("is no {kind} message as Airbyte defines it: see column {}", error.column()));
    }
    if error.is_eof() {
        return Err("begins like a message but is cut off".to_owned());
    }
    Err(format!("begins like a message but is not valid JSON: it goes wrong at column {}", error.column()))
}

fn parse_state(line: &str, state: &RawValue) -> Result<State, String> {
    #[derive(Deserialize)]
    struct Stream {
        stream_descriptor: StreamName,
    }
    let problem = |_| "is no STATE message as Airbyte defines it".to_owned();
    let message: RawObject = serde_json::from_str(line).map_err(problem)?;
    let fields: RawObject = serde_json::from_str(state.get()).map_err(problem)?;
    let missing = |kind: &str, field: &str| Err(format!("is a {kind} state without its `{field}`"));
    let stream = match (fields.get("type").map(RawValue::get), fields.get("stream")) {
        (Some("\"STREAM\""), Some(stream)) => {
            Some(serde_json::from_str::<Stream>(stream.get()).map_err(problem)?.stream_descriptor)
        }
        (Some("\"STREAM\""), None) => return missing("STREAM", "stream"),
        (Some("\"GLOBAL\""), _) if fields.get("global").or(fields.get("global_")).is_some() => None,
        (Some("\"GLOBAL\""), _) => return missing("GLOBAL", "global"),
        // The old form speaks of the source as a whole.
        (Some("\"LEGACY\"") | None, _) if fields.get("data").is_some() => None,
        (Some("\"LEGACY\"") | None, _) => return missing("LEGACY", "data"),
        (Some(_), _) => return Err("is a STATE of a type that is none of STREAM, GLOBAL and LEGACY".to_owned()),
    };
    Ok(State { stream, state: state.get().to_owned(), echo: echo(&message, &fields) })
}

fn echo(message: &RawObject, state: &RawObject) -> Echo {
    let key = |name: &str| serde_json::Value::from(name).to_string();
    let mut before = String::from("{\"type\":\"STATE\",\"state\":{");
    let mut add = |name: &str, value: &RawValue| before.push_str(&format!("{}:{value},", key(name)));
    // PyAirbyte writes `global` under the name it has in Python, twice. What leaves is spelled as the protocol has it.
    let global = state.get("global").or(state.get("global_"));
    for (name, value) in &state.0 {
        let is_global = name == "global" || name == "global_";
        if name != "destinationStats" && !(is_global && global.is_some()) {
            add(name, value);
        }
    }
    if let Some(global) = global {
        add("global", global);
    }
    let mut after = String::from("}");
    for (name, value) in &message.0 {
        if name != "type" && name != "state" {
            after.push_str(&format!(",{}:{}", key(name), value.get()));
        }
    }
    after.push('}');
    Echo { before, after }
}

fn parse_trace<'a>(trace: &RawValue) -> Result<InputMessage<'a>, String> {
    #[derive(Deserialize)]
    struct Trace {
        #[serde(rename = "type")]
        kind: Option<String>,
        stream_status: Option<Status>,
    }
    #[derive(Deserialize)]
    struct Status {
        stream_descriptor: StreamName,
        status: String,
    }
    let trace: Trace = serde_json::from_str(trace.get())
        .map_err(|error| format!("is no TRACE message as Airbyte defines it: see its column {}", error.column()))?;
    Ok(match (trace.kind.as_deref(), trace.stream_status) {
        (Some("STREAM_STATUS"), Some(status)) => {
            InputMessage::StreamStatus { stream: status.stream_descriptor, complete: status.status == "COMPLETE" }
        }
        (Some("ERROR"), _) => InputMessage::Error,
        _ => InputMessage::OtherTrace,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn explicit_nulls_and_fractions_are_read() {
        let line =
            r#"{"type":"RECORD","log":null,"state":null,"trace":null,"record":{"namespace":null,"stream":"a\u0062",
            "data":{"n":1.10},"emitted_at":1795328919764.25,"meta":null,"file_reference":null}}"#
                .replace('\n', "");
        let Ok(InputMessage::Record(record)) = parse(&line) else { panic!() };
        assert_eq!((record.stream.0.as_ref(), record.data.get()), ("ab", "{\"n\":1.10}"));
        assert_eq!(record.emitted_at(), Some(1_795_328_919_764));
        assert!(record.meta.is_none() && record.namespace.is_none());
    }

    #[test]
    fn a_state_is_echoed_with_everything_it_came_with() {
        let line = r#"{"type":"STATE","extra":[1.0],"state":{"type":"GLOBAL","global_":{"shared_state":{"n":1.10}},
            "global":null,"destinationStats":null,"sourceStats":{"recordCount":2.0},"data":{"old":1}}}"#
            .replace("\n            ", "");
        let Ok(InputMessage::State(state)) = parse(&line) else { panic!() };
        assert_eq!(state.stream, None);
        let echoed = String::from_utf8(state.echo.line(2, 1)).unwrap();
        assert_eq!(
            echoed,
            "{\"type\":\"STATE\",\"state\":{\"type\":\"GLOBAL\",\
             \"sourceStats\":{\"recordCount\":2.0},\"data\":{\"old\":1},\"global\":{\"shared_state\":{\"n\":1.10}},\"destinationStats\":{\"recordCount\":2.0,\
             \"rejectedRecordCount\":1.0}},\"extra\":[1.0]}\n"
        );
    }

    #[test]
    fn text_and_unknown_messages_are_not_errors() {
        for line in ["", "Using AIRBYTE_ENTRYPOINT: x", "[1]", "{}", r#"{"type":"NEWS","record":5}"#, r#"{"type":7}"#] {
            assert!(matches!(parse(line), Ok(InputMessage::Unknown)), "{line}");
        }
        assert!(matches!(parse(r#"{"type":"LOG","log":{}}"#), Ok(InputMessage::Ignored)));
    }

    #[test]
    fn what_begins_like_a_message_and_is_none_is_an_error_without_content() {
        for line in [
            r#"{"type":"RECORD","record":{"stream":"a","data":{"secret":"hush"},"emitted_at":1}"#,
            r#"{"type":"RECORD","record":{"stream":"a","data":["hush"],"emitted_at":1}}"#,
            r#"{"type":"RECORD","record":{"stream":"a","data":null,"emitted_at":1}}"#,
            r#"{"type":"RECORD","record":{"data":{"secret":"hush"}}}"#,
            r#"{"type":"RECORD","record":null}"#,
            r#"{"type":"RECORD"}"#,
            r#"{"type":"STATE","state":{"type":"STREAM","stream":null}}"#,
            r#"{"type":"STATE","state":{"type":"STREAM","stream":"hush"}}"#,
            r#"{"type":"STATE","state":{"type":"GLOBAL","global":null}}"#,
            r#"{"type":"STATE","state":{"type":"hush"}}"#,
            r#"{"type":"STATE","state":{}}"#,
            r#"{"type":"RECORD","record":"hush"}"#,
            r#"{"type":"RECORD","record":{"stream":"a","data":{},"emitted_at":"hush"}}"#,
            r#"{"type":"TRACE","trace":{"type":"STREAM_STATUS","stream_status":"hush"}}"#,
            r#"{"type":"RECORD","record":{"stream":"a","data":{"x":"hush"},"emitted_at":1}} hush"#,
            "{\"type\": hush",
            "{",
        ] {
            let problem = parse(line).unwrap_err();
            assert!(!problem.contains("hush"), "{problem}");
        }
        assert!(
            pass_over_broken_text(b"{\"type\":\"RECORD\",\"record\":{\"stream\":\"\xff\"}}")
                .unwrap_err()
                .contains("UTF-8")
        );
    }

    /// Lines that are nearly right: a message with a piece of it replaced.
    fn lines() -> impl Strategy<Value = Vec<u8>> {
        let messages = prop_oneof![
            Just(r#"{"type":"RECORD","record":{"stream":"a","data":{"n":1},"emitted_at":1,"meta":null}}"#),
            Just(r#"{"type":"STATE","state":{"type":"STREAM","stream":{"stream_descriptor":{"name":"a"}}},"x":1}"#),
            Just(r#"{"type":"STATE","state":{"type":"GLOBAL","global_":{"shared_state":{}},"global_":null}}"#),
            Just(r#"{"type":"TRACE","trace":{"type":"STREAM_STATUS","stream_status":{"status":"COMPLETE"}}}"#),
        ];
        let piece = prop_oneof![
            Just(Vec::new()),
            Just(b"null".to_vec()),
            Just(b"\"".to_vec()),
            Just(b"{}".to_vec()),
            proptest::collection::vec(any::<u8>(), 0..5),
        ];
        (messages, any::<(prop::sample::Index, prop::sample::Index)>(), piece).prop_map(
            |(message, (from, to), piece)| {
                let (from, to) = (from.index(message.len()), to.index(message.len()));
                let (from, to) = (from.min(to), from.max(to));
                [&message.as_bytes()[..from], &piece, &message.as_bytes()[to..]].concat()
            },
        )
    }

    proptest! {
        #[test]
        fn whatever_comes_in_is_read_or_told_and_echoes_are_whole(line in lines()) {
            if let Ok(InputMessage::State(state)) = parse(&String::from_utf8_lossy(&line)) {
                let echoed: serde_json::Value = serde_json::from_slice(&state.echo.line(3, 1)).unwrap();
                prop_assert_eq!(&echoed["type"], "STATE");
                prop_assert_eq!(&echoed["state"]["destinationStats"]["recordCount"], 3.0);
            }
        }
    }
}
