//! Documents that are none: specification, catalog, state, meta and the others.

use serde_json::{Value, json};

use super::{Guest, numbers};

const NO_OBJECTS: [&str; 6] = ["", "no JSON", "[]", "null", "{\"a\":", "{} {}"];

#[test]
fn a_specification_that_is_none_is_a_defect_of_the_connector() {
    for text in NO_OBJECTS.into_iter().chain(["{}", r#"{"connectionSpecification":null}"#]) {
        let guest = Guest::new("source-documents").with_file("specification", text);
        for command in [guest.spec(), guest.command("check", &json!({})), guest.read(&json!({}), &["one"])] {
            let finished = command.run().exits(1);
            let (kind, message) = finished.error();
            assert_eq!(kind, "system_error", "{text}");
            assert!(message.starts_with("The specification of the connector "), "{text}: {message}");
            assert_eq!(finished.outline(), ["ERROR"], "{text}");
        }
    }
}

#[test]
fn a_specification_over_many_lines_is_one_line_and_keeps_what_is_unknown() {
    let specification = json!({
        "documentationUrl": "https://example.com",
        "connectionSpecification": {"type": "object", "properties": {"z": {"type": "string"}, "a": {"order": 1}}},
        "fieldOfTheFuture": [1.50]
    });
    let text = serde_json::to_string_pretty(&specification).unwrap().replace('\n', "\r\n");
    let finished = Guest::new("source-documents").with_file("specification", text).spec().run().exits(0);
    assert_eq!(finished.messages, [json!({"type": "SPEC", "spec": specification})]);
    assert!(String::from_utf8(finished.stdout).unwrap().contains("1.5"));
}

#[test]
fn a_schema_that_can_not_be_used_warns_and_does_not_block() {
    for schema in [
        json!({"type": "nonsense"}),
        json!({"properties": {"a": {"pattern": "("}}}),
        json!({"$ref": "https://example.com/schema.json"}),
        json!({"$ref": "file:///etc/passwd"}),
        json!({"$ref": "#/nowhere"}),
    ] {
        let specification = json!({"connectionSpecification": schema}).to_string();
        let guest = Guest::new("source-documents").with_file("specification", specification);
        let finished = guest.command("check", &json!({"a": "b"})).run().exits(0);
        assert_eq!(finished.outline(), ["LOG", "CONNECTION_STATUS"], "{schema}");
        assert!(finished.logs("WARN")[0].contains("no usable JSON Schema"), "{schema}: {:?}", finished.logs("WARN"));
        assert_eq!(finished.of_type("CONNECTION_STATUS")[0]["connectionStatus"]["status"], "SUCCEEDED", "{schema}");
    }
}

#[test]
fn a_catalog_that_is_none_is_a_defect_of_the_connector() {
    let no_catalogs = [
        "{}",
        r#"{"streams":{}}"#,
        r#"{"streams":[{}]}"#,
        r#"{"streams":[{"name":"a","json_schema":"{}","supported_sync_modes":["full_refresh"]}]}"#,
        r#"{"streams":[{"json_schema":{},"supported_sync_modes":["full_refresh"]}]}"#,
    ];
    for text in NO_OBJECTS.into_iter().chain(no_catalogs) {
        let guest = Guest::new("source-documents").with_file("catalog", text);
        let finished = guest.command("discover", &json!({})).run().exits(1);
        let (kind, message) = finished.error();
        assert_eq!(kind, "system_error", "{text}");
        assert!(message.starts_with("The catalog of the connector "), "{text}: {message}");
        assert_eq!(finished.outline(), ["ERROR"], "{text}");
    }
}

#[test]
fn a_catalog_over_many_lines_keeps_what_is_unknown() {
    let catalog = json!({"streams": [
        {"name": "a", "json_schema": {}, "supported_sync_modes": ["full_refresh"], "fieldOfTheFuture": {"b": [1]}}
    ]});
    let guest = Guest::new("source-documents").with_file("catalog", serde_json::to_string_pretty(&catalog).unwrap());
    let finished = guest.command("discover", &json!({})).run().exits(0);
    assert_eq!(finished.messages, [json!({"type": "CATALOG", "catalog": catalog})]);
}

/// Gives a document to a function in `read`; the guest writes `{"n":1}` before it and `{"n":3}` after it.
fn give(function: &str, document: &str) -> crate::harness::Finished {
    let config = json!({"to": function, "document": document});
    Guest::new("source-documents").read(&config, &["one"]).run()
}

#[test]
fn a_state_or_another_document_of_the_flow_that_is_none_ends_the_sync() {
    for (function, document) in [
        ("checkpoint", "[\"PRIVATE\"]"),
        ("checkpoint", "PRIVATE"),
        ("checkpoint", ""),
        ("checkpoint", "null"),
        ("checkpoint", "{\"PRIVATE\":"),
        ("global-shared", "[\"PRIVATE\"]"),
        ("global-stream", "\"PRIVATE\""),
        ("meta", "[\"PRIVATE\"]"),
        ("meta", "{\"PRIVATE\""),
        ("file-reference", "\"PRIVATE\""),
        ("estimate", "[\"PRIVATE\"]"),
        ("running", "{\"PRIVATE\":1}"),
        ("running", "PRIVATE"),
    ] {
        let finished = give(function, document).exits(1);
        let (kind, message) = finished.error();
        assert_eq!(kind, "system_error", "{function} {document}");
        assert!(!message.contains("PRIVATE"), "{function}: {message}");
        if function != "global-shared" {
            assert!(message.contains("stream one"), "{function}: {message}");
        }
        assert_eq!(numbers(&finished.records("one")).first(), Some(&1).filter(|_| !finished.records("one").is_empty()));
        assert!(!numbers(&finished.records("one")).contains(&3), "{function}: nothing leaves after it");
        assert!(finished.states().is_empty(), "{function}");
        assert_eq!(finished.statuses("one").last(), Some(&"INCOMPLETE"), "{function}");
        let told = format!("refused: {message}");
        assert_eq!(finished.logs("INFO"), [format!("{function}: {told}"), format!("write: {told}")]);
    }
}

#[test]
fn what_was_written_before_a_refused_document_leaves() {
    for (function, document) in [("checkpoint", "[]"), ("meta", "[]"), ("running", "{}")] {
        let finished = give(function, document).exits(1);
        assert_eq!(numbers(&finished.records("one")), [1], "{function}");
    }
}

#[test]
fn a_good_document_over_many_lines_passes_as_it_is() {
    for (function, document, kind, pointer) in [
        ("checkpoint", "{\n\"a\": 1.0,\r\n\"b\": null}", "STATE", "/state/stream/stream_state"),
        ("global-shared", "{\n\"a\": 1.0}", "STATE", "/state/global/shared_state"),
        ("meta", "{\n\"changes\": []}", "RECORD", "/record/meta"),
        ("file-reference", "{\n\"a\": 1.0}", "RECORD", "/record/file_reference"),
        ("config-changed", "{\n\"a\": 1.0}", "CONTROL", "/control/connectorConfig/config"),
    ] {
        let finished = give(function, document).exits(0);
        let expected: Value = serde_json::from_str(document).unwrap();
        let found: Vec<&Value> =
            finished.of_type(kind).into_iter().filter_map(|message| message.pointer(pointer)).collect();
        assert_eq!(found, [&expected], "{function}");
        assert_eq!(finished.logs("INFO"), [format!("{function}: ok"), "write: ok".to_owned()]);
    }
}

#[test]
fn a_new_config_that_is_none_is_refused_alone() {
    let finished = give("config-changed", "[\"PRIVATE\"]").exits(0);
    assert!(finished.of_type("CONTROL").is_empty());
    let answers = finished.logs("INFO");
    assert!(answers[0].starts_with("config-changed: refused: ") && !answers[0].contains("PRIVATE"), "{answers:?}");
    assert_eq!(numbers(&finished.records("one")), [1, 3]);
    assert_eq!(finished.statuses("one").last(), Some(&"COMPLETE"));
}

#[test]
fn a_new_config_can_not_choose_what_the_connector_may_reach() {
    let renew = |document: Value| {
        let guest = Guest::new("source-documents");
        let metadata = guest
            .workspace
            .json("asks.yaml", &json!({"data": {"allowedHosts": {"hosts": ["${host}", "${site}.example.com"]}}}));
        let config =
            json!({"to": "config-changed", "document": document.to_string(), "host": "db.example", "site": "eu"});
        guest.read(&config, &["one"]).option("--metadata", metadata).run().exits(0)
    };
    for (document, named_by) in [
        (json!({"host": "10.0.0.1", "site": "eu"}), "the config's `host`"),
        (json!({"host": "db.example, 10.0.0.1", "site": "eu"}), "the config's `host`"),
        (json!({"host": "db.example", "site": "us"}), "metadata"),
    ] {
        let finished = renew(document.clone());
        assert!(finished.of_type("CONTROL").is_empty(), "{document}");
        assert!(finished.logs("INFO")[0].starts_with("config-changed: refused: "), "{:?}", finished.logs("INFO"));
        let warning = finished.logs("WARN")[0];
        assert!(warning.contains(named_by) && warning.contains("not passed on"), "{warning}");
    }
    for document in [json!({"host": "db.example", "site": "eu", "token": "fresh"}), json!({})] {
        assert_eq!(renew(document.clone()).of_type("CONTROL").len(), 1, "{document}");
    }
}
