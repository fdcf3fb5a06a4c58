//! The options, with the names that Airbyte's destination-dev-null gives them, and the mode that they choose.
//!
//! The specification comes from `connection_specification.json`, to be Airbyte's to the letter.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use airlock_sdk::{Result, WholeNumber};
use schemars::JsonSchema;
use serde::Deserialize;

/// What the user chooses.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Config {
    test_destination: TestDestination,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(tag = "test_destination_type", rename_all = "SCREAMING_SNAKE_CASE")]
enum TestDestination {
    Silent,
    Logging { logging_config: LoggingConfig },
    Throttled { millis_per_record: WholeNumber },
    Failing { num_messages: WholeNumber },
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(tag = "logging_type")]
enum LoggingConfig {
    FirstN { max_entry_count: WholeNumber },
    EveryNth { nth_entry_to_log: WholeNumber, max_entry_count: WholeNumber },
    RandomSampling { sampling_ratio: f64, seed: Option<WholeNumber>, max_entry_count: WholeNumber },
}

/// What the destination does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Mode {
    /// Nothing.
    Silent,
    /// Shows some records.
    Logging(Entries),
    /// Takes so long for each record.
    Throttled(Duration),
    /// Fails after so many records of a stream.
    Failing { records: u64 },
}

/// Which records of a stream are shown.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Entries {
    /// Those whose number, counted from 1, can be divided by this.
    pub every: u64,
    /// The share of them that is drawn.
    pub ratio: f64,
    /// What they are drawn from.
    pub seed: u64,
    /// No more than so many.
    pub most: u64,
}

impl Config {
    /// The mode that was chosen, if its options can be.
    pub fn mode(self) -> Result<Mode> {
        Ok(match self.test_destination {
            TestDestination::Silent => Mode::Silent,
            TestDestination::Logging { logging_config } => Mode::Logging(logging_config.entries()?),
            TestDestination::Throttled { millis_per_record } => {
                Mode::Throttled(Duration::from_millis(millis_per_record.within("millis_per_record", 0, u64::MAX)?))
            }
            TestDestination::Failing { num_messages } => {
                Mode::Failing { records: num_messages.within("num_messages", 0, u64::MAX)? }
            }
        })
    }
}

impl LoggingConfig {
    fn entries(self) -> Result<Entries> {
        let (every, ratio, seed, most) = match self {
            LoggingConfig::FirstN { max_entry_count } => (1, 1.0, None, max_entry_count),
            LoggingConfig::EveryNth { nth_entry_to_log, max_entry_count } => {
                (nth_entry_to_log.within("nth_entry_to_log", 1, u64::MAX)?, 1.0, None, max_entry_count)
            }
            LoggingConfig::RandomSampling { sampling_ratio, seed, max_entry_count } => {
                (1, sampling_ratio, seed, max_entry_count)
            }
        };
        Ok(Entries {
            every,
            ratio,
            seed: seed.map_or_else(clock, |seed| seed.get() as u64),
            most: most.within("max_entry_count", 1, u64::MAX)?,
        })
    }
}

fn clock() -> u64 {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_1970.as_millis()).unwrap_or_default()
}
