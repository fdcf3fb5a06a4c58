//! Where a destination gets what it writes: batches of records, checkpoints to commit, and the ends of streams.

use serde::de::DeserializeOwned;

use crate::bindings::destination::airlock::connector::input as wit;
use crate::failure::{Result, interrupted, system_error};
use crate::host;
use crate::stream_name::StreamName;

/// What [`Input`]'s iterator asks for at a time.
const BATCH_BYTES: u32 = 1024 * 1024;

/// What the source said, one item after the other.
///
/// Either call [`next`](Input::next), or loop over it.
#[derive(Debug)]
pub struct Input {
    // Only the SDK makes one: there is one input in a `write`.
    _private: (),
}

/// One thing that the source said.
#[derive(Debug)]
pub enum Item {
    /// Records of one stream.
    Records(RecordBatch),
    /// A state of the source, after every record that it covers. Commit it when they are safe.
    Checkpoint(Checkpoint),
    /// The end of a stream, after every record of it. Every configured stream has one. Checkpoints may still come.
    StreamEnd(StreamEnd),
    /// A message that has no case of its own, as the AirbyteMessage it came as. To be passed over, if unknown.
    Other(String),
}

impl Input {
    pub(crate) fn new() -> Self {
        Input { _private: () }
    }

    /// Waits for the next item; none at the end of the input.
    ///
    /// A batch has about `max_bytes` of records at most, but at least one whole record. Records come on size and on
    /// time: none is held back for longer than a second.
    pub fn next(&mut self, max_bytes: u32) -> Result<Option<Item>> {
        let item = host::next(max_bytes).map_err(interrupted)?;
        Ok(item.map(|item| match item {
            host::Item::Records(batch) => Item::Records(RecordBatch::from_wit(batch)),
            host::Item::Checkpoint(checkpoint) => Item::Checkpoint(Checkpoint { host: checkpoint }),
            host::Item::StreamEnd(end) => Item::StreamEnd(StreamEnd {
                stream: end.stream_name.into(),
                is_complete: matches!(end.outcome, wit::StreamOutcome::Complete),
            }),
            host::Item::Other(message) => Item::Other(message),
        }))
    }
}

impl IntoIterator for Input {
    type Item = Result<Item>;
    type IntoIter = Items;

    fn into_iter(self) -> Items {
        Items { input: self, ended: false }
    }
}

/// The items of an [`Input`], up to the first failure.
#[derive(Debug)]
pub struct Items {
    input: Input,
    ended: bool,
}

impl Iterator for Items {
    type Item = Result<Item>;

    fn next(&mut self) -> Option<Result<Item>> {
        if self.ended {
            return None;
        }
        let item = self.input.next(BATCH_BYTES).transpose();
        self.ended = !matches!(item, Some(Ok(_)));
        item
    }
}

/// Records of one stream, in the order in which they were read.
#[derive(Clone, Debug)]
pub struct RecordBatch {
    /// The stream: always one of the configured catalog.
    pub stream: StreamName,
    lines: Vec<u8>,
    emitted_at: Vec<i64>,
    annotations: Vec<crate::bindings::source::airlock::connector::types::Annotation>,
}

/// One record of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// The record's data: a JSON object on one line, without the line break.
    pub data: &'a [u8],
    /// When it was read, in milliseconds since 1970.
    pub emitted_at: i64,
    /// Airbyte's `meta` (changes made to the record on its way), a JSON object as text.
    pub meta: Option<&'a str>,
    /// Airbyte's `file_reference`, a JSON object as text.
    pub file_reference: Option<&'a str>,
}

impl Record<'_> {
    /// The record's data as a type.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_slice(self.data).map_err(|error| {
            // serde_json's messages can quote a value, and a log is no place for the content of records.
            system_error("A record does not have the fields that the destination needs.").with_internal(format!(
                "{:?} error at column {}",
                error.classify(),
                error.column()
            ))
        })
    }
}

impl RecordBatch {
    fn from_wit(batch: wit::RecordBatch) -> Self {
        RecordBatch {
            stream: batch.stream_name.into(),
            lines: batch.records,
            emitted_at: batch.emitted_at,
            annotations: batch.annotations,
        }
    }

    /// How many records there are.
    pub fn len(&self) -> usize {
        self.emitted_at.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.emitted_at.is_empty()
    }

    /// All records as they came: one JSON object a line, each line with its line break.
    pub fn lines(&self) -> &[u8] {
        &self.lines
    }

    /// The records, one after the other.
    pub fn iter(&self) -> impl Iterator<Item = Record<'_>> {
        let mut rest = self.lines.as_slice();
        let mut annotations = self.annotations.iter().peekable();
        self.emitted_at.iter().enumerate().map(move |(index, &emitted_at)| {
            let end = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
            let data = &rest[..end];
            rest = rest.get(end + 1..).unwrap_or_default();
            let annotation = annotations.next_if(|annotation| annotation.index as usize == index);
            Record {
                data,
                emitted_at,
                meta: annotation.and_then(|annotation| annotation.meta.as_deref()),
                file_reference: annotation.and_then(|annotation| annotation.file_reference.as_deref()),
            }
        })
    }
}

/// What a checkpoint covers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CheckpointScope {
    /// Every record of one stream that came before it.
    Stream(StreamName),
    /// Every record of every stream that came before it.
    Global,
}

/// A state of the source. Committing it promises that what it covers is safe in the destination.
#[derive(Debug)]
pub struct Checkpoint {
    host: host::Checkpoint,
}

impl Checkpoint {
    /// What it covers.
    pub fn scope(&self) -> CheckpointScope {
        match self.host.scope() {
            wit::CheckpointScope::Stream(name) => CheckpointScope::Stream(name.into()),
            wit::CheckpointScope::Global => CheckpointScope::Global,
        }
    }

    /// The source's AirbyteStateMessage as it came.
    pub fn state(&self) -> String {
        self.host.state()
    }

    /// How many records it covers: those that came since the checkpoint before it of the same scope.
    pub fn record_count(&self) -> u32 {
        self.host.record_count()
    }

    /// Promises that every record it covers is safe. Checkpoints may be committed late and many at once.
    pub fn commit(self) -> Result<()> {
        self.commit_with_rejected(0)
    }

    /// Promises that every record it covers is safe, but for so many that the destination did not take.
    pub fn commit_with_rejected(self, rejected: u32) -> Result<()> {
        host::Checkpoint::commit(self.host, rejected).map_err(interrupted)
    }
}

/// The end of a stream of the input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamEnd {
    /// The stream.
    pub stream: StreamName,
    /// Whether everything there was has come. If not, the source did not finish the stream: keep what is committed,
    /// and do not replace what was there before.
    pub is_complete: bool,
}
