//! Where an earlier read stopped, and what a source whose streams share one state saves.

use std::collections::BTreeMap;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::bindings::source::airlock::connector::types as wit;
use crate::failure::{Failure, Result, config_error, system_error};
use crate::stream_name::StreamName;

/// Where an earlier read stopped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum SavedState {
    /// There is no earlier read: start from the beginning.
    #[default]
    None,
    /// One state a stream, as JSON text. Streams that are not listed start from the beginning.
    Streams(BTreeMap<StreamName, String>),
    /// One state for all.
    Global {
        /// What all streams share, as JSON text.
        shared: Option<String>,
        /// What is particular to each stream, as JSON text.
        streams: BTreeMap<StreamName, String>,
    },
}

/// The state of a source whose streams share one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GlobalState<Shared, Stream> {
    /// What all streams share.
    pub shared: Option<Shared>,
    /// What is particular to each stream.
    pub streams: Vec<(StreamName, Stream)>,
}

impl SavedState {
    /// Whether there is no earlier read at all.
    pub fn is_none(&self) -> bool {
        matches!(self, SavedState::None)
    }

    /// The state of one stream, or none if it starts from the beginning. An empty object means the same as none.
    /// A state that is not a `T` is a config error that says what to do.
    pub fn stream<T: DeserializeOwned>(&self, name: impl Into<StreamName>) -> Result<Option<T>> {
        let streams = match self {
            SavedState::None => return Ok(None),
            SavedState::Streams(streams) | SavedState::Global { streams, .. } => streams,
        };
        let name = name.into();
        match streams.get(&name) {
            Some(text) => parse_stream(&name, text),
            None => Ok(None),
        }
    }

    /// The state that all streams share, or none if there is no such state.
    pub fn global<Shared, Stream>(&self) -> Result<Option<GlobalState<Shared, Stream>>>
    where
        Shared: DeserializeOwned,
        Stream: DeserializeOwned,
    {
        let SavedState::Global { shared, streams } = self else {
            return Ok(None);
        };
        let shared = match shared {
            Some(text) => parse(text).map_err(|error| {
                config_error(
                    "The saved state that all streams share can not be understood: \
                     clear the data of the connection and sync again.",
                )
                .with_internal(error)
            })?,
            None => None,
        };
        let mut states = Vec::with_capacity(streams.len());
        for (name, text) in streams {
            if let Some(state) = parse_stream(name, text)? {
                states.push((name.clone(), state));
            }
        }
        Ok(Some(GlobalState { shared, streams: states }))
    }
}

fn parse_stream<T: DeserializeOwned>(name: &StreamName, text: &str) -> Result<Option<T>> {
    parse(text).map_err(|error| {
        config_error(format!(
            "The saved state of stream {name} can not be understood: clear the stream's data and sync it again."
        ))
        .with_internal(error)
        .for_stream(name)
    })
}

fn parse<T: DeserializeOwned>(text: &str) -> serde_json::Result<Option<T>> {
    // A stream that was reset comes with `{}` or `null`.
    let mut solid = text.bytes().filter(|byte| !byte.is_ascii_whitespace());
    if matches!((solid.next(), solid.next(), solid.next()), (Some(b'{'), Some(b'}'), None)) || text.trim() == "null" {
        return Ok(None);
    }
    serde_json::from_str(text).map(Some)
}

/// A state as JSON text; Airbyte wants an object.
pub(crate) fn to_json(state: &impl Serialize) -> Result<String> {
    object_to_json(state, "A state to save")
}

/// A JSON object as text, or the failure that says what should have been one.
pub(crate) fn object_to_json(value: &impl Serialize, what: &str) -> Result<String> {
    let json = serde_json::to_string(value).map_err(|error| {
        system_error(format!("{what} can not be written as JSON: this is a defect of the connector."))
            .with_internal(error)
    })?;
    if json.starts_with('{') {
        Ok(json)
    } else {
        Err(system_error(format!("{what} is not a JSON object: this is a defect of the connector.")))
    }
}

impl<Shared: Serialize, Stream: Serialize> GlobalState<Shared, Stream> {
    pub(crate) fn to_wit(&self) -> Result<wit::GlobalState, Failure> {
        let shared = self.shared.as_ref().map(to_json).transpose()?;
        let mut streams = Vec::with_capacity(self.streams.len());
        for (name, state) in &self.streams {
            streams.push(wit::StreamState { stream_name: name.clone().into_wit(), state: to_json(state)? });
        }
        Ok(wit::GlobalState { shared, streams })
    }
}

impl From<wit::SavedState> for SavedState {
    fn from(state: wit::SavedState) -> Self {
        fn texts(streams: Vec<wit::StreamState>) -> BTreeMap<StreamName, String> {
            streams.into_iter().map(|stream| (stream.stream_name.into(), stream.state)).collect()
        }
        match state {
            wit::SavedState::None => SavedState::None,
            wit::SavedState::Streams(streams) => SavedState::Streams(texts(streams)),
            wit::SavedState::Global(global) => {
                SavedState::Global { shared: global.shared, streams: texts(global.streams) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::FailureKind;
    use serde::Deserialize;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Position {
        row: u64,
    }

    #[test]
    fn a_stream_finds_its_own_state() {
        let state = SavedState::Streams(BTreeMap::from([
            ("users".into(), r#"{"row":7}"#.into()),
            (StreamName::in_namespace("public", "users"), r#"{"row":8}"#.into()),
            ("reset".into(), " { } ".into()),
            ("broken".into(), r#"{"row":"seven"}"#.into()),
        ]));
        assert_eq!(state.stream("users").unwrap(), Some(Position { row: 7 }));
        let public = StreamName::in_namespace("public", "users");
        assert_eq!(state.stream(&public).unwrap(), Some(Position { row: 8 }));
        assert_eq!(state.stream::<Position>("reset").unwrap(), None);
        assert_eq!(state.stream::<Position>("new").unwrap(), None);
        assert_eq!(SavedState::None.stream::<Position>("users").unwrap(), None);
        let failure = state.stream::<Position>("broken").unwrap_err();
        assert_eq!(failure.kind, FailureKind::ConfigError);
        assert_eq!(failure.stream(), Some(&"broken".into()));
    }

    #[test]
    fn a_global_state_goes_there_and_back() {
        let written =
            GlobalState { shared: Some(Position { row: 1 }), streams: vec![("users".into(), Position { row: 2 })] };
        let state = SavedState::from(wit::SavedState::Global(written.to_wit().unwrap()));
        assert_eq!(state.global().unwrap(), Some(written));
        assert_eq!(state.stream("users").unwrap(), Some(Position { row: 2 }));
        assert_eq!(SavedState::None.global::<Position, Position>().unwrap(), None);
    }

    #[test]
    fn a_state_is_an_object() {
        assert!(to_json(&Position { row: 1 }).is_ok());
        assert!(to_json(&7).is_err());
    }
}
