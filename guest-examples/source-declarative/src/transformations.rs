//! Changes made to each record: the language's AddFields, RemoveFields and others. Knows nothing of where records come from.

use airlock_sdk::{Result, config_error};

use crate::manifest::{self, FromManifest, Node};
use crate::record::Record;
use crate::template::Scope;

/// One of a stream's `transformations`.
#[derive(Clone, Debug)]
pub enum Transformation {}

impl FromManifest for Transformation {
    fn from_manifest(node: &Node<'_>) -> manifest::Result<Self> {
        Err(node.unsupported("is not supported yet"))
    }
}

impl Transformation {
    /// Changes a record. `scope` knows `config` and `stream_slice`.
    pub fn apply(&self, _record: &mut Record<'_>, _scope: &Scope) -> Result<()> {
        Err(config_error("transformations are not there yet"))
    }
}
