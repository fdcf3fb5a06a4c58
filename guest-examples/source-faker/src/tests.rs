//! Whole reads, through a host in memory.

use airlock_sdk::testing::{Event, Host, Run};
use airlock_sdk::{Interruption, Source};
use serde_json::{Value, json};

use super::*;

fn catalog(streams: &[&str]) -> Value {
    let streams: Vec<Value> = streams
        .iter()
        .map(|name| {
            json!({"stream": {"name": name, "json_schema": {}, "supported_sync_modes": ["incremental"]},
                   "sync_mode": "incremental", "destination_sync_mode": "append"})
        })
        .collect();
    json!({ "streams": streams })
}

fn read(config: &Value, stream: &str) -> Run {
    Host::new().read::<Faker>(config, &catalog(&[stream]))
}

/// The records without what tells when they were read.
fn timeless(run: &Run, stream: &str) -> Vec<Value> {
    let mut records = run.records(stream);
    for record in &mut records {
        assert!(record.as_object_mut().unwrap().remove("updated_at").is_some());
    }
    records
}

#[test]
fn the_slices_make_no_difference_to_the_records() {
    for stream in ["users", "purchases"] {
        let whole = read(&json!({"count": 57, "seed": 4}), stream);
        assert_eq!(whole.result, Ok(()));
        for records_per_slice in [1, 7, 57, 1000] {
            let config = json!({"count": 57, "seed": 4, "records_per_slice": records_per_slice});
            assert_eq!(timeless(&read(&config, stream), stream), timeless(&whole, stream));
        }
    }
}

#[test]
fn a_state_comes_after_each_slice_and_never_before_its_records() {
    let run = read(&json!({"count": 5, "seed": 1, "records_per_slice": 2}), "users");
    let mut users = 0;
    let mut offsets = Vec::new();
    for event in &run.events {
        match event {
            Event::Records { lines, .. } => users += lines.lines().count() as u64,
            Event::Checkpoint { state, .. } => {
                let state: Value = serde_json::from_str(state).unwrap();
                assert_eq!(state["loop_offset"], users);
                assert_eq!(state["seed"], 1);
                assert_eq!(state["updated_at"], run.records("users")[users as usize - 1]["updated_at"]);
                offsets.push(users);
            }
            _ => {}
        }
    }
    assert_eq!(offsets, [2, 4, 5]);
}

#[test]
fn a_read_goes_on_where_it_was_interrupted() {
    for stream in ["users", "purchases"] {
        for always_updated in [true, false] {
            let config = json!({"count": 30, "seed": 9, "records_per_slice": 4, "always_updated": always_updated});
            let whole = timeless(&read(&config, stream), stream);
            // Seven batches and states arrive: the last of them are records that no state covers.
            let first =
                Host::new().interrupting_after(7, Interruption::Cancelled).read::<Faker>(&config, &catalog(&[stream]));
            assert!(first.result.is_err());
            let state = first.checkpoints(stream).pop().unwrap();
            assert_eq!(state["loop_offset"], 12);
            let second = Host::new().with_state([(stream, state)]).read::<Faker>(&config, &catalog(&[stream]));
            let rest = timeless(&second, stream);
            assert_eq!(rest, whole[whole.len() - rest.len()..]);
            let covered = whole.len() - rest.len();
            assert_eq!(timeless(&first, stream)[..covered], whole[..covered]);
            assert_eq!(second.checkpoints(stream).pop().unwrap()["loop_offset"], 30);
        }
    }
}

#[test]
fn what_is_done_comes_again_only_if_always_updated() {
    let streams = ["products", "users", "purchases"];
    for (always_updated, factor) in [(true, 1), (false, 0)] {
        let config = json!({"count": 20, "seed": 2, "always_updated": always_updated});
        let first = Host::new().read::<Faker>(&config, &catalog(&streams));
        let states = streams.map(|stream| (stream, first.checkpoints(stream).pop().unwrap()));
        let second = Host::new().with_state(states.clone()).read::<Faker>(&config, &catalog(&streams));
        assert_eq!(second.result, Ok(()));
        for (stream, state) in states {
            assert_eq!(first.records(stream).len(), 20);
            assert_eq!(second.records(stream).len(), 20 * factor, "{stream}");
            if !always_updated {
                assert_eq!(second.checkpoints(stream), [state]);
            }
        }
    }
}

#[test]
fn more_users_than_before_are_only_the_new_ones() {
    let state = json!({"seed": 2, "updated_at": "2026-01-01T00:00:00+00:00", "loop_offset": 20});
    let config = json!({"count": 25, "seed": 2, "always_updated": false});
    let run = Host::new().with_state([("users", state)]).read::<Faker>(&config, &catalog(&["users"]));
    let ids: Vec<Value> = run.records("users").iter().map(|user| user["id"].clone()).collect();
    assert_eq!(ids, [21, 22, 23, 24, 25]);
}

#[test]
fn products_are_as_many_as_users_and_a_hundred_at_most() {
    for (count, products) in [(3, 3), (100, 100), (5000, 100)] {
        let run = read(&json!({"count": count, "seed": 1}), "products");
        assert_eq!(run.records("products").len(), products);
        let states = run.checkpoints("products");
        assert_eq!(states.len(), 1);
        assert_eq!(states[0].get("loop_offset"), None);
    }
}

#[test]
fn estimates_are_airbytes() {
    let run = Host::new().read::<Faker>(&json!({"count": 5}), &catalog(&["products", "users", "purchases"]));
    let estimates: Vec<Value> = run
        .events
        .iter()
        .filter_map(|event| match event {
            Event::Estimate { estimate, .. } => serde_json::from_str(estimate).ok(),
            _ => None,
        })
        .collect();
    assert_eq!(
        estimates,
        [
            json!({"row_estimate": 100, "byte_estimate": 18_000}),
            json!({"row_estimate": 5, "byte_estimate": 2_250}),
            json!({"row_estimate": 6, "byte_estimate": 1_495}),
        ]
    );
}

#[test]
fn records_have_the_fields_of_the_catalog() {
    let catalog = Faker::discover(Config::default()).unwrap();
    for stream in &catalog.streams {
        let run = read(&json!({"count": 300, "seed": 6}), &stream.name);
        let mut seen = std::collections::BTreeSet::new();
        for record in run.records(stream) {
            for (field, value) in record.as_object().unwrap() {
                assert_fits(value, &stream.json_schema["properties"][field], field);
                seen.insert(field.clone());
            }
        }
        let declared = stream.json_schema["properties"].as_object().unwrap();
        assert!(seen.iter().eq(std::collections::BTreeSet::from_iter(declared.keys())), "{seen:?} of {}", stream.name);
    }
}

fn assert_fits(value: &Value, schema: &Value, field: &str) {
    let types = match &schema["type"] {
        Value::Array(types) => types.clone(),
        one => vec![one.clone()],
    };
    let is = |name: &str| types.contains(&json!(name));
    let fits = match value {
        Value::Number(number) => is("number") || (is("integer") && number.is_u64()),
        Value::String(text) => {
            let is_time = schema["format"] == "date-time";
            is("string") && (!is_time || (text.len() == 25 && text.ends_with("+00:00")))
        }
        Value::Object(fields) => {
            for (inner, value) in fields {
                assert_fits(value, &schema["properties"][inner], inner);
            }
            is("object") && fields.len() == schema["properties"].as_object().unwrap().len()
        }
        _ => false,
    };
    assert!(fits, "{field}: {value} is not {schema}");
}

#[test]
fn every_default_is_the_specifications() {
    let specification: Value = serde_json::from_str(&Faker::specification().to_json().unwrap()).unwrap();
    let properties = specification["connectionSpecification"]["properties"].as_object().unwrap();
    let Config { count, seed, records_per_slice, always_updated, parallelism } = Config::default();
    let defaults = json!({"count": count, "seed": seed, "records_per_slice": records_per_slice,
        "always_updated": always_updated, "parallelism": parallelism});
    assert_eq!(properties.len(), defaults.as_object().unwrap().len());
    for (option, schema) in properties {
        assert_eq!(schema["default"], defaults[option], "{option}");
    }
}

#[test]
fn a_stream_that_does_not_exist_fails_alone() {
    let run = Host::new().read::<Faker>(&json!({"count": 2}), &catalog(&["carts", "users"]));
    assert_eq!(run.result, Ok(()));
    assert_eq!(run.records("users").len(), 2);
    let failed = run.events.iter().find_map(|event| match event {
        Event::Finished { stream, failed } if stream.name == "carts" => failed.clone(),
        _ => None,
    });
    assert!(failed.unwrap().contains("There is no stream carts"));
}

#[test]
fn an_option_that_can_not_be_is_told() {
    let config = Config { records_per_slice: 0, ..Config::default() };
    let failure = Faker::check(config).unwrap_err();
    assert!(failure.message.contains("records_per_slice"));
}

#[test]
fn the_examples_are_true() {
    let config: Value = serde_json::from_str(include_str!("../examples/config.json")).unwrap();
    let catalog: Value = serde_json::from_str(include_str!("../examples/catalog.json")).unwrap();
    let run = Host::new().read::<Faker>(&config, &catalog);
    assert_eq!(run.result, Ok(()));
    assert_eq!(run.records("users").len(), 1000);
    let discovered = Faker::discover(Config::default()).unwrap();
    let configured: ConfiguredCatalog = serde_json::from_value(catalog).unwrap();
    let streams: Vec<_> = configured.streams.into_iter().map(|configured| configured.stream).collect();
    assert_eq!(streams, discovered.streams);
}
