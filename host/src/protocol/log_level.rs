//! The levels of LOG messages. Knows nothing of where they go.

use serde::Serialize;

/// Airbyte's log levels, the most important first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum LogLevel {
    /// The connector can not go on.
    Fatal,
    /// Something failed.
    Error,
    /// Something is not as it should be.
    Warn,
    /// A normal run.
    Info,
    /// For developers.
    Debug,
    /// Everything.
    Trace,
}

impl LogLevel {
    /// The level that the platform's `LOG_LEVEL` names, in any case; none for a word that is no level.
    pub fn from_name(name: &str) -> Option<LogLevel> {
        match name.to_ascii_lowercase().as_str() {
            "fatal" | "critical" => Some(LogLevel::Fatal),
            "error" => Some(LogLevel::Error),
            "warn" | "warning" => Some(LogLevel::Warn),
            "info" => Some(LogLevel::Info),
            "debug" => Some(LogLevel::Debug),
            "trace" => Some(LogLevel::Trace),
            _ => None,
        }
    }
}
