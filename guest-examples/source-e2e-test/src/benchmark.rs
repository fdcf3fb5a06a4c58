//! The feed for measurements: the same ten records over and over, as ready lines, a few hundred KiB a call. All of them
//! are of one length, so that a number of records is a number of bytes.

use airlock_sdk::{Catalog, ConfiguredStream, Result, SavedState, Stream, StreamWriter};
use serde_json::{Value, json};

use crate::{Feed, require_stream};

const STREAM: &str = "stream1";

const FIELDS: [&str; 5] = ["field1", "field2", "field3", "field4", "field5"];

/// How many records leave in one call: a multiple of the ten that there are.
const RECORDS_A_BATCH: u64 = 1000;

/// So many records.
pub struct Benchmark {
    records: u64,
}

impl Benchmark {
    /// So many records.
    pub fn of_records(records: u64) -> Self {
        Benchmark { records }
    }

    /// As few records as have so many bytes together: the JSON of their data, without line breaks.
    pub fn of_bytes(bytes: u64) -> Self {
        Benchmark { records: bytes.div_ceil(line(0).len() as u64 - 1) }
    }
}

impl Feed for Benchmark {
    fn catalog(&self) -> Catalog {
        let properties: serde_json::Map<String, Value> =
            FIELDS.iter().map(|field| (field.to_string(), json!({"type": "string"}))).collect();
        Catalog::new([Stream::with_schema(STREAM, json!({"type": "object", "properties": properties}))])
    }

    fn read(&self, stream: &ConfiguredStream, _: &SavedState, writer: &mut StreamWriter) -> Result<()> {
        require_stream(stream, STREAM)?;
        let batch: String = (1..=RECORDS_A_BATCH).map(line).collect();
        for _ in 0..self.records / RECORDS_A_BATCH {
            writer.write_lines(batch.as_bytes())?;
        }
        let rest: String = (1..=self.records % RECORDS_A_BATCH).map(line).collect();
        writer.write_lines(rest.as_bytes())
    }
}

/// A record by its number, as Airbyte's has it.
fn line(number: u64) -> String {
    let value = format!("valuevaluevaluevaluevalue{}", number % 10);
    let fields = FIELDS.map(|field| format!("\"{field}\":\"{value}\""));
    format!("{{{}}}\n", fields.join(","))
}
