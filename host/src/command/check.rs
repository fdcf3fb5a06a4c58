//! `check`: does the config work? That it does not is an answer, not a failure: exit code 0.

use std::path::Path;

use super::specification::Specification;
use super::{Run, Started, Stop};
use crate::connector::CheckResult;
use crate::exit_code;
use crate::protocol::config::Config;
use crate::protocol::failure::FailureKind;
use crate::protocol::log_level::LogLevel;

pub fn check(run: &Run, config: &Path) -> Result<u8, Stop> {
    let config = Config::from_file(config)?;
    let Started { mut instance, confinement, .. } = run.start(Some(&config))?;
    let specification = Specification::from_guest(&instance.spec()?)?;
    if let Err(problem) = specification.validate(&config, &run.output) {
        run.output.connection_status(Some(&problem));
        return Ok(exit_code::SUCCESS);
    }
    confinement.tell(LogLevel::Debug, &config, &run.output)?;
    match instance.check(&config.text) {
        Ok(CheckResult::Succeeded) => run.output.connection_status(None),
        Ok(CheckResult::Failed(problem)) => run.output.connection_status(Some(&problem)),
        Err(failure) if failure.kind == FailureKind::Config => {
            run.output.trace_error(&failure);
            run.output.connection_status(Some(&failure.message));
        }
        Err(failure) => return Err(failure.into()),
    }
    Ok(exit_code::SUCCESS)
}
