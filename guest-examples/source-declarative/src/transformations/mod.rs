//! Changes made to each record: the language's AddFields, RemoveFields and others. Knows nothing of where records come from.

mod add_fields;
mod flatten;
mod keys;
mod latin;
mod remove_fields;
#[cfg(test)]
mod tests;

use airlock_sdk::Result;

use crate::manifest::{self, FromManifest, Node};
use crate::record::Record;
use crate::template::Scope;
use add_fields::AddFields;
use flatten::{DpathFlattenFields, flatten};
use keys::KeysReplace;
use remove_fields::RemoveFields;

/// One of a stream's `transformations`.
#[derive(Clone, Debug)]
pub enum Transformation {
    AddFields(AddFields),
    RemoveFields(RemoveFields),
    KeysToLower,
    KeysToSnakeCase,
    KeysReplace(KeysReplace),
    FlattenFields { flatten_lists: bool },
    DpathFlattenFields(DpathFlattenFields),
}

impl FromManifest for Transformation {
    fn from_manifest(node: &Node<'_>) -> manifest::Result<Self> {
        let component = node.component()?;
        let transformation = match component.kind() {
            "AddFields" => Transformation::AddFields(AddFields::of(&component)?),
            "RemoveFields" => Transformation::RemoveFields(RemoveFields::of(&component)?),
            "KeysToLower" => Transformation::KeysToLower,
            "KeysToSnakeCase" => Transformation::KeysToSnakeCase,
            "KeysReplace" => Transformation::KeysReplace(KeysReplace::of(&component)?),
            "FlattenFields" => {
                Transformation::FlattenFields { flatten_lists: component.optional("flatten_lists")?.unwrap_or(true) }
            }
            "DpathFlattenFields" => Transformation::DpathFlattenFields(DpathFlattenFields::of(&component)?),
            _ => {
                let kinds = [
                    "AddFields",
                    "RemoveFields",
                    "KeysToLower",
                    "KeysToSnakeCase",
                    "KeysReplace",
                    "FlattenFields",
                    "DpathFlattenFields",
                ];
                return Err(component.other_kind(&kinds, &[]));
            }
        };
        component.finish();
        Ok(transformation)
    }
}

impl Transformation {
    /// Changes a record. `scope` knows `config` and `stream_slice`.
    pub fn apply(&self, record: &mut Record<'_>, scope: &Scope) -> Result<()> {
        match self {
            Transformation::AddFields(fields) => fields.apply(record, scope),
            Transformation::RemoveFields(fields) => fields.apply(record, scope),
            Transformation::KeysToLower => keys::to_lower(record.object_mut()?),
            Transformation::KeysToSnakeCase => keys::to_snake_case(record.object_mut()?),
            Transformation::KeysReplace(replace) => replace.apply(record, scope),
            Transformation::FlattenFields { flatten_lists } => {
                let object = record.object_mut()?;
                *object = flatten(std::mem::take(object), *flatten_lists);
                Ok(())
            }
            Transformation::DpathFlattenFields(fields) => fields.apply(record, scope),
        }
    }
}
