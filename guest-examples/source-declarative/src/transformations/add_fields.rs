//! The language's AddFields: values of templates, put into a record.

use airlock_sdk::{Result, system_error};
use serde_json::Value;

use crate::dpath;
use crate::manifest::{self, Component, Node};
use crate::record::Record;
use crate::template::{Condition, Scope, Template, ValidTypes, Variable, python_text};

#[derive(Clone, Debug)]
pub struct AddFields {
    fields: Vec<AddedField>,
    condition: Option<Condition>,
}

/// The language's AddedFieldDefinition.
#[derive(Clone, Debug)]
struct AddedField {
    /// Names as they are: no templates.
    path: Vec<Value>,
    /// The same as one value, for conditions.
    whole_path: Value,
    value: Template,
    valid: ValidTypes,
}

impl AddFields {
    pub fn of(component: &Component<'_>) -> manifest::Result<Self> {
        let fields = component.field("fields").ok_or_else(|| component.lacks("fields"))?;
        let fields = fields.elements()?.iter().map(AddedField::of).collect::<manifest::Result<_>>()?;
        let condition = component.optional::<Condition>("condition")?.filter(|condition| !condition.is_empty());
        Ok(AddFields { fields, condition })
    }

    pub fn apply(&self, record: &mut Record<'_>, scope: &Scope) -> Result<()> {
        for field in &self.fields {
            let object = record.object()?;
            let known = ("record", Variable::Object(object));
            let value = field.value.evaluate_with(scope, &[known], field.valid)?;
            if let Some(condition) = &self.condition {
                let more = [known, ("value", Variable::Json(&value)), ("path", Variable::Json(&field.whole_path))];
                if !condition.holds_with(scope, &more)? {
                    continue;
                }
            }
            let object = record.object_mut()?;
            let mut whole = Value::Object(std::mem::take(object));
            let created = dpath::create(&mut whole, &field.path, value);
            if let Value::Object(whole) = whole {
                *object = whole;
            }
            created.map_err(|failure| {
                system_error(format!("{} can not be added to a record: {}", field.value.path(), failure.message))
            })?;
        }
        Ok(())
    }
}

impl AddedField {
    fn of(node: &Node<'_>) -> manifest::Result<Self> {
        let component = node.component()?;
        let path: Vec<Value> = component.required("path")?;
        if path.is_empty() {
            return Err(component.node.invalid("has a path without a name in it"));
        }
        let value = component.field("value").ok_or_else(|| component.lacks("value"))?;
        // The language takes numbers and booleans for their text.
        let text = match value.value {
            Value::Number(_) => Value::String(python_text(value.value)),
            Value::Bool(_) => Value::String(python_text(value.value)),
            Value::String(_) => value.value.clone(),
            _ => return Err(value.not("a string")),
        };
        let value = Node { value: &text, ..value };
        let value = value.read()?;
        let valid = match component.field("value_type") {
            None => ValidTypes::Any,
            Some(field) => match field.value.as_str() {
                Some("string") => ValidTypes::Text,
                Some("number") => ValidTypes::Float,
                Some("integer") => ValidTypes::Int,
                Some("boolean") => ValidTypes::Bool,
                _ => return Err(field.invalid("must be one of string, number, integer, boolean")),
            },
        };
        component.finish();
        Ok(AddedField { whole_path: Value::Array(path.clone()), path, value, valid })
    }
}
