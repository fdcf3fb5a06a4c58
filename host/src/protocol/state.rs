//! The state that an earlier read left, as `--state` gives it. Knows nothing of what a connector keeps in it.

use std::path::Path;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::document::{self, RawObject};
use super::failure::Failure;
use super::stream_name::StreamName;

/// Where an earlier read stopped.
#[derive(Debug, Clone, Default)]
pub enum SavedState {
    /// Nowhere: there is no earlier read.
    #[default]
    None,
    /// Per stream, the latest state of each.
    Streams(Vec<(StreamName, Box<RawValue>)>),
    /// For all streams in one.
    Global {
        /// What they share.
        shared: Option<Box<RawValue>>,
        /// What is particular to each.
        streams: Vec<(StreamName, Box<RawValue>)>,
    },
}

#[derive(Deserialize)]
struct StreamState {
    stream_descriptor: StreamName,
    stream_state: Option<Box<RawValue>>,
}

#[derive(Deserialize)]
struct GlobalState {
    shared_state: Option<Box<RawValue>>,
    stream_states: Option<Vec<StreamState>>,
}

impl SavedState {
    /// Reads the file that `--state` names: a JSON array of state messages, or lines of a `read`'s output, of which the STATE
    /// messages count. No file named, an empty one and `[]` mean that there is none.
    pub fn from_file(path: Option<&Path>) -> Result<SavedState, Failure> {
        let Some(path) = path else { return Ok(SavedState::None) };
        let text = document::read_file("--state", path)?;
        SavedState::from_text(&text).map_err(|problem| {
            Failure::config_error(format!("The file that --state names, {}, {problem}.", path.display()))
        })
    }

    /// The same of a file's text. The error says what is wrong with it.
    pub fn from_text(text: &str) -> Result<SavedState, String> {
        let text = text.trim();
        let mut saved = SavedState::None;
        if text.is_empty() {
            return Ok(saved);
        }
        if text.starts_with('[') {
            let messages: Vec<&RawValue> =
                serde_json::from_str(text).map_err(|error| format!("is not valid JSON: {error}"))?;
            for (index, message) in messages.into_iter().enumerate() {
                saved.add(message.get()).map_err(|problem| format!("has a problem in element {index}: {problem}"))?;
            }
            return Ok(saved);
        }
        if let Ok(whole) = serde_json::from_str::<&RawValue>(text)
            && text.contains('\n')
        {
            // One message that spans lines.
            saved.add(whole.get())?;
            return Ok(saved);
        }
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            // A read's output may hold other text, as the platform allows.
            if line.starts_with('{') {
                saved.add(line).map_err(|problem| format!("has a problem in line {}: {problem}", index + 1))?;
            } else if index == 0 && !line.is_empty() {
                return Err("is neither a JSON array of state messages nor lines of STATE messages".to_owned());
            }
        }
        Ok(saved)
    }

    /// What a read of this stream alone gets: its own state, or the one for all.
    pub fn of_stream(&self, stream: &StreamName) -> SavedState {
        match self {
            SavedState::Streams(streams) => match streams.iter().find(|(name, _)| name == stream) {
                Some(state) => SavedState::Streams(vec![state.clone()]),
                None => SavedState::None,
            },
            other => other.clone(),
        }
    }

    fn add(&mut self, text: &str) -> Result<(), String> {
        let malformed = |error: serde_json::Error| format!("it is no state message: {error}");
        let mut message: RawObject = serde_json::from_str(text).map_err(malformed)?;
        match message.get("type").map(RawValue::get) {
            // A line of a `read`'s output.
            Some("\"STATE\"") => {
                let state = message.get("state").ok_or("a STATE message without a state")?;
                message = serde_json::from_str(state.get()).map_err(malformed)?;
            }
            Some(
                "\"RECORD\""
                | "\"LOG\""
                | "\"TRACE\""
                | "\"CONTROL\""
                | "\"SPEC\""
                | "\"CATALOG\""
                | "\"CONNECTION_STATUS\"",
            ) => return Ok(()),
            _ => {}
        }
        // PyAirbyte spells `global` with an underscore, and gives that field twice. Every field may be null.
        let kind: Option<String> = parse(message.get("type")).map_err(malformed)?;
        let stream: Option<StreamState> = parse(message.get("stream")).map_err(malformed)?;
        let global: Option<GlobalState> = parse(message.get("global").or(message.get("global_"))).map_err(malformed)?;
        match (kind.as_deref(), stream, global) {
            (Some("STREAM"), Some(stream), _) => self.add_stream(stream),
            (Some("GLOBAL"), _, Some(global)) => self.set_global(global),
            (Some("STREAM"), None, _) => Err("a STREAM state without `stream`".to_owned()),
            (Some("GLOBAL"), _, None) => Err("a GLOBAL state without `global`".to_owned()),
            // How some say that there is none.
            (None, None, None) if message.0.is_empty() => Ok(()),
            (Some("LEGACY") | None, ..) => {
                Err("it is a state of the old LEGACY form, which is not supported. What is \
                expected is a JSON array of state messages of the types STREAM or GLOBAL, or lines of STATE messages. \
                Read without --state to start anew"
                    .to_owned())
            }
            (Some(other), ..) => Err(format!("its type is {other:?}: neither STREAM nor GLOBAL")),
        }
    }

    fn add_stream(&mut self, state: StreamState) -> Result<(), String> {
        let Some((name, state)) = checked(state)? else { return Ok(()) };
        match self {
            SavedState::None => *self = SavedState::Streams(vec![(name, state)]),
            SavedState::Streams(streams) => match streams.iter_mut().find(|(other, _)| *other == name) {
                Some((_, earlier)) => *earlier = state,
                None => streams.push((name, state)),
            },
            SavedState::Global { .. } => return Err(MIXED.to_owned()),
        }
        Ok(())
    }

    fn set_global(&mut self, state: GlobalState) -> Result<(), String> {
        if matches!(self, SavedState::Streams(_)) {
            return Err(MIXED.to_owned());
        }
        let mut streams = Vec::new();
        for stream in state.stream_states.unwrap_or_default() {
            streams.extend(checked(stream)?);
        }
        let shared = match state.shared_state {
            Some(shared) => Some(
                document::object_on_one_line(shared.get()).map_err(|problem| format!("its shared_state {problem}"))?,
            ),
            None => None,
        };
        *self = SavedState::Global { shared, streams };
        Ok(())
    }
}

const MIXED: &str = "it mixes STREAM and GLOBAL states: a source has either one or the other";

fn parse<'a, T: Deserialize<'a>>(field: Option<&'a RawValue>) -> serde_json::Result<Option<T>> {
    field.map(|value| serde_json::from_str(value.get())).transpose()
}

fn checked(state: StreamState) -> Result<Option<(StreamName, Box<RawValue>)>, String> {
    // A null state is how some clients say that there is none.
    let Some(blob) = state.stream_state.filter(|blob| blob.get() != "null") else { return Ok(None) };
    let blob = document::object_on_one_line(blob.get())
        .map_err(|problem| format!("the state of stream {} {problem}", state.stream_descriptor))?;
    Ok(Some((state.stream_descriptor, blob)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const USERS: &str = r#"{"type":"STREAM","stream":{"stream_descriptor":{"name":"users"},"stream_state":{"n":1}}}"#;

    fn states(text: &str) -> Vec<String> {
        match SavedState::from_text(text).unwrap() {
            SavedState::None => vec![],
            SavedState::Streams(streams) => {
                streams.iter().map(|(name, state)| format!("{name}={}", state.get())).collect()
            }
            SavedState::Global { shared, streams } => shared
                .iter()
                .map(|shared| format!("shared={}", shared.get()))
                .chain(streams.iter().map(|(name, state)| format!("{name}={}", state.get())))
                .collect(),
        }
    }

    #[test]
    fn nothing_is_none() {
        for text in ["", " \n", "[]", "[ ]\n", "{}"] {
            assert!(states(text).is_empty());
        }
    }

    #[test]
    fn arrays_lines_and_whole_outputs_are_read_and_the_last_state_counts() {
        let later = USERS.replace("{\"n\":1}", "{\"n\":2}");
        assert_eq!(states(&format!("[{USERS},\n{later}]")), ["users={\"n\":2}"]);
        let lines = format!(
            "{{\"type\":\"LOG\",\"log\":{{}}}}\n{{\"type\":\"STATE\",\"state\":{USERS}}}\nplain text\n\
             {{\"type\":\"STATE\",\"state\":{later}}}\n"
        );
        assert_eq!(states(&lines), ["users={\"n\":2}"]);
        assert_eq!(states(USERS), ["users={\"n\":1}"]);
    }

    #[test]
    fn nulls_and_the_underscored_global_are_read() {
        let text = r#"[{"type":"GLOBAL","data":null,"stream":null,"global":null,"global_":null,"global_":{"shared_state":{"s":1},
            "stream_states":[{"stream_descriptor":{"name":"a","namespace":null},"stream_state":null},
            {"stream_descriptor":{"name":"b"},"stream_state":{"n":3}}]}}]"#;
        assert_eq!(states(text), ["shared={\"s\":1}", "b={\"n\":3}"]);
    }

    #[test]
    fn what_can_not_be_read_is_told() {
        for (text, expected) in [
            (r#"{"users":{"cursor":1}}"#, "LEGACY"),
            (r#"[{"type":"LEGACY","data":{}}]"#, "LEGACY"),
            (r#"[{"type":"STREAM"}]"#, "without `stream`"),
            (r#"[{"type":"OTHER"}]"#, "neither STREAM nor GLOBAL"),
            (r#"[1]"#, "element 0"),
            ("nonsense", "neither a JSON array"),
            ("[", "not valid JSON"),
        ] {
            let problem = SavedState::from_text(text).unwrap_err();
            assert!(problem.contains(expected), "{text}: {problem}");
        }
        let mixed = format!("[{USERS},{{\"type\":\"GLOBAL\",\"global\":{{}}}}]");
        assert!(SavedState::from_text(&mixed).unwrap_err().contains("mixes"));
    }
}
