//! What is said, turned into lines: keeps the order of the protocol in one lane, checks records, counts them for states.
//! Knows nothing of threads, or of why something is said.

use std::collections::BTreeMap;
use std::io;
use std::mem;
use std::sync::mpsc::SyncSender;

use serde_json::value::RawValue;

use super::failure::Failure;
use super::log_level::LogLevel;
use super::message::{self, StreamStatus};
use super::output::{Output, Sink, StreamIndex};
use super::queue::Weighed;
use super::record_lines::{Annotation, RecordLines};
use super::stdout::LineBuffer;
use super::stream_name::StreamName;

/// What is said.
pub enum Event {
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
    /// From now on a lane of its own speaks of this stream.
    GivenAway(StreamIndex),
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

/// The lines of one lane.
pub struct Writer {
    output: Output,
    /// Those that this lane speaks of.
    streams: BTreeMap<StreamIndex, Stream>,
    records_since_global_state: u64,
    /// Something was refused: no record or state that is still on its way may leave, for it came after what is missing.
    refused: bool,
    lines: LineBuffer<Sink>,
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
    /// For the lane that `output` speaks in.
    pub fn new(output: Output) -> Writer {
        let lines = LineBuffer::new(output.sink());
        Writer { output, streams: BTreeMap::new(), records_since_global_state: 0, refused: false, lines }
    }

    /// Takes what is said. It is on stdout when enough has been gathered, or after `flush`.
    pub fn take(&mut self, event: Event) -> io::Result<()> {
        self.handle(event)?;
        self.lines.write_if_full()
    }

    /// Writes all there is.
    pub fn flush(&mut self) -> io::Result<()> {
        self.lines.flush()
    }

    /// The last that is written. Where the process is ended from outside, nobody else has ended the streams.
    pub fn end(&mut self, forced: bool) -> io::Result<()> {
        if forced {
            let open: Vec<StreamIndex> =
                self.streams.iter().filter(|(_, stream)| !stream.ended).map(|(index, _)| *index).collect();
            for stream in open {
                self.status(stream, StreamStatus::Incomplete, None);
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
                let max_record_bytes = self.output.max_record_bytes();
                let streams = names.into_iter().map(|name| Stream::new(name, max_record_bytes));
                self.streams = streams.enumerate().collect();
            }
            Event::GivenAway(stream) => {
                self.streams.remove(&stream);
            }
            Event::Opened(stream) => self.status(stream, StreamStatus::Started, None),
            // With a reason it may wait: that it runs is said with its first record, as by Airbyte's CDKs.
            Event::Running { stream, reasons } => self.status(stream, StreamStatus::Running, Some(&reasons)),
            Event::Ended { stream, complete } => self.end_stream(stream, complete),
            Event::Written(answer) => {
                self.lines.flush()?;
                let _ = answer.send(());
            }
            Event::Records { .. } | Event::StreamState { .. } | Event::GlobalState { .. } if self.refused => {}
            Event::Records { stream, records, annotations, emitted_at } => {
                self.records(stream, &records, &annotations, emitted_at)?;
                self.output.reuse(records);
            }
            Event::StreamState { stream, state } => {
                if let Some(Stream { name, records_since_state, .. }) = self.streams.get_mut(&stream) {
                    self.lines.push(&message::stream_state(name, &state, mem::take(records_since_state)));
                }
            }
            Event::GlobalState { shared, streams } => {
                let records = mem::take(&mut self.records_since_global_state);
                self.lines.push(&message::global_state(shared.as_deref(), &streams, records));
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
        let Some(stream) = self.streams.get_mut(&index) else { return Ok(()) };
        if !mem::replace(&mut stream.running, true) {
            self.lines.push(&message::stream_status(&stream.name, StreamStatus::Running, None));
        }
        let checked = stream.record_lines.write(records, emitted_at, annotations, &mut self.lines)?;
        let first_empty = checked.empty > 0 && stream.empty_records == 0;
        stream.records += checked.accepted + checked.empty;
        stream.empty_records += checked.empty;
        stream.records_since_state += checked.accepted;
        self.records_since_global_state += checked.accepted;
        let (name, number) = (stream.name.clone(), stream.records + 1);
        if first_empty {
            let text = format!(
                "Stream {name}: a record without any field ({{}}) was dropped, as the Airbyte platform would. It is not counted."
            );
            self.log(LogLevel::Warn, &text);
        }
        if let Some(reason) = checked.refusal {
            let failure = Failure::system_error(format!(
                "Record {number} of stream {name} {reason}. It and everything after it was refused. \
                 This is a defect of the connector: report it to its publisher.",
            ))
            .for_stream(&name);
            // Not through the queue: what waits there came after it, and nobody else empties it.
            self.refused = true;
            self.output.set_refused(&failure);
            let line = self.output.trace_error_line(&failure);
            self.lines.push(&line);
        }
        Ok(())
    }

    fn end_stream(&mut self, index: StreamIndex, complete: bool) {
        let Some(stream) = self.streams.get_mut(&index) else { return };
        stream.ended = true;
        let dropped = stream.empty_records;
        if dropped > 1 {
            let text = format!("Stream {}: {dropped} empty records were dropped.", stream.name);
            self.log(LogLevel::Warn, &text);
        }
        let status = if complete && !self.refused { StreamStatus::Complete } else { StreamStatus::Incomplete };
        self.status(index, status, None);
    }

    fn status(&mut self, stream: StreamIndex, status: StreamStatus, reasons: Option<&RawValue>) {
        if let Some(stream) = self.streams.get(&stream) {
            self.lines.push(&message::stream_status(&stream.name, status, reasons));
        }
    }

    fn log(&mut self, level: LogLevel, text: &str) {
        if level <= self.output.max_log_level() {
            let line = self.output.log_line(level, text);
            self.lines.push(&line);
        }
    }
}
