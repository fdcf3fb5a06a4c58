//! Runs a connector in a native test: a host that lives in memory and writes down what it is told.
//!
//! Not part of a component. It keeps the contract's order and nothing of Airbyte's protocol: what the real host checks
//! and refuses is not checked here.
//!
//! ```
//! # use airlock_sdk::*;
//! # struct Nothing;
//! # #[derive(serde::Deserialize, schemars::JsonSchema)] struct Config {}
//! # impl Source for Nothing {
//! #     type Config = Config;
//! #     fn check(_: Config) -> Result<()> { Ok(()) }
//! #     fn discover(_: Config) -> Result<Catalog> { Ok(Catalog::default()) }
//! #     fn read(_: Config, _: ConfiguredCatalog, _: SavedState) -> Result<()> {
//! #         StreamWriter::open("users")?.write(&serde_json::json!({"id": 1}))
//! #     }
//! # }
//! use airlock_sdk::testing::Host;
//! use serde_json::json;
//!
//! let run = Host::new().read::<Nothing>(&json!({}), &json!({"streams": []}));
//! assert_eq!(run.result, Ok(()));
//! assert_eq!(run.records("users"), [json!({"id": 1})]);
//! ```
//!
//! An API is a function from requests to responses:
//!
//! ```
//! use airlock_sdk::http::Client;
//! use airlock_sdk::testing::{Host, HttpResponse};
//! use serde_json::json;
//!
//! let mut busy = true;
//! let host = Host::new().answering(move |_| match std::mem::take(&mut busy) {
//!     true => HttpResponse::new(429).header("retry-after", 60),
//!     false => HttpResponse::json(&json!([{"id": 1}])),
//! });
//! let run = host.run(|| Client::new("https://api.example")?.get("users").send().map(drop));
//! assert_eq!(run.result, Ok(()));
//! assert_eq!(run.requests()[1].url, "https://api.example/users");
//! assert_eq!(run.waits()[0].as_secs(), 60);
//! ```

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt;
use std::time::{Duration, Instant, SystemTime};

use serde_json::Value;

use crate::bindings::destination::airlock::connector::input as wit_input;
use crate::bindings::destination::exports::airlock::connector::destination_commands::Guest as DestinationGuest;
use crate::bindings::source::airlock::connector::types as wit;
use crate::bindings::source::exports::airlock::connector::source_commands::Guest as SourceGuest;
use crate::connector::{Destination, Source};
use crate::export::{self, DestinationComponent, SourceComponent};
use crate::failure::{Failure, FailureKind, Interruption};
use crate::http::Timeouts;
pub use crate::http::Trouble as HttpTrouble;
use crate::input::CheckpointScope;
use crate::state::SavedState;
use crate::stream_name::StreamName;
use crate::stream_writer::Annotation;

/// What a connector told the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A stream was opened.
    Opened(StreamName),
    /// A batch of records arrived.
    Records {
        /// The stream.
        stream: StreamName,
        /// One record a line.
        lines: String,
        /// What was said of some of them, with their index.
        annotations: Vec<(u32, Annotation)>,
    },
    /// A stream's position was saved.
    Checkpoint {
        /// The stream.
        stream: StreamName,
        /// The state, as JSON text.
        state: String,
    },
    /// The position of all streams was saved.
    GlobalCheckpoint {
        /// What they share, as JSON text.
        shared: Option<String>,
        /// What is particular to each stream, as JSON text.
        streams: Vec<(StreamName, String)>,
    },
    /// A stream said how much there will be.
    Estimate {
        /// The stream.
        stream: StreamName,
        /// The estimate, as JSON text.
        estimate: String,
    },
    /// A stream said how it is doing.
    Running {
        /// The stream.
        stream: StreamName,
        /// Airbyte's reasons, as JSON text.
        reasons: String,
    },
    /// A stream was ended by its writer: complete, or failed with a message.
    Finished {
        /// The stream.
        stream: StreamName,
        /// What failed, if it did.
        failed: Option<String>,
    },
    /// A message was logged.
    Log(String),
    /// The configuration was changed to this, as JSON text.
    ConfigChanged(String),
    /// The connector waited for so long, without that any time passed.
    Waited(Duration),
    /// A request was sent.
    Requested(HttpRequest),
    /// A measurement was sent.
    Analytics {
        /// What was measured.
        kind: String,
        /// The value.
        value: Option<String>,
    },
    /// A checkpoint of the input was committed.
    Committed {
        /// What it covers.
        scope: CheckpointScope,
        /// The state, as JSON text.
        state: String,
        /// How many of its records the destination did not take.
        rejected: u32,
    },
}

/// What came of a run.
#[derive(Debug)]
pub struct Run {
    /// What the connector told the host, in order.
    pub events: Vec<Event>,
    /// What the command returned.
    pub result: Result<(), Failure>,
}

impl Run {
    /// The records of a stream.
    ///
    /// # Panics
    /// When one of them is not JSON.
    pub fn records(&self, stream: impl Into<StreamName>) -> Vec<Value> {
        let name = stream.into();
        let lines = self.events.iter().filter_map(|event| match event {
            Event::Records { stream, lines, .. } if *stream == name => Some(lines.lines()),
            _ => None,
        });
        lines
            .flatten()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("record {line:?} of {name}: {error}")))
            .collect()
    }

    /// The states of a stream.
    ///
    /// # Panics
    /// When one of them is not JSON.
    pub fn checkpoints(&self, stream: impl Into<StreamName>) -> Vec<Value> {
        let name = stream.into();
        let states = self.events.iter().filter_map(|event| match event {
            Event::Checkpoint { stream, state } if *stream == name => Some(state),
            _ => None,
        });
        states
            .map(|state| {
                serde_json::from_str(state).unwrap_or_else(|error| panic!("state {state:?} of {name}: {error}"))
            })
            .collect()
    }

    /// The states that the destination committed.
    pub fn committed(&self) -> Vec<&str> {
        let committed = self.events.iter().filter_map(|event| match event {
            Event::Committed { state, .. } => Some(state.as_str()),
            _ => None,
        });
        committed.collect()
    }

    /// The requests that were sent, redirects and further tries included.
    pub fn requests(&self) -> Vec<&HttpRequest> {
        let requests = self.events.iter().filter_map(|event| match event {
            Event::Requested(request) => Some(request),
            _ => None,
        });
        requests.collect()
    }

    /// How long the connector waited, each time.
    pub fn waits(&self) -> Vec<Duration> {
        let waits = self.events.iter().filter_map(|event| match event {
            Event::Waited(time) => Some(*time),
            _ => None,
        });
        waits.collect()
    }
}

/// A request as it left the connector, secrets included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpRequest {
    /// GET, for example.
    pub method: String,
    /// The whole URL.
    pub url: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// Empty where there is none.
    pub body: Vec<u8>,
    /// How long it may wait.
    pub timeouts: Timeouts,
}

impl HttpRequest {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// What a server answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpResponse {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    trouble: Option<HttpTrouble>,
    /// What passes before each part of the body.
    pause: Duration,
    /// Whether the trouble comes in the place of a response, and not at the end of what there is of its body.
    silent: bool,
}

impl HttpResponse {
    /// A response with this status and nothing in it.
    pub fn new(status: u16) -> Self {
        HttpResponse {
            status,
            headers: Vec::new(),
            body: Vec::new(),
            pause: Duration::ZERO,
            trouble: None,
            silent: false,
        }
    }

    /// A response 200 with this in it.
    pub fn json(value: &Value) -> Self {
        HttpResponse::new(200).header("content-type", "application/json").body(value.to_string())
    }

    /// No response comes.
    pub fn none(trouble: HttpTrouble) -> Self {
        HttpResponse { trouble: Some(trouble), silent: true, ..HttpResponse::new(0) }
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl fmt::Display) -> Self {
        self.headers.push((name.to_owned(), value.to_string()));
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Lets so much time pass before each part of the body; a part has up to 1000 bytes.
    #[must_use]
    pub fn pausing(mut self, time: Duration) -> Self {
        self.pause = time;
        self
    }

    /// After what there is of the body, this happens.
    #[must_use]
    pub fn breaking_off(mut self, trouble: HttpTrouble) -> Self {
        self.trouble = Some(trouble);
        self
    }
}

type Answer = dyn FnMut(&HttpRequest) -> HttpResponse;

/// Answers requests.
#[derive(Default)]
struct Server(Option<Box<Answer>>);

impl fmt::Debug for Server {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(if self.0.is_some() { "Server" } else { "None" })
    }
}

/// One item of a destination's input.
#[derive(Clone, Debug)]
pub struct InputItem(Scripted);

#[derive(Clone, Debug)]
enum Scripted {
    Item(ScriptedItem),
    Interruption(wit::Interruption),
}

#[derive(Clone, Debug)]
enum ScriptedItem {
    Records(wit_input::RecordBatch),
    Checkpoint(wit_input::CheckpointScope, String),
    StreamEnd(wit_input::StreamEnd),
    Other(String),
}

/// A batch of records, all read at this time.
pub fn records(stream: impl Into<StreamName>, emitted_at: i64, records: &[Value]) -> InputItem {
    let lines: String = records.iter().map(|record| format!("{record}\n")).collect();
    InputItem(Scripted::Item(ScriptedItem::Records(wit_input::RecordBatch {
        stream_name: stream.into().into_wit(),
        records: lines.into_bytes(),
        emitted_at: vec![emitted_at; records.len()],
        annotations: Vec::new(),
    })))
}

/// A checkpoint of one stream. `state` is what the destination gets to see as the source's message.
pub fn checkpoint(stream: impl Into<StreamName>, state: &Value) -> InputItem {
    InputItem(Scripted::Item(ScriptedItem::Checkpoint(
        wit_input::CheckpointScope::Stream(stream.into().into_wit()),
        state.to_string(),
    )))
}

/// A checkpoint of all streams. `state` is what the destination gets to see as the source's message.
pub fn global_checkpoint(state: &Value) -> InputItem {
    InputItem(Scripted::Item(ScriptedItem::Checkpoint(wit_input::CheckpointScope::Global, state.to_string())))
}

/// The end of a stream that the source finished.
pub fn stream_complete(stream: impl Into<StreamName>) -> InputItem {
    stream_end(stream.into(), wit_input::StreamOutcome::Complete)
}

/// The end of a stream that the source did not finish.
pub fn stream_incomplete(stream: impl Into<StreamName>) -> InputItem {
    stream_end(stream.into(), wit_input::StreamOutcome::Incomplete)
}

fn stream_end(stream: StreamName, outcome: wit_input::StreamOutcome) -> InputItem {
    InputItem(Scripted::Item(ScriptedItem::StreamEnd(wit_input::StreamEnd { stream_name: stream.into_wit(), outcome })))
}

/// A message that has no case of its own.
pub fn other(message: &Value) -> InputItem {
    InputItem(Scripted::Item(ScriptedItem::Other(message.to_string())))
}

/// The host ends the sync here.
pub fn interruption(interruption: Interruption) -> InputItem {
    InputItem(Scripted::Interruption(to_wit(interruption)))
}

/// A host that lives in memory.
#[derive(Debug, Default)]
pub struct Host {
    state: SavedState,
    interrupt: Option<(usize, wit::Interruption)>,
    server: Server,
}

impl Host {
    /// A host without a saved state.
    pub fn new() -> Self {
        Host::default()
    }

    /// Starts the read from the state of some streams.
    #[must_use]
    pub fn with_state<N: Into<StreamName>>(self, streams: impl IntoIterator<Item = (N, Value)>) -> Self {
        let streams = streams.into_iter().map(|(name, state)| (name.into(), state.to_string()));
        self.with_saved_state(SavedState::Streams(streams.collect()))
    }

    /// Starts the read from this state.
    #[must_use]
    pub fn with_saved_state(mut self, state: SavedState) -> Self {
        self.state = state;
        self
    }

    /// Takes so many batches and checkpoints of a source, and interrupts it at the next one.
    #[must_use]
    pub fn interrupting_after(mut self, taken: usize, interruption: Interruption) -> Self {
        self.interrupt = Some((taken, to_wit(interruption)));
        self
    }

    /// Answers the connector's requests, wherever they go. Without it, no request is allowed.
    #[must_use]
    pub fn answering(mut self, answer: impl FnMut(&HttpRequest) -> HttpResponse + 'static) -> Self {
        self.server = Server(Some(Box::new(answer)));
        self
    }

    /// Runs a part of a source: `check`, or a function that reads one stream.
    pub fn run(self, part: impl FnOnce() -> Result<(), Failure>) -> Run {
        let memory = Memory { interrupt: self.interrupt, server: self.server, ..Memory::default() };
        run(memory, || export::source_part(part))
    }

    /// Runs `read`.
    pub fn read<S: Source>(self, config: &Value, catalog: &Value) -> Run {
        let state = match self.state {
            SavedState::None => wit::SavedState::None,
            SavedState::Streams(streams) => wit::SavedState::Streams(stream_states(streams)),
            SavedState::Global { shared, streams } => {
                wit::SavedState::Global(wit::GlobalState { shared, streams: stream_states(streams) })
            }
        };
        run(Memory { interrupt: self.interrupt, server: self.server, ..Memory::default() }, || {
            SourceComponent::<S>::read(config.to_string(), catalog.to_string(), state)
        })
    }

    /// Runs `write`.
    pub fn write<D: Destination>(
        self,
        config: &Value,
        catalog: &Value,
        input: impl IntoIterator<Item = InputItem>,
    ) -> Run {
        run(Memory { input: input.into_iter().collect(), server: self.server, ..Memory::default() }, || {
            DestinationComponent::<D>::write(config.to_string(), catalog.to_string())
        })
    }
}

/// Lets time pass, for the writers of this thread's next or running `read`. A writer's own waits take no real time
/// either.
pub fn pass_time(time: Duration) {
    PASSED.with_borrow_mut(|passed| *passed += time);
}

fn run(memory: Memory, command: impl FnOnce() -> Result<(), wit::Failure>) -> Run {
    MEMORY.set(memory);
    let result = command().map_err(from_wit);
    Run { events: MEMORY.take().events, result }
}

fn from_wit(failure: wit::Failure) -> Failure {
    let kind = match failure.kind {
        wit::FailureKind::ConfigError => FailureKind::ConfigError,
        wit::FailureKind::TransientError => FailureKind::TransientError,
        wit::FailureKind::SystemError => FailureKind::SystemError,
    };
    let mut converted = Failure::new(kind, failure.message);
    if let Some(internal_message) = failure.internal_message {
        converted = converted.with_internal(internal_message);
    }
    if let Some(stream) = failure.stream_name {
        converted = converted.for_stream(StreamName::from(stream));
    }
    converted
}

fn stream_states(streams: BTreeMap<StreamName, String>) -> Vec<wit::StreamState> {
    streams.into_iter().map(|(name, state)| wit::StreamState { stream_name: name.into_wit(), state }).collect()
}

fn to_wit(interruption: Interruption) -> wit::Interruption {
    match interruption {
        Interruption::Closed => wit::Interruption::Closed,
        Interruption::Cancelled => wit::Interruption::Cancelled,
        Interruption::Refused(why) => wit::Interruption::Refused(why),
    }
}

#[derive(Debug, Default)]
struct Memory {
    events: Vec<Event>,
    interrupt: Option<(usize, wit::Interruption)>,
    taken: usize,
    input: VecDeque<InputItem>,
    /// Records handed out since the last checkpoint, of each stream.
    handed_out: HashMap<StreamName, u32>,
    handed_out_since_global: u32,
    server: Server,
}

impl Memory {
    fn ask(&self) -> Result<(), wit::Interruption> {
        match &self.interrupt {
            Some((after, interruption)) if self.taken >= *after => Err(interruption.clone()),
            _ => Ok(()),
        }
    }

    fn take(&mut self, event: Event) -> Result<(), wit::Interruption> {
        self.ask()?;
        self.taken += 1;
        self.events.push(event);
        Ok(())
    }
}

thread_local! {
    static MEMORY: RefCell<Memory> = RefCell::default();
    static PASSED: RefCell<Duration> = const { RefCell::new(Duration::ZERO) };
}

/// The contract's imports, with the same names and signatures as the generated ones.
pub(crate) mod imports {
    use super::*;
    use crate::bindings::source::airlock::connector::host::LogLevel;
    use crate::bindings::source::airlock::connector::output::Outcome;
    use crate::bindings::source::airlock::connector::tls;
    use crate::failure::interrupted;
    use crate::http::Trouble;
    use crate::http::transport::{Incoming, Outgoing};

    fn tell(event: Event) {
        MEMORY.with_borrow_mut(|memory| memory.events.push(event));
    }

    fn take(event: Event) -> Result<(), wit::Interruption> {
        MEMORY.with_borrow_mut(|memory| memory.take(event))
    }

    pub(crate) fn now() -> Instant {
        Instant::now() + PASSED.with_borrow(|passed| *passed)
    }

    pub(crate) fn wait(milliseconds: u64) -> Result<(), wit::Interruption> {
        MEMORY.with_borrow(Memory::ask)?;
        let time = Duration::from_millis(milliseconds);
        pass_time(time);
        // To ask whether the sync goes on is no wait.
        if !time.is_zero() {
            tell(Event::Waited(time));
        }
        Ok(())
    }

    pub(crate) fn time() -> SystemTime {
        SystemTime::now() + PASSED.with_borrow(|passed| *passed)
    }

    pub(crate) fn send(outgoing: &Outgoing<'_>) -> Result<Incoming, Trouble> {
        MEMORY.with_borrow(Memory::ask).map_err(|interruption| Trouble::Interrupted(interrupted(interruption)))?;
        let request = HttpRequest {
            method: outgoing.method.to_owned(),
            url: outgoing.url.to_string(),
            headers: outgoing.headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            body: outgoing.body.to_vec(),
            timeouts: outgoing.timeouts,
        };
        tell(Event::Requested(request.clone()));
        // The answer may itself let time pass.
        let Some(mut answer) = MEMORY.with_borrow_mut(|memory| memory.server.0.take()) else {
            return Err(Trouble::Denied);
        };
        let response = answer(&request);
        MEMORY.with_borrow_mut(|memory| memory.server = Server(Some(answer)));
        match response.trouble {
            Some(trouble) if response.silent => Err(trouble),
            trouble => Ok(Incoming {
                status: response.status,
                headers: response.headers.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value)).collect(),
                body: IncomingBody { rest: response.body.into(), pause: response.pause, trouble },
            }),
        }
    }

    #[derive(Debug)]
    pub(crate) struct IncomingBody {
        rest: VecDeque<u8>,
        pause: Duration,
        trouble: Option<Trouble>,
    }

    impl IncomingBody {
        /// In small pieces, as a network may give them.
        pub(crate) fn read(&mut self, most: u64) -> Result<Option<Vec<u8>>, Trouble> {
            let length = self.rest.len().min(most.min(1000) as usize);
            if length > 0 {
                pass_time(self.pause);
                return Ok(Some(self.rest.drain(..length).collect()));
            }
            self.trouble.clone().map_or(Ok(None), Err)
        }
    }

    pub(crate) fn log(_level: LogLevel, message: &str) {
        // Logging may happen while this thread ends.
        let _ = MEMORY.try_with(|memory| {
            memory.borrow_mut().events.push(Event::Log(message.to_owned()));
        });
    }

    pub(crate) fn max_log_level() -> LogLevel {
        LogLevel::Info
    }

    pub(crate) fn config_changed(config: &str) -> Result<(), wit::Interruption> {
        take(Event::ConfigChanged(config.to_owned()))
    }

    pub(crate) fn analytics(kind: &str, value: Option<&str>) {
        tell(Event::Analytics { kind: kind.to_owned(), value: value.map(str::to_owned) });
    }

    pub(crate) fn global_checkpoint(state: &wit::GlobalState) -> Result<(), wit::Interruption> {
        take(Event::GlobalCheckpoint {
            shared: state.shared.clone(),
            streams: state
                .streams
                .iter()
                .map(|stream| (stream.stream_name.clone().into(), stream.state.clone()))
                .collect(),
        })
    }

    #[derive(Debug)]
    pub(crate) struct StreamWriter {
        name: StreamName,
    }

    impl StreamWriter {
        pub(crate) fn open(name: &wit::StreamName) -> Result<StreamWriter, wit::Interruption> {
            let name = StreamName::from(name.clone());
            tell(Event::Opened(name.clone()));
            Ok(StreamWriter { name })
        }

        pub(crate) fn write(&self, records: &[u8]) -> Result<(), wit::Interruption> {
            self.write_annotated(records, &[])
        }

        pub(crate) fn write_annotated(
            &self,
            records: &[u8],
            annotations: &[wit::Annotation],
        ) -> Result<(), wit::Interruption> {
            take(Event::Records {
                stream: self.name.clone(),
                lines: String::from_utf8_lossy(records).into_owned(),
                annotations: annotations
                    .iter()
                    .map(|annotation| {
                        (
                            annotation.index,
                            Annotation {
                                emitted_at: annotation.emitted_at,
                                meta: annotation.meta.clone(),
                                file_reference: annotation.file_reference.clone(),
                            },
                        )
                    })
                    .collect(),
            })
        }

        pub(crate) fn checkpoint(&self, state: &str) -> Result<(), wit::Interruption> {
            take(Event::Checkpoint { stream: self.name.clone(), state: state.to_owned() })
        }

        pub(crate) fn estimate(&self, estimate: &str) -> Result<(), wit::Interruption> {
            tell(Event::Estimate { stream: self.name.clone(), estimate: estimate.to_owned() });
            Ok(())
        }

        pub(crate) fn running(&self, reasons: &str) -> Result<(), wit::Interruption> {
            tell(Event::Running { stream: self.name.clone(), reasons: reasons.to_owned() });
            Ok(())
        }

        pub(crate) fn finish(writer: StreamWriter, outcome: &Outcome) -> Result<(), wit::Interruption> {
            tell(Event::Finished {
                stream: writer.name,
                failed: match outcome {
                    Outcome::Complete => None,
                    Outcome::Failed(failure) => Some(failure.message.clone()),
                },
            });
            Ok(())
        }
    }

    /// There is none: TLS is the real host's.
    #[cfg_attr(test, allow(dead_code))]
    pub(crate) enum Session {}

    #[cfg_attr(test, allow(dead_code))]
    impl Session {
        pub(crate) fn connect(_: &tls::ClientOptions) -> Result<(Session, Vec<u8>), tls::TlsError> {
            Err(tls::TlsError::Failed("TLS is the host's, and in a unit test there is no such host".to_owned()))
        }

        pub(crate) fn receive(&self, _: &[u8]) -> Result<tls::Received, tls::TlsError> {
            match *self {}
        }

        pub(crate) fn encrypt(&self, _: &[u8]) -> Result<Vec<u8>, tls::TlsError> {
            match *self {}
        }

        pub(crate) fn close(&self) -> Vec<u8> {
            match *self {}
        }

        pub(crate) fn application_protocol(&self) -> Option<String> {
            match *self {}
        }
    }

    #[derive(Debug)]
    pub(crate) enum Item {
        Records(wit_input::RecordBatch),
        Checkpoint(Checkpoint),
        StreamEnd(wit_input::StreamEnd),
        Other(String),
    }

    #[derive(Debug)]
    pub(crate) struct Checkpoint {
        scope: wit_input::CheckpointScope,
        state: String,
        record_count: u32,
    }

    impl Checkpoint {
        pub(crate) fn scope(&self) -> wit_input::CheckpointScope {
            self.scope.clone()
        }

        pub(crate) fn state(&self) -> String {
            self.state.clone()
        }

        pub(crate) fn record_count(&self) -> u32 {
            self.record_count
        }

        pub(crate) fn commit(checkpoint: Checkpoint, rejected: u32) -> Result<(), wit::Interruption> {
            tell(Event::Committed {
                scope: match checkpoint.scope {
                    wit_input::CheckpointScope::Stream(name) => CheckpointScope::Stream(name.into()),
                    wit_input::CheckpointScope::Global => CheckpointScope::Global,
                },
                state: checkpoint.state,
                rejected,
            });
            Ok(())
        }
    }

    pub(crate) fn next(_max_bytes: u32) -> Result<Option<Item>, wit::Interruption> {
        MEMORY.with_borrow_mut(|memory| {
            let Some(InputItem(next)) = memory.input.pop_front() else {
                return Ok(None);
            };
            let item = match next {
                Scripted::Interruption(interruption) => return Err(interruption),
                Scripted::Item(item) => item,
            };
            Ok(Some(match item {
                ScriptedItem::Records(batch) => {
                    let records = batch.emitted_at.len() as u32;
                    let name = StreamName::from(batch.stream_name.clone());
                    *memory.handed_out.entry(name).or_default() += records;
                    memory.handed_out_since_global += records;
                    Item::Records(batch)
                }
                ScriptedItem::Checkpoint(scope, state) => {
                    let record_count = match &scope {
                        wit_input::CheckpointScope::Stream(name) => {
                            memory.handed_out.remove(&StreamName::from(name.clone())).unwrap_or_default()
                        }
                        wit_input::CheckpointScope::Global => std::mem::take(&mut memory.handed_out_since_global),
                    };
                    Item::Checkpoint(Checkpoint { scope, state, record_count })
                }
                ScriptedItem::StreamEnd(end) => Item::StreamEnd(end),
                ScriptedItem::Other(message) => Item::Other(message),
            }))
        })
    }
}
