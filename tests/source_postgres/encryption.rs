//! The modes of encryption, against servers that can show who they are, and others.

use std::sync::LazyLock;

use serde_json::{Value, json};

use super::{Source, seen};
use crate::harness::certificates::{Authority, Identity};
use crate::harness::postgres::{Database, Options, PASSWORD, Server, USER};

/// Who comes in how, besides the users that all servers have.
const ACCESS: &str = "\
    hostssl all only_encrypted 127.0.0.1/32 scram-sha-256\n\
    hostnossl all only_plain 127.0.0.1/32 scram-sha-256\n\
    hostssl all by_certificate 127.0.0.1/32 cert\n\
    hostssl all by_both 127.0.0.1/32 scram-sha-256 clientcert=verify-ca\n";

/// Servers of one authority, by what is wrong with them.
struct Servers {
    authority: Authority,
    good: Server,
    another_name: Server,
    expired: Server,
    self_signed: Server,
    of_self_signed: Identity,
}

static SERVERS: LazyLock<Servers> = LazyLock::new(|| {
    let authority = Authority::new();
    let of_self_signed = Identity::self_signed(&["localhost"]);
    Servers {
        good: server(&authority, &authority.identity(&["localhost", "127.0.0.1"])),
        another_name: server(&authority, &authority.identity(&["another.example.com"])),
        expired: server(&authority, &authority.expired_identity(&["localhost"])),
        self_signed: server(&authority, &of_self_signed),
        of_self_signed,
        authority,
    }
});

fn server(authority: &Authority, identity: &Identity) -> Server {
    let server = Server::start(&Options {
        settings: "ssl = on\nssl_cert_file = 'server.crt'\nssl_key_file = 'server.key'\nssl_ca_file = 'authority.crt'",
        access: ACCESS,
        files: &[
            ("server.crt", &identity.certificate),
            ("server.key", &identity.key),
            ("authority.crt", &authority.pem()),
        ],
    });
    prepare(&server);
    server
}

/// A view that says whether it is read over an encrypted connection.
fn prepare(server: &Server) {
    Database::of(server, "postgres").administrate(&format!(
        "CREATE VIEW this_connection AS SELECT ssl, version FROM pg_stat_ssl WHERE pid = pg_backend_pid();
         GRANT SELECT ON this_connection TO PUBLIC;
         CREATE ROLE only_encrypted LOGIN PASSWORD '{PASSWORD}'; CREATE ROLE only_plain LOGIN PASSWORD '{PASSWORD}';
         CREATE ROLE by_certificate LOGIN; CREATE ROLE by_both LOGIN PASSWORD '{PASSWORD}';"
    ));
}

static WITHOUT: LazyLock<Server> = LazyLock::new(|| {
    let server = Server::start(&Options { access: ACCESS_WITHOUT, ..Options::default() });
    prepare(&server);
    server
});

/// A server without TLS does not start with lines that ask for it.
const ACCESS_WITHOUT: &str = "hostnossl all only_plain 127.0.0.1/32 scram-sha-256\n";

fn source(server: &Server, user: &str, ssl_mode: &Value) -> Source {
    let mut config = Database::of(server, "postgres").config();
    config["host"] = json!("localhost");
    config["username"] = json!(user);
    config["ssl_mode"] = ssl_mode.clone();
    Source::with(config)
}

/// Whether the connection was encrypted, or why there was none.
#[track_caller]
fn connection(server: &Server, user: &str, ssl_mode: &Value) -> Result<bool, String> {
    let source = source(server, user, ssl_mode);
    let stream = json!({"name": "this_connection", "namespace": "public", "supported_sync_modes": ["full_refresh"],
        "json_schema": {"type": "object", "properties": {"ssl": {"type": "boolean"}, "version": {"type": "string"}}}});
    let finished = source.read(&super::catalog([super::configured(stream, None)]), None);
    if finished.status.success() {
        let [record] = finished.records("this_connection")[..] else { panic!("one row") };
        return Ok(record["ssl"].as_bool().unwrap());
    }
    let (kind, message) = finished.error();
    assert_eq!(kind, "config_error", "{message}");
    assert_eq!(source.check().as_deref(), Some(message), "a check says the same");
    Err(message.to_owned())
}

fn mode(mode: &str) -> Value {
    json!({"mode": mode})
}

fn verify(mode: &str, authority: &str) -> Value {
    json!({"mode": mode, "ca_certificate": authority})
}

#[test]
fn modes_that_believe_anyone_encrypt_where_they_should() {
    let servers = &*SERVERS;
    for (server, name) in
        [(&servers.good, "good"), (&servers.expired, "expired"), (&servers.self_signed, "self-signed")]
    {
        for (ssl_mode, encrypted) in [("disable", false), ("allow", false), ("prefer", true), ("require", true)] {
            assert_eq!(connection(server, USER, &mode(ssl_mode)), Ok(encrypted), "{name}, {ssl_mode}");
        }
    }
    for ssl_mode in ["disable", "allow", "prefer"] {
        assert_eq!(connection(&WITHOUT, USER, &mode(ssl_mode)), Ok(false), "{ssl_mode}");
    }
    for ssl_mode in [
        mode("require"),
        verify("verify-ca", &servers.authority.pem()),
        verify("verify-full", &servers.authority.pem()),
    ] {
        let message = connection(&WITHOUT, USER, &ssl_mode).expect_err("it does not encrypt");
        assert!(message.contains("encrypt"), "{message}");
    }
    // What pg_hba.conf asks for decides where the mode leaves it open.
    for (user, ssl_mode, expected) in [
        ("only_encrypted", "disable", None),
        ("only_encrypted", "allow", Some(true)),
        ("only_encrypted", "prefer", Some(true)),
        ("only_plain", "allow", Some(false)),
        ("only_plain", "prefer", Some(false)),
        ("only_plain", "require", None),
    ] {
        let outcome = connection(&servers.good, user, &mode(ssl_mode));
        match expected {
            Some(encrypted) => assert_eq!(outcome, Ok(encrypted), "{user}, {ssl_mode}"),
            None => {
                let message = outcome.expect_err(ssl_mode);
                assert!(message.contains("pg_hba.conf") && message.contains(user), "{message}");
            }
        }
    }
}

#[test]
fn a_server_is_believed_by_its_certificate() {
    let servers = &*SERVERS;
    let authority = servers.authority.pem();
    let own = &servers.of_self_signed.certificate;
    let stranger = Authority::new().pem();
    let both = format!("{stranger}{authority}");
    for (name, server, ssl_mode, believed) in [
        ("good", &servers.good, verify("verify-ca", &authority), true),
        ("good", &servers.good, verify("verify-full", &authority), true),
        ("good among others", &servers.good, verify("verify-full", &both), true),
        ("of another authority", &servers.good, verify("verify-ca", &stranger), false),
        ("of another authority", &servers.good, verify("verify-full", &stranger), false),
        ("of another name", &servers.another_name, verify("verify-ca", &authority), true),
        ("of another name", &servers.another_name, verify("verify-full", &authority), false),
        ("expired", &servers.expired, verify("verify-ca", &authority), false),
        ("expired", &servers.expired, verify("verify-full", &authority), false),
        ("self-signed", &servers.self_signed, verify("verify-ca", &authority), false),
        ("self-signed and given", &servers.self_signed, verify("verify-ca", own), true),
        ("self-signed and given", &servers.self_signed, verify("verify-full", own), true),
    ] {
        let outcome = connection(server, USER, &ssl_mode);
        match believed {
            true => assert_eq!(outcome, Ok(true), "{name}, {}", ssl_mode["mode"]),
            false => {
                let message = outcome.expect_err(name);
                assert!(message.contains("certificate") && message.contains("localhost"), "{name}: {message}");
            }
        }
    }
}

#[test]
fn certificates_that_are_none_are_named() {
    for (ssl_mode, word) in [
        (verify("verify-full", "not a certificate"), "authorities"),
        (verify("verify-ca", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), "certificate"),
        (
            json!({"mode": "verify-ca", "ca_certificate": SERVERS.authority.pem(), "client_certificate": SERVERS.of_self_signed.certificate}),
            "client_key",
        ),
        (
            json!({"mode": "verify-ca", "ca_certificate": SERVERS.authority.pem(), "client_certificate": "x", "client_key": "y"}),
            "client",
        ),
    ] {
        let message = connection(&SERVERS.good, USER, &ssl_mode).expect_err("it is none");
        assert!(message.contains(word), "{word}: {message}");
    }
}

#[test]
fn the_systems_authorities_serve_where_none_is_given() {
    let source = source(&SERVERS.good, USER, &mode("verify-full"));
    // Airbyte's specification wants one; a configuration without says the same as one with the system's.
    let file = source.workspace.file("authority.pem", SERVERS.authority.pem());
    let finished = seen(source.command("check").env("SSL_CERT_FILE", file).run().exits(0));
    let status = &finished.of_type("CONNECTION_STATUS")[0]["connectionStatus"];
    assert_eq!(status["status"], "SUCCEEDED", "{status}");
    let finished = seen(source.command("check").run().exits(0));
    assert_eq!(finished.of_type("CONNECTION_STATUS")[0]["connectionStatus"]["status"], "FAILED");
}

#[test]
fn a_client_shows_its_certificate() {
    let servers = &*SERVERS;
    let authority = servers.authority.pem();
    let with = |identity: &Identity| json!({"mode": "verify-full", "ca_certificate": authority, "client_certificate": identity.certificate, "client_key": identity.key});
    let right = servers.authority.identity(&["by_certificate"]);
    let another = servers.authority.identity(&["somebody_else"]);
    let unknown = Identity::self_signed(&["by_certificate"]);
    assert_eq!(connection(&servers.good, "by_certificate", &with(&right)), Ok(true));
    assert_eq!(connection(&servers.good, "by_both", &with(&another)), Ok(true));
    for (why, user, ssl_mode) in [
        ("of somebody else", "by_certificate", with(&another)),
        ("none", "by_certificate", verify("verify-full", &authority)),
        ("none, and a password", "by_both", verify("verify-full", &authority)),
    ] {
        let message = connection(&servers.good, user, &ssl_mode).expect_err(why);
        assert!(message.contains(user) || message.contains("certificate"), "{why}: {message}");
    }
    // One that the server does not know breaks the handshake off, or the first word after it.
    let source = source(&servers.good, "by_certificate", &with(&unknown));
    let message = source.check().expect("it is not known");
    assert!(message.contains("localhost"), "{message}");
    for secret in [&right.key, &another.key] {
        assert!(!message.contains(secret.lines().nth(1).unwrap()), "{message}");
    }
}

#[test]
fn an_encrypted_read_is_the_same() {
    let servers = &*SERVERS;
    let database = servers.good.database();
    database.sql("CREATE TABLE a (id int PRIMARY KEY, t text); INSERT INTO a SELECT g, repeat(g::text, 1 + g % 50) FROM generate_series(1, 200000) g");
    let mut source = Source::of(&database);
    let catalog = source.full_refresh();
    let plain = source.reading(&catalog, None).run_tool().exits(0);
    source.config["ssl_mode"] = mode("require");
    let encrypted = source.reading(&catalog, None).run_tool().exits(0);
    // Without the moments at which records left.
    let data = |stdout: &[u8]| -> Vec<String> {
        let text = String::from_utf8(stdout.to_vec()).unwrap();
        let records = text.lines().filter(|line| line.starts_with("{\"type\":\"RECORD\""));
        records.map(|line| line.split("\"emitted_at\"").next().unwrap().to_owned()).collect()
    };
    let (plain, encrypted) = (data(&plain.stdout), data(&encrypted.stdout));
    assert_eq!(plain.len(), 200_000);
    assert!(plain == encrypted);
}
