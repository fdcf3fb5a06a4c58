//! Chunks of properties, as the Python CDK makes them. What becomes of records is held against recordings of the CDK.

use serde_json::json;

use super::*;
use crate::manifest::{Problem, Remarks};

fn read(properties: &Value) -> std::result::Result<QueryProperties, Problem> {
    Node::root(properties, &Remarks::default()).read()
}

fn chunks(limit_type: &str, limit: u64, always: &[&str]) -> Vec<String> {
    let properties = json!({
        "type": "QueryProperties",
        "property_list": ["a", "bb", "ccc", "dddd"],
        "always_include_properties": always,
        "property_chunking": {"type": "PropertyChunking", "property_limit_type": limit_type, "property_limit": limit},
    });
    let session = Session::new(Object::new());
    let chunks = read(&properties).unwrap().chunks(&session, "users", &OnceCell::new()).unwrap();
    chunks.iter().map(|chunk| chunk.join(",")).collect()
}

#[test]
fn properties_are_divided_by_their_number_or_their_length() {
    assert_eq!(chunks("property_count", 3, &["id"]), ["id,a,bb,ccc", "id,dddd"]);
    assert_eq!(chunks("property_count", 0, &["id"]), ["a,bb,ccc,dddd,id"]);
    assert_eq!(chunks("characters", 9, &[]), ["a,bb", "ccc", "dddd"]);
    // What is longer than a chunk may be has one for itself, and an empty one before it.
    assert_eq!(chunks("characters", 6, &["id"]), ["id,a", "id,bb", "id,ccc", "id,dddd"]);
    assert_eq!(chunks("characters", 3, &["id"]), ["id", "id,a", "id,bb", "id,ccc", "id,dddd"]);
}

#[test]
fn a_stream_asks_for_what_the_user_wants() {
    let properties = json!({
        "type": "QueryProperties",
        "property_list": ["a", "b", "c"],
        "always_include_properties": ["id"],
        "property_selector": {"type": "JsonSchemaPropertySelector"},
    });
    let properties = read(&properties).unwrap();
    let session = Session::new(Object::new());
    let chunks = |stream: &str| properties.chunks(&session, stream, &OnceCell::new()).unwrap();
    assert_eq!(chunks("users"), [["id", "a", "b", "c"]]);
    let catalog =
        json!({"streams": [{"stream": {"name": "users", "json_schema": {"properties": {"c": {}, "a": {}}}}}]});
    session.configure(&serde_json::from_value(catalog).unwrap());
    assert_eq!(chunks("users"), [["id", "a", "c"]]);
    assert_eq!(chunks("others"), [["id", "a", "b", "c"]]);
}
