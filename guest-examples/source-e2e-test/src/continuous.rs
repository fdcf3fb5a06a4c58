//! The feed of records by a JSON Schema: each stream has as many records as the others, one stream after the other,
//! without states.

use std::time::Duration;

use airlock_sdk::{Catalog, ConfiguredStream, Result, SavedState, StreamWriter, config_error};

use crate::Feed;
use crate::generator::Generator;
use crate::shape::Shape;

/// Records by a JSON Schema.
pub struct ContinuousFeed {
    /// How many a stream has.
    pub max_messages: u64,
    /// What they are drawn from.
    pub seed: u64,
    /// What lies between two of a stream.
    pub interval: Duration,
    /// The streams.
    pub catalog: Catalog,
}

impl Feed for ContinuousFeed {
    fn catalog(&self) -> Catalog {
        self.catalog.clone()
    }

    fn read(&self, stream: &ConfiguredStream, _: &SavedState, writer: &mut StreamWriter) -> Result<()> {
        // As in Airbyte's, the schema is the configured one: what the user deselected is not in it.
        let shape = Shape::of_record(&stream.stream.json_schema).map_err(|problem| {
            config_error(format!("The schema of stream {} in the catalog can not be used: {problem}.", stream.name()))
        })?;
        let mut generator = Generator::new(self.seed, &stream.stream.name);
        for message in 0..self.max_messages {
            if message > 0 && !self.interval.is_zero() {
                airlock_sdk::wait(self.interval)?;
            }
            writer.write_json(generator.record(&shape))?;
        }
        Ok(())
    }
}
