//! Airbyte's source-e2e-test as an Airlock connector: records, failures and load made to order, for tests of everything
//! around a source.
//!
//! `config` turns the options into a feed. Each feed has a module: `numbers` the two legacy ones, `continuous` the one
//! with records by a JSON Schema (`mock_catalog` lists its streams, `shape` understands a schema, `generator` draws
//! records of it), `benchmark` the fast one.

mod benchmark;
mod config;
mod continuous;
mod generator;
mod mock_catalog;
mod numbers;
mod shape;

use airlock_sdk::{
    Catalog, ConfiguredCatalog, ConfiguredStream, Result, SavedState, Source, Specification, StreamWriter,
    config_error, export_source,
};

use config::Config;

/// One of the ways to make records.
trait Feed {
    /// The streams that it has.
    fn catalog(&self) -> Catalog;

    /// Reads a stream to its end.
    fn read(&self, stream: &ConfiguredStream, state: &SavedState, writer: &mut StreamWriter) -> Result<()>;
}

struct EndToEndTest;

impl Source for EndToEndTest {
    type Config = Config;

    fn specification() -> Specification {
        Specification::with_schema_text(include_str!("connection_specification.json"))
            .documentation_url("https://docs.airbyte.com/integrations/sources/e2e-test")
            .field("protocol_version", "0.2.1")
    }

    fn check(config: Config) -> Result<()> {
        config.feed().map(drop)
    }

    fn discover(config: Config) -> Result<Catalog> {
        Ok(config.feed()?.catalog())
    }

    fn read(config: Config, catalog: ConfiguredCatalog, state: SavedState) -> Result<()> {
        let feed = config.feed()?;
        for stream in &catalog.streams {
            let mut writer = StreamWriter::open(stream)?;
            match feed.read(stream, &state, &mut writer) {
                Ok(()) => writer.complete()?,
                Err(failure) if failure.interruption().is_some() => return Err(failure),
                Err(failure) => writer.fail(failure)?,
            }
        }
        Ok(())
    }
}

export_source!(EndToEndTest);

/// For feeds that have one stream: refuses every other.
fn require_stream(stream: &ConfiguredStream, only: &str) -> Result<()> {
    if stream.stream.name == only {
        return Ok(());
    }
    Err(config_error(format!(
        "There is no stream {} in this mode: take it out of the catalog. The only stream is {only}.",
        stream.name()
    )))
}

#[cfg(test)]
mod tests;
