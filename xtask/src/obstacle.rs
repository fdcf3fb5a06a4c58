//! Tests that this machine can not run. It must not know what they need.

use std::fmt;

/// Why tests can not be run on this machine.
#[derive(Debug, Clone)]
pub struct Obstacle {
    /// What their names begin with, or have in them.
    pub tests: &'static str,
    pub reason: String,
}

impl fmt::Display for Obstacle {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "The tests {}* can not be run on this machine: {}", self.tests, self.reason)
    }
}

/// Why what tests need is not there.
pub enum Failure {
    /// This machine can not have it.
    Machine(Obstacle),
    /// It can not be had, though the machine could run it.
    Error(anyhow::Error),
}
