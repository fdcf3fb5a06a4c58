//! Where a stream stands: what is saved, and what a saved state means to the next read. Knows no SQL.
//!
//! The states are Airbyte's source-postgres's (version 2) where it has one of the kind, and its newer ones (version 3) are
//! understood.

use std::collections::BTreeMap;

use airlock_sdk::StreamName;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// The version of the states that are written.
const VERSION: u32 = 2;

/// A state as it is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct State {
    version: u32,
    #[serde(flatten)]
    position: Position,
    stream_name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream_namespace: Option<String>,
}

impl State {
    /// The state of a stream that was read up to a position.
    pub fn new(stream: StreamName, position: Position) -> State {
        State { version: VERSION, position, stream_name: stream.name, stream_namespace: stream.namespace }
    }
}

/// How far a stream has been read. The README documents it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "state_type", rename_all = "snake_case")]
pub enum Position {
    /// A full refresh: every row up to this key.
    KeyBased {
        /// The columns of the key.
        key_field: Vec<String>,
        /// Their values, as PostgreSQL's texts.
        key: Vec<String>,
    },
    /// A full refresh: every row up to this place in the table.
    Ctid {
        /// The place.
        ctid: String,
        /// The file that the table was in: in another, rows have other places.
        relation_filenode: u32,
    },
    /// A full refresh that came to its end: the next one begins anew.
    FullRefreshComplete,
    /// An incremental read: every row up to this cursor.
    CursorBased(CursorPosition),
}

/// How far a stream has been read by a cursor.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CursorPosition {
    /// The cursor column, in a list of one.
    pub cursor_field: Vec<String>,
    /// Every row with a smaller one was read, as PostgreSQL's text. None before the first row.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// How many rows with this very cursor were read: more of them may have come since. None where it is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor_record_count: Option<u64>,
    /// How many rows without a cursor were read.
    #[serde(skip_serializing_if = "is_zero")]
    pub null_cursor_record_count: u64,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// A state as it is found. Tolerant: it may be another version's or another connector's.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct SavedPosition {
    version: Option<u32>,
    state_type: Option<String>,
    key_field: Option<Vec<String>>,
    key: Option<Vec<String>>,
    ctid: Option<String>,
    relation_filenode: Option<u32>,
    incremental_state: Option<Box<RawValue>>,
    cursor_field: Option<Vec<String>>,
    cursor: Option<String>,
    cursor_record_count: Option<u64>,
    null_cursor_record_count: Option<u64>,
    /// Version 3: the cursor's name and value. As text, for a number must not lose a digit.
    cursors: Option<BTreeMap<String, Box<RawValue>>>,
}

impl SavedPosition {
    /// What it means here; None if nothing that can be gone on from.
    pub fn position(self) -> Option<Position> {
        match self.state_type.as_deref()? {
            "key_based" => Some(Position::KeyBased { key_field: self.key_field?, key: self.key? }),
            // With a cursor behind it, it is the first part of Airbyte's incremental read, which goes another way here.
            "ctid" if self.incremental_state.is_none() => {
                Some(Position::Ctid { ctid: self.ctid?, relation_filenode: self.relation_filenode? })
            }
            "full_refresh_complete" => Some(Position::FullRefreshComplete),
            "cursor_based" if self.version >= Some(3) => self.cursor_of_version_3(),
            "cursor_based" => Some(Position::CursorBased(CursorPosition {
                cursor_field: self.cursor_field?,
                cursor: self.cursor,
                cursor_record_count: self.cursor_record_count.filter(|count| *count > 0),
                null_cursor_record_count: self.null_cursor_record_count.unwrap_or_default(),
            })),
            _ => None,
        }
    }

    fn cursor_of_version_3(self) -> Option<Position> {
        let (name, value) = self.cursors?.into_iter().next()?;
        let value = value.get();
        // A text, or else a number's or a boolean's own.
        let cursor = serde_json::from_str::<String>(value).unwrap_or_else(|_| value.to_owned());
        Some(Position::CursorBased(CursorPosition {
            cursor_field: vec![name],
            cursor: (cursor != "null").then_some(cursor),
            ..CursorPosition::default()
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn position(state: &str) -> Option<Position> {
        serde_json::from_str::<SavedPosition>(state).unwrap().position()
    }

    fn cursor(name: &str, cursor: Option<&str>, count: Option<u64>, nulls: u64) -> Position {
        Position::CursorBased(CursorPosition {
            cursor_field: vec![name.to_owned()],
            cursor: cursor.map(str::to_owned),
            cursor_record_count: count,
            null_cursor_record_count: nulls,
        })
    }

    #[test]
    fn every_state_goes_there_and_back() {
        for written in [
            Position::KeyBased {
                key_field: vec!["id".to_owned(), "part".to_owned()],
                key: vec!["7".into(), "x".into()],
            },
            Position::Ctid { ctid: "(12,34)".to_owned(), relation_filenode: 16385 },
            Position::FullRefreshComplete,
            cursor("id", None, None, 0),
            cursor("at", Some("2026-01-01 00:00:00.000001"), Some(3), 2),
        ] {
            let state = State::new(StreamName::in_namespace("public", "users"), written.clone());
            let state = serde_json::to_string(&state).unwrap();
            assert_eq!(position(&state), Some(written), "{state}");
        }
    }

    #[test]
    fn a_cursors_state_is_airbytes() {
        let state = State::new(StreamName::in_namespace("public", "users"), cursor("id", Some("5"), Some(1), 0));
        assert_eq!(
            serde_json::to_value(&state).unwrap(),
            json!({"version": 2, "state_type": "cursor_based", "stream_name": "users", "stream_namespace": "public",
                "cursor_field": ["id"], "cursor": "5", "cursor_record_count": 1})
        );
    }

    #[test]
    fn airbytes_states_are_understood() {
        for (state, expected) in [
            (
                r#"{"version":2,"state_type":"cursor_based","stream_name":"users","stream_namespace":"public",
                    "cursor_field":["id"],"cursor":"3","cursor_record_count":1}"#,
                Some(cursor("id", Some("3"), Some(1), 0)),
            ),
            (
                r#"{"version":3,"state_type":"cursor_based","stream_name":"","stream_namespace":"","ctid":null,"xmin":null,
                    "cursors":{"id":123456789012345678901234567890.10}}"#,
                Some(cursor("id", Some("123456789012345678901234567890.10"), None, 0)),
            ),
            (
                r#"{"version":3,"state_type":"cursor_based","cursors":{"at":"2024-10-19T10:23:54.123456Z"}}"#,
                Some(cursor("at", Some("2024-10-19T10:23:54.123456Z"), None, 0)),
            ),
            (
                r#"{"version":2,"state_type":"ctid","ctid":"(1,2)","relation_filenode":7}"#,
                Some(Position::Ctid { ctid: "(1,2)".to_owned(), relation_filenode: 7 }),
            ),
            (
                r#"{"version":2,"state_type":"ctid","ctid":"(1,2)","relation_filenode":7,
                    "incremental_state":{"state_type":"cursor_based","cursor":"9"}}"#,
                None,
            ),
            (r#"{"version":2,"state_type":"xmin","num_wraparound":0,"xmin_xid_value":555,"xmin_raw_value":555}"#, None),
            (
                r#"{"version":3,"state_type":"ctid_based","ctid":"(12,34)","cursors":{"id":3},"relation_filenode":1}"#,
                None,
            ),
            (r#"{"stream_name":"users","cursor_field":[]}"#, None),
        ] {
            assert_eq!(position(state), expected, "{state}");
        }
    }
}
