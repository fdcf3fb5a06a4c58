//! The connector's specification, and the validation of a config against it: what all commands begin with.

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::protocol::config::{Config, Validity};
use crate::protocol::document;
use crate::protocol::failure::Failure;
use crate::protocol::log_level::LogLevel;
use crate::protocol::output::Output;
use crate::sandbox::INJECTED_MANIFEST;

/// The fields of a ConnectorSpecification whose type the protocol defines.
#[derive(Deserialize)]
struct Fields {
    #[serde(rename = "documentationUrl")]
    _documentation_url: Option<String>,
    #[serde(rename = "changelogUrl")]
    _changelog_url: Option<String>,
    #[serde(rename = "supportsIncremental")]
    _supports_incremental: Option<bool>,
    #[serde(rename = "supported_destination_sync_modes")]
    _supported_destination_sync_modes: Option<Vec<String>>,
    #[serde(rename = "protocol_version")]
    _protocol_version: Option<String>,
}

/// Airbyte's ConnectorSpecification.
pub struct Specification {
    /// As the connector gave it, on one line.
    pub document: Box<RawValue>,
    /// Its `connectionSpecification`.
    schema: Value,
}

impl Specification {
    /// Checks what a connector gave.
    pub fn from_guest(text: &str) -> Result<Specification, Failure> {
        let problem = |problem: &str| {
            Failure::system_error(format!(
                "The specification of the connector {problem}. This is a defect of the connector: report it to its publisher."
            ))
        };
        let document = document::object_on_one_line(text).map_err(|text| problem(&text))?;
        // What the platform can not read it drops without a word.
        serde_json::from_str::<Fields>(document.get())
            .map_err(|error| problem(&format!("is none of Airbyte's: {error}")))?;
        let mut whole: Value = serde_json::from_str(document.get()).map_err(|error| problem(&error.to_string()))?;
        let schema = match whole.get_mut("connectionSpecification") {
            Some(schema @ Value::Object(_)) => schema.take(),
            _ => return Err(problem("has no `connectionSpecification`")),
        };
        Ok(Specification { document, schema })
    }

    /// Validates a config and, from then on, masks its secrets in everything that people read. The text of an invalid one
    /// says what is wrong.
    pub fn validate(&self, config: &Config, output: &Output) -> Result<(), String> {
        let schema = self.injected(config).unwrap_or(&self.schema);
        output
            .hide_secrets(schema, &config.text, &config.value)
            .map_err(|problem| format!("The config can not be used: {problem}."))?;
        match config.validate(schema) {
            Validity::Valid => Ok(()),
            Validity::Invalid(problem) => Err(problem),
            Validity::UnusableSpecification(problem) => {
                let text = format!(
                    "The connector's specification is no usable JSON Schema, so the config is not validated: {problem}"
                );
                output.log(LogLevel::Warn, &text);
                Ok(())
            }
        }
    }

    /// The `connection_specification` of the manifest in a config, for a connector that takes a manifest there: what it says of
    /// itself without one knows nothing of the fields that this one has, and of which are secrets.
    fn injected<'c>(&self, config: &'c Config) -> Option<&'c Value> {
        self.schema.get("properties")?.get(INJECTED_MANIFEST)?;
        let manifest = config.value.get(INJECTED_MANIFEST)?;
        let schema = referred(manifest, referred(manifest, manifest.get("spec")?)?.get("connection_specification")?)?;
        schema.is_object().then_some(schema)
    }

    /// `validate` for the commands for which an invalid config is a failure.
    pub fn require_valid(&self, config: &Config, output: &Output) -> Result<(), Failure> {
        self.validate(config, output).map_err(Failure::config_error)
    }
}

/// The value in a manifest, or the one that it refers to.
fn referred<'m>(manifest: &'m Value, value: &'m Value) -> Option<&'m Value> {
    match value.as_str().or_else(|| value.get("$ref").and_then(Value::as_str)) {
        Some(reference) => manifest.pointer(reference.strip_prefix('#')?),
        None => Some(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_config_with_a_manifest_is_held_against_that_manifests_specification() {
        let takes = |properties: Value| {
            Specification::from_guest(&json!({"connectionSpecification": {"properties": properties}}).to_string())
        };
        let interpreter = takes(json!({INJECTED_MANIFEST: {"type": "object"}})).ok().unwrap();
        let other = takes(json!({"key": {}})).ok().unwrap();
        let schema = json!({"required": ["key"]});
        let manifests = [
            json!({"spec": {"connection_specification": schema}}),
            json!({"spec": {"$ref": "#/definitions/spec"}, "definitions": {"spec": {"connection_specification": schema}}}),
            json!({"spec": {"connection_specification": "#/schemas/0"}, "schemas": [schema]}),
        ];
        for manifest in manifests {
            let value = json!({INJECTED_MANIFEST: manifest});
            let config = Config { text: value.to_string(), value };
            assert_eq!(interpreter.injected(&config), Some(&schema));
            assert_eq!(other.injected(&config), None, "it takes no manifest");
        }
        for manifest in
            [json!({}), json!({"spec": 1}), json!({"spec": {"connection_specification": "#/nowhere"}}), json!([])]
        {
            let value = json!({INJECTED_MANIFEST: manifest});
            assert_eq!(interpreter.injected(&Config { text: value.to_string(), value }), None);
        }
    }
}
