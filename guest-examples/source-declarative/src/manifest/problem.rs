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

impl Problem {
    /// A value is wrong whose place those who called for it know: they add it with the functions below.
    pub(super) fn here(what: impl Into<String>) -> Problem {
        Problem { path: String::new(), reason: Reason::Invalid, what: what.into() }
    }

    /// The same, told from one level further up.
    pub(super) fn in_field(self, name: &str) -> Problem {
        let path = match self.path.chars().next() {
            None => name.to_owned(),
            Some('[' | ' ') => format!("{name}{}", self.path),
            Some(_) => format!("{name}.{}", self.path),
        };
        Problem { path, ..self }
    }

    pub(super) fn in_element(self, index: usize) -> Problem {
        let path = match self.path.chars().next() {
            None | Some('[' | ' ') => format!("[{index}]{}", self.path),
            Some(_) => format!("[{index}].{}", self.path),
        };
        Problem { path, ..self }
    }

    /// The same of what a reference stands for, told from the reference.
    pub(super) fn behind_reference(mut self, reference: &str) -> Problem {
        // Of a long chain, the end says what is wrong.
        if self.path.matches(" (").count() > 2 {
            let end = self.path.rfind(" (").and_then(|at| self.path.get(at..)).unwrap_or_default();
            self.path = format!(" (…){end}");
        }
        let path = match self.path.chars().next() {
            None | Some('[' | ' ') => format!(" ({reference}){}", self.path),
            Some(_) => format!(" ({reference}).{}", self.path),
        };
        Problem { path, ..self }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = if self.path.is_empty() { "it" } else { self.path.trim_start() };
        write!(formatter, "{path} {}", self.what)
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Failure {
        config_error(format!("The manifest can not be used: {problem}."))
    }
}
