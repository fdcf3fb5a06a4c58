//! source-faker: compatible with Airbyte's source-faker 7.2.1 in what its users see.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::harness::workspace::configured_catalog;
use crate::harness::{Airlock, Finished, Workspace, connector};

fn faker(command: &str) -> Airlock {
    Airlock::of(&connector("source-faker")).arg(command)
}

fn read(workspace: &Workspace, config: &Value, state: Option<&[Value]>) -> Finished {
    let config = workspace.json("config.json", config);
    let catalog = workspace.json("catalog.json", &configured_catalog(&["products", "users", "purchases"]));
    // One after the other, so that their order can be told.
    let run = faker("read").option("--config", config).option("--catalog", catalog).option("--max-concurrency", "1");
    match state {
        Some(state) => run.option("--state", workspace.json("state.json", &json!(state))).run(),
        None => run.run(),
    }
    .exits(0)
}

/// Without what is of the moment of the sync.
fn timeless(records: Vec<&Value>) -> Vec<Value> {
    let mut records: Vec<Value> = records.into_iter().cloned().collect();
    for record in &mut records {
        record.as_object_mut().unwrap().remove("updated_at").expect("every record has it");
    }
    records
}

#[test]
fn spec_and_catalog_are_airbytes() {
    let expected: Value = serde_json::from_str(include_str!("golden/source-faker.spec.json")).unwrap();
    assert_eq!(faker("spec").run().exits(0).messages, [expected]);

    let workspace = Workspace::new();
    let config = workspace.json("config.json", &json!({}));
    let expected: Value = serde_json::from_str(include_str!("golden/source-faker.catalog.json")).unwrap();
    assert_eq!(faker("discover").option("--config", config).run().exits(0).messages, [expected]);
}

#[test]
fn a_check_succeeds() {
    let workspace = Workspace::new();
    let config = workspace.json("config.json", &json!({"count": 10, "seed": 4}));
    let expected = json!({"type": "CONNECTION_STATUS", "connectionStatus": {"status": "SUCCEEDED"}});
    assert_eq!(faker("check").option("--config", config).run().exits(0).messages, [expected]);
}

#[test]
fn a_read_goes_as_airbytes_does() {
    let workspace = Workspace::new();
    let finished = read(&workspace, &json!({"count": 20, "seed": 1, "records_per_slice": 8}), None);
    let of_a_stream = |slices: usize| {
        let mut outline = vec!["STARTED", "ESTIMATE", "RUNNING"];
        outline.extend(["RECORD", "STATE"].repeat(slices));
        outline.push("COMPLETE");
        outline
    };
    let expected = [of_a_stream(1), of_a_stream(3), of_a_stream(3)].concat();
    assert_eq!(finished.outline(), expected);
    assert_eq!(
        ["products", "users", "purchases"].map(|stream| finished.records(stream).len()),
        [20, 20, 20],
        "of ten users one buys nothing and one twice"
    );
    let counts: Vec<f64> =
        finished.states().iter().map(|state| state["sourceStats"]["recordCount"].as_f64().unwrap()).collect();
    assert_eq!(counts.iter().sum::<f64>(), 60.0);
    let last = finished.states()[3];
    assert_eq!(last["stream"]["stream_descriptor"], json!({"name": "users"}));
    assert_eq!(last["stream"]["stream_state"]["loop_offset"], 20);
    assert_eq!(last["stream"]["stream_state"]["seed"], 1);
}

#[test]
fn records_fit_the_catalog() {
    let workspace = Workspace::new();
    let finished = read(&workspace, &json!({"count": 200, "seed": 7}), None);
    let catalog: Value = serde_json::from_str(include_str!("golden/source-faker.catalog.json")).unwrap();
    for stream in catalog["catalog"]["streams"].as_array().unwrap() {
        let validator = jsonschema::validator_for(&stream["json_schema"]).unwrap();
        let properties = stream["json_schema"]["properties"].as_object().unwrap();
        let records = finished.records(stream["name"].as_str().unwrap());
        let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
        for record in &records {
            assert!(validator.is_valid(record), "{record}");
            for name in record.as_object().unwrap().keys() {
                assert!(properties.contains_key(name), "{name} is not in the catalog");
                *seen.entry(name).or_default() += 1;
            }
        }
        assert!(properties.keys().all(|name| seen.contains_key(name.as_str())), "{seen:?}");
        assert_eq!(seen["id"], records.len());
    }
}

#[test]
fn a_seed_decides_the_data() {
    let workspace = Workspace::new();
    let users = |config: Value| timeless(read(&workspace, &config, None).records("users"));
    let expected = users(json!({"count": 50, "seed": 3}));
    assert_eq!(users(json!({"count": 50, "seed": 3, "records_per_slice": 7})), expected);
    assert_ne!(users(json!({"count": 50, "seed": 4})), expected);
    assert_ne!(users(json!({"count": 50})), users(json!({"count": 50})), "no seed means others each time");
}

#[test]
fn a_read_goes_on_from_a_state() {
    let workspace = Workspace::new();
    let config = json!({"count": 20, "seed": 1, "records_per_slice": 8, "always_updated": false});
    let whole = read(&workspace, &config, None);
    // Up to the first state of the users, as if it had been interrupted there; products had not been read.
    let states: Vec<Value> = whole.states().into_iter().cloned().collect();
    let rest = read(&workspace, &config, Some(&states[1..2]));
    assert_eq!(timeless(rest.records("users")), timeless(whole.records("users"))[8..]);
    assert_eq!(rest.records("products").len(), 20);

    let nothing_new = read(&workspace, &config, Some(&states));
    assert!(nothing_new.of_type("RECORD").is_empty());
    assert_eq!(nothing_new.statuses("users"), ["STARTED", "COMPLETE"]);
}
