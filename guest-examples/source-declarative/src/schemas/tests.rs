use serde_json::json;

use super::*;
use crate::manifest::{Remarks, with_files};

fn loader(value: &Value) -> SchemaLoader {
    Node::root(value, &Remarks::default()).read().unwrap()
}

fn schema(value: &Value) -> Result<Value> {
    loader(value).schema(&Session::new(Object::new()))
}

#[test]
fn several_schemas_are_one_and_the_first_counts() {
    let schema = schema(&json!([
        {"type": "InlineSchemaLoader", "schema": {"type": "object", "properties": {"a": {"type": "string"}}}},
        {"type": "InlineSchemaLoader", "schema": {"properties": {"a": {"type": "integer"}, "b": {"type": "integer"}}}},
    ]));
    // As the CDK's catalog has it.
    let expected = r#"{"$schema":"http://json-schema.org/draft-07/schema#","type":["null","object"],"properties":{"a":{"type":"string"},"b":{"type":"integer"}}}"#;
    assert_eq!(schema.unwrap().to_string(), expected);
}

#[test]
fn a_schema_in_a_file_has_what_its_references_lead_to() {
    let users = json!({
        "type": "object",
        "definitions": {"name": {"type": "string", "definitions": {"x": 1}}},
        "properties": {"name": {"$ref": "#/definitions/name", "title": "left out"}, "at": {"$ref": "when.json#/definitions/day"}},
    });
    let when = json!({"definitions": {"day": {"oneOf": [{"$ref": "#/definitions/text"}]}, "text": {"type": "string"}}});
    let files = [
        ("schemas/users.json", users.to_string()),
        ("schemas/shared/when.json", when.to_string()),
        ("schemas/circle.json", json!({"properties": {"a": {"$ref": "#"}}}).to_string()),
        ("schemas/broken.json", "{".to_owned()),
        ("schemas/lost.json", json!({"properties": {"a": {"$ref": "#/nowhere"}}}).to_string()),
    ];
    with_files(&files, || {
        let expected = json!({
            "type": "object",
            "definitions": {"name": {"type": "string", "definitions": {"x": 1}}},
            "properties": {"name": {"type": "string"}, "at": {"oneOf": [{"type": "string"}]}},
        });
        for path in [
            "./source_x/schemas/users.json",
            "source_x/schemas/users.json",
            "./schemas/users.json",
            "schemas/users.json",
        ] {
            let loader = json!({"type": "JsonFileSchemaLoader", "file_path": path});
            let found = json_file::load(path).unwrap();
            assert_eq!(found.as_ref(), Some(&expected), "{loader}");
        }
        assert_eq!(json_file::load("schemas/none.json").unwrap(), None);
        let told = |path: &str| json_file::load(path).unwrap_err().message;
        assert!(told("schemas/circle.json").contains("lead to themselves"), "{}", told("schemas/circle.json"));
        assert!(told("schemas/broken.json").contains("Invalid JSON file format"));
        assert!(told("schemas/lost.json").contains("nothing at #/nowhere"));
        assert!(told("schemas/../../etc/passwd").contains("leads out"));
    });
}

#[test]
fn a_stream_without_a_schema_has_the_file_of_its_name_or_none() {
    let session = Session::new(Object::new());
    with_files(&[("schemas/users.json", r#"{"type":"object"}"#.to_owned())], || {
        let usual = |name: &str, parameters: Value| {
            let parameters = Rc::new(parameters.as_object().cloned().unwrap_or_default());
            SchemaLoader::usual(name, &parameters).schema(&session).unwrap()
        };
        assert_eq!(usual("users", json!({})), json!({"type": "object"}));
        assert_eq!(usual("people", json!({"name": "users"})), json!({"type": "object"}));
        assert_eq!(usual("people", json!({})), json!({}));
    });
}
