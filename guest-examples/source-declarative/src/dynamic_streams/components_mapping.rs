//! What goes where in a stream's template: the language's ComponentMappingDefinition. Knows nothing of where the values come from.

use airlock_sdk::Result;
use serde_json::Value;

use crate::dpath;
use crate::manifest::{self, FromManifest, Node, is_true};
use crate::template::{Condition, Scope, Template, ValidTypes};

/// The language's ComponentMappingDefinition.
#[derive(Debug)]
pub struct ComponentMapping {
    field_path: Vec<Template>,
    value: Template,
    value_type: ValidTypes,
    create_or_update: bool,
    condition: Option<Condition>,
}

/// What becomes of a text that a template comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Texts {
    /// It stays one.
    Kept,
    /// It is read as YAML, if it is some.
    Yaml,
    /// The same, but for what must be a string.
    YamlUnlessString,
}

impl FromManifest for ComponentMapping {
    fn from_manifest(node: &Node<'_>) -> manifest::Result<Self> {
        let component = node.component()?;
        if !matches!(component.kind(), "ComponentMappingDefinition" | "") {
            return Err(component.other_kind(&["ComponentMappingDefinition"], &[]));
        }
        let mapping = ComponentMapping {
            field_path: component.required("field_path")?,
            value: component.required("value")?,
            value_type: component.optional("value_type")?.unwrap_or(ValidTypes::Any),
            create_or_update: component.optional("create_or_update")?.unwrap_or_default(),
            condition: component
                .field("condition")
                .filter(|condition| is_true(condition.value))
                .map(|condition| condition.read())
                .transpose()?,
        };
        component.finish();
        Ok(mapping)
    }
}

impl ComponentMapping {
    pub fn has_condition(&self) -> bool {
        self.condition.is_some()
    }

    /// Puts the value into a stream.
    pub fn apply(&self, stream: &mut Value, texts: Texts, scope: &Scope) -> Result<()> {
        if let Some(condition) = &self.condition {
            if !condition.holds(scope)? {
                return Ok(());
            }
        }
        let value = self.value.evaluate_with(scope, &[], self.value_type)?;
        let path = self.field_path.iter().map(|part| part.evaluate(scope)).collect::<Result<Vec<Value>>>()?;
        let value = match value {
            Value::String(text) if self.reads_yaml(texts) => manifest::parse_yaml(&text).unwrap_or(Value::String(text)),
            value => value,
        };
        let places = dpath::set(stream, &path, &value);
        if places == 0 && self.create_or_update && is_true(&value) {
            dpath::create(stream, &path, value)?;
        }
        Ok(())
    }

    fn reads_yaml(&self, texts: Texts) -> bool {
        match texts {
            Texts::Kept => false,
            Texts::Yaml => true,
            Texts::YamlUnlessString => self.value_type != ValidTypes::Text,
        }
    }
}
