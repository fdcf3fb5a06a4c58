//! A config that a specification allows: defaults, examples, formats and patterns decide. It must not know the manifest.

use serde_json::{Map, Value, json};

use super::moments;

/// How long before now a sync begins, and ends where the specification lets one say it.
const BEGIN: i64 = 25;
const END: i64 = 2;

/// A config for the `connection_specification`.
pub fn from_specification(specification: &Value) -> Value {
    object(specification)
}

fn object(schema: &Value) -> Value {
    // The first kind of login, of shop, of date range will do.
    let chosen = ["oneOf", "anyOf"].iter().find_map(|key| schema[*key].as_array()?.first());
    let mut fields = Map::new();
    for schema in [Some(schema), chosen].into_iter().flatten() {
        let required: Vec<&str> =
            schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            let is_told = ["default", "const"].iter().any(|key| !property[*key].is_null());
            let is_choice = property["oneOf"].is_array();
            if is_told || is_choice || required.contains(&name.as_str()) || is_moment(name, property) {
                fields.insert(name.clone(), value(name, property));
            }
        }
    }
    Value::Object(fields)
}

fn kind(schema: &Value) -> &str {
    match &schema["type"] {
        Value::String(kind) => kind,
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).find(|kind| *kind != "null").unwrap_or("string"),
        _ if schema["properties"].is_object() || schema["oneOf"].is_array() => "object",
        _ => "string",
    }
}

fn is_moment(name: &str, schema: &Value) -> bool {
    let format = schema["format"].as_str().unwrap_or_default();
    let named = ["start_date", "end_date", "start_datetime", "start_time", "date_from", "since"];
    kind(schema) == "string" && (format.starts_with("date") || named.iter().any(|part| name.contains(part)))
}

fn value(name: &str, schema: &Value) -> Value {
    let example = schema["examples"]
        .as_array()
        .and_then(|examples| examples.first())
        .or(schema["example"].as_str().map(|_| &schema["example"]));
    for told in [&schema["const"], &schema["enum"][0]] {
        if !told.is_null() && schema["default"].is_null() {
            return told.clone();
        }
    }
    if is_moment(name, schema) {
        return moment(name, schema, example);
    }
    if !schema["default"].is_null() {
        return schema["default"].clone();
    }
    match kind(schema) {
        "object" => object(schema),
        "array" => match example {
            Some(Value::Array(items)) => Value::Array(items.clone()),
            Some(item) => json!([item]),
            None => json!([value(name, &schema["items"])]),
        },
        "boolean" => json!(false),
        kind @ ("integer" | "number") => match example.or(Some(&schema["minimum"])) {
            Some(Value::Number(number)) => Value::Number(number.clone()),
            Some(Value::String(text)) if text.parse::<i64>().is_ok() => json!(text.parse::<i64>().unwrap_or(0)),
            _ if kind == "integer" => json!(7),
            _ => json!(1.5),
        },
        _ => text(name, schema, example),
    }
}

fn text(name: &str, schema: &Value, example: Option<&Value>) -> Value {
    if let Some(example) = example {
        return match example {
            Value::String(text) => json!(text),
            other => json!(other.to_string()),
        };
    }
    let mut names = name.split('_');
    let made = json!(format!("a-{}", name.replace('_', "-")));
    if schema["pattern"].is_string()
        && !jsonschema::is_valid(schema, &made)
        && jsonschema::is_valid(schema, &moment(name, schema, None))
    {
        return moment(name, schema, None);
    }
    let is_place = schema["format"] == "uri" || names.any(|word| ["url", "uri", "endpoint"].contains(&word));
    match is_place {
        true => json!("https://api.example.com"),
        false if name.contains("domain") || name.contains("host") => json!("shop.example.com"),
        false => made,
    }
}

/// Midnight of a day, in the first form that the specification allows.
fn moment(name: &str, schema: &Value, example: Option<&Value>) -> Value {
    let days = if name.contains("end") || name.contains("until") { END } else { BEGIN };
    let seconds = (moments::now() / 86_400 - days) * 86_400;
    let shown = [example, Some(&schema["default"])].into_iter().flatten().filter_map(Value::as_str).next();
    let shown = shown.filter(|shown| !shown.contains('%')).unwrap_or_default();
    let alike = |text: &str| text.len() == shown.len() && text.contains('T') == shown.contains('T');
    let is_day = schema["format"] != "date-time" && schema["pattern"].is_null();
    let forms: Vec<Value> = FORMS.iter().map(|form| json!(moments::format(seconds, form))).collect();
    let validator = jsonschema::validator_for(schema).ok();
    let allowed: Vec<&Value> =
        forms.iter().filter(|form| validator.as_ref().is_none_or(|validator| validator.is_valid(form))).collect();
    let first = allowed.iter().find(|form| form.as_str().is_some_and(alike)).or(allowed.first());
    let day = forms.last().filter(|_| is_day && shown.is_empty());
    day.or(first.copied()).or(forms.first()).cloned().unwrap_or_default()
}

/// How configs write a moment; what is most common comes first, and the day alone last.
const FORMS: [&str; 8] = [
    "%Y-%m-%dT%H:%M:%SZ",
    "%Y-%m-%dT%H:%M:%S.%_msZ",
    "%Y-%m-%dT%H:%M:%S.%fZ",
    "%Y-%m-%dT%H:%M:%S",
    "%Y-%m-%d %H:%M:%S",
    "%Y-%m",
    "%s",
    "%Y-%m-%d",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_required_or_told_gets_a_value() {
        let config = from_specification(&json!({
            "required": ["key", "credentials", "base_url"],
            "properties": {
                "key": {"type": "string", "airbyte_secret": true},
                "base_url": {"type": "string"},
                "limit": {"type": "integer", "default": 5},
                "comment": {"type": "string"},
                "start_date": {"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}T00:00:00Z$"},
                "credentials": {"type": "object", "oneOf": [
                    {"required": ["token"], "properties": {"kind": {"const": "token"}, "token": {"type": "string"}}},
                ]},
            },
        }));
        let begin = moments::format((moments::now() / 86_400 - BEGIN) * 86_400, "%Y-%m-%dT00:00:00Z");
        let expected = json!({
            "key": "a-key", "base_url": "https://api.example.com", "limit": 5, "start_date": begin,
            "credentials": {"kind": "token", "token": "a-token"},
        });
        assert_eq!(config, expected);
    }
}
