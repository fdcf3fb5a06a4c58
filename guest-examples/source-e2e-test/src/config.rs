//! The options, with the names that Airbyte's source-e2e-test gives them, and the feed that each choice of them makes.
//!
//! The specification comes from `connection_specification.json`, to be Airbyte's to the letter. It says its limits in
//! words that JSON Schema does not know (`min`, `max`), so they are kept here.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use airlock_sdk::{Result, config_error};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Number;

use crate::Feed;
use crate::benchmark::Benchmark;
use crate::continuous::ContinuousFeed;
use crate::mock_catalog::MockCatalog;
use crate::numbers::{ExceptionAfterN, InfiniteFeed};

/// What the user chooses.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Config {
    /// Numbers that count up.
    InfiniteFeed {
        /// How many; without end if it is not said.
        max_records: Option<Whole>,
        /// How many milliseconds lie between two of them.
        message_interval: Option<Whole>,
    },
    /// Numbers that count up, and then a failure.
    ExceptionAfterN {
        /// After how many it comes.
        throw_after_n_records: Whole,
    },
    /// Records by a JSON Schema.
    ContinuousFeed {
        /// How many a stream has.
        max_messages: Whole,
        /// What they are drawn from; the clock if it is not said.
        seed: Option<Whole>,
        /// How many milliseconds lie between two of a stream.
        message_interval_ms: Option<Whole>,
        /// The streams.
        mock_catalog: MockCatalog,
    },
    /// The same few records, as fast as can be.
    Benchmark {
        /// What they look like.
        schema: BenchmarkSchema,
        /// When it ends.
        #[serde(rename = "terminationCondition")]
        termination_condition: TerminationCondition,
    },
}

/// What the records of a benchmark look like.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum BenchmarkSchema {
    /// `field1` to `field5`.
    FiveStringColumns,
}

/// When a benchmark ends.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum TerminationCondition {
    /// After so many records.
    MaxRecords { max: Whole },
    /// After so many bytes of records' data.
    MaxBytes { max: Whole },
}

/// A whole number, however JSON writes it: for JSON Schema, 1e7 and 5.0 are integers as well.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(from = "Number")]
pub struct Whole(i64);

impl From<Number> for Whole {
    fn from(number: Number) -> Self {
        Whole(number.as_i64().unwrap_or_else(|| number.as_f64().unwrap_or_default() as i64))
    }
}

impl Whole {
    /// How many; none if it is negative, as Airbyte has it.
    fn count(self) -> u64 {
        u64::try_from(self.0).unwrap_or(0)
    }

    /// The number, if it is within these limits.
    pub fn within(self, option: &str, first: u64, last: u64) -> Result<u64> {
        match u64::try_from(self.0) {
            Ok(number) if (first..=last).contains(&number) => Ok(number),
            _ if last == u64::MAX => {
                Err(config_error(format!("{option} is {}: give {first} or a larger number.", self.0)))
            }
            _ => Err(config_error(format!("{option} is {}: give a number from {first} to {last}.", self.0))),
        }
    }
}

impl Config {
    /// The feed that was chosen, if its options can be.
    pub fn feed(self) -> Result<Box<dyn Feed>> {
        Ok(match self {
            Config::InfiniteFeed { max_records, message_interval } => Box::new(InfiniteFeed {
                max_records: max_records.map(Whole::count),
                interval: interval("message_interval", message_interval, u64::MAX)?,
            }),
            Config::ExceptionAfterN { throw_after_n_records } => Box::new(ExceptionAfterN {
                records: throw_after_n_records.within("throw_after_n_records", 1, u64::MAX)?,
            }),
            Config::ContinuousFeed { max_messages, seed, message_interval_ms, mock_catalog } => {
                Box::new(ContinuousFeed {
                    max_messages: max_messages.within("max_messages", 1, 100_000_000_000)?,
                    // Airbyte says a range for it, and takes every number. So does this.
                    seed: seed.map_or_else(clock, |Whole(seed)| seed as u64),
                    interval: interval("message_interval_ms", message_interval_ms, 60_000)?,
                    catalog: mock_catalog.catalog()?,
                })
            }
            Config::Benchmark { schema: BenchmarkSchema::FiveStringColumns, termination_condition } => {
                Box::new(match termination_condition {
                    TerminationCondition::MaxRecords { max } => Benchmark::of_records(max.count()),
                    TerminationCondition::MaxBytes { max } => Benchmark::of_bytes(max.count()),
                })
            }
        })
    }
}

fn interval(option: &str, milliseconds: Option<Whole>, last: u64) -> Result<Duration> {
    match milliseconds {
        Some(milliseconds) => Ok(Duration::from_millis(milliseconds.within(option, 0, last)?)),
        None => Ok(Duration::ZERO),
    }
}

fn clock() -> u64 {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_1970.as_millis()).unwrap_or_default()
}
