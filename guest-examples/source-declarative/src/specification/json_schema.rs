//! Whether a value adheres to a JSON schema: the keywords that schemas of configurations have, and those that are not here are told when
//! the schema is read. Knows nothing of configurations.
//!
//! A crate for all of JSON schema is larger than this whole connector.

use regex_lite::Regex;
use serde_json::Value;

use crate::manifest::Object;

/// Schemas within each other, and references after each other. A reference may lead to itself.
const MAX_DEPTH: usize = 120;

/// Keywords that drafts understand in different ways, or that need to know what others have seen.
const UNSUPPORTED: [&str; 12] = [
    "$dynamicRef",
    "$recursiveRef",
    "$anchor",
    "additionalItems",
    "dependencies",
    "dependentRequired",
    "dependentSchemas",
    "maxContains",
    "minContains",
    "prefixItems",
    "unevaluatedItems",
    "unevaluatedProperties",
];

/// The drafts that agree in the other keywords.
const DRAFTS: [&str; 3] =
    ["json-schema.org/draft-07/", "json-schema.org/draft/2019-09/", "json-schema.org/draft/2020-12/"];

const TYPES: [&str; 7] = ["null", "boolean", "integer", "number", "string", "array", "object"];

/// A JSON schema all of whose keywords are known.
#[derive(Debug)]
pub struct JsonSchema {
    root: Value,
    /// What stands beside a reference has no effect: so it is in draft 7.
    references_stand_alone: bool,
}

/// Why a schema can not be used.
#[derive(Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It is none. The rest of a sentence.
    Invalid(String),
    /// It has this, which is not supported.
    Unsupported(String),
}

/// The rest of a sentence that begins with what is wrong: `filters[1].limit must be less than 100`.
type Violation = String;

impl JsonSchema {
    pub fn of(root: &Value) -> Result<Self, Refusal> {
        let draft = root.get("$schema").and_then(Value::as_str);
        if let Some(draft) = draft.filter(|draft| !DRAFTS.iter().any(|known| draft.contains(known))) {
            return Err(Refusal::Unsupported(format!("the $schema {draft}")));
        }
        let schema = JsonSchema {
            root: root.clone(),
            references_stand_alone: draft.is_some_and(|draft| draft.contains(DRAFTS[0])),
        };
        schema.check(root, 0)?;
        Ok(schema)
    }

    fn check(&self, schema: &Value, depth: usize) -> Result<(), Refusal> {
        let invalid = |what: String| Err(Refusal::Invalid(what));
        let keywords = match schema {
            Value::Bool(_) => return Ok(()),
            Value::Object(keywords) => keywords,
            _ => return invalid("has a schema that is neither an object nor true or false".to_owned()),
        };
        if depth > MAX_DEPTH {
            return invalid(format!("is deeper than {MAX_DEPTH} schemas within each other"));
        }
        for (keyword, value) in keywords {
            let is_right = match keyword.as_str() {
                keyword if UNSUPPORTED.contains(&keyword) => {
                    return Err(Refusal::Unsupported(format!("the keyword {keyword}")));
                }
                "$id" if depth > 0 => return Err(Refusal::Unsupported("an $id within it".to_owned())),
                "$ref" => match value.as_str() {
                    Some(reference) if reference == "#" || reference.starts_with("#/") => {
                        self.behind(reference).is_some()
                    }
                    _ => return Err(Refusal::Unsupported(format!("the reference {value}"))),
                },
                "type" => {
                    let is_type = |value: &Value| value.as_str().is_some_and(|name| TYPES.contains(&name));
                    value.as_array().map_or_else(|| is_type(value), |types| types.iter().all(is_type))
                }
                "enum" => value.is_array(),
                "required" => value.as_array().is_some_and(|names| names.iter().all(Value::is_string)),
                "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum" => value.is_number(),
                "multipleOf" => value.as_f64().is_some_and(|number| number > 0.0),
                "minLength" | "maxLength" | "minItems" | "maxItems" | "minProperties" | "maxProperties" => {
                    limit(value).is_some()
                }
                "uniqueItems" => value.is_boolean(),
                "pattern" => regex(value)?.is_some(),
                "properties" | "$defs" | "definitions" | "patternProperties" => {
                    let Value::Object(schemas) = value else {
                        return invalid(format!("has the keyword {keyword} with something that is no object"));
                    };
                    for (name, schema) in schemas {
                        if keyword == "patternProperties" {
                            regex(&Value::from(name.as_str()))?;
                        }
                        self.check(schema, depth + 1)?;
                    }
                    true
                }
                "items" if value.is_array() => return Err(Refusal::Unsupported("items that are a list".to_owned())),
                "items" | "contains" | "additionalProperties" | "propertyNames" | "not" | "if" | "then" | "else" => {
                    self.check(value, depth + 1)?;
                    true
                }
                "allOf" | "anyOf" | "oneOf" => {
                    let schemas = value.as_array().filter(|schemas| !schemas.is_empty());
                    for schema in schemas.into_iter().flatten() {
                        self.check(schema, depth + 1)?;
                    }
                    schemas.is_some()
                }
                // Others tell something, and ask for nothing.
                _ => true,
            };
            if !is_right {
                return invalid(format!("has the keyword {keyword} with {value}, which it can not have"));
            }
        }
        Ok(())
    }

    fn behind(&self, reference: &str) -> Option<&Value> {
        let pointer = percent_encoding::percent_decode_str(reference.strip_prefix('#')?).decode_utf8().ok()?;
        self.root.pointer(&pointer)
    }

    /// What is wrong with a value that is called `name`; nothing, if it adheres to the schema.
    pub fn violation(&self, value: &Value, name: &str) -> Option<Violation> {
        self.violation_of(&self.root, value, name, 0)
    }

    fn adheres(&self, schema: &Value, value: &Value, depth: usize) -> bool {
        self.violation_of(schema, value, "", depth + 1).is_none()
    }

    fn violation_of(&self, schema: &Value, value: &Value, name: &str, depth: usize) -> Option<Violation> {
        if depth > MAX_DEPTH {
            return Some(format!("{name} can not be checked: its schema leads to itself, or too deep"));
        }
        let keywords = match schema {
            Value::Bool(true) => return None,
            Value::Object(keywords) => keywords,
            _ => return Some(format!("{name} must not be there")),
        };
        let reference = keywords.get("$ref").and_then(Value::as_str).and_then(|reference| self.behind(reference));
        if let Some(schema) = reference {
            let violation = self.violation_of(schema, value, name, depth + 1);
            if violation.is_some() || self.references_stand_alone {
                return violation;
            }
        }
        of_any(keywords, value, name)
            .or_else(|| match value {
                Value::Number(_) => of_number(keywords, value, name),
                Value::String(text) => of_text(keywords, text, name),
                Value::Array(elements) => self.of_list(keywords, elements, name, depth),
                Value::Object(fields) => self.of_fields(keywords, fields, name, depth),
                _ => None,
            })
            .or_else(|| self.of_combination(keywords, value, name, depth))
    }

    fn of_combination(&self, keywords: &Object, value: &Value, name: &str, depth: usize) -> Option<Violation> {
        let schemas = |keyword: &str| keywords.get(keyword).and_then(Value::as_array);
        let adhering =
            |schemas: &Vec<Value>| schemas.iter().filter(|schema| self.adheres(schema, value, depth)).count();
        let below = |schema: &Value| self.violation_of(schema, value, name, depth + 1);
        if let Some(violation) = schemas("allOf").and_then(|schemas| schemas.iter().find_map(below)) {
            return Some(violation);
        }
        if schemas("anyOf").is_some_and(|schemas| adhering(schemas) == 0) {
            return Some(format!("{name} is none of what it may be"));
        }
        if schemas("oneOf").is_some_and(|schemas| adhering(schemas) != 1) {
            return Some(format!("{name} must be exactly one of what it may be"));
        }
        if keywords.get("not").is_some_and(|schema| self.adheres(schema, value, depth)) {
            return Some(format!("{name} is what it must not be"));
        }
        let condition = keywords.get("if")?;
        let branch = if self.adheres(condition, value, depth) { "then" } else { "else" };
        keywords.get(branch).and_then(below)
    }

    fn of_list(&self, keywords: &Object, elements: &[Value], name: &str, depth: usize) -> Option<Violation> {
        if let Some(violation) = of_size(keywords, elements.len(), ["minItems", "maxItems"], name, "elements") {
            return Some(violation);
        }
        let is_unique = || {
            !elements
                .iter()
                .enumerate()
                .any(|(index, one)| elements.iter().take(index).any(|other| is_equal(one, other)))
        };
        if keywords.get("uniqueItems") == Some(&Value::Bool(true)) && !is_unique() {
            return Some(format!("{name} must not have an element twice"));
        }
        if let Some(schema) = keywords.get("contains") {
            if !elements.iter().any(|element| self.adheres(schema, element, depth)) {
                return Some(format!("{name} lacks an element that it must have"));
            }
        }
        let schema = keywords.get("items")?;
        elements
            .iter()
            .enumerate()
            .find_map(|(index, element)| self.violation_of(schema, element, &format!("{name}[{index}]"), depth + 1))
    }

    fn of_fields(&self, keywords: &Object, fields: &Object, name: &str, depth: usize) -> Option<Violation> {
        if let Some(violation) = of_size(keywords, fields.len(), ["minProperties", "maxProperties"], name, "fields") {
            return Some(violation);
        }
        let mut required = keywords.get("required").and_then(Value::as_array).into_iter().flatten();
        if let Some(field) = required.find(|field| !field.as_str().is_some_and(|field| fields.contains_key(field))) {
            return Some(format!("{name} lacks the field {field}"));
        }
        let properties = keywords.get("properties").and_then(Value::as_object);
        let patterns = keywords.get("patternProperties").and_then(Value::as_object);
        for (field, value) in fields {
            let path = format!("{name}.{field}");
            if let Some(schema) = keywords.get("propertyNames") {
                if !self.adheres(schema, &Value::from(field.as_str()), depth) {
                    return Some(format!("{path} has a name that it can not have"));
                }
            }
            let of_patterns = patterns.into_iter().flatten().filter(|(pattern, _)| matches(pattern, field));
            let mut schemas: Vec<&Value> = of_patterns.map(|(_, schema)| schema).collect();
            schemas.extend(properties.and_then(|properties| properties.get(field)));
            if schemas.is_empty() {
                schemas.extend(keywords.get("additionalProperties"));
            }
            let violation = schemas.into_iter().find_map(|schema| self.violation_of(schema, value, &path, depth + 1));
            if violation.is_some() {
                return violation;
            }
        }
        None
    }
}

fn of_any(keywords: &Object, value: &Value, name: &str) -> Option<Violation> {
    if let Some(wanted) = keywords.get("type") {
        let types: Vec<&str> = match wanted {
            Value::Array(types) => types.iter().filter_map(Value::as_str).collect(),
            wanted => wanted.as_str().into_iter().collect(),
        };
        if !types.iter().any(|wanted| is_of_type(value, wanted)) {
            return Some(format!("{name} must be of the type {}", types.join(" or ")));
        }
    }
    if let Some(Value::Array(allowed)) = keywords.get("enum") {
        if !allowed.iter().any(|allowed| is_equal(allowed, value)) {
            let allowed: Vec<String> = allowed.iter().map(Value::to_string).collect();
            return Some(format!("{name} must be one of {}", allowed.join(", ")));
        }
    }
    match keywords.get("const") {
        Some(constant) if !is_equal(constant, value) => Some(format!("{name} must be {constant}")),
        _ => None,
    }
}

fn of_number(keywords: &Object, value: &Value, name: &str) -> Option<Violation> {
    let number = value.as_f64()?;
    let limit = |keyword: &str| keywords.get(keyword).and_then(Value::as_f64);
    let must = |what: &str, keyword: &str| {
        Some(format!("{name} must be {what} {}", keywords.get(keyword).unwrap_or(&Value::Null)))
    };
    if limit("minimum").is_some_and(|least| number < least) {
        return must("at least", "minimum");
    }
    if limit("maximum").is_some_and(|most| number > most) {
        return must("at most", "maximum");
    }
    if limit("exclusiveMinimum").is_some_and(|limit| number <= limit) {
        return must("more than", "exclusiveMinimum");
    }
    if limit("exclusiveMaximum").is_some_and(|limit| number >= limit) {
        return must("less than", "exclusiveMaximum");
    }
    let factor = keywords.get("multipleOf")?;
    let is_multiple = match (value.as_i64(), factor.as_i64()) {
        (Some(number), Some(factor)) => number.checked_rem(factor) == Some(0),
        _ => factor.as_f64().is_some_and(|factor| (number / factor).fract() == 0.0),
    };
    if is_multiple { None } else { must("a multiple of", "multipleOf") }
}

fn of_text(keywords: &Object, text: &str, name: &str) -> Option<Violation> {
    let violation = of_size(keywords, text.chars().count(), ["minLength", "maxLength"], name, "characters");
    if violation.is_some() {
        return violation;
    }
    let pattern = keywords.get("pattern").and_then(Value::as_str)?;
    // What `\w`, `\d`, `\s` and `\b` mean beyond ASCII is not known here: nothing that is right must be refused.
    let is_known = text.is_ascii() || !pattern.contains('\\');
    (is_known && !matches(pattern, text)).then(|| format!("{name} does not match the pattern {pattern}"))
}

fn of_size(keywords: &Object, size: usize, [least, most]: [&str; 2], name: &str, what: &str) -> Option<Violation> {
    let limit = |keyword: &str| keywords.get(keyword).and_then(limit);
    if let Some(least) = limit(least).filter(|least| (size as u64) < *least) {
        return Some(format!("{name} must have {least} {what} or more"));
    }
    let most = limit(most).filter(|most| (size as u64) > *most)?;
    Some(format!("{name} must have {most} {what} or less"))
}

fn limit(value: &Value) -> Option<u64> {
    value
        .as_u64()
        .or_else(|| value.as_f64().filter(|number| number.fract() == 0.0 && *number >= 0.0).map(|number| number as u64))
}

/// A pattern is looked for anywhere in a text.
fn regex(pattern: &Value) -> Result<Option<Regex>, Refusal> {
    let Some(pattern) = pattern.as_str() else { return Ok(None) };
    Regex::new(pattern).map(Some).map_err(|why| Refusal::Unsupported(format!("the pattern {pattern:?} ({why})")))
}

fn matches(pattern: &str, text: &str) -> bool {
    Regex::new(pattern).is_ok_and(|pattern| pattern.is_match(text))
}

fn is_of_type(value: &Value, wanted: &str) -> bool {
    match (value, wanted) {
        (Value::Null, "null") | (Value::Bool(_), "boolean") | (Value::String(_), "string") => true,
        (Value::Array(_), "array") | (Value::Object(_), "object") | (Value::Number(_), "number") => true,
        (Value::Number(number), "integer") => {
            !number.is_f64() || number.as_f64().is_some_and(|number| number.fract() == 0.0)
        }
        _ => false,
    }
}

/// Equal as JSON: 1 and 1.0 are, 1 and true are not.
fn is_equal(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => one == other || one.as_f64() == other.as_f64(),
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| is_equal(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one.iter().all(|(name, one)| other.get(name).is_some_and(|other| is_equal(one, other)))
        }
        _ => one == other,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Whether Python's jsonschema takes the values.
    #[test]
    fn values_adhere_as_for_jsonschema() {
        for (schema, value, expected) in cases() {
            let found = JsonSchema::of(&schema).unwrap().violation(&value, "it");
            assert_eq!(found.is_none(), expected, "{schema} {value}: {found:?}");
        }
    }

    fn cases() -> Vec<(Value, Value, bool)> {
        vec![
            (json!({"type": "integer"}), json!(1), true),
            (json!({"type": "integer"}), json!(1.0), true),
            (json!({"type": "integer"}), json!(1.5), false),
            (json!({"type": "integer"}), json!(true), false),
            (json!({"type": "integer"}), json!("1"), false),
            (json!({"type": "integer"}), json!(null), false),
            (json!({"type": ["null", "string"]}), json!(null), true),
            (json!({"type": ["null", "string"]}), json!(""), true),
            (json!({"type": ["null", "string"]}), json!(1), false),
            (json!({"type": "number"}), json!(1), true),
            (json!({"type": "number"}), json!(1.5), true),
            (json!({"type": "number"}), json!(false), false),
            (json!({"enum": [1, "a", null, [1], {"a": 1}]}), json!(1.0), true),
            (json!({"enum": [1, "a", null, [1], {"a": 1}]}), json!(true), false),
            (json!({"enum": [1, "a", null, [1], {"a": 1}]}), json!("a"), true),
            (json!({"enum": [1, "a", null, [1], {"a": 1}]}), json!([1.0]), true),
            (json!({"enum": [1, "a", null, [1], {"a": 1}]}), json!({"a": 1}), true),
            (json!({"enum": [1, "a", null, [1], {"a": 1}]}), json!("b"), false),
            (json!({"enum": [1, "a", null, [1], {"a": 1}]}), json!([]), false),
            (json!({"const": 1}), json!(1.0), true),
            (json!({"const": 1}), json!(true), false),
            (json!({"const": 1}), json!(2), false),
            (json!({"enum": [true]}), json!(1), false),
            (json!({"enum": [true]}), json!(true), true),
            (json!({"minimum": 2, "maximum": 4}), json!(2), true),
            (json!({"minimum": 2, "maximum": 4}), json!(4), true),
            (json!({"minimum": 2, "maximum": 4}), json!(1.9), false),
            (json!({"minimum": 2, "maximum": 4}), json!(4.1), false),
            (json!({"minimum": 2, "maximum": 4}), json!("x"), true),
            (json!({"exclusiveMinimum": 2, "exclusiveMaximum": 4}), json!(2), false),
            (json!({"exclusiveMinimum": 2, "exclusiveMaximum": 4}), json!(3), true),
            (json!({"exclusiveMinimum": 2, "exclusiveMaximum": 4}), json!(4), false),
            (json!({"multipleOf": 2}), json!(4), true),
            (json!({"multipleOf": 2}), json!(3), false),
            (json!({"multipleOf": 2}), json!(4.0), true),
            (json!({"multipleOf": 2}), json!(0), true),
            (json!({"multipleOf": 2}), json!(-2), true),
            (json!({"multipleOf": 0.5}), json!(1.5), true),
            (json!({"multipleOf": 0.5}), json!(1.3), false),
            (json!({"multipleOf": 0.5}), json!(1), true),
            (json!({"multipleOf": 0.1}), json!(0.3), false),
            (json!({"multipleOf": 0.1}), json!(0.5), true),
            (json!({"multipleOf": 0.1}), json!(1), true),
            (json!({"minLength": 2, "maxLength": 3}), json!("a"), false),
            (json!({"minLength": 2, "maxLength": 3}), json!("äö"), true),
            (json!({"minLength": 2, "maxLength": 3}), json!("abcd"), false),
            (json!({"minLength": 2, "maxLength": 3}), json!("𝄞𝄞"), true),
            (json!({"minLength": 2, "maxLength": 3}), json!(1), true),
            (json!({"pattern": "b+c"}), json!("abbcd"), true),
            (json!({"pattern": "b+c"}), json!("ac"), false),
            (json!({"pattern": "b+c"}), json!(1), true),
            (json!({"pattern": "^\\w+$"}), json!("é"), true),
            (json!({"pattern": "^\\w+$"}), json!("-"), false),
            (json!({"minItems": 1, "maxItems": 2}), json!([]), false),
            (json!({"minItems": 1, "maxItems": 2}), json!([1]), true),
            (json!({"minItems": 1, "maxItems": 2}), json!([1, 2, 3]), false),
            (json!({"minItems": 1, "maxItems": 2}), json!("x"), true),
            (json!({"uniqueItems": true}), json!([1, 2]), true),
            (json!({"uniqueItems": true}), json!([1, 1.0]), false),
            (json!({"uniqueItems": true}), json!([1, true]), true),
            (json!({"uniqueItems": true}), json!([{"a": 1}, {"a": 1}]), false),
            (json!({"uniqueItems": true}), json!([[], []]), false),
            (json!({"items": {"type": "integer"}}), json!([1, 2]), true),
            (json!({"items": {"type": "integer"}}), json!([1, "a"]), false),
            (json!({"items": {"type": "integer"}}), json!({"a": "b"}), true),
            (json!({"contains": {"type": "integer"}}), json!(["a", 1]), true),
            (json!({"contains": {"type": "integer"}}), json!(["a"]), false),
            (json!({"contains": {"type": "integer"}}), json!([]), false),
            (json!({"required": ["a"], "properties": {"a": {"type": "string"}}}), json!({"a": "x"}), true),
            (json!({"required": ["a"], "properties": {"a": {"type": "string"}}}), json!({"a": 1}), false),
            (json!({"required": ["a"], "properties": {"a": {"type": "string"}}}), json!({}), false),
            (json!({"required": ["a"], "properties": {"a": {"type": "string"}}}), json!("x"), true),
            (json!({"properties": {"a": {}}, "additionalProperties": false}), json!({"a": 1}), true),
            (json!({"properties": {"a": {}}, "additionalProperties": false}), json!({"b": 1}), false),
            (json!({"properties": {"a": {}}, "additionalProperties": false}), json!({}), true),
            (
                json!({"patternProperties": {"^x": {"type": "integer"}}, "additionalProperties": {"type": "string"}}),
                json!({"x1": 1}),
                true,
            ),
            (
                json!({"patternProperties": {"^x": {"type": "integer"}}, "additionalProperties": {"type": "string"}}),
                json!({"x1": "a"}),
                false,
            ),
            (
                json!({"patternProperties": {"^x": {"type": "integer"}}, "additionalProperties": {"type": "string"}}),
                json!({"y": "a"}),
                true,
            ),
            (
                json!({"patternProperties": {"^x": {"type": "integer"}}, "additionalProperties": {"type": "string"}}),
                json!({"y": 1}),
                false,
            ),
            (
                json!({"patternProperties": {"^x": {"type": "integer"}}, "additionalProperties": {"type": "string"}}),
                json!({"ax": 1}),
                false,
            ),
            (json!({"propertyNames": {"maxLength": 1}}), json!({"a": 1}), true),
            (json!({"propertyNames": {"maxLength": 1}}), json!({"ab": 1}), false),
            (json!({"minProperties": 1, "maxProperties": 1}), json!({}), false),
            (json!({"minProperties": 1, "maxProperties": 1}), json!({"a": 1}), true),
            (json!({"minProperties": 1, "maxProperties": 1}), json!({"a": 1, "b": 2}), false),
            (json!({"allOf": [{"minimum": 1}, {"maximum": 3}]}), json!(2), true),
            (json!({"allOf": [{"minimum": 1}, {"maximum": 3}]}), json!(0), false),
            (json!({"allOf": [{"minimum": 1}, {"maximum": 3}]}), json!(4), false),
            (json!({"anyOf": [{"type": "string"}, {"minimum": 3}]}), json!("a"), true),
            (json!({"anyOf": [{"type": "string"}, {"minimum": 3}]}), json!(3), true),
            (json!({"anyOf": [{"type": "string"}, {"minimum": 3}]}), json!(2), false),
            (json!({"anyOf": [{"type": "string"}, {"minimum": 3}]}), json!(null), true),
            (json!({"oneOf": [{"minimum": 1}, {"maximum": 3}]}), json!(0), true),
            (json!({"oneOf": [{"minimum": 1}, {"maximum": 3}]}), json!(2), false),
            (json!({"oneOf": [{"minimum": 1}, {"maximum": 3}]}), json!(4), true),
            (json!({"not": {"type": "string"}}), json!("a"), false),
            (json!({"not": {"type": "string"}}), json!(1), true),
            (
                json!({"if": {"properties": {"k": {"const": "a"}}, "required": ["k"]}, "then": {"required": ["x"]}, "else": {"required": ["y"]}}),
                json!({"k": "a", "x": 1}),
                true,
            ),
            (
                json!({"if": {"properties": {"k": {"const": "a"}}, "required": ["k"]}, "then": {"required": ["x"]}, "else": {"required": ["y"]}}),
                json!({"k": "a"}),
                false,
            ),
            (
                json!({"if": {"properties": {"k": {"const": "a"}}, "required": ["k"]}, "then": {"required": ["x"]}, "else": {"required": ["y"]}}),
                json!({"k": "b", "y": 1}),
                true,
            ),
            (
                json!({"if": {"properties": {"k": {"const": "a"}}, "required": ["k"]}, "then": {"required": ["x"]}, "else": {"required": ["y"]}}),
                json!({"k": "b"}),
                false,
            ),
            (
                json!({"if": {"properties": {"k": {"const": "a"}}, "required": ["k"]}, "then": {"required": ["x"]}, "else": {"required": ["y"]}}),
                json!({}),
                false,
            ),
            (json!({"$ref": "#/$defs/a", "minimum": 5, "$defs": {"a": {"type": "integer"}}}), json!(6), true),
            (json!({"$ref": "#/$defs/a", "minimum": 5, "$defs": {"a": {"type": "integer"}}}), json!(4), false),
            (json!({"$ref": "#/$defs/a", "minimum": 5, "$defs": {"a": {"type": "integer"}}}), json!("a"), false),
            (
                json!({"$schema": "http://json-schema.org/draft-07/schema#", "definitions": {"a": {"type": "integer"}}, "properties": {"p": {"$ref": "#/definitions/a", "minimum": 5}}}),
                json!({"p": 6}),
                true,
            ),
            (
                json!({"$schema": "http://json-schema.org/draft-07/schema#", "definitions": {"a": {"type": "integer"}}, "properties": {"p": {"$ref": "#/definitions/a", "minimum": 5}}}),
                json!({"p": 4}),
                true,
            ),
            (
                json!({"$schema": "http://json-schema.org/draft-07/schema#", "definitions": {"a": {"type": "integer"}}, "properties": {"p": {"$ref": "#/definitions/a", "minimum": 5}}}),
                json!({"p": "a"}),
                false,
            ),
            (json!({"format": "email", "title": "x", "unknown": 1}), json!("no mail"), true),
            (json!({"format": "email", "title": "x", "unknown": 1}), json!(1), true),
            (json!({"minLength": 2.0}), json!("a"), false),
            (json!({"minLength": 2.0}), json!("ab"), true),
        ]
    }

    #[test]
    fn what_is_wrong_is_named() {
        let schema =
            json!({"properties": {"filters": {"items": {"properties": {"limit": {"exclusiveMaximum": 100}}}}}});
        let violation = JsonSchema::of(&schema).unwrap().violation(&json!({"filters": [{}, {"limit": 100}]}), "it");
        assert_eq!(violation.as_deref(), Some("it.filters[1].limit must be less than 100"));
    }

    #[test]
    fn what_is_not_here_is_told_before_it_is_needed() {
        for schema in [
            json!({"unevaluatedProperties": false}),
            json!({"properties": {"a": {"prefixItems": [{}]}}}),
            json!({"items": [{}]}),
            json!({"$ref": "http://127.0.0.1/x"}),
            json!({"$schema": "http://json-schema.org/draft-04/schema#"}),
            json!({"pattern": "(?=a)"}),
        ] {
            assert!(matches!(JsonSchema::of(&schema), Err(Refusal::Unsupported(_))), "{schema}");
        }
        for schema in [
            json!("{}"),
            json!({"type": "text"}),
            json!({"minimum": "1"}),
            json!({"anyOf": []}),
            json!({"$ref": "#/x"}),
        ] {
            assert!(matches!(JsonSchema::of(&schema), Err(Refusal::Invalid(_))), "{schema}");
        }
    }

    #[test]
    fn what_leads_to_itself_comes_to_an_end() {
        assert!(JsonSchema::of(&json!({"$ref": "#"})).unwrap().violation(&json!(1), "it").is_some());
        let tree = json!({"properties": {"below": {"$ref": "#"}, "n": {"type": "integer"}}});
        assert!(JsonSchema::of(&tree).unwrap().violation(&json!({"below": {"below": {"n": "x"}}}), "it").is_some());
    }
}
