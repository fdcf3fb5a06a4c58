//! Generations: what a sync means to do with a stream's file, and the note of which generation the file is.
//!
//! Airbyte counts generations of a stream: the number grows when a refresh begins, an attempt that is tried again keeps
//! it. So a replacement of a generation is gone on with by the next attempt, whose states say where. When it is whole
//! it takes the place of the stream's file, and the note beside it says which generation that was: an attempt that
//! still comes for this generation adds to the file and does not begin it again.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::Path;

use airlock_sdk::{ConfiguredStream, DestinationSyncMode, Failure, Result, config_error, system_error};
use serde::{Deserialize, Serialize};

use crate::disk;
use crate::names::{FileNames, described};

/// What a sync means to do with a stream's file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intent {
    /// Add to what is there.
    Append,
    /// Put a new file in its place when the stream is complete. A failed sync can not be gone on with.
    Replace,
    /// Put the file of this generation in its place when the stream is complete.
    ReplaceByGeneration {
        generation: Generation,
        /// Whether each new sync begins again, although the generation is the same: Airbyte's `overwrite`.
        overwrite: bool,
    },
}

/// Which generation of a stream, written by which sync.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Generation {
    pub id: i64,
    pub sync_id: Option<i64>,
}

impl Intent {
    /// What the configured catalog asks for. What can not be done is refused.
    pub fn of(configured: &ConfiguredStream) -> Result<Self> {
        let stream = configured.name();
        let overwrite = match &configured.destination_sync_mode {
            DestinationSyncMode::Append => false,
            DestinationSyncMode::Overwrite => true,
            // As Airbyte's connector does. PyAirbyte asks for it wherever a stream has a primary key, whatever the
            // specification says.
            DestinationSyncMode::AppendDedup => {
                log::warn!(
                    "The stream {} is configured as append_dedup. Files are not deduplicated: its records are \
                     appended.",
                    described(&stream)
                );
                false
            }
            DestinationSyncMode::Other(mode) => {
                return Err(config_error(format!(
                    "The stream {} is configured with the destination sync mode \"{mode}\", which this destination \
                     does not have: choose append or overwrite.",
                    described(&stream)
                ))
                .for_stream(stream));
            }
        };
        let generation_id = configured.generation_id;
        let minimum = configured.minimum_generation_id;
        if minimum.is_some_and(|id| id != 0 && Some(id) != generation_id) && generation_id.is_some() {
            return Err(system_error(format!(
                "The stream {} is to keep some of its generations and lose others (generation_id {}, \
                 minimum_generation_id {}). One file can not: refresh the stream to keep everything, or nothing.",
                described(&stream),
                generation_id.unwrap_or_default(),
                minimum.unwrap_or_default(),
            ))
            .for_stream(stream));
        }
        // Airbyte counts from 1; 0 stands for a stream that never had a refresh.
        let Some(id) = generation_id.filter(|id| *id > 0) else {
            return Ok(if overwrite { Intent::Replace } else { Intent::Append });
        };
        if !overwrite && minimum != generation_id {
            return Ok(Intent::Append);
        }
        Ok(Intent::ReplaceByGeneration { generation: Generation { id, sync_id: configured.sync_id }, overwrite })
    }
}

/// What is known of a stream's file: a small JSON file beside it. A file that was never replaced has none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// The generation that the file began with: what it held before was replaced by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation_id: Option<i64>,
    /// The sync that completed this generation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sync_id: Option<i64>,
    /// A merge that is under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merge: Option<Merge>,
}

/// The records of a temporary file are being added to the stream's file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Merge {
    /// The generation of the temporary file.
    pub generation_id: i64,
    /// How long the stream's file was before.
    pub length: u64,
}

impl Note {
    /// The note of a file that is this generation.
    pub fn of(generation: Generation) -> Self {
        Note { generation_id: Some(generation.id), sync_id: generation.sync_id, merge: None }
    }

    /// Reads the note of a stream, empty if there is none.
    pub fn read(directory: &Path, names: &FileNames) -> Result<Self> {
        let path = directory.join(names.note());
        match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| unreadable(&path).with_internal(error)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Note::default()),
            Err(error) => Err(disk::failure("read", &path, error)),
        }
    }

    /// Puts it in the place of the one before, as a whole. An empty note is no file. When this returns it is safe.
    pub fn write(&self, directory: &Path, names: &FileNames) -> Result<()> {
        let path = directory.join(names.note());
        if *self == Note::default() {
            disk::remove(&path)?;
            return disk::sync_directory(directory);
        }
        let draft = directory.join(names.note_draft());
        let file: File = disk::open(&draft)?;
        disk::cut(&file, &draft, 0)?;
        disk::write_at(&file, &draft, &serde_json::to_vec(self)?, 0)?;
        disk::sync(&file, &draft)?;
        drop(file);
        disk::rename(&draft, &path)?;
        disk::sync_directory(directory)
    }

    /// Whether it was this same sync that completed this generation: then an attempt of it is tried again.
    pub fn is_of_sync(&self, generation: Generation) -> bool {
        // PyAirbyte gives 1 for the generation and for the sync, every time: that does not tell one sync from the next.
        let tells = (generation.id, generation.sync_id) != (1, Some(1));
        tells && generation.sync_id.is_some() && self.sync_id == generation.sync_id
    }
}

fn unreadable(path: &Path) -> Failure {
    config_error(format!(
        "{} is not what this connector wrote: it says which generation of the stream the file beside it is. Restore \
         it, or remove it; then a sync of the same generation replaces the file.",
        path.display()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::tests::Lines;
    use airlock_sdk::FailureKind;
    use serde_json::{Value, json};
    use tempfile::tempdir;

    fn intent(mode: &str, generation: Value, minimum: Value, sync: Value) -> Result<Intent> {
        let configured: ConfiguredStream = serde_json::from_value(json!({
            "stream": {"name": "users", "json_schema": {}},
            "sync_mode": "full_refresh",
            "destination_sync_mode": mode,
            "generation_id": generation,
            "minimum_generation_id": minimum,
            "sync_id": sync,
        }))
        .unwrap();
        Intent::of(&configured)
    }

    fn by_generation(id: i64, sync_id: Option<i64>, overwrite: bool) -> Intent {
        Intent::ReplaceByGeneration { generation: Generation { id, sync_id }, overwrite }
    }

    #[test]
    fn the_catalog_decides() {
        let null = Value::Null;
        for (mode, generation, minimum, sync, expected) in [
            ("append", null.clone(), null.clone(), null.clone(), Intent::Append),
            ("append", json!(0), json!(0), json!(1), Intent::Append),
            ("append", json!(5), json!(0), json!(1), Intent::Append),
            ("append", json!(5), null.clone(), null.clone(), Intent::Append),
            ("append", null.clone(), json!(5), null.clone(), Intent::Append),
            ("append", json!(5), json!(5), json!(1), by_generation(5, Some(1), false)),
            ("append_dedup", json!(5), json!(0), json!(1), Intent::Append),
            ("append_dedup", json!(5), json!(5), null.clone(), by_generation(5, None, false)),
            ("overwrite", null.clone(), null.clone(), null.clone(), Intent::Replace),
            ("overwrite", json!(0), json!(0), json!(1), Intent::Replace),
            ("overwrite", json!(5), json!(5), json!(1), by_generation(5, Some(1), true)),
            ("overwrite", json!(5), json!(0), json!(1), by_generation(5, Some(1), true)),
            ("overwrite", json!(5), null.clone(), null.clone(), by_generation(5, None, true)),
        ] {
            let what = format!("{mode} {generation} {minimum} {sync}");
            assert_eq!(intent(mode, generation, minimum, sync).unwrap(), expected, "{what}");
        }
    }

    #[test]
    fn what_can_not_be_done_is_refused() {
        for mode in ["update", "soft_delete", "sideways"] {
            let failure = intent(mode, Value::Null, Value::Null, Value::Null).unwrap_err();
            assert_eq!(failure.kind, FailureKind::ConfigError);
            assert!(failure.message.contains(mode), "{failure}");
            assert_eq!(failure.stream(), Some(&"users".into()));
        }
        for (mode, generation, minimum) in [("append", 5, 3), ("overwrite", 5, 3), ("append", 5, 6)] {
            let failure = intent(mode, json!(generation), json!(minimum), json!(1)).unwrap_err();
            assert_eq!(failure.kind, FailureKind::SystemError);
        }
    }

    #[test]
    fn a_note_is_kept_whole() {
        let directory = tempdir().unwrap();
        let directory = directory.path();
        let names = FileNames::of::<Lines>(&"users".into());
        assert_eq!(Note::read(directory, &names).unwrap(), Note::default());
        for note in [
            Note { generation_id: Some(5), sync_id: Some(12), merge: None },
            Note { generation_id: None, sync_id: None, merge: Some(Merge { generation_id: 4, length: 1 << 40 }) },
            Note::default(),
        ] {
            note.write(directory, &names).unwrap();
            assert_eq!(Note::read(directory, &names).unwrap(), note);
        }
        assert_eq!(fs::read_dir(directory).unwrap().count(), 0);

        fs::write(directory.join(names.note()), "{").unwrap();
        let failure = Note::read(directory, &names).unwrap_err();
        assert_eq!(failure.kind, FailureKind::ConfigError);
        assert!(failure.message.contains("._airbyte_raw_users.json"), "{failure}");
    }

    #[test]
    fn the_same_sync_is_told_by_its_id() {
        let note = |sync_id| Note { generation_id: Some(5), sync_id, merge: None };
        let generation = |id, sync_id| Generation { id, sync_id };
        assert!(note(Some(7)).is_of_sync(generation(5, Some(7))));
        assert!(!note(Some(7)).is_of_sync(generation(5, Some(8))));
        assert!(!note(Some(7)).is_of_sync(generation(5, None)));
        assert!(!note(None).is_of_sync(generation(5, None)));
        assert!(note(Some(1)).is_of_sync(generation(2, Some(1))));
        assert!(!note(Some(1)).is_of_sync(generation(1, Some(1))));
    }
}
