//! The commands: spec, check, discover and read of a manifest. Knows which manifest it is, and nothing of how its components work.

use airlock_sdk::{
    Catalog, ConfiguredCatalog, IndependentStreams, Result, SavedState, Source, Specification, config_error,
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use crate::manifest::Object;

/// The connector.
#[derive(Debug)]
pub struct Declarative;

/// What the user gave: its schema is the manifest's.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Config(pub Object);

impl Source for Declarative {
    type Config = Config;

    fn specification() -> Specification {
        Specification::with_schema(json!({}))
    }

    fn check(_config: Config) -> Result<()> {
        Err(config_error("not there yet"))
    }

    fn discover(_config: Config) -> Result<Catalog> {
        Err(config_error("not there yet"))
    }

    fn read(_config: Config, _catalog: ConfiguredCatalog, _state: SavedState) -> Result<()> {
        Err(config_error("not there yet"))
    }
}

impl IndependentStreams for Declarative {
    fn max_concurrency(_config: Config) -> Result<Option<u32>> {
        Ok(Some(1))
    }
}
