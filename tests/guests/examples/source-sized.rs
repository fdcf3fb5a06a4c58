//! A good source of ready records: the stream `sized` has `records` records of `record_bytes` bytes each. Nothing is computed for a
//! record, so what the host does for one is all that there is to measure.

use test_guests::output::{Outcome, StreamWriter};
use test_guests::ready_records::{BATCHES_A_STATE, ReadyRecords};
use test_guests::types::{Failure, SavedState, StreamName};
use test_guests::{Source, Value, export_source, json};

struct Ready;

impl Source for Ready {
    fn properties() -> Value {
        json!({"records": {"type": "integer"}, "record_bytes": {"type": "integer"}})
    }

    fn read(config: &Value, streams: &[StreamName], _: SavedState) -> Result<(), Failure> {
        let records = config["records"].as_u64().unwrap_or(1);
        let ready = ReadyRecords::new(config["record_bytes"].as_u64().unwrap_or(600) as usize);
        let writer = StreamWriter::open(&streams[0])?;
        let mut done = 0;
        while done < records {
            for _ in 0..BATCHES_A_STATE {
                let (batch, count) = ready.batch(records - done);
                writer.write(batch)?;
                done += count;
                if done == records {
                    break;
                }
            }
            writer.checkpoint(&format!("{{\"records\":{done}}}"))?;
        }
        StreamWriter::finish(writer, &Outcome::Complete)?;
        Ok(())
    }
}

export_source!(Ready);
