//! Stands for the component that runs low-code manifests: its specification warns of each `unsupported: …` in the manifest that it carries, and
//! fails of a `broken: …`. It has no streams.

use std::fs;

use test_guests::host::{self, LogLevel};
use test_guests::types::{Failure, FailureKind, SavedState, StreamName};
use test_guests::{Source, Value, export_source, failure};

struct Manifest;

impl Source for Manifest {
    fn spec() -> Result<String, Failure> {
        let broken = |text: &str| failure(FailureKind::ConfigError, text.to_owned());
        let manifest = fs::read_to_string("/connector/manifest.yaml").map_err(|_| broken("There is no manifest."))?;
        for line in manifest.lines() {
            match line.split_once(": ") {
                Some(("unsupported", what)) => {
                    host::log(LogLevel::Warn, &format!("The stream {what} is not supported."))
                }
                Some(("broken", what)) => return Err(broken(&format!("The manifest is broken: {what}."))),
                _ => {}
            }
        }
        let own = fs::read_to_string("/connector/spec.json");
        Ok(own.unwrap_or_else(|_| r#"{"connectionSpecification":{"type":"object"}}"#.to_owned()))
    }

    fn read(_: &Value, _: &[StreamName], _: SavedState) -> Result<(), Failure> {
        Ok(())
    }
}

export_source!(Manifest);
