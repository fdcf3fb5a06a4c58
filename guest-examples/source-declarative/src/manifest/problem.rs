//! What is wrong with a part of a manifest, and where that stands.

use std::fmt;

use airlock_sdk::{Failure, config_error};

/// A part of a manifest that can not be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where it stands: `streams[2].retriever.paginator`.
    pub path: String,
    pub reason: Reason,
    /// The rest of a sentence: `has a page_size of -1`.
    pub what: String,
}

/// Why a part of a manifest can not be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It is no manifest: the Python CDK would refuse it, too.
    Invalid,
    /// The language has it, and this connector does not.
    Unsupported,
    /// It is Python code of the connector's own.
    NeedsPython,
}

/// The result of reading a part of a manifest.
pub type Result<T> = std::result::Result<T, Problem>;

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.path, self.what)
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Failure {
        config_error(format!("The manifest can not be used: {problem}."))
    }
}
