//! `write`: stdin into a destination, and the states that are safe there on stdout.

use std::path::Path;
use std::sync::Arc;

use super::specification::Specification;
use super::{Run, Started, Stop, data_channel};
use crate::exit_code;
use crate::protocol::Interruption;
use crate::protocol::catalog::ConfiguredCatalog;
use crate::protocol::config::Config;
use crate::protocol::failure::Failure;
use crate::protocol::input::Input;
use crate::protocol::log_level::LogLevel;

pub fn write(run: &Run, config: &Path, catalog: &Path) -> Result<u8, Stop> {
    let config = Config::from_file(config)?;
    let Started { instance: mut destination, confinement, .. } = run.start_destination("write", &config)?;
    let specification = Specification::from_guest(&destination.spec()?)?;
    specification.require_valid(&config, &run.output)?;
    confinement.tell(LogLevel::Info, &config, &run.output)?;
    let catalog = Arc::new(ConfiguredCatalog::from_file(catalog)?);
    data_channel::require_lines(&catalog)?;
    let input = Input::start(std::io::stdin(), catalog.clone(), run.limits.max_record_bytes, run.output.clone())
        .map_err(|error| Failure::system_error(format!("No thread can be started for the input: {error}.")))?;
    run.termination.data_moves(Some(input.interrupter()));
    let (result, input) = destination.write(&config.text, &catalog, input);
    run.termination.data_has_moved();
    conclude(run, result, input.as_ref());
    run.output.wait_until_written();
    let failed = run.output.trace_errors() > 0 || run.output.interruption().is_some();
    Ok(if failed { exit_code::FAILURE } else { exit_code::SUCCESS })
}

/// Tells what failed.
fn conclude(run: &Run, result: Result<(), Failure>, input: Option<&Input>) {
    let output = &run.output;
    if let Some(interruption) = output.interruption() {
        // What interrupted has been told; the guest's failure is most often its word for it.
        if let Err(failure) = result {
            let level = match interruption {
                Interruption::Cancelled | Interruption::TimedOut => LogLevel::Warn,
                Interruption::Closed | Interruption::Refused(_) => LogLevel::Debug,
            };
            output.log(level, &format!("The sync was interrupted. The connector ended with: {}", failure.message));
        }
        return;
    }
    let Some(input) = input else { return };
    let incomplete: Vec<String> = input.incomplete().iter().map(ToString::to_string).collect();
    if !incomplete.is_empty() {
        output.trace_error(&Failure::system_error(format!(
            "The source ended without finishing these streams: {}. What it had saved of them is kept; they are not finalised. Look at \
             the source's log, and sync again.",
            incomplete.join(", ")
        )));
    }
    match result {
        // Where streams were not finished, a destination fails for that reason, which has been told.
        Err(failure) if incomplete.is_empty() => output.trace_error(&failure),
        Err(failure) => output.log(LogLevel::Error, &failure.message),
        Ok(()) if !input.ended() => output.trace_error(&defect("returned before the end of its input")),
        Ok(()) if input.uncommitted() > 0 => {
            let problem = format!("returned without committing {} states", input.uncommitted());
            output.trace_error(&defect(&problem));
        }
        Ok(()) => {}
    }
}

fn defect(problem: &str) -> Failure {
    Failure::system_error(format!(
        "The connector {problem}: what they cover may not be safe. This is a defect of the connector: report it to its publisher."
    ))
}
