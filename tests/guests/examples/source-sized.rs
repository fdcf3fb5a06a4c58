//! A good source of ready records: each stream has `records` records of `record_bytes` bytes each. Nothing is computed for a record,
//! so what the host does for one is all that there is to measure; unless `work` says how many steps are to be computed. Its streams
//! are independent.

use std::hint::black_box;

use test_guests::output::{Outcome, StreamWriter};
use test_guests::ready_records::{BATCHES_A_STATE, ReadyRecords};
use test_guests::types::{Failure, SavedState, StreamName};
use test_guests::{Source, Value, export_source, json};

struct Ready;

impl Source for Ready {
    fn properties() -> Value {
        json!({
            "records": {"type": "integer"},
            "record_bytes": {"type": "integer"},
            "work": {"type": "integer"},
        })
    }

    fn read(config: &Value, streams: &[StreamName], _: SavedState) -> Result<(), Failure> {
        let number = |name: &str, default: u64| config[name].as_u64().unwrap_or(default);
        let (records, work) = (number("records", 1), number("work", 0));
        let ready = ReadyRecords::new(number("record_bytes", 600) as usize);
        streams.iter().try_for_each(|stream| read_stream(stream, &ready, records, work))
    }
}

fn read_stream(stream: &StreamName, ready: &ReadyRecords, records: u64, work: u64) -> Result<(), Failure> {
    let writer = StreamWriter::open(stream)?;
    let mut done = 0;
    while done < records {
        for _ in 0..BATCHES_A_STATE {
            let (batch, count) = ready.batch(records - done);
            compute(count * work);
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

/// Steps that wait for each other, so that no compiler and no processor does many at once.
fn compute(steps: u64) {
    let last = (0..black_box(steps)).fold(1_u64, |value, step| (value ^ step).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    black_box(last);
}

export_source!(Ready, independent streams);
