//! PokeAPI as an Airlock connector: Pokémon and what belongs to them, and an example of a source for a REST API.
//!
//! `config` has the options, `streams` the table of streams and how one of them is read. Requests, retries, rate limits and
//! pages are `airlock_sdk::http`'s.

mod config;
mod streams;

use airlock_sdk::http::RetryPolicy;
use airlock_sdk::{
    Catalog, ConfiguredCatalog, FailureKind, Result, SavedState, Source, Specification, StreamWriter, config_error,
    export_source,
};

use config::Config;
use streams::STREAMS;

struct PokeApi;

impl Source for PokeApi {
    type Config = Config;

    fn specification() -> Specification {
        Specification::of::<Config>().documentation_url("https://docs.airbyte.com/integrations/sources/pokeapi")
    }

    fn check(config: Config) -> Result<()> {
        // Somebody waits for the answer.
        let api = config.api()?.retry(RetryPolicy::none());
        let tried = match &config.pokemon_name {
            Some(name) => api.get("pokemon").segment(name).page().map(drop),
            None => api.get("pokemon").query("limit", 1).page().and_then(|page| page.records("results").map(drop)),
        };
        tried.map_err(|failure| match failure.kind {
            FailureKind::ConfigError => failure,
            _ if failure.interruption().is_some() => failure,
            // That it does not work now is an answer, too.
            _ => config_error(format!("{failure} Check `base_url` and `pokemon_name`.")),
        })
    }

    fn discover(config: Config) -> Result<Catalog> {
        let streams = STREAMS.iter().map(|stream| stream.describe(&config));
        Ok(Catalog::new(streams.collect::<Result<Vec<_>>>()?))
    }

    fn read(config: Config, catalog: ConfiguredCatalog, state: SavedState) -> Result<()> {
        let api = config.api()?;
        for configured in &catalog.streams {
            let mut writer = StreamWriter::open(configured)?;
            let read = match STREAMS.iter().find(|stream| configured.stream.name == stream.name) {
                Some(stream) => stream.read(&api, &config, configured, &state, &mut writer),
                None => Err(config_error(format!(
                    "There is no stream {}: take it out of the catalog, or discover the schema again.",
                    configured.name()
                ))),
            };
            match read {
                Ok(()) => writer.complete()?,
                Err(failure) if failure.interruption().is_some() => return Err(failure),
                // One stream's failure leaves the others.
                Err(failure) => writer.fail(failure)?,
            }
        }
        Ok(())
    }
}

export_source!(PokeApi);

#[cfg(test)]
mod tests;
