//! What the SDK's HTTP client does over the wire, where the server in memory of its own tests shows too little.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::world::World;
use super::{asked, assert_fails, config, ids, read, read_from, with};
use crate::faulty::live::Live;
use crate::harness::server::{Server, begin, respond};
use crate::harness::workspace::configured_catalog;

/// A server that sends bytes so far apart is slow, but never silent.
const DRIP: Duration = Duration::from_millis(200);
/// Nobody waits for longer.
const END: Duration = Duration::from_secs(60);

#[test]
fn the_body_of_an_error_is_not_waited_for_forever() {
    let server = Server::start(|_, connection| {
        begin(connection, "404 Not Found", &[("Content-Length", "16000")])?;
        let begun = Instant::now();
        while begun.elapsed() < END {
            connection.write_all(b"x")?;
            connection.flush()?;
            thread::sleep(DRIP);
        }
        Ok(())
    });
    let begun = Instant::now();
    assert_fails(read(&config(&server), &["types"]), "system_error", &["404"]);
    assert!(begun.elapsed() < END / 2, "{:?}", begun.elapsed());
}

#[test]
fn what_was_read_leaves_while_a_body_comes_in_small_parts() {
    let seen = Arc::new(AtomicBool::new(false));
    let is_seen = Arc::clone(&seen);
    let server = World::of(3).serve_after(move |request, connection| {
        if !request.target.ends_with("type/3") {
            return Ok(false);
        }
        begin(connection, "200 OK", &[])?;
        let begun = Instant::now();
        while !is_seen.load(Ordering::SeqCst) && begun.elapsed() < END {
            connection.write_all(b" ")?;
            connection.flush()?;
            thread::sleep(DRIP);
        }
        connection.write_all(if is_seen.load(Ordering::SeqCst) { b"{\"id\": 3}" } else { b"too late" })?;
        // Without a length the end of the connection is that of the body.
        Err(std::io::ErrorKind::Other.into())
    });
    let mut live = Live::start(read(&config(&server), &["types"]));
    live.wait_for(|message: &Value| message["record"]["data"]["id"] == 2);
    seen.store(true, Ordering::SeqCst);
    let finished = live.finish().exits(0);
    assert_eq!(ids(&finished, "types"), [1, 2, 3, 10_001]);
}

#[test]
fn a_token_that_is_too_long_is_a_config_error() {
    let server = World::of(1).serve();
    let config = with(config(&server), json!({"api_token": "t".repeat(200_000)}));
    assert_fails(read(&config, &["types"]), "config_error", &["authorization", "too long"]);
    assert!(server.requests().is_empty());
}

#[test]
fn headers_that_are_too_long_are_a_system_error_at_once() {
    for bytes in [200_000, 2_000_000] {
        let server = Server::start(move |_, connection| {
            respond(connection, "200 OK", &[("X-Long", &"x".repeat(bytes))], b"{\"results\": []}")
        });
        assert_fails(read(&config(&server), &["types"]), "system_error", &["headers that are too long"]);
        assert_eq!(asked(&server).len(), 1);
    }
}

#[test]
fn a_page_takes_little_more_memory_than_its_text() {
    let mut page = String::from("{\"next\": null, \"results\": [");
    for id in 1..=1_000_000 {
        page += &format!("{{\"name\":\"mockachu-{id}\",\"url\":\"https://x/{id}/\"}},");
    }
    page += "{\"url\":\"https://x/1000001/\"}]}";
    assert!(page.len() > 50_000_000, "{}", page.len());
    let server = Server::start(move |_, connection| respond(connection, "200 OK", &[], page.as_bytes()));
    // Nothing is new, so that this is about the page alone.
    let state = json!({"type": "STREAM", "stream": {
        "stream_descriptor": {"name": "types"}, "stream_state": {"id": 2_000_000, "complete": false},
    }});
    let run = read_from(&config(&server), &configured_catalog(&["types"]), Some(&state));
    let finished = run.option("--max-memory", "100MiB").run().exits(0);
    assert_eq!(finished.statuses("types").last(), Some(&"COMPLETE"));
    assert_eq!(asked(&server).len(), 1);
}
