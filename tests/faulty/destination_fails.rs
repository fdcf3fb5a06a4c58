//! A destination that fails in the middle: what it committed has been echoed and is on disk, and nothing else is promised.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::json;

use super::live::Live;
use super::{Guest, saved};
use crate::harness::lines::{record_line, state_line};

/// A state after each record, up to `count`.
fn input(count: u64) -> String {
    (1..=count).map(|number| record_line("one", number) + &state_line("one", number)).collect()
}

fn kept(guest: &Guest) -> String {
    fs::read_to_string(guest.airbyte().join("kept")).unwrap()
}

#[test]
fn what_was_committed_before_a_failure_is_echoed_and_nothing_after() {
    for (how, kind, words) in [
        ("failure", "transient_error", "The disk is full."),
        ("panic", "system_error", "in write"),
        ("exit", "system_error", "exit code 0"),
    ] {
        let guest = Guest::new("destination-fails");
        // More than the queue holds, so that the reader of stdin is still at work when the destination ends.
        let finished = guest.write(&json!({"how": how, "after": 2}), &["one"], input(50_000)).run().exits(1);
        let (found, message) = finished.error();
        assert_eq!(found, kind, "{how}");
        assert!(message.contains(words), "{how}: {message}");
        assert_eq!(saved(&finished.states()), [1, 2], "{how}");
        assert_eq!(kept(&guest), "{\"n\":1}\n{\"n\":2}\n", "{how}");
    }
}

#[test]
fn a_check_that_answers_failed_is_no_failure() {
    let finished = Guest::new("destination-fails").command("check", &json!({"how": "failure"})).run().exits(0);
    let answer = &finished.of_type("CONNECTION_STATUS")[0]["connectionStatus"];
    assert_eq!(answer, &json!({"status": "FAILED", "message": "the disk is full"}));
    assert_eq!(finished.outline(), ["CONNECTION_STATUS"]);
}

#[test]
fn a_broken_input_is_told_to_the_destination_whatever_it_makes_of_it() {
    for how in ["not", "deaf"] {
        let guest = Guest::new("destination-fails");
        let broken = input(2) + &record_line("one", 3) + "{\"type\":\"RECORD\n" + &input(9);
        let finished = guest.write(&json!({"how": how}), &["one"], broken).run().exits(1);
        let (kind, message) = finished.error();
        assert_eq!(kind, "system_error", "{how}");
        assert!(message.contains("Line 6 of the input"), "{how}: {message}");
        let told = format!("told that it is refused: {message}");
        assert_eq!(finished.logs("INFO").last(), Some(&told.as_str()), "{how}");
        assert_eq!(saved(&finished.states()), [1, 2], "{how}");
    }
}

#[test]
fn a_signal_ends_the_wait_for_input() {
    for how in ["not", "deaf"] {
        let guest = Guest::new("destination-fails");
        let mut live = Live::start(guest.write(&json!({"how": how}), &["one"], ""));
        live.send(&input(2));
        live.wait_for(|message| message["state"]["stream"]["stream_state"]["n"] == 2);
        live.signal(Signal::TERM);
        let finished = live.finish();
        assert_eq!(finished.status.signal(), Some(15), "{how}: {:?}", finished.status);
        assert!(finished.logs("INFO").contains(&"told that it is cancelled"), "{how}: {:?}", finished.logs("INFO"));
        assert_eq!(kept(&guest), "{\"n\":1}\n{\"n\":2}\n", "{how}");
        assert!(finished.errors().is_empty(), "{how}");
    }
}

#[test]
fn a_destination_that_does_not_stop_is_stopped_after_its_grace() {
    let guest = Guest::new("destination-fails");
    let mut live = Live::start(guest.write(&json!({"how": "spin", "after": 1}), &["one"], ""));
    live.send(&input(1));
    live.wait_for(|message| message["type"] == "STATE");
    let since = Instant::now();
    live.signal(Signal::TERM);
    let finished = live.finish();
    assert_eq!(finished.status.signal(), Some(15), "{:?}", finished.status);
    assert!((Duration::from_secs(5)..Duration::from_secs(30)).contains(&since.elapsed()), "{:?}", since.elapsed());
}

#[test]
fn a_reader_that_goes_away_ends_the_sync_with_exit_code_1() {
    let guest = Guest::new("destination-fails");
    let mut live = Live::start(guest.write(&json!({}), &["one"], ""));
    live.send(&input(1));
    live.wait_for(|message| message["type"] == "STATE");
    live.close_stdout();
    live.send(&input(2));
    let finished = live.finish().exits(1);
    assert!(finished.stderr.contains("stdout can not be written to any more"), "{}", finished.stderr);
}
