//! Where a source puts what it reads: records go into a buffer, and the buffer leaves by size, by time, and whenever
//! something is said that must come after the records.
//!
//! Every open stream is known to this module as long as `read` runs, so that a checkpoint of all streams and the end
//! of `read` find what is still unsent, whatever the author does with the writers.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::Serialize;
use serde_json::json;
use serde_json::value::RawValue;

use crate::bindings::source::airlock::connector::output::Outcome;
use crate::bindings::source::airlock::connector::types as wit;
use crate::failure::{Failure, Result, interrupted, system_error};
use crate::host;
use crate::json_line;
use crate::pace::Pace;
use crate::platform;
use crate::state::{self, GlobalState};
use crate::stream_name::StreamName;

/// A batch of this size leaves.
const BATCH_BYTES: usize = 256 * 1024;
/// A batch whose first record is this old leaves.
const BATCH_AGE: Duration = Duration::from_secs(1);
/// A buffer that one huge record made larger than this is given back.
const KEPT_BYTES: usize = 4 * BATCH_BYTES;

/// What Airbyte says of one record beside its data. All fields are optional.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Annotation {
    /// When the record was read, in milliseconds since 1970. Without it, the record gets the time of its batch.
    pub emitted_at: Option<i64>,
    /// Airbyte's `meta` (changes made to the record on its way), a JSON object as text.
    pub meta: Option<String>,
    /// Airbyte's `file_reference`, a JSON object as text.
    pub file_reference: Option<String>,
}

/// Writes the records of one stream.
///
/// Records are gathered and leave in batches by themselves: after about 256 KiB, at the first write a second after the
/// oldest of them, before a checkpoint, and at the end of the stream. A source that is about to wait calls
/// [`wait`](crate::wait), or, if it is another that waits (a connection, for example),
/// [`flush`](StreamWriter::flush) first.
///
/// A stream whose writer is dropped is complete if `read` returns ok, and failed if it returns an error.
#[derive(Debug)]
pub struct StreamWriter {
    stream: Rc<RefCell<OpenStream>>,
    /// Its place among the open ones.
    number: u64,
    pace: Pace,
}

#[derive(Debug)]
struct OpenStream {
    name: StreamName,
    /// None after the stream was finished.
    host: Option<host::StreamWriter>,
    lines: Vec<u8>,
    annotations: Vec<wit::Annotation>,
    records: u32,
    /// When the oldest record in `lines` came.
    since: Option<Instant>,
}

#[derive(Default)]
struct OpenStreams {
    /// By their numbers: in the order in which they were opened.
    streams: BTreeMap<u64, Rc<RefCell<OpenStream>>>,
    /// How many have been opened so far.
    count: u64,
    /// What went wrong where nobody could be told: in a drop.
    untold: Option<Failure>,
}

thread_local! {
    static OPEN_STREAMS: RefCell<OpenStreams> = RefCell::default();
}

impl StreamWriter {
    /// Opens a stream of the configured catalog. Each may be opened once.
    pub fn open(stream: impl Into<StreamName>) -> Result<Self> {
        let name = stream.into();
        let host = host::StreamWriter::open(&name.clone().into_wit()).map_err(interrupted)?;
        let stream = Rc::new(RefCell::new(OpenStream {
            name,
            host: Some(host),
            lines: Vec::new(),
            annotations: Vec::new(),
            records: 0,
            since: None,
        }));
        let number = OPEN_STREAMS.with_borrow_mut(|open| {
            open.count += 1;
            open.streams.insert(open.count, Rc::clone(&stream));
            open.count
        });
        platform::before_a_wait(|aged_at| aged_at.map_or_else(flush_all, flush_aged));
        Ok(StreamWriter { stream, number, pace: Pace::default() })
    }

    /// Writes a record: whatever becomes a JSON object.
    #[inline]
    pub fn write(&mut self, record: &impl Serialize) -> Result<()> {
        self.append(|stream| stream.append(record))
    }

    /// Writes a record that is JSON text already. It is the host that checks it.
    pub fn write_json(&mut self, record: &[u8]) -> Result<()> {
        self.append(|stream| stream.append_json(record))
    }

    /// Writes a record that is JSON text with no line break and something in it.
    pub(crate) fn write_line(&mut self, record: &[u8]) -> Result<()> {
        self.append(|stream| {
            stream.append_line(record);
            Ok(())
        })
    }

    /// Writes records that are JSON lines already: one record a line, each line whole. They leave at once, as one
    /// batch, after every record written before. A few hundred KiB at a time are best. It is the host that checks them.
    pub fn write_lines(&mut self, lines: &[u8]) -> Result<()> {
        let now = host::now();
        self.pace.looked(now);
        // The host wants a line in every batch.
        if !lines.is_empty() {
            self.say(|host| host.write(lines))?;
        }
        flush_aged(now)
    }

    /// Writes a record with something to say of it.
    pub fn write_annotated(&mut self, record: &impl Serialize, annotation: Annotation) -> Result<()> {
        self.append(|stream| {
            stream.append(record)?;
            stream.annotations.push(wit::Annotation {
                index: stream.records - 1,
                emitted_at: annotation.emitted_at,
                meta: annotation.meta,
                file_reference: annotation.file_reference,
            });
            Ok(())
        })
    }

    /// Saves the position of this stream, a JSON object, after every record written so far. The next `read` gets the
    /// last one that arrived.
    pub fn checkpoint(&mut self, state: &impl Serialize) -> Result<()> {
        let state = state::to_json(state)?;
        self.say(|host| host.checkpoint(&state))
    }

    /// Says how much there will be, as far as the source can tell: a progress bar is made of it.
    pub fn estimate(&mut self, rows: u64, bytes: u64) -> Result<()> {
        let estimate = json!({"row_estimate": rows, "byte_estimate": bytes}).to_string();
        self.say(|host| host.estimate(&estimate))
    }

    /// Says that the stream waits for a quota, until a time if it is known.
    pub fn rate_limited(&mut self, until: Option<SystemTime>) -> Result<()> {
        let mut reason = json!({"type": "RATE_LIMITED"});
        if let Some(since_1970) = until.and_then(|until| until.duration_since(UNIX_EPOCH).ok()) {
            let quota_reset = u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX);
            reason["rate_limited"] = json!({ "quota_reset": quota_reset });
        }
        let reasons = json!([reason]).to_string();
        self.say(|host| host.running(&reasons))
    }

    /// Sends what is still in the buffer.
    pub fn flush(&mut self) -> Result<()> {
        self.stream.borrow_mut().flush()
    }

    /// Ends the stream: everything there was has been written. Not needed for a stream that ends with `read`.
    pub fn complete(self) -> Result<()> {
        self.finish(Outcome::Complete)
    }

    /// Ends the stream with a failure. The other streams may go on; the sync ends with exit code 1.
    pub fn fail(self, failure: Failure) -> Result<()> {
        let name = self.stream.borrow().name.clone();
        self.finish(Outcome::Failed(failure.for_stream(name).into_wit()))
    }

    #[inline]
    fn append(&mut self, record: impl FnOnce(&mut OpenStream) -> Result<()>) -> Result<()> {
        let mut stream = self.stream.borrow_mut();
        record(&mut stream)?;
        if stream.lines.len() >= BATCH_BYTES {
            return stream.flush();
        }
        if stream.since.is_none() || self.pace.is_due() {
            let now = host::now();
            self.pace.looked(now);
            stream.since.get_or_insert(now);
            drop(stream);
            return flush_aged(now);
        }
        Ok(())
    }

    fn say(&mut self, sentence: impl FnOnce(&host::StreamWriter) -> Result<(), wit::Interruption>) -> Result<()> {
        let mut stream = self.stream.borrow_mut();
        stream.flush()?;
        match &stream.host {
            Some(host) => sentence(host).map_err(interrupted),
            None => Err(stream.finished()),
        }
    }

    fn finish(self, outcome: Outcome) -> Result<()> {
        let mut stream = self.stream.borrow_mut();
        let flushed = stream.flush();
        let finished = match stream.host.take() {
            Some(host) => host::StreamWriter::finish(host, &outcome).map_err(interrupted),
            None => Err(stream.finished()),
        };
        flushed.and(finished)
    }
}

impl Drop for StreamWriter {
    fn drop(&mut self) {
        let flushed = match self.stream.try_borrow_mut() {
            Ok(mut stream) if stream.host.is_some() => stream.flush(),
            _ => Ok(()),
        };
        // The thread's own end may have come first; then nothing is left to be told to anybody.
        let _ = OPEN_STREAMS.try_with(|open| {
            let mut open = open.borrow_mut();
            open.streams.remove(&self.number);
            if let Err(failure) = flushed {
                open.untold.get_or_insert(failure);
            }
        });
    }
}

impl OpenStream {
    fn append(&mut self, record: &(impl Serialize + ?Sized)) -> Result<()> {
        let start = self.lines.len();
        match json_line::append(&mut self.lines, record) {
            Ok(()) => {
                self.records += 1;
                Ok(())
            }
            Err(error) => {
                // Half a record must not leave.
                self.lines.truncate(start);
                Err(self.unwritable().with_internal(error))
            }
        }
    }

    fn append_json(&mut self, record: &[u8]) -> Result<()> {
        if memchr::memchr2(b'\n', b'\r', record).is_some() {
            // Only between tokens may there be a line break: whether that is so takes a parser.
            return match serde_json::from_slice::<&RawValue>(record) {
                Ok(record) => self.append(record),
                Err(error) => Err(self.unwritable().with_internal(error)),
            };
        }
        if record.trim_ascii().is_empty() {
            return Err(self.unwritable().with_internal("the record is empty text"));
        }
        self.append_line(record);
        Ok(())
    }

    fn append_line(&mut self, record: &[u8]) {
        self.lines.extend_from_slice(record);
        self.lines.push(b'\n');
        self.records += 1;
    }

    fn flush(&mut self) -> Result<()> {
        if self.lines.is_empty() {
            return Ok(());
        }
        let sent = match &self.host {
            Some(host) if self.annotations.is_empty() => host.write(&self.lines).map_err(interrupted),
            Some(host) => host.write_annotated(&self.lines, &self.annotations).map_err(interrupted),
            None => Err(self.finished()),
        };
        // After an interruption nobody takes them any more.
        self.lines.clear();
        if self.lines.capacity() > KEPT_BYTES {
            self.lines.shrink_to(BATCH_BYTES);
        }
        self.annotations.clear();
        self.records = 0;
        self.since = None;
        sent
    }

    fn unwritable(&self) -> Failure {
        let Self { name, .. } = self;
        system_error(format!(
            "A record of stream {name} can not be written as JSON: this is a defect of the connector."
        ))
        .for_stream(name)
    }

    fn finished(&self) -> Failure {
        let Self { name, .. } = self;
        system_error(format!("Stream {name} was written to after its end: this is a defect of the connector."))
            .for_stream(name)
    }
}

/// Saves the position of all streams in one, after every record written so far, through whichever writer.
/// A source uses either this or [`StreamWriter::checkpoint`], never both.
pub fn global_checkpoint<Shared: Serialize, Stream: Serialize>(state: &GlobalState<Shared, Stream>) -> Result<()> {
    let state = state.to_wit()?;
    flush_all()?;
    host::global_checkpoint(&state).map_err(interrupted)
}

/// Sends what every stream still holds, and forgets the streams: `read` has returned.
pub(crate) fn flush_at_the_end() -> Result<()> {
    let flushed = flush_all();
    // The numbers go on: a writer that outlives its `read` must not end the stream of another.
    let (_streams, untold) =
        OPEN_STREAMS.with_borrow_mut(|open| (std::mem::take(&mut open.streams), open.untold.take()));
    untold.map_or(flushed, Err)
}

/// Sends what every open stream holds.
fn flush_all() -> Result<()> {
    flush_each(|_| true)
}

/// Sends the batches that have grown old, of whichever stream.
fn flush_aged(now: Instant) -> Result<()> {
    flush_each(|stream| stream.since.is_some_and(|since| now.saturating_duration_since(since) >= BATCH_AGE))
}

fn flush_each(which: impl Fn(&OpenStream) -> bool) -> Result<()> {
    OPEN_STREAMS.with_borrow(|open| {
        let mut result = Ok(());
        for stream in open.streams.values() {
            // A stream that is borrowed is being written to at this moment, and looks after itself.
            if let Ok(mut stream) = stream.try_borrow_mut() {
                if which(&stream) {
                    result = result.and(stream.flush());
                }
            }
        }
        result
    })
}
