//! The options, with Airbyte's names, and what they come to. Touches no database.

use std::time::Duration;

use airlock_postgres::{ConnectOptions, Encryption, SslMode};
use airlock_sdk::{Result, WholeNumber, config_error};
use schemars::JsonSchema;
use serde::Deserialize;

/// A server that does not answer for so long is not there.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// What the user chooses. The specification comes from `connection_specification.json`.
#[derive(Deserialize, JsonSchema)]
pub struct Config {
    host: String,
    port: WholeNumber,
    database: String,
    username: String,
    #[serde(default)]
    password: Option<String>,
    /// None or an empty list: all.
    #[serde(default)]
    schemas: Option<Vec<String>>,
    #[serde(default)]
    ssl_mode: Option<SslMode>,
    #[serde(default)]
    replication_method: Option<ReplicationMethod>,
    #[serde(default)]
    tunnel_method: Option<TunnelMethod>,
    #[serde(default)]
    entra_service_principal_auth: Option<bool>,
    #[serde(default)]
    jdbc_url_params: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
struct ReplicationMethod {
    method: String,
}

#[derive(Deserialize, JsonSchema)]
struct TunnelMethod {
    tunnel_method: String,
}

/// A configuration that makes sense.
pub struct Database {
    /// How it is reached.
    pub connect: ConnectOptions,
    /// The schemas that are looked into; empty for all.
    pub schemas: Vec<String>,
}

impl Config {
    /// What the options come to.
    pub fn database(self) -> Result<Database> {
        self.refuse_what_is_not_supported()?;
        self.warn_of_what_has_no_effect();
        let host = self.host.trim();
        if host.is_empty() || host.contains('/') || host.contains(char::is_whitespace) {
            return Err(config_error(
                "The option `host` is not the name of a host: give a name or an IP address, as in db.example.com, \
                 without a port and without a scheme.",
            ));
        }
        let port = self.port.within("The option `port`", 1, u64::from(u16::MAX))?;
        let database = required("database", self.database)?;
        let username = required("username", self.username)?;
        Ok(Database {
            connect: ConnectOptions {
                host: host.to_owned(),
                port: u16::try_from(port).unwrap_or(u16::MAX),
                database,
                username,
                password: self.password.filter(|password| !password.is_empty()),
                encryption: self.ssl_mode.as_ref().map_or(Ok(Encryption::Prefer), SslMode::encryption)?,
                application_name: "airlock source-postgres".to_owned(),
                connect_timeout: CONNECT_TIMEOUT,
            },
            schemas: self.schemas.unwrap_or_default(),
        })
    }

    fn refuse_what_is_not_supported(&self) -> Result<()> {
        if let Some(ReplicationMethod { method }) = &self.replication_method {
            if method != "Standard" {
                return Err(config_error(format!(
                    "The option `replication_method` is {method}, which is not supported: choose Standard, which finds \
                     new records by a cursor column."
                )));
            }
        }
        if let Some(TunnelMethod { tunnel_method }) = &self.tunnel_method {
            if tunnel_method != "NO_TUNNEL" {
                return Err(config_error(format!(
                    "The option `tunnel_method` is {tunnel_method}, and SSH tunnels are not supported: choose NO_TUNNEL \
                     and a database that can be reached directly, encrypted by the option `ssl_mode`, or give the host \
                     and port of a tunnel that you run yourself."
                )));
            }
        }
        if self.entra_service_principal_auth == Some(true) {
            return Err(config_error(
                "The option `entra_service_principal_auth` is on, and Microsoft Entra is not supported: turn it off, and \
                 give a user of the database with a password.",
            ));
        }
        Ok(())
    }

    fn warn_of_what_has_no_effect(&self) {
        let parameters = self.jdbc_url_params.as_deref().unwrap_or_default();
        // Values may be secrets.
        let names: Vec<&str> = parameters
            .split('&')
            .filter_map(|parameter| parameter.split_once('='))
            .map(|(name, _)| name.trim())
            .filter(|name| !name.is_empty())
            .collect();
        if !names.is_empty() {
            log::warn!("These parameters of the option `jdbc_url_params` have no effect: {}.", names.join(", "));
        }
    }
}

fn required(option: &str, value: String) -> Result<String> {
    if value.is_empty() || value.contains('\0') {
        return Err(config_error(format!("The option `{option}` is empty, or no text: give the name.")));
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use airlock_sdk::FailureKind;
    use airlock_sdk::tls::Identity;
    use serde_json::{Value, json};

    fn database(change: &Value) -> Result<Database> {
        let mut config =
            json!({"host": "db", "port": 5432, "database": "shop", "username": "reader", "password": "s3cret"});
        for (name, value) in change.as_object().unwrap() {
            config[name] = value.clone();
        }
        serde_json::from_value::<Config>(config).unwrap().database()
    }

    #[test]
    fn what_airbytes_form_writes_is_taken() {
        let database = database(&json!({
            "host": " db.example.com ", "port": 5433.0, "schemas": ["public", "Sales"], "jdbc_url_params": "",
            "ssl_mode": {"mode": "verify-full", "ca_certificate": "PEM", "client_key_password": "x"},
            "replication_method": {"method": "Standard"}, "tunnel_method": {"tunnel_method": "NO_TUNNEL"},
            "entra_service_principal_auth": false, "check_privileges": true, "checkpoint_target_interval_seconds": 300,
        }))
        .unwrap();
        assert_eq!((database.connect.host.as_str(), database.connect.port), ("db.example.com", 5433));
        assert_eq!(database.connect.password.as_deref(), Some("s3cret"));
        assert_eq!(database.schemas, ["public", "Sales"]);
        let authorities = Some("PEM".to_owned());
        assert_eq!(database.connect.encryption, Encryption::Verify { authorities, name: true, identity: None });
    }

    #[test]
    fn each_mode_is_libpqs() {
        let encryption = |ssl_mode: Value| database(&json!({ "ssl_mode": ssl_mode })).unwrap().connect.encryption;
        let identity = Some(Identity { certificates: "C".to_owned(), private_key: "K".to_owned() });
        for (mode, expected) in [
            (json!(null), Encryption::Prefer),
            (json!({"mode": "disable"}), Encryption::Disable),
            (json!({"mode": "allow"}), Encryption::Allow),
            (json!({"mode": "prefer"}), Encryption::Prefer),
            (json!({"mode": "require"}), Encryption::Require { identity: None }),
            (
                json!({"mode": "verify-ca", "ca_certificate": "A", "client_certificate": "C", "client_key": "K"}),
                Encryption::Verify { authorities: Some("A".to_owned()), name: false, identity },
            ),
            (
                json!({"mode": "verify-full", "ca_certificate": " "}),
                Encryption::Verify { authorities: None, name: true, identity: None },
            ),
        ] {
            assert_eq!(encryption(mode.clone()), expected, "{mode}");
        }
    }

    #[test]
    fn what_is_not_supported_is_named_with_what_is() {
        for (change, words) in [
            (json!({"replication_method": {"method": "CDC", "replication_slot": "a"}}), ["CDC", "Standard"]),
            (json!({"replication_method": {"method": "Xmin"}}), ["Xmin", "Standard"]),
            (
                json!({"tunnel_method": {"tunnel_method": "SSH_KEY_AUTH", "ssh_key": "k"}}),
                ["SSH_KEY_AUTH", "NO_TUNNEL"],
            ),
            (json!({"entra_service_principal_auth": true}), ["`entra_service_principal_auth`", "password"]),
            (json!({"ssl_mode": {"mode": "verify-ca", "ca_certificate": " "}}), ["`ca_certificate`", "verify-full"]),
            (json!({"ssl_mode": {"mode": "sometimes"}}), ["sometimes", "verify-full"]),
            (json!({"ssl_mode": {"mode": "verify-ca", "client_key": "k"}}), ["`client_key`", "`client_certificate`"]),
            (
                json!({"ssl_mode": {"mode": "verify-ca", "client_certificate": "c"}}),
                ["`client_certificate`", "`client_key`"],
            ),
            (json!({"host": "postgres://db/shop"}), ["`host`", "scheme"]),
            (json!({"host": " "}), ["`host`", "db.example.com"]),
            (json!({"port": 65536}), ["`port`", "65535"]),
            (json!({"database": ""}), ["`database`", "name"]),
        ] {
            let failure = database(&change).err().unwrap();
            assert_eq!(failure.kind, FailureKind::ConfigError);
            assert!(words.iter().all(|word| failure.message.contains(word)), "{failure}");
            assert!(!format!("{failure:?}").contains("s3cret"), "{failure:?}");
        }
    }
}
