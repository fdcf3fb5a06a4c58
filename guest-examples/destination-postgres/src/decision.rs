//! What a sync does with a stream's tables: what the catalog asks for ([`Intent`]), and what the tables say of themselves, decide.
//! Touches no database.

use airlock_sdk::{ConfiguredStream, DestinationSyncMode, Intent, Result, config_error};
use serde::{Deserialize, Serialize};

/// By what the newest record is told, of those that are the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deduplication {
    /// The paths of the fields that identify a record.
    pub primary_key: Vec<Vec<String>>,
    /// The path of the field that grows; empty if there is none.
    pub cursor: Vec<String>,
}

/// What a table says of itself, in its comment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// The generation that the table began with: what it held before was replaced by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation_id: Option<i64>,
    /// The sync that completed this generation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sync_id: Option<i64>,
}

/// Where the records of a stream go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// To its table.
    Table,
    /// To a table that takes its place when the stream is complete.
    Replacement {
        /// What it says of itself when it has taken the place.
        note: Note,
        /// Whether a later attempt goes on with it: then what it holds may be acknowledged.
        is_gone_on_with: bool,
    },
}

/// What becomes of a replacement that an earlier sync did not complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leftover {
    /// It goes.
    Drop,
    /// Its records are added to the table: they were acknowledged, and the source goes on after them.
    Merge,
    /// It is gone on with.
    Keep,
}

/// Where the records go, and what becomes of what an earlier sync left, by what the two tables say of themselves. A table
/// that is not there says nothing.
pub fn decide(intent: Intent, table: Note, leftover: Note) -> (Target, Leftover) {
    match intent {
        Intent::Append => {
            (Target::Table, if leftover.generation_id.is_some() { Leftover::Merge } else { Leftover::Drop })
        }
        Intent::Replace => (Target::Replacement { note: Note::default(), is_gone_on_with: false }, Leftover::Drop),
        Intent::ReplaceByGeneration { generation, overwrite } => {
            let note = Note { generation_id: Some(generation.id), sync_id: generation.sync_id };
            if table.generation_id != note.generation_id {
                let is_same = leftover.generation_id == note.generation_id;
                let leftover = if is_same { Leftover::Keep } else { Leftover::Drop };
                return (Target::Replacement { note, is_gone_on_with: true }, leftover);
            }
            if overwrite && !generation.is_of_sync(table.sync_id) {
                (Target::Replacement { note, is_gone_on_with: false }, Leftover::Drop)
            } else {
                (Target::Table, Leftover::Drop)
            }
        }
    }
}

impl Deduplication {
    /// How a stream is deduplicated, if it is.
    pub fn of(configured: &ConfiguredStream) -> Result<Option<Self>> {
        if configured.destination_sync_mode != DestinationSyncMode::AppendDedup {
            return Ok(None);
        }
        let or =
            |chosen: &Vec<Vec<String>>, own: &Vec<Vec<String>>| if chosen.is_empty() { own } else { chosen }.clone();
        let primary_key = or(&configured.primary_key, &configured.stream.source_defined_primary_key);
        if primary_key.is_empty() || primary_key.iter().any(Vec::is_empty) {
            return Err(config_error(format!(
                "The stream {} is to be deduplicated, and has no primary key to tell its records by: choose one, or append.",
                configured.name()
            ))
            .for_stream(configured));
        }
        let cursor = if configured.cursor_field.is_empty() {
            &configured.stream.default_cursor_field
        } else {
            &configured.cursor_field
        };
        Ok(Some(Deduplication { primary_key, cursor: cursor.clone() }))
    }
}

/// What a note begins with, so that nobody else's comment is taken for one.
const MARK: &str = "airlock ";

impl Note {
    /// The note as a comment.
    pub fn to_comment(self) -> String {
        format!("{MARK}{}", serde_json::to_string(&self).unwrap_or_default())
    }

    /// The note that a comment is, if it is one.
    pub fn from_comment(comment: &str) -> Option<Note> {
        serde_json::from_str(comment.strip_prefix(MARK)?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use airlock_sdk::Generation;
    use serde_json::{Value, json};

    fn configured(mode: &str, generation: &Value, minimum: &Value, sync: &Value) -> ConfiguredStream {
        serde_json::from_value(json!({
            "stream": {"name": "users", "json_schema": {}, "source_defined_primary_key": [["id"]]},
            "sync_mode": "full_refresh",
            "destination_sync_mode": mode,
            "generation_id": generation,
            "minimum_generation_id": minimum,
            "sync_id": sync,
        }))
        .unwrap()
    }

    fn by_generation(id: i64, sync_id: Option<i64>, overwrite: bool) -> Intent {
        Intent::ReplaceByGeneration { generation: Generation { id, sync_id }, overwrite }
    }

    #[test]
    fn what_is_there_decides_too() {
        let none = Note::default();
        let of = |generation_id, sync_id| Note { generation_id: Some(generation_id), sync_id };
        let replacement = |note, is_gone_on_with| Target::Replacement { note, is_gone_on_with };
        for (intent, table, leftover, target, fate) in [
            (Intent::Append, none, none, Target::Table, Leftover::Drop),
            (Intent::Append, of(4, None), of(5, None), Target::Table, Leftover::Merge),
            (Intent::Replace, of(4, None), of(5, None), replacement(none, false), Leftover::Drop),
            (by_generation(5, Some(7), true), of(4, None), none, replacement(of(5, Some(7)), true), Leftover::Drop),
            (by_generation(5, Some(7), true), none, of(4, None), replacement(of(5, Some(7)), true), Leftover::Drop),
            (
                by_generation(5, Some(7), true),
                of(4, None),
                of(5, None),
                replacement(of(5, Some(7)), true),
                Leftover::Keep,
            ),
            // It is complete already.
            (by_generation(5, Some(7), true), of(5, Some(7)), none, Target::Table, Leftover::Drop),
            (by_generation(5, Some(8), false), of(5, Some(7)), none, Target::Table, Leftover::Drop),
            (by_generation(5, Some(8), true), of(5, Some(7)), none, replacement(of(5, Some(8)), false), Leftover::Drop),
            (by_generation(5, None, true), of(5, None), none, replacement(of(5, None), false), Leftover::Drop),
            (by_generation(1, Some(1), true), of(1, Some(1)), none, replacement(of(1, Some(1)), false), Leftover::Drop),
        ] {
            assert_eq!(decide(intent, table, leftover), (target, fate), "{intent:?} {table:?} {leftover:?}");
        }
    }

    #[test]
    fn a_key_is_the_users_or_the_sources() {
        let mut stream = configured("append_dedup", &json!(1), &json!(0), &json!(1));
        assert_eq!(Deduplication::of(&stream).unwrap().unwrap().primary_key, [["id"]]);
        stream.primary_key = vec![vec!["a".into(), "b".into()]];
        stream.cursor_field = vec!["t".into()];
        let deduplication = Deduplication::of(&stream).unwrap().unwrap();
        assert_eq!(
            (deduplication.primary_key, deduplication.cursor),
            (vec![vec!["a".into(), "b".into()]], vec!["t".into()])
        );
        assert_eq!(Deduplication::of(&configured("append", &json!(1), &json!(0), &json!(1))).unwrap(), None);
    }

    #[test]
    fn a_comment_of_somebody_else_is_no_note() {
        for note in [Note::default(), Note { generation_id: Some(5), sync_id: Some(7) }] {
            assert_eq!(Note::from_comment(&note.to_comment()), Some(note));
        }
        assert_eq!(Note::from_comment("{\"generation_id\":5}"), None);
        assert_eq!(Note::from_comment("airlock is good"), None);
    }
}
