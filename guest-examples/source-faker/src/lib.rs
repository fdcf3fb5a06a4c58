//! Made-up products, users and purchases: Airbyte's source-faker 7.2.1 as an Airlock connector.
//!
//! Its specification, catalog, options, states and the shape of its records are Airbyte's; its data are its own, and a
//! record depends on nothing but the seed and its number.

mod config;
mod position;
mod products;
mod purchases;
mod random;
mod timestamp;
mod users;
mod words;

use airlock_sdk::{
    Catalog, ConfiguredCatalog, IndependentStreams, Result, SavedState, Source, Specification, StreamWriter,
    config_error, export_source,
};

use config::Config;
use position::{Begin, Position};
use products::PRODUCTS;
use purchases::Purchases;
use timestamp::Timestamp;
use users::Users;

/// How many users one look at the clock serves.
const USERS_A_LOOK: u64 = 256;

struct Faker;

impl Source for Faker {
    type Config = Config;

    fn specification() -> Specification {
        Specification::with_schema_text(include_str!("connection_specification.json"))
            .documentation_url("https://docs.airbyte.com/integrations/sources/faker")
            .field("supportsNormalization", false)
            .field("supportsDBT", false)
    }

    fn check(config: Config) -> Result<()> {
        config.validate()
    }

    fn discover(_config: Config) -> Result<Catalog> {
        Ok(serde_json::from_str(include_str!("catalog.json"))?)
    }

    fn read(config: Config, catalog: ConfiguredCatalog, state: SavedState) -> Result<()> {
        config.validate()?;
        for stream in &catalog.streams {
            let mut writer = StreamWriter::open(stream)?;
            let position: Option<Position> = state.stream(stream)?;
            let begin = Begin::from(position.as_ref(), &config);
            match (stream.stream.name.as_str(), begin) {
                ("products" | "users" | "purchases", Begin::Nowhere) => {
                    log::info!("Stream {} has no new records.", stream.name());
                    writer.checkpoint(&position)?;
                }
                ("products", Begin::After(_)) => read_products(&mut writer, &config)?,
                ("users", Begin::After(done)) => read_users(&mut writer, &config, done)?,
                ("purchases", Begin::After(done)) => read_purchases(&mut writer, &config, done)?,
                (unknown, _) => {
                    writer.fail(config_error(format!(
                        "There is no stream {unknown}: take it out of the catalog. \
                         The streams are products, users and purchases."
                    )))?;
                    continue;
                }
            }
            writer.complete()?;
        }
        Ok(())
    }
}

// A record depends on nothing but the seed and its number.
impl IndependentStreams for Faker {}

export_source!(Faker, IndependentStreams);

fn read_products(writer: &mut StreamWriter, config: &Config) -> Result<()> {
    writer.estimate(PRODUCTS.len() as u64, PRODUCTS.len() as u64 * 180)?;
    let now = Timestamp::now();
    for product in PRODUCTS {
        if product.id <= config.count {
            writer.write(&product.updated(now))?;
        }
    }
    writer.checkpoint(&Position { seed: Some(config.seed), updated_at: Some(now.to_string()), loop_offset: None })
}

fn read_users(writer: &mut StreamWriter, config: &Config, done: u64) -> Result<()> {
    writer.estimate(config.count, config.count.saturating_mul(450))?;
    let mut users = Users::new(config.seed);
    for_each_user(writer, config, done, |writer, id, now| writer.write_json(users.user(id, now).as_bytes()))
}

fn read_purchases(writer: &mut StreamWriter, config: &Config, done: u64) -> Result<()> {
    // Airbyte's guess. It is too high: ten users make ten purchases.
    let rows = config.count as f64 * 1.3;
    writer.estimate(rows.round_ties_even() as u64, (rows * 230.0).round_ties_even() as u64)?;
    let purchases = Purchases::new(config.seed);
    for_each_user(writer, config, done, |writer, id, now| {
        for purchase in purchases.of_user(id, now) {
            writer.write(&purchase)?;
        }
        Ok(())
    })
}

/// Writes the records of every user that is not done, and a state after every slice.
fn for_each_user(
    writer: &mut StreamWriter,
    config: &Config,
    mut done: u64,
    mut write: impl FnMut(&mut StreamWriter, u64, Timestamp) -> Result<()>,
) -> Result<()> {
    let mut now = Timestamp::now();
    while done < config.count {
        let end = done.saturating_add(config.records_per_slice).min(config.count);
        while done < end {
            if done % USERS_A_LOOK == 0 {
                now = Timestamp::now();
            }
            done += 1;
            write(writer, done, now)?;
        }
        writer.checkpoint(&Position {
            seed: Some(config.seed),
            updated_at: Some(now.to_string()),
            loop_offset: Some(done),
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
