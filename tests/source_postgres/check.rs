//! A check that fails says what is wrong, to whom, and what to do.

use std::io::Write;
use std::net::TcpListener;

use serde_json::{Value, json};

use super::{Source, seen};
use crate::harness::Airlock;
use crate::harness::postgres::{CLEAR_USER, MD5_USER, PASSWORD, REFUSED_USER, Server, USER};
use crate::harness::server::Server as RawServer;

#[test]
fn a_database_that_can_be_read_passes() {
    let database = Server::shared().database();
    database.sql("CREATE TABLE a (id int PRIMARY KEY)");
    assert_eq!(Source::of(&database).check(), None);
}

/// The configuration with these options changed.
fn changed(config: &Value, changes: &[(&str, Value)]) -> Source {
    let mut config = config.clone();
    for (option, value) in changes {
        config[option] = value.clone();
    }
    Source::with(config)
}

/// The message of a check that fails, or of what may pass and kept it from an answer.
#[track_caller]
fn told(source: &Source) -> String {
    let finished = seen(source.command("check").run());
    if finished.status.success() {
        let status = &finished.of_type("CONNECTION_STATUS")[0]["connectionStatus"];
        assert_eq!(status["status"], "FAILED");
        return status["message"].as_str().unwrap().to_owned();
    }
    let (kind, message) = finished.error();
    assert_eq!(kind, "transient_error", "{message}");
    message.to_owned()
}

#[test]
fn each_mistake_has_a_message_of_its_own() {
    let database = Server::shared().database();
    database.sql("CREATE TABLE a (id int PRIMARY KEY)");
    let config = database.config();
    let refused = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let place = format!("127.0.0.1:{}", config["port"]);
    // What is changed, and what the message has of it.
    type Case<'a> = (&'a [(&'a str, Value)], &'a [&'a str]);
    let cases: &[Case] = &[
        (&[("host", json!("no-such-host.invalid"))], &["no-such-host.invalid", "can not be found"]),
        (&[("port", json!(refused))], &["refuse", &format!("127.0.0.1:{refused}")]),
        (&[("database", json!("no_such_database"))], &["\"no_such_database\"", &place]),
        (&[("username", json!("no_such_user"))], &["\"no_such_user\"", "password", &place]),
        (&[("password", json!("not-the-password"))], &["\"airbyte\"", "password", &place]),
        (&[("password", json!(""))], &["\"airbyte\"", "password", &place]),
        (&[("username", json!(REFUSED_USER))], &["\"refused_user\"", "pg_hba.conf", &place]),
        (&[("schemas", json!(["public", "no_such_schema"]))], &["no_such_schema", "schemas"]),
        (&[("host", json!("https://db.example.com"))], &["`host`"]),
        (&[("ssl_mode", json!({"mode": "require"}))], &["encrypt", &place]),
    ];
    for (changes, words) in cases {
        let message = changed(&config, changes).check().expect("the check fails");
        for word in *words {
            assert!(message.contains(word), "{changes:?}, {word}: {message}");
        }
        assert!(!message.contains("not-the-password"), "{message}");
    }
}

#[test]
fn a_missing_password_is_told() {
    let database = Server::shared().database();
    let mut source = Source::of(&database);
    source.config.as_object_mut().unwrap().remove("password");
    let message = source.check().unwrap();
    assert!(message.contains("password") && message.contains(USER), "{message}");
}

#[test]
fn passwords_are_shown_in_the_ways_that_servers_ask_for() {
    let database = Server::shared().database();
    database.sql("CREATE TABLE a (id int); GRANT SELECT ON a TO PUBLIC");
    for user in [MD5_USER, CLEAR_USER] {
        let mut source = Source::of(&database);
        source.config["username"] = json!(user);
        assert_eq!(source.check(), None, "{user}");
        source.config["password"] = json!("not-the-password");
        let message = source.check().unwrap();
        assert!(message.contains(user) && message.contains("password"), "{message}");
    }
}

#[test]
fn names_and_passwords_are_what_they_are() {
    let server = Server::shared();
    let database = server.database_with("Ünusual \" 'name' \\", "");
    database.administrate(
        "CREATE ROLE \"a role, with = and \"\"quotes\"\"\" LOGIN PASSWORD 'pässwörd '' \\ , = \u{1f980}' IN ROLE airbyte;",
    );
    database.sql("CREATE TABLE a (id int)");
    let mut source = Source::of(&database);
    source.config["database"] = json!("Ünusual \" 'name' \\");
    assert_eq!(source.check(), None);
    source.config["username"] = json!("a role, with = and \"quotes\"");
    source.config["password"] = json!("pässwörd ' \\ , = \u{1f980}");
    assert_eq!(source.check(), None);
}

#[test]
fn what_is_no_postgres_is_told() {
    let chatty = RawServer::start_raw(|mut stream| {
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
    });
    let closes = RawServer::start_raw(drop);
    let lies = RawServer::start_raw(|mut stream| {
        // A message of more than a gigabyte.
        let _ = stream.write_all(b"R\x7f\xff\xff\xff\0\0\0\0");
        let _ = std::io::copy(&mut stream, &mut std::io::sink());
    });
    let config = json!({"database": "d", "username": "u", "password": PASSWORD, "host": "127.0.0.1",
        "ssl_mode": {"mode": "disable"}});
    for server in [&chatty, &closes, &lies] {
        let message = told(&changed(&config, &[("port", json!(server.port()))]));
        assert!(message.contains(&server.authority()), "{message}");
    }
    let message = told(&changed(&config, &[("port", json!(chatty.port()))]));
    assert!(message.contains("PostgreSQL"), "{message}");
}

#[test]
fn the_sandbox_is_told_from_the_server() {
    let database = Server::shared().database();
    let source = Source::of(&database);
    let policy = source.workspace.file("policy.yaml", "hosts: [\"*.example.com\"]\n");
    let finished = seen(source.command("check").option("--policy", policy).run().exits(0));
    let status = &finished.of_type("CONNECTION_STATUS")[0]["connectionStatus"];
    let message = status["message"].as_str().expect("it fails");
    assert!(message.contains("polic") && message.contains("127.0.0.1"), "{message}");
}

#[test]
fn a_failed_read_has_the_kind_of_its_failure() {
    let database = Server::shared().database();
    database.sql("CREATE TABLE a (id int)");
    let refused = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let source = Source::of(&database);
    let catalog = source.full_refresh();
    for (option, value, expected) in [
        ("port", json!(refused), "transient_error"),
        ("password", json!("not-the-password"), "config_error"),
        ("database", json!("no_such_database"), "config_error"),
    ] {
        let mut source = Source::of(&database);
        source.config[option] = value;
        let finished = source.read(&catalog, None).exits(1);
        assert_eq!(finished.error().0, expected, "{option}");
    }
}

#[test]
fn a_database_without_anything_to_read_fails() {
    let database = Server::shared().database();
    let message = Source::of(&database).check().expect("there is nothing");
    assert!(message.contains(database.name()), "{message}");
    database.administrate("CREATE TABLE a (id int); CREATE SCHEMA closed; CREATE TABLE closed.b (id int)");
    assert!(Source::of(&database).check().is_some(), "nothing of it may be read");
    database.administrate("GRANT SELECT ON a TO airbyte");
    assert_eq!(Source::of(&database).check(), None);
}

#[test]
fn a_silent_server_is_not_waited_for_longer_than_it_was_told() {
    let silent = RawServer::start_raw(|mut stream| {
        let _ = std::io::copy(&mut stream, &mut std::io::sink());
    });
    let config = json!({"host": "127.0.0.1", "port": silent.port(), "database": "d", "username": "u",
        "ssl_mode": {"mode": "disable"}});
    let source = Source::with(config);
    // The connector's own patience is longer than a test's: here it is the host's.
    let run: Airlock = source.command("check").option("--timeout", "2s");
    let finished = run.run();
    let told = String::from_utf8_lossy(&finished.stdout).into_owned() + &finished.stderr;
    assert!(told.contains("--timeout") || told.contains(&silent.authority()), "{told}");
}
