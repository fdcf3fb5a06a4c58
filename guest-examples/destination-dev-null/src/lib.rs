//! Airbyte's destination-dev-null as an Airlock connector: takes everything and keeps nothing, for tests and
//! measurements of everything around a destination.
//!
//! `config` turns the options into a mode, `logging` decides which records are shown, and here is what each mode does
//! with what comes.

mod config;
mod logging;

use std::collections::HashMap;
use std::time::Duration;

use airlock_sdk::{
    ConfiguredCatalog, Destination, DestinationSyncMode, Failure, Input, Item, Result, Specification, StreamName,
    export_destination, system_error,
};

use config::{Config, Mode};
use logging::RecordLog;

/// What is asked for at a time where records need not be looked at one by one.
const BATCH_BYTES: u32 = 1024 * 1024;

/// A batch is never empty: this asks for a single record.
const ONE_RECORD: u32 = 1;

struct DevNull;

impl Destination for DevNull {
    type Config = Config;

    fn specification() -> Specification {
        Specification::with_schema_text(include_str!("connection_specification.json"))
            .documentation_url("https://docs.airbyte.com/integrations/destinations/dev-null")
            .supports_incremental(true)
            .field("supportsNormalization", false)
            .field("supportsDBT", false)
            .supported_destination_sync_modes([
                DestinationSyncMode::Overwrite,
                DestinationSyncMode::Append,
                DestinationSyncMode::AppendDedup,
            ])
    }

    fn check(config: Config) -> Result<()> {
        config.mode().map(drop)
    }

    fn write(config: Config, _: ConfiguredCatalog, input: Input) -> Result<()> {
        match config.mode()? {
            Mode::Silent => take_all(input),
            Mode::Logging(which) => log_some(input, RecordLog::new(which)),
            // One record at a time would be slow for nothing.
            Mode::Throttled(Duration::ZERO) => take_all(input),
            Mode::Throttled(time_a_record) => take_slowly(input, time_a_record),
            Mode::Failing { records } => fail_after(input, records),
        }
    }
}

export_destination!(DevNull);

fn take_all(mut input: Input) -> Result<()> {
    while let Some(item) = input.next(BATCH_BYTES)? {
        if let Item::Checkpoint(checkpoint) = item {
            checkpoint.commit()?;
        }
    }
    Ok(())
}

fn log_some(mut input: Input, mut log: RecordLog) -> Result<()> {
    while let Some(item) = input.next(BATCH_BYTES)? {
        match item {
            Item::Records(batch) => log.show(&batch),
            Item::Checkpoint(checkpoint) => checkpoint.commit()?,
            Item::StreamEnd(_) | Item::Other(_) => {}
        }
    }
    Ok(())
}

/// Every record takes its time.
fn take_slowly(mut input: Input, time_a_record: Duration) -> Result<()> {
    while let Some(item) = input.next(ONE_RECORD)? {
        match item {
            Item::Records(_) => airlock_sdk::wait(time_a_record)?,
            Item::Checkpoint(checkpoint) => checkpoint.commit()?,
            Item::StreamEnd(_) | Item::Other(_) => {}
        }
    }
    Ok(())
}

/// Every stream may have so many records; the next of any fails the sync.
fn fail_after(mut input: Input, records: u64) -> Result<()> {
    let mut taken: HashMap<StreamName, u64> = HashMap::new();
    while let Some(item) = input.next(BATCH_BYTES)? {
        match item {
            Item::Records(batch) => {
                let taken = taken.entry(batch.stream.clone()).or_default();
                *taken += batch.len() as u64;
                if *taken > records {
                    return Err(scheduled_failure(&batch.stream, records));
                }
            }
            Item::Checkpoint(checkpoint) => checkpoint.commit()?,
            Item::StreamEnd(_) | Item::Other(_) => {}
        }
    }
    Ok(())
}

fn scheduled_failure(stream: &StreamName, records: u64) -> Failure {
    system_error(format!(
        "Failing Destination(stream={stream}, numMessages={records}): the configuration asks for a failure at record \
         {} of a stream.",
        records.saturating_add(1)
    ))
    .for_stream(stream)
}

#[cfg(test)]
mod tests;
