//! What a destination is given, seen through one that tells.

use serde_json::{Value, json};

use super::Guest;
use crate::harness::Finished;
use crate::harness::lines::{record_line, state_line, status_line};

/// The items that the destination says it was given.
fn items(finished: &Finished) -> Vec<Value> {
    finished.logs("INFO").iter().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

fn of_kind<'a>(items: &'a [Value], kind: &str) -> Vec<&'a Value> {
    items.iter().filter(|item| item["item"] == kind).collect()
}

#[test]
fn records_states_and_ends_come_in_order() {
    let input = record_line("one", 1) + &record_line("one", 2) + &state_line("one", 2) + &record_line("one", 3);
    let finished = Guest::new("destination-echo").write(&json!({}), &["one", "two"], input).run().exits(0);
    let items = items(&finished);
    let kinds: Vec<&str> = items.iter().map(|item| item["item"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["records", "checkpoint", "records", "stream-end", "stream-end", "end"]);
    assert_eq!(items[0]["records"], json!([{"n": 1}, {"n": 2}]));
    assert_eq!(items[0]["emitted_at"], json!([1, 1]));
    assert_eq!((&items[0]["bytes"], &items[0]["ends_with_line_break"]), (&json!(16), &json!(true)));
    assert_eq!(items[1]["scope"], json!({"stream": "one"}));
    assert_eq!(items[1]["record_count"], 2);
    assert_eq!(items[1]["state"]["stream"]["stream_state"], json!({"n": 2}));
    assert_eq!(items[3], json!({"item": "stream-end", "stream": "one", "complete": true}));
    assert_eq!(items[4], json!({"item": "stream-end", "stream": "two", "complete": true}));

    let states = finished.states();
    assert_eq!(states.len(), 1);
    assert_eq!(states[0]["sourceStats"], json!({"recordCount": 1.0}), "as it came");
    assert_eq!(states[0]["destinationStats"], json!({"recordCount": 2.0, "rejectedRecordCount": 0.0}));
}

#[test]
fn what_is_said_of_a_record_comes_with_it() {
    let record = |fields: Value| {
        let mut record = json!({"stream": "one", "data": {"n": 1}});
        record.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        json!({"type": "RECORD", "record": record}).to_string() + "\n"
    };
    let input = [
        record(json!({"emitted_at": 7})),
        record(json!({"emitted_at": 8, "meta": {"changes": []}, "namespace": null})),
        record(json!({"emitted_at": 9.0, "meta": null, "file_reference": null})),
        record(json!({"emitted_at": 10, "file_reference": {"file_size_bytes": 1}})),
    ];
    let finished = Guest::new("destination-echo").write(&json!({}), &["one"], input.concat()).run().exits(0);
    let batch = &items(&finished)[0];
    assert_eq!(batch["emitted_at"], json!([7, 8, 9, 10]));
    assert_eq!(
        batch["annotations"],
        json!([
            {"index": 1, "emitted_at": null, "meta": {"changes": []}, "file_reference": null},
            {"index": 3, "emitted_at": null, "meta": null, "file_reference": {"file_size_bytes": 1}}
        ])
    );
}

#[test]
fn interleaved_streams_are_regrouped_between_two_states() {
    let mut input = String::new();
    for number in 1..=100 {
        input += &record_line("one", number);
        input += &record_line("two", number);
    }
    input += &state_line("one", 100);
    input += &state_line("two", 100);
    let finished = Guest::new("destination-echo").write(&json!({}), &["one", "two"], input).run().exits(0);
    let items = items(&finished);
    let batches = of_kind(&items, "records");
    assert!(batches.len() < 10, "{} batches", batches.len());
    for stream in ["one", "two"] {
        let records: Vec<&Value> = batches
            .iter()
            .filter(|batch| batch["stream"] == stream)
            .flat_map(|batch| batch["records"].as_array().unwrap())
            .collect();
        let expected: Vec<Value> = (1..=100).map(|number| json!({"n": number})).collect();
        assert_eq!(records, expected.iter().collect::<Vec<_>>());
    }
    let counts: Vec<&Value> = of_kind(&items, "checkpoint").iter().map(|item| &item["record_count"]).collect();
    assert_eq!(counts, [100, 100]);
}

#[test]
fn a_batch_is_as_large_as_was_asked_for_and_has_a_record_at_least() {
    let input: String = (1..=100).map(|number| record_line("one", number)).collect();
    for (max_bytes, largest) in [(100, 100), (1, 10), (0, 10)] {
        let guest = Guest::new("destination-echo");
        let finished = guest.write(&json!({"max_bytes": max_bytes}), &["one"], input.clone()).run().exits(0);
        let items = items(&finished);
        let batches = of_kind(&items, "records");
        let count: u64 = batches.iter().map(|batch| batch["count"].as_u64().unwrap()).sum();
        assert_eq!(count, 100);
        assert!(batches.iter().all(|batch| batch["bytes"].as_u64().unwrap() <= largest), "{max_bytes}");
        assert!(batches.iter().all(|batch| batch["count"] == batch["emitted_at_count"]), "{max_bytes}");
        if max_bytes < 10 {
            assert_eq!(batches.len(), 100, "one at least, and no more than fits");
        }
    }
}

#[test]
fn a_global_state_covers_all_streams() {
    let global = r#"{"type":"STATE","state":{"type":"GLOBAL","global":{"shared_state":{"x":1},"stream_states":[]}}}"#;
    let input = record_line("one", 1) + &record_line("two", 1) + global + "\n" + &record_line("one", 2) + global + "\n";
    let finished = Guest::new("destination-echo").write(&json!({}), &["one", "two"], input).run().exits(0);
    let items = items(&finished);
    let checkpoints = of_kind(&items, "checkpoint");
    assert_eq!(checkpoints.len(), 2);
    assert!(checkpoints.iter().all(|checkpoint| checkpoint["scope"] == "global"));
    assert_eq!((&checkpoints[0]["record_count"], &checkpoints[1]["record_count"]), (&json!(2), &json!(1)));
    let counts: Vec<&Value> = finished.states().iter().map(|state| &state["destinationStats"]["recordCount"]).collect();
    assert_eq!(counts, [&json!(2.0), &json!(1.0)]);
}

#[test]
fn a_stream_that_was_not_finished_is_not_complete() {
    let input = status_line("one", "STARTED")
        + &status_line("two", "STARTED")
        + &record_line("one", 1)
        + &record_line("two", 1)
        + &status_line("one", "COMPLETE")
        + &status_line("two", "INCOMPLETE");
    let finished = Guest::new("destination-echo").write(&json!({}), &["one", "two"], input).run().exits(1);
    let items = items(&finished);
    let ends = of_kind(&items, "stream-end");
    assert_eq!(ends[0], &json!({"item": "stream-end", "stream": "one", "complete": true}));
    assert_eq!(ends[1], &json!({"item": "stream-end", "stream": "two", "complete": false}));
    assert!(finished.error().1.contains("two") && !finished.error().1.contains("one,"), "{:?}", finished.error());
}

#[test]
fn other_messages_come_as_they_are() {
    let estimate = json!({
        "type": "TRACE",
        "trace": {"type": "ESTIMATE", "emitted_at": 1, "estimate": {"name": "one", "type": "STREAM", "row_estimate": 5}}
    });
    let input = format!("{estimate}\n{{\"type\":\"NEWS\",\"news\":{{}}}}\nplain text\n");
    let finished = Guest::new("destination-echo").write(&json!({}), &["one"], input).run().exits(0);
    let items = items(&finished);
    assert_eq!(of_kind(&items, "other"), [&json!({"item": "other", "message": estimate})]);
    let said = finished.logs("INFO");
    assert!(said.iter().any(|line| line.contains("Line 2 of the input")), "{said:?}");
    assert!(said.iter().any(|line| line.contains("Line 3 of the input") && line.contains("plain text")), "{said:?}");
}

#[test]
fn there_is_input_in_write_only() {
    let finished = Guest::new("destination-echo").command("check", &json!({})).run().exits(0);
    let answers = finished.logs("INFO");
    assert!(answers[0].starts_with("next in check: refused: ") && answers[0].contains("`write`"), "{answers:?}");
    assert_eq!(finished.of_type("CONNECTION_STATUS")[0]["connectionStatus"]["status"], "SUCCEEDED");
}

#[test]
fn a_long_input_passes_whole() {
    let count = 200_000;
    let mut input = String::new();
    for number in 1..=count {
        input += &record_line("one", number);
        if number % 50_000 == 0 {
            input += &state_line("one", number);
        }
    }
    let finished = Guest::new("destination-echo").write(&json!({}), &["one"], input).run().exits(0);
    let items = items(&finished);
    let batches = of_kind(&items, "records");
    assert_eq!(batches.iter().map(|batch| batch["count"].as_u64().unwrap()).sum::<u64>(), count);
    assert!(batches.len() < 100, "{} batches", batches.len());
    let counts: Vec<&Value> = of_kind(&items, "checkpoint").iter().map(|item| &item["record_count"]).collect();
    assert_eq!(counts, [50_000; 4]);
    assert_eq!(super::saved(&finished.states()), [50_000, 100_000, 150_000, 200_000]);
}

#[test]
fn what_is_quoted_of_the_input_holds_no_secret_and_no_half_of_one() {
    let guest = Guest::new("destination-echo");
    let config = json!({"password": "hunter2 correct horse"});
    // The quotation ends in the middle of the secret.
    let input = format!("{}hunter2 correct horse and so on\n", "x".repeat(190));
    let finished = guest.write(&config, &["one"], input).run().exits(0);
    let quoted = format!(": {}**** …", "x".repeat(190));
    assert!(finished.logs("INFO").iter().any(|text| text.ends_with(&quoted)), "{:?}", finished.logs("INFO"));
    assert!(!String::from_utf8_lossy(&finished.stdout).contains("hunter2"));
}
