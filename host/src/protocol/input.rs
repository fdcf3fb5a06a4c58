//! The way in of a destination: a thread reads stdin, takes the messages apart and puts batches of records, checkpoints
//! and ends of streams into a bounded queue. Knows nothing of WebAssembly or of what a destination does with them.

use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;

use memchr::{memchr, memchr_iter, memrchr};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use serde_json::value::RawValue;

use super::Interruption;
use super::batches::Batches;
use super::catalog::ConfiguredCatalog;
use super::checkpoints::{CheckpointId, Checkpoints};
use super::failure::Failure;
use super::input_message::{self, InputMessage, Record, State};
use super::log_level::LogLevel;
use super::message;
use super::output::{Annotation, Output, StreamIndex};
use super::queue::{Queue, Weighed};
use super::record_beginnings::{PlainRecord, RecordBeginnings};
use super::stream_name::StreamName;

pub use super::batches::RecordBatch;

/// How many bytes of records may wait for the destination.
const QUEUE_BYTES: usize = 2 * 1024 * 1024;

/// How many bytes are asked of stdin at once.
const READ_SIZE: usize = 256 * 1024;

/// How much longer than its record a line may be: the envelope with all its names.
const ENVELOPE_BYTES: usize = 64 * 1024;

/// How much of a line that is no message is repeated in the log.
const QUOTED_BYTES: usize = 200;

/// What comes in.
#[derive(Debug)]
pub enum Item {
    /// Records of one stream.
    Records(RecordBatch),
    /// A STATE, after every record it covers.
    Checkpoint(Checkpoint),
    /// The end of a stream.
    StreamEnd {
        /// The stream.
        stream: StreamIndex,
        /// It has come to its end; false where the source did not finish it.
        complete: bool,
    },
    /// A message that has no case of its own, on one line.
    Other(String),
}

/// A STATE of the input.
#[derive(Debug)]
pub struct Checkpoint {
    /// What it covers, and how it is committed.
    pub id: CheckpointId,
    /// The AirbyteStateMessage.
    pub state: String,
    /// How many records it covers.
    pub records: u32,
}

/// What the reader thread puts into the queue.
enum Event {
    Item(Item),
    /// The input broke a rule: nothing after it counts.
    Failed(Failure),
    /// The end of the input, with the streams that the source did not finish.
    End {
        incomplete: Vec<StreamName>,
    },
}

impl Weighed for Event {
    fn weight(&self) -> usize {
        let content = match self {
            Event::Item(Item::Records(batch)) => batch.weight(),
            // Once for the destination, once for its echo.
            Event::Item(Item::Checkpoint(checkpoint)) => 2 * checkpoint.state.len(),
            Event::Item(Item::Other(text)) => text.len(),
            _ => 0,
        };
        size_of::<Event>() + content
    }
}

/// The input as a destination takes it.
pub struct Input {
    queue: Arc<Queue<Event>>,
    checkpoints: Arc<Checkpoints>,
    catalog: Arc<ConfiguredCatalog>,
    output: Output,
    /// What is left of a batch that was larger than was asked for.
    rest: Option<RecordBatch>,
    ended: bool,
    incomplete: Vec<StreamName>,
}

/// Ends the wait of a destination for input, from another thread.
#[derive(Clone)]
pub struct InputInterrupter(Arc<Queue<Event>>);

impl InputInterrupter {
    /// From now on no wait for input is long.
    pub fn interrupt(&self) {
        self.0.interrupt();
    }
}

impl Input {
    /// Starts the thread that reads `stdin`.
    pub fn start(
        stdin: impl AsFd + Send + 'static,
        catalog: Arc<ConfiguredCatalog>,
        max_record_bytes: usize,
        output: Output,
    ) -> io::Result<Input> {
        let queue = Arc::new(Queue::new(QUEUE_BYTES));
        let checkpoints = Arc::new(Checkpoints::default());
        let reader = Reader {
            queue: queue.clone(),
            checkpoints: checkpoints.clone(),
            output: output.clone(),
            streams: catalog.streams().iter().map(|_| Stream::default()).collect(),
            catalog: catalog.clone(),
            batches: Batches::default(),
            last_stream: None,
            beginnings: RecordBeginnings::default(),
            records_since_global_state: 0,
            data_seen: false,
            statuses_seen: false,
            error_seen: false,
            line_number: 0,
            max_record_bytes,
        };
        // Nobody joins it: it may wait for stdin for ever, and the process ends without it.
        std::thread::Builder::new().name("input".into()).spawn(move || reader.run(&stdin))?;
        Ok(Input { queue, checkpoints, catalog, output, rest: None, ended: false, incomplete: Vec::new() })
    }

    /// What ends a wait for input.
    pub fn interrupter(&self) -> InputInterrupter {
        InputInterrupter(self.queue.clone())
    }

    /// Waits for the next item; none at the end. A batch has about `max_bytes` at most, but at least one record.
    pub fn next(&mut self, max_bytes: usize) -> Result<Option<Item>, Interruption> {
        if let Some(interruption) = self.output.interruption() {
            return Err(interruption);
        }
        let batch = match self.rest.take() {
            Some(rest) => rest,
            None if self.ended => return Ok(None),
            None => match self.queue.pop(true) {
                Some(Event::Item(Item::Records(batch))) => batch,
                Some(Event::Item(item)) => return Ok(Some(item)),
                Some(Event::End { incomplete }) => {
                    self.ended = true;
                    self.incomplete = incomplete;
                    return Ok(None);
                }
                Some(Event::Failed(failure)) => {
                    self.output.refuse(&failure);
                    return Err(Interruption::Refused(failure.message));
                }
                None => return Err(self.interrupted()),
            },
        };
        let mut batch = batch;
        self.rest = batch.split_off(max_bytes);
        Ok(Some(Item::Records(batch)))
    }

    /// Why the wait for input ended without any.
    fn interrupted(&self) -> Interruption {
        self.output.interruption().unwrap_or_else(|| {
            let failure = Failure::system_error(
                "airlock itself failed while it read the input. This is a defect of airlock: report it with what it printed \
                 on stderr.",
            );
            self.output.refuse(&failure);
            Interruption::Refused(failure.message)
        })
    }

    /// The destination promises that what this checkpoint covers is safe: it is echoed as soon as order allows.
    pub fn commit(&self, id: &CheckpointId, rejected: u32) -> Result<(), Interruption> {
        for line in self.checkpoints.commit(id, rejected) {
            self.output.line(line);
        }
        match self.output.interruption() {
            Some(Interruption::Closed) => Err(Interruption::Closed),
            _ => Ok(()),
        }
    }

    /// The streams of the configured catalog: items speak of them by their place.
    pub fn streams(&self) -> &[StreamName] {
        self.catalog.streams()
    }

    /// Whether the destination has been given everything.
    pub fn ended(&self) -> bool {
        self.ended
    }

    /// How many checkpoints have come and were not committed.
    pub fn uncommitted(&self) -> usize {
        self.checkpoints.uncommitted()
    }

    /// The streams that the source did not finish. Known at the end.
    pub fn incomplete(&self) -> &[StreamName] {
        &self.incomplete
    }
}

impl Drop for Input {
    fn drop(&mut self) {
        // The reader need not wait for room any more.
        self.queue.close();
    }
}

/// Ends the queue with the reader, even where that panics: nobody waits for a thread that is no more.
struct Ending(Arc<Queue<Event>>);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// The reader thread.
struct Reader {
    queue: Arc<Queue<Event>>,
    checkpoints: Arc<Checkpoints>,
    output: Output,
    catalog: Arc<ConfiguredCatalog>,
    streams: Vec<Stream>,
    batches: Batches,
    /// The stream of the last record that was read the long way: most often that of the next as well.
    last_stream: Option<(StreamName, StreamIndex)>,
    beginnings: RecordBeginnings,
    records_since_global_state: u32,
    /// A record or a state came.
    data_seen: bool,
    statuses_seen: bool,
    /// The source told of a failure.
    error_seen: bool,
    line_number: u64,
    max_record_bytes: usize,
}

#[derive(Default)]
struct Stream {
    records_since_state: u32,
    complete: bool,
}

/// Why the reader stops before the end.
enum Stop {
    /// The input is at fault.
    Failed(Failure),
    /// Nobody takes items any more.
    Closed,
}

impl Reader {
    fn run(mut self, stdin: &impl AsFd) {
        let _ending = Ending(self.queue.clone());
        let last = match self.read_lines(stdin) {
            Ok(()) => Event::End { incomplete: self.incomplete() },
            Err(Stop::Failed(failure)) => Event::Failed(failure),
            Err(Stop::Closed) => return,
        };
        let _ = self.queue.push(last, false);
    }

    fn read_lines(&mut self, stdin: &impl AsFd) -> Result<(), Stop> {
        let mut buffer: Vec<u8> = Vec::with_capacity(2 * READ_SIZE);
        loop {
            self.flush_old_batches(stdin)?;
            buffer.reserve(READ_SIZE);
            // What was there before has no line's end: a huge line is searched once, not once a read.
            let searched = buffer.len();
            match rustix::io::read(stdin, rustix::buffer::spare_capacity(&mut buffer)) {
                Ok(0) => break,
                Ok(_) => {}
                Err(Errno::INTR | Errno::AGAIN) => continue,
                Err(error) => {
                    return Err(Stop::Failed(Failure::system_error(format!(
                        "stdin can not be read after line {}: {}.",
                        self.line_number,
                        io::Error::from(error)
                    ))));
                }
            }
            if let Some(end) = memrchr(b'\n', &buffer[searched..]) {
                let end = searched + end;
                self.lines(&buffer[..end])?;
                buffer.drain(..=end);
            }
            // Before its end has come: a line without one must not fill the memory.
            if buffer.len() > self.max_record_bytes.saturating_add(ENVELOPE_BYTES) {
                self.line_number += 1;
                return Err(self.too_long());
            }
        }
        if !buffer.is_empty() {
            self.lines(&buffer)?;
        }
        self.end()
    }

    /// Waits for input for no longer than records may be held back; then, or if that has passed, lets them go.
    fn flush_old_batches(&mut self, stdin: &impl AsFd) -> Result<(), Stop> {
        let Some(left) = self.batches.time_left() else {
            // Nothing is held: wait in read(2), or in poll(2) for a descriptor that does not block.
            let _ = poll(&mut [PollFd::new(stdin, PollFlags::IN)], None);
            return Ok(());
        };
        let timeout = Timespec { tv_sec: left.as_secs() as _, tv_nsec: left.subsec_nanos().into() };
        let ready = poll(&mut [PollFd::new(stdin, PollFlags::IN)], Some(&timeout));
        if ready == Ok(0) || left.is_zero() {
            for batch in self.batches.take_all() {
                self.send(Item::Records(batch))?;
            }
        }
        Ok(())
    }

    fn send(&self, item: Item) -> Result<(), Stop> {
        self.queue.push(Event::Item(item), false).map_err(|_| Stop::Closed)
    }

    fn send_other(&self, line: &str) -> Result<(), Stop> {
        self.send(Item::Other(line.trim_ascii().to_owned()))
    }

    fn failed(&self, problem: &str) -> Stop {
        Stop::Failed(Failure::system_error(format!(
            "Line {} of the input {problem}. Nothing after it was taken, and no STATE after it is echoed: \
             look at what the source printed there.",
            self.line_number
        )))
    }

    fn too_long(&self) -> Stop {
        self.failed(&format!(
            "holds more than the {} bytes that a record may have (raise the limit with --max-record-bytes)",
            self.max_record_bytes
        ))
    }

    /// Takes whole lines, without the last line break. What can be looked for in all of them at once is.
    fn lines(&mut self, lines: &[u8]) -> Result<(), Stop> {
        let lines = match lines.strip_prefix("\u{feff}".as_bytes()) {
            Some(rest) if self.line_number == 0 => rest,
            _ => lines,
        };
        // White space in JSON that is valid, but what passes on as it came must not look like two lines to anybody.
        let without_carriage_returns: Vec<u8>;
        let lines = if memchr(b'\r', lines).is_some() {
            without_carriage_returns = lines.iter().copied().filter(|byte| *byte != b'\r').collect();
            &without_carriage_returns
        } else {
            lines
        };
        let text = std::str::from_utf8(lines);
        let mut start = 0;
        for end in memchr_iter(b'\n', lines).chain([lines.len()]) {
            match text {
                Ok(text) => self.line(&text[start..end])?,
                Err(_) => self.line_of_bytes(&lines[start..end])?,
            }
            start = end + 1;
        }
        Ok(())
    }

    /// Takes a line where one, this or another, is not UTF-8.
    fn line_of_bytes(&mut self, line: &[u8]) -> Result<(), Stop> {
        if let Ok(line) = std::str::from_utf8(line) {
            return self.line(line);
        }
        self.line_number += 1;
        input_message::pass_over_broken_text(line).map_err(|problem| self.failed(&problem))?;
        self.log_unknown(line);
        Ok(())
    }

    fn line(&mut self, line: &str) -> Result<(), Stop> {
        self.line_number += 1;
        if let Some(PlainRecord { stream, data, emitted_at }) = self.beginnings.read(line) {
            return self.add_record(stream, data, emitted_at, None);
        }
        match input_message::parse(line).map_err(|problem| self.failed(&problem))? {
            InputMessage::Record(record) => self.record(line, &record),
            InputMessage::State(state) => self.state(state),
            InputMessage::StreamStatus { stream, complete } => self.stream_status(line, &stream, complete),
            InputMessage::Error => {
                self.error_seen = true;
                self.send_other(line)
            }
            InputMessage::OtherTrace => self.send_other(line),
            InputMessage::Ignored => Ok(()),
            InputMessage::Unknown => {
                self.log_unknown(line.as_bytes());
                Ok(())
            }
        }
    }

    fn log_unknown(&self, line: &[u8]) {
        let line = line.trim_ascii();
        if line.is_empty() {
            return;
        }
        let quoted = self.output.quoted(line, QUOTED_BYTES);
        let text =
            format!("Line {} of the input is no message that is known and was passed over: {quoted}", self.line_number);
        self.output.log(LogLevel::Info, &text);
    }

    /// Takes a record that was read the long way, and learns from it how to read the next.
    fn record(&mut self, line: &str, record: &Record) -> Result<(), Stop> {
        let stream = self.stream_of(record)?;
        self.beginnings.learn(line, record, stream);
        let owned = |value: Option<&RawValue>| value.map(ToOwned::to_owned);
        let annotation = (record.meta.is_some() || record.file_reference.is_some()).then(|| Annotation {
            index: 0,
            emitted_at: None,
            meta: owned(record.meta),
            file_reference: owned(record.file_reference),
        });
        let emitted_at = record.emitted_at().unwrap_or_else(message::now);
        self.add_record(stream, record.data.get(), emitted_at, annotation)
    }

    fn add_record(
        &mut self,
        index: StreamIndex,
        data: &str,
        emitted_at: i64,
        annotation: Option<Annotation>,
    ) -> Result<(), Stop> {
        if data.len() > self.max_record_bytes {
            return Err(self.too_long());
        }
        let stream = &mut self.streams[index];
        if stream.complete {
            let name = &self.catalog.streams()[index];
            return Err(self.failed(&format!("is a record of stream {name}, which was COMPLETE before it")));
        }
        self.data_seen = true;
        stream.records_since_state = stream.records_since_state.saturating_add(1);
        self.records_since_global_state = self.records_since_global_state.saturating_add(1);
        for batch in self.batches.add(index, data, emitted_at, annotation) {
            self.send(Item::Records(batch))?;
        }
        Ok(())
    }

    fn stream_of(&mut self, record: &Record) -> Result<StreamIndex, Stop> {
        let name = record.stream.0.as_ref();
        let namespace = record.namespace.as_ref().map(|namespace| namespace.0.as_ref());
        if let Some((last, index)) = &self.last_stream
            && last.name == name
            && last.namespace.as_deref() == namespace
        {
            return Ok(*index);
        }
        let name = StreamName { name: name.to_owned(), namespace: namespace.map(ToOwned::to_owned) };
        let Some(index) = self.catalog.index_of(&name) else {
            return Err(self.failed(&format!("is a record of stream {name}, which is not in the configured catalog")));
        };
        self.last_stream = Some((name, index));
        Ok(index)
    }

    fn state(&mut self, state: State) -> Result<(), Stop> {
        let State { stream, state, echo } = state;
        let index = stream.as_ref().and_then(|stream| self.catalog.index_of(stream));
        let records = match (&stream, index) {
            (_, Some(index)) => {
                if let Some(batch) = self.batches.take(index) {
                    self.send(Item::Records(batch))?;
                }
                std::mem::take(&mut self.streams[index].records_since_state)
            }
            (Some(stream), None) => {
                let problem = format!("is a STATE of stream {stream}, which is not in the configured catalog");
                return Err(self.failed(&problem));
            }
            (None, _) => {
                for batch in self.batches.take_all() {
                    self.send(Item::Records(batch))?;
                }
                std::mem::take(&mut self.records_since_global_state)
            }
        };
        self.data_seen = true;
        let id = self.checkpoints.add(stream, records, echo);
        self.send(Item::Checkpoint(Checkpoint { id, state, records }))
    }

    fn stream_status(&mut self, line: &str, stream: &StreamName, complete: bool) -> Result<(), Stop> {
        self.statuses_seen = true;
        match self.catalog.index_of(stream) {
            Some(index) if complete => {
                if !self.streams[index].complete {
                    self.streams[index].complete = true;
                    self.end_stream(index, true)?;
                }
                Ok(())
            }
            // INCOMPLETE waits for the end of the input: the source may try again.
            _ => self.send_other(line),
        }
    }

    fn end_stream(&mut self, stream: StreamIndex, complete: bool) -> Result<(), Stop> {
        if let Some(batch) = self.batches.take(stream) {
            self.send(Item::Records(batch))?;
        }
        self.send(Item::StreamEnd { stream, complete })
    }

    fn end(&mut self) -> Result<(), Stop> {
        // A source that never speaks of statuses is one of the old kind: its end is the end of all streams. But one that says
        // nothing at all may have died before it could, and then a destination must not replace what it has with nothing.
        let ends_all = self.data_seen && !self.tells_of_streams();
        for stream in 0..self.streams.len() {
            if !self.streams[stream].complete {
                self.end_stream(stream, ends_all)?;
            }
        }
        Ok(())
    }

    /// Whether the source is of the kind that says how its streams are doing, or that it failed.
    fn tells_of_streams(&self) -> bool {
        self.statuses_seen || self.error_seen
    }

    fn incomplete(&self) -> Vec<StreamName> {
        if !self.tells_of_streams() {
            return Vec::new();
        }
        let names = self.catalog.streams().iter().zip(&self.streams);
        names.filter(|(_, stream)| !stream.complete).map(|(name, _)| name.clone()).collect()
    }
}
