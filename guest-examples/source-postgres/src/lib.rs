//! The tables and views of a PostgreSQL database: Airbyte's source-postgres with a cursor column, as an Airlock connector.
//!
//! From the outside in: `config` is what the user says, `check`, `discover` and `read` are the commands, `plan` decides how a
//! stream is read, `state` is where it stands, `relation` is what there is to read, and `system_catalog` asks the server for
//! it; `column_type` and `values` know types. How a server is spoken to is `airlock_postgres`'s.

mod check;
mod column_type;
mod config;
mod discover;
mod plan;
mod read;
mod relation;
mod state;
mod system_catalog;
mod values;

use airlock_sdk::{Catalog, ConfiguredCatalog, Result, SavedState, Source, Specification, export_source};

use config::Config;

struct Postgres;

impl Source for Postgres {
    type Config = Config;

    fn specification() -> Specification {
        Specification::with_schema_text(include_str!("connection_specification.json"))
            .documentation_url("https://docs.airbyte.com/integrations/sources/postgres")
    }

    fn check(config: Config) -> Result<()> {
        check::check(&config.database()?)
    }

    fn discover(config: Config) -> Result<Catalog> {
        discover::discover(&config.database()?)
    }

    fn read(config: Config, catalog: ConfiguredCatalog, state: SavedState) -> Result<()> {
        read::read(&config.database()?, &catalog, &state)
    }
}

export_source!(Postgres);

#[cfg(test)]
mod value_tests;
