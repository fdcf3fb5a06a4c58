//! The example of the documentation, run.

include!("../examples/counter.rs");

use airlock_sdk::testing::Host;
use serde_json::json;

#[test]
fn it_is_short() {
    let lines = include_str!("../examples/counter.rs").lines().count();
    assert!(lines < 60, "a source of a few fields has {lines} lines");
}

#[test]
fn it_goes_on_where_it_stopped() {
    let catalog = json!({"streams": [{"stream": {"name": "numbers"}, "sync_mode": "incremental"}]});
    let first = Host::new().read::<Counter>(&json!({"last": 1500}), &catalog);
    assert_eq!(first.records("numbers").len(), 1500);
    assert_eq!(first.checkpoints("numbers"), [json!({"number": 1000}), json!({"number": 1500})]);
    let second = Host::new()
        .with_state([("numbers", json!({"number": 1500}))])
        .read::<Counter>(&json!({"last": 1502}), &catalog);
    assert_eq!(
        second.records("numbers"),
        [json!({"number": 1501, "square": 2_253_001}), json!({"number": 1502, "square": 2_256_004})]
    );
}

#[test]
fn its_documents_are_derived_from_its_types() {
    let specification: serde_json::Value = serde_json::from_str(&Counter::specification().to_json().unwrap()).unwrap();
    assert_eq!(
        specification["connectionSpecification"],
        json!({"$schema": "http://json-schema.org/draft-07/schema#", "title": "Config", "type": "object",
            "description": "Counts to a number.", "required": ["last"],
            "properties": {"last": {"type": "integer", "minimum": 1, "description": "Where to stop."}}})
    );
    let catalog = serde_json::to_value(Counter::discover(Config { last: 1 }).unwrap()).unwrap();
    assert_eq!(catalog["streams"][0]["source_defined_primary_key"], json!([["number"]]));
    assert!(Counter::check(Config { last: u64::MAX }).is_err());
}
