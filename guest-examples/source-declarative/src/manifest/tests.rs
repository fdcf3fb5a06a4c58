use serde_json::json;

use super::*;

#[test]
fn parameters_and_types_are_put_in_as_the_cdk_does() {
    let manifest = Manifest::of_yaml(
        r##"
version: 1.0.0
definitions:
  requester:
    url_base: https://api.example
    http_method: GET
    authenticator: {class_name: source_x.Authenticator}
check: {stream_names: [users]}
streams:
  - $parameters: {name: users, path: "", page_size: 7, requester: {z: 1}}
    schema_loader:
      type: InlineSchemaLoader
      schema: {type: object, properties: {type: {type: string}, name: {type: [string, "null"]}}}
    retriever:
      requester:
        $ref: "#/definitions/requester"
        path: "/{{ parameters['path'] }}"
        request_parameters:
          plain: {a: 1}
          fields: {type: QueryProperties, property_list: [a]}
        $parameters: {page_size: 8, extra: true}
      record_selector: {extractor: {field_path: []}}
      paginator: {type: DefaultPaginator, page_size_option: {inject_into: request_parameter, field_name: per}}
"##,
    )
    .unwrap();
    // What the CDK's ManifestReferenceResolver and ManifestComponentTransformer make of it, its definitions left out.
    let expected = include_str!("parameters_of_the_cdk.json");
    assert_eq!(manifest.value.to_string(), expected.trim_end());
}

#[test]
fn the_parents_parameters_count_where_a_dynamic_stream_says_so() {
    let stream = json!({"type": "DeclarativeStream", "$parameters": {"a": 1, "b": 2}, "retriever": {"type": "X", "$parameters": {"a": 3, "c": 4}}});
    let Value::Object(stream) = stream else { panic!() };
    let own = propagate(stream.clone(), Precedence::Own).unwrap();
    assert_eq!(own["retriever"]["$parameters"], json!({"a": 3, "b": 2, "c": 4}));
    let parent = propagate(stream, Precedence::Parent).unwrap();
    assert_eq!(parent["retriever"]["$parameters"], json!({"a": 1, "b": 2, "c": 4}));
}

#[test]
fn what_is_no_manifest_is_told() {
    let told = |text: &str| Manifest::of_yaml(text).unwrap_err().message;
    assert_eq!(
        told("- 1"),
        "The manifest can not be used: it is a list: it must have the fields version, check and streams."
    );
    assert_eq!(told("a: [1"), "The manifest is no YAML that can be read: unclosed bracket '[', in line 1, column 4.");
    assert_eq!(
        told("streams: [{$parameters: 5}]"),
        "The manifest can not be used: streams[0].$parameters must be an object."
    );
}

#[test]
fn parameters_that_are_components_do_not_multiply_without_end() {
    let mut parameters = Object::new();
    for name in 'a'..='t' {
        parameters.insert(name.to_string(), json!({"type": "X", "y": 1}));
    }
    let manifest = json!({"streams": [{"$parameters": parameters, "retriever": {"type": "X"}}]});
    assert!(Manifest::of(&manifest).unwrap_err().to_string().contains("parameters"));
}
