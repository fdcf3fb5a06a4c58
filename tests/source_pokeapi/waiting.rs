//! Servers that want the connector to wait, or make it wait.

use std::os::unix::process::ExitStatusExt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::process::Signal;
use serde_json::{Value, json};

use super::world::World;
use super::{asked, assert_fails, config, ids, read, tells_no_secret, with};
use crate::faulty::live::Live;
use crate::harness::Finished;
use crate::harness::server::{Connection, Request, Server, begin, respond};

/// Refuses the third of the types so often, with this status and header.
fn refusing(times: usize, status: &'static str, retry_after: impl Fn() -> String + Send + Sync + 'static) -> Server {
    let asked = AtomicUsize::new(0);
    World::of(5).serve_after(move |request: &Request, connection: &mut Connection| {
        let refused = request.target.ends_with("type/3") && asked.fetch_add(1, Ordering::SeqCst) < times;
        if refused {
            respond(connection, status, &[("Retry-After", &retry_after())], b"{\"detail\": \"slow down\"}")?;
        }
        Ok(refused)
    })
}

#[test]
fn a_page_that_takes_long_has_states_within() {
    let server = World::of(5).serve_after(|request, _| {
        if request.target.ends_with("type/2") {
            thread::sleep(Duration::from_millis(10_500));
        }
        Ok(false)
    });
    let finished = read(&with(config(&server), json!({"page_size": 100})), &["types"]).run().exits(0);
    let states: Vec<&Value> = finished.states().iter().map(|state| &state["stream"]["stream_state"]["id"]).collect();
    assert_eq!(states, [2, 10_001, 10_001]);
}

/// The times, in milliseconds since 1970, until which a stream said to be rate limited.
fn rate_limited(finished: &Finished) -> Vec<u64> {
    let traces = finished.of_type("TRACE").into_iter().map(|message| &message["trace"]["stream_status"]);
    let reasons = traces.flat_map(|status| status["reasons"].as_array().cloned().unwrap_or_default());
    let limited = reasons.filter(|reason| reason["type"] == "RATE_LIMITED");
    limited.map(|reason| reason["rate_limited"]["quota_reset"].as_u64().expect("a time is known")).collect()
}

fn milliseconds(time: SystemTime) -> u64 {
    u64::try_from(time.duration_since(UNIX_EPOCH).expect("it is after 1970").as_millis()).expect("it is soon")
}

#[test]
fn a_rate_limit_is_told_and_waited_for() {
    let in_seconds = || "2".to_owned();
    // A date has whole seconds, so that this one is between one and two away.
    let by_date = || httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(2));
    for server in [refusing(1, "429 Too Many Requests", in_seconds), refusing(1, "429 Too Many Requests", by_date)] {
        let before = SystemTime::now();
        let finished = read(&config(&server), &["types"]).run().exits(0);
        let until = rate_limited(&finished);
        assert_eq!(until.len(), 1, "{until:?}");
        assert!(until[0] > milliseconds(before) + 900, "it is in the future");
        assert!(milliseconds(SystemTime::now()) >= until[0], "it was waited for");
        assert_eq!(ids(&finished, "types"), [1, 2, 3, 4, 5, 10_001]);
        assert_eq!(asked(&server).iter().filter(|target| *target == "type/3").count(), 2);
        assert_eq!(finished.statuses("types").last(), Some(&"COMPLETE"));
        // The two before it did not wait with it.
        let kinds = finished.outline();
        let limited = kinds.iter().position(|kind| kind == "RECORD").expect("there are records");
        assert!(kinds[limited..].contains(&"RUNNING".to_owned()), "{kinds:?}");
    }
}

#[test]
fn a_server_that_is_down_for_a_moment_is_asked_again() {
    for status in ["500 Internal Server Error", "502 Bad Gateway", "503 Service Unavailable"] {
        // No number and no date: it is passed over.
        let server = refusing(1, status, || "soon".to_owned());
        let finished = read(&config(&server), &["types"]).run().exits(0);
        assert_eq!(ids(&finished, "types").len(), 6, "{status}");
        let warned = finished.logs("WARN");
        let code = status.split(' ').next().unwrap();
        assert!(warned.iter().any(|line| line.contains(code) && line.contains("type/3")), "{warned:?}");
        tells_no_secret(&finished);
    }
}

#[test]
fn a_server_that_stays_down_is_a_transient_error() {
    for (status, parts) in [("500 Internal Server Error", ["500"]), ("429 Too Many Requests", ["429"])] {
        let server = refusing(usize::MAX, status, || "1".to_owned());
        let config = with(config(&server), json!({"max_retries": 2}));
        let finished = assert_fails(read(&config, &["types"]), "transient_error", &parts);
        let (_, message) = finished.error();
        assert!(message.contains(&format!("GET {}", server.url("/api/v2/type/3"))), "{message}");
        assert_eq!(asked(&server).iter().filter(|target| *target == "type/3").count(), 3);
        assert_eq!(ids(&finished, "types"), [1, 2]);
        assert_eq!(finished.states().last().unwrap()["stream"]["stream_state"], json!({"id": 2, "complete": false}));
    }
}

#[test]
fn a_limit_that_lasts_too_long_is_not_waited_for() {
    let server = refusing(usize::MAX, "429 Too Many Requests", || "86400".to_owned());
    assert_fails(read(&config(&server), &["types"]), "transient_error", &["86400 seconds", "type/3"]);
}

#[test]
fn a_signal_ends_the_wait_for_a_limit_at_once() {
    let server = refusing(usize::MAX, "429 Too Many Requests", || "30".to_owned());
    let mut live = Live::start(read(&with(config(&server), json!({"max_retries": 1})), &["types"]));
    live.wait_for(|message: &Value| message["trace"]["stream_status"]["reasons"][0]["type"] == "RATE_LIMITED");
    let signalled = Instant::now();
    live.signal(Signal::TERM);
    let finished = live.finish();
    assert_eq!(finished.status.signal(), Some(15));
    assert!(signalled.elapsed() < Duration::from_secs(4), "the watchdog would have ended it after five seconds");
    assert_eq!(ids(&finished, "types"), [1, 2], "what was read has left");
}

#[test]
fn a_server_that_stalls_is_a_transient_error_in_bounded_time() {
    for (stall, part) in [("head", "in time"), ("body", "nothing more")] {
        let server = World::of(5).serve_after(move |request, connection| {
            if !request.target.ends_with("type/3") {
                return Ok(false);
            }
            if stall == "body" {
                begin(connection, "200 OK", &[("Content-Length", "100")])?;
                connection.write_all(b"{\"id\": 3, ")?;
                connection.flush()?;
            }
            thread::park();
            Ok(true)
        });
        let config = with(config(&server), json!({"max_retries": 1, "timeout_seconds": 2}));
        let finished = assert_fails(read(&config, &["types"]), "transient_error", &["type/3", part]);
        assert_eq!(asked(&server).iter().filter(|target| *target == "type/3").count(), 2, "{stall}");
        assert_eq!(ids(&finished, "types"), [1, 2], "{stall}");
    }
}
