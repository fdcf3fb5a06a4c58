//! Records that several requests have a part of: the language's GroupByKeyMergeStrategy. Knows nothing of requests.

use airlock_sdk::{Result, system_error};
use serde_json::Value;

use crate::manifest::is_true;
use crate::manifest::{self, FromManifest, Node, Object};
use crate::record::Record;

/// The language's GroupByKeyMergeStrategy: which fields say that two records are parts of one.
#[derive(Debug)]
pub struct RecordMergeStrategy {
    keys: Vec<String>,
}

impl Default for RecordMergeStrategy {
    fn default() -> Self {
        RecordMergeStrategy { keys: vec!["id".to_owned()] }
    }
}

impl FromManifest for RecordMergeStrategy {
    fn from_manifest(node: &Node<'_>) -> manifest::Result<Self> {
        let component = node.component()?;
        if component.kind() != "GroupByKeyMergeStrategy" {
            return Err(component.other_kind(&["GroupByKeyMergeStrategy"], &[]));
        }
        let key = component.field("key").ok_or_else(|| node.invalid("lacks the field key"))?;
        let keys = if key.value.is_string() { vec![key.read()?] } else { key.read()? };
        component.finish();
        Ok(RecordMergeStrategy { keys })
    }
}

impl RecordMergeStrategy {
    /// What all parts of a record have in common. None for a record that is whole.
    fn key_of(&self, record: &Record<'_>) -> Result<Option<String>> {
        let mut values = Vec::new();
        for key in &self.keys {
            match record.field(key)?.filter(is_true) {
                None => return Ok(None),
                Some(value) => values.push(value),
            }
        }
        let texts: Option<Vec<&str>> = values.iter().map(Value::as_str).collect();
        // The CDK can not do it either.
        let texts = texts.ok_or_else(|| {
            system_error(format!(
                "The records of several requests can not be put together: a GroupByKeyMergeStrategy needs texts in the field {}, and the \
                 server sends something else.",
                self.keys.join(", ")
            ))
        })?;
        Ok(Some(texts.join(",")))
    }
}

/// The records of a page, as far as their parts have come.
#[derive(Debug, Default)]
pub struct MergedRecords(Object);

impl MergedRecords {
    /// Takes a part of a record, or gives back what is none.
    pub fn take<'p>(&mut self, strategy: &RecordMergeStrategy, record: Record<'p>) -> Result<Option<Record<'p>>> {
        let Some(key) = strategy.key_of(&record)? else { return Ok(Some(record)) };
        let part = record.into_object()?;
        match self.0.entry(key).or_insert_with(|| Object::new().into()) {
            Value::Object(merged) => merge(merged, part),
            merged => *merged = part.into(),
        }
        Ok(None)
    }

    /// The records, in the order in which their first parts came.
    pub fn records(self) -> impl Iterator<Item = Record<'static>> {
        self.0.into_iter().filter_map(|(_, record)| match record {
            Value::Object(record) => Some(Record::of_object(record)),
            _ => None,
        })
    }
}

/// Objects in objects are merged as well; of anything else, the last one is right.
fn merge(target: &mut Object, part: Object) {
    for (name, value) in part {
        match (target.get_mut(&name), value) {
            (Some(Value::Object(known)), Value::Object(value)) => merge(known, value),
            (_, value) => drop(target.insert(name, value)),
        }
    }
}
