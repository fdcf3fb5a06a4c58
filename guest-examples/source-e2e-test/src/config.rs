//! The options, with the names that Airbyte's source-e2e-test gives them, and the feed that each choice of them makes.
//!
//! The specification comes from `connection_specification.json`, to be Airbyte's to the letter. It says its limits in
//! words that JSON Schema does not know (`min`, `max`), so they are kept here.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use airlock_sdk::{Result, WholeNumber};
use schemars::JsonSchema;
use serde::Deserialize;

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
        max_records: Option<WholeNumber>,
        /// How many milliseconds lie between two of them.
        message_interval: Option<WholeNumber>,
    },
    /// Numbers that count up, and then a failure.
    ExceptionAfterN {
        /// After how many it comes.
        throw_after_n_records: WholeNumber,
    },
    /// Records by a JSON Schema.
    ContinuousFeed {
        /// How many a stream has.
        max_messages: WholeNumber,
        /// What they are drawn from; the clock if it is not said.
        seed: Option<WholeNumber>,
        /// How many milliseconds lie between two of a stream.
        message_interval_ms: Option<WholeNumber>,
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
    MaxRecords { max: WholeNumber },
    /// After so many bytes of records' data.
    MaxBytes { max: WholeNumber },
}

impl Config {
    /// The feed that was chosen, if its options can be.
    pub fn feed(self) -> Result<Box<dyn Feed>> {
        Ok(match self {
            Config::InfiniteFeed { max_records, message_interval } => Box::new(InfiniteFeed {
                max_records: max_records.map(count),
                interval: interval("message_interval", message_interval, u64::MAX)?,
            }),
            Config::ExceptionAfterN { throw_after_n_records } => Box::new(ExceptionAfterN {
                records: throw_after_n_records.within("throw_after_n_records", 1, u64::MAX)?,
            }),
            Config::ContinuousFeed { max_messages, seed, message_interval_ms, mock_catalog } => {
                Box::new(ContinuousFeed {
                    max_messages: max_messages.within("max_messages", 1, 100_000_000_000)?,
                    // Airbyte says a range for it, and takes every number. So does this.
                    seed: seed.map_or_else(clock, |seed| seed.get() as u64),
                    interval: interval("message_interval_ms", message_interval_ms, 60_000)?,
                    catalog: mock_catalog.catalog()?,
                })
            }
            Config::Benchmark { schema: BenchmarkSchema::FiveStringColumns, termination_condition } => {
                Box::new(match termination_condition {
                    TerminationCondition::MaxRecords { max } => Benchmark::of_records(count(max)),
                    TerminationCondition::MaxBytes { max } => Benchmark::of_bytes(count(max)),
                })
            }
        })
    }
}

/// How many; none if it is negative, as Airbyte has it.
fn count(number: WholeNumber) -> u64 {
    u64::try_from(number.get()).unwrap_or(0)
}

fn interval(option: &str, milliseconds: Option<WholeNumber>, last: u64) -> Result<Duration> {
    match milliseconds {
        Some(milliseconds) => Ok(Duration::from_millis(milliseconds.within(option, 0, last)?)),
        None => Ok(Duration::ZERO),
    }
}

fn clock() -> u64 {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_1970.as_millis()).unwrap_or_default()
}
