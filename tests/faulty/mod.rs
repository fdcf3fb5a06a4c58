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
pub mod source_independent;
pub mod source_leaks;
pub mod source_many;
pub mod source_prints;
pub mod source_sized;
pub mod source_slow;
pub mod source_states;
pub mod source_streams;
pub mod source_talks;
pub mod source_verbatim;

// Their tests have a folder of their own.
pub(crate) use crate::manifest as source_manifest;
pub use crate::network::{http as source_http, sessions as source_tls, sockets as source_sockets};

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::harness::workspace::configured_catalog;
use crate::harness::{Airlock, Workspace, test_guest};

/// A guest, and a directory that is its `/airbyte`.
pub(crate) struct Guest {
    path: PathBuf,
    pub(crate) workspace: Workspace,
    airbyte: PathBuf,
}

impl Guest {
    pub(crate) fn new(name: &str) -> Guest {
        let workspace = Workspace::new();
        let airbyte = workspace.directory("airbyte");
        Guest { path: test_guest(name), workspace, airbyte }
    }

    /// With a file that the guest finds below `/airbyte`.
    pub(crate) fn with_file(self, name: &str, content: impl AsRef<[u8]>) -> Guest {
        std::fs::write(self.airbyte.join(name), content).expect("a file");
        self
    }

    pub(crate) fn airbyte(&self) -> &Path {
        &self.airbyte
    }

    pub(crate) fn spec(&self) -> Airlock {
        Airlock::of(&self.path).option("--airbyte-dir", &self.airbyte).arg("spec")
    }

    /// `check` or `discover`.
    pub(crate) fn command(&self, command: &str, config: &Value) -> Airlock {
        let config = self.workspace.json("config.json", config);
        Airlock::of(&self.path).option("--airbyte-dir", &self.airbyte).arg(command).option("--config", config)
    }

    pub(crate) fn read(&self, config: &Value, streams: &[&str]) -> Airlock {
        self.read_catalog(config, &configured_catalog(streams))
    }

    /// The same for tests that need nothing more of the guest. Its directory goes with the run.
    pub(crate) fn into_read(self, config: &Value, streams: &[&str]) -> Airlock {
        let run = self.read(config, streams);
        run.keep(self.workspace)
    }

    pub(crate) fn read_catalog(&self, config: &Value, catalog: &Value) -> Airlock {
        self.command("read", config).option("--catalog", self.workspace.json("catalog.json", catalog))
    }

    pub(crate) fn write(&self, config: &Value, streams: &[&str], input: impl Into<Vec<u8>>) -> Airlock {
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
