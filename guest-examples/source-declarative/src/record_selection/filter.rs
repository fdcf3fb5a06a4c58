//! Which records are kept: the language's RecordFilter. Knows nothing of where records come from.

use airlock_sdk::Result;

use crate::manifest::{self, FromManifest, Node};
use crate::record::Record;
use crate::template::{Condition, Scope, Variable};

/// The language's RecordFilter.
#[derive(Debug)]
pub struct RecordFilter {
    condition: Condition,
}

impl FromManifest for RecordFilter {
    fn from_manifest(node: &Node<'_>) -> manifest::Result<Self> {
        let component = node.component()?;
        // Without a condition, nothing is kept: for the CDK, an empty one does not hold.
        let condition = component.optional("condition")?.unwrap_or_else(|| Condition::of(""));
        let filter = RecordFilter { condition };
        component.finish();
        Ok(filter)
    }
}

impl RecordFilter {
    /// Whether the record is kept.
    pub fn keeps(&self, record: &Record<'_>, scope: &Scope) -> Result<bool> {
        self.condition.holds_with(scope, &[("record", Variable::Object(record.object()?))])
    }
}
