//! Writes three good records and a state, then the file /airbyte/records as it is, in one batch. Then it goes on writing
//! and saving, deaf to what the host says, and returns ok.
//!
//! With `until_told` it goes on until the host refuses, and logs what each of its calls is told from then on.

use test_guests::output::{Outcome, StreamWriter};
use test_guests::types::{Failure, SavedState, StreamName};
use test_guests::{Source, Value, export_source, records, report};

struct Verbatim;

impl Source for Verbatim {
    fn read(config: &Value, streams: &[StreamName], _: SavedState) -> Result<(), Failure> {
        let writer = StreamWriter::open(&streams[0])?;
        writer.write(&records(1..=3))?;
        writer.checkpoint(r#"{"n":3}"#)?;
        let _ = writer.write(&std::fs::read("/airbyte/records").expect("the test put it there"));
        let _ = writer.checkpoint(r#"{"n":100}"#);
        let _ = writer.write(&records(101..=103));
        if config["until_told"] == true {
            while writer.write(&records([104])).is_ok() {}
            report("write", &writer.write(&records([105])));
            report("checkpoint", &writer.checkpoint(r#"{"n":105}"#));
            for stream in &streams[1..] {
                report("open", &StreamWriter::open(stream));
            }
            report("finish", &StreamWriter::finish(writer, &Outcome::Complete));
        } else {
            let _ = writer.checkpoint(r#"{"n":103}"#);
            let _ = StreamWriter::finish(writer, &Outcome::Complete);
        }
        Ok(())
    }
}

export_source!(Verbatim);
