//! The schema of a stream: the language's InlineSchemaLoader, JsonFileSchemaLoader, DynamicSchemaLoader. Knows nothing of records.

use airlock_sdk::{Result, config_error};
use serde_json::Value;

use crate::manifest::{self, FromManifest, Node};
use crate::session::Session;

/// A stream's `schema_loader`.
#[derive(Debug)]
pub enum SchemaLoader {}

impl FromManifest for SchemaLoader {
    fn from_manifest(node: &Node<'_>) -> manifest::Result<Self> {
        Err(node.unsupported("is not supported yet"))
    }
}

impl SchemaLoader {
    /// The JSON schema of the stream's records.
    pub fn schema(&self, _session: &Session) -> Result<Value> {
        Err(config_error("schemas are not there yet"))
    }
}
