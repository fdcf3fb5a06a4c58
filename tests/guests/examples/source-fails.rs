//! Returns a failure of the kind in its config, with every field set, from the command that its config names in `from`.
//! From `stream` it fails one of its streams alone, and completes the others.

use test_guests::output::{Outcome, StreamWriter};
use test_guests::types::{ConnectionStatus, Failure, FailureKind, SavedState, StreamName};
use test_guests::{Source, Value, export_source, json, records};

struct Fails;

impl Source for Fails {
    fn properties() -> Value {
        json!({
            "from": {"enum": ["check", "discover", "read", "stream", "answer"]},
            "kind": {"enum": ["config_error", "transient_error", "system_error"]},
            "details": {"type": "string"},
            "password": {"type": "string", "airbyte_secret": true}
        })
    }

    fn check(config: &Value) -> Result<ConnectionStatus, Failure> {
        match config["from"].as_str() {
            Some("check") => Err(failure(config)),
            Some("answer") => Ok(ConnectionStatus::Failed(format!("{} does not open the door", password(config)))),
            _ => Ok(ConnectionStatus::Succeeded),
        }
    }

    fn discover(config: &Value) -> Result<String, Failure> {
        Err(failure(config))
    }

    fn read(config: &Value, streams: &[StreamName], _: SavedState) -> Result<(), Failure> {
        let writers = streams.iter().map(StreamWriter::open).collect::<Result<Vec<_>, _>>()?;
        for writer in &writers {
            writer.write(&records(1..=2))?;
            writer.checkpoint(r#"{"n":2}"#)?;
            writer.write(&records(3..=3))?;
        }
        if config["from"] == "read" {
            return Err(failure(config));
        }
        let mut outcome = Outcome::Failed(failure(config));
        for writer in writers {
            StreamWriter::finish(writer, &outcome)?;
            outcome = Outcome::Complete;
        }
        Ok(())
    }
}

fn failure(config: &Value) -> Failure {
    Failure {
        kind: match config["kind"].as_str() {
            Some("config_error") => FailureKind::ConfigError,
            Some("transient_error") => FailureKind::TransientError,
            _ => FailureKind::SystemError,
        },
        message: format!("The door is shut to {}.", password(config)),
        internal_message: Some(format!("knocked with {}", password(config))),
        stack_trace: Some(format!("at the door\nwith {}", password(config))),
        stream_name: Some(StreamName { name: "one".to_owned(), namespace: None }),
        details: config["details"].as_str().map(ToOwned::to_owned),
    }
}

fn password(config: &Value) -> &str {
    config["password"].as_str().unwrap_or("nobody")
}

export_source!(Fails);
