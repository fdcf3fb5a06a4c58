//! The commands of small manifests, through a host in memory. What the network does is tested end to end.

mod mistyped;

use std::cell::RefCell;
use std::rc::Rc;

use airlock_sdk::testing::{Event, Host, HttpResponse, Run};
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
            "streams[6].schema_loader is empty, and has no effect.",
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
         SimpleRetriever?), and must be one of SimpleRetriever, AsyncRetriever."
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
    let mistyped = |name: &str| stream(name, json!({"primary_keys": "id", "whatever": 1}));
    let (_, logs) = discover(&manifest(vec![mistyped("users"), mistyped("others")]));
    assert_eq!(
        logs,
        [
            "streams[0].primary_keys is no field of DeclarativeStream, and has no effect (perhaps primary_key is meant); 1 more of this kind.",
            "streams[0].whatever is no field of DeclarativeStream, and has no effect; 1 more of this kind.",
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
        // A config is no way around what the connector was made of.
        let (catalog, _) = discover(&manifest(vec![stream("injected", json!({}))]));
        assert_eq!(names(&catalog.unwrap()), ["users"]);
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
    let with = |authenticator: Value| {
        let mut limited = stream("limited", json!({}));
        limited["retriever"]["requester"]["authenticator"] = authenticator;
        concurrency(json!({}), vec![users.clone(), limited])
    };
    let oauth = json!({
        "type": "OAuthAuthenticator", "token_refresh_endpoint": "http://api.example/token", "client_id": "c", "client_secret": "s",
        "refresh_token": "r",
    });
    assert_eq!(with(oauth.clone()), 4);
    let mut updating = oauth;
    updating["refresh_token_updater"] = json!({});
    assert_eq!(with(updating), 1);
    let quota = json!({
        "type": "TokenQuota", "name": "all", "remaining_path": ["left"], "reset_path": ["reset"], "remaining_header": "X-Left",
        "reset_header": "X-Reset", "limit_header": "X-Limit", "exhaustion_status_codes": [429],
    });
    let pool = json!({
        "type": "RateLimitedMultipleTokenAuthenticator", "tokens": "one,two", "quotas": [quota],
        "quota_status_source": {"type": "QuotaStatusSource", "url": "http://api.example/quotas"},
    });
    assert_eq!(with(pool), 1);
    let mut child = stream("children", json!({}));
    child["retriever"]["partition_router"] = json!({
        "type": "SubstreamPartitionRouter",
        "parent_stream_configs": [{"type": "ParentStreamConfig", "stream": users.clone(), "parent_key": "id", "partition_field": "parent"}],
    });
    assert_eq!(concurrency(json!({}), vec![users, child]), 1);
}

fn retriever(path: &str) -> Value {
    json!({
        "type": "SimpleRetriever",
        "requester": {"type": "HttpRequester", "url_base": "http://api.example", "path": path, "http_method": "GET"},
        "record_selector": {"type": "RecordSelector", "extractor": {"type": "DpathExtractor", "field_path": []}},
    })
}

fn reading(name: &str, path: &str) -> Value {
    stream(name, json!({"retriever": retriever(path)}))
}

/// A dynamic stream of two, called One and Two.
fn tables() -> Value {
    let mapping =
        |path: Value, value: &str| json!({"type": "ComponentMappingDefinition", "field_path": path, "value": value});
    json!({
        "type": "DynamicDeclarativeStream",
        "name": "tables",
        "stream_template": reading("template", "/t"),
        "components_resolver": {
            "type": "HttpComponentsResolver",
            "retriever": retriever("/tables"),
            "components_mapping": [
                mapping(json!(["name"]), "{{ components_values.title }}"),
                mapping(json!(["retriever", "requester", "path"]), "/t/{{ components_values['id'] }}"),
            ],
        },
    })
}

/// Runs a command against a server, and lists what was asked for.
fn asking<T>(command: impl FnOnce() -> Result<T, Failure>) -> (Result<T, Failure>, Vec<String>) {
    let asked = Rc::new(RefCell::new(Vec::new()));
    let answer = {
        let asked = Rc::clone(&asked);
        move |request: &airlock_sdk::testing::HttpRequest| {
            let path = request.url.trim_start_matches("http://api.example").to_owned();
            let body = match path.as_str() {
                "/tables" => json!([{"id": "t1", "title": "One"}, {"id": "t2", "title": "Two"}]),
                "/schema" => json!([{"fields": [
                    {"n": "id", "t": "int"}, {"n": "name", "t": "text"}, {"n": "tags", "t": "list"}, {"n": "any", "t": "mixed"},
                    {"n": "when"}, {"n": "skip", "t": "text"},
                ]}]),
                "/empty" => json!([]),
                _ => json!([{"id": 1}]),
            };
            asked.borrow_mut().push(path.clone());
            if path == "/gone" { HttpResponse::new(404) } else { HttpResponse::json(&body) }
        }
    };
    let mut said = None;
    let _ = Host::new().answering(answer).run(|| {
        said = Some(command());
        Ok(())
    });
    (said.unwrap(), asked.take())
}

#[test]
fn a_check_asks_for_what_the_cdk_asks_for() {
    let check = |fields: Value, config: Value| {
        let mut manifest = manifest(vec![]);
        if let (Value::Object(manifest), Value::Object(fields)) = (&mut manifest, fields) {
            manifest.extend(fields);
        }
        let mut config = config;
        config[INJECTED] = manifest;
        let (checked, asked) = asking(|| Declarative::check(Config(config.as_object().cloned().unwrap())));
        (checked.map_err(|failure| (failure.kind, failure.message)), asked.join(" "))
    };
    let failed = |message: &str| Err((FailureKind::ConfigError, message.to_owned()));
    let streams = |path: &str| json!([reading("users", path)]);
    let and_tables = |check: Value| json!({"streams": streams("/x"), "dynamic_streams": [tables()], "check": check});
    let first =
        |available: bool| json!({"type": "CheckDynamicStream", "stream_count": 2, "use_check_availability": available});
    let dynamic =
        |name: &str| json!([{"type": "DynamicStreamCheckConfig", "dynamic_stream_name": name, "stream_count": 1}]);

    assert_eq!(check(json!({"streams": streams("/empty")}), json!({})), (Ok(()), "/empty".to_owned()));
    let (checked, asked) = check(json!({"streams": streams("/gone")}), json!({}));
    let (kind, message) = checked.unwrap_err();
    assert_eq!((kind, asked.as_str()), (FailureKind::ConfigError, "/gone"));
    assert!(message.starts_with("'Stream users is not available: HTTP Status Code: 404."), "{message}");
    let (unknown, _) = check(json!({"streams": [reading("user", "/x")]}), json!({}));
    let told = "users is not part of the catalog. Expected one of ['user'].";
    assert_eq!(unknown, Err((FailureKind::SystemError, told.to_owned())));
    assert_eq!(check(json!({}), json!({})).0, failed("'No streams to connect to from source'"));

    let named = json!({"type": "CheckStream", "stream_names": ["users"]});
    assert_eq!(check(and_tables(named), json!({})), (Ok(()), "/x".to_owned()));
    assert_eq!(check(and_tables(first(true)), json!({})), (Ok(()), "/tables /x /t/t1".to_owned()));
    assert_eq!(check(and_tables(first(false)), json!({})), (Ok(()), "/tables".to_owned()));
    let tables = json!({"type": "CheckStream", "dynamic_streams_check_configs": dynamic("tables")});
    assert_eq!(check(and_tables(tables), json!({})), (Ok(()), "/tables /t/t1".to_owned()));
    let none =
        json!({"type": "CheckStream", "stream_names": ["users"], "dynamic_streams_check_configs": dynamic("none")});
    let none = check(and_tables(none), json!({}));
    assert_eq!(none, (failed("'Dynamic stream none is not found in manifest.'"), "/tables /x".to_owned()));

    let two = json!({"streams": [reading("users", "/x"), reading("others", "/y")]});
    assert_eq!(check(two, json!({"__airbyte_check_stream_names": ["others"]})), (Ok(()), "/y".to_owned()));
    let overridden = json!({"type": "CheckStream", "stream_names": ["users"], "config_overrides": {"p": "empty"}});
    let overridden = json!({"streams": streams("/{{ config['p'] }}"), "check": overridden});
    assert_eq!(check(overridden, json!({"p": "gone"})), (Ok(()), "/empty".to_owned()));
}

#[test]
fn a_schema_may_be_the_servers() {
    let loader = |more: Value| {
        let map = |from: &str, to: Value| json!({"type": "TypesMap", "current_type": from, "target_type": to});
        let mut loader = json!({
            "type": "DynamicSchemaLoader",
            "retriever": retriever("/schema"),
            "schema_type_identifier": {
                "type": "SchemaTypeIdentifier", "schema_pointer": ["fields"], "key_pointer": ["n"], "type_pointer": ["t"],
                "types_mapping": [
                    map("int", json!("integer")), map("text", json!("string")), map("mixed", json!(["string", "number"])),
                    map("list", json!({"field_type": "array", "items": "integer"})),
                ],
            },
        });
        if let (Value::Object(loader), Value::Object(more)) = (&mut loader, more) {
            loader.extend(more);
        }
        stream("users", json!({"schema_loader": loader}))
    };
    let schemas = |streams: Vec<Value>| {
        let manifest = manifest(streams);
        let (catalog, asked) = asking(|| Declarative::discover(config(&manifest)));
        let schemas: Vec<String> =
            catalog.unwrap().streams.iter().map(|stream| stream.json_schema.to_string()).collect();
        (schemas, asked)
    };
    // As the CDK's catalog has it.
    let cdk = r#"{"$schema":"https://json-schema.org/draft-07/schema#","type":"object","additionalProperties":true,"properties":{"id":{"type":["null","integer"]},"name":{"type":["null","string"]},"tags":{"type":["null","array"],"items":{"type":["null","integer"]}},"any":{"oneOf":[{"type":["null","string"]},{"type":["null","number"]}]},"when":{"type":["null","string"]},"skip":{"type":["null","string"]}}}"#;
    let (found, asked) = schemas(vec![loader(json!({})), loader(json!({}))]);
    assert_eq!(found, [cdk, cdk]);
    assert_eq!(asked, ["/schema"]);

    let filter = json!({"type": "RecordFilter", "condition": "{{ 'skip' not in record }}"});
    let (found, _) = schemas(vec![loader(json!({"schema_filter": filter}))]);
    assert_eq!(found, [cdk.replace(r#","skip":{"type":["null","string"]}"#, "")]);

    // What the server gives is no fault of the config's: the CDK's is a system error.
    let map = json!([{"type": "TypesMap", "current_type": "int", "target_type": "whole"}]);
    let identifier = json!({
        "type": "SchemaTypeIdentifier", "schema_pointer": ["fields"], "key_pointer": ["n"], "type_pointer": ["t"],
        "types_mapping": map,
    });
    let manifest = manifest(vec![loader(json!({"schema_type_identifier": identifier}))]);
    let failure = asking(|| Declarative::discover(config(&manifest))).0.unwrap_err();
    assert_eq!(
        (failure.kind, failure.message.as_str()),
        (FailureKind::SystemError, "Invalid Airbyte data type: whole")
    );
}
