//! A failure as Airbyte tells it: TRACE ERROR. Knows nothing of what failed.

use serde::Serialize;
use serde_json::{Map, Value};

use super::stream_name::StreamName;

/// Whose fault a failure is: Airbyte's `failure_type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum FailureKind {
    /// The user must change what they gave.
    #[serde(rename = "config_error")]
    Config,
    /// Something that may pass.
    #[serde(rename = "transient_error")]
    Transient,
    /// A defect of the connector, of the host or of their surroundings.
    #[serde(rename = "system_error")]
    System,
}

/// Why a command, or one stream of it, failed.
#[derive(Debug, Clone)]
pub struct Failure {
    /// Whose fault it is.
    pub kind: FailureKind,
    /// For the user: what happened, to what, and what to do next.
    pub message: String,
    /// For developers: the underlying error.
    pub internal_message: Option<String>,
    /// Where it happened.
    pub stack_trace: Option<String>,
    /// The stream it is about.
    pub stream: Option<StreamName>,
    /// Further fields of the TRACE ERROR's `error`.
    pub details: Map<String, Value>,
}

impl Failure {
    /// A failure of this kind that has nothing but a message.
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Failure {
        Failure {
            kind,
            message: message.into(),
            internal_message: None,
            stack_trace: None,
            stream: None,
            details: Map::new(),
        }
    }

    /// Something the user gave is wrong.
    pub fn config_error(message: impl Into<String>) -> Failure {
        Failure::new(FailureKind::Config, message)
    }

    /// Something that the user can not mend by changing what they gave.
    pub fn system_error(message: impl Into<String>) -> Failure {
        Failure::new(FailureKind::System, message)
    }

    /// The same failure with the stream it is about.
    pub fn for_stream(mut self, stream: &StreamName) -> Failure {
        self.stream = Some(stream.clone());
        self
    }
}
