//! The options, with the names and defaults of Airbyte's source-faker.

use airlock_sdk::{Result, config_error};
use schemars::JsonSchema;
use serde::Deserialize;

/// What the user chooses. The specification comes from `connection_specification.json`, to be Airbyte's to the letter.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Config {
    /// How many users there are.
    pub count: u64,
    /// What everything is drawn from; -1 for something else each time.
    pub seed: i64,
    /// How many users come between two states.
    pub records_per_slice: u64,
    /// Whether every sync brings every record anew.
    pub always_updated: bool,
    /// How many workers Airbyte's connector has. This one needs none, and only accepts the option.
    pub parallelism: u64,
}

impl Default for Config {
    fn default() -> Self {
        Config { count: 1000, seed: -1, records_per_slice: 1000, always_updated: true, parallelism: 4 }
    }
}

impl Config {
    /// What a schema check would have found already, for whoever comes without one.
    pub fn validate(&self) -> Result<()> {
        for (option, value) in
            [("count", self.count), ("records_per_slice", self.records_per_slice), ("parallelism", self.parallelism)]
        {
            if value == 0 {
                return Err(config_error(format!("The option `{option}` is 0: choose 1 or more.")));
            }
        }
        Ok(())
    }
}
