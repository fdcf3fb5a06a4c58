//! `read`: the records of every file that is not done, and states in between.

use std::path::Path;

use airlock_sdk::{ConfiguredStream, DestinationSyncMode, Failure, Result, SavedState, StreamWriter, SyncMode};
use serde_json::Value;

use crate::config::Dataset;
use crate::cursor::Cursor;
use crate::files::{self, FoundFile, Version};
use crate::position::Position;
use crate::problem::{Column, Problem};
use crate::records::Records;

/// A state comes after so much content of a file, and sooner in tests, …
const STATE_IN_FILE: u64 = if cfg!(test) { 200 } else { 16 * 1024 * 1024 };
/// … and at the end of a file after so much, …
const STATE_AT_END: u64 = if cfg!(test) { 100 } else { 1024 * 1024 };
/// … but never so often that states are more than a part in so many of what is read.
const CONTENT_TO_STATE: u64 = if cfg!(test) { 0 } else { 32 };

/// Reads the stream.
pub fn read(dataset: &Dataset, stream: &ConfiguredStream, state: &SavedState, writer: &mut StreamWriter) -> Result<()> {
    let is_incremental = stream.sync_mode == SyncMode::Incremental && !takes_the_place(dataset, stream);
    let properties = stream.stream.json_schema.get("properties");
    let cursor = match &dataset.cursor_field {
        Some(field) if is_incremental => Some(Cursor::new(field, properties)?),
        _ => None,
    };
    let saved = state.stream(stream)?;
    let files = files::find(&dataset.path)?;
    let position = Position::begin(saved, is_incremental, cursor.as_ref());
    let mut read = Read { dataset, properties, cursor, position, writer, since_state: 0 };
    match read.files(&files) {
        Ok(()) => {
            read.position.complete(&files);
            read.state()
        }
        Err(failure) if failure.interruption().is_none() => {
            // The next read goes on where this one could not.
            read.state()?;
            Err(failure)
        }
        Err(failure) => Err(failure),
    }
}

/// Whether what comes takes the place of what is there, so that all must come. PyAirbyte asks for incremental syncs that
/// overwrite; it merges where it knows a key, and appends where it knows a cursor.
fn takes_the_place(dataset: &Dataset, stream: &ConfiguredStream) -> bool {
    let overwrites = stream.destination_sync_mode == DestinationSyncMode::Overwrite;
    overwrites && dataset.cursor_field.is_none() && dataset.primary_key.is_empty()
}

struct Read<'a> {
    dataset: &'a Dataset,
    properties: Option<&'a Value>,
    cursor: Option<Cursor>,
    position: Position,
    writer: &'a mut StreamWriter,
    /// How much content was read since the last state.
    since_state: u64,
}

impl Read<'_> {
    fn files(&mut self, files: &[FoundFile]) -> Result<()> {
        let mut done = 0;
        // The one that is read in part comes first, for there is one place only to go on at.
        let (begun, others): (Vec<_>, Vec<_>) = files.iter().partition(|file| self.position.is_in(file));
        for file in begun.into_iter().chain(others) {
            if self.position.is_done(file) {
                done += 1;
                continue;
            }
            // Of the file before; the last one has the state at the end.
            self.state_if_due(STATE_AT_END)?;
            self.file(file)?;
        }
        log::info!("{} files were read; {done} had been read before.", files.len() - done);
        Ok(())
    }

    fn file(&mut self, file: &FoundFile) -> Result<()> {
        let path = Path::new(&file.path);
        let Some((opened, version)) = files::open(file)? else {
            return Ok(());
        };
        log::debug!("Reading {}, {} bytes.", file.path, version.size);
        match Records::open(self.dataset, opened, path, self.properties)? {
            None => log::warn!("{} is empty.", file.path),
            Some(mut records) => {
                let left_out = records.left_out();
                if !left_out.is_empty() {
                    log::info!("{}: the catalog does not have the columns {}.", file.path, left_out.join(", "));
                }
                match self.records(&mut records, &file.path, &version) {
                    Ok(()) => {}
                    Err(Stop::Problem(problem)) => return Err(problem.in_file(path)),
                    Err(Stop::Failure(failure)) => return Err(failure),
                }
            }
        }
        self.position.done(&file.path, version);
        Ok(())
    }

    fn records(&mut self, records: &mut Records, path: &str, version: &Version) -> Result<(), Stop> {
        let mut counted = records.next_place().0;
        if let Some(place) = self.position.place_in(path, version, &self.dataset.reader) {
            if !records.go_on_at(place)? {
                let what = "the file has no such place, where the state says that it was read up to. Clear the data \
                            of the connection and sync again.";
                return Err(Problem::new(place.1, what).into());
            }
            counted = place.0;
        }
        loop {
            let before = records.next_place();
            let next = records.next();
            let record = match next {
                Ok(Some(record)) => record,
                Ok(None) => break,
                Err(problem) => {
                    self.position.read_up_to(path, version, &self.dataset.reader, before);
                    return Err(problem.into());
                }
            };
            match self.write(record) {
                Ok(()) => {}
                Err(WriteError::Failure(failure)) => return Err(failure.into()),
                Err(WriteError::Cursor(why)) => {
                    self.position.read_up_to(path, version, &self.dataset.reader, before);
                    let field = self.cursor.as_ref().map_or("", |cursor| &cursor.field);
                    let what = format!("the cursor {why}. Correct it, or choose another cursor_field.");
                    return Err(Problem::new(records.line(), what).at(Column::Named(field.to_owned())).into());
                }
            }
            let place = records.next_place();
            if place.0 - counted >= STATE_IN_FILE {
                self.since_state += place.0 - counted;
                counted = place.0;
                self.position.read_up_to(path, version, &self.dataset.reader, place);
                self.state_if_due(STATE_IN_FILE)?;
            }
        }
        self.since_state += records.next_place().0 - counted;
        Ok(())
    }

    /// Writes a record, if it is new.
    #[inline]
    fn write(&mut self, record: &[u8]) -> Result<(), WriteError> {
        if let Some(cursor) = &self.cursor {
            let value = cursor.of(record).map_err(WriteError::Cursor)?;
            if !self.position.is_new(cursor, value.as_deref()) {
                return Ok(());
            }
            if let Some(value) = value {
                self.position.saw(cursor, value);
            }
        }
        self.writer.write_json(record).map_err(WriteError::Failure)
    }

    fn state_if_due(&mut self, after: u64) -> Result<()> {
        // The weight takes a look at every file: not for each small one.
        let is_due = self.since_state >= after && self.since_state >= self.position.weight() * CONTENT_TO_STATE;
        if is_due { self.state() } else { Ok(()) }
    }

    fn state(&mut self) -> Result<()> {
        self.since_state = 0;
        self.writer.checkpoint(&self.position)
    }
}

/// Why a record was not written.
enum WriteError {
    Cursor(&'static str),
    Failure(Failure),
}

/// Why a file is not read any further.
enum Stop {
    Problem(Problem),
    Failure(Failure),
}

impl From<Problem> for Stop {
    fn from(problem: Problem) -> Self {
        Stop::Problem(problem)
    }
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Stop::Failure(failure)
    }
}
