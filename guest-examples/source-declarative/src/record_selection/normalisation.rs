//! Values of records made what the schema says of them: the language's `schema_normalization`. Knows nothing of where records come
//! from.

use airlock_sdk::Result;
use serde_json::Value;

use crate::manifest::Object;
use crate::record::Record;
use crate::template::python_text;

/// The language's `schema_normalization: Default`.
#[derive(Debug)]
pub struct Normalisation;

/// References within each other that lead to nothing in a record. The CDK has no end there.
const MAX_DEPTH: usize = 200;

impl Normalisation {
    /// Changes a record's values to the types of the schema. What can not be changed stays, and is warned of.
    #[expect(clippy::unused_self, reason = "the language's other normalisations have something of their own")]
    pub fn apply(&self, record: &mut Record<'_>, schema: &Value) -> Result<()> {
        let mut value = Value::Object(record.object()?.clone());
        for warning in normalise(&mut value, schema) {
            log::warn!("{warning}");
        }
        match value {
            Value::Object(object) if object != *record.object()? => *record.object_mut()? = object,
            _ => {}
        }
        Ok(())
    }
}

/// Normalises a value, and tells what is not of its type all the same.
fn normalise(value: &mut Value, schema: &Value) -> Vec<String> {
    let mut walk = Walk { root: schema, warnings: Vec::new(), path: Vec::new() };
    walk.descend(value, schema, 0);
    walk.warnings
}

/// A walk along a schema, as jsonschema's: keyword by keyword, in the schema's order.
struct Walk<'s> {
    root: &'s Value,
    warnings: Vec<String>,
    path: Vec<String>,
}

impl Walk<'_> {
    fn descend(&mut self, value: &mut Value, schema: &Value, depth: usize) {
        let Value::Object(keywords) = schema else {
            if schema == &Value::Bool(false) {
                self.warn(value, &Value::Null);
            }
            return;
        };
        if depth > MAX_DEPTH {
            return;
        }
        for (keyword, of) in keywords {
            match (keyword.as_str(), of, &mut *value) {
                ("type", wanted, value) if !is_of(value, wanted) => self.warn(value, wanted),
                ("$ref", Value::String(reference), value) => {
                    let found = reference.strip_prefix('#').and_then(|pointer| self.root.pointer(pointer)).cloned();
                    match found {
                        Some(schema) => self.descend(value, &schema, depth + 1),
                        None => self.warnings.push(format!("The schema refers to {reference}, which it has not.")),
                    }
                }
                ("properties", Value::Object(properties), Value::Object(fields)) => {
                    for (name, schema) in properties {
                        if let Some(value) = fields.get_mut(name) {
                            convert(value, schema);
                        }
                    }
                    for (name, schema) in properties {
                        if let Some(value) = fields.get_mut(name) {
                            self.path.push(name.clone());
                            self.descend(value, schema, depth + 1);
                            self.path.pop();
                        }
                    }
                }
                ("items", schema, Value::Array(elements)) => {
                    elements.iter_mut().for_each(|element| convert(element, schema));
                    for (index, element) in elements.iter_mut().enumerate() {
                        let schema = match schema {
                            Value::Array(schemas) => schemas.get(index),
                            schema => Some(schema),
                        };
                        self.path.push(index.to_string());
                        schema.into_iter().for_each(|schema| self.descend(element, schema, depth + 1));
                        self.path.pop();
                    }
                }
                _ => {}
            }
        }
    }

    fn warn(&mut self, value: &Value, wanted: &Value) {
        self.warnings.push(format!(
            "Failed to transform value from type '{}' to type '{}' at path: '{}'",
            python_text(&structure(value, 0)),
            python_text(wanted),
            self.path.join(".")
        ));
    }
}

/// The types of a value and of its fields, without their values.
fn structure(value: &Value, depth: usize) -> Value {
    match value {
        Value::Object(fields) if depth < 3 => {
            let fields = fields.iter().map(|(name, value)| (name.clone(), structure(value, depth + 1)));
            Value::Object(fields.collect::<Object>())
        }
        value => type_name(value).into(),
    }
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// Whether a value is of a type of Draft 7, or of one of several.
fn is_of(value: &Value, wanted: &Value) -> bool {
    match wanted {
        Value::Array(types) => types.iter().any(|wanted| is_of(value, wanted)),
        Value::String(wanted) => match wanted.as_str() {
            "number" => value.is_number(),
            "integer" => value.is_i64() || value.is_u64() || value.as_f64().is_some_and(|number| number.fract() == 0.0),
            wanted => type_name(value) == wanted,
        },
        _ => false,
    }
}

/// A value as Python's constructor of its schema's type makes it. It stays where that is none, or several, or fails.
fn convert(value: &mut Value, schema: &Value) {
    let Value::Object(schema) = schema else { return };
    let wanted = match schema.get("type") {
        Some(Value::String(wanted)) => wanted,
        Some(Value::Array(types)) => {
            if value.is_null() && types.iter().any(|wanted| wanted == "null") {
                return;
            }
            match types.iter().filter(|wanted| *wanted != "null").collect::<Vec<_>>().as_slice() {
                [Value::String(wanted)] => wanted,
                _ => return,
            }
        }
        _ => return,
    };
    let converted = match wanted.as_str() {
        "string" => Some(python_text(value).into()),
        "number" => number(value).and_then(serde_json::Number::from_f64).map(Value::Number),
        "integer" => integer(value),
        "boolean" => boolean(value).map(Value::Bool),
        "array" => {
            let is_simple =
                |wanted: &Value| matches!(wanted.as_str(), Some("string" | "number" | "integer" | "boolean" | "null"));
            // The CDK takes a single type for its letters here, which are no types.
            let are_simple = match schema.get("items").map(|items| items.get("type")) {
                None | Some(None) => true,
                Some(Some(Value::Array(types))) => types.iter().all(is_simple),
                Some(Some(_)) => false,
            };
            let is_one = !matches!(value, Value::Array(_) | Value::Object(_));
            (are_simple && is_one).then(|| Value::Array(vec![value.take()]))
        }
        _ => None,
    };
    if let Some(converted) = converted {
        *value = converted;
    }
}

/// Python's `float`.
fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Bool(bool) => Some(f64::from(u8::from(*bool))),
        Value::Number(number) => number.as_f64(),
        Value::String(text) => crate::template::python_float(text),
        _ => None,
    }
}

/// Python's `int`.
#[expect(clippy::cast_possible_truncation, reason = "what is larger is not converted")]
fn integer(value: &Value) -> Option<Value> {
    let whole = match value {
        Value::Bool(bool) => i128::from(*bool),
        Value::Number(number) if number.is_f64() => {
            number.as_f64().filter(|number| number.abs() < 1e19).map(|number| number.trunc() as i128)?
        }
        Value::String(text) => crate::template::python_int(text)?,
        _ => return None,
    };
    i64::try_from(whole).map(Value::from).or_else(|_| u64::try_from(whole).map(Value::from)).ok()
}

fn boolean(value: &Value) -> Option<bool> {
    match value {
        Value::Null => Some(false),
        Value::Bool(bool) => Some(*bool),
        Value::Number(number) => Some(number.as_f64() != Some(0.0)),
        Value::String(text) => match text.to_lowercase().trim() {
            "y" | "yes" | "t" | "true" | "on" | "1" => Some(true),
            "n" | "no" | "f" | "false" | "off" | "0" => Some(false),
            _ => None,
        },
        Value::Array(elements) => Some(!elements.is_empty()),
        Value::Object(fields) => Some(!fields.is_empty()),
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Case {
        schema: Value,
        record: Value,
        normalised: Value,
        warnings: Vec<String>,
    }

    /// What the CDK's TypeTransformer makes of records.
    #[test]
    fn values_become_what_the_schema_says_as_in_the_cdk() {
        let cases: Vec<Case> = serde_json::from_str(include_str!("normalised.json")).unwrap();
        assert!(cases.len() > 20);
        for case in cases {
            let mut value = case.record.clone();
            let warnings = normalise(&mut value, &case.schema);
            assert_eq!(value.to_string(), case.normalised.to_string(), "{} by {}", case.record, case.schema);
            assert_eq!(warnings, case.warnings, "{} by {}", case.record, case.schema);
        }
    }

    #[test]
    fn a_record_that_is_right_keeps_its_text() {
        let mut record = Record::of_text(r#"{"a": 1,  "b": "x"}"#);
        let schema = serde_json::json!({"properties": {"a": {"type": "integer"}, "b": {"type": ["string", "null"]}}});
        Normalisation.apply(&mut record, &schema).unwrap();
        assert_eq!(record.text(), Some(r#"{"a": 1,  "b": "x"}"#));
    }
}
