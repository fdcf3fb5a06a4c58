//! TLS: whom it trusts, and what a guest learns where it does not.

use std::io::Read;

use serde_json::json;

use super::{outcome, outcomes, requests};
use crate::harness::certificates::Authority;
use crate::harness::server::{Server, respond, start_http2};
use crate::harness::{Airlock, Finished, Workspace};

struct Trust {
    authority: Authority,
    workspace: Workspace,
}

impl Trust {
    fn new() -> Trust {
        Trust { authority: Authority::new(), workspace: Workspace::new() }
    }

    fn run(&self, run: Airlock) -> Finished {
        let file = self.workspace.file("authority.pem", self.authority.pem());
        run.env("SSL_CERT_FILE", file).option("--allow-host", "127.0.0.1").option("--allow-host", "localhost").run()
    }
}

fn hello(tls: std::sync::Arc<rustls::ServerConfig>) -> Server {
    Server::start_secure(tls, |_, connection| respond(connection, "200 OK", &[], b"hello"))
}

#[test]
fn a_private_authority_is_trusted_where_it_is_named() {
    let trust = Trust::new();
    let by_name = hello(trust.authority.server("localhost"));
    let by_address = hello(trust.authority.server("127.0.0.1"));
    let request = json!([
        {"url": format!("https://localhost:{}/", by_name.port()), "times": 10},
        {"url": by_address.secure_url("/")},
    ]);
    let finished = trust.run(requests(request)).exits(0);
    assert!(outcomes(&finished).iter().all(|outcome| outcome["body"] == "hello"), "{:?}", outcomes(&finished));
    assert!(by_name.connections() < 5, "they share connections");

    // The same by a directory, where certificates lie under the hash of their subject or not.
    let directory = trust.workspace.directory("certificates");
    std::fs::write(directory.join("12345678.0"), trust.authority.pem()).unwrap();
    let run = requests(json!([{"url": by_address.secure_url("/")}])).option("--allow-host", "127.0.0.1");
    let finished = run.env("SSL_CERT_DIR", directory).run().exits(0);
    assert_eq!(outcome(&finished)["body"], "hello");
}

#[test]
fn a_server_that_can_not_show_who_it_is_gets_no_request() {
    let trust = Trust::new();
    let servers = [
        ("unknown", hello(Authority::new().server("127.0.0.1"))),
        ("expired", hello(trust.authority.expired_server("127.0.0.1"))),
        ("another's name", hello(trust.authority.server("another.example.com"))),
    ];
    let texts = ["of the same name", "has expired", "is for another name"];
    for ((why, server), text) in servers.iter().zip(texts) {
        let finished = trust.run(requests(json!([{"url": server.secure_url("/"), "times": 2}]))).exits(0);
        for outcome in outcomes(&finished) {
            assert_eq!(outcome["error"], "ErrorCode::TlsCertificateError", "{why}");
        }
        let told: Vec<&str> =
            finished.logs("WARN").into_iter().filter(|line| line.contains("could not show")).collect();
        assert!(
            told.len() == 1 && ["SSL_CERT_FILE", "127.0.0.1", text].iter().all(|part| told[0].contains(part)),
            "{why}: {told:?}"
        );
        assert!(server.requests().is_empty(), "{why}");
    }
}

#[test]
fn certificates_that_can_not_be_read_are_no_reason_to_trust_others() {
    let trust = Trust::new();
    let server = hello(trust.authority.server("127.0.0.1"));
    let request = json!([{"url": server.secure_url("/")}]);
    let run = requests(request).option("--allow-host", "127.0.0.1").env("SSL_CERT_FILE", "/nowhere/at-all.pem");
    let finished = run.run().exits(0);
    assert_eq!(outcome(&finished)["error"], "ErrorCode::TlsCertificateError");
    let warned = finished.logs("WARN");
    assert!(
        warned.iter().any(|line| line.contains("SSL_CERT_FILE") && line.contains("/nowhere/at-all.pem")),
        "{warned:?}"
    );
}

#[test]
fn a_handshake_that_breaks_off_is_an_error() {
    let trust = Trust::new();
    let silent = Server::start_raw(|mut stream| {
        let _ = stream.read(&mut [0; 10]);
    });
    let plain = Server::start(|_, _| Ok(()));
    let chatty = Server::start_raw(|mut stream| {
        let _ = std::io::Write::write_all(&mut stream, b"HTTP/1.1 400 This is no TLS\r\n\r\n");
        let _ = stream.read(&mut [0; 1000]);
    });
    let request = json!([
        {"url": silent.secure_url("/")}, {"url": chatty.secure_url("/")}, {"url": plain.secure_url("/"), "first_byte_ms": 500, "connect_ms": 500},
    ]);
    for outcome in outcomes(&trust.run(requests(request)).exits(0)) {
        let error = outcome["error"].as_str().unwrap_or_default();
        let expected = ["TlsProtocolError", "ConnectionTerminated", "ConnectionTimeout"];
        assert!(expected.iter().any(|expected| error == format!("ErrorCode::{expected}")), "{outcome}");
    }
}

#[test]
fn http_2_is_spoken_where_the_server_does() {
    let trust = Trust::new();
    let server = start_http2(trust.authority.http2_server("localhost"));
    let url = format!("https://localhost:{}/", server.port());
    let finished = trust.run(requests(json!([{"url": url, "times": 10}]))).exits(0);
    for outcome in outcomes(&finished) {
        assert_eq!(outcome["body"], format!("HTTP/2.0 localhost:{} None", server.port()));
    }
    assert_eq!(server.connections(), 1);
}
