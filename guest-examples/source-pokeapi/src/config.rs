//! The options: Airbyte's `pokemon_name`, and what a mirror of PokeAPI needs. Knows how the API is reached, and nothing of what
//! is read there.

use std::time::Duration;

use airlock_sdk::Result;
use airlock_sdk::http::{Client, RetryPolicy, Timeouts};
use schemars::JsonSchema;
use serde::Deserialize;

/// The Pokémon of PokeAPI, or of a mirror of it.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(title = "Pokeapi Spec", extend("additionalProperties" = true))]
pub struct Config {
    /// The only Pokémon whose details and encounters are read. All are, without it.
    #[schemars(title = "Pokemon Name", regex(pattern = r"^[a-z0-9_\-]+$"))]
    #[schemars(extend("examples" = ["ditto", "luxray", "snorlax"], "order" = 0))]
    pub pokemon_name: Option<String>,

    /// Where the API is: at PokeAPI itself, or at a mirror of it.
    #[schemars(title = "Base URL", extend("order" = 1))]
    #[serde(default = "pokeapi")]
    base_url: String,

    /// Sent as `Authorization: Bearer …`. PokeAPI wants none; a mirror may.
    #[schemars(title = "API Token", extend("airbyte_secret" = true, "order" = 2))]
    api_token: Option<String>,

    /// How many names a page of a list has. A state follows each page.
    #[schemars(title = "Page Size", range(min = 1, max = 1000), extend("order" = 3))]
    #[serde(default = "page_size")]
    pub page_size: u32,

    /// How long to wait for a response to begin, and for each part of it.
    #[schemars(title = "Timeout in Seconds", range(min = 1, max = 3600), extend("order" = 4))]
    #[serde(default = "timeout_seconds")]
    timeout_seconds: u32,

    /// How often a request is sent again that failed for a reason that may pass.
    #[schemars(title = "Retries", range(max = 20), extend("order" = 5))]
    #[serde(default = "max_retries")]
    max_retries: u32,
}

impl Config {
    /// The API as these options reach it.
    pub fn api(&self) -> Result<Client> {
        let timeout = Duration::from_secs(self.timeout_seconds.into());
        let api = Client::new(&self.base_url)?
            .timeouts(Timeouts { first_byte: timeout, between_bytes: timeout, ..Timeouts::default() })
            .retry(RetryPolicy { retries: self.max_retries, ..RetryPolicy::default() });
        Ok(match &self.api_token {
            Some(token) => api.secret_header("authorization", format!("Bearer {token}")),
            None => api,
        })
    }
}

fn pokeapi() -> String {
    "https://pokeapi.co/api/v2/".to_owned()
}

fn page_size() -> u32 {
    100
}

fn timeout_seconds() -> u32 {
    60
}

fn max_retries() -> u32 {
    5
}
