//! Proxies of the host's environment: names are checked as ever, and the guest sees nothing of them.

use std::io;
use std::net::TcpStream;

use serde_json::json;

use super::{outcome, outcomes, requests, told};
use crate::harness::certificates::Authority;
use crate::harness::server::{Connection, Request, Server, respond};
use crate::harness::{Airlock, Workspace};

/// A proxy that answers for whatever it is asked, and makes tunnels to `tunnel_to`, whatever they are asked for.
pub fn proxy(tunnel_to: Option<u16>) -> Server {
    Server::start(move |request, connection| match (request.method.as_str(), tunnel_to) {
        ("CONNECT", Some(port)) => tunnel(connection, port),
        ("CONNECT", None) => respond(connection, "403 Forbidden", &[], b""),
        _ => respond(connection, "200 OK", &[], format!("the proxy was asked for {}", request.target).as_bytes()),
    })
}

/// Moves bytes both ways, by turns of one thread: TLS and HTTP/1.1 speak by turns.
fn tunnel(connection: &mut Connection, port: u16) -> io::Result<()> {
    connection.write_all(b"HTTP/1.1 200 Connected\r\n\r\n")?;
    connection.flush()?;
    let mut server = TcpStream::connect(("127.0.0.1", port))?;
    server.set_read_timeout(Some(std::time::Duration::from_millis(100)))?;
    let mut bytes = [0; 16 * 1024];
    loop {
        let read = connection.read(&mut bytes)?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        io::Write::write_all(&mut server, &bytes[..read])?;
        loop {
            match io::Read::read(&mut server, &mut bytes) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(read) => {
                    connection.write_all(&bytes[..read])?;
                    connection.flush()?;
                }
                // It waits for the other side.
                Err(_) => break,
            }
        }
    }
}

fn asked(proxy: &Server) -> Vec<(String, String)> {
    proxy.requests().into_iter().map(|Request { method, target, .. }| (method, target)).collect()
}

#[test]
fn requests_go_through_the_proxy_and_that_is_said() {
    let proxy = proxy(None);
    // No address of this name is ever looked for.
    let url = "http://api.example.invalid:8080/a/../b?c";
    let run = requests(json!([{"url": url, "times": 2}])).option("--allow-host", "api.example.invalid");
    let finished = run.env("HTTP_PROXY", format!("http://{}", proxy.authority())).run().exits(0);
    for outcome in outcomes(&finished) {
        assert_eq!(outcome["body"], format!("the proxy was asked for {url}"));
    }
    assert_eq!(proxy.requests()[0].header("host"), Some("api.example.invalid:8080"));
    assert_eq!(proxy.connections(), 1);
    assert_eq!(
        told(&finished, "INFO"),
        [format!(
            "The connector source-http contacts api.example.invalid through the proxy {} (only its name could be checked).",
            proxy.authority()
        )]
    );
}

#[test]
fn of_a_proxys_password_no_part_is_told() {
    let proxy = proxy(None);
    let request = json!([{"url": "http://api.example.invalid/", "connect_ms": 5_000}]);
    for url in
        [format!("http://user:hush@hush@{}", proxy.authority()), "http://user:hush/hush@proxy.invalid".to_owned()]
    {
        let run = requests(request.clone()).option("--allow-host", "api.example.invalid").env("HTTP_PROXY", &url);
        let told = told(&run.run().exits(0), "INFO").join(" ");
        assert!(told.contains("through the proxy") && !told.contains("hush"), "{url}: {told}");
    }
}

#[test]
fn a_star_means_no_proxy_for_names_and_addresses() {
    let (proxy, server) = (proxy(None), Server::start(|_, connection| respond(connection, "200 OK", &[], b"direct")));
    let run = requests(json!([{"url": server.url("/")}])).option("--allow-host", "127.0.0.1");
    let run = run.env("ALL_PROXY", format!("http://{}", proxy.authority())).env("NO_PROXY", "*");
    assert_eq!(outcome(&run.run().exits(0))["body"], "direct");
    assert_eq!(proxy.connections(), 0);
}

#[test]
fn a_proxy_is_no_way_around_the_policy() {
    let proxy = proxy(None);
    let request = json!([
        {"url": "http://other.example.com/"},
        {"url": "https://other.example.com/"},
        {"url": "http://169.254.169.254/"},
        {"url": "http://127.0.0.1/"},
        {"url": "http://localhost/"},
    ]);
    let run = requests(request.clone()).option("--allow-host", "api.example.com");
    let through = |run: Airlock| run.env("ALL_PROXY", format!("http://{}", proxy.authority())).run().exits(0);
    for outcome in outcomes(&through(run)) {
        assert_eq!(outcome["error"], "ErrorCode::HttpRequestDenied");
    }
    let outcomes = outcomes(&through(requests(request).option("--allow-host", "*")));
    for outcome in &outcomes[2..] {
        assert_eq!(outcome["error"], "ErrorCode::HttpRequestDenied");
    }
    let asked = asked(&proxy);
    assert!(asked.iter().all(|(_, target)| target.contains("other.example.com")), "{asked:?}");
}

#[test]
fn tls_goes_through_a_tunnel_to_the_server_itself() {
    let authority = Authority::new();
    let workspace = Workspace::new();
    let server = Server::start_secure(authority.server("api.example.invalid"), |_, connection| {
        respond(connection, "200 OK", &[], b"through the tunnel")
    });
    let proxy = proxy(Some(server.port()));
    let run = requests(json!([{"url": "https://api.example.invalid/"}])).option("--allow-host", "api.example.invalid");
    let finished = run
        .env("HTTPS_PROXY", format!("http://user:pass%20word@{}", proxy.authority()))
        .env("SSL_CERT_FILE", workspace.file("authority.pem", authority.pem()))
        .run()
        .exits(0);
    assert_eq!(outcome(&finished)["body"], "through the tunnel");
    assert_eq!(asked(&proxy), [("CONNECT".to_owned(), "api.example.invalid:443".to_owned())]);
    // user:pass word
    assert_eq!(proxy.requests()[0].header("proxy-authorization"), Some("Basic dXNlcjpwYXNzIHdvcmQ="));
    assert_eq!(server.requests()[0].header("proxy-authorization"), None, "that is between airlock and the proxy");
    let output = String::from_utf8(finished.stdout.clone()).unwrap() + &finished.stderr;
    assert!(!output.contains("pass") && !output.contains("dXNlcj"), "{output}");
}

#[test]
fn credentials_go_to_the_proxy_and_into_no_log() {
    let proxy = proxy(None);
    let run = requests(json!([{"url": "http://api.example.invalid/"}])).option("--allow-host", "api.example.invalid");
    let finished = run.env("http_proxy", format!("http://user:s3cret@{}", proxy.authority())).run().exits(0);
    assert_eq!(outcome(&finished)["status"], 200);
    assert_eq!(proxy.requests()[0].header("proxy-authorization"), Some("Basic dXNlcjpzM2NyZXQ="));
    let output = String::from_utf8(finished.stdout.clone()).unwrap() + &finished.stderr;
    assert!(!output.contains("s3cret") && !output.contains("user:"), "{output}");
}

#[test]
fn no_proxy_is_heeded() {
    let server = Server::start(|_, connection| respond(connection, "200 OK", &[], b"directly"));
    let proxy = proxy(None);
    let run = requests(json!([{"url": server.url("/")}])).option("--allow-host", "127.0.0.1");
    let finished = run
        .env("HTTP_PROXY", format!("http://{}", proxy.authority()))
        .env("NO_PROXY", "example.com,127.0.0.0/8")
        .run()
        .exits(0);
    assert_eq!(outcome(&finished)["body"], "directly");
    assert_eq!(proxy.connections(), 0);
}

#[test]
fn a_proxy_that_does_not_do_it_is_named() {
    let proxy = proxy(None);
    let run = |variable: &str, value: String| {
        let run = requests(json!([{"url": "https://api.example.invalid/"}]));
        let finished = run.option("--allow-host", "api.example.invalid").env(variable, value).run().exits(0);
        outcome(&finished)["error"].as_str().unwrap().to_owned()
    };
    let refused = run("HTTPS_PROXY", format!("http://user:s3cret@{}", proxy.authority()));
    assert!(refused.contains(&proxy.authority()) && !refused.contains("s3cret"), "{refused}");
    let unknown = run("ALL_PROXY", "socks5://user:s3cret@127.0.0.1:1".to_owned());
    assert!(
        unknown.contains("127.0.0.1:1") && unknown.contains("HTTP proxy") && !unknown.contains("s3cret"),
        "{unknown}"
    );
    let gone = run("HTTPS_PROXY", "http://127.0.0.1:1".to_owned());
    assert!(gone.contains("127.0.0.1:1"), "{gone}");
}
