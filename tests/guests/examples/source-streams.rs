//! Breaks the rules of streams, as its config's `fault` says. The answers it gets are logged, and else unheard.

use test_guests::output::{Outcome, StreamWriter};
use test_guests::types::{ConnectionStatus, Failure, Interruption, SavedState, StreamName};
use test_guests::{Source, Value, export_source, json, records, report};

struct Streams;

impl Source for Streams {
    fn properties() -> Value {
        json!({"fault": {"enum": ["not-in-the-catalog", "wrong-namespace", "twice", "again", "not-opened", "left-open"]}})
    }

    /// There is nothing to write to yet.
    fn check(_: &Value) -> Result<ConnectionStatus, Failure> {
        report("open in check", &open("one"));
        Ok(ConnectionStatus::Succeeded)
    }

    fn read(config: &Value, streams: &[StreamName], _: SavedState) -> Result<(), Failure> {
        let first = StreamWriter::open(&streams[0])?;
        first.write(&records(1..=2))?;
        first.checkpoint(r#"{"n":2}"#)?;
        match config["fault"].as_str() {
            Some("not-in-the-catalog") => report("open", &open("elsewhere")),
            Some("wrong-namespace") => {
                let name = StreamName { namespace: Some("elsewhere".to_owned()), ..streams[0].clone() };
                report("open", &StreamWriter::open(&name));
            }
            Some("twice") => report("open", &StreamWriter::open(&streams[0])),
            Some("again") => {
                StreamWriter::finish(first, &Outcome::Complete)?;
                report("open", &StreamWriter::open(&streams[0]));
                return Ok(());
            }
            Some("left-open") => {
                for stream in &streams[1..] {
                    // The handle is gone at once, which means nothing: the stream stays open.
                    StreamWriter::open(stream)?.write(&records(1..=1))?;
                }
                return Ok(());
            }
            // Nothing is said of the other streams.
            _ => return Ok(()),
        }
        report("write", &first.write(&records(3..=4)));
        report("checkpoint", &first.checkpoint(r#"{"n":4}"#));
        Ok(())
    }
}

fn open(name: &str) -> Result<StreamWriter, Interruption> {
    StreamWriter::open(&StreamName { name: name.to_owned(), namespace: None })
}

export_source!(Streams);
