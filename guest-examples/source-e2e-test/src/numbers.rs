//! The two legacy feeds: a stream `data` whose `column1` counts up. As in Airbyte's, it is declared a string and is a
//! number.

use std::time::Duration;

use airlock_sdk::{Catalog, ConfiguredStream, Result, SavedState, Stream, StreamWriter, SyncMode, system_error};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{Feed, require_stream};

const STREAM: &str = "data";

/// A state comes before the first record, and after so many.
const RECORDS_A_STATE: u64 = 5;

/// The numbers from 1, without states.
pub struct InfiniteFeed {
    /// How many; none for no end.
    pub max_records: Option<u64>,
    /// What lies between two of them.
    pub interval: Duration,
}

/// So many numbers with states, and then a failure. The next read goes on after the last state, and fails after as
/// many.
pub struct ExceptionAfterN {
    /// How many.
    pub records: u64,
}

/// A record, and a state as well.
#[derive(Serialize, Deserialize)]
struct Position {
    #[serde(default)]
    column1: u64,
}

impl Feed for InfiniteFeed {
    fn catalog(&self) -> Catalog {
        Catalog::new([stream()])
    }

    fn read(&self, stream: &ConfiguredStream, _: &SavedState, writer: &mut StreamWriter) -> Result<()> {
        require_stream(stream, STREAM)?;
        let mut records = 0;
        while self.max_records.is_none_or(|max_records| records < max_records) {
            if records > 0 && !self.interval.is_zero() {
                airlock_sdk::wait(self.interval)?;
            }
            records += 1;
            writer.write(&Position { column1: records })?;
        }
        Ok(())
    }
}

impl Feed for ExceptionAfterN {
    fn catalog(&self) -> Catalog {
        let mut stream = stream();
        stream.supported_sync_modes.push(SyncMode::Incremental);
        stream.source_defined_cursor = Some(true);
        Catalog::new([stream])
    }

    fn read(&self, stream: &ConfiguredStream, state: &SavedState, writer: &mut StreamWriter) -> Result<()> {
        require_stream(stream, STREAM)?;
        let mut position = state.stream(stream)?.unwrap_or(Position { column1: 0 });
        let mut records = 0;
        loop {
            if records % RECORDS_A_STATE == 0 {
                writer.checkpoint(&position)?;
            }
            if records == self.records {
                return Err(system_error(format!(
                    "Scheduled exceptional event: the configuration asks for it after {records} records."
                )));
            }
            records += 1;
            position.column1 = position.column1.saturating_add(1);
            writer.write(&position)?;
        }
    }
}

fn stream() -> Stream {
    Stream::with_schema(STREAM, json!({"type": "object", "properties": {"column1": {"type": "string"}}}))
}
