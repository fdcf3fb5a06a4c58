//! Checkpoints committed late, in a wrong order, in part or not at all: an echo is never early and never out of order.

use serde_json::json;

use super::{Guest, saved};
use crate::harness::Finished;
use crate::harness::lines::{record_line, state_line};

fn write(config: &serde_json::Value, input: &str) -> Finished {
    Guest::new("destination-commits").write(config, &["one", "two"], input).run()
}

/// Three states of `one` and one of `two`, each after one record.
fn input() -> String {
    let mut input = String::new();
    for number in 1..=3 {
        input += &record_line("one", number);
        input += &state_line("one", number);
    }
    input + &record_line("two", 1) + &state_line("two", 1)
}

fn of_stream(finished: &Finished, stream: &str) -> Vec<u64> {
    let states = finished.states().into_iter();
    saved(&states.filter(|state| state["stream"]["stream_descriptor"]["name"] == stream).collect::<Vec<_>>())
}

#[test]
fn a_state_is_echoed_when_it_is_committed_and_in_order() {
    for how in ["at-the-end", "in-reverse"] {
        let finished = write(&json!({"how": how}), &input()).exits(0);
        assert_eq!(of_stream(&finished, "one"), [1, 2, 3], "{how}");
        assert_eq!(of_stream(&finished, "two"), [1], "{how}");
        // Not before the guest committed, which it does after it has said this.
        let outline = finished.outline();
        assert_eq!(outline[..2], ["LOG", "STATE"], "{how}: {outline:?}");
        assert_eq!(
            finished.logs("INFO"),
            ["the input has ended", "commit: ok", "commit: ok", "commit: ok", "commit: ok"]
        );
    }
}

#[test]
fn a_global_state_waits_for_all_before_it_and_all_wait_for_it() {
    let global = "{\"type\":\"STATE\",\"state\":{\"type\":\"GLOBAL\",\"global\":{\"stream_states\":[]}}}\n";
    let input = input() + global + &record_line("two", 2) + &state_line("two", 2);
    let finished = write(&json!({"how": "in-reverse"}), &input).exits(0);
    let states = finished.states();
    assert_eq!(states[4]["type"], "GLOBAL");
    assert_eq!(states[5]["stream"]["stream_state"], json!({"n": 2}));
    assert_eq!(states.len(), 6);
}

#[test]
fn states_that_were_not_committed_are_not_echoed_and_an_error() {
    for (how, left, echoed_of_one, echoed_of_two) in [
        ("never", "4 states", vec![], vec![]),
        ("dropped", "4 states", vec![], vec![]),
        ("first-only", "3 states", vec![1], vec![]),
        // What comes after one that is missing must not be echoed: it would promise that as well.
        ("all-but-first", "1 states", vec![], vec![1]),
    ] {
        let finished = write(&json!({"how": how}), &input()).exits(1);
        let (kind, message) = finished.error();
        assert_eq!(kind, "system_error", "{how}");
        assert!(message.contains("without committing") && message.contains(left), "{how}: {message}");
        assert_eq!(of_stream(&finished, "one"), echoed_of_one, "{how}");
        assert_eq!(of_stream(&finished, "two"), echoed_of_two, "{how}");
    }
}

#[test]
fn ok_before_the_end_of_the_input_is_an_error() {
    let finished = write(&json!({"how": "hasty"}), &input()).exits(1);
    let (kind, message) = finished.error();
    assert_eq!(kind, "system_error");
    assert!(message.contains("before the end of its input"), "{message}");
    // What it committed is safe all the same.
    assert_eq!(of_stream(&finished, "one"), [1]);
}

#[test]
fn rejected_records_are_counted() {
    let input = record_line("one", 1) + &record_line("one", 2) + &record_line("one", 3) + &state_line("one", 3);
    for (rejected, accepted, told) in [(0, 3.0, 0.0), (2, 1.0, 2.0), (3, 0.0, 3.0)] {
        let finished = write(&json!({"how": "at-the-end", "rejected": rejected}), &input).exits(0);
        let statistics = &finished.states()[0]["destinationStats"];
        assert_eq!(statistics, &json!({"recordCount": accepted, "rejectedRecordCount": told}));
    }
}

#[test]
fn more_rejected_records_than_there_were_are_as_many_as_there_were() {
    let input = record_line("one", 1) + &state_line("one", 1);
    let finished = write(&json!({"how": "at-the-end", "rejected": 5}), &input).exits(0);
    let statistics = &finished.states()[0]["destinationStats"];
    assert_eq!(statistics, &json!({"recordCount": 0.0, "rejectedRecordCount": 1.0}));
}
