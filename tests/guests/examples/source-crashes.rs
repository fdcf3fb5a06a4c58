//! Crashes in the function and in the way that the file /airbyte/crash names, as in `read panic`.

use std::fs;
use std::process;

use test_guests::output::StreamWriter;
use test_guests::types::{ConnectionStatus, Failure, SavedState, StreamName};
use test_guests::{Source, Value, export_source, records};

struct Crashes;

impl Source for Crashes {
    fn spec() -> Result<String, Failure> {
        crash_in("spec");
        Ok(r#"{"connectionSpecification":{}}"#.to_owned())
    }

    fn check(_: &Value) -> Result<ConnectionStatus, Failure> {
        crash_in("check");
        Ok(ConnectionStatus::Succeeded)
    }

    fn discover(_: &Value) -> Result<String, Failure> {
        crash_in("discover");
        Ok(r#"{"streams":[]}"#.to_owned())
    }

    fn read(_: &Value, streams: &[StreamName], _: SavedState) -> Result<(), Failure> {
        let writer = StreamWriter::open(&streams[0])?;
        writer.write(&records(1..=2))?;
        writer.checkpoint(r#"{"n":2}"#)?;
        writer.write(&records(3..=3))?;
        crash_in("read");
        Ok(())
    }
}

fn crash_in(function: &str) {
    let crash = fs::read_to_string("/airbyte/crash").unwrap_or_default();
    let Some((_, way)) = crash.trim().split_once(' ').filter(|(wanted, _)| *wanted == function) else { return };
    match way {
        "panic" => panic!("the panic of {function}"),
        "exit" => process::exit(0),
        "exit-failing" => process::exit(3),
        "overflow" => println!("{}", recurse(1)),
        "memory" => drop(std::hint::black_box(vec![1_u8; isize::MAX as usize])),
        "leak" => loop {
            std::mem::forget(std::hint::black_box(vec![1_u8; 1 << 20]));
        },
        // The instruction `unreachable`, without a word.
        _ => process::abort(),
    }
}

/// Uses the stack up. The compiler must neither see that it has no end nor make a loop of it.
fn recurse(depth: u64) -> u64 {
    let place = std::hint::black_box([depth; 64]);
    if place[0] == 0 { 0 } else { recurse(depth + 1) + place[63] }
}

export_source!(Crashes);
