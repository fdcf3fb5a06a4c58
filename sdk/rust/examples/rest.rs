//! A source for a REST API that says in each page where the next one is. What such sources need beyond it (tokens, states,
//! tests) is in docs/rest-source.md.

use airlock_sdk::http::{Client, Paging};
use airlock_sdk::*;
use schemars::JsonSchema;
use serde::Deserialize;

/// Orders, from an API that lists them in pages.
#[derive(Deserialize, JsonSchema)]
struct Config {
    /// Where the API is.
    base_url: String,
}

struct Orders;

impl Source for Orders {
    type Config = Config;

    fn check(config: Config) -> Result<()> {
        Client::new(&config.base_url)?.get("orders").query("limit", 1).page()?.records("data").map(drop)
    }

    fn discover(_config: Config) -> Result<Catalog> {
        let schema = serde_json::json!({"type": "object", "properties": {"id": {"type": "integer"}}});
        Ok(Catalog::new([Stream::with_schema("orders", schema).primary_key(["id"])]))
    }

    fn read(config: Config, catalog: ConfiguredCatalog, _state: SavedState) -> Result<()> {
        let api = Client::new(&config.base_url)?;
        for stream in &catalog.streams {
            let mut writer = StreamWriter::open(stream)?;
            let mut pages = api.get("orders").pages(Paging::next_link("next").records_at("data"));
            while let Some(page) = pages.next_for(&mut writer)? {
                page.records("data")?.write_to(&mut writer)?;
            }
        }
        Ok(())
    }
}

export_source!(Orders);
