//! An Airbyte destination for Airlock: raw tables in a PostgreSQL database, as Airbyte's connector lays them out.
//!
//! `config` is what the user chooses, `sync` takes what comes and acknowledges what is safe, `tables` are the tables of one
//! stream, `decision` what the catalog means for them, `names` what they are called; `rows` are records in COPY's binary form, and
//! `json_text` what of JSON PostgreSQL can not hold. The database is spoken to by `airlock-postgres`.

mod config;
mod decision;
mod json_text;
mod names;
mod rows;
mod sync;
mod tables;

use airlock_postgres::Connection;
use airlock_sdk::{
    ConfiguredCatalog, Destination, DestinationSyncMode, Input, Result, Specification, export_destination,
};

use config::Config;

struct Postgres;

impl Destination for Postgres {
    type Config = Config;

    fn specification() -> Specification {
        Specification::with_schema_text(include_str!("connection_specification.json"))
            .documentation_url("https://docs.airbyte.com/integrations/destinations/postgres")
            .supports_incremental(true)
            .field("supportsNormalization", false)
            .field("supportsDBT", false)
            .supported_destination_sync_modes([
                DestinationSyncMode::Overwrite,
                DestinationSyncMode::Append,
                DestinationSyncMode::AppendDedup,
            ])
    }

    fn check(config: Config) -> Result<()> {
        let mut connection = Connection::connect(&config.connect_options()?)?;
        tables::try_to_make_one(&mut connection, &config.raw_schema())
    }

    fn write(config: Config, catalog: ConfiguredCatalog, input: Input) -> Result<()> {
        sync::run(&config, &catalog, input)
    }
}

export_destination!(Postgres);

#[cfg(test)]
mod tests {
    use super::*;
    use airlock_sdk::FailureKind;
    use airlock_sdk::testing::Host;
    use serde_json::{Value, json};

    #[test]
    fn the_specification_is_airbytes() {
        let expected: Value =
            serde_json::from_str(include_str!("../../../tests/golden/destination-postgres.spec.json")).unwrap();
        let json = Postgres::specification().to_json().unwrap();
        assert_eq!(serde_json::from_str::<Value>(&json).unwrap(), expected);
    }

    #[test]
    fn a_catalog_that_can_not_be_written_is_refused_before_anything_is_connected_to() {
        let config: Value = serde_json::from_str(include_str!("../examples/config.json")).unwrap();
        let catalog = json!({"streams": [{
            "stream": {"name": "users", "json_schema": {}},
            "sync_mode": "full_refresh",
            "destination_sync_mode": "append_dedup",
        }]});
        let failure = Host::new().write::<Postgres>(&config, &catalog, []).result.unwrap_err();
        assert_eq!(failure.kind, FailureKind::ConfigError);
        assert!(failure.message.contains("primary key"), "{failure}");
    }
}
