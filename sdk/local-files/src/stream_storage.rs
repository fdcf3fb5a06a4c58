//! The files of one stream: found and put right at the start, written to, and swapped in when the stream is complete.
//!
//! Knows nothing of checkpoints and of other streams.
//!
//! A swap is three steps, each safe before the next: the note names the new generation; the temporary file takes the
//! place of the stream's file; the directory is synced. A temporary file of the very generation that the note names
//! is thus a swap that was cut off, and is finished at the next start.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use airlock_sdk::{Generation, Intent, Result, StreamName};

use crate::disk;
use crate::format::RecordFormat;
use crate::generation::{Merge, Note};
use crate::names::{FileNames, Temporary, described};
use crate::stream_file::StreamFile;

/// Where the records of one stream go.
pub struct StreamStorage {
    stream: StreamName,
    names: FileNames,
    directory: PathBuf,
    file: StreamFile,
    target: Target,
    complete: bool,
}

/// Which file the records go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Target {
    /// The stream's file.
    Records,
    /// The replacement by a generation, gone on with by a later attempt.
    Generation(Generation),
    /// A replacement that a later attempt begins again.
    Replacement {
        /// The generation to note for it.
        generation: Option<Generation>,
        /// The stream's file stays if no record comes.
        keep_if_empty: bool,
    },
}

impl Target {
    fn path(self, directory: &Path, names: &FileNames) -> PathBuf {
        directory.join(match self {
            Target::Records => names.records(),
            Target::Generation(generation) => names.temporary(Temporary::Generation(generation.id)),
            Target::Replacement { .. } => names.temporary(Temporary::Replacement),
        })
    }
}

impl StreamStorage {
    /// Refuses what can not be opened. Changes nothing, so that no stream is touched if one is refused.
    pub fn refuse(directory: &Path, names: &FileNames, intent: Intent, format: &impl RecordFormat) -> Result<()> {
        let records = directory.join(names.records());
        if records.is_dir() {
            return Err(disk::failure("write", &records, rustix::io::Errno::ISDIR.into()));
        }
        let note = Note::read(directory, names)?;
        let swapped_in = note.generation_id.map(|id| directory.join(names.temporary(Temporary::Generation(id))));
        let added_to = match (choose(intent, &note), swapped_in) {
            // What is replaced can be anything.
            (Target::Replacement { .. }, _) => return Ok(()),
            // A swap that was cut off is finished first.
            (Target::Records, Some(temporary)) if exists(&temporary)? => temporary,
            (target, _) => target.path(directory, names),
        };
        StreamFile::refuse_foreign(&added_to, format)
    }

    /// Finishes what a crash cut off, removes what is of no use any more, and opens the file that records go to. The
    /// hidden files are those of the directory before any stream was opened.
    ///
    /// The caller syncs the directory when all streams are open.
    pub fn open(
        directory: &Path,
        hidden_files: &BTreeSet<String>,
        stream: StreamName,
        names: FileNames,
        intent: Intent,
        format: &impl RecordFormat,
    ) -> Result<Self> {
        disk::remove(&directory.join(names.note_draft()))?;
        let note = recover(directory, &names, format)?;

        let target = choose(intent, &note);
        for temporary in temporaries(directory, hidden_files, &names)? {
            match (temporary, intent, target) {
                (Temporary::Generation(id), _, Target::Generation(generation)) if id == generation.id => {
                    log::info!(
                        "The stream {} goes on with generation {id}, which an earlier attempt began.",
                        described(&stream)
                    );
                }
                (Temporary::Generation(id), Intent::Append, _) => {
                    log::warn!(
                        "The stream {} is appended to, and an earlier refresh of it (generation {id}) was never \
                         completed: what it wrote is kept and added to the file.",
                        described(&stream)
                    );
                    merge(directory, &names, id, format)?;
                }
                _ => disk::remove(&directory.join(names.temporary(temporary)))?,
            }
        }

        Ok(StreamStorage {
            file: StreamFile::open(target.path(directory, &names), format)?,
            stream,
            names,
            directory: directory.to_owned(),
            target,
            complete: false,
        })
    }

    /// Which stream it is.
    pub fn stream(&self) -> &StreamName {
        &self.stream
    }

    /// Whether what is synced now will still be there, however this sync ends.
    pub fn keeps_what_is_synced(&self) -> bool {
        self.complete || !matches!(self.target, Target::Replacement { .. })
    }

    /// Adds whole lines.
    pub fn append(&mut self, lines: &[u8]) -> Result<()> {
        self.file.append(lines)
    }

    /// Syncs what was added.
    pub fn make_safe(&mut self) -> Result<()> {
        self.file.make_safe()
    }

    /// The stream is complete: what was written becomes the stream's file. When this returns it is safe.
    pub fn complete(&mut self) -> Result<()> {
        self.file.make_safe()?;
        let records = self.directory.join(self.names.records());
        match self.target {
            Target::Records => {}
            Target::Generation(generation) => {
                Note::of(generation).write(&self.directory, &self.names)?;
                self.file.rename(records)?;
                disk::sync_directory(&self.directory)?;
            }
            Target::Replacement { keep_if_empty: true, .. } if self.file.is_empty() => {
                log::warn!(
                    "The stream {} is to be overwritten, and no record of it came: its file has this generation \
                     already, and stays as it is.",
                    described(&self.stream)
                );
                disk::remove(self.file.path())?;
            }
            Target::Replacement { generation, .. } => {
                if generation.is_none() {
                    // The note of the file before is given up first: it must never describe this one.
                    Note::default().write(&self.directory, &self.names)?;
                }
                self.file.rename(records)?;
                disk::sync_directory(&self.directory)?;
                if let Some(generation) = generation {
                    // Until here the note named the same generation, by an earlier sync.
                    Note::of(generation).write(&self.directory, &self.names)?;
                }
            }
        }
        self.complete = true;
        Ok(())
    }

    /// The sync ends and the stream is not complete: only what was made safe stays. What was not will be sent again.
    pub fn abandon(&mut self) -> Result<()> {
        if self.complete {
            return Ok(());
        }
        if matches!(self.target, Target::Replacement { .. }) {
            return disk::remove(self.file.path());
        }
        let cut_off = self.file.cut_back()?;
        if cut_off > 0 {
            log::warn!(
                "The stream {} did not finish: {cut_off} bytes that no state acknowledged are cut off again. The next \
                 attempt sends their records once more.",
                described(&self.stream)
            );
        }
        Ok(())
    }
}

/// Where the records go, given what the stream's file is now.
fn choose(intent: Intent, note: &Note) -> Target {
    match intent {
        Intent::Append => Target::Records,
        Intent::Replace => Target::Replacement { generation: None, keep_if_empty: false },
        Intent::ReplaceByGeneration { generation, overwrite } => {
            if note.generation_id != Some(generation.id) {
                Target::Generation(generation)
            } else if overwrite && !note.is_of_sync(generation) {
                // Another sync that overwrites and still has the same generation: of a client that does not count. A
                // source that has nothing to add to a whole generation sends nothing, so that must not empty the file.
                Target::Replacement { generation: Some(generation), keep_if_empty: true }
            } else {
                Target::Records
            }
        }
    }
}

/// Finishes a merge or a swap that a crash cut off, and returns the note as it is then.
fn recover(directory: &Path, names: &FileNames, format: &impl RecordFormat) -> Result<Note> {
    let mut note = Note::read(directory, names)?;
    if let Some(merge) = note.merge.take() {
        let records = directory.join(names.records());
        let temporary = directory.join(names.temporary(Temporary::Generation(merge.generation_id)));
        if exists(&temporary)? {
            finish_merge(directory, records, temporary, merge.length, format)?;
        }
        note.write(directory, names)?;
    }
    if let Some(id) = note.generation_id {
        let records = directory.join(names.records());
        let temporary = directory.join(names.temporary(Temporary::Generation(id)));
        if exists(&temporary)? {
            disk::rename(&temporary, &records)?;
            disk::sync_directory(directory)?;
        } else if !exists(&records)? {
            // Somebody took the file away, and with it what the note speaks of.
            note = Note::default();
            note.write(directory, names)?;
        }
    }
    Ok(note)
}

/// Adds the records of a generation's temporary file to the stream's file, once, whatever is cut off when.
fn merge(directory: &Path, names: &FileNames, generation_id: i64, format: &impl RecordFormat) -> Result<()> {
    let records = directory.join(names.records());
    let temporary = directory.join(names.temporary(Temporary::Generation(generation_id)));
    // Told before the note promises that it will be added.
    StreamFile::refuse_foreign(&temporary, format)?;
    let mut note = Note::read(directory, names)?;
    let length = StreamFile::open(records.clone(), format)?.length();
    note.merge = Some(Merge { generation_id, length });
    note.write(directory, names)?;
    finish_merge(directory, records, temporary, length, format)?;
    note.merge = None;
    note.write(directory, names)
}

fn finish_merge(
    directory: &Path,
    records: PathBuf,
    temporary: PathBuf,
    length: u64,
    format: &impl RecordFormat,
) -> Result<()> {
    let mut file = StreamFile::open(records, format)?;
    file.cut_to(length)?;
    file.append_from(&StreamFile::open(temporary.clone(), format)?)?;
    file.make_safe()?;
    disk::sync_directory(directory)?;
    disk::remove(&temporary)?;
    disk::sync_directory(directory)
}

/// The hidden files of a directory. Listed once for all streams: to list it for each takes half a minute where there are
/// three thousand.
pub fn hidden_files(directory: &Path) -> Result<BTreeSet<String>> {
    let failure = |error| disk::failure("list", directory, error);
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(directory).map_err(failure)? {
        let file_name = entry.map_err(failure)?.file_name().into_string();
        found.extend(file_name.ok().filter(|name| name.starts_with('.')));
    }
    Ok(found)
}

/// The temporary files of a stream, oldest generation first.
fn temporaries(directory: &Path, hidden_files: &BTreeSet<String>, names: &FileNames) -> Result<BTreeSet<Temporary>> {
    let beginning = names.hidden();
    let of_stream = hidden_files.range(beginning.clone()..).take_while(|name| name.starts_with(&beginning));
    let mut found = BTreeSet::new();
    for temporary in of_stream.filter_map(|name| names.recognize(name)) {
        // What a crash cut off has just been finished.
        if exists(&directory.join(names.temporary(temporary)))? {
            found.insert(temporary);
        }
    }
    Ok(found)
}

fn exists(path: &Path) -> Result<bool> {
    path.try_exists().map_err(|error| disk::failure("look for", path, error))
}
