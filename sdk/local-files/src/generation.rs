//! The note of which generation a stream's file is.
//!
//! When a replacement of a generation ([`airlock_sdk::Intent`]) is whole, it takes the place of the stream's file, and the note
//! beside it says which generation that was: an attempt that still comes for this generation adds to the file and does not
//! begin it again.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::Path;

use airlock_sdk::{Failure, Generation, Result, config_error};
use serde::{Deserialize, Serialize};

use crate::disk;
use crate::names::FileNames;

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
        generation.is_of_sync(self.sync_id)
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
    use tempfile::tempdir;

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
