//! Cursors against the Python CDK: its slices, its states after each slice, and which records it wants.

use std::rc::Rc;

use serde_json::{Value, json};

use super::*;
use crate::manifest::Remarks;
use crate::record::Record;

/// What the CDK's cursors said at 2024-03-15T10:20:30.123456Z.
const CURSORS: &str = include_str!("cursors.json");

fn cursor(declared: &Value, partitions: Partitions, state: &Value) -> Result<Cursor> {
    crate::datetime::set_now(DateTime::parse("2024-03-15T10:20:30.123456Z", "%Y-%m-%dT%H:%M:%S.%fZ").unwrap());
    let remarks = Remarks::default();
    let declared: IncrementalSync = Node::root(declared, &remarks).read()?;
    assert_eq!(remarks.take(), [] as [String; 0]);
    declared.open(&Session::new(Object::new()), partitions, &[], state.as_object().unwrap())
}

fn slices(cursor: &mut Cursor) -> Vec<StreamSlice> {
    match cursor.slices().unwrap() {
        Intervals::Slices(slices) => slices.map(|slice| slice.unwrap()).collect(),
        _ => panic!("the cursor has no slices of its own"),
    }
}

fn record(field: &str, value: &Value) -> Record<'static> {
    let fields = [(field.to_owned(), value.clone())];
    Record::of_object(fields.into_iter().filter(|(_, value)| !value.is_null()).collect())
}

fn text(state: Object) -> String {
    Value::Object(state).to_string()
}

#[test]
fn cursors_say_what_the_cdks_say() {
    let cases: Vec<Value> = serde_json::from_str(CURSORS).unwrap();
    assert!(cases.len() > 80);
    for case in cases {
        let name = &case["name"];
        let field = case["cursor"]["cursor_field"].as_str().unwrap();
        let mut cursor = cursor(&case["cursor"], Partitions::One, &case["state"]).unwrap();
        let slices = slices(&mut cursor);
        let found: Vec<Value> = slices.iter().map(|slice| slice.cursor_slice.clone().into()).collect();
        assert_eq!(Value::from(found), case["slices"], "the slices of {name}");
        assert_eq!(text(cursor.state()), case["first_state"].to_string(), "the first state of {name}");
        for read in case["reads"].as_array().unwrap() {
            let slice = &slices[usize::try_from(read["slice"].as_u64().unwrap()).unwrap()];
            cursor.begin(slice);
            for value in read["values"].as_array().unwrap() {
                cursor.observe(&record(field, value)).unwrap();
            }
            cursor.close(slice).unwrap();
            assert_eq!(
                text(cursor.state()),
                read["state"].to_string(),
                "the state after slice {} of {name}",
                read["slice"]
            );
        }
        for synced in case["synced"].as_array().unwrap() {
            let wanted = synced[1].as_bool().unwrap();
            assert_eq!(cursor.should_be_synced(&record(field, &synced[0])).unwrap(), wanted, "{} of {name}", synced[0]);
        }
    }
}

/// The same of streams with partitions. What a read took is a second.
const PARTITIONS: &str = include_str!("partitions.json");

#[test]
fn cursors_of_partitions_say_what_the_cdks_say() {
    let cases: Vec<Value> = serde_json::from_str(PARTITIONS).unwrap();
    assert!(cases.len() > 20);
    for case in cases {
        let name = &case["name"];
        let field = case["cursor"]["cursor_field"].as_str().unwrap();
        let partitions = if case["grouped"] == true { Partitions::Grouped } else { Partitions::Many };
        let Cursor::PerPartition(mut cursor) = cursor(&case["cursor"], partitions, &case["state"]).unwrap() else {
            panic!("the cursor of {name} is none of partitions");
        };
        assert_eq!(text(cursor.state()), case["first_state"].to_string(), "the first state of {name}");
        cursor.begin_read();
        let mut expected = case["reads"].as_array().unwrap().iter();
        let mut parent_state = None;
        for partition in case["partitions"].as_array().unwrap() {
            parent_state = partition["parent_state"].as_object().cloned().map(Rc::new);
            let slice = StreamSlice {
                partition: partition["partition"].as_object().unwrap().clone(),
                ..StreamSlice::default()
            };
            let slices: Vec<_> = cursor.begin_partition(&slice, parent_state.as_ref()).unwrap().unwrap().collect();
            let reads = partition["reads"].as_array().unwrap();
            assert!(slices.len() <= reads.len(), "the slices of {slice:?} of {name}");
            if slices.is_empty() {
                cursor.give_none();
            }
            for (number, (slice, read)) in slices.iter().zip(reads).enumerate() {
                let slice = slice.as_ref().unwrap();
                let expected = expected.next().unwrap();
                assert_eq!(
                    Value::Object(slice.cursor_slice.clone()),
                    expected["cursor_slice"],
                    "slice {number} of {name}"
                );
                let slice =
                    StreamSlice { partition: partition["partition"].as_object().unwrap().clone(), ..slice.clone() };
                cursor.give_slice(number + 1 == slices.len());
                cursor.begin(&slice);
                match read.as_array() {
                    None => cursor.fail(),
                    Some(values) => {
                        for value in values {
                            cursor.observe(&record(field, value)).unwrap();
                        }
                        cursor.close(&slice).unwrap();
                    }
                }
                assert_eq!(
                    text(cursor.state()),
                    expected["state"].to_string(),
                    "the state after slice {number} of {name}"
                );
            }
        }
        assert!(expected.next().is_none());
        cursor.end_read(parent_state);
        assert_eq!(text(cursor.state()), case["last_state"].to_string(), "the last state of {name}");
    }
}

/// Slices as short as the granularity have no gap between them, so here the state says less than the CDK's, which lost what failed.
#[test]
fn a_state_does_not_reach_over_a_slice_that_failed() {
    let declared = json!({
        "type": "DatetimeBasedCursor", "cursor_field": "at", "datetime_format": "%Y-%m-%d", "start_datetime": "2024-03-01",
        "end_datetime": "2024-03-05", "step": "P1D", "cursor_granularity": "P1D",
    });
    let partition = Object::from_iter([("id".to_owned(), json!(1))]);
    for failing in [0, 2] {
        let reached = if failing == 0 { json!({"at": "2024-03-01"}) } else { json!({"at": "2024-03-02"}) };
        let mut one = cursor(&declared, Partitions::One, &json!({})).unwrap();
        let slices = slices(&mut one);
        assert_eq!(slices.len(), 4);
        let Cursor::PerPartition(mut many) = cursor(&declared, Partitions::Many, &json!({})).unwrap() else {
            panic!("one partition")
        };
        let whole = StreamSlice { partition: partition.clone(), ..StreamSlice::default() };
        drop(many.begin_partition(&whole, None).unwrap());
        for (number, slice) in slices.iter().enumerate() {
            let of_partition = StreamSlice { partition: partition.clone(), ..slice.clone() };
            many.give_slice(number == 3);
            one.begin(slice);
            many.begin(&of_partition);
            if number == failing {
                one.fail();
                many.fail();
                continue;
            }
            one.observe(&record("at", &slice.cursor_slice["start_time"])).unwrap();
            many.observe(&record("at", &slice.cursor_slice["start_time"])).unwrap();
            one.close(slice).unwrap();
            many.close(&of_partition).unwrap();
        }
        assert_eq!(Value::Object(one.state()), reached);
        assert_eq!(many.state()["states"][0]["cursor"], reached);
    }
}

fn many(state: &Value) -> Box<PerPartitionCursor> {
    let declared = json!({
        "type": "DatetimeBasedCursor", "cursor_field": "updated_at", "datetime_format": "%Y-%m-%d", "start_datetime": "2024-03-01",
    });
    let Cursor::PerPartition(cursor) = cursor(&declared, Partitions::Many, state).unwrap() else {
        panic!("one partition")
    };
    cursor
}

/// Reads a partition with one record. False where it was read before.
fn read_partition(cursor: &mut PerPartitionCursor, id: usize, value: &str) -> bool {
    let partition = Object::from_iter([("id".to_owned(), id.into())]);
    let partition = StreamSlice { partition, ..StreamSlice::default() };
    let Some(mut slices) = cursor.begin_partition(&partition, None).unwrap() else { return false };
    let slice = StreamSlice { partition: partition.partition, ..slices.next().unwrap().unwrap() };
    cursor.give_slice(true);
    cursor.begin(&slice);
    cursor.observe(&record("updated_at", &value.into())).unwrap();
    cursor.close(&slice).unwrap();
    true
}

#[test]
fn a_partition_that_comes_twice_is_read_once() {
    let mut cursor = many(&json!({"states": [{"partition": {"id": 1}, "cursor": {"updated_at": "2024-03-02"}}]}));
    assert!(read_partition(&mut cursor, 1, "2024-03-03"));
    assert!(read_partition(&mut cursor, 2, "2024-03-03"));
    assert!(!read_partition(&mut cursor, 1, "2024-03-04"));
    assert_eq!(cursor.state()["states"].as_array().unwrap().len(), 2);
}

#[test]
fn too_many_partitions_share_a_cursor() {
    let mut cursor = many(&json!({}));
    cursor.begin_read();
    for id in 0..10_001 {
        assert!(read_partition(&mut cursor, id, "2024-03-03"));
    }
    assert_eq!(cursor.state()["states"].as_array().unwrap().len(), 10_001);
    assert!(read_partition(&mut cursor, 10_001, "2024-03-05"));
    assert_eq!(Value::Object(cursor.state()), json!({"use_global_cursor": true, "lookback_window": 0}));
    for id in 10_002..30_000 {
        assert!(read_partition(&mut cursor, id, "2024-03-04"));
    }
    cursor.end_read(None);
    let mut state = cursor.state();
    assert!(state.remove("lookback_window").is_some_and(|window| window.as_u64() > Some(0)));
    assert_eq!(Value::Object(state), json!({"use_global_cursor": true, "state": {"updated_at": "2024-03-05"}}));
}

#[test]
fn what_is_no_state_is_told() {
    let wrong = [
        json!({"updated_at": "yesterday"}),
        json!({"updated_at": null}),
        json!({"state_type": "date-range", "slices": []}),
        json!({"state_type": "date-range", "slices": [{"start": "2024-03-01"}]}),
        json!({"state_type": "date-range"}),
    ];
    let declared = json!({
        "type": "DatetimeBasedCursor", "cursor_field": "updated_at", "datetime_format": "%Y-%m-%d", "start_datetime": "2024-03-01",
    });
    for state in wrong {
        let failure = cursor(&declared, Partitions::One, &state).unwrap_err();
        assert_eq!(failure.kind, airlock_sdk::FailureKind::ConfigError, "{state}");
        assert!(failure.message.contains("clear the stream's data"), "{}", failure.message);
    }
    for state in [
        json!({"states": [{"partition": {"id": 1}}]}),
        json!({"states": [{"partition": {"id": 1}, "cursor": {"updated_at": 7.5}}]}),
        json!({"states": [], "lookback_window": "long"}),
        json!({"state": {"updated_at": ""}}),
    ] {
        assert!(cursor(&declared, Partitions::Many, &state).is_err(), "{state}");
    }
}

#[test]
fn what_is_no_cursor_is_told() {
    let wrong = |field: &str, value: Value| {
        let mut declared = json!({
            "type": "DatetimeBasedCursor", "cursor_field": "updated_at", "datetime_format": "%Y-%m-%d", "start_datetime": "2024-03-01",
        });
        declared[field] = value;
        let remarks = Remarks::default();
        Node::root(&declared, &remarks).read::<IncrementalSync>().unwrap_err().to_string()
    };
    assert_eq!(
        wrong("step", json!("P1D")),
        "the manifest has one of step and cursor_granularity, and must have both or none"
    );
    assert_eq!(wrong("datetime_format", Value::Null), "the manifest lacks the field datetime_format");
    assert!(wrong("cursor_granularity", json!("a second")).starts_with("cursor_granularity is wrong: "));
    assert_eq!(
        wrong("start_datetime", json!({"type": "Other"})),
        "start_datetime is of the type Other, and must be MinMaxDatetime"
    );
    assert!(
        wrong("clamping", json!({"target": "WEEK", "target_details": {"weekday": "someday"}}))
            .starts_with("clamping.target_details.weekday is")
    );
}

#[test]
fn an_older_state_becomes_one_of_partitions() {
    let migrate = |state: Value, field: Option<&str>| {
        Value::Object(
            StateMigration::LegacyToPerPartition.migrate(state.as_object().unwrap().clone(), field, "at").unwrap(),
        )
    };
    let old = json!({"7": {"at": "2024"}, "8": {"at": "2025"}});
    let new = json!({"states": [
        {"partition": {"id": "7"}, "cursor": {"at": "2024"}}, {"partition": {"id": "8"}, "cursor": {"at": "2025"}},
    ]});
    assert_eq!(migrate(old.clone(), Some("id")), new);
    assert_eq!(migrate(old.clone(), None), old);
    for other in [json!({}), new, json!({"7": {"at": 1, "b": 2}}), json!({"7": {"other": 1}}), json!({"at": "2024"})] {
        assert_eq!(migrate(other.clone(), Some("id")), other);
    }
}

#[test]
fn a_user_may_choose_another_cursor_field_where_the_manifest_says_so() {
    let field = |allow: bool, configured: &[&str]| {
        let declared = json!({
            "type": "DatetimeBasedCursor", "cursor_field": "own", "datetime_format": "%Y", "start_datetime": "2024",
            "allow_catalog_defined_cursor_field": allow,
        });
        let remarks = Remarks::default();
        let declared: IncrementalSync = Node::root(&declared, &remarks).read().unwrap();
        let configured: Vec<String> = configured.iter().map(|field| (*field).to_owned()).collect();
        let cursor = declared.open(&Session::new(Object::new()), Partitions::One, &configured, &Object::new());
        cursor.map(|cursor| cursor.state().keys().next().cloned().unwrap()).map_err(|failure| failure.message)
    };
    assert_eq!(field(true, &["other"]), Ok("other".to_owned()));
    for configured in [&[][..], &[""], &["", "b"]] {
        assert_eq!(field(true, configured), Ok("own".to_owned()));
    }
    assert_eq!(field(false, &["other"]), Ok("own".to_owned()));
    assert_eq!(field(false, &["a", "b"]), Ok("own".to_owned()));
    assert!(field(true, &["a", "b"]).is_err());
}
