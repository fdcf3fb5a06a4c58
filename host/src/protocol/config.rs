//! The config: a JSON object, valid by the connector's own specification. Knows nothing of who asks.

use std::path::Path;

use serde_json::Value;

use super::document;
use super::failure::Failure;
use super::violation;

/// What a user configured.
pub struct Config {
    /// As the user wrote it.
    pub text: String,
    /// The same, read.
    pub value: Value,
}

/// What validation found.
#[derive(Debug, PartialEq, Eq)]
pub enum Validity {
    /// It fits.
    Valid,
    /// It does not; the text says why.
    Invalid(String),
    /// The specification is no JSON Schema that can be used; the text says why. Nothing is known of the config.
    UnusableSpecification(String),
}

impl Config {
    /// Reads the file that `--config` names.
    pub fn from_file(path: &Path) -> Result<Config, Failure> {
        let text = document::read_file("--config", path)?;
        let problem = |problem: String| {
            Failure::config_error(format!("The file that --config names, {}, {problem}.", path.display()))
        };
        document::object_on_one_line(&text).map_err(problem)?;
        let value = serde_json::from_str(&text).map_err(|error| problem(format!("can not be read: {error}")))?;
        Ok(Config { text, value })
    }

    /// Validates the config against `schema`, the specification's `connectionSpecification`.
    pub fn validate(&self, schema: &Value) -> Validity {
        // Every reference that leads out of the document is refused by the default retriever: the crate's features that
        // fetch files and URLs are off.
        let validator = match jsonschema::options().build(schema) {
            Ok(validator) => validator,
            Err(error) => return Validity::UnusableSpecification(error.to_string()),
        };
        let problems: Vec<String> =
            validator.iter_errors(&self.value).map(|error| violation::describe(&error)).collect();
        if problems.is_empty() {
            Validity::Valid
        } else {
            Validity::Invalid(format!("Config validation error: {}", problems.join("; ")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn config(value: Value) -> Config {
        Config { text: value.to_string(), value }
    }

    #[test]
    fn a_violation_names_the_field_and_not_its_value() {
        let schema = json!({"properties": {"password": {"type": "string", "maxLength": 2}}});
        let Validity::Invalid(text) = config(json!({"password": "hunter2"})).validate(&schema) else { panic!() };
        assert!(text.contains("/password") && !text.contains("hunter2"), "{text}");
    }

    #[test]
    fn references_out_of_the_document_are_not_followed() {
        for reference in ["http://127.0.0.1:9/schema.json", "file:///etc/hostname", "/etc/hostname"] {
            let validity = config(json!({})).validate(&json!({"$ref": reference}));
            assert!(matches!(validity, Validity::UnusableSpecification(_)), "{reference}: {validity:?}");
        }
        let local = json!({"$defs": {"n": {"type": "integer"}}, "properties": {"n": {"$ref": "#/$defs/n"}}});
        assert_eq!(config(json!({"n": 1})).validate(&local), Validity::Valid);
    }
}
