//! Incremental sync: the language's cursors, the intervals that they divide a stream into, and the state in which they go on. Knows nothing of
//! requests.

use crate::manifest::{self, FromManifest, Node};

/// A stream's `incremental_sync`.
#[derive(Debug)]
pub enum IncrementalSync {}

impl FromManifest for IncrementalSync {
    fn from_manifest(node: &Node<'_>) -> manifest::Result<Self> {
        Err(node.unsupported("is not supported yet"))
    }
}

impl IncrementalSync {
    /// The field of a record that tells how far a sync has come, as it stands in the catalog.
    pub fn cursor_field(&self) -> &str {
        match *self {}
    }

    /// Whether records before the state are filtered here and not by the server.
    pub fn is_client_side(&self) -> bool {
        match *self {}
    }

    /// Whether pages are read until one has a record before the state.
    pub fn is_data_feed(&self) -> bool {
        match *self {}
    }
}
