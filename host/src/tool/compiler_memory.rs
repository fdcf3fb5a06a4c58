//! The memory of a tool that compiles: who wrote a component is not who compiles it, and it may be a bomb. Knows nothing of what
//! is made of the code.

use std::path::Path;
use std::process::exit;

use crate::cli::people;
use crate::connector::connector_name;
use crate::exit_code;
use crate::sandbox::{MemoryBudget, MemoryLimit, MemorySize};

/// From now on this process ends, and says why, when compiling takes more than there is for it: `named`, where that is more
/// than this machine says. The error is what happened.
pub fn bound(named: Option<MemorySize>, component: &Path) -> Result<(), String> {
    let give_up = |problem: Option<String>| {
        if let Some(problem) = problem {
            people::error(&problem, None);
        }
        exit(exit_code::FAILURE.into())
    };
    let budget = MemoryBudget::new(MemoryLimit::decide(named));
    budget
        .watch(&connector_name(component), move |problem| give_up(Some(problem)), give_up)
        .map_err(|error| format!("no thread can be started for the memory limit: {error}"))
}
