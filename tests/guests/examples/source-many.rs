//! A good source of however many streams. They take turns: some records of one, its state, and the next. The record of a
//! stream's `id` is the same in each read; its `stream` says of which stream of the configured catalog it is.
//!
//! Its config says how many records a stream has (`records`), how many come in one turn (`turn`), how long the text of a
//! record is (`text_bytes`, of which records take one after the other), whether states are those of `streams` or `global`
//! (`form`), how long a state is (`state_bytes`), and which streams are discovered (`names`: pairs of namespace and name).

use test_guests::output::{Outcome, StreamWriter, global_checkpoint};
use test_guests::types::{Failure, GlobalState, SavedState, StreamName, StreamState};
use test_guests::{Source, Value, export_source, json};

struct Many;

impl Source for Many {
    fn properties() -> Value {
        json!({
            "records": {"type": "integer"},
            "turn": {"type": "integer"},
            "text_bytes": {"type": "array", "items": {"type": "integer"}},
            "form": {"enum": ["streams", "global"]},
            "state_bytes": {"type": "integer"},
            "names": {"type": "array"}
        })
    }

    fn discover(config: &Value) -> Result<String, Failure> {
        let names = config["names"].as_array().into_iter().flatten();
        let streams = names.map(|pair| {
            let mut stream =
                json!({"name": pair[1], "json_schema": {"type": "object"}, "supported_sync_modes": ["incremental"]});
            if pair[0].is_string() {
                stream["namespace"] = pair[0].clone();
            }
            stream
        });
        Ok(json!({"streams": streams.collect::<Vec<_>>()}).to_string())
    }

    fn read(config: &Value, streams: &[StreamName], state: SavedState) -> Result<(), Failure> {
        let number = |name: &str, default: u64| config[name].as_u64().unwrap_or(default);
        let (records, turn, state_bytes) = (number("records", 1), number("turn", 1).max(1), number("state_bytes", 0));
        let lengths: Vec<u64> =
            config["text_bytes"].as_array().into_iter().flatten().filter_map(Value::as_u64).collect();
        let global = config["form"] == "global";

        let writers = streams.iter().map(StreamWriter::open).collect::<Result<Vec<_>, _>>()?;
        let mut done: Vec<u64> = streams.iter().map(|stream| saved(&state, stream)).collect();
        while done.iter().any(|id| *id < records) {
            for stream in 0..streams.len() {
                let ids = done[stream] + 1..=records.min(done[stream] + turn);
                if ids.is_empty() {
                    continue;
                }
                done[stream] = *ids.end();
                writers[stream].write(&lines(stream, ids, &lengths))?;
                if global {
                    global_checkpoint(&everything(streams, &done))?;
                } else {
                    writers[stream].checkpoint(&blob(done[stream], state_bytes))?;
                }
            }
        }
        for writer in writers {
            StreamWriter::finish(writer, &Outcome::Complete)?;
        }
        Ok(())
    }
}

fn lines(stream: usize, ids: std::ops::RangeInclusive<u64>, lengths: &[u64]) -> Vec<u8> {
    let mut lines = Vec::new();
    for id in ids {
        let length = if lengths.is_empty() { 0 } else { lengths[id as usize % lengths.len()] };
        let text = "x".repeat(length as usize);
        lines.extend_from_slice(format!("{{\"id\":{id},\"stream\":{stream},\"text\":\"{text}\"}}\n").as_bytes());
    }
    lines
}

fn blob(done: u64, bytes: u64) -> String {
    format!("{{\"id\":{done},\"text\":\"{}\"}}", "s".repeat(bytes as usize))
}

fn everything(streams: &[StreamName], done: &[u64]) -> GlobalState {
    let states = streams
        .iter()
        .zip(done)
        .map(|(stream, done)| StreamState { stream_name: stream.clone(), state: blob(*done, 0) });
    GlobalState { shared: Some(json!({"id": done.iter().sum::<u64>()}).to_string()), streams: states.collect() }
}

/// Up to which record a stream was read before.
fn saved(state: &SavedState, stream: &StreamName) -> u64 {
    let states = match state {
        SavedState::None => return 0,
        SavedState::Streams(states) => states,
        SavedState::Global(global) => &global.streams,
    };
    let same = |other: &StreamName| other.name == stream.name && other.namespace == stream.namespace;
    let state = states.iter().find(|state| same(&state.stream_name));
    state.and_then(|state| serde_json::from_str::<Value>(&state.state).ok()?["id"].as_u64()).unwrap_or(0)
}

export_source!(Many);
