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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::manifest::{Object, Remarks};

    #[test]
    fn records_are_kept_for_which_the_condition_holds() {
        let keeps = |filter: serde_json::Value, record: &str| {
            let remarks = Remarks::default();
            let filter: RecordFilter = Node::root(&filter, &remarks).read().unwrap();
            filter.keeps(&Record::of_text(record), &Scope::of_config(&Object::new())).unwrap()
        };
        let filter = json!({"type": "RecordFilter", "condition": "{{ record.status in ['active', 'new'] }}"});
        assert!(keeps(filter.clone(), r#"{"status": "new"}"#));
        assert!(!keeps(filter, r#"{"status": "old"}"#));
        // As the CDK: what is not there does not hold, and neither does an empty condition.
        assert!(!keeps(json!({"type": "RecordFilter", "condition": "{{ record.a.b }}"}), "{}"));
        assert!(!keeps(json!({"type": "RecordFilter"}), "{}"));
    }

    /// Not a test of correctness: `cargo test --release -- --ignored --nocapture many_records`.
    #[test]
    #[ignore = "measures"]
    fn many_records_are_filtered() {
        let remarks = Remarks::default();
        let filter = json!({"type": "RecordFilter", "condition": "{{ record['updated_at'] >= config['start'] and record.id != 5 }}"});
        let filter: RecordFilter = Node::root(&filter, &remarks).read().unwrap();
        let config = json!({"start": "2024-01-01"});
        let scope = Scope::of_config(config.as_object().unwrap());
        let line = r#"{"id": 7, "name": "x", "updated_at": "2024-02-03T04:05:06Z", "nested": {"a": [1, 2, 3]}, "text": "some longer text of a record"}"#;
        let begin = std::time::Instant::now();
        let kept = (0..100_000).filter(|_| filter.keeps(&Record::of_text(line), &scope).unwrap()).count();
        println!("{kept} records of 100000 in {:?}", begin.elapsed());
    }
}
