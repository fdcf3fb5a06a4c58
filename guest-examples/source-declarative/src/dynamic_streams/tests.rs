use serde_json::json;

use super::*;
use crate::manifest::Remarks;

fn template() -> Value {
    json!({
        "type": "DeclarativeStream", "name": "template", "primary_key": "id", "$parameters": {"entity": "e"},
        "retriever": {
            "type": "SimpleRetriever",
            "requester": {"type": "HttpRequester", "url_base": "http://api.example", "path": "/x", "http_method": "GET"},
            "record_selector": {"type": "RecordSelector", "extractor": {"type": "DpathExtractor", "field_path": []}},
        },
    })
}

fn mapping(path: Value, value: &str, more: Value) -> Value {
    let mut mapping = json!({"type": "ComponentMappingDefinition", "field_path": path, "value": value});
    if let (Value::Object(mapping), Value::Object(more)) = (&mut mapping, more) {
        mapping.extend(more);
    }
    mapping
}

/// What of each stream the mappings change, as the CDK's dynamic_streams have it.
fn resolved(config: Value, resolver: Value) -> Result<Vec<Value>> {
    let stream =
        json!({"type": "DynamicDeclarativeStream", "stream_template": template(), "components_resolver": resolver});
    let remarks = Remarks::default();
    let stream: DynamicDeclarativeStream = Node::root(&stream, &remarks).read()?;
    let session = Session::new(config.as_object().cloned().unwrap_or_default());
    let streams = stream.resolve(&session, &mut BTreeSet::new())?;
    let told = |stream: &Value| {
        let requester = &stream["retriever"]["requester"];
        let field_path = &stream["retriever"]["record_selector"]["extractor"]["field_path"];
        json!([
            stream["name"],
            stream["primary_key"],
            requester["path"],
            requester["http_method"],
            requester["request_parameters"],
            field_path,
            stream["new"],
            stream["no"],
            stream["$parameters"],
        ])
    };
    Ok(streams.iter().map(told).collect())
}

#[test]
fn a_list_in_the_config_makes_a_stream_of_each_entry() {
    let streams = resolved(
        json!({"lists": [{"name": "a", "n": 1}, {"name": "b", "n": 2}]}),
        json!({
            "type": "ConfigComponentsResolver",
            "stream_config": {"type": "StreamConfig", "configs_pointer": ["lists"], "default_values": [{"name": "c", "n": 3}]},
            "components_mapping": [
                mapping(json!(["name"]), "{{ components_values['name'] }}", json!({})),
                mapping(json!(["retriever", "requester", "path"]), "/{{ components_values['n'] }}", json!({})),
                mapping(json!(["new", "deep"]), "{{ components_values['n'] }}", json!({"create_or_update": true})),
                mapping(json!(["no", "way"]), "5", json!({})),
                mapping(json!(["primary_key"]), "{{ components_values['n'] }}", json!({"value_type": "string"})),
                mapping(json!(["retriever", "requester", "http_method"]), "POST", json!({"condition": "{{ components_values['n'] == 2 }}"})),
                mapping(json!(["retriever", "requester", "request_parameters"]), "a: 1\nb: [x]", json!({"create_or_update": true})),
                mapping(json!(["**", "field_path"]), "['data', '{{ components_values.name }}']", json!({})),
            ],
        }),
    );
    assert_eq!(
        streams.unwrap(),
        [
            json!(["a", "1", "/1", "GET", {"a": 1, "b": ["x"]}, ["data", "a"], {"deep": 1}, null, {"entity": "e"}]),
            json!(["b", "2", "/2", "POST", {"a": 1, "b": ["x"]}, ["data", "b"], {"deep": 2}, null, {"entity": "e"}]),
            json!(["c", "3", "/3", "GET", {"a": 1, "b": ["x"]}, ["data", "c"], {"deep": 3}, null, {"entity": "e"}]),
        ]
    );
}

#[test]
fn two_lists_make_a_stream_of_each_pair() {
    let name = "{{ components_values['name'] }}_{{ components_values['source_config_1'][1] }}_{{ components_values['source_config_1'][0] }}";
    let streams = resolved(
        json!({"lists": [{"name": "a"}, {"name": "b"}], "more": ["x", "y"]}),
        json!({
            "type": "ConfigComponentsResolver",
            "stream_config": [
                {"type": "StreamConfig", "configs_pointer": ["lists"]}, {"type": "StreamConfig", "configs_pointer": ["more"]},
            ],
            "components_mapping": [mapping(json!(["name"]), name, json!({}))],
        }),
    );
    let names: Vec<Value> = streams.unwrap().into_iter().map(|stream| stream[0].clone()).collect();
    assert_eq!(names, ["a_x_0", "a_y_1", "b_x_0", "b_y_1"]);
}

#[test]
fn parameters_in_the_manifest_make_streams() {
    let streams = resolved(
        json!({}),
        json!({
            "type": "ParametrizedComponentsResolver",
            "stream_parameters": {
                "type": "StreamParametersDefinition",
                "list_of_parameters_for_stream": [{"name": "p1", "key": "['a','b']"}, {"name": "p2", "key": "no"}],
            },
            "components_mapping": [
                mapping(json!(["name"]), "{{ components_values['name'] }}", json!({})),
                mapping(json!(["primary_key"]), "{{ components_values['key'] }}", json!({})),
                mapping(json!(["retriever", "requester", "path"]), "%Y", json!({"value_type": "string"})),
            ],
        }),
    );
    assert_eq!(
        streams.unwrap(),
        [
            json!(["p1", ["a", "b"], "%Y", "GET", null, [], null, null, {"entity": "e"}]),
            json!(["p2", false, "%Y", "GET", null, [], null, null, {"entity": "e"}]),
        ]
    );
}

#[test]
fn two_streams_of_one_name_are_an_error_of_the_config() {
    let failure = resolved(
        json!({"lists": [{"name": "a"}, {"name": "a"}]}),
        json!({
            "type": "ConfigComponentsResolver",
            "stream_config": {"type": "StreamConfig", "configs_pointer": ["lists"]},
            "components_mapping": [mapping(json!(["name"]), "{{ components_values['name'] }}", json!({}))],
        }),
    )
    .unwrap_err();
    assert_eq!(
        failure,
        config_error("Dynamic streams list contains a duplicate name: a. Please check your configuration.")
    );
}
