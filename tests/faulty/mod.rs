//! The guests of `tests/guests/`, one module each: whatever they do, what leaves the process is a valid Airbyte stream.

pub mod command;
pub mod destination_commits;
pub mod destination_echo;
pub mod destination_fails;
pub mod live;
pub mod source_annotates;
pub mod source_crashes;
pub mod source_documents;
pub mod source_endless;
pub mod source_escapes;
pub mod source_explores;
pub mod source_fails;
pub mod source_leaks;
pub mod source_many;
pub mod source_prints;
pub mod source_slow;
pub mod source_states;
pub mod source_streams;
pub mod source_talks;
pub mod source_verbatim;

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::harness::workspace::configured_catalog;
use crate::harness::{Airlock, Workspace, test_guest};

/// A guest, and a directory that is its `/airbyte`.
struct Guest {
    path: PathBuf,
    workspace: Workspace,
    airbyte: PathBuf,
}

impl Guest {
    fn new(name: &str) -> Guest {
        let workspace = Workspace::new();
        let airbyte = workspace.directory("airbyte");
        Guest { path: test_guest(name), workspace, airbyte }
    }

    /// With a file that the guest finds below `/airbyte`.
    fn with_file(self, name: &str, content: impl AsRef<[u8]>) -> Guest {
        std::fs::write(self.airbyte.join(name), content).expect("a file");
        self
    }

    fn airbyte(&self) -> &Path {
        &self.airbyte
    }

    fn spec(&self) -> Airlock {
        Airlock::of(&self.path).option("--airbyte-dir", &self.airbyte).arg("spec")
    }

    /// `check` or `discover`.
    fn command(&self, command: &str, config: &Value) -> Airlock {
        let config = self.workspace.json("config.json", config);
        Airlock::of(&self.path).option("--airbyte-dir", &self.airbyte).arg(command).option("--config", config)
    }

    fn read(&self, config: &Value, streams: &[&str]) -> Airlock {
        self.read_catalog(config, &configured_catalog(streams))
    }

    fn read_catalog(&self, config: &Value, catalog: &Value) -> Airlock {
        self.command("read", config).option("--catalog", self.workspace.json("catalog.json", catalog))
    }

    fn write(&self, config: &Value, streams: &[&str], input: impl Into<Vec<u8>>) -> Airlock {
        let catalog = self.workspace.json("catalog.json", &configured_catalog(streams));
        self.command("write", config).option("--catalog", catalog).stdin(input)
    }
}

/// The `n` of records.
fn numbers(records: &[&Value]) -> Vec<u64> {
    records.iter().map(|record| record["n"].as_u64().expect("records of these guests have a number")).collect()
}

/// The `n` of the STATE messages of one stream.
fn saved(states: &[&Value]) -> Vec<u64> {
    let blobs = states.iter().map(|state| &state["stream"]["stream_state"]["n"]);
    blobs.map(|number| number.as_u64().expect("states of these guests have a number")).collect()
}
