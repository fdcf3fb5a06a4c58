//! `spec`: what the connector is and which config it takes.

use super::specification::Specification;
use super::{Run, Started, Stop};
use crate::exit_code;
use crate::protocol::message;

pub fn spec(run: &Run) -> Result<u8, Stop> {
    let Started { mut instance, confinement: _confinement, .. } = run.start(None)?;
    let specification = Specification::from_guest(&instance.spec()?)?;
    run.output.line(message::spec(&specification.document));
    Ok(exit_code::SUCCESS)
}
