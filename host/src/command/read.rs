//! `read`: records and states of a source, on stdout.

use std::mem::ManuallyDrop;
use std::path::Path;
use std::sync::Arc;

use super::concurrent_read::{self, ConcurrentRead};
use super::specification::Specification;
use super::{Run, Started, Stop, data_channel};
use crate::connector::{CurrentConfig, ReadOutcome};
use crate::exit_code;
use crate::protocol::Interruption;
use crate::protocol::catalog::ConfiguredCatalog;
use crate::protocol::config::Config;
use crate::protocol::failure::Failure;
use crate::protocol::log_level::LogLevel;
use crate::protocol::output::Output;
use crate::protocol::state::SavedState;

pub fn read(run: &Run, config: &Path, catalog: &Path, state: Option<&Path>) -> Result<u8, Stop> {
    let config = Config::from_file(config)?;
    let Started { instance: mut source, connector, confinement } = run.start_source("read", &config)?;
    let specification = Specification::from_guest(&source.spec()?)?;
    specification.require_valid(&config, &run.output)?;
    confinement.tell(LogLevel::Info, &config, &run.output)?;
    let catalog = Arc::new(ConfiguredCatalog::from_file(catalog)?);
    data_channel::require_lines(&catalog)?;
    let state = SavedState::from_file(state)?;
    run.output.set_streams(catalog.streams().to_vec());
    let instances = if connector.independent_streams() && catalog.streams().len() > 1 {
        concurrent_read::instances(
            run.limits.concurrency,
            source.max_concurrency(&config.text)?,
            catalog.streams().len(),
        )
    } else {
        1
    };
    run.termination.data_moves(None);
    let current_config = Arc::new(CurrentConfig::new(&config.text));
    let succeeded = if instances > 1 {
        // Each stream gets a new one.
        drop(ManuallyDrop::into_inner(source));
        let (connector, sandbox) = (&connector, &confinement.sandbox);
        ConcurrentRead { run, connector, sandbox, config: current_config, catalog: &catalog, state }.run(instances)?
    } else {
        let outcome = source.read(&current_config, &catalog, state);
        run.termination.data_has_moved();
        conclude(&run.output, &catalog, outcome)
    };
    Ok(if succeeded && run.output.trace_errors() == 0 { exit_code::SUCCESS } else { exit_code::FAILURE })
}

/// Ends the streams that the source left open, and tells what failed. Whether nothing did, as far as the guest knows: its records are
/// checked by the thread that writes them, and what that finds is told as a TRACE ERROR.
pub fn conclude(output: &Output, catalog: &ConfiguredCatalog, outcome: ReadOutcome) -> bool {
    let ReadOutcome { result, open, unopened } = outcome;
    let interruption = output.interruption();
    // What was interrupted is not complete, whatever the guest makes of it: data may have been turned away.
    let succeeded = result.is_ok() && interruption.is_none();
    let mut failed = !succeeded;
    match (result, interruption) {
        (_, Some(Interruption::Closed)) | (Ok(()), None | Some(Interruption::Refused(_))) => {}
        (Ok(()), Some(Interruption::TimedOut)) => {}
        (Ok(()), Some(Interruption::Cancelled)) => output.log(LogLevel::Warn, "The sync was cancelled by a signal."),
        // The failure is most often the guest's word for the interruption, which has been told.
        (Err(failure), Some(Interruption::Refused(_))) => {
            output.log(LogLevel::Debug, &format!("The connector then failed: {}", failure.message));
        }
        (Err(failure), Some(Interruption::Cancelled)) => {
            output.log(
                LogLevel::Warn,
                &format!("The sync was cancelled by a signal. The connector ended with: {}", failure.message),
            );
        }
        (Err(failure), Some(Interruption::TimedOut)) => {
            output.log(LogLevel::Warn, &format!("The connector ended with: {}", failure.message));
        }
        (Err(failure), None) => output.trace_error(&failure),
    }
    for stream in open {
        output.stream_ended(stream, succeeded);
    }
    if succeeded && !unopened.is_empty() {
        let names: Vec<String> = unopened.iter().map(|stream| catalog.streams()[*stream].to_string()).collect();
        output.trace_error(&Failure::system_error(format!(
            "The connector did not read these configured streams at all: {}. This is a defect of the connector: report it to its \
             publisher.",
            names.join(", ")
        )));
        failed = true;
    }
    for stream in unopened {
        output.stream_ended(stream, false);
    }
    // What is found in the last records counts as well.
    output.wait_until_written();
    !failed
}
