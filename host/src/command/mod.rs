//! Airbyte's commands. Each joins the protocol to a connector and reads like a recipe.

mod check;
mod concurrent_read;
mod confinement;
mod data_channel;
mod discover;
mod end_at_once;
mod read;
mod spec;
mod specification;
mod termination;
mod write;

use std::mem::ManuallyDrop;
use std::path::PathBuf;
use std::process::ExitCode;

use crate::cli::people;
use crate::connector::{
    Connector, ConnectorPaths, DestinationInstance, Instance, Role, SourceInstance, Told, connector_name, laid_out,
};
use crate::exit_code;
use crate::protocol::config::Config;
use crate::protocol::failure::Failure;
use crate::protocol::log_level::LogLevel;
use crate::protocol::output::{Output, OutputOptions};
use crate::sandbox::{
    Ceilings, Filesystem, HostPattern, MemoryBudget, MemoryLimit, MemorySize, Mount, PolicyFile, TimeLimit,
};
use confinement::Confinement;
use termination::Termination;

pub use concurrent_read::Concurrency;

/// A command and what it is run with.
pub struct Invocation {
    /// The command.
    pub command: AirbyteCommand,
    /// The files of the connector.
    pub connector: ConnectorPaths,
    /// What the connector may touch.
    pub grants: Grants,
    /// What the connector may use.
    pub limits: Limits,
    /// Log at least at DEBUG.
    pub debug: bool,
}

/// How much a connector may use.
pub struct Limits {
    /// A longer record is refused.
    pub max_record_bytes: usize,
    /// How many streams may be read at once, where the connector can; none for as many as there are cores.
    pub concurrency: Option<Concurrency>,
    /// The memory it may take; none for what the container leaves, or the default.
    pub memory: Option<MemorySize>,
    /// The time that the command may take; none for as long as it takes.
    pub time: Option<TimeLimit>,
}

/// What the command line lets a connector touch, beside what the connector's own metadata names.
pub struct Grants {
    /// What is the connector's `/airbyte`; none for a temporary one.
    pub airbyte_directory: Option<PathBuf>,
    /// Directories that the connector may read.
    pub mounts: Vec<Mount>,
    /// Hosts that it may reach.
    pub hosts: Vec<HostPattern>,
    /// Names of environment variables that it may see.
    pub environment: Vec<String>,
    /// The operator's policies: ceilings over everything else.
    pub policies: Vec<PolicyFile>,
}

/// One of Airbyte's commands, with the files it is given.
pub enum AirbyteCommand {
    /// Prints the specification.
    Spec,
    /// Tries a config.
    Check { config: PathBuf },
    /// Prints the catalog.
    Discover { config: PathBuf },
    /// Reads.
    Read { config: PathBuf, catalog: PathBuf, state: Option<PathBuf> },
    /// Writes.
    Write { config: PathBuf, catalog: PathBuf },
}

/// Why a command ended without an answer.
enum Stop {
    /// A TRACE ERROR is due.
    Failed(Failure),
    /// The command does not fit the connector.
    WrongUsage { error: String, hint: String },
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Stop {
        Stop::Failed(failure)
    }
}

/// What every command has at hand.
struct Run {
    connector: ConnectorPaths,
    grants: Grants,
    ceilings: Ceilings,
    limits: Limits,
    output: Output,
    termination: Termination,
}

/// A connector that runs, and what it runs in.
struct Started<Instance> {
    /// Not dropped unless others follow it: most end with the process, and the kernel frees at once what would be freed here piece by
    /// piece.
    instance: ManuallyDrop<Instance>,
    connector: Connector,
    /// The sandbox's directories live as long as this is held.
    confinement: Confinement,
}

/// Runs a command to its end and gives the exit code. Stdout carries whole protocol lines only, whatever happens.
pub fn run(invocation: Invocation) -> ExitCode {
    let Invocation { command, connector, grants, limits, debug } = invocation;
    let max_record_bytes = limits.max_record_bytes;
    let (max_log_level, unknown_level) = log_level(debug);
    let output = Output::start(OutputOptions { max_log_level, max_record_bytes });
    // What answers at once needs no thread for that.
    if !matches!(command, AirbyteCommand::Spec)
        && let Err(error) = output.write_behind()
    {
        people::error(&format!("no thread can be started for the output: {error}"), None);
        return exit_code::FAILURE.into();
    }
    if let Some(level) = unknown_level {
        let text = format!(
            "LOG_LEVEL is {level:?}, which is none of fatal, error, warn, info, debug and trace: info is used."
        );
        output.log(LogLevel::Warn, &text);
    }
    let termination = match command {
        // It is asked often, and answers from memory: it is not worth a thread.
        AirbyteCommand::Spec => Termination::at_once(&output),
        _ => Termination::watch(&output),
    };
    let termination = match termination {
        Ok(termination) => termination,
        Err(error) => {
            people::error(&format!("signals can not be watched for: {error}"), None);
            return exit_code::FAILURE.into();
        }
    };
    termination.tell_panics();
    let result = grants.ceilings().map_err(Stop::from).and_then(|ceilings| {
        let (output, termination) = (output.clone(), termination.clone());
        let run = Run { connector, grants, ceilings, limits, output, termination };
        run.limit_time()?;
        run.dispatch(command)
    });
    // Until its answer has left, what ends the process is told.
    output.wait_until_written();
    termination.ends_by_itself();
    let code = match result {
        Ok(code) => code,
        Err(Stop::Failed(failure)) => {
            output.trace_error(&failure);
            exit_code::FAILURE
        }
        Err(Stop::WrongUsage { error, hint }) => {
            people::error(&error, Some(&hint));
            exit_code::WRONG_USAGE
        }
    };
    let code = match output.finish() {
        Ok(()) => code,
        Err(error) => {
            people::error(&format!("stdout can not be written to any more: {error}"), None);
            exit_code::FAILURE
        }
    };
    if code != exit_code::SUCCESS {
        termination.end_by_signal_if_any();
    }
    code.into()
}

fn no_thread(what: &str, error: &std::io::Error) -> Failure {
    Failure::system_error(format!("No thread can be started for {what}: {error}."))
}

/// What is logged: as much as `--debug` or the platform's LOG_LEVEL asks for. A word that is no level comes back.
fn log_level(debug: bool) -> (LogLevel, Option<String>) {
    let wanted = std::env::var("LOG_LEVEL").unwrap_or_default();
    let named = LogLevel::from_name(wanted.trim());
    let level = named.unwrap_or(LogLevel::Info);
    let level = if debug { level.max(LogLevel::Debug) } else { level };
    (level, (named.is_none() && !wanted.trim().is_empty()).then_some(wanted))
}

impl Run {
    fn dispatch(&self, command: AirbyteCommand) -> Result<u8, Stop> {
        match command {
            AirbyteCommand::Spec => spec::spec(self),
            AirbyteCommand::Check { config } => check::check(self, &config),
            AirbyteCommand::Discover { config } => discover::discover(self, &config),
            AirbyteCommand::Read { config, catalog, state } => read::read(self, &config, &catalog, state.as_deref()),
            AirbyteCommand::Write { config, catalog } => write::write(self, &config, &catalog),
        }
    }

    fn limit_time(&self) -> Result<(), Failure> {
        let named = self.limits.time.map(|limit| (limit, None));
        let policy = self.ceilings.time().map(|(limit, file)| (limit, Some(file)));
        let Some((limit, file)) = named.into_iter().chain(policy).min_by_key(|(limit, _)| *limit) else {
            return Ok(());
        };
        self.termination.limit_time(limit, file).map_err(|error| no_thread("the time limit", &error))
    }

    /// Loads and starts the connector, with this config's hosts within its reach where the metadata says so. The sandbox's
    /// directories live as long as the confinement is held.
    fn start(&self, config: Option<&Config>) -> Result<Started<Instance>, Stop> {
        let grants = &self.grants;
        let mut filesystem =
            Filesystem::new(grants.airbyte_directory.as_deref(), &grants.mounts).map_err(Failure::config_error)?;
        self.termination.remove_at_end(filesystem.temporary());
        let log = |level: LogLevel, text: &str| self.output.log(level, text);
        let memory = MemoryBudget::new(self.ceilings.limit_memory(MemoryLimit::decide(self.limits.memory)));
        self.termination
            .limit_memory(&memory, &connector_name(&self.connector.connector))
            .map_err(|error| no_thread("the memory limit", &error))?;
        let told = Told { log: &log, waiting: &people::waiting };
        let mut connector = Connector::load(&self.connector, filesystem.airbyte(), &told)?;
        if let Some(files) = connector.take_files() {
            filesystem.carry(files.iter(), &laid_out(&self.connector.connector)).map_err(Failure::config_error)?;
            self.termination.remove_at_end(filesystem.temporary());
        }
        memory.guest_starts();
        let confinement =
            Confinement::new(&connector, filesystem, memory, grants, config, self.ceilings.clone(), &self.output)?;
        let instance = ManuallyDrop::new(connector.start(&confinement.sandbox, &self.output)?);
        Ok(Started { instance, connector, confinement })
    }

    /// Starts a connector that must be a source, for `command`.
    fn start_source(&self, command: &str, config: &Config) -> Result<Started<SourceInstance>, Stop> {
        let Started { instance, connector, confinement } = self.start(Some(config))?;
        match ManuallyDrop::into_inner(instance) {
            Instance::Source(source) => Ok(Started { instance: ManuallyDrop::new(source), connector, confinement }),
            Instance::Destination(_) => Err(self.wrong_role(Role::Destination, command)),
        }
    }

    /// Starts a connector that must be a destination, for `command`.
    fn start_destination(&self, command: &str, config: &Config) -> Result<Started<DestinationInstance>, Stop> {
        let Started { instance, connector, confinement } = self.start(Some(config))?;
        match ManuallyDrop::into_inner(instance) {
            Instance::Destination(destination) => {
                Ok(Started { instance: ManuallyDrop::new(destination), connector, confinement })
            }
            Instance::Source(_) => Err(self.wrong_role(Role::Source, command)),
        }
    }

    fn wrong_role(&self, role: Role, command: &str) -> Stop {
        let commands = match role {
            Role::Source => "spec, check, discover and read",
            Role::Destination => "spec, check and write",
        };
        Stop::WrongUsage {
            error: format!("{} is a {}: it can not {command}", self.connector.connector.display(), role.name()),
            hint: format!("a {} has the commands {commands}", role.name()),
        }
    }
}
