//! States of older versions of a connector: the language's LegacyToPerPartitionStateMigration. Knows nothing of how a state is used.

use airlock_sdk::Result;
use serde_json::Value;

use crate::manifest::{self, FromManifest, Node, Object};

/// One of a stream's `state_migrations`.
#[derive(Debug)]
pub enum StateMigration {
    LegacyToPerPartition,
}

impl FromManifest for StateMigration {
    fn from_manifest(node: &Node<'_>) -> manifest::Result<Self> {
        let component = node.component()?;
        match component.kind() {
            "LegacyToPerPartitionStateMigration" => {
                component.finish();
                Ok(StateMigration::LegacyToPerPartition)
            }
            _ => Err(component.other_kind(&["LegacyToPerPartitionStateMigration"], &[])),
        }
    }
}

impl StateMigration {
    /// The state as it is saved today. `partition_field` is the field of the stream's one parent: None where it has several.
    pub fn migrate(&self, state: Object, partition_field: Option<&str>, cursor_field: &str) -> Result<Object> {
        let Some(partition_field) = partition_field else { return Ok(state) };
        let is_legacy = |value: &Value| {
            value.as_object().is_some_and(|cursor| cursor.len() == 1 && cursor.contains_key(cursor_field))
        };
        if state.is_empty() || state.contains_key("states") || !state.values().all(is_legacy) {
            return Ok(state);
        }
        let states = state.into_iter().map(|(partition, cursor)| {
            let partition = Object::from_iter([(partition_field.to_owned(), partition.into())]);
            Value::Object(Object::from_iter([
                ("partition".to_owned(), partition.into()),
                ("cursor".to_owned(), cursor),
            ]))
        });
        Ok(Object::from_iter([("states".to_owned(), states.collect())]))
    }
}
