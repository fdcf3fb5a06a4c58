//! Requests and the policy: what is named is reached, as the guest asked for it; what is not is refused, and told.

use serde_json::{Value, json};

use super::{outcome, outcomes, requests, run, told};
use crate::faulty::Guest;
use crate::harness::server::{Server, respond};

fn hello() -> Server {
    Server::start(|_, connection| respond(connection, "200 OK", &[("X-Kind", "test")], b"hello"))
}

#[test]
fn a_request_reaches_a_named_host_as_the_guest_wrote_it() {
    let server = hello();
    let url = server.url("/a/../b%2Fc?d=%20&e=/../f");
    let request =
        json!([{"method": "POST", "url": url, "headers": [["X-Own", "1"], ["X-Own", "2"]], "body": "content"}]);
    let finished = requests(request).option("--allow-host", "127.0.0.1").run().exits(0);
    let outcome = outcome(&finished);
    assert_eq!((&outcome["status"], &outcome["body"]), (&json!(200), &json!("hello")));
    assert_eq!(outcome["headers"]["x-kind"], "test");

    let seen = &server.requests()[0];
    assert_eq!((seen.method.as_str(), seen.target.as_str()), ("POST", "/a/../b%2Fc?d=%20&e=/../f"));
    assert_eq!(seen.header("host"), Some(server.authority().as_str()));
    assert_eq!(seen.header("user-agent"), Some(concat!("airlock/", env!("CARGO_PKG_VERSION"))));
    assert_eq!(seen.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("x-own")).count(), 2);
    assert_eq!((seen.body.as_slice(), seen.header("x-own")), (b"content".as_slice(), Some("1")));
}

#[test]
fn the_guests_own_user_agent_stays() {
    let server = hello();
    let request = json!([{"url": server.url("/"), "headers": [["User-Agent", "mine"]]}]);
    requests(request).option("--allow-host", "127.0.0.1").run().exits(0);
    assert_eq!(server.requests()[0].header("user-agent"), Some("mine"));
}

#[test]
fn a_host_is_told_once_when_it_is_contacted() {
    let server = hello();
    let request =
        json!([{"url": server.url("/"), "times": 3}, {"url": format!("http://localhost:{}/", server.port())}]);
    let run = requests(request).option("--allow-host", "127.0.0.1").option("--allow-host", "localhost");
    let finished = run.run().exits(0);
    assert_eq!(
        told(&finished, "INFO"),
        ["The connector source-http contacts 127.0.0.1.", "The connector source-http contacts localhost (127.0.0.1)."]
    );
    assert!(told(&finished, "WARN").is_empty());
}

#[test]
fn requests_share_a_connection() {
    let server = hello();
    let request = json!([{"url": server.url("/"), "times": 20}]);
    let finished = requests(request).option("--allow-host", "127.0.0.1").run().exits(0);
    assert!(outcomes(&finished).iter().all(|outcome| outcome["status"] == 200));
    assert_eq!(server.requests().len(), 20);
    // A request that follows at once may come before the connection of the last is free again.
    assert!(server.connections() < 5, "{}", server.connections());
}

#[test]
fn what_no_policy_names_is_refused_and_told_once() {
    let server = hello();
    let request = json!([{"url": server.url("/"), "times": 2}]);
    for options in [&[][..], &["--allow-host", "example.com"], &["--allow-host", "127.0.0.1:1"]] {
        let mut run = requests(request.clone());
        for option in options {
            run = run.arg(option);
        }
        let finished = run.run().exits(0);
        for outcome in outcomes(&finished) {
            assert_eq!(outcome["error"], "ErrorCode::HttpRequestDenied", "{options:?}");
        }
        let told = told(&finished, "WARN");
        assert_eq!(told.len(), 1, "{told:?}");
        let beginning = format!("The connector source-http was refused {}: ", server.authority());
        assert!(told[0].starts_with(&beginning) && told[0].contains("--allow-host 127.0.0.1"), "{told:?}");
    }
    assert_eq!(server.connections(), 0);
}

#[test]
fn a_name_that_leads_to_this_machine_is_refused_unless_it_is_meant() {
    let server = hello();
    // The wildcard names the host, and only its address speaks against it.
    let request = json!([{"url": format!("http://localhost:{}/", server.port())}]);
    let finished = requests(request.clone()).option("--allow-host", "*").run().exits(0);
    assert_eq!(outcome(&finished)["error"], "ErrorCode::DestinationIpProhibited");
    let told = told(&finished, "WARN");
    assert!(told[0].contains("localhost") && told[0].contains("127.0.0.1"), "{told:?}");
    assert_eq!(server.connections(), 0);

    let finished = requests(request).option("--allow-host", "localhost").run().exits(0);
    assert_eq!(outcome(&finished)["status"], 200);
}

#[test]
fn no_way_to_write_an_address_leads_around_the_policy() {
    let server = hello();
    let port = server.port();
    let hosts = [
        "127.0.0.1",
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "017700000001",
        "127.1",
        "0",
        "0.0.0.0",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[64:ff9b::7f00:1]",
        "%6c%6f%63%61%6c%68%6f%73%74",
        "LOCALHOST",
        "localhost.",
    ];
    let request: Vec<Value> = hosts.iter().map(|host| json!({"url": format!("http://{host}:{port}/")})).collect();
    let finished = requests(json!(request)).option("--allow-host", "*").run().exits(0);
    // What is no URL to the guest's library does not come to the policy, and a resolver may not know a name as it is written.
    let refused = ["HttpRequestDenied", "DestinationIpProhibited", "InternalError(Some(\"the authority", "DnsError"];
    for (host, outcome) in hosts.iter().zip(outcomes(&finished)) {
        let error = outcome["error"].as_str().unwrap_or_default();
        assert!(refused.iter().any(|refused| error.starts_with(&format!("ErrorCode::{refused}"))), "{host}: {outcome}");
    }
    assert_eq!(server.connections(), 0);
}

#[test]
fn a_url_that_can_be_read_in_two_ways_or_names_no_host_is_none() {
    let server = hello();
    let request = json!([
        {"url": format!("http://127.0.0.1:{}@example.com/", server.port())},
        {"url": format!("http://example.com@127.0.0.1:{}/", server.port())},
        {"method": "CONNECT", "url": server.url("/")},
        {"url": format!("http://{}/", "a".repeat(300))},
    ]);
    let run = requests(request).option("--allow-host", "127.0.0.1").option("--allow-host", "example.com");
    let finished = run.run().exits(0);
    for outcome in outcomes(&finished) {
        assert!(outcome["error"].is_string(), "{outcome}");
    }
    assert!(told(&finished, "WARN").is_empty(), "there is no host to tell of");
    assert_eq!(server.connections(), 0);
}

#[test]
fn redirects_are_the_guests_and_pass_through_the_same_check() {
    let server = Server::start(|request, connection| match request.target.as_str() {
        "/bad" => respond(connection, "302 Found", &[("Location", "http://169.254.169.254/latest/meta-data")], b""),
        "/good" => {
            let location = format!("http://{}/end", request.header("host").unwrap_or_default());
            respond(connection, "307 Temporary Redirect", &[("Location", &location)], b"")
        }
        _ => respond(connection, "200 OK", &[], b"the end"),
    });
    let request = json!([
        {"url": server.url("/bad")},
        {"url": server.url("/bad"), "follow": true},
        {"url": server.url("/good"), "follow": true},
    ]);
    let finished = requests(request).option("--allow-host", "127.0.0.1").option("--allow-host", "*").run().exits(0);
    let outcomes = outcomes(&finished);
    assert_eq!(outcomes[0]["status"], 302, "it comes back as it is");
    assert_eq!(outcomes[1]["error"], "ErrorCode::HttpRequestDenied");
    assert_eq!(outcomes[2]["body"], "the end");
    assert!(told(&finished, "WARN")[0].contains("169.254.169.254"));
}

#[test]
fn a_failure_after_a_refusal_says_what_was_refused() {
    let config = |how: &str| json!({how: true, "requests": [{"url": "http://api.example.com/"}]});
    let explained = |text: &str| {
        text.contains("The sandbox refused it api.example.com:80: ") && text.contains("--allow-host api.example.com")
    };

    let finished = run("source-http", &config("fail")).run().exits(1);
    let (kind, message) = finished.error();
    assert!(
        kind == "transient_error" && explained(message),
        "the guest's own failure stays what it is: {kind} {message}"
    );

    let finished = run("source-http", &config("crash")).run().exits(1);
    let (kind, message) = finished.error();
    assert!(kind == "config_error" && explained(message) && message.contains("source-http"), "{kind} {message}");

    let finished = Guest::new("source-http").command("check", &config("fail")).run().exits(0);
    let status = &finished.of_type("CONNECTION_STATUS")[0]["connectionStatus"];
    assert!(status["status"] == "FAILED" && explained(status["message"].as_str().unwrap()), "{status}");
}

#[test]
fn a_failure_without_a_refusal_says_nothing_of_the_sandbox() {
    let server = Server::start(|_, _| Err(std::io::ErrorKind::Other.into()));
    let config = json!({"fail": true, "requests": [{"url": server.url("/")}]});
    let finished = run("source-http", &config).option("--allow-host", "127.0.0.1").run().exits(1);
    let (_, message) = finished.error();
    assert!(message.contains("ConnectionTerminated") && !message.contains("sandbox"), "{message}");
}

#[test]
fn a_port_that_nobody_listens_on_and_a_name_without_an_address_are_told_to_the_guest() {
    let request = json!([{"url": "http://127.0.0.1:1/"}, {"url": "http://no-such-host.invalid/"}]);
    let finished = requests(request).option("--allow-host", "127.0.0.1").option("--allow-host", "*.invalid").run();
    let outcomes = outcomes(&finished.exits(0));
    assert_eq!(outcomes[0]["error"], "ErrorCode::ConnectionRefused");
    assert!(outcomes[1]["error"].as_str().unwrap().starts_with("ErrorCode::DnsError"), "{outcomes:?}");
}

#[test]
fn only_so_many_requests_are_under_way_at_once() {
    const AT_ONCE: usize = 256;
    let (arrived, all) = (std::sync::Mutex::new(0), std::sync::Condvar::new());
    let server = Server::start(move |_, connection| {
        let mut arrived = arrived.lock().unwrap();
        *arrived += 1;
        all.notify_all();
        let _all = all.wait_while(arrived, |arrived| *arrived < AT_ONCE).unwrap();
        respond(connection, "200 OK", &[], b"")
    });
    let config = json!({"at_once": true, "requests": [{"url": server.url("/"), "times": AT_ONCE + 4}]});
    let finished = run("source-http", &config).option("--allow-host", "127.0.0.1").run().exits(0);
    let outcomes = outcomes(&finished);
    assert_eq!(outcomes.iter().filter(|outcome| outcome["status"] == 200).count(), AT_ONCE);
    let refused = outcomes.iter().filter(|outcome| outcome["error"] == "ErrorCode::ConnectionLimitReached");
    assert_eq!(refused.count(), 4);
}

#[test]
fn a_guest_that_drops_nothing_does_not_run_out_of_requests() {
    let server = hello();
    let request = json!([{"url": server.url("/"), "times": 300, "read_bytes": 5, "keep": true}]);
    let finished = requests(request).option("--allow-host", "127.0.0.1").run().exits(0);
    assert_eq!(outcomes(&finished).iter().filter(|outcome| outcome["status"] == 200).count(), 300);
}
