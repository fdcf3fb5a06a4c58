//! The commands of small manifests, through a host in memory. What the network does is tested end to end.

use airlock_sdk::testing::{Event, Host, Run};
use airlock_sdk::{Failure, FailureKind, IndependentStreams, Source};
use serde_json::{Value, json};

use crate::manifest::{INJECTED, Object, with_files};
use crate::source::{Config, Declarative};

fn stream(name: &str, fields: Value) -> Value {
    let mut stream = json!({
        "type": "DeclarativeStream",
        "name": name,
        "retriever": {
            "type": "SimpleRetriever",
            "requester": {"type": "HttpRequester", "url_base": "http://api.example", "path": "/x", "http_method": "GET"},
            "record_selector": {"type": "RecordSelector", "extractor": {"type": "DpathExtractor", "field_path": []}},
        },
        "schema_loader": {"type": "InlineSchemaLoader", "schema": {"type": "object", "properties": {"type": {"type": "string"}}}},
    });
    if let (Value::Object(stream), Value::Object(fields)) = (&mut stream, fields) {
        stream.extend(fields);
    }
    stream
}

fn manifest(streams: Vec<Value>) -> Value {
    json!({
        "version": "1.0.0",
        "type": "DeclarativeSource",
        "check": {"type": "CheckStream", "stream_names": ["users"]},
        "streams": streams,
        "spec": {"type": "Spec", "connection_specification": {"type": "object"}},
    })
}

/// A stream with Python code of its own.
fn python(name: &str) -> Value {
    stream(name, json!({"retriever": {"class_name": "source_x.components.Retriever", "requester": {}}}))
}

fn config(manifest: &Value) -> Config {
    Config(Object::from_iter([(INJECTED.to_owned(), manifest.clone()), ("on".to_owned(), true.into())]))
}

/// What a command says, and its logs.
fn run<T>(command: impl FnOnce() -> Result<T, Failure>) -> (Result<T, Failure>, Vec<String>) {
    let mut said = None;
    let run = Host::new().run(|| {
        said = Some(command());
        Ok(())
    });
    (said.unwrap(), logs(run))
}

fn logs(run: Run) -> Vec<String> {
    let log = |event| match event {
        Event::Log(message) => Some(message),
        _ => None,
    };
    run.events.into_iter().filter_map(log).collect()
}

fn discover(manifest: &Value) -> (Result<Value, Failure>, Vec<String>) {
    run(|| Ok(serde_json::to_value(Declarative::discover(config(manifest))?).unwrap()))
}

fn names(catalog: &Value) -> Vec<&str> {
    catalog["streams"].as_array().unwrap().iter().map(|stream| stream["name"].as_str().unwrap()).collect()
}

#[test]
fn a_catalog_is_the_one_that_the_cdk_writes() {
    let (catalog, logs) = discover(&manifest(vec![
        stream("a", json!({})),
        stream("b", json!({"primary_key": "id"})),
        stream("c", json!({"primary_key": ["a", "b"]})),
        stream("d", json!({"primary_key": [["a"], ["b"]]})),
        stream("e", json!({"primary_key": ""})),
        stream("f", json!({"primary_key": []})),
        stream("h", json!({"schema_loader": null})),
        json!({"type": "ConditionalStreams", "condition": "{{ config['on'] }}", "streams": [stream("y", json!({}))]}),
        json!({"type": "ConditionalStreams", "condition": "{{ not config['on'] }}", "streams": [stream("z", json!({}))]}),
    ]));
    let schema = json!({"type": "object", "properties": {"type": {"type": "string"}}});
    let plain = |name: &str| json!({"name": name, "json_schema": schema, "supported_sync_modes": ["full_refresh"], "is_resumable": false, "is_file_based": false});
    let keyed = |name: &str, key: Value| {
        let mut stream = plain(name);
        stream["source_defined_primary_key"] = key;
        stream
    };
    let mut without_schema = plain("h");
    without_schema["json_schema"] = json!({});
    assert_eq!(
        catalog.unwrap()["streams"],
        json!([
            plain("a"),
            keyed("b", json!([["id"]])),
            keyed("c", json!([["a"], ["b"]])),
            keyed("d", json!([["a"], ["b"]])),
            keyed("e", json!([[""]])),
            plain("f"),
            without_schema,
            plain("y"),
        ])
    );
    assert_eq!(
        logs,
        [
            "check.stream_names[0] is users, and the manifest has no such stream: the check will fail.",
            "Could not find schema for stream h, defaulting to the empty schema"
        ]
    );
}

#[test]
fn a_stream_that_can_not_be_read_is_left_out_and_its_children_with_it() {
    let router = json!({
        "type": "SubstreamPartitionRouter",
        "parent_stream_configs": [{"type": "ParentStreamConfig", "stream": python("parents"), "parent_key": "id", "partition_field": "parent"}],
    });
    let mut child = stream("children", json!({}));
    child["retriever"]["partition_router"] = router;
    let (catalog, logs) = discover(&manifest(vec![stream("users", json!({})), python("parents"), child]));
    assert_eq!(names(&catalog.unwrap()), ["users"]);
    assert_eq!(
        logs,
        [
            "Stream parents is left out: streams[1].retriever needs the Python class source_x.components.Retriever, which is code of the connector's own.",
            "Stream children is left out: streams[2].retriever.partition_router.parent_stream_configs[0].stream.retriever \
             needs the Python class source_x.components.Retriever, which is code of the connector's own.",
        ]
    );
}

#[test]
fn where_no_stream_is_left_the_check_says_why() {
    let (checked, _) = run(|| Declarative::check(config(&manifest(vec![python("users")]))));
    let failure = checked.unwrap_err();
    assert_eq!(failure.kind, FailureKind::ConfigError);
    assert_eq!(
        failure.message,
        "No stream of the manifest can be read. Stream users is left out: streams[0].retriever needs the Python class \
         source_x.components.Retriever, which is code of the connector's own."
    );
}

#[test]
fn a_left_out_stream_and_one_that_is_not_there_fail_alone() {
    let manifest = manifest(vec![python("users")]);
    let config = json!({INJECTED: manifest});
    let streams = ["users", "nobody"].map(|name| json!({"stream": {"name": name, "json_schema": {}}}));
    let run = Host::new().read::<Declarative>(&config, &json!({"streams": streams}));
    assert_eq!(run.result, Ok(()));
    let ends: Vec<String> = run
        .events
        .into_iter()
        .filter_map(|event| match event {
            Event::Finished { stream, failed } => Some(format!("{stream}: {}", failed.unwrap_or_default())),
            _ => None,
        })
        .collect();
    assert_eq!(
        ends,
        [
            "users: Stream users is left out: streams[0].retriever needs the Python class source_x.components.Retriever, \
             which is code of the connector's own.",
            "nobody: The manifest has no stream nobody: discover the streams anew, and choose among those.",
        ]
    );
}

#[test]
fn what_is_wrong_fails_every_command_with_its_stream_and_its_place() {
    let wrong = |streams: Vec<Value>| discover(&manifest(streams)).0.unwrap_err().message;
    assert_eq!(
        wrong(vec![stream("users", json!({"retriever": {"type": "SimpelRetriever"}}))]),
        "The manifest can not be used: in stream users, streams[0].retriever is of the type SimpelRetriever (did you mean \
         SimpleRetriever?), and must be SimpleRetriever."
    );
    assert_eq!(
        wrong(vec![json!({"type": "DeclarativeStream", "name": "users"})]),
        "The manifest can not be used: in stream users, streams[0] lacks the field retriever."
    );
    let mut unversioned = manifest(vec![]);
    unversioned["version"] = json!(1.0);
    let told = discover(&unversioned).0.unwrap_err();
    assert_eq!(told.message, "The manifest can not be used: version is a number, and must be a string.");
    assert_eq!(told.kind, FailureKind::ConfigError);
    with_files(&[("manifest.yaml", unversioned.to_string())], || {
        let (told, _) = run(|| Declarative::specification().to_json());
        assert_eq!(
            told.unwrap_err().message,
            "The manifest can not be used: version is a number, and must be a string."
        );
    });
}

#[test]
fn a_field_of_no_known_name_is_remarked_once() {
    let mistyped = || stream("users", json!({"primary_keys": "id", "whatever": 1}));
    let (_, logs) = discover(&manifest(vec![mistyped(), mistyped()]));
    assert_eq!(
        logs,
        [
            "streams[0].primary_keys is no field of DeclarativeStream, and has no effect (perhaps primary_key is meant).",
            "streams[0].whatever is no field of DeclarativeStream, and has no effect.",
            "streams[1].primary_keys is no field of DeclarativeStream, and has no effect (perhaps primary_key is meant).",
            "streams[1].whatever is no field of DeclarativeStream, and has no effect.",
        ]
    );
}

#[test]
fn the_specification_is_the_manifests_or_asks_for_one() {
    let (spec, _) = run(|| Declarative::specification().to_json());
    // What the CDK says without a manifest.
    let cdk = json!({"connectionSpecification":{"$schema":"http://json-schema.org/draft-07/schema#","title":"Low-code source spec","type":"object","required":["__injected_declarative_manifest"],"additionalProperties":true,"properties":{"__injected_declarative_manifest":{"title":"Low-code manifest","type":"object","description":"The low-code manifest that defines the components of the source."}}},"documentationUrl":"https://docs.airbyte.com/integrations/sources/low-code","supportsNormalization":false,"supportsDBT":false});
    assert_eq!(serde_json::from_str::<Value>(&spec.unwrap()).unwrap(), cdk);

    let carried = manifest(vec![stream("users", json!({})), python("others")]);
    with_files(&[("manifest.yaml", carried.to_string())], || {
        let (spec, logs) = run(|| Declarative::specification().to_json());
        assert_eq!(
            spec.unwrap(),
            r#"{"connectionSpecification":{"type":"object"},"supportsNormalization":false,"supportsDBT":false}"#
        );
        assert_eq!(logs.len(), 1, "{logs:?}");
    });
    let (told, _) = run(|| Declarative::check(Config(Object::new())));
    assert_eq!(
        told.unwrap_err().message,
        "There is no manifest: the connector carries none, and the configuration has no field __injected_declarative_manifest."
    );
}

#[test]
fn streams_are_read_at_once_where_nothing_is_shared() {
    let concurrency = |fields: Value, streams: Vec<Value>| {
        let mut manifest = manifest(streams);
        manifest["concurrency_level"] = json!({"type": "ConcurrencyLevel", "default_concurrency": 4});
        if let (Value::Object(manifest), Value::Object(fields)) = (&mut manifest, fields) {
            manifest.extend(fields);
        }
        run(|| Declarative::max_concurrency(config(&manifest))).0.unwrap().unwrap()
    };
    let users = stream("users", json!({}));
    assert_eq!(concurrency(json!({}), vec![users.clone()]), 4);
    assert_eq!(concurrency(json!({"concurrency_level": null}), vec![users.clone()]), 1);
    assert_eq!(concurrency(json!({"stream_groups": {}}), vec![users.clone()]), 1);
    let mut child = stream("children", json!({}));
    child["retriever"]["partition_router"] = json!({
        "type": "SubstreamPartitionRouter",
        "parent_stream_configs": [{"type": "ParentStreamConfig", "stream": users.clone(), "parent_key": "id", "partition_field": "parent"}],
    });
    assert_eq!(concurrency(json!({}), vec![users, child]), 1);
}
