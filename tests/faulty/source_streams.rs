//! The rules of streams, broken.

use serde_json::json;

use super::{Guest, numbers, saved};

fn read(fault: &str, streams: &[&str]) -> crate::harness::Finished {
    Guest::new("source-streams").read(&json!({"fault": fault}), streams).run()
}

#[test]
fn a_stream_that_is_not_in_the_catalog_is_refused_with_all_after_it() {
    for (fault, name) in [("not-in-the-catalog", "elsewhere"), ("wrong-namespace", "elsewhere.one")] {
        let finished = read(fault, &["one"]).exits(1);
        let (kind, message) = finished.error();
        assert_eq!(kind, "system_error");
        assert!(message.contains(&format!("stream {name}, ")), "{message}");
        assert!(message.contains("not in the configured catalog") && message.contains("record 1"), "{message}");
        assert_eq!(saved(&finished.states()), [2]);
        assert_eq!(numbers(&finished.records("one")), [1, 2]);
        assert!(finished.records("elsewhere").is_empty());
        assert_eq!(finished.statuses("one"), ["STARTED", "RUNNING", "INCOMPLETE"]);
        let told = format!("refused: {message}");
        let calls = ["open", "write", "checkpoint"];
        assert_eq!(finished.logs("INFO"), calls.map(|call| format!("{call}: {told}")));
    }
}

#[test]
fn a_stream_is_opened_once() {
    let finished = read("twice", &["one"]).exits(1);
    assert!(finished.error().1.contains("opened stream one twice"), "{:?}", finished.error());
    assert_eq!(finished.statuses("one"), ["STARTED", "RUNNING", "INCOMPLETE"]);
    assert_eq!(numbers(&finished.records("one")), [1, 2]);

    let finished = read("again", &["one"]).exits(1);
    assert!(finished.error().1.contains("opened stream one twice"), "{:?}", finished.error());
    // It had come to its end before.
    assert_eq!(finished.statuses("one"), ["STARTED", "RUNNING", "COMPLETE"]);
}

#[test]
fn a_configured_stream_that_is_never_opened_is_an_error_and_the_others_are_complete() {
    let finished = read("not-opened", &["one", "two", "three"]).exits(1);
    let (kind, message) = finished.error();
    assert_eq!(kind, "system_error");
    assert!(message.contains("two, three") && !message.contains("one,"), "{message}");
    assert_eq!(finished.statuses("one"), ["STARTED", "RUNNING", "COMPLETE"]);
    assert_eq!(finished.statuses("two"), ["INCOMPLETE"]);
    assert_eq!(finished.statuses("three"), ["INCOMPLETE"]);
}

#[test]
fn a_stream_that_is_left_open_is_complete_when_read_returns_ok() {
    let finished = read("left-open", &["one", "two"]).exits(0);
    for stream in ["one", "two"] {
        assert_eq!(finished.statuses(stream), ["STARTED", "RUNNING", "COMPLETE"]);
    }
    assert!(finished.errors().is_empty());
    assert_eq!(numbers(&finished.records("two")), [1]);
}

#[test]
fn streams_are_written_to_in_read_only() {
    let finished = Guest::new("source-streams").command("check", &json!({})).run().exits(0);
    let answers = finished.logs("INFO");
    assert_eq!(answers.len(), 1);
    assert!(answers[0].starts_with("open in check: refused: ") && answers[0].contains("`read`"), "{answers:?}");
    assert_eq!(finished.outline(), ["LOG", "CONNECTION_STATUS"]);
    assert_eq!(finished.of_type("CONNECTION_STATUS")[0]["connectionStatus"]["status"], "SUCCEEDED");
}
