//! The option `ssl_mode` as Airbyte's connectors for PostgreSQL have it, and what it means for a connection.

use airlock_sdk::tls::Identity;
use airlock_sdk::{Result, config_error};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::options::Encryption;

/// The option `ssl_mode`: an object, with certificates as PEM. Where it is absent, what that means is the connector's to say.
#[derive(Clone, Deserialize, JsonSchema)]
pub struct SslMode {
    mode: String,
    #[serde(default)]
    ca_certificate: Option<String>,
    #[serde(default)]
    client_certificate: Option<String>,
    #[serde(default)]
    client_key: Option<String>,
    #[serde(default)]
    client_key_password: Option<String>,
}

impl SslMode {
    /// The password of the client's key, where one was given.
    pub fn client_key_password(&self) -> Option<&str> {
        given(&self.client_key_password)
    }

    /// What it means. A config error where its parts do not fit together, or where anybody would be believed.
    pub fn encryption(&self) -> Result<Encryption> {
        let identity = self.identity()?;
        let authorities = given(&self.ca_certificate).map(str::to_owned);
        Ok(match self.mode.as_str() {
            "disable" => Encryption::Disable,
            "allow" => Encryption::Allow,
            "prefer" => Encryption::Prefer,
            "require" => Encryption::Require { identity },
            "verify-ca" if authorities.is_none() => {
                return Err(config_error(
                    "The `ssl_mode` verify-ca needs `ca_certificate`: without it, any public certificate would do. Give it, \
                     or choose verify-full.",
                ));
            }
            "verify-ca" => Encryption::Verify { authorities, name: false, identity },
            "verify-full" => Encryption::Verify { authorities, name: true, identity },
            other => {
                return Err(config_error(format!(
                    "The option `ssl_mode` has the mode {other}, which is not known: choose disable, allow, prefer, \
                     require, verify-ca or verify-full."
                )));
            }
        })
    }

    fn identity(&self) -> Result<Option<Identity>> {
        match (given(&self.client_certificate), given(&self.client_key)) {
            (Some(certificates), Some(private_key)) => {
                Ok(Some(Identity { certificates: certificates.to_owned(), private_key: private_key.to_owned() }))
            }
            (None, None) => Ok(None),
            (Some(_), None) => {
                Err(config_error("The option `client_certificate` needs its key: give `client_key` as well."))
            }
            (None, Some(_)) => {
                Err(config_error("The option `client_key` needs its certificate: give `client_certificate` as well."))
            }
        }
    }
}

/// Forms give an empty text for what was left out.
fn given(text: &Option<String>) -> Option<&str> {
    text.as_deref().filter(|text| !text.trim().is_empty())
}
