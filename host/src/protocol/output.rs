//! The way out: everything the process says. It leaves in lanes (`lane`), each with a writer that keeps the order of the protocol
//! (`writer`), as whole lines on one stdout. Knows nothing of WebAssembly or of why something is said.

use std::collections::HashSet;
use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use std::time::{Duration, Instant};

use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value};

use super::Interruption;
use super::failure::Failure;
use super::lane::{Ending, Lane, Unsaid};
use super::log_level::LogLevel;
use super::message::{self, Estimate};
use super::secrets::{Masked, Secrets};
use super::stdout::{self, LineSink, Stdout};
use super::stream_name::StreamName;
use super::writer::{Event, Writer};

pub use super::record_lines::Annotation;

/// How many buffers are kept for the next records, and how large they may be.
const KEPT_BUFFERS: usize = 4;
const KEPT_BUFFER_BYTES: usize = 1024 * 1024;

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

/// A handle to the output, which speaks in one lane: cheap to clone, usable from every thread.
#[derive(Clone)]
pub struct Output {
    shared: Arc<Shared>,
    speaker: Arc<Speaker>,
}

/// What all lanes have in common.
struct Shared {
    options: OutputOptions,
    stdout: Mutex<SharedStdout>,
    /// The first is the main lane, the others are streams'.
    lanes: Mutex<Vec<Arc<Speaker>>>,
    ending: Arc<Ending>,
    /// One of the constants below: read on every call of a guest, so no lock.
    interruption: AtomicU8,
    trace_errors: AtomicU64,
    secrets: RwLock<Secrets>,
    /// The streams of the configured catalog: their names are no secrets.
    configured: OnceLock<HashSet<StreamName>>,
}

impl Shared {
    /// A lane has ended.
    fn forget(&self, lane: &Arc<Speaker>) {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner).retain(|other| !Arc::ptr_eq(other, lane));
    }
}

/// A lane, and what those who speak in it are told.
struct Speaker {
    lane: Arc<Lane>,
    /// A refusal in the main lane is one of the whole sync; in that of a stream, of this alone.
    is_main: bool,
    /// Buffers that held records, and may hold others.
    buffers: Mutex<Vec<Vec<u8>>>,
    refused: AtomicBool,
    refusal: Mutex<Option<String>>,
    /// Called once, at the first interruption that this lane hears of.
    on_interruption: Mutex<Vec<Box<dyn Fn() + Send + Sync>>>,
}

/// Stdout as the lanes share it: whatever is written at once stays together.
pub struct Sink(Arc<Shared>);

struct SharedStdout {
    writer: Box<dyn Write + Send>,
    /// What the system said when it could not be written to, if it said something. From then on nothing is: the last line may be
    /// torn, and what came after it would be taken for its end.
    failed: Option<Option<i32>>,
}

impl SharedStdout {
    fn usable(&self) -> io::Result<()> {
        match self.failed {
            None => Ok(()),
            Some(Some(code)) => Err(io::Error::from_raw_os_error(code)),
            Some(None) => Err(io::Error::other("a write failed")),
        }
    }
}

impl LineSink for Sink {
    fn write_lines(&mut self, parts: &[&[u8]]) -> io::Result<()> {
        let mut stdout = self.0.stdout.lock().unwrap_or_else(PoisonError::into_inner);
        stdout.usable()?;
        let written = parts.iter().try_for_each(|part| stdout.writer.write_all(part));
        if let Err(error) = &written {
            stdout.failed = Some(error.raw_os_error());
        }
        written
    }
}

const RUNNING: u8 = 0;
const CANCELLED: u8 = 1;
const TIMED_OUT: u8 = 2;
const REFUSED: u8 = 3;
const CLOSED: u8 = 4;

impl Output {
    /// Writes to stdout. Until `write_behind`, what is said is there when the call returns.
    pub fn start(options: OutputOptions) -> Output {
        Output::start_on(Stdout, options)
    }

    /// The same, where stdout is something else: a test's.
    pub fn start_on(stdout: impl Write + Send + 'static, options: OutputOptions) -> Output {
        let shared = Arc::new(Shared {
            options,
            stdout: Mutex::new(SharedStdout { writer: Box::new(stdout), failed: None }),
            lanes: Mutex::default(),
            ending: Arc::default(),
            interruption: AtomicU8::new(RUNNING),
            trace_errors: AtomicU64::new(0),
            secrets: RwLock::default(),
            configured: OnceLock::new(),
        });
        Output::open_lane(shared, true)
    }

    fn open_lane(shared: Arc<Shared>, is_main: bool) -> Output {
        let speaker = Arc::new(Speaker {
            lane: Arc::new(Lane::new(shared.ending.clone())),
            is_main,
            buffers: Mutex::default(),
            refused: AtomicBool::new(false),
            refusal: Mutex::default(),
            on_interruption: Mutex::default(),
        });
        shared.lanes.lock().unwrap_or_else(PoisonError::into_inner).push(speaker.clone());
        let output = Output { shared, speaker };
        output.speaker.lane.put(Box::new(Writer::new(output.clone())));
        output
    }

    /// A lane of its own for one of the streams of the configured catalog, which is the only one that is spoken of there: as stream 0.
    /// What is refused in it is no matter of the others.
    pub fn lane_for(&self, stream: StreamIndex, name: &StreamName) -> io::Result<Output> {
        let output = Output::open_lane(self.shared.clone(), false);
        if let Err(error) = output.write_behind() {
            self.shared.forget(&output.speaker);
            return Err(error);
        }
        self.push(Event::GivenAway(stream));
        output.push(Event::Streams(vec![name.clone()]));
        // Whoever ended the others just now may not have seen this one.
        if self.shared.ending.is_forced() {
            output.speaker.lane.close();
        }
        Ok(output)
    }

    /// From now on a thread writes what is said in this lane, and saying it does not wait for stdout.
    pub fn write_behind(&self) -> io::Result<()> {
        let output = self.clone();
        self.speaker.lane.write_behind(move || output.interrupt(CLOSED))
    }

    /// Writes what is left, and ends the lane. The error is the one that stdout gave, in whatever lane.
    pub fn finish(&self) -> io::Result<()> {
        let result = self.speaker.lane.finish();
        if !self.speaker.is_main {
            self.shared.forget(&self.speaker);
        }
        result.and_then(|()| self.shared.stdout.lock().unwrap_or_else(PoisonError::into_inner).usable())
    }

    /// Where this lane's lines go.
    pub fn sink(&self) -> Sink {
        Sink(self.shared.clone())
    }

    fn lanes(&self) -> Vec<Arc<Speaker>> {
        self.shared.lanes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Why nothing more can be said, if so.
    pub fn interruption(&self) -> Option<Interruption> {
        let refused = if self.speaker.refused.load(Ordering::Acquire) { REFUSED } else { RUNNING };
        match self.shared.interruption.load(Ordering::Acquire).max(refused) {
            CANCELLED => Some(Interruption::Cancelled),
            TIMED_OUT => Some(Interruption::TimedOut),
            REFUSED => Some(Interruption::Refused(self.refusal())),
            CLOSED => Some(Interruption::Closed),
            _ => None,
        }
    }

    /// Why this lane's data, or everybody's, is refused.
    fn refusal(&self) -> String {
        let said = |lane: &Speaker| lane.refusal.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let of_all = || self.lanes().iter().find(|lane| lane.is_main).and_then(|lane| said(lane));
        said(&self.speaker).or_else(of_all).unwrap_or_default()
    }

    /// From now on guests are told that the sync is cancelled. What the host says still goes out.
    pub fn cancel(&self) {
        self.interrupt(CANCELLED);
        self.lanes().iter().for_each(|lane| lane.lane.interrupt());
    }

    /// From now on guests are told that the sync is cancelled, because its time is over, which the TRACE ERROR says. Nothing happens
    /// where it is interrupted already.
    pub fn time_out(&self, failure: &Failure) {
        if self.interruption().is_none() {
            // Before anybody hears of it: what a guest does then comes after.
            self.trace_error(failure);
            self.interrupt(TIMED_OUT);
            self.lanes().iter().for_each(|lane| lane.lane.interrupt());
        }
    }

    /// From now on guests are told that their data is refused, and no record or state that they give leaves any more: a sync in
    /// which something was refused must not go on as if it had been there. What came before leaves. The TRACE ERROR that says
    /// why is told once, however often a guest goes on. In the main lane all guests are meant, in a stream's the one that reads it.
    pub fn refuse(&self, failure: &Failure) {
        if self.set_refused(failure) {
            let line = self.trace_error_line(failure);
            self.push_now(Event::Refused(line));
        }
    }

    /// Whether this is the first refusal.
    pub(super) fn set_refused(&self, failure: &Failure) -> bool {
        let mut refusal = self.speaker.refusal.lock().unwrap_or_else(PoisonError::into_inner);
        // When its time is over, that is what ended the sync, and it has been told.
        let first = refusal.is_none() && self.shared.interruption.load(Ordering::Acquire) != TIMED_OUT;
        refusal.get_or_insert_with(|| failure.message.clone());
        drop(refusal);
        if self.speaker.is_main {
            self.interrupt(REFUSED);
        } else {
            self.speaker.refused.store(true, Ordering::Release);
            self.speaker.interrupted();
        }
        first
    }

    fn interrupt(&self, reason: u8) {
        // The graver reason stays.
        let before = self.shared.interruption.fetch_max(reason, Ordering::AcqRel);
        if before == RUNNING {
            self.lanes().iter().for_each(|lane| lane.interrupted());
        }
    }

    /// Calls `call` once, at the first interruption from now on; at once where it has been.
    pub fn on_interruption(&self, call: impl Fn() + Send + Sync + 'static) {
        let mut calls = self.speaker.on_interruption.lock().unwrap_or_else(PoisonError::into_inner);
        // Under the lock: whoever interrupts just now calls those that are there, and no others.
        if self.interruption().is_none() {
            calls.push(Box::new(call));
        } else {
            drop(calls);
            call();
        }
    }

    fn push(&self, event: Event) {
        // A lane that has ended means that stdout is gone; `interruption` tells that to whoever asks.
        if let Err(Unsaid::StdoutGone) = self.speaker.lane.say(event, false) {
            self.interrupt(CLOSED);
        }
    }

    /// Like `push` for what must not wait: who says it may be the one that ends a process whose reader does not read.
    fn push_now(&self, event: Event) {
        if let Err(Unsaid::StdoutGone) = self.speaker.lane.say_now(event) {
            self.interrupt(CLOSED);
        }
    }

    /// Like `push` for what a guest gives: its wait for room ends when the sync is cancelled.
    fn push_data(&self, event: Event) -> Result<(), Interruption> {
        if let Some(interruption) = self.interruption() {
            return Err(interruption);
        }
        match self.speaker.lane.say(event, true) {
            Ok(()) => Ok(()),
            Err(Unsaid::Interrupted) => Err(self.interruption().unwrap_or(Interruption::Cancelled)),
            Err(Unsaid::Ended) => Err(Interruption::Closed),
            Err(Unsaid::StdoutGone) => {
                self.interrupt(CLOSED);
                Err(Interruption::Closed)
            }
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

    pub(super) fn log_line(&self, level: LogLevel, text: &str) -> Vec<u8> {
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

    pub(super) fn trace_error_line(&self, failure: &Failure) -> Vec<u8> {
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

    /// An empty buffer for records, most often one that held some before: a new one would cost the kernel's pages.
    pub fn record_buffer(&self) -> Vec<u8> {
        self.speaker.buffers.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    /// Takes a buffer back whose records are written.
    pub(super) fn reuse(&self, mut buffer: Vec<u8>) {
        let mut buffers = self.speaker.buffers.lock().unwrap_or_else(PoisonError::into_inner);
        if buffers.len() < KEPT_BUFFERS && buffer.capacity() <= KEPT_BUFFER_BYTES {
            buffer.clear();
            buffers.push(buffer);
        }
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
    /// not ended are INCOMPLETE. For a process that is about to be ended. Only a reader that takes next to nothing can make a line be
    /// torn.
    pub fn end_within(&self, patience: Duration) {
        self.shared.ending.force();
        // Nobody begins anything.
        self.interrupt(CANCELLED);
        let lanes = self.lanes();
        lanes.iter().for_each(|lane| lane.lane.close());
        if !all_end_within(&lanes, patience) {
            self.shared.ending.abandon();
            all_end_within(&lanes, patience);
        }
    }
}

fn all_end_within(lanes: &[Arc<Speaker>], patience: Duration) -> bool {
    let end = Instant::now() + patience;
    // Every one is asked, also after one that takes too long.
    lanes
        .iter()
        .map(|lane| lane.lane.ends_within(end.saturating_duration_since(Instant::now())))
        .fold(true, |all, one| all & one)
}

impl Speaker {
    /// Tells whoever asked for it and has not been told.
    fn interrupted(&self) {
        let calls = std::mem::take(&mut *self.on_interruption.lock().unwrap_or_else(PoisonError::into_inner));
        calls.iter().for_each(|call| call());
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A stdout that takes so many bytes and then fails once, in the middle of a line, and never again.
    struct FailsOnce {
        left: usize,
        failed: bool,
        taken: Arc<Mutex<Vec<u8>>>,
    }

    impl Write for FailsOnce {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.left == 0 && !std::mem::replace(&mut self.failed, true) {
                return Err(io::Error::from_raw_os_error(28));
            }
            let count = if self.failed { bytes.len() } else { bytes.len().min(self.left) };
            self.left -= count.min(self.left);
            self.taken.lock().unwrap().extend_from_slice(&bytes[..count]);
            Ok(count)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn nothing_follows_a_line_that_a_failed_write_tore() {
        let taken = Arc::<Mutex<Vec<u8>>>::default();
        let stdout = FailsOnce { left: 1000, failed: false, taken: taken.clone() };
        let output = Output::start_on(stdout, OutputOptions { max_log_level: LogLevel::Info, max_record_bytes: 1000 });
        output.write_behind().unwrap();
        let names = ["one", "two"].map(|name| StreamName { name: name.to_owned(), namespace: None });
        output.set_streams(names.to_vec());
        let lanes: Vec<Output> =
            names.iter().enumerate().map(|(stream, name)| output.lane_for(stream, name).unwrap()).collect();
        for _ in 0..100 {
            for lane in &lanes {
                // Both may be told that nobody reads any more.
                let _ = lane.records(0, b"{\"n\":1}\n".to_vec(), Vec::new());
                lane.wait_until_written();
            }
        }
        for lane in lanes.iter().chain([&output]) {
            assert_eq!(lane.finish().unwrap_err().raw_os_error(), Some(28), "everybody learns of it");
        }
        let taken = taken.lock().unwrap();
        assert_eq!(taken.len(), 1000);
        assert_eq!(output.interruption(), Some(Interruption::Closed));
    }
}
