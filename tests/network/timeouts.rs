//! Servers that keep a guest waiting.

use std::os::unix::process::ExitStatusExt;
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::json;

use super::{outcomes, requests, run};
use crate::faulty::live::Live;
use crate::harness::server::{Server, begin, respond};

#[test]
fn each_wait_of_a_request_has_its_own_limit() {
    let silent = Server::start_raw(|_stream| thread::park());
    let server = Server::start(|request, connection| match request.target.as_str() {
        "/never" => {
            thread::park();
            Ok(())
        }
        "/stalls" => {
            begin(connection, "200 OK", &[("Content-Length", "100")])?;
            connection.write_all(b"some")?;
            connection.flush()?;
            thread::park();
            Ok(())
        }
        _ => {
            begin(connection, "200 OK", &[("Content-Length", "10")])?;
            for _ in 0..10 {
                // The drip is what is tested: no more than a twentieth of the limit.
                thread::sleep(Duration::from_millis(100));
                connection.write_all(b"d")?;
                connection.flush()?;
            }
            Ok(())
        }
    });
    let request = json!([
        // It is connected at once: TLS is what never comes.
        {"url": silent.secure_url("/"), "connect_ms": 300},
        {"url": server.url("/never"), "first_byte_ms": 300},
        {"url": server.url("/stalls"), "between_bytes_ms": 300},
        {"url": server.url("/drips"), "between_bytes_ms": 2000},
        {"url": server.url("/stalls"), "between_bytes_ms": 300, "looks": true},
    ]);
    let outcomes = outcomes(&requests(request).option("--allow-host", "127.0.0.1").run().exits(0));
    assert_eq!(outcomes[0]["error"], "ErrorCode::ConnectionTimeout");
    assert_eq!(outcomes[1]["error"], "ErrorCode::HttpResponseTimeout");
    assert_eq!(outcomes[2]["error"], "Some(ErrorCode::ConnectionReadTimeout)");
    assert_eq!((&outcomes[3]["bytes"], outcomes[3]["error"].is_null()), (&json!(10), true), "{}", outcomes[3]);
    assert_eq!(outcomes[4]["error"], "Some(ErrorCode::ConnectionReadTimeout)", "also where it looks before it waits");
}

#[test]
fn a_guest_that_takes_its_time_does_not_run_into_a_limit() {
    let server = Server::start(|_, connection| respond(connection, "200 OK", &[], &[b'x'; 300_000]));
    // It pauses for longer than the network may.
    let request = json!([{"url": server.url("/"), "between_bytes_ms": 50, "pause_ms": 200, "read_bytes": 200_000}]);
    let outcomes = outcomes(&requests(request).option("--allow-host", "127.0.0.1").run().exits(0));
    assert!(outcomes[0]["error"].is_null(), "{}", outcomes[0]);
}

#[test]
fn a_slow_upload_does_not_run_into_the_limit_for_its_answer() {
    let server = Server::start(|_, connection| respond(connection, "200 OK", &[], b""));
    // Three parts and their pauses: longer together, and each by itself, than the server may take.
    let request = json!([
        {"method": "POST", "url": server.url("/"), "upload_bytes": 3 << 20, "upload_pause_ms": 300, "first_byte_ms": 200},
    ]);
    let outcomes = outcomes(&requests(request).option("--allow-host", "127.0.0.1").run().exits(0));
    assert_eq!((&outcomes[0]["status"], server.requests()[0].body_bytes), (&json!(200), 3 << 20), "{}", outcomes[0]);
}

#[test]
fn a_signal_ends_the_wait_for_a_server_and_the_guest_hears_of_it() {
    let (asked, was_asked) = channel();
    let server = Server::start(move |request, connection| {
        if request.target == "/body" {
            begin(connection, "200 OK", &[("Content-Length", "100")])?;
        }
        asked.send(()).unwrap();
        thread::park();
        Ok(())
    });
    for path in ["/", "/body"] {
        let read = requests(json!([{"url": server.url(path)}])).option("--allow-host", "127.0.0.1");
        let live = Live::start(read);
        was_asked.recv().unwrap();
        let signalled = Instant::now();
        live.signal(Signal::TERM);
        let finished = live.finish();
        assert_eq!(finished.status.signal(), Some(15));
        // The watchdog would have ended it after five seconds.
        assert!(signalled.elapsed() < Duration::from_secs(4), "{path}");
        assert!(finished.logs("ERROR").is_empty(), "{path}: {:?}", finished.logs("ERROR"));
    }
}

#[test]
fn a_body_out_of_which_nothing_comes_keeps_nobody_from_hearing_of_a_signal() {
    let (asked, was_asked) = channel();
    // Whole gzip files of nothing, without an end, and faster than they are decoded.
    let nothing = [31, 139, 8, 0, 0, 0, 0, 0, 0, 255, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0].repeat(50_000);
    let server = Server::start(move |_, connection| {
        begin(connection, "200 OK", &[("Content-Encoding", "gzip"), ("Content-Length", "99999999999")])?;
        for number in 0.. {
            connection.write_all(&nothing)?;
            if number == 30 {
                asked.send(()).unwrap();
            }
        }
        Ok(())
    });
    let live = Live::start(requests(json!([{"url": server.url("/")}])).option("--allow-host", "127.0.0.1"));
    was_asked.recv().unwrap();
    let signalled = Instant::now();
    live.signal(Signal::TERM);
    let finished = live.finish();
    assert_eq!(finished.status.signal(), Some(15));
    assert!(signalled.elapsed() < Duration::from_secs(4));
    assert!(finished.logs("ERROR").is_empty(), "{:?}", finished.logs("ERROR"));
}

#[test]
fn a_guest_may_still_ask_for_something_when_it_has_heard_of_the_end() {
    let (asked, was_asked) = channel();
    let server = Server::start(move |request, connection| {
        if request.target == "/rollback" {
            return respond(connection, "200 OK", &[], b"");
        }
        asked.send(()).unwrap();
        thread::park();
        Ok(())
    });
    let config = json!({"persist": true, "requests": [{"url": server.url("/")}, {"url": server.url("/rollback")}]});
    let live = Live::start(run("source-http", &config).option("--allow-host", "127.0.0.1"));
    was_asked.recv().unwrap();
    live.signal(Signal::TERM);
    assert_eq!(live.finish().status.signal(), Some(15));
    assert_eq!(server.requests()[1].target, "/rollback");
}
