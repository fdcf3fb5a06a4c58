//! The way out: everything the process says goes through one bounded queue to one thread, which checks records, keeps the
//! order of the protocol and writes whole lines to stdout. Knows nothing of WebAssembly or of why something is said.

use std::collections::HashSet;
use std::io::{self, Write};
use std::mem;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError, RwLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value};

use super::Interruption;
use super::failure::Failure;
use super::log_level::LogLevel;
use super::message::{self, Estimate, StreamStatus};
use super::queue::{Queue, Refused, Weighed};
use super::record_lines::RecordLines;
use super::secrets::{Masked, Secrets};
use super::stdout::{self, LineBuffer, Stdout};
use super::stream_name::StreamName;

pub use super::record_lines::Annotation;

/// How many bytes may wait to be written: enough to keep the writer busy, little enough to be no burden.
const QUEUE_BYTES: usize = 2 * 1024 * 1024;

/// A wait looks this often whether the sync is interrupted.
const WAIT_STEP: Duration = Duration::from_millis(100);

/// Which stream of the configured catalog: its place there.
pub type StreamIndex = usize;

/// How much may be said.
#[derive(Debug, Clone, Copy)]
pub struct OutputOptions {
    /// LOG messages of less importance are left out.
    pub max_log_level: LogLevel,
    /// A longer record is refused.
    pub max_record_bytes: usize,
}

/// A handle to the output: cheap to clone, usable from every thread.
#[derive(Clone)]
pub struct Output {
    shared: Arc<Shared>,
}

struct Shared {
    queue: Queue<Event>,
    options: OutputOptions,
    /// One of the constants below: read on every call of a guest, so no lock.
    interruption: AtomicU8,
    refusal: Mutex<Option<String>>,
    trace_errors: AtomicU64,
    secrets: RwLock<Secrets>,
    /// Set when the process is ended from outside: nobody else will end the streams.
    forced: AtomicBool,
    /// Set when the writer must give up at the next whole line.
    abandoned: AtomicBool,
    /// Whether the writer has ended, and who waits for that.
    ended: (Mutex<bool>, Condvar),
    /// The streams of the configured catalog: their names are no secrets.
    configured: OnceLock<HashSet<StreamName>>,
    /// Called once, at the first interruption.
    on_interruption: Mutex<Vec<Box<dyn Fn() + Send + Sync>>>,
}

const RUNNING: u8 = 0;
const CANCELLED: u8 = 1;
const TIMED_OUT: u8 = 2;
const REFUSED: u8 = 3;
const CLOSED: u8 = 4;

/// What the writer thread is told.
enum Event {
    /// Whole lines, ready.
    Lines(Vec<u8>),
    /// What the guest gave was refused; the lines say why. No record or state comes after it.
    Refused(Vec<u8>),
    Streams(Vec<StreamName>),
    Opened(StreamIndex),
    Records {
        stream: StreamIndex,
        records: Vec<u8>,
        annotations: Vec<Annotation>,
        emitted_at: i64,
    },
    StreamState {
        stream: StreamIndex,
        state: Box<RawValue>,
    },
    GlobalState {
        shared: Option<Box<RawValue>>,
        streams: Vec<(StreamName, Box<RawValue>)>,
    },
    Running {
        stream: StreamIndex,
        reasons: Box<RawValue>,
    },
    Ended {
        stream: StreamIndex,
        complete: bool,
    },
    /// Answered when everything before it is on stdout.
    Written(SyncSender<()>),
}

impl Weighed for Event {
    fn weight(&self) -> usize {
        let content = match self {
            Event::Lines(lines) | Event::Refused(lines) => lines.len(),
            Event::Records { records, annotations, .. } => {
                records.len() + annotations.iter().map(Annotation::weight).sum::<usize>()
            }
            Event::StreamState { state, .. } => state.get().len(),
            Event::GlobalState { shared, streams } => {
                let shared = shared.as_ref().map_or(0, |shared| shared.get().len());
                shared + streams.iter().map(|(name, state)| name.name.len() + state.get().len()).sum::<usize>()
            }
            Event::Running { reasons, .. } => reasons.get().len(),
            _ => 0,
        };
        mem::size_of::<Event>() + content
    }
}

impl Output {
    /// Starts the writer thread, which writes to stdout.
    pub fn start(options: OutputOptions) -> io::Result<(Output, OutputThread)> {
        Output::start_on(Stdout, options)
    }

    /// The same, where stdout is something else: a test's.
    pub fn start_on(stdout: impl Write + Send + 'static, options: OutputOptions) -> io::Result<(Output, OutputThread)> {
        let output = Output {
            shared: Arc::new(Shared {
                queue: Queue::new(QUEUE_BYTES),
                options,
                interruption: AtomicU8::new(RUNNING),
                refusal: Mutex::default(),
                trace_errors: AtomicU64::new(0),
                secrets: RwLock::default(),
                forced: AtomicBool::new(false),
                abandoned: AtomicBool::new(false),
                ended: Default::default(),
                configured: OnceLock::new(),
                on_interruption: Mutex::default(),
            }),
        };
        let writer = Writer {
            output: output.clone(),
            streams: Vec::new(),
            records_since_global_state: 0,
            refused: false,
            lines: LineBuffer::new(Box::new(stdout)),
        };
        let thread = std::thread::Builder::new().name("output".into()).spawn(move || writer.run())?;
        Ok((output.clone(), OutputThread { output, thread }))
    }

    /// Why nothing more can be said, if so.
    pub fn interruption(&self) -> Option<Interruption> {
        match self.shared.interruption.load(Ordering::Acquire) {
            CANCELLED => Some(Interruption::Cancelled),
            TIMED_OUT => Some(Interruption::TimedOut),
            REFUSED => {
                let reason = self.shared.refusal.lock().unwrap_or_else(PoisonError::into_inner);
                Some(Interruption::Refused(reason.clone().unwrap_or_default()))
            }
            CLOSED => Some(Interruption::Closed),
            _ => None,
        }
    }

    /// From now on guests are told that the sync is cancelled. What the host says still goes out.
    pub fn cancel(&self) {
        self.interrupt(CANCELLED);
        self.shared.queue.interrupt();
    }

    /// From now on guests are told that the sync is cancelled, because its time is over, which the TRACE ERROR says. Nothing happens
    /// where it is interrupted already.
    pub fn time_out(&self, failure: &Failure) {
        if self.interruption().is_none() {
            // Before anybody hears of it: what a guest does then comes after.
            self.trace_error(failure);
            self.interrupt(TIMED_OUT);
            self.shared.queue.interrupt();
        }
    }

    /// From now on guests are told that their data is refused, and no record or state that they give leaves any more: a sync in
    /// which something was refused must not go on as if it had been there. What came before leaves. The TRACE ERROR that says
    /// why is told once, however often a guest goes on.
    pub fn refuse(&self, failure: &Failure) {
        if self.set_refused(failure) {
            let line = self.trace_error_line(failure);
            self.push_now(Event::Refused(line));
        }
    }

    /// Whether this is the first refusal.
    fn set_refused(&self, failure: &Failure) -> bool {
        let mut refusal = self.shared.refusal.lock().unwrap_or_else(PoisonError::into_inner);
        // When its time is over, that is what ended the sync, and it has been told.
        let first = refusal.is_none() && self.shared.interruption.load(Ordering::Acquire) != TIMED_OUT;
        refusal.get_or_insert_with(|| failure.message.clone());
        drop(refusal);
        self.interrupt(REFUSED);
        first
    }

    fn interrupt(&self, reason: u8) {
        // The graver reason stays.
        let before = self.shared.interruption.fetch_max(reason, Ordering::AcqRel);
        if before == RUNNING {
            for call in self.shared.on_interruption.lock().unwrap_or_else(PoisonError::into_inner).iter() {
                call();
            }
        }
    }

    /// Calls `call` once, at the first interruption from now on; at once where it has been.
    pub fn on_interruption(&self, call: impl Fn() + Send + Sync + 'static) {
        let mut calls = self.shared.on_interruption.lock().unwrap_or_else(PoisonError::into_inner);
        // Under the lock: whoever interrupts just now calls those that are there, and no others.
        if self.shared.interruption.load(Ordering::Acquire) == RUNNING {
            calls.push(Box::new(call));
        } else {
            call();
        }
    }

    fn push(&self, event: Event) {
        // A closed queue means that stdout is gone; `interruption` tells that to whoever asks.
        let _ = self.shared.queue.push(event, false);
    }

    /// Like `push` for what must not wait: who says it may be the one that ends a process whose reader does not read.
    fn push_now(&self, event: Event) {
        let _ = self.shared.queue.push_now(event);
    }

    /// Like `push` for what a guest gives: its wait for room ends when the sync is cancelled.
    fn push_data(&self, event: Event) -> Result<(), Interruption> {
        if let Some(interruption) = self.interruption() {
            return Err(interruption);
        }
        match self.shared.queue.push(event, true) {
            Ok(()) => Ok(()),
            Err(Refused::Interrupted) => Err(self.interruption().unwrap_or(Interruption::Cancelled)),
            Err(Refused::Closed) => Err(Interruption::Closed),
        }
    }

    /// A longer record is refused.
    pub fn max_record_bytes(&self) -> usize {
        self.shared.options.max_record_bytes
    }

    /// The least important level that is logged.
    pub fn max_log_level(&self) -> LogLevel {
        self.shared.options.max_log_level
    }

    /// A LOG message, secrets masked, if its level is wanted.
    pub fn log(&self, level: LogLevel, text: &str) {
        if level <= self.shared.options.max_log_level {
            self.push(Event::Lines(self.log_line(level, text)));
        }
    }

    /// Like `log`, without waiting for a reader. For what is said when the process is about to be ended.
    pub fn log_now(&self, level: LogLevel, text: &str) {
        if level <= self.shared.options.max_log_level {
            self.push_now(Event::Lines(self.log_line(level, text)));
        }
    }

    fn log_line(&self, level: LogLevel, text: &str) -> Vec<u8> {
        message::log(level, &self.mask(text))
    }

    /// A LOG message of what a guest printed, secrets masked. Where its line goes on, the end of `text` may be half a secret: then
    /// less of it may be taken than there is. Gives what was taken, as people may read it, also where it is not logged.
    pub fn log_printed(&self, level: LogLevel, text: &[u8], goes_on: bool) -> Masked {
        let secrets = self.shared.secrets.read().unwrap_or_else(PoisonError::into_inner);
        let limit = if goes_on { text.len().saturating_sub(secrets.longest()) } else { text.len() };
        let masked = secrets.mask_up_to(text, limit);
        drop(secrets);
        if level <= self.shared.options.max_log_level && !masked.text.trim().is_empty() {
            self.push(Event::Lines(message::log(level, &masked.text)));
        }
        masked
    }

    /// The beginning of a text, for a message that quotes it, secrets masked.
    pub fn quoted(&self, text: &[u8], bytes: usize) -> String {
        let masked = self.shared.secrets.read().unwrap_or_else(PoisonError::into_inner).mask_up_to(text, bytes);
        if masked.bytes < text.len() { masked.text + " …" } else { masked.text }
    }

    /// A TRACE ERROR message, secrets masked.
    pub fn trace_error(&self, failure: &Failure) {
        let line = self.trace_error_line(failure);
        self.push_now(Event::Lines(line));
    }

    fn trace_error_line(&self, failure: &Failure) -> Vec<u8> {
        self.shared.trace_errors.fetch_add(1, Ordering::AcqRel);
        let mut failure = failure.clone();
        failure.message = self.mask(&failure.message);
        failure.internal_message = failure.internal_message.map(|text| self.mask(&text));
        failure.stack_trace = failure.stack_trace.map(|text| self.mask(&text));
        failure.stream = failure.stream.map(|stream| self.mask_stream(stream));
        failure.details = mask_fields(failure.details, &|text| self.mask(text));
        message::trace_error(&failure)
    }

    /// The name of a stream that a guest made up may be a secret.
    fn mask_stream(&self, stream: StreamName) -> StreamName {
        if self.shared.configured.get().is_some_and(|configured| configured.contains(&stream)) {
            return stream;
        }
        StreamName { name: self.mask(&stream.name), namespace: stream.namespace.map(|namespace| self.mask(&namespace)) }
    }

    /// A TRACE ANALYTICS message, secrets masked.
    pub fn analytics(&self, kind: &str, value: Option<&str>) {
        self.line(message::analytics(&self.mask(kind), value.map(|value| self.mask(value)).as_deref()));
    }

    /// How many TRACE ERROR messages there were: after one, the exit code is not 0.
    pub fn trace_errors(&self) -> u64 {
        self.shared.trace_errors.load(Ordering::Acquire)
    }

    /// A line that `message` made.
    pub fn line(&self, line: Vec<u8>) {
        self.push(Event::Lines(line));
    }

    /// CONNECTION_STATUS, secrets masked in its message.
    pub fn connection_status(&self, failed: Option<&str>) {
        self.line(message::connection_status(failed.map(|text| self.mask(text)).as_deref()));
    }

    /// From now on the secrets of `config` are masked, which is read of `text`.
    pub fn hide_secrets(&self, specification: &Value, text: &str, config: &Value) -> Result<(), String> {
        let mut secrets = Secrets::named_by(specification.clone());
        secrets.add_configured(text, config)?;
        *self.shared.secrets.write().unwrap_or_else(PoisonError::into_inner) = secrets;
        Ok(())
    }

    /// From now on this host is masked if `value`, which names it in the config, is a secret.
    pub fn hide_host(&self, host: &str, value: &Value) -> Result<(), String> {
        self.shared.secrets.write().unwrap_or_else(PoisonError::into_inner).add_host(host, value)
    }

    /// CONTROL with a new config, whose secrets are masked from now on. Returns when it is on stdout. One whose secrets can not
    /// be masked is refused, and the sync goes on.
    pub fn config_changed(&self, config: &RawValue) -> Result<(), Interruption> {
        let learned = match serde_json::from_str(config.get()) {
            Ok(value) => {
                self.shared.secrets.write().unwrap_or_else(PoisonError::into_inner).learn(config.get(), &value)
            }
            Err(error) => Err(format!("it can not be read: {error}")),
        };
        learned.map_err(|problem| Interruption::Refused(format!("The new config was not passed on: {problem}.")))?;
        self.line(message::config_changed(config));
        self.wait_until_written();
        match self.interruption() {
            Some(Interruption::Closed) => Err(Interruption::Closed),
            _ => Ok(()),
        }
    }

    fn mask(&self, text: &str) -> String {
        let secrets = self.shared.secrets.read().unwrap_or_else(PoisonError::into_inner);
        let Masked { text: masked, bytes } = secrets.mask_up_to(text.as_bytes(), MAX_TEXT_BYTES);
        if bytes < text.len() { format!("{masked} … ({} bytes more)", text.len() - bytes) } else { masked }
    }

    /// The same document, if there is no secret in it. In the text of one it may be written in any way that JSON allows.
    fn mask_document(&self, document: Box<RawValue>) -> Box<RawValue> {
        let Ok(value) = serde_json::from_str::<Value>(document.get()) else { return document };
        let masked = mask_value(value.clone(), &|text| self.mask(text));
        if masked == value { document } else { to_raw_value(&masked).unwrap_or(document) }
    }

    /// The streams of the configured catalog, in its order: `StreamIndex` speaks of them. Said before any of them is opened.
    pub fn set_streams(&self, streams: Vec<StreamName>) {
        let _ = self.shared.configured.set(streams.iter().cloned().collect());
        self.push(Event::Streams(streams));
    }

    /// The stream has been opened: STARTED.
    pub fn stream_opened(&self, stream: StreamIndex) -> Result<(), Interruption> {
        self.push_data(Event::Opened(stream))
    }

    /// Records of a stream, one JSON object a line.
    pub fn records(
        &self,
        stream: StreamIndex,
        records: Vec<u8>,
        annotations: Vec<Annotation>,
    ) -> Result<(), Interruption> {
        self.push_data(Event::Records { stream, records, annotations, emitted_at: message::now() })
    }

    /// STATE of a stream.
    pub fn stream_state(&self, stream: StreamIndex, state: Box<RawValue>) -> Result<(), Interruption> {
        self.push_data(Event::StreamState { stream, state })
    }

    /// GLOBAL STATE.
    pub fn global_state(
        &self,
        shared: Option<Box<RawValue>>,
        streams: Vec<(StreamName, Box<RawValue>)>,
    ) -> Result<(), Interruption> {
        self.push_data(Event::GlobalState { shared, streams })
    }

    /// TRACE ESTIMATE of a stream.
    pub fn estimate(&self, stream: &StreamName, estimate: &Estimate) -> Result<(), Interruption> {
        self.push_data(Event::Lines(message::estimate(stream, estimate)))
    }

    /// RUNNING, for these reasons (a JSON array), secrets masked.
    pub fn stream_running(&self, stream: StreamIndex, reasons: Box<RawValue>) -> Result<(), Interruption> {
        let reasons = self.mask_document(reasons);
        self.push_data(Event::Running { stream, reasons })
    }

    /// The stream has ended: COMPLETE, or INCOMPLETE. A refusal on the way makes it INCOMPLETE.
    pub fn stream_ended(&self, stream: StreamIndex, complete: bool) {
        self.push(Event::Ended { stream, complete });
    }

    /// Waits for so long. Ends early where the sync is interrupted, also by a reader that went away unnoticed, for nothing was
    /// written meanwhile.
    pub fn wait(&self, time: Duration) -> Result<(), Interruption> {
        // None is later than any clock shows.
        let end = Instant::now().checked_add(time);
        loop {
            if let Some(interruption) = self.interruption() {
                return Err(interruption);
            }
            let left = end.map_or(WAIT_STEP, |end| end.saturating_duration_since(Instant::now()));
            if stdout::reader_goes_away_within(left.min(WAIT_STEP)) {
                self.interrupt(CLOSED);
            } else if left.is_zero() {
                return Ok(());
            }
        }
    }

    /// Waits until everything said so far is on stdout, or stdout is gone.
    pub fn wait_until_written(&self) {
        let (answer, answered) = sync_channel(1);
        self.push(Event::Written(answer));
        // An error means that the writer dropped the question: stdout is gone.
        let _ = answered.recv();
    }

    /// Writes what is left, for `patience` at most; then gives up at the next whole line, waiting as long again. Streams that have
    /// not ended are INCOMPLETE. For a process that is about to be ended. Only a reader that takes nothing at all can make a line be
    /// torn.
    pub fn end_within(&self, patience: Duration) {
        self.shared.forced.store(true, Ordering::Release);
        self.shared.queue.close();
        if !self.wait_until_ended(patience) {
            self.shared.abandoned.store(true, Ordering::Release);
            self.wait_until_ended(patience);
        }
    }

    fn wait_until_ended(&self, patience: Duration) -> bool {
        let (ended, changed) = &self.shared.ended;
        let ended = ended.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = changed.wait_timeout_while(ended, patience, |ended| !*ended);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

/// No text that people read is longer: a guest decides its length, and a platform keeps it.
const MAX_TEXT_BYTES: usize = 1024 * 1024;

fn mask_value(value: Value, mask: &dyn Fn(&str) -> String) -> Value {
    match value {
        Value::String(text) => mask(&text).into(),
        Value::Array(elements) => elements.into_iter().map(|element| mask_value(element, mask)).collect(),
        Value::Object(fields) => mask_fields(fields, mask).into(),
        Value::Number(number) => {
            let text = number.to_string();
            let masked = mask(&text);
            if masked == text { Value::Number(number) } else { masked.into() }
        }
        Value::Bool(_) | Value::Null => value,
    }
}

/// Names are a guest's as well as values.
fn mask_fields(fields: Map<String, Value>, mask: &dyn Fn(&str) -> String) -> Map<String, Value> {
    fields.into_iter().map(|(name, value)| (mask(&name), mask_value(value, mask))).collect()
}

/// The writer thread.
pub struct OutputThread {
    output: Output,
    thread: JoinHandle<io::Result<()>>,
}

impl OutputThread {
    /// Writes what is left and ends the thread. The error is the one that stdout gave.
    pub fn finish(self) -> io::Result<()> {
        self.output.shared.queue.close();
        self.thread.join().unwrap_or_else(|_| Err(io::Error::other("the output thread panicked")))
    }
}

struct Writer {
    output: Output,
    streams: Vec<Stream>,
    records_since_global_state: u64,
    /// Something was refused: no record or state that is still on its way may leave, for it came after what is missing.
    refused: bool,
    lines: LineBuffer<Box<dyn Write + Send>>,
}

struct Stream {
    name: StreamName,
    record_lines: RecordLines,
    records: u64,
    records_since_state: u64,
    empty_records: u64,
    running: bool,
    ended: bool,
}

/// Ends the queue with the writer, even where that panics: nobody waits for a thread that is no more.
struct Ending(Output);

impl Drop for Ending {
    fn drop(&mut self) {
        let shared = &self.0.shared;
        shared.queue.close();
        // Whoever waits for an answer learns from the dropped question that none comes.
        while shared.queue.try_pop().is_some() {}
        let (ended, changed) = &shared.ended;
        *ended.lock().unwrap_or_else(PoisonError::into_inner) = true;
        changed.notify_all();
    }
}

impl Stream {
    fn new(name: StreamName, max_record_bytes: usize) -> Stream {
        Stream {
            record_lines: RecordLines::new(&name, max_record_bytes),
            name,
            records: 0,
            records_since_state: 0,
            empty_records: 0,
            running: false,
            ended: false,
        }
    }
}

impl Writer {
    fn run(mut self) -> io::Result<()> {
        let _ending = Ending(self.output.clone());
        let result = self.write_events();
        if result.is_err() {
            self.output.interrupt(CLOSED);
        }
        result
    }

    fn write_events(&mut self) -> io::Result<()> {
        let shared = self.output.shared.clone();
        loop {
            let event = match shared.queue.try_pop() {
                Some(event) => event,
                None => {
                    // Nothing waits: what is there leaves now, so that a slow source is seen to be alive.
                    self.lines.flush()?;
                    match shared.queue.pop(false) {
                        Some(event) => event,
                        None => return self.end_streams(),
                    }
                }
            };
            if shared.abandoned.load(Ordering::Acquire) {
                return self.end_streams();
            }
            self.handle(event)?;
            self.lines.write_if_full()?;
        }
    }

    /// The last that is written: where the process is ended from outside, nobody else has ended the streams.
    fn end_streams(&mut self) -> io::Result<()> {
        if self.output.shared.forced.load(Ordering::Acquire) {
            for stream in 0..self.streams.len() {
                if !self.streams[stream].ended {
                    self.status(stream, StreamStatus::Incomplete, None);
                }
            }
        }
        self.lines.flush()
    }

    fn handle(&mut self, event: Event) -> io::Result<()> {
        match event {
            Event::Lines(lines) => self.lines.push(&lines),
            // A record before it may have been refused meanwhile: that has been told, and once is enough.
            Event::Refused(lines) => {
                if !mem::replace(&mut self.refused, true) {
                    self.lines.push(&lines);
                }
            }
            Event::Streams(names) => {
                let max_record_bytes = self.output.shared.options.max_record_bytes;
                self.streams = names.into_iter().map(|name| Stream::new(name, max_record_bytes)).collect();
            }
            Event::Opened(stream) => self.status(stream, StreamStatus::Started, None),
            Event::Running { stream, reasons } => {
                self.streams[stream].running = true;
                self.status(stream, StreamStatus::Running, Some(&reasons));
            }
            Event::Ended { stream, complete } => {
                let dropped = self.streams[stream].empty_records;
                if dropped > 1 {
                    let text = format!("Stream {}: {dropped} empty records were dropped.", self.streams[stream].name);
                    self.log(LogLevel::Warn, &text);
                }
                self.streams[stream].ended = true;
                let status = if complete && !self.refused { StreamStatus::Complete } else { StreamStatus::Incomplete };
                self.status(stream, status, None);
            }
            Event::Written(answer) => {
                self.lines.flush()?;
                let _ = answer.send(());
            }
            Event::Records { .. } | Event::StreamState { .. } | Event::GlobalState { .. } if self.refused => {}
            Event::Records { stream, records, annotations, emitted_at } => {
                self.records(stream, &records, &annotations, emitted_at)?;
            }
            Event::StreamState { stream, state } => {
                let Stream { name, records_since_state, .. } = &mut self.streams[stream];
                let line = message::stream_state(name, &state, mem::take(records_since_state));
                self.lines.push(&line);
            }
            Event::GlobalState { shared, streams } => {
                let records = mem::take(&mut self.records_since_global_state);
                let line = message::global_state(shared.as_deref(), &streams, records);
                self.lines.push(&line);
            }
        }
        Ok(())
    }

    fn records(
        &mut self,
        index: StreamIndex,
        records: &[u8],
        annotations: &[Annotation],
        emitted_at: i64,
    ) -> io::Result<()> {
        if !self.streams[index].running {
            self.streams[index].running = true;
            self.status(index, StreamStatus::Running, None);
        }
        let stream = &mut self.streams[index];
        let checked = stream.record_lines.write(records, emitted_at, annotations, &mut self.lines)?;
        let first_empty = checked.empty > 0 && stream.empty_records == 0;
        stream.records += checked.accepted + checked.empty;
        stream.empty_records += checked.empty;
        stream.records_since_state += checked.accepted;
        self.records_since_global_state += checked.accepted;
        if first_empty {
            let text = format!(
                "Stream {}: a record without any field ({{}}) was dropped, as the Airbyte platform would. It is not counted.",
                self.streams[index].name
            );
            self.log(LogLevel::Warn, &text);
        }
        if let Some(reason) = checked.refusal {
            let Stream { name, records, .. } = &self.streams[index];
            let failure = Failure::system_error(format!(
                "Record {} of stream {name} {reason}. It and everything after it was refused. \
                 This is a defect of the connector: report it to its publisher.",
                records + 1,
            ))
            .for_stream(name);
            // Not through the queue: what waits there came after it, and nobody else empties it.
            self.refused = true;
            self.output.set_refused(&failure);
            let line = self.output.trace_error_line(&failure);
            self.lines.push(&line);
        }
        Ok(())
    }

    fn status(&mut self, stream: StreamIndex, status: StreamStatus, reasons: Option<&RawValue>) {
        let line = message::stream_status(&self.streams[stream].name, status, reasons);
        self.lines.push(&line);
    }

    fn log(&mut self, level: LogLevel, text: &str) {
        if level <= self.output.shared.options.max_log_level {
            let line = self.output.log_line(level, text);
            self.lines.push(&line);
        }
    }
}
