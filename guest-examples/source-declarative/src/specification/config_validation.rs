//! What a manifest asks of a config beside its schema: the language's DpathValidator, with ValidateAdheresToSchema. Knows nothing of
//! when it is asked.

use airlock_sdk::{Result, system_error};
use serde_json::Value;

use super::json_schema::{JsonSchema, Refusal};
use crate::dpath;
use crate::manifest::{self, FromManifest, Node, Object, Reason};
use crate::template::{Scope, Template};

/// One of a Spec's `validations`.
#[derive(Debug)]
pub struct Validator {
    field_path: Vec<Template>,
    /// None where it can not be asked, which was told.
    schema: Option<JsonSchema>,
}

impl FromManifest for Validator {
    fn from_manifest(node: &Node<'_>) -> manifest::Result<Self> {
        let component = node.component()?;
        let validator = match component.kind() {
            "DpathValidator" => {
                let field_path: Vec<Template> = component.required("field_path")?;
                if field_path.is_empty() {
                    return Err(node.invalid("has an empty field_path"));
                }
                let strategy =
                    component.field("validation_strategy").ok_or_else(|| component.lacks("validation_strategy"))?;
                Validator { field_path, schema: read_strategy(&strategy)? }
            }
            "PredicateValidator" => {
                // It has no path to a value, and the CDK 7.39 fails with it.
                component.skip_fields(&["value", "validation_strategy"]);
                node.remark(
                    "is a PredicateValidator, with which the CDK fails: this connector uses the configuration as it is",
                );
                Validator { field_path: Vec::new(), schema: None }
            }
            _ => return Err(component.other_kind(&["DpathValidator", "PredicateValidator"], &[])),
        };
        component.finish();
        Ok(validator)
    }
}

fn read_strategy(node: &Node<'_>) -> manifest::Result<Option<JsonSchema>> {
    let component = match node.component() {
        Err(problem) if problem.reason == Reason::NeedsPython => {
            node.remark(format!("{}: this check of the configuration is not made, it is used as it is", problem.what));
            return Ok(None);
        }
        component => component?,
    };
    if component.kind() != "ValidateAdheresToSchema" {
        return Err(component.other_kind(&["ValidateAdheresToSchema"], &[]));
    }
    let schema = component.field("base_schema").ok_or_else(|| component.lacks("base_schema"))?;
    let not_made = |what: &str| {
        schema.remark(format!("{what}: this check of the configuration is not made, it is used as it is"));
    };
    let read = match JsonSchema::of(schema.value) {
        _ if schema.value.is_string() => {
            not_made("is a text, with which the CDK fails");
            None
        }
        Ok(schema) => Some(schema),
        Err(Refusal::Unsupported(what)) => {
            not_made(&format!("has {what}, which is not supported"));
            None
        }
        Err(Refusal::Invalid(what)) => return Err(schema.invalid(what)),
    };
    component.finish();
    Ok(read)
}

impl Validator {
    /// Whether a config is as the manifest wants it.
    pub fn validate(&self, config: &Object) -> Result<()> {
        let Some(schema) = &self.schema else { return Ok(()) };
        let scope = Scope::of_config(&Object::new());
        let path = self.field_path.iter().map(|part| part.evaluate(&scope)).collect::<Result<Vec<Value>>>()?;
        let config = Value::Object(config.clone());
        let values = match path.iter().any(|part| part == "*") {
            true => dpath::matching(&config, &path)?,
            // What is not there is not looked at.
            false => dpath::get(&config, &path)?.into_iter().collect(),
        };
        let name = path.iter().map(|part| part.as_str().map_or_else(|| part.to_string(), str::to_owned));
        let name = name.collect::<Vec<_>>().join(".");
        for value in values {
            let parsed = match value {
                Value::String(text) => Some(serde_json::from_str::<Value>(text).map_err(|_| {
                    system_error(format!(
                        "The configuration can not be used: its field {name} must be a text that is JSON."
                    ))
                })?),
                _ => None,
            };
            if let Some(violation) = schema.violation(parsed.as_ref().unwrap_or(value), &name) {
                return Err(system_error(format!("The configuration can not be used: its field {violation}.")));
            }
        }
        Ok(())
    }
}
