//! CSV, JSON and JSON lines files: Airbyte's source-file, for local files, as an Airlock connector.
//!
//! From the outside in: `config` and `reader_options` are what the user says, `files` knows which files there are,
//! `discover` and `read` are the commands, `position` is the state and `cursor` what it may go by, `records` goes
//! through one file, `csv` and `json` find records in what `bytes` makes of it, with `gzip` and `decoded`, and `schema`
//! and `timestamp` know types.

mod bytes;
mod config;
mod csv;
mod cursor;
mod decoded;
mod discover;
mod files;
mod gzip;
mod json;
mod position;
mod problem;
mod read;
mod reader_options;
mod records;
mod schema;
mod timestamp;

use airlock_sdk::{
    Catalog, ConfiguredCatalog, Result, SavedState, Source, Specification, StreamWriter, config_error, export_source,
};

use config::Config;

struct FileSource;

impl Source for FileSource {
    type Config = Config;

    fn specification() -> Specification {
        Specification::with_schema_text(include_str!("connection_specification.json"))
            .documentation_url("https://docs.airbyte.com/integrations/sources/file")
    }

    fn check(config: Config) -> Result<()> {
        discover::check(&config.dataset()?)
    }

    fn discover(config: Config) -> Result<Catalog> {
        discover::discover(&config.dataset()?)
    }

    fn read(config: Config, catalog: ConfiguredCatalog, state: SavedState) -> Result<()> {
        let dataset = config.dataset()?;
        for stream in &catalog.streams {
            let mut writer = StreamWriter::open(stream)?;
            if stream.stream.name == dataset.stream && stream.stream.namespace.is_none() {
                let read = read::read(&dataset, stream, &state, &mut writer);
                read.map_err(|failure| failure.for_stream(stream))?;
                writer.complete()?;
            } else {
                writer.fail(config_error(format!(
                    "There is no stream {}: take it out of the catalog. The stream is {}, as the option `dataset_name` \
                     says.",
                    stream.name(),
                    dataset.stream
                )))?;
            }
        }
        Ok(())
    }
}

export_source!(FileSource);

#[cfg(test)]
mod tests;
