//! Single messages and documents: what is read is told or wrong, what is written is one whole line.

use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use crate::protocol::document::object_on_one_line;
use crate::protocol::failure::Failure;
use crate::protocol::input_message::{self, InputMessage};
use crate::protocol::log_level::LogLevel;
use crate::protocol::message as lines;
use crate::protocol::state::SavedState;
use crate::protocol::stream_name::StreamName;

/// One line with its line break, and JSON.
fn read_back(line: &[u8]) -> Value {
    let (last, content) = line.split_last().expect("a line is not empty");
    assert!(*last == b'\n' && !content.contains(&b'\n') && !content.contains(&b'\r'), "one line");
    serde_json::from_slice(content).expect("a line is JSON")
}

/// Whatever text a guest gives, it comes out as it was, in one line.
pub fn message(data: &[u8]) {
    let text = &*String::from_utf8_lossy(data);
    assert_eq!(read_back(&lines::log(LogLevel::Info, text))["log"]["message"], text);
    assert_eq!(read_back(&lines::connection_status(Some(text)))["connectionStatus"]["message"], text);
    assert_eq!(
        read_back(&lines::analytics(text, Some(text)))["trace"]["analytics"],
        json!({"type": text, "value": text})
    );
    let details: Map<String, Value> = serde_json::from_str(text).unwrap_or_default();
    let stream = StreamName { name: text.to_owned(), namespace: Some(text.to_owned()) };
    let mut failure = Failure { stack_trace: Some(text.to_owned()), ..Failure::config_error(text) }.for_stream(&stream);
    failure.details = details.clone();
    let error = &read_back(&lines::trace_error(&failure))["trace"]["error"];
    assert_eq!((&error["message"], &error["failure_type"]), (&json!(text), &json!("config_error")));
    assert_eq!(error["stream_descriptor"], json!({"name": text, "namespace": text}));
    for (name, value) in details {
        let own = ["message", "stack_trace", "failure_type", "stream_descriptor", "internal_message"];
        // A number of many digits is another one once it has been read: only then are details told as they came.
        let read: Value = serde_json::from_str(&value.to_string()).expect("it was JSON");
        assert!(own.contains(&name.as_str()) || error[&name] == read, "{name}");
    }
}

/// A document keeps its meaning and fits on a line, or is refused.
pub fn document(data: &[u8]) {
    let text = &*String::from_utf8_lossy(data);
    let Ok(line) = object_on_one_line(text) else { return };
    assert!(!line.get().contains(['\n', '\r']));
    let value = |text: &str| serde_json::from_str::<Value>(text).ok();
    assert_eq!(value(line.get()), value(text));
    assert_eq!(object_on_one_line(line.get()).expect("it still is one").get(), line.get());
}

/// A line of a destination's input is read or told to be wrong; a STATE is echoed whole.
pub fn input_message(data: &[u8]) {
    let line: Vec<u8> = data.iter().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte }).collect();
    let Ok(line) = str::from_utf8(&line) else {
        return assert!(input_message::pass_over_broken_text(&line).err().is_none_or(|problem| !problem.is_empty()));
    };
    match input_message::parse(line) {
        Ok(InputMessage::Record(record)) => {
            assert!(record.data.get().starts_with('{'));
            let _ = record.emitted_at();
        }
        Ok(InputMessage::State(state)) => {
            let echo = state.echo.line(3, 1);
            let content = str::from_utf8(&echo).ok().and_then(|echo| echo.strip_suffix('\n')).expect("a line");
            assert!(!content.contains('\n'));
            serde_json::from_str::<&RawValue>(content).expect("an echo is JSON");
            let Ok(InputMessage::State(echoed)) = input_message::parse(content) else { panic!("an echo is a STATE") };
            assert_eq!(echoed.stream, state.stream);
            assert!(echoed.state.contains(r#""destinationStats":{"recordCount":3.0,"rejectedRecordCount":1.0}"#));
        }
        Ok(_) => {}
        Err(problem) => assert!(!problem.is_empty()),
    }
}

/// What is read of a `--state` file is read again from the lines that a sync would print of it.
pub fn state(data: &[u8]) {
    let text = &*String::from_utf8_lossy(data);
    let saved = match SavedState::from_text(text) {
        Ok(saved) => saved,
        Err(problem) => return assert!(!problem.is_empty()),
    };
    let printed = match &saved {
        SavedState::None => Vec::new(),
        SavedState::Streams(streams) => {
            streams.iter().flat_map(|(name, state)| lines::stream_state(name, state, 1)).collect()
        }
        SavedState::Global { shared, streams } => lines::global_state(shared.as_deref(), streams, 1),
    };
    let again = SavedState::from_text(std::str::from_utf8(&printed).expect("lines are text")).expect("lines of states");
    assert_eq!(format!("{again:?}"), format!("{saved:?}"));
}
