//! Where the connector reaches and where it does not: redirects, TLS, proxies, hosts that are not there, policies.

use serde_json::json;

use super::world::{ROOT, World};
use super::{TOKEN, asked, assert_fails, checked, command, config, config_of, ids, read, tells_no_secret, with};
use crate::harness::certificates::Authority;
use crate::harness::server::{Server, respond};
use crate::harness::{Airlock, Workspace};
use crate::network::proxies::proxy;

/// Tries nothing again: what is tested here is the same every time.
fn at_once(base_url: &str) -> serde_json::Value {
    with(config_of(base_url), json!({"max_retries": 0}))
}

/// Lists and details are found at `to`, by a redirect.
fn redirecting(to: impl Fn(&str) -> String + Send + Sync + 'static) -> Server {
    Server::start(move |request, connection| {
        respond(connection, "302 Found", &[("Location", &to(&request.target))], b"<html>over there</html>")
    })
}

#[test]
fn a_redirect_of_the_same_origin_is_followed_with_the_token() {
    let server = World::of(2).serve_after(|request, connection| {
        let old = request.target.strip_suffix("type/2");
        if old.is_some() {
            respond(connection, "301 Moved Permanently", &[("Location", "2/")], b"")?;
        }
        Ok(old.is_some())
    });
    let finished = read(&config(&server), &["types"]).run().exits(0);
    assert_eq!(ids(&finished, "types"), [1, 2, 10_001]);
    assert!(asked(&server).contains(&"type/2/".to_owned()));
    assert!(server.requests().iter().all(|request| request.header("authorization").is_some()));
}

#[test]
fn another_origin_gets_no_token() {
    let world = World::of(2).serve();
    let target = world.url("");
    let server = redirecting(move |path| format!("{target}{path}"));
    let finished = read(&config(&server), &["types"]).run().exits(0);
    tells_no_secret(&finished);
    assert_eq!(ids(&finished, "types"), [1, 2, 10_001]);
    assert!(!world.requests().is_empty());
    assert!(world.requests().iter().all(|request| request.header("authorization").is_none()));
    let token = format!("Bearer {TOKEN}");
    assert!(server.requests().iter().all(|request| request.header("authorization") == Some(&token)));
}

#[test]
fn a_redirect_leads_nowhere_that_the_policy_does_not() {
    let server = redirecting(|_| "http://internal.example.invalid/admin?code=hush".to_owned());
    let run = read(&at_once(&server.url(ROOT)), &["types"]);
    assert_fails(run, "system_error", &["internal.example.invalid", "leads to"]);
}

#[test]
fn from_https_to_http_no_redirect_is_followed() {
    let (authority, workspace) = (Authority::new(), Workspace::new());
    let plain = World::of(2).serve();
    let target = plain.url("");
    let server = Server::start_secure(authority.server("127.0.0.1"), move |request, connection| {
        respond(connection, "302 Found", &[("Location", &format!("{target}{}", request.target))], b"")
    });
    let run = trusting(read(&at_once(&server.secure_url(ROOT)), &["types"]), &authority, &workspace);
    assert_fails(run, "system_error", &[&server.secure_url("/api/v2/type")]);
    assert!(plain.requests().is_empty());
}

#[test]
fn a_redirect_without_an_end_is_a_system_error() {
    let server = redirecting(|path| format!("{path}0"));
    assert_fails(read(&config(&server), &["types"]), "system_error", &["redirect"]);
    assert!(server.requests().len() < 20);
}

/// With an authority that is trusted, whose file lies in the test's own directory.
fn trusting(run: Airlock, authority: &Authority, workspace: &Workspace) -> Airlock {
    run.env("SSL_CERT_FILE", workspace.file("authority.pem", authority.pem()))
}

fn secure_world(authority: &Authority) -> Server {
    let world = World { scheme: "https", ..World::of(9) };
    Server::start_secure(authority.server("127.0.0.1"), move |request, connection| world.answer(request, connection))
}

#[test]
fn a_private_authority_is_trusted_where_it_is_named_and_no_other() {
    let (authority, workspace) = (Authority::new(), Workspace::new());
    let server = secure_world(&authority);
    let config = at_once(&server.secure_url(ROOT));
    let finished = trusting(read(&config, &["types"]), &authority, &workspace).run().exits(0);
    assert_eq!(ids(&finished, "types").len(), 10);

    let run = trusting(read(&config, &["types"]), &Authority::new(), &workspace);
    assert_fails(run, "config_error", &[&server.secure_url("/api/v2/type?limit=4"), "certificate"]);
}

#[test]
fn a_proxy_is_gone_through() {
    let forward = Server::start(|request, connection| {
        let mut request = request.clone();
        request.target = request.target.trim_start_matches("http://pokeapi.example.invalid").to_owned();
        World::of(5).answer(&request, connection)
    });
    let config = config_of("http://pokeapi.example.invalid/api/v2");
    let run = read(&config, &["types"]).env("HTTP_PROXY", format!("http://{}", forward.authority()));
    let finished = run.run().exits(0);
    assert_eq!(ids(&finished, "types"), [1, 2, 3, 4, 5, 10_001]);
    tells_no_secret(&finished);

    // TLS goes through a tunnel, so that the proxy sees no token.
    let (authority, workspace) = (Authority::new(), Workspace::new());
    let world = World { scheme: "https", ..World::of(5) };
    let secure = Server::start_secure(authority.server("pokeapi.example.invalid"), move |request, connection| {
        world.answer(request, connection)
    });
    let tunnel = proxy(Some(secure.port()));
    let run = read(&config_of("https://pokeapi.example.invalid/api/v2"), &["types"]);
    let run = trusting(run, &authority, &workspace).env("HTTPS_PROXY", format!("http://{}", tunnel.authority()));
    assert_eq!(ids(&run.run().exits(0), "types").len(), 6);
    assert!(tunnel.requests().iter().all(|request| request.header("authorization").is_none()));
}

#[test]
fn a_host_that_is_not_there_is_told() {
    let unknown = at_once("http://pokeapi.example.invalid/api/v2/");
    let parts = ["GET http://pokeapi.example.invalid/api/v2/type?limit=4", "address"];
    assert_fails(read(&unknown, &["types"]), "transient_error", &parts);
    // A port that was free a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let refused = at_once(&format!("http://127.0.0.1:{port}/api/v2"));
    assert_fails(read(&refused, &["types"]), "transient_error", &[&format!("GET http://127.0.0.1:{port}/"), "refuses"]);
}

#[test]
fn a_policy_that_forbids_the_host_is_a_config_error_at_once() {
    let server = World::of(1).serve();
    let workspace = Workspace::new();
    let policy = workspace.file("policy.yaml", "hosts: [pokeapi.co]\n");
    let run = read(&config(&server), &["types"]).option("--policy", &policy);
    assert_fails(run, "config_error", &["127.0.0.1"]);
    assert_eq!(server.connections(), 0);
}

#[test]
fn check_says_plainly_what_is_wrong() {
    let refusing = |status: &'static str, body: &'static str| {
        Server::start(move |_, connection| respond(connection, status, &[], body.as_bytes()))
    };
    let unauthorized = refusing("401 Unauthorized", "{\"detail\": \"The token is hush-7f3a91, which is wrong.\"}");
    let html = refusing("200 OK", "<html>Welcome</html>");
    let other = refusing("200 OK", "{\"orders\": []}");
    let world = World::of(2).serve();
    for (config, part) in [
        (config(&unauthorized), "401"),
        (config(&html), "JSON"),
        (config(&other), "results"),
        (config_of(&world.url("/api/v1/")), "404"),
        (with(config(&world), json!({"pokemon_name": "missingno"})), "404"),
        (config_of("http://pokeapi.example.invalid/"), "address"),
        (config_of("ftp://127.0.0.1/"), "http"),
        (config_of("pokeapi.co"), "URL"),
        (config_of("http://user:hush@127.0.0.1/"), "password"),
        (with(config(&world), json!({"api_token": "line\nbreak"})), "authorization"),
    ] {
        let message = checked(&config).unwrap_or_else(|| panic!("{config} was fine"));
        assert!(message.contains(part), "{part}: {message}");
    }
    assert_eq!(checked(&config(&world)), None);
    assert_eq!(asked(&unauthorized), ["pokemon?limit=1"], "one request");
    for (option, value) in [("page_size", json!(0)), ("page_size", json!(1001)), ("pokemon_name", json!("a/../b"))] {
        assert!(checked(&with(config(&world), json!({option: value}))).is_some(), "{option}");
    }
}

#[test]
fn without_a_base_url_nothing_but_pokeapi_is_reached() {
    let workspace = Workspace::new();
    let policy = workspace.file("policy.yaml", "hosts: []\n");
    let finished = command("check", &json!({})).option("--policy", policy).run().exits(0);
    let status = &finished.of_type("CONNECTION_STATUS")[0]["connectionStatus"];
    let message = status["message"].as_str().unwrap();
    assert!(message.contains("GET https://pokeapi.co/api/v2/pokemon?limit=1"), "{message}");
}
