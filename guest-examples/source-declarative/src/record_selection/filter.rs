//! Which records are kept: the language's RecordFilter. Knows nothing of where records come from.

use airlock_sdk::Result;

use crate::manifest::{self, FromManifest, Node};
use crate::record::Record;
use crate::template::{Condition, Scope, Variable};

/// The language's RecordFilter.
#[derive(Debug)]
pub struct RecordFilter {
    condition: Option<Condition>,
}

impl FromManifest for RecordFilter {
    fn from_manifest(node: &Node<'_>) -> manifest::Result<Self> {
        let component = node.component()?;
        let filter = RecordFilter { condition: component.optional("condition")? };
        component.finish();
        Ok(filter)
    }
}

impl RecordFilter {
    /// Whether the record is kept.
    pub fn keeps(&self, record: &Record<'_>, scope: &Scope) -> Result<bool> {
        let Some(condition) = &self.condition else { return Ok(true) };
        condition.holds_with(scope, &[("record", Variable::Object(record.object()?))])
    }
}
