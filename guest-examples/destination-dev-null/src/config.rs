//! The options, with the names that Airbyte's destination-dev-null gives them, and the mode that they choose.
//!
//! The specification comes from `connection_specification.json`, to be Airbyte's to the letter.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use airlock_sdk::{Result, config_error};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Number;

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
    Throttled { millis_per_record: Whole },
    Failing { num_messages: Whole },
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(tag = "logging_type")]
enum LoggingConfig {
    FirstN { max_entry_count: Whole },
    EveryNth { nth_entry_to_log: Whole, max_entry_count: Whole },
    RandomSampling { sampling_ratio: f64, seed: Option<Whole>, max_entry_count: Whole },
}

/// A whole number, however JSON writes it; of a fraction, the whole part, as Airbyte has it.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(from = "Number")]
struct Whole(i64);

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

impl From<Number> for Whole {
    fn from(number: Number) -> Self {
        Whole(number.as_i64().unwrap_or_else(|| number.as_f64().unwrap_or_default() as i64))
    }
}

impl Whole {
    fn at_least(self, option: &str, least: u64) -> Result<u64> {
        match u64::try_from(self.0) {
            Ok(number) if number >= least => Ok(number),
            _ => Err(config_error(format!("{option} is {}: give {least} or a larger number.", self.0))),
        }
    }
}

impl Config {
    /// The mode that was chosen, if its options can be.
    pub fn mode(self) -> Result<Mode> {
        Ok(match self.test_destination {
            TestDestination::Silent => Mode::Silent,
            TestDestination::Logging { logging_config } => Mode::Logging(logging_config.entries()?),
            TestDestination::Throttled { millis_per_record } => {
                Mode::Throttled(Duration::from_millis(millis_per_record.at_least("millis_per_record", 0)?))
            }
            TestDestination::Failing { num_messages } => {
                Mode::Failing { records: num_messages.at_least("num_messages", 0)? }
            }
        })
    }
}

impl LoggingConfig {
    fn entries(self) -> Result<Entries> {
        let (every, ratio, seed, most) = match self {
            LoggingConfig::FirstN { max_entry_count } => (Whole(1), 1.0, None, max_entry_count),
            LoggingConfig::EveryNth { nth_entry_to_log, max_entry_count } => {
                (nth_entry_to_log, 1.0, None, max_entry_count)
            }
            LoggingConfig::RandomSampling { sampling_ratio, seed, max_entry_count } => {
                (Whole(1), sampling_ratio, seed, max_entry_count)
            }
        };
        Ok(Entries {
            every: every.at_least("nth_entry_to_log", 1)?,
            ratio,
            seed: seed.map_or_else(clock, |Whole(seed)| seed as u64),
            most: most.at_least("max_entry_count", 1)?,
        })
    }
}

fn clock() -> u64 {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_1970.as_millis()).unwrap_or_default()
}
