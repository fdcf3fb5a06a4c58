//! Raw sockets: TCP to allowed hosts, by an address that came from their name, and nothing else.

use std::io::{Read, Write};

use serde_json::{Value, json};

use super::{outcomes, run, told};
use crate::harness::server::Server;
use crate::harness::{Airlock, Finished};

/// Reads a line and says goodbye.
fn echo() -> Server {
    Server::start_raw(|mut stream| {
        let mut greeting = [0; 6];
        let _ = stream.read_exact(&mut greeting).and_then(|()| stream.write_all(b"goodbye"));
    })
}

fn attempts(attempts: Value) -> Airlock {
    run("source-sockets", &json!({"attempts": attempts}))
}

#[track_caller]
fn assert_all_denied(finished: &Finished) {
    for outcome in outcomes(finished) {
        let error = outcome["error"].as_str().unwrap_or_default();
        assert!(error.starts_with("PermissionDenied"), "{outcome}");
    }
}

#[test]
fn a_socket_connects_to_an_allowed_name_and_that_is_told() {
    let server = echo();
    let name = format!("localhost:{}", server.port());
    let finished = attempts(json!([["connect", name], ["connect", name]])).option("--allow-host", name).run().exits(0);
    for outcome in outcomes(&finished) {
        assert_eq!(outcome["found"], "goodbye", "{outcome}");
    }
    assert_eq!(told(&finished, "INFO"), ["The connector source-sockets contacts localhost (127.0.0.1)."]);
}

#[test]
fn a_socket_connects_to_an_allowed_address() {
    let server = echo();
    let finished =
        attempts(json!([["connect", server.authority()]])).option("--allow-host", server.authority()).run().exits(0);
    assert_eq!(outcomes(&finished)[0]["found"], "goodbye");
}

#[test]
fn an_address_that_came_from_no_allowed_name_is_refused() {
    let server = echo();
    let address = server.authority();
    for allowed in [&["--allow-host", "localhost"][..], &["--allow-host", "*"], &["--allow-host", "example.com"], &[]] {
        let mut run = attempts(json!([["connect", address], ["connect", address]]));
        for argument in allowed {
            run = run.arg(argument);
        }
        let finished = run.run().exits(0);
        assert_all_denied(&finished);
        let told = told(&finished, "WARN");
        assert!(told.len() == 1 && told[0].contains(&format!("was refused {address}: ")), "{allowed:?}: {told:?}");
        assert!(told[0].contains("--allow-host 127.0.0.1"), "{told:?}");
    }
    assert_eq!(server.connections(), 0);
}

#[test]
fn a_name_opens_the_ports_that_were_named_and_no_others() {
    let (named, other) = (echo(), echo());
    let attempt = json!([
        ["connect", format!("localhost:{}", named.port())],
        ["connect", format!("localhost:{}", other.port())],
        ["connect", other.authority()],
    ]);
    let finished = attempts(attempt).option("--allow-host", format!("localhost:{}", named.port())).run().exits(0);
    let outcomes = outcomes(&finished);
    assert_eq!(outcomes[0]["found"], "goodbye");
    for outcome in &outcomes[1..] {
        assert!(outcome["error"].as_str().unwrap().starts_with("PermissionDenied"), "{outcome}");
    }
    let told = told(&finished, "WARN");
    assert!(told[0].contains(&format!("localhost:{}", other.port())), "{told:?}");
    assert_eq!(other.connections(), 0);
}

#[test]
fn names_are_looked_up_where_they_are_allowed() {
    let attempt = json!([["resolve", "localhost"], ["resolve", "LOCALHOST"]]);
    // The wildcard names them all; what they lead to is another matter.
    for host in ["example.com", "*"] {
        let finished = attempts(attempt.clone()).option("--allow-host", host).run().exits(0);
        assert_all_denied(&finished);
        assert!(told(&finished, "WARN")[0].contains("localhost"));
    }
    let finished = attempts(json!([["resolve", "localhost"]])).option("--allow-host", "localhost").run().exits(0);
    assert!(outcomes(&finished)[0]["found"].as_str().unwrap().contains("127.0.0.1"));
}

#[test]
fn nothing_is_listened_on_and_no_datagram_leaves() {
    let attempt = json!([
        ["listen", "127.0.0.1:0"],
        ["listen", "0.0.0.0:0"],
        ["listen", "0.0.0.0:18999"],
        ["listen", "[::]:0"],
        ["send a datagram", "127.0.0.1:53"],
    ]);
    for host in ["127.0.0.1", "*"] {
        let finished = attempts(attempt.clone()).option("--allow-host", host).run().exits(0);
        assert_all_denied(&finished);
        let told = told(&finished, "WARN");
        assert!(told.iter().any(|line| line.contains("listening")), "{told:?}");
        assert!(told.iter().any(|line| line.contains("UDP")), "{told:?}");
    }
    assert_all_denied(&attempts(attempt).run().exits(0));
}

#[test]
fn a_guest_that_makes_up_names_does_not_fill_the_log() {
    let finished = attempts(json!([["resolve many", "1500"]])).run().exits(0);
    assert_eq!(outcomes(&finished)[0]["found"], "0");
    let told = told(&finished, "WARN");
    assert_eq!(told.len(), 1_001);
    assert!(told[1_000].contains("not logged"), "{}", told[1_000]);
}

#[test]
fn a_name_that_is_too_long_for_one_is_none() {
    let finished = attempts(json!([["resolve", "a".repeat(1_000_000)]])).run().exits(0);
    assert!(outcomes(&finished)[0]["error"].is_string());
    assert!(told(&finished, "WARN").is_empty());
}
