//! The secrets of a config, and their masking in what people read. Knows nothing of messages.

use std::collections::HashSet;

use serde_json::Value;

/// What stands in the place of a secret, as in Airbyte's own connectors.
const MASK: &str = "****";

/// A line of a secret of many lines (a private key) is masked by itself if it has as many characters: a bracket alone is none.
const LINE_LENGTH: usize = 8;

/// The values that must not be seen in a log.
#[derive(Debug, Default)]
pub struct Secrets {
    /// The JSON Schema of the config: it says what is secret.
    specification: Value,
    /// Longest first, so that a secret that is part of another does not leave the rest of it to be read.
    values: Vec<String>,
}

impl Secrets {
    /// None yet; `specification` (a JSON Schema) says what is secret, with `airbyte_secret`.
    pub fn named_by(specification: Value) -> Secrets {
        Secrets { specification, values: Vec::new() }
    }

    /// Adds the secrets of `config`.
    pub fn add(&mut self, config: &Value) {
        let mut search = Search { root: &self.specification, seen: HashSet::new(), secrets: &mut self.values };
        search.look(&self.specification, config);
        self.values.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        self.values.dedup();
    }

    /// The text with every secret masked.
    pub fn mask(&self, text: &str) -> String {
        self.values.iter().fold(text.to_owned(), |text, secret| text.replace(secret, MASK))
    }
}

/// A walk through a schema and the value it describes.
struct Search<'a> {
    root: &'a Value,
    /// Which part of the schema has met which part of the value: references may go in circles.
    seen: HashSet<(*const Value, *const Value)>,
    secrets: &'a mut Vec<String>,
}

impl Search<'_> {
    fn look(&mut self, schema: &Value, value: &Value) {
        if !self.seen.insert((schema, value)) {
            return;
        }
        if schema.get("airbyte_secret") == Some(&Value::Bool(true)) {
            collect_leaves(value, self.secrets);
        }
        let root = self.root;
        if let Some(pointer) = schema.get("$ref").and_then(Value::as_str).and_then(|text| text.strip_prefix('#'))
            && let Some(schema) = root.pointer(pointer)
        {
            self.look(schema, value);
        }
        for alternatives in ["oneOf", "anyOf", "allOf"] {
            for alternative in schema.get(alternatives).and_then(Value::as_array).into_iter().flatten() {
                self.look(alternative, value);
            }
        }
        for alternative in ["if", "then", "else"].iter().filter_map(|word| schema.get(word)) {
            self.look(alternative, value);
        }
        match value {
            Value::Object(fields) => fields.iter().for_each(|(name, value)| self.look_at_field(schema, name, value)),
            Value::Array(elements) => self.look_at_elements(schema, elements),
            _ => {}
        }
    }

    fn look_at_field(&mut self, schema: &Value, name: &str, value: &Value) {
        let property = schema.get("properties").and_then(|properties| properties.get(name));
        // A pattern is taken to fit every name: one masked word too many does less harm than one too few.
        let patterns =
            schema.get("patternProperties").and_then(Value::as_object).into_iter().flat_map(|all| all.values());
        for schema in property.into_iter().chain(patterns).chain(schema.get("additionalProperties")) {
            self.look(schema, value);
        }
    }

    fn look_at_elements(&mut self, schema: &Value, elements: &[Value]) {
        for word in ["items", "prefixItems"] {
            match schema.get(word) {
                Some(Value::Array(schemas)) => {
                    schemas.iter().zip(elements).for_each(|(schema, element)| self.look(schema, element));
                }
                Some(schema) => elements.iter().for_each(|element| self.look(schema, element)),
                None => {}
            }
        }
    }
}

fn collect_leaves(value: &Value, secrets: &mut Vec<String>) {
    match value {
        Value::String(text) if !text.is_empty() => add_text(text, secrets),
        Value::Number(number) => secrets.push(number.to_string()),
        Value::Array(elements) => elements.iter().for_each(|element| collect_leaves(element, secrets)),
        Value::Object(fields) => fields.values().for_each(|value| collect_leaves(value, secrets)),
        _ => {}
    }
}

/// Adds a secret in the forms in which it may be said: as it is, as it stands in JSON, and by lines, as it is printed.
fn add_text(text: &str, secrets: &mut Vec<String>) {
    let json = Value::from(text).to_string();
    for form in [text, &json[1..json.len() - 1]] {
        secrets.push(form.to_owned());
    }
    if text.contains('\n') {
        let lines = text.lines().map(str::trim).filter(|line| line.chars().count() >= LINE_LENGTH);
        secrets.extend(lines.map(ToOwned::to_owned));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn secrets_are_found_wherever_a_specification_hides_them() {
        let specification = json!({"properties": {
            "password": {"airbyte_secret": true},
            "credentials": {"oneOf": [{"properties": {"token": {"airbyte_secret": true}}}]},
            "keys": {"items": {"airbyte_secret": true}},
            "tunnel": {"$ref": "#/$defs/tunnel"},
            "headers": {"additionalProperties": {"airbyte_secret": true}},
            "host": {}
        }, "$defs": {"tunnel": {"properties": {
            "key": {"airbyte_secret": true},
            "next": {"anyOf": [{"$ref": "#/$defs/tunnel"}, {"$ref": "#/$defs/tunnel"}]}
        }}}});
        let config = json!({"password": "abc", "credentials": {"token": "abcdef"}, "keys": [12345], "host": "db",
            "tunnel": {"next": {"next": {"key": "deep"}}}, "headers": {"auth": "bearer"}});
        let mut secrets = Secrets::named_by(specification);
        secrets.add(&config);
        assert_eq!(secrets.mask("abcdef at db with abc and 12345"), "**** at db with **** and ****");
        assert_eq!(secrets.mask("deep bearer"), "**** ****");
    }

    #[test]
    fn a_secret_is_masked_as_json_and_by_lines() {
        let mut secrets = Secrets::named_by(json!({"properties": {"key": {"airbyte_secret": true}}}));
        let config = json!({"key": "-----BEGIN KEY-----\nabc\"defgh\n}\n"});
        secrets.add(&config);
        assert_eq!(secrets.mask(&config.to_string()), r#"{"key":"****"}"#);
        assert_eq!(secrets.mask("line: abc\"defgh"), "line: ****");
        assert_eq!(secrets.mask("{}"), "{}");
    }
}
