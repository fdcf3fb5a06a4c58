//! Where a stream stands: the state, and which files a read has still to look at. Touches no file.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashSet};

use serde::{Deserialize, Serialize};

use crate::cursor::Cursor;
use crate::files::{FoundFile, Version};

/// So many files are remembered, so that a state has a size.
pub const MOST_FILES: usize = 10_000;

/// The state of the stream. The README documents it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// How the stream was read.
    mode: Mode,
    /// Whether a read came to its end.
    complete: bool,
    /// What the cursor is, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cursor_field: Option<String>,
    /// Every record up to this was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cursor: Option<String>,
    /// The greatest cursor so far of a read that has not come to its end: smaller ones may still come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    highest: Option<String>,
    /// The files that were read to their ends, as they were then.
    files: BTreeMap<String, Version>,
    /// Files up to this one, by time and name, were read although they are not listed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    forgotten: Option<Forgotten>,
    /// The file that is being read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reading: Option<Reading>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Mode {
    FullRefresh,
    Incremental,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Forgotten {
    modified: String,
    file: String,
}

/// How far a file has been read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Reading {
    file: String,
    #[serde(flatten)]
    version: Version,
    /// What else the place depends on.
    reader: Reader,
    offset: u64,
    line: u64,
}

/// How files are read, as the user says it: with another encoding, say, a place in a file is another one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reader {
    /// The option `format`.
    pub format: String,
    /// The option `reader_options`.
    pub reader_options: String,
}

impl Position {
    /// Where a read begins. A full refresh goes on with one that was interrupted, and begins anew else; an incremental
    /// read goes on always, unless it goes by another cursor than the state.
    pub fn begin(saved: Option<Position>, is_incremental: bool, cursor: Option<&Cursor>) -> Position {
        let mode = if is_incremental { Mode::Incremental } else { Mode::FullRefresh };
        let cursor_field = cursor.map(|cursor| cursor.field.clone());
        let goes_on = |saved: &Position| {
            saved.cursor_field == cursor_field
                && (is_incremental || (saved.mode == Mode::FullRefresh && !saved.complete))
        };
        match saved {
            Some(saved) if goes_on(&saved) => Position { mode, complete: false, ..saved },
            saved => {
                if is_incremental && saved.is_some() {
                    log::warn!("The state is of another cursor field: everything is read anew.");
                }
                Position {
                    mode,
                    complete: false,
                    cursor_field,
                    cursor: None,
                    highest: None,
                    files: BTreeMap::new(),
                    forgotten: None,
                    reading: None,
                }
            }
        }
    }

    /// Whether a file has been read as it is now.
    pub fn is_done(&self, file: &FoundFile) -> bool {
        match self.files.get(&file.path) {
            Some(version) => *version == file.version,
            None => self.forgotten.as_ref().is_some_and(|forgotten| {
                (&file.version.modified, &file.path) <= (&forgotten.modified, &forgotten.file)
            }),
        }
    }

    /// Whether a file has been read in part.
    pub fn is_in(&self, file: &FoundFile) -> bool {
        self.reading.as_ref().is_some_and(|reading| reading.file == file.path)
    }

    /// How far a file of this version has been read by this reader: the place in its content, and the line.
    pub fn place_in(&self, path: &str, version: &Version, reader: &Reader) -> Option<(u64, u64)> {
        let reading = self.reading.as_ref()?;
        let is_same = reading.file == path && reading.version == *version && reading.reader == *reader;
        is_same.then_some((reading.offset, reading.line))
    }

    /// A file has been read up to this place.
    pub fn read_up_to(&mut self, path: &str, version: &Version, reader: &Reader, (offset, line): (u64, u64)) {
        let (version, reader) = (version.clone(), reader.clone());
        self.reading = Some(Reading { file: path.to_owned(), version, reader, offset, line });
    }

    /// A file has been read whole.
    pub fn done(&mut self, path: &str, version: Version) {
        self.reading = None;
        self.files.insert(path.to_owned(), version);
    }

    /// Whether a record with this cursor is new. A record without one always is.
    pub fn is_new(&self, cursor: &Cursor, value: Option<&str>) -> bool {
        match (&self.cursor, value) {
            (Some(done), Some(value)) => cursor.compare(value, done) == Ordering::Greater,
            _ => true,
        }
    }

    /// A record with this cursor was written.
    pub fn saw(&mut self, cursor: &Cursor, value: String) {
        if self.highest.as_ref().is_none_or(|highest| cursor.compare(&value, highest) == Ordering::Greater) {
            self.highest = Some(value);
        }
    }

    /// Every file has been read: what is gone is forgotten, and the cursor moves on.
    pub fn complete(&mut self, files: &[FoundFile]) {
        self.complete = true;
        self.reading = None;
        let there: HashSet<&str> = files.iter().map(|file| file.path.as_str()).collect();
        self.files.retain(|path, _| there.contains(path.as_str()));
        if let Some(highest) = self.highest.take() {
            // It is greater than the one before: only greater ones were written, or those of a first read.
            self.cursor = Some(highest);
        }
        self.forget_oldest();
    }

    /// About how many bytes the state has.
    pub fn weight(&self) -> u64 {
        self.files.keys().map(|path| path.len() as u64 + 70).sum::<u64>() + 200
    }

    fn forget_oldest(&mut self) {
        let surplus = self.files.len().saturating_sub(MOST_FILES);
        if surplus == 0 {
            return;
        }
        log::warn!(
            "There are more than {MOST_FILES} files: of those that the state does not list, only newer ones will be \
             read."
        );
        let mut by_age: Vec<Forgotten> = self
            .files
            .iter()
            .map(|(file, version)| Forgotten { modified: version.modified.clone(), file: file.clone() })
            .collect();
        by_age.sort();
        by_age.truncate(surplus);
        for oldest in &by_age {
            self.files.remove(&oldest.file);
        }
        self.forgotten = self.forgotten.take().max(by_age.pop());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn file(path: &str, second: u32, size: u64) -> FoundFile {
        FoundFile { path: path.into(), version: Version { modified: format!("2026-01-01T00:{second:05}Z"), size } }
    }

    fn incremental(saved: Option<Position>) -> Position {
        Position::begin(saved, true, None)
    }

    fn full_refresh(saved: &Position) -> Position {
        Position::begin(Some(saved.clone()), false, None)
    }

    #[test]
    fn a_file_is_done_until_anything_of_it_changes() {
        let mut position = incremental(None);
        position.done("a", file("a", 5, 1).version);
        assert!(position.is_done(&file("a", 5, 1)));
        for other in [file("a", 6, 1), file("a", 4, 1), file("a", 5, 2), file("b", 5, 1), file("b", 1, 1)] {
            assert!(!position.is_done(&other), "{other:?}");
        }
    }

    #[test]
    fn full_refresh_goes_on_only_where_one_was_interrupted() {
        let mut position = Position::begin(None, false, None);
        position.done("a", file("a", 5, 1).version);
        assert!(full_refresh(&position).is_done(&file("a", 5, 1)));
        assert!(incremental(Some(position.clone())).is_done(&file("a", 5, 1)));
        let mut complete = position.clone();
        complete.complete(&[file("a", 5, 1)]);
        assert!(!full_refresh(&complete).is_done(&file("a", 5, 1)));
        assert!(incremental(Some(complete)).is_done(&file("a", 5, 1)));
        let of_incremental = incremental(Some(position));
        assert!(!full_refresh(&of_incremental).is_done(&file("a", 5, 1)));
    }

    #[test]
    fn another_cursor_begins_anew() {
        let cursor = Cursor::new("id", Some(&json!({"id": {"type": "integer"}}))).unwrap();
        let mut position = Position::begin(None, true, Some(&cursor));
        position.done("a", file("a", 5, 1).version);
        position.saw(&cursor, "9".into());
        position.saw(&cursor, "10".into());
        position.saw(&cursor, "2".into());
        assert!(position.is_new(&cursor, Some("1")), "until every file was read");
        position.complete(&[file("a", 5, 1)]);
        assert!(position.is_new(&cursor, Some("11")) && !position.is_new(&cursor, Some("10")));
        assert!(position.is_new(&cursor, None));
        assert!(Position::begin(Some(position.clone()), true, Some(&cursor)).is_done(&file("a", 5, 1)));
        assert!(!incremental(Some(position)).is_done(&file("a", 5, 1)));
    }

    #[test]
    fn what_is_gone_is_forgotten_and_what_is_too_much() {
        let files: Vec<FoundFile> =
            (0..MOST_FILES as u32 + 3).map(|number| file(&format!("f{number:05}"), number / 2, 1)).collect();
        let mut position = incremental(None);
        position.done("gone", file("gone", 1, 1).version);
        for file in &files {
            position.done(&file.path, file.version.clone());
        }
        position.complete(&files);
        assert_eq!(position.files.len(), MOST_FILES);
        let position = incremental(Some(serde_json::from_value(serde_json::to_value(&position).unwrap()).unwrap()));
        assert!(files.iter().all(|file| position.is_done(file)));
        assert!(!position.is_done(&file("gone", 2, 1)));
        assert!(!position.is_done(&file("new", 9999, 1)));
        assert!(!position.is_done(&file(&files[9000].path, 1, 2)), "a listed file may be replaced by an older one");
    }

    #[test]
    fn the_state_has_its_documented_shape() {
        let cursor = Cursor::new("id", Some(&json!({"id": {"type": "integer"}}))).unwrap();
        let mut position = Position::begin(None, true, Some(&cursor));
        position.done("/data/a.csv", file("a", 5, 12).version);
        position.saw(&cursor, "7".into());
        let version = file("b", 6, 99).version;
        let reader = Reader { format: "csv".into(), reader_options: "{}".into() };
        position.read_up_to("/data/b.csv", &version, &reader, (40, 3));
        assert_eq!(
            serde_json::to_value(&position).unwrap(),
            json!({
                "mode": "incremental", "complete": false, "cursor_field": "id", "highest": "7",
                "files": {"/data/a.csv": {"modified": "2026-01-01T00:00005Z", "size": 12}},
                "reading": {"file": "/data/b.csv", "modified": "2026-01-01T00:00006Z", "size": 99,
                    "reader": {"format": "csv", "reader_options": "{}"}, "offset": 40, "line": 3},
            })
        );
        assert_eq!(position.place_in("/data/b.csv", &version, &reader), Some((40, 3)));
        assert_eq!(position.place_in("/data/b.csv", &file("b", 7, 99).version, &reader), None);
        assert_eq!(position.place_in("/data/a.csv", &version, &reader), None);
        let latin1 = Reader { reader_options: "{\"encoding\": \"latin1\"}".into(), ..reader };
        assert_eq!(position.place_in("/data/b.csv", &version, &latin1), None);
    }
}
