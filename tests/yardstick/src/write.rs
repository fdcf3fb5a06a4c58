//! `write`: stdin's messages, parsed and checked as the host does, into nothing or into files of JSON lines. States go back
//! when what they cover is safe. Knows one way to write only: append.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde_json::value::RawValue;
use uuid::Builder;

use crate::lines::Lines;

/// How much is read at once, and how much is written to a file at once.
const PIECE: usize = 256 * 1024;

/// Where records go.
pub trait Destination {
    fn record(&mut self, stream: &str, data: &str, emitted_at: i64) -> Result<()>;
    /// Makes everything safe that came before.
    fn make_safe(&mut self) -> Result<()>;
}

/// As much of a message as the host looks at.
#[derive(Deserialize)]
struct Message<'a> {
    r#type: &'a str,
    #[serde(borrow)]
    record: Option<Record<'a>>,
    #[serde(borrow)]
    state: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Record<'a> {
    stream: std::borrow::Cow<'a, str>,
    #[serde(borrow)]
    data: &'a RawValue,
    emitted_at: i64,
}

/// Writes stdin into a destination.
pub fn run(destination: &mut impl Destination) -> Result<()> {
    let mut stdin = std::io::stdin().lock();
    let mut lines = Lines::new();
    let mut buffer = vec![0; PIECE];
    let mut filled = 0;
    let mut records_since_state = 0_u64;
    loop {
        if filled == buffer.len() {
            buffer.resize(2 * buffer.len(), 0);
        }
        let count = stdin.read(&mut buffer[filled..])?;
        if count == 0 {
            break;
        }
        let seen = filled;
        filled += count;
        let Some(end) = memchr::memrchr(b'\n', &buffer[seen..filled]) else { continue };
        let end = seen + end + 1;
        let text = std::str::from_utf8(&buffer[..end])?;
        let mut start = 0;
        for line_break in memchr::memchr_iter(b'\n', text.as_bytes()) {
            let line = &text[start..line_break];
            start = line_break + 1;
            let message: Message = serde_json::from_str(line)?;
            match (message.r#type, message.record, message.state) {
                ("RECORD", Some(record), _) => {
                    if !record.data.get().starts_with('{') {
                        bail!("a record's data is no object");
                    }
                    destination.record(&record.stream, record.data.get(), record.emitted_at)?;
                    records_since_state += 1;
                }
                ("STATE", _, Some(state)) => {
                    destination.make_safe()?;
                    let state = state.get().strip_suffix('}').context("a state is an object")?;
                    writeln!(
                        lines.text,
                        r#"{{"type":"STATE","state":{state},"destinationStats":{{"recordCount":{records_since_state}.0}}}}}}"#
                    )?;
                    // Whoever waits for a state waits for it now.
                    lines.write()?;
                    records_since_state = 0;
                }
                _ => {}
            }
        }
        buffer.copy_within(end..filled, 0);
        filled -= end;
    }
    destination.make_safe()?;
    if filled > 0 {
        bail!("the last line is cut off");
    }
    Ok(())
}

/// Records are counted by the caller, and that is all that becomes of them.
pub struct Nowhere;

impl Destination for Nowhere {
    fn record(&mut self, _stream: &str, _data: &str, _emitted_at: i64) -> Result<()> {
        Ok(())
    }

    fn make_safe(&mut self) -> Result<()> {
        Ok(())
    }
}

/// A file of JSON lines for each stream.
pub struct Files {
    directory: PathBuf,
    files: HashMap<String, StreamFile>,
    random: Random,
}

struct StreamFile {
    file: File,
    text: Vec<u8>,
    synced: bool,
}

impl Files {
    pub fn below(directory: &Path) -> Files {
        Files {
            directory: directory.to_owned(),
            files: HashMap::new(),
            random: Random { pool: vec![0; 8192], used: 8192 },
        }
    }
}

impl Destination for Files {
    fn record(&mut self, stream: &str, data: &str, emitted_at: i64) -> Result<()> {
        if !self.files.contains_key(stream) {
            fs::create_dir_all(&self.directory)?;
            let path = self.directory.join(format!("_airbyte_raw_{stream}.jsonl"));
            let file = File::options().append(true).create(true).open(path)?;
            self.files.insert(stream.to_owned(), StreamFile { file, text: Vec::new(), synced: true });
        }
        let stream = self.files.get_mut(stream).context("it was put there")?;
        let mut id = [0; uuid::fmt::Hyphenated::LENGTH];
        let id = Builder::from_random_bytes(self.random.next()?).into_uuid().hyphenated().encode_lower(&mut id);
        let text = &mut stream.text;
        text.extend_from_slice(b"{\"_airbyte_ab_id\":\"");
        text.extend_from_slice(id.as_bytes());
        text.extend_from_slice(b"\",\"_airbyte_emitted_at\":");
        text.extend_from_slice(itoa::Buffer::new().format(emitted_at).as_bytes());
        text.extend_from_slice(b",\"_airbyte_data\":");
        text.extend_from_slice(data.as_bytes());
        text.extend_from_slice(b"}\n");
        if text.len() >= PIECE {
            stream.write()?;
        }
        Ok(())
    }

    fn make_safe(&mut self) -> Result<()> {
        for stream in self.files.values_mut() {
            stream.write()?;
            if !stream.synced {
                stream.file.sync_data()?;
                stream.synced = true;
            }
        }
        Ok(())
    }
}

impl StreamFile {
    fn write(&mut self) -> Result<()> {
        if !self.text.is_empty() {
            self.file.write_all(&self.text)?;
            self.text.clear();
            self.synced = false;
        }
        Ok(())
    }
}

/// Random bytes for ids, fetched for many at once.
struct Random {
    pool: Vec<u8>,
    used: usize,
}

impl Random {
    fn next(&mut self) -> Result<[u8; 16]> {
        if self.used == self.pool.len() {
            getrandom::fill(&mut self.pool).context("no random numbers can be had")?;
            self.used = 0;
        }
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&self.pool[self.used..self.used + 16]);
        self.used += 16;
        Ok(bytes)
    }
}
