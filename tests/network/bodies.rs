//! Bodies: decoded in the host where the guest does not do it, as large as they like, and never larger than the host.

use std::io::{self, Write};

use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use serde_json::{Value, json};

use super::{outcome, outcomes, requests, run};
use crate::faulty::live::Live;
use crate::harness::Airlock;
use crate::harness::server::{Connection, Server, begin, respond};

const MIB: u64 = 1024 * 1024;

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text).and_then(|()| encoder.finish()).unwrap()
}

fn compressed(coding: &str, text: &[u8]) -> Vec<u8> {
    match coding {
        "gzip" => gzip(text),
        "deflate" => {
            let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
            encoder.write_all(text).and_then(|()| encoder.finish()).unwrap()
        }
        "br" => {
            let mut bytes = Vec::new();
            brotli::BrotliCompress(&mut &*text, &mut bytes, &Default::default()).unwrap();
            bytes
        }
        "zstd" => zstd::encode_all(text, 3).unwrap(),
        _ => panic!("no coding: {coding}"),
    }
}

/// The path says which coding.
fn coding_server() -> Server {
    Server::start(|request, connection| {
        let coding = request.target.trim_start_matches('/');
        respond(
            connection,
            "200 OK",
            &[("Content-Encoding", coding)],
            &compressed(coding, b"the text, the text, the text"),
        )
    })
}

fn allowed(listed: Value) -> Airlock {
    requests(listed).option("--allow-host", "127.0.0.1")
}

#[test]
fn compressed_bodies_are_decoded() {
    let server = coding_server();
    for coding in ["gzip", "deflate", "br", "zstd"] {
        let finished = allowed(json!([{"url": server.url(&format!("/{coding}"))}])).run().exits(0);
        let outcome = outcome(&finished);
        assert_eq!(outcome["body"], "the text, the text, the text", "{coding}: {outcome}");
        assert!(outcome["headers"]["content-encoding"].is_null(), "{coding}: {outcome}");
        assert!(outcome["headers"]["content-length"].is_null(), "{coding}: {outcome}");
    }
    assert_eq!(server.requests()[0].header("accept-encoding"), Some("gzip, deflate, br, zstd"));
}

#[test]
fn a_guest_that_names_its_codings_decodes_itself() {
    let server = coding_server();
    let request = json!([
        {"url": server.url("/gzip"), "headers": [["Accept-Encoding", "gzip"]]},
        {"url": server.url("/gzip"), "headers": [["Range", "bytes=0-"]]},
    ]);
    let length = compressed("gzip", b"the text, the text, the text").len();
    for outcome in outcomes(&allowed(request).run().exits(0)) {
        assert_eq!((&outcome["headers"]["content-encoding"], &outcome["bytes"]), (&json!("gzip"), &json!(length)));
    }
    assert_eq!(server.requests()[0].header("accept-encoding"), Some("gzip"));
    assert_eq!(server.requests()[1].header("accept-encoding"), None);
}

#[test]
fn what_has_no_body_is_not_decoded() {
    let server = Server::start(|request, connection| match request.target.as_str() {
        "/head" => begin(connection, "200 OK", &[("Content-Encoding", "gzip"), ("Content-Length", "1000")]),
        "/none" => begin(connection, "304 Not Modified", &[("Content-Encoding", "gzip")]),
        _ => respond(connection, "200 OK", &[("Content-Encoding", "gzip")], b""),
    });
    let request = json!([
        {"method": "HEAD", "url": server.url("/head")}, {"url": server.url("/none")}, {"url": server.url("/empty")},
    ]);
    let outcomes = outcomes(&allowed(request).run().exits(0));
    assert_eq!(outcomes[0]["headers"]["content-encoding"], "gzip", "the head of a body that would be compressed");
    for outcome in &outcomes {
        assert!(outcome["error"].is_null() && outcome["bytes"] == 0, "{outcome}");
    }
}

#[test]
fn broken_codings_and_bodies_that_end_early_are_errors() {
    let server = Server::start(|request, connection| {
        let whole = gzip(&vec![b'x'; 100_000]);
        let zipped = [("Content-Encoding", "gzip")];
        match request.target.as_str() {
            "/garbage" => respond(connection, "200 OK", &zipped, b"this is no gzip at all"),
            "/cut" => respond(connection, "200 OK", &zipped, &whole[..whole.len() / 2]),
            "/short" => {
                begin(connection, "200 OK", &[("Content-Length", "1000")])?;
                connection.write_all(b"not so much")?;
                Err(io::ErrorKind::Other.into())
            }
            "/chunk" => {
                begin(connection, "200 OK", &[("Transfer-Encoding", "chunked")])?;
                connection.write_all(b"5\r\nhello\r\nfff\r\nno")?;
                Err(io::ErrorKind::Other.into())
            }
            "/short-gzip" => {
                begin(connection, "200 OK", &[("Content-Encoding", "gzip"), ("Content-Length", "100000")])?;
                connection.write_all(&whole)?;
                Err(io::ErrorKind::Other.into())
            }
            // A window of 128 MiB is the server's wish, and the host's memory.
            _ => {
                let mut encoder = zstd::Encoder::new(Vec::new(), 1)?;
                encoder.window_log(27)?;
                encoder.write_all(&vec![b'x'; 1_000_000])?;
                respond(connection, "200 OK", &[("Content-Encoding", "zstd")], &encoder.finish()?)
            }
        }
    });
    let paths = ["/garbage", "/cut", "/short", "/chunk", "/short-gzip", "/window"];
    let request: Vec<Value> = paths.iter().map(|path| json!({"url": server.url(path)})).collect();
    let outcomes = outcomes(&allowed(json!(request)).run().exits(0));
    let expected = [
        "HttpResponseContentCoding(Some(\"gzip",
        "HttpResponseContentCoding(Some(\"gzip",
        "HttpResponseIncomplete",
        "HttpResponseIncomplete",
        "HttpResponseIncomplete",
        "HttpResponseContentCoding(Some(\"zstd",
    ];
    for ((path, expected), outcome) in paths.iter().zip(expected).zip(&outcomes) {
        let error = outcome["error"].as_str().unwrap_or_default();
        assert!(error.contains(expected), "{path}: {outcome}");
    }
    assert_eq!(outcomes[2]["body"], "not so much", "what came is there");
}

#[test]
fn heads_have_bounds() {
    let server = Server::start(|request, connection| match request.target.as_str() {
        "/many" => {
            let headers: Vec<(String, String)> = (0..100_000).map(|n| (format!("X-{n}"), "v".to_owned())).collect();
            let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (&**name, &**value)).collect();
            respond(connection, "200 OK", &headers, b"")
        }
        "/long" => respond(connection, "200 OK", &[("X-Long", &"v".repeat(10_000_000))], b""),
        "/endless" => loop {
            connection.write_all(b"HTTP/1.1 100 Continue\r\n\r\n".repeat(1000).as_slice())?;
        },
        _ => respond(connection, "200 OK", &[("X-Fair", &"v".repeat(50_000))], b""),
    });
    let request = json!([
        {"url": server.url("/many")},
        {"url": server.url("/long")},
        {"url": server.url("/endless"), "first_byte_ms": 500},
        {"url": server.url("/fair")},
    ]);
    let outcomes = outcomes(&allowed(request).run().exits(0));
    for outcome in &outcomes[..3] {
        assert!(outcome["error"].is_string(), "{outcome}");
    }
    assert_eq!(outcomes[3]["status"], 200, "{}", outcomes[3]);
}

fn endless(connection: &mut Connection) -> io::Result<()> {
    begin(connection, "200 OK", &[])?;
    let chunk = vec![b'e'; 64 * 1024];
    loop {
        connection.write_all(&chunk)?;
    }
}

#[test]
fn a_guest_may_leave_a_body_and_go_on() {
    let server = Server::start(|request, connection| match request.target.as_str() {
        "/endless" => endless(connection),
        _ => respond(connection, "200 OK", &[], b"next"),
    });
    let request = json!([{"url": server.url("/endless"), "read_bytes": MIB}, {"url": server.url("/next")}]);
    let outcomes = outcomes(&allowed(request).run().exits(0));
    assert!(outcomes[0]["bytes"].as_u64().unwrap() >= MIB && outcomes[0]["error"].is_null());
    assert_eq!(outcomes[1]["body"], "next");
}

#[test]
fn large_bodies_go_both_ways() {
    let server = Server::start(|_, connection| {
        let length = (100 * MIB).to_string();
        begin(connection, "200 OK", &[("Content-Length", &length)])?;
        (0..100).try_for_each(|_| connection.write_all(&vec![b'd'; MIB as usize]))
    });
    let request = json!([{"method": "POST", "url": server.url("/"), "upload_bytes": 100 * MIB}]);
    let (outcome, peak) = outcome_and_peak(request);
    assert_eq!((&outcome["bytes"], server.requests()[0].body_bytes), (&json!(100 * MIB), 100 * MIB), "{outcome}");
    assert!(peak < 100 * MIB, "{peak}");
}

#[test]
fn a_small_body_that_becomes_a_large_one_takes_no_memory() {
    // 400 MiB of zeros in less than half a MiB: a gzip file may have many parts.
    let bomb = gzip(&vec![0; MIB as usize]).repeat(400);
    assert!(bomb.len() < MIB as usize / 2);
    let server =
        Server::start(move |_, connection| respond(connection, "200 OK", &[("Content-Encoding", "gzip")], &bomb));
    let (outcome, peak) = outcome_and_peak(json!([{"url": server.url("/")}]));
    assert_eq!(outcome["bytes"], 400 * MIB, "{outcome}");
    assert!(peak < 100 * MIB, "{peak}");
}

#[test]
fn what_the_decoders_take_counts_as_the_connectors_memory() {
    // A window of 8 MiB, and in one body after the other, none of which the guest lets go, as much data as fills it.
    let mut bomb = vec![0x28, 0xb5, 0x2f, 0xfd, 0, (23 - 10) << 3];
    for _ in 0..64 {
        let block_of_one_byte_repeated: u32 = (128 * 1024) << 3 | 1 << 1;
        bomb.extend_from_slice(&block_of_one_byte_repeated.to_le_bytes()[..3]);
        bomb.push(b'z');
    }
    let server = Server::start(move |_, connection| {
        begin(connection, "200 OK", &[("Content-Encoding", "zstd"), ("Content-Length", "1000")])?;
        connection.write_all(&bomb)?;
        connection.flush()?;
        std::thread::park();
        Ok(())
    });
    let request = json!([{"url": server.url("/"), "times": 100, "read_bytes": 7 * MIB, "keep": true}]);
    let finished = allowed(request).option("--max-memory", "128MiB").run().exits(1);
    let (kind, message) = finished.error();
    assert!(kind == "system_error" && message.contains("128 MiB") && message.contains("--max-memory"), "{message}");
    assert!(outcomes(&finished).len() < 16, "{}", outcomes(&finished).len());
}

#[test]
fn bodies_that_have_ended_hold_no_decoder() {
    let server = coding_server();
    let request = json!([{"url": server.url("/zstd"), "times": 100, "keep": true}]);
    let finished = allowed(request).option("--max-memory", "128MiB").run().exits(0);
    assert_eq!(outcomes(&finished).len(), 100);
}

/// What came of the request, and how much memory the process had at most.
fn outcome_and_peak(request: Value) -> (Value, u64) {
    // It waits for its reader at the end, so that there is a process to look at: the second request is never answered.
    let waiting = Server::start(|_, _| {
        std::thread::park();
        Ok(())
    });
    let mut listed = request.as_array().unwrap().clone();
    listed.push(json!({"url": waiting.url("/")}));
    let config = json!({"requests": listed});
    let mut live = Live::start(run("source-http", &config).option("--allow-host", "127.0.0.1"));
    let record = live.wait_for(|message| message["type"] == "RECORD");
    let peak = live.peak_memory();
    live.kill();
    (record["record"]["data"].clone(), peak)
}
