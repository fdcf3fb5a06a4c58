//! The contract in Rust, generated from `wit/`. The second world takes over what both have in common from the first.

pub mod source {
    wasmtime::component::bindgen!({
        path: "../wit",
        world: "source",
        imports: { default: trappable },
        with: {
            "airlock:connector/output.stream-writer": crate::connector::output::StreamWriter,
            "airlock:connector/tls.session": crate::sandbox::TlsSession,
        },
    });
}

pub mod destination {
    wasmtime::component::bindgen!({
        path: "../wit",
        world: "destination",
        imports: { default: trappable },
        with: {
            "airlock:connector/types": super::source::airlock::connector::types,
            "airlock:connector/host": super::source::airlock::connector::host,
            "airlock:connector/tls": super::source::airlock::connector::tls,
            "airlock:connector/input.checkpoint": crate::protocol::input::Checkpoint,
        },
    });
}

/// What a source exports beside its commands if its streams are independent.
pub mod independent_streams {
    wasmtime::component::bindgen!({
        inline: "
            package airlock:host;
            world independent-streams {
                import airlock:connector/types@0.1.0;
                export airlock:connector/independent-streams@0.1.0;
            }
        ",
        path: "../wit",
        with: { "airlock:connector/types": super::source::airlock::connector::types },
    });
}

pub use source::airlock::connector::types;

use crate::protocol::Interruption;
use crate::protocol::failure::{Failure, FailureKind};
use crate::protocol::stream_name::StreamName;

impl From<Interruption> for types::Interruption {
    fn from(interruption: Interruption) -> Self {
        match interruption {
            Interruption::Closed => types::Interruption::Closed,
            Interruption::Cancelled | Interruption::TimedOut => types::Interruption::Cancelled,
            Interruption::Refused(why) => types::Interruption::Refused(why),
        }
    }
}

impl From<types::StreamName> for StreamName {
    fn from(stream: types::StreamName) -> Self {
        StreamName { name: stream.name, namespace: stream.namespace }
    }
}

impl From<&StreamName> for types::StreamName {
    fn from(stream: &StreamName) -> Self {
        types::StreamName { name: stream.name.clone(), namespace: stream.namespace.clone() }
    }
}

/// For a person who is told that something failed, and would be told nothing else.
const SAID_NOTHING: &str = "The connector failed and did not say why. This is a defect of the connector: report it to its publisher with the log.";

impl From<types::Failure> for Failure {
    fn from(failure: types::Failure) -> Self {
        let kind = match failure.kind {
            types::FailureKind::ConfigError => FailureKind::Config,
            types::FailureKind::TransientError => FailureKind::Transient,
            types::FailureKind::SystemError => FailureKind::System,
        };
        // Details that are no JSON object are not worth losing the failure itself over.
        let details = failure.details.and_then(|details| serde_json::from_str(&details).ok()).unwrap_or_default();
        let message = if failure.message.trim().is_empty() { SAID_NOTHING.to_owned() } else { failure.message };
        Failure {
            kind,
            message,
            internal_message: failure.internal_message,
            stack_trace: failure.stack_trace,
            stream: failure.stream_name.map(Into::into),
            details,
        }
    }
}
