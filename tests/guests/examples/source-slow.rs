//! Writes a record, and the next only when the file /airbyte/next-<its number> is there: so that a test sees that a record
//! leaves while the source waits.

use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use test_guests::output::StreamWriter;
use test_guests::types::{Failure, SavedState, StreamName};
use test_guests::{Source, Value, export_source, records};

struct Slow;

impl Source for Slow {
    fn read(_: &Value, streams: &[StreamName], _: SavedState) -> Result<(), Failure> {
        let writer = StreamWriter::open(&streams[0])?;
        writer.write(&records([1]))?;
        for number in 2..=3 {
            while !Path::new(&format!("/airbyte/next-{number}")).exists() {
                sleep(Duration::from_millis(5));
            }
            writer.write(&records([number]))?;
        }
        writer.checkpoint(r#"{"n":3}"#)?;
        Ok(())
    }
}

export_source!(Slow);
