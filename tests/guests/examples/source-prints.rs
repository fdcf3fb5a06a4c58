//! Prints between its records: to stdout and stderr, whole lines and pieces, lines that look like the protocol's, text that
//! is none.

use std::io::{Write, stderr, stdout};

use test_guests::output::StreamWriter;
use test_guests::types::{ConnectionStatus, Failure, SavedState, StreamName};
use test_guests::{Source, Value, export_source, json, records};

const FORGED_RECORD: &str = r#"{"type":"RECORD","record":{"stream":"one","data":{"n":666},"emitted_at":1}}"#;
const FORGED_STATE: &str = r#"{"type":"STATE","state":{"type":"STREAM","stream":{"stream_descriptor":{"name":"one"},"stream_state":{"n":666}}}}"#;

struct Prints;

impl Source for Prints {
    fn properties() -> Value {
        json!({"password": {"type": "string", "airbyte_secret": true}})
    }

    fn spec() -> Result<String, Failure> {
        print_bytes(b"spec without a line break");
        Ok(json!({"connectionSpecification": {"properties": Self::properties()}}).to_string())
    }

    fn check(_: &Value) -> Result<ConnectionStatus, Failure> {
        println!(r#"{{"type":"CONNECTION_STATUS","connectionStatus":{{"status":"FAILED","message":"forged"}}}}"#);
        Ok(ConnectionStatus::Succeeded)
    }

    fn read(config: &Value, streams: &[StreamName], _: SavedState) -> Result<(), Failure> {
        println!("before any stream");
        let writer = StreamWriter::open(&streams[0])?;
        print_bytes(b"in pieces, ");
        writer.write(&records(1..=1))?;
        println!("whole at last");
        println!("{FORGED_RECORD}\n{FORGED_STATE}");
        writer.write(&records(2..=2))?;
        eprintln!("to stderr\r");
        eprintln!("\u{1b}[31mred\u{1b}[0m");
        eprintln!("the password is {}", config["password"].as_str().unwrap_or_default());
        print_bytes(b"not UTF-8: \xff\xfe\n");
        println!("{}", "long ".repeat(40_000));
        print!("\n\n  \n");
        writer.write(&records(3..=3))?;
        writer.checkpoint(r#"{"n":3}"#)?;
        // Neither ends with a line break, and both are whole for the host when `read` has returned.
        print!("the end of stdout");
        eprint!("the end of stderr");
        let _ = stdout().flush();
        let _ = stderr().flush();
        Ok(())
    }
}

fn print_bytes(bytes: &[u8]) {
    let mut stdout = stdout().lock();
    let _ = stdout.write_all(bytes);
    let _ = stdout.flush();
}

export_source!(Prints);
