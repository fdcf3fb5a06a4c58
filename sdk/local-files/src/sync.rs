//! One sync: all its streams, and which checkpoints may be committed when.
//!
//! A checkpoint may be committed when everything it covers will still be there however the sync ends. For a stream that
//! is appended to, or replaced by a generation, that is as soon as it is synced. A replacement without a generation can
//! not be gone on with, so checkpoints that cover it are held until it is swapped in.
//!
//! Knows nothing of the host: a checkpoint is whatever the caller gives, and is given back to be committed.

use std::collections::HashMap;
use std::path::Path;

use airlock_sdk::{
    CheckpointScope, ConfiguredCatalog, DestinationSyncMode, Failure, Intent, Result, StreamName, system_error,
    transient_error,
};

use crate::disk;
use crate::format::RecordFormat;
use crate::names::{FileNames, described};
use crate::record_lines::RecordLines;
use crate::stream_storage::{StreamStorage, hidden_files};

/// The streams of a sync into files of a format (`F`), and the checkpoints (`C`) that wait.
pub struct Sync<F, C> {
    streams: Vec<StreamStorage>,
    positions: HashMap<StreamName, usize>,
    record_lines: RecordLines<F>,
    held: Vec<(CheckpointScope, C)>,
}

impl<F: RecordFormat, C> Sync<F, C> {
    /// Opens the files of all streams of the catalog. What can not be done for one of them is refused before anything
    /// is written for any.
    pub fn begin(root: &Path, directory: &Path, format: F, catalog: &ConfiguredCatalog) -> Result<Self> {
        let mut plans = Vec::new();
        for configured in &catalog.streams {
            let stream = configured.name();
            // As Airbyte's connector does. PyAirbyte asks for it wherever a stream has a primary key, whatever the
            // specification says.
            if configured.destination_sync_mode == DestinationSyncMode::AppendDedup {
                log::warn!(
                    "The stream {} is configured as append_dedup. Files are not deduplicated: its records are appended.",
                    described(&stream)
                );
            }
            plans.push((stream, Intent::of(configured)?));
        }
        let names = FileNames::of_all::<F>(plans.iter().map(|(stream, _)| stream))?;

        disk::create_directory(root, directory)?;
        for ((stream, intent), names) in plans.iter().zip(&names) {
            StreamStorage::refuse(directory, names, *intent, &format)
                .map_err(|failure| failure.for_stream(stream.clone()))?;
        }
        let hidden_files = hidden_files(directory)?;
        let mut streams = Vec::new();
        for ((stream, intent), names) in plans.into_iter().zip(names) {
            let opened = StreamStorage::open(directory, &hidden_files, stream.clone(), names, intent, &format);
            streams.push(opened.map_err(|failure| failure.for_stream(stream))?);
        }
        disk::sync_directory(directory)?;

        let positions =
            streams.iter().enumerate().map(|(position, storage)| (storage.stream().clone(), position)).collect();
        Ok(Sync { streams, positions, record_lines: RecordLines::new(format), held: Vec::new() })
    }

    /// Writes records of a stream: the data of each, and when it was read.
    pub fn write<'a>(&mut self, stream: &StreamName, records: impl IntoIterator<Item = (&'a [u8], i64)>) -> Result<()> {
        let position = self.position(stream)?;
        let storage = &mut self.streams[position];
        self.record_lines.write(records, |lines| storage.append(lines)).map_err(|failure| failure.for_stream(stream))
    }

    /// A checkpoint came. Gives it back if it may be committed now.
    pub fn checkpoint(&mut self, scope: CheckpointScope, checkpoint: C) -> Result<Option<C>> {
        if let CheckpointScope::Stream(stream) = &scope {
            self.position(stream)?;
        }
        if self.make_safe(&scope)? {
            return Ok(Some(checkpoint));
        }
        self.held.push((scope, checkpoint));
        Ok(None)
    }

    /// Everything of a stream has come. Returns the checkpoints that waited for it, in order.
    pub fn stream_complete(&mut self, stream: &StreamName) -> Result<Vec<C>> {
        let position = self.position(stream)?;
        self.streams[position].complete().map_err(|failure| failure.for_stream(stream))?;
        let mut released = Vec::new();
        for (scope, checkpoint) in std::mem::take(&mut self.held) {
            if self.make_safe(&scope)? {
                released.push(checkpoint);
            } else {
                self.held.push((scope, checkpoint));
            }
        }
        Ok(released)
    }

    /// The input has ended: puts away what is not complete. Checkpoints that still wait are a failure then.
    pub fn finish(mut self) -> Result<()> {
        self.abandon_all()?;
        if self.held.is_empty() {
            return Ok(());
        }
        let unfinished: Vec<String> = self
            .streams
            .iter()
            .filter(|storage| !storage.keeps_what_is_synced())
            .map(|storage| described(storage.stream()))
            .collect();
        Err(transient_error(format!(
            "The source did not finish {}: nothing was replaced there, and {} states that cover it are not \
             acknowledged. Run the sync again; it begins such a stream from where the last acknowledged state left it.",
            unfinished.join(", "),
            self.held.len(),
        )))
    }

    /// The sync fails: only what was promised stays.
    pub fn abandon(mut self) {
        if let Err(failure) = self.abandon_all() {
            // The failure that led here says more.
            log::warn!("Not everything could be put away after the failure: {failure}");
        }
    }

    fn abandon_all(&mut self) -> Result<()> {
        let mut result = Ok(());
        for storage in &mut self.streams {
            result = result.and(storage.abandon());
        }
        result
    }

    /// Makes safe what a checkpoint covers. False if that can not be done before a stream is complete.
    fn make_safe(&mut self, scope: &CheckpointScope) -> Result<bool> {
        let mut covered: Vec<&mut StreamStorage> = match scope {
            CheckpointScope::Stream(stream) => {
                self.positions.get(stream).map(|position| &mut self.streams[*position]).into_iter().collect()
            }
            CheckpointScope::Global => self.streams.iter_mut().collect(),
        };
        if !covered.iter().all(|storage| storage.keeps_what_is_synced()) {
            return Ok(false);
        }
        for storage in &mut covered {
            storage.make_safe().map_err(|failure| failure.for_stream(storage.stream()))?;
        }
        Ok(true)
    }

    fn position(&self, stream: &StreamName) -> Result<usize> {
        self.positions.get(stream).copied().ok_or_else(|| unknown(stream))
    }
}

fn unknown(stream: &StreamName) -> Failure {
    system_error(format!(
        "The stream {} is not in the configured catalog, but the host gave something of it. This is a defect of the \
         host.",
        described(stream)
    ))
    .for_stream(stream)
}

#[cfg(test)]
mod tests;
