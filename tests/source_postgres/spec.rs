//! The specification: Airbyte's, as far as it is supported.

use serde_json::{Value, json};

use super::Source;
use crate::harness::golden::assert_spec;
use crate::harness::postgres::Server;
use crate::harness::{Airlock, connector};

#[test]
fn the_spec_is_this() {
    assert_spec("source-postgres");
}

/// Airbyte's own, of version 3.8.
fn airbyte() -> Value {
    serde_json::from_str(include_str!("../golden/airbyte-source-postgres-3.8.spec.json")).unwrap()
}

fn ours() -> Value {
    let spec = Airlock::of(&connector("source-postgres")).arg("spec").run().exits(0);
    spec.messages[0]["spec"]["connectionSpecification"].clone()
}

#[test]
fn its_options_are_airbytes() {
    let (theirs, ours) = (airbyte(), ours());
    let theirs = theirs["connectionSpecification"]["properties"].as_object().unwrap();
    for (name, option) in ours["properties"].as_object().unwrap() {
        let airbyte = theirs.get(name).unwrap_or_else(|| panic!("Airbyte has no {name}"));
        assert_eq!(option["type"], airbyte["type"], "{name}");
        assert_eq!(option["airbyte_secret"], airbyte["airbyte_secret"], "{name}");
    }
    for name in ["host", "port", "database", "username"] {
        assert!(ours["required"].as_array().unwrap().contains(&json!(name)), "{name}");
    }
}

#[test]
fn a_configuration_of_airbytes_is_valid() {
    let theirs = jsonschema::validator_for(&airbyte()["connectionSpecification"]).unwrap();
    let ours = jsonschema::validator_for(&ours()).unwrap();
    let database = json!({"host": "db.example.com", "port": 5432, "database": "shop", "username": "reader",
        "replication_method": {"method": "Standard"}, "tunnel_method": {"tunnel_method": "NO_TUNNEL"}});
    let pem = "-----BEGIN CERTIFICATE-----";
    for (option, value) in [
        ("password", json!("x")),
        ("schemas", json!([])),
        ("schemas", json!(["public", "Sales"])),
        ("ssl_mode", json!({"mode": "disable"})),
        ("ssl_mode", json!({"mode": "allow"})),
        ("ssl_mode", json!({"mode": "prefer"})),
        ("ssl_mode", json!({"mode": "require"})),
        ("ssl_mode", json!({"mode": "verify-ca", "ca_certificate": pem})),
        (
            "ssl_mode",
            json!({"mode": "verify-full", "ca_certificate": pem, "client_certificate": pem, "client_key": pem}),
        ),
        ("replication_method", json!({"method": "Standard"})),
        ("tunnel_method", json!({"tunnel_method": "NO_TUNNEL"})),
        ("jdbc_url_params", json!("connectTimeout=1&loginTimeout=2")),
        ("an_option_of_tomorrow", json!(true)),
    ] {
        let mut config = database.clone();
        config[option] = value;
        assert!(theirs.is_valid(&config), "Airbyte: {config}");
        assert!(ours.is_valid(&config), "{config}");
    }
}

#[test]
fn what_is_not_supported_is_refused_by_name() {
    let database = Server::shared().database();
    for (option, value, word) in [
        ("replication_method", json!({"method": "CDC", "replication_slot": "s", "publication": "p"}), "Standard"),
        ("replication_method", json!({"method": "Xmin"}), "Standard"),
        (
            "tunnel_method",
            json!({"tunnel_method": "SSH_PASSWORD_AUTH", "tunnel_host": "h", "tunnel_port": 22, "tunnel_user": "u",
                "tunnel_user_password": "p"}),
            "NO_TUNNEL",
        ),
    ] {
        let mut source = Source::of(&database);
        source.config[option] = value;
        let message = source.check().expect("it fails");
        assert!(message.contains(option) && message.contains(word), "{message}");
        let catalog = json!({"streams": []});
        let finished = source.read(&catalog, None).exits(1);
        let (kind, message) = finished.error();
        assert!(kind == "config_error" && message.contains(option), "{kind}: {message}");
    }
}

#[test]
fn parameters_of_jdbc_are_named_and_have_no_effect() {
    let database = Server::shared().database();
    database.sql("CREATE TABLE a (id int)");
    let mut source = Source::of(&database);
    source.config["jdbc_url_params"] = json!("sslpassword=a-value-nobody-sees&currentSchema=other");
    let finished = source.command("check").run().exits(0);
    assert_eq!(finished.of_type("CONNECTION_STATUS")[0]["connectionStatus"]["status"], "SUCCEEDED");
    let warned = finished.logs("WARN").join("\n");
    assert!(
        warned.contains("sslpassword") && warned.contains("currentSchema") && warned.contains("jdbc_url_params"),
        "{warned}"
    );
    assert!(!String::from_utf8_lossy(&finished.stdout).contains("a-value-nobody-sees"), "{warned}");
}
