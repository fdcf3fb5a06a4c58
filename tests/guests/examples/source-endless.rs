//! Writes for ever. Once the host interrupts it, it does what its config's `then` says: it returns an error, returns ok,
//! finishes its stream, or spins and never returns.

use test_guests::output::{Outcome, StreamWriter};
use test_guests::types::{Failure, SavedState, StreamName};
use test_guests::{Source, Value, export_source, json, lines, records, say, told};

struct Endless;

impl Source for Endless {
    fn properties() -> Value {
        json!({"then": {"enum": ["error", "ok", "finish", "spin", "write"]}})
    }

    fn read(config: &Value, streams: &[StreamName], _: SavedState) -> Result<(), Failure> {
        let writer = StreamWriter::open(&streams[0])?;
        // Long records: what is on its way when the end comes is few of them.
        let filling = "x".repeat(2000);
        let mut next = 1;
        let interruption = loop {
            let batch = [next, next + 1].map(|number| json!({"n": number, "filling": filling}));
            next += 2;
            let written = writer.write(&lines(&batch)).and_then(|()| writer.checkpoint(r#"{"more":"to come"}"#));
            if let Err(interruption) = written {
                break interruption;
            }
        };
        say(format!("told that it is {}", told(&interruption)));
        match config["then"].as_str() {
            Some("ok") => Ok(()),
            Some("finish") => {
                let _ = StreamWriter::finish(writer, &Outcome::Complete);
                Ok(())
            }
            Some("spin") => loop {
                std::hint::black_box(());
            },
            Some("write") => loop {
                let _ = writer.write(&records(1..=1));
            },
            _ => Err(interruption.into()),
        }
    }
}

export_source!(Endless);
