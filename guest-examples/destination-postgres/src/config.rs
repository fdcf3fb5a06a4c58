//! The options, with the names that Airbyte's destination-postgres gives them, and what they mean for a connection.
//!
//! The specification comes from `connection_specification.json`, to be Airbyte's to the letter. What it offers and is not there
//! is refused, or told in the log if a sync without it is what was asked for all the same.

use std::time::Duration;

use airlock_postgres::{ConnectOptions, Encryption, SslMode};
use airlock_sdk::{Result, WholeNumber, config_error};
use schemars::JsonSchema;
use serde::Deserialize;

/// How long a server may take to let the connector in.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// What the user chooses.
#[derive(Clone, Deserialize, JsonSchema)]
pub struct Config {
    host: String,
    port: WholeNumber,
    database: String,
    schema: String,
    username: String,
    #[serde(default)]
    password: Option<String>,
    #[serde(default)]
    ssl: Option<bool>,
    #[serde(default)]
    ssl_mode: Option<SslMode>,
    #[serde(default)]
    cdc_deletion_mode: Option<CdcDeletionMode>,
    #[serde(default)]
    jdbc_url_params: Option<String>,
    #[serde(default)]
    raw_data_schema: Option<String>,
    #[serde(default)]
    disable_type_dedupe: Option<bool>,
    #[serde(default)]
    drop_cascade: Option<bool>,
    #[serde(default)]
    tunnel_method: Option<TunnelMethod>,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
enum CdcDeletionMode {
    #[serde(rename = "Hard delete")]
    Hard,
    #[serde(rename = "Soft delete")]
    Soft,
}

#[derive(Clone, Deserialize, JsonSchema)]
struct TunnelMethod {
    tunnel_method: String,
}

impl Config {
    /// Whom to connect to. What can not be done is refused.
    pub fn connect_options(&self) -> Result<ConnectOptions> {
        if let Some(tunnel) = &self.tunnel_method {
            if tunnel.tunnel_method != "NO_TUNNEL" {
                return Err(config_error(
                    "SSH tunnels (tunnel_method) can not be used: choose \"No Tunnel\", and let the database be reached \
                     directly, or by a tunnel of the operator's.",
                ));
            }
        }
        let port = u16::try_from(self.port.get()).ok().filter(|port| *port != 0);
        let Some(port) = port else {
            return Err(config_error("port has to be a number from 1 to 65535; PostgreSQL's is mostly 5432."));
        };
        Ok(ConnectOptions {
            host: self.host.clone(),
            port,
            database: self.database.clone(),
            username: self.username.clone(),
            password: self.password.clone(),
            encryption: self.encryption()?,
            application_name: "airlock destination-postgres".to_owned(),
            connect_timeout: CONNECT_TIMEOUT,
        })
    }

    fn encryption(&self) -> Result<Encryption> {
        let Some(ssl) = &self.ssl_mode else {
            return Ok(match self.ssl {
                Some(true) => Encryption::Require { identity: None },
                Some(false) => Encryption::Disable,
                None => Encryption::Prefer,
            });
        };
        if ssl.client_key_password().is_some() {
            return Err(config_error(
                "A client key with a password (ssl_mode.client_key_password) can not be used: give a key without one.",
            ));
        }
        ssl.encryption()
    }

    /// The namespace of streams that have none.
    pub fn default_namespace(&self) -> &str {
        if self.schema.is_empty() { "public" } else { &self.schema }
    }

    /// The schema that the tables are in.
    pub fn raw_schema(&self) -> String {
        given(&self.raw_data_schema).unwrap_or_else(|| "airbyte_internal".to_owned()).to_lowercase()
    }

    /// Whether what depends on a table goes with it.
    pub fn drops_dependents(&self) -> bool {
        self.drop_cascade == Some(true)
    }

    /// Whether a record that its source has deleted goes, where streams are deduplicated.
    pub fn deletes(&self) -> bool {
        self.cdc_deletion_mode != Some(CdcDeletionMode::Soft)
    }

    /// Says what was chosen and is not done.
    pub fn warn(&self) {
        if self.disable_type_dedupe != Some(true) {
            log::warn!(
                "Tables with a column for each field are not written: records go to raw tables in the schema {}, as with \
                 Airbyte's \"Disable Final Tables\".",
                self.raw_schema()
            );
        }
        let parameters = self.jdbc_url_params.as_deref().unwrap_or_default();
        // The names only: there may be a secret behind them.
        let names: Vec<&str> =
            parameters.split('&').filter_map(|part| part.split('=').next()).filter(|name| !name.is_empty()).collect();
        if !names.is_empty() {
            log::warn!("jdbc_url_params are for Java's driver, and are ignored: {}.", names.join(", "));
        }
    }
}

/// Forms give an empty text for what was left out.
fn given(text: &Option<String>) -> Option<String> {
    text.clone().filter(|text| !text.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use airlock_sdk::FailureKind;
    use serde_json::{Value, json};

    fn config(more: Value) -> Config {
        let mut config =
            json!({"host": "db", "port": 5432, "database": "shop", "schema": "public", "username": "writer"});
        config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        serde_json::from_value(config).unwrap()
    }

    #[test]
    fn modes_are_libpqs() {
        let encryption = |more| config(more).connect_options().unwrap().encryption;
        assert_eq!(encryption(json!({})), Encryption::Prefer);
        assert_eq!(encryption(json!({"ssl": true})), Encryption::Require { identity: None });
        assert_eq!(encryption(json!({"ssl": true, "ssl_mode": {"mode": "disable"}})), Encryption::Disable);
        assert_eq!(
            encryption(json!({"ssl_mode": {"mode": "verify-ca", "ca_certificate": "PEM", "client_key": ""}})),
            Encryption::Verify { authorities: Some("PEM".to_owned()), name: false, identity: None }
        );
        assert_eq!(
            encryption(json!({"ssl_mode": {"mode": "verify-full"}})),
            Encryption::Verify { authorities: None, name: true, identity: None }
        );
    }

    #[test]
    fn what_can_not_be_done_is_refused() {
        for (more, word) in [
            (json!({"tunnel_method": {"tunnel_method": "SSH_KEY_AUTH"}}), "tunnel_method"),
            (json!({"port": 0}), "port"),
            (json!({"port": 65536}), "port"),
            (json!({"ssl_mode": {"mode": "verify-ca"}}), "ca_certificate"),
            (json!({"ssl_mode": {"mode": "require", "client_key": "PEM"}}), "client_certificate"),
            (
                json!({"ssl_mode": {"mode": "require", "client_key": "PEM", "client_key_password": "x"}}),
                "client_key_password",
            ),
        ] {
            let failure = config(more).connect_options().unwrap_err();
            assert_eq!(failure.kind, FailureKind::ConfigError);
            assert!(failure.message.contains(word), "{failure}");
        }
    }

    #[test]
    fn the_raw_schema_is_airbytes() {
        assert_eq!(config(json!({})).raw_schema(), "airbyte_internal");
        assert_eq!(config(json!({"raw_data_schema": ""})).raw_schema(), "airbyte_internal");
        assert_eq!(config(json!({"raw_data_schema": "Mine"})).raw_schema(), "mine");
    }
}
