//! A running connector: one instance of its component, and a method for each function it exports.

use std::sync::Arc;

use wasmtime::Store;
use wasmtime::component::{HasSelf, Linker, ResourceTable};

use super::bindings::independent_streams::IndependentStreams;
use super::bindings::{destination, source, types};
use super::component::Connector;
use super::contract::{self, Role};
use super::crash::{self, Circumstances};
use super::denials;
use super::guest::{CurrentConfig, Guest, MAX_RESOURCES, Progress, ReadSession, Session};
use super::network_log;
use super::output;
use crate::protocol::catalog::ConfiguredCatalog;
use crate::protocol::failure::Failure;
use crate::protocol::input::Input;
use crate::protocol::log_level::LogLevel;
use crate::protocol::output::{Output, StreamIndex};
use crate::protocol::state::SavedState;
use crate::protocol::stream_name::StreamName;
use crate::sandbox::{Channel, GuestMemory, HttpState, Printed, Refusal, Sandbox, Taken, add_to_linker, wasi_context};

/// How much longer than the longest record a batch may be.
const BATCH_BYTES: usize = 64 * 1024 * 1024;

/// The share of its memory that a call may carry: the guest has it, the host lifts it, the queue may hold as much, and the line
/// buffer.
const CALLS_IN_MEMORY: usize = 4;

/// A running connector.
pub enum Instance {
    /// It reads.
    Source(SourceInstance),
    /// It writes.
    Destination(DestinationInstance),
}

/// A running source.
pub struct SourceInstance(Running<source::Source>, Option<IndependentStreams>);

/// A running destination.
pub struct DestinationInstance(Running<destination::Destination>);

struct Running<Bindings> {
    store: Store<Guest>,
    bindings: Bindings,
    printed: Arc<Printed>,
    name: String,
}

/// What a `check` found.
#[derive(Debug)]
pub enum CheckResult {
    /// The configuration works.
    Succeeded,
    /// It does not, and this is why.
    Failed(String),
}

/// How a `read` went, beside what it returned.
#[derive(Debug)]
pub struct ReadOutcome {
    /// What the guest returned, or why it could not.
    pub result: Result<(), Failure>,
    /// Streams that it opened and did not end.
    pub open: Vec<StreamIndex>,
    /// Configured streams that it never opened.
    pub unopened: Vec<StreamIndex>,
}

impl Connector {
    /// Starts the connector in this sandbox. What it says goes to `output`.
    pub fn start(&self, sandbox: &Sandbox, output: &Output) -> Result<Instance, Failure> {
        let printer = output.clone();
        let printed = Printed::new(move |channel, text, goes_on| {
            let level = if channel == Channel::Stdout { LogLevel::Info } else { LogLevel::Warn };
            let masked = printer.log_printed(level, text, goes_on);
            Taken { bytes: masked.bytes, text: masked.text }
        });
        let mut table = ResourceTable::new();
        table.set_max_capacity(MAX_RESOURCES);
        let network = network_log::network(sandbox.network.clone(), &self.name, output);
        let guest = Guest {
            wasi: wasi_context(sandbox, &printed, &network).map_err(Failure::config_error)?,
            http: HttpState::new(network.clone()),
            network: network.clone(),
            table,
            memory: GuestMemory::new(&sandbox.memory),
            output: output.clone(),
            session: Session::Idle,
        };
        let mut store = Store::new(&self.engine, guest);
        // wasmtime's word for how many bytes one call may carry: a record, and the rest of its batch.
        let memory_share = sandbox.memory.limit().size.0 / CALLS_IN_MEMORY;
        store.set_hostcall_fuel(output.max_record_bytes().saturating_add(BATCH_BYTES).min(memory_share));
        store.limiter(|guest| &mut guest.memory);
        // wasmtime has a limit of its own beside that of the table, and a lower one.
        store.set_max_component_handles(MAX_RESOURCES);
        let name = self.name.clone();
        let problem =
            |problem: String| Failure::config_error(format!("The connector {name} can not be started: it {problem}."));
        // Before any of its code runs: what it asks for and what it must have is there.
        let linked = self.linker().and_then(|linker| linker.instantiate_pre(&self.component));
        let linked = linked.map_err(|error| problem(contract::wrong_import(&error)))?;
        let exports = match self.role() {
            Role::Source => source::SourceIndices::new(&linked).map(Exports::Source),
            Role::Destination => destination::DestinationIndices::new(&linked).map(Exports::Destination),
        };
        let exports = exports.map_err(|error| problem(contract::wrong_export(&error)))?;
        let started = linked.instantiate(&mut store);
        printed.flush();
        let instance = started.map_err(|error| {
            let memory = &sandbox.memory;
            let last_errors = &printed.last_errors();
            crash::failure(&error, &Circumstances { connector: &name, function: "its start", memory, last_errors })
        })?;
        let instance = match exports {
            Exports::Source(exports) => exports.load(&mut store, &instance).and_then(|bindings| {
                let declared = self.independent_streams().then(|| IndependentStreams::new(&mut store, &instance));
                let running = Running { store, bindings, printed, name: name.clone() };
                Ok(Instance::Source(SourceInstance(running, declared.transpose()?)))
            }),
            Exports::Destination(exports) => exports.load(&mut store, &instance).map(|bindings| {
                Instance::Destination(DestinationInstance(Running { store, bindings, printed, name: name.clone() }))
            }),
        };
        instance.map_err(|error| problem(contract::wrong_export(&error)))
    }

    /// What the host gives of what the connector imports.
    fn linker(&self) -> wasmtime::Result<Linker<Guest>> {
        let mut linker: Linker<Guest> = Linker::new(&self.engine);
        add_to_linker(&mut linker, self.interfaces.imports.iter().map(String::as_str))?;
        match self.role() {
            Role::Source => {
                source::Source::add_to_linker::<_, HasSelf<_>>(&mut linker, |guest| guest)?;
                output::take_records_where_they_are(&mut linker)?;
            }
            Role::Destination => destination::Destination::add_to_linker::<_, HasSelf<_>>(&mut linker, |guest| guest)?,
        }
        Ok(linker)
    }
}

/// Where a component has the functions of its role.
enum Exports {
    Source(source::SourceIndices),
    Destination(destination::DestinationIndices),
}

impl<B> Running<B> {
    /// Calls a function of the guest and turns every way in which it may fail into a failure.
    fn call<T>(
        &mut self,
        function: &str,
        call: impl FnOnce(&B, &mut Store<Guest>) -> wasmtime::Result<Result<T, types::Failure>>,
    ) -> Result<T, Failure> {
        self.store.data().network.forget_refusal();
        let result = call(&self.bindings, &mut self.store);
        self.printed.flush();
        let refusal = self.last_refusal();
        match result {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(failure)) => Err(denials::explain_failure(failure.into(), refusal.as_ref())),
            Err(error) => {
                let memory = self.store.data().memory.budget();
                let last_errors = self.printed.last_errors();
                let circumstances =
                    Circumstances { connector: &self.name, function, memory, last_errors: &last_errors };
                let failure = crash::failure(&error, &circumstances);
                Err(denials::explain_crash(failure, &error, refusal.as_ref()))
            }
        }
    }

    /// What the sandbox refused the guest last, in the last call.
    fn last_refusal(&self) -> Option<Refusal> {
        self.store.data().network.last_refusal()
    }
}

const CHECK_SAID_NOTHING: &str = "The connector says that this configuration does not work, and not why. This is a defect of the \
     connector: report it to its publisher with the log.";

fn check_result(status: types::ConnectionStatus, refusal: Option<Refusal>) -> CheckResult {
    match status {
        types::ConnectionStatus::Succeeded => CheckResult::Succeeded,
        types::ConnectionStatus::Failed(message) => {
            let said = if message.trim().is_empty() { CHECK_SAID_NOTHING.to_owned() } else { message };
            CheckResult::Failed(denials::explain(said, refusal.as_ref()))
        }
    }
}

impl Instance {
    /// The specification, as the guest gives it.
    pub fn spec(&mut self) -> Result<String, Failure> {
        match self {
            Instance::Source(source) => source.spec(),
            Instance::Destination(destination) => destination.spec(),
        }
    }

    /// Tries a config.
    pub fn check(&mut self, config: &str) -> Result<CheckResult, Failure> {
        match self {
            Instance::Source(source) => source.check(config),
            Instance::Destination(destination) => destination.check(config),
        }
    }
}

impl SourceInstance {
    /// The specification, as the guest gives it.
    pub fn spec(&mut self) -> Result<String, Failure> {
        self.0.call("spec", |bindings, store| bindings.airlock_connector_source_commands().call_spec(store))
    }

    fn check(&mut self, config: &str) -> Result<CheckResult, Failure> {
        let config = config.to_owned();
        let call = |bindings: &source::Source, store: &mut Store<Guest>| {
            bindings.airlock_connector_source_commands().call_check(store, &config)
        };
        let status = self.0.call("check", call)?;
        Ok(check_result(status, self.0.last_refusal()))
    }

    /// The catalog, as the guest gives it.
    pub fn discover(&mut self, config: &str) -> Result<String, Failure> {
        let config = config.to_owned();
        self.0.call("discover", |bindings, store| {
            bindings.airlock_connector_source_commands().call_discover(store, &config)
        })
    }

    /// How many streams may be read at once, each by an instance of its own, with this config. None for any number.
    pub fn max_concurrency(&mut self, config: &str) -> Result<Option<u32>, Failure> {
        let SourceInstance(running, Some(declared)) = self else { return Ok(Some(1)) };
        let config = config.to_owned();
        running.call("max-concurrency", |_, store| {
            declared.airlock_connector_independent_streams().call_max_concurrency(store, &config)
        })
    }

    /// Reads the streams of `catalog`.
    pub fn read(
        &mut self,
        config: &Arc<CurrentConfig>,
        catalog: &Arc<ConfiguredCatalog>,
        state: SavedState,
    ) -> ReadOutcome {
        let SourceInstance(running, declared) = self;
        running.store.data_mut().session =
            Session::Read(ReadSession::new(config.clone(), catalog.clone(), declared.is_some()));
        let state = guest_state(state);
        let config = config.text().as_ref().to_owned();
        let result = running.call("read", |bindings, store| {
            bindings.airlock_connector_source_commands().call_read(store, &config, &catalog.text, &state)
        });
        let streams = match std::mem::replace(&mut running.store.data_mut().session, Session::Idle) {
            Session::Read(session) => session.streams,
            _ => Vec::new(),
        };
        let those = |wanted: Progress| {
            let places = streams.iter().enumerate().filter(move |(_, progress)| **progress == wanted);
            places.map(|(stream, _)| stream).collect()
        };
        ReadOutcome { result, open: those(Progress::Open), unopened: those(Progress::Unopened) }
    }
}

impl DestinationInstance {
    /// The specification, as the guest gives it.
    pub fn spec(&mut self) -> Result<String, Failure> {
        self.0.call("spec", |bindings, store| bindings.airlock_connector_destination_commands().call_spec(store))
    }

    fn check(&mut self, config: &str) -> Result<CheckResult, Failure> {
        let config = config.to_owned();
        let call = |bindings: &destination::Destination, store: &mut Store<Guest>| {
            bindings.airlock_connector_destination_commands().call_check(store, &config)
        };
        let status = self.0.call("check", call)?;
        Ok(check_result(status, self.0.last_refusal()))
    }

    /// Writes what `input` gives. The input comes back for what it knows.
    pub fn write(
        &mut self,
        config: &str,
        catalog: &ConfiguredCatalog,
        input: Input,
    ) -> (Result<(), Failure>, Option<Input>) {
        let running = &mut self.0;
        running.store.data_mut().session = Session::Write(input);
        let config = config.to_owned();
        let result = running.call("write", |bindings, store| {
            bindings.airlock_connector_destination_commands().call_write(store, &config, &catalog.text)
        });
        match std::mem::replace(&mut running.store.data_mut().session, Session::Idle) {
            Session::Write(input) => (result, Some(input)),
            _ => (result, None),
        }
    }
}

fn guest_state(state: SavedState) -> types::SavedState {
    let streams = |streams: Vec<(StreamName, Box<serde_json::value::RawValue>)>| {
        streams
            .into_iter()
            .map(|(name, state)| types::StreamState { stream_name: (&name).into(), state: state.get().to_owned() })
            .collect()
    };
    match state {
        SavedState::None => types::SavedState::None,
        SavedState::Streams(states) => types::SavedState::Streams(streams(states)),
        SavedState::Global { shared, streams: states } => types::SavedState::Global(types::GlobalState {
            shared: shared.map(|shared| shared.get().to_owned()),
            streams: streams(states),
        }),
    }
}
