//! Changes of a config: the language's ConfigAddFields, ConfigRemoveFields, ConfigRemapField. Knows nothing of when they are made.

use airlock_sdk::{Result, system_error};
use serde_json::Value;

use crate::dpath;
use crate::manifest::{self, FromManifest, Node, Object, is_true};
use crate::template::{Condition, Scope, Template, TemplateMap, ValidTypes};

/// One of a Spec's `transformations`, or of a migration's.
#[derive(Debug)]
pub enum ConfigTransformation {
    Add { fields: Vec<AddedField>, condition: Option<Condition> },
    Remove { pointers: Vec<Vec<Value>>, condition: Option<Condition> },
    Remap { map: ValueMap, field_path: Vec<Template> },
}

/// Values, and what takes their place.
#[derive(Debug)]
pub enum ValueMap {
    Entries(TemplateMap),
    /// What comes to an object.
    Template(Template),
}

/// An AddedFieldDefinition.
#[derive(Debug)]
pub struct AddedField {
    path: Vec<Value>,
    value: Template,
    value_type: ValidTypes,
}

impl FromManifest for ConfigTransformation {
    fn from_manifest(node: &Node<'_>) -> manifest::Result<Self> {
        let component = node.component()?;
        let transformation = match component.kind() {
            "ConfigAddFields" => ConfigTransformation::Add {
                fields: component.required("fields")?,
                condition: condition(component.field("condition"))?,
            },
            "ConfigRemoveFields" => ConfigTransformation::Remove {
                pointers: component.required("field_pointers")?,
                condition: condition(component.field("condition"))?,
            },
            "ConfigRemapField" => {
                let field_path: Vec<Template> = component.required("field_path")?;
                if field_path.is_empty() {
                    return Err(node.invalid("has an empty field_path"));
                }
                let map = component.field("map").ok_or_else(|| component.lacks("map"))?;
                let map = match map.value.is_string() {
                    true => ValueMap::Template(map.read()?),
                    false => ValueMap::Entries(map.read()?),
                };
                ConfigTransformation::Remap { map, field_path }
            }
            _ => {
                let supported = ["ConfigAddFields", "ConfigRemoveFields", "ConfigRemapField"];
                return Err(component.other_kind(&supported, &[]));
            }
        };
        component.finish();
        Ok(transformation)
    }
}

/// An empty condition is none.
fn condition(field: Option<Node<'_>>) -> manifest::Result<Option<Condition>> {
    field.filter(|condition| is_true(condition.value)).map(|condition| condition.read()).transpose()
}

impl FromManifest for AddedField {
    fn from_manifest(node: &Node<'_>) -> manifest::Result<Self> {
        let component = node.component()?;
        let field = AddedField {
            path: component.required("path")?,
            value: component.required("value")?,
            value_type: component.optional("value_type")?.unwrap_or(ValidTypes::Any),
        };
        if field.path.is_empty() {
            return Err(node.invalid("has an empty path"));
        }
        component.finish();
        Ok(field)
    }
}

impl ConfigTransformation {
    pub fn apply(&self, config: Object) -> Result<Object> {
        match self {
            ConfigTransformation::Add { fields, condition } => add(fields, condition.as_ref(), config),
            ConfigTransformation::Remove { pointers, condition } => {
                if !holds(condition.as_ref(), &Scope::of_config(&config))? {
                    return Ok(config);
                }
                let mut config = Value::Object(config);
                for pointer in pointers {
                    dpath::delete(&mut config, pointer);
                }
                Ok(object(config))
            }
            ConfigTransformation::Remap { map, field_path } => remap(map, field_path, config),
        }
    }
}

fn add(fields: &[AddedField], condition: Option<&Condition>, config: Object) -> Result<Object> {
    let mut config = config;
    for field in fields {
        let scope = Scope::of_config(&config);
        let value = field.value.evaluate_with(&scope, &[], field.value_type)?;
        let scope = scope.with_json("value", &value).with_json("path", &Value::Array(field.path.clone()));
        if holds(condition, &scope)? {
            let mut changed = Value::Object(config);
            dpath::create(&mut changed, &field.path, value)?;
            config = object(changed);
        }
    }
    Ok(config)
}

impl ValueMap {
    fn evaluate(&self, scope: &Scope) -> Result<Object> {
        match self {
            ValueMap::Entries(entries) => entries.evaluate(scope),
            ValueMap::Template(template) => match template.evaluate(scope)? {
                Value::Object(map) => Ok(map),
                // What it comes to may be a secret.
                _ => Err(system_error(format!(
                    "{} must come to an object of values and what takes their place, and comes to something else.",
                    template.path()
                ))),
            },
        }
    }
}

fn remap(map: &ValueMap, field_path: &[Template], mut config: Object) -> Result<Object> {
    let scope = Scope::of_config(&config);
    let path = field_path.iter().map(|part| part.text(&scope)).collect::<Result<Vec<String>>>()?;
    let map = map.evaluate(&scope)?;
    let Some((name, parents)) = path.split_last() else { return Ok(config) };
    let mut current = &mut config;
    for parent in parents {
        match current.get_mut(parent) {
            Some(Value::Object(below)) => current = below,
            _ => return Ok(config),
        }
    }
    if let Some(value) = current.get_mut(name) {
        if let Some(mapped) = value.as_str().and_then(|value| map.get(value)) {
            *value = mapped.clone();
        }
    }
    Ok(config)
}

fn holds(condition: Option<&Condition>, scope: &Scope) -> Result<bool> {
    condition.map_or(Ok(true), |condition| condition.holds(scope))
}

fn object(value: Value) -> Object {
    match value {
        Value::Object(fields) => fields,
        _ => Object::new(),
    }
}
