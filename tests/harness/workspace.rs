//! A directory of one test, with the files that commands are given.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::airlock_binary;

/// Removed at the end of the test.
pub struct Workspace(TempDir);

impl Workspace {
    pub fn new() -> Workspace {
        Workspace(TempDir::new().expect("a temporary directory"))
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// A directory below.
    pub fn directory(&self, name: &str) -> PathBuf {
        let path = self.path().join(name);
        fs::create_dir_all(&path).expect("a directory");
        path
    }

    /// The words that run a connector, as AIRBYTE_ENTRYPOINT has them. They are links, for a shell splits words at the
    /// spaces that the path of a checkout may have.
    pub fn entrypoint(&self, connector: &Path, airbyte_directory: Option<&Path>) -> String {
        let link = |to: &Path| {
            let link = self.path().join(to.file_name().expect("a file"));
            if !link.exists() {
                std::os::unix::fs::symlink(to, &link).expect("a link");
            }
            link
        };
        let mut words = format!("{} --connector {}", link(&airlock_binary()).display(), link(connector).display());
        if let Some(directory) = airbyte_directory {
            words += &format!(" --airbyte-dir {}", directory.display());
        }
        words
    }

    /// A file with this content.
    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path().join(name);
        fs::write(&path, content).expect("a file");
        path
    }

    /// A file with this JSON.
    pub fn json(&self, name: &str, content: &Value) -> PathBuf {
        self.file(name, content.to_string())
    }
}

/// A configured catalog of these streams, incremental and append.
pub fn configured_catalog(streams: &[&str]) -> Value {
    let streams: Vec<Value> = streams
        .iter()
        .map(|name| {
            json!({
                "stream": {"name": name, "json_schema": {"type": "object"}, "supported_sync_modes": ["full_refresh", "incremental"]},
                "sync_mode": "incremental",
                "destination_sync_mode": "append",
                "generation_id": 1,
                "minimum_generation_id": 0,
                "sync_id": 1
            })
        })
        .collect();
    json!({"streams": streams})
}
