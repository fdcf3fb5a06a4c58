//! What the faulty guests have in common: a connector that does nothing wrong, of which each guest replaces what it is about.
//!
//! They stand on the raw contract: the SDK prevents the faults that they are here to have. It must not know of any fault.

// The contract's failure is large, and crosses once a command.
#![allow(clippy::result_large_err)]

pub mod bindings;
mod connector;
pub mod ready_records;

pub use bindings::destination::airlock::connector::input;
pub use bindings::source::airlock::connector::{host, output, tls, types};
pub use connector::{Destination, DestinationComponent, Source, SourceComponent};
pub use serde_json::{Value, json};

use host::LogLevel;
use types::{Failure, FailureKind, Interruption, StreamName};

/// A failure with nothing but a message.
pub fn failure(kind: FailureKind, message: impl Into<String>) -> Failure {
    Failure {
        kind,
        message: message.into(),
        internal_message: None,
        stack_trace: None,
        stream_name: None,
        details: None,
    }
}

impl From<Interruption> for Failure {
    fn from(interruption: Interruption) -> Failure {
        failure(FailureKind::SystemError, format!("interrupted: {}", told(&interruption)))
    }
}

/// An interruption in words that tests can look for.
pub fn told(interruption: &Interruption) -> String {
    match interruption {
        Interruption::Closed => "closed".to_owned(),
        Interruption::Cancelled => "cancelled".to_owned(),
        Interruption::Refused(why) => format!("refused: {why}"),
    }
}

/// Logs at INFO.
pub fn say(message: impl AsRef<str>) {
    host::log(LogLevel::Info, message.as_ref());
}

/// Logs what the host answered to a call.
pub fn report<T>(call: &str, answer: &Result<T, Interruption>) {
    match answer {
        Ok(_) => say(format!("{call}: ok")),
        Err(interruption) => say(format!("{call}: {}", told(interruption))),
    }
}

/// The records `{"n":…}` of these numbers, one a line.
pub fn records(numbers: impl IntoIterator<Item = u64>) -> Vec<u8> {
    numbers.into_iter().flat_map(|number| format!("{{\"n\":{number}}}\n").into_bytes()).collect()
}

/// Records of these values, one a line.
pub fn lines<'a>(values: impl IntoIterator<Item = &'a Value>) -> Vec<u8> {
    values.into_iter().flat_map(|value| format!("{value}\n").into_bytes()).collect()
}

/// A stream's name with its namespace, as people read it.
pub fn shown(stream: &StreamName) -> String {
    match &stream.namespace {
        Some(namespace) => format!("{namespace}.{}", stream.name),
        None => stream.name.clone(),
    }
}
