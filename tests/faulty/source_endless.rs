//! Signals, and readers that go away, while a source writes for ever: whole lines leave, nothing is called complete, and the
//! process ends, whatever the guest makes of it.

use std::os::unix::process::ExitStatusExt;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::json;

use super::Guest;
use super::live::Live;
use crate::harness::Finished;

/// How long a guest may take after a signal (`GRACE` in the host), and some time for a busy machine.
const GRACE: Duration = Duration::from_secs(5);
const PATIENCE: Duration = Duration::from_secs(30);

/// Reads until a state has come, and then as `go_on` says. The workspace lives as long as the run.
fn endless(then: &str, go_on: impl FnOnce(&mut Live)) -> Finished {
    let guest = Guest::new("source-endless");
    let mut live = Live::start(guest.read(&json!({"then": then}), &["one", "two"]));
    live.wait_for(|message| message["type"] == "STATE");
    go_on(&mut live);
    live.finish()
}

fn is_told(message: &serde_json::Value) -> bool {
    message["log"]["message"] == "told that it is cancelled"
}

#[test]
fn a_signal_ends_the_sync_in_order() {
    for (signal, number) in [(Signal::TERM, 15), (Signal::INT, 2)] {
        let finished = endless("error", |live| live.signal(signal));
        assert_eq!(finished.status.signal(), Some(number), "{:?} {}", finished.status, finished.stderr);
        let last_words = finished.logs("INFO").into_iter().chain(finished.logs("WARN")).collect::<Vec<_>>();
        assert_eq!(last_words[0], "told that it is cancelled");
        assert!(last_words[1].contains("cancelled by a signal"), "{last_words:?}");
        assert_eq!(finished.statuses("one"), ["STARTED", "RUNNING", "INCOMPLETE"]);
        assert_eq!(finished.statuses("two"), ["INCOMPLETE"]);
        // To be stopped is no failure of the connector.
        assert!(finished.errors().is_empty());
        let records = super::numbers(&finished.records("one"));
        assert!(records.iter().copied().eq(1..=records.len() as u64), "none is missing and none comes twice");
    }
}

#[test]
fn what_a_signal_interrupted_is_never_complete() {
    for then in ["ok", "finish"] {
        let finished = endless(then, |live| live.signal(Signal::TERM));
        assert_eq!(finished.status.signal(), Some(15), "{then}: {:?}", finished.status);
        assert_eq!(finished.statuses("one"), ["STARTED", "RUNNING", "INCOMPLETE"], "{then}");
    }
}

#[test]
fn a_guest_that_does_not_stop_is_stopped_after_its_grace() {
    for then in ["spin", "write"] {
        let mut since = Instant::now();
        let finished = endless(then, |live| {
            since = Instant::now();
            live.signal(Signal::TERM);
            live.wait_for(is_told);
        });
        assert_eq!(finished.status.signal(), Some(15), "{then}");
        assert!((GRACE..PATIENCE).contains(&since.elapsed()), "{then}: {:?}", since.elapsed());
        // Nobody else has ended the streams.
        assert_eq!(finished.statuses("one"), ["STARTED", "RUNNING", "INCOMPLETE"], "{then}");
        assert_eq!(finished.statuses("two"), ["INCOMPLETE"], "{then}");
        assert!(finished.errors().is_empty(), "{then}");
    }
}

#[test]
fn a_signal_that_is_handed_on_as_another_leaves_the_grace() {
    let mut since = Instant::now();
    let finished = endless("spin", |live| {
        since = Instant::now();
        live.signal(Signal::INT);
        live.wait_for(is_told);
        live.signal(Signal::TERM);
    });
    assert_eq!(finished.status.signal(), Some(15));
    assert!((GRACE..PATIENCE).contains(&since.elapsed()), "{:?}", since.elapsed());
}

#[test]
fn the_same_signal_again_ends_at_once() {
    let mut since = Instant::now();
    let finished = endless("spin", |live| {
        since = Instant::now();
        live.signal(Signal::TERM);
        live.wait_for(is_told);
        live.signal(Signal::TERM);
    });
    assert_eq!(finished.status.signal(), Some(15));
    assert!(since.elapsed() < GRACE, "{:?}", since.elapsed());
    assert_eq!(finished.statuses("one"), ["STARTED", "RUNNING", "INCOMPLETE"]);
}

#[test]
fn a_reader_that_does_not_read_does_not_keep_a_guest_that_does_not_stop() {
    let since = Instant::now();
    let guest = Guest::new("source-endless");
    let mut live = Live::start(guest.read(&json!({"then": "spin"}), &["one"]).option("--timeout", "3s"));
    live.wait_for(|message| message["type"] == "STATE");
    live.wait_unread();
    assert!(since.elapsed() < PATIENCE, "{:?}", since.elapsed());
}

#[test]
fn a_reader_that_does_not_read_does_not_keep_it_from_ending() {
    let since = Instant::now();
    let guest = Guest::new("source-endless");
    let mut live = Live::start(guest.read(&json!({"then": "error"}), &["one"]));
    // The pipe is full soon after this, and stays so.
    live.wait_for(|message| message["type"] == "STATE");
    live.signal(Signal::TERM);
    live.wait_unread();
    assert!(since.elapsed() < PATIENCE, "{:?}", since.elapsed());
}

#[test]
fn a_reader_that_goes_away_ends_the_sync_with_exit_code_1() {
    for then in ["error", "ok", "finish"] {
        let finished = endless(then, Live::close_stdout).exits(1);
        assert!(finished.stderr.contains("stdout can not be written to any more"), "{then}: {}", finished.stderr);
    }
}

#[test]
fn a_guest_that_does_not_hear_that_nobody_reads_is_ended() {
    let since = Instant::now();
    let finished = endless("write", Live::close_stdout).exits(1);
    assert!((GRACE..PATIENCE).contains(&since.elapsed()), "{:?}", since.elapsed());
    assert!(finished.errors().is_empty());
}
