use airlock_sdk::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Counts to a number.
#[derive(Deserialize, JsonSchema)]
struct Config {
    /// Where to stop.
    #[schemars(range(min = 1))]
    last: u64,
}

#[derive(Serialize, JsonSchema)]
struct Number {
    number: u64,
    square: u64,
}

#[derive(Serialize, Deserialize)]
struct Position {
    number: u64,
}

struct Counter;

impl Source for Counter {
    type Config = Config;

    fn check(config: Config) -> Result<()> {
        match config.last.checked_mul(config.last) {
            Some(_) => Ok(()),
            None => Err(config_error("The squares get too large: choose a smaller `last`.")),
        }
    }

    fn discover(_config: Config) -> Result<Catalog> {
        Ok(Catalog::new([Stream::of::<Number>("numbers").incremental("number").primary_key(["number"])]))
    }

    fn read(config: Config, catalog: ConfiguredCatalog, state: SavedState) -> Result<()> {
        for stream in &catalog.streams {
            let mut writer = StreamWriter::open(stream)?;
            let done = state.stream::<Position>(stream)?.map_or(0, |position| position.number);
            for number in done + 1..=config.last {
                writer.write(&Number { number, square: number * number })?;
                if number % 1000 == 0 || number == config.last {
                    writer.checkpoint(&Position { number })?;
                }
            }
        }
        Ok(())
    }
}

export_source!(Counter);
