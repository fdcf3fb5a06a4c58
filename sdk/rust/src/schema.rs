//! JSON Schemas from Rust types, in the dialect that Airbyte reads: draft 7, everything in its place (no `$ref`), and
//! no `format` that only names a width of a Rust number.

use schemars::generate::SchemaSettings;
use schemars::transform::transform_subschemas;
use schemars::{JsonSchema, Schema};
use serde_json::Value;

/// The schema of a record's type.
pub(crate) fn of_record<T: JsonSchema>() -> Value {
    generate::<T>(false)
}

/// The schema of a configuration's type. A field that may be absent is not required; that it may be `null` as well is
/// left out, for forms are made of this schema and they want one type for a field.
pub(crate) fn of_configuration<T: JsonSchema>() -> Value {
    let mut schema = generate::<T>(true);
    if let Value::Object(fields) = &mut schema {
        if fields.get("type").and_then(Value::as_str) == Some("object") {
            fields.entry("properties").or_insert_with(|| Value::Object(Default::default()));
        }
    }
    schema
}

fn generate<T: JsonSchema>(without_null: bool) -> Value {
    let settings = SchemaSettings::draft07()
        .with(|settings| settings.inline_subschemas = true)
        .with_transform(without_number_formats);
    let settings = if without_null { settings.with_transform(without_null_types) } else { settings };
    settings.into_generator().into_root_schema_for::<T>().into()
}

fn without_number_formats(schema: &mut Schema) {
    const NUMBER_FORMATS: [&str; 14] = [
        "int8", "int16", "int32", "int64", "int128", "int", "uint8", "uint16", "uint32", "uint64", "uint128", "uint",
        "float", "double",
    ];
    let format = schema.get("format").and_then(Value::as_str);
    if format.is_some_and(|format| NUMBER_FORMATS.contains(&format)) {
        schema.remove("format");
    }
    transform_subschemas(&mut without_number_formats, schema);
}

fn without_null_types(schema: &mut Schema) {
    if let Some(Value::Array(types)) = schema.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = types.as_mut_slice() {
            let only = only.take();
            schema.insert("type".to_owned(), only);
        }
    }
    // An optional enum or struct is `anyOf: [it, {type: null}]`.
    if let Some(Value::Array(choices)) = schema.get_mut("anyOf") {
        choices.retain(|choice| choice.get("type").is_none_or(|name| name != "null"));
        if choices.len() == 1 {
            let only = choices.remove(0);
            schema.remove("anyOf");
            if let Value::Object(only) = only {
                for (key, value) in only {
                    schema.ensure_object().entry(key).or_insert(value);
                }
            }
        }
    }
    // An optional enum of plain words lists `null` among them.
    if let Some(Value::Array(words)) = schema.get_mut("enum") {
        words.retain(|word| !word.is_null());
    }
    if schema.get("default").is_some_and(Value::is_null) {
        schema.remove("default");
    }
    transform_subschemas(&mut without_null_types, schema);
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::{Deserialize, Serialize};
    use serde_json::json;

    #[derive(Serialize, Deserialize, JsonSchema)]
    #[allow(dead_code)]
    struct Inner {
        size: u32,
    }

    #[derive(Serialize, Deserialize, JsonSchema)]
    #[serde(rename_all = "lowercase")]
    #[allow(dead_code)]
    enum Mode {
        Fast,
        Slow,
    }

    #[derive(Serialize, Deserialize, JsonSchema)]
    #[allow(dead_code)]
    struct Outer {
        /// Who you are
        #[schemars(extend("airbyte_secret" = true))]
        token: String,
        count: Option<i64>,
        #[serde(default)]
        ratio: Option<f64>,
        inner: Option<Inner>,
        mode: Option<Mode>,
    }

    #[test]
    fn a_configuration_schema_is_what_a_form_wants() {
        let mut schema = of_configuration::<Outer>();
        schema.as_object_mut().unwrap().remove("title");
        schema["properties"]["inner"].as_object_mut().unwrap().remove("title");
        assert_eq!(
            schema,
            json!({
                "$schema": "http://json-schema.org/draft-07/schema#",
                "type": "object",
                "required": ["token"],
                "properties": {
                    "token": {"type": "string", "description": "Who you are", "airbyte_secret": true},
                    "count": {"type": "integer"},
                    "ratio": {"type": "number"},
                    "inner": {
                        "type": "object", "required": ["size"],
                        "properties": {"size": {"type": "integer", "minimum": 0}},
                    },
                    "mode": {"type": "string", "enum": ["fast", "slow"]},
                },
            })
        );
    }

    #[test]
    fn a_configuration_without_fields_still_has_properties() {
        #[derive(JsonSchema)]
        struct Nothing {}
        assert_eq!(of_configuration::<Nothing>()["properties"], json!({}));
    }

    #[test]
    fn a_record_keeps_its_nulls() {
        let schema = of_record::<Outer>();
        assert_eq!(schema["properties"]["count"], json!({"type": ["integer", "null"]}));
    }
}
