//! Declares that its streams are independent. What each does is what its config's field of that name says.

use std::fs;
use std::path::Path;

use test_guests::output::{Outcome, StreamWriter, global_checkpoint};
use test_guests::types::{Failure, FailureKind, GlobalState, SavedState, StreamName};
use test_guests::{Source, Value, export_source, failure, host, json, lines, records, report, say};

/// What all instances share.
const SHARED: &str = "/airbyte";

/// A test waits no longer for another instance.
const PATIENCE_MILLISECONDS: u64 = 60_000;
const STEP_MILLISECONDS: u64 = 5;

struct Independent;

impl Source for Independent {
    fn properties() -> Value {
        json!({"token": {"type": "string"}})
    }

    fn max_concurrency(config: &Value) -> Result<Option<u32>, Failure> {
        match config["max_concurrency"].as_u64() {
            Some(0) => Err(failure(FailureKind::ConfigError, "it can not be said how many streams are read at once")),
            number => Ok(number.map(|number| number as u32)),
        }
    }

    fn read(config: &Value, streams: &[StreamName], state: SavedState) -> Result<(), Failure> {
        say(format!("{} streams, state {}, token {}", streams.len(), shown(&state), config["token"]));
        for stream in streams {
            read_stream(config, stream)?;
        }
        Ok(())
    }
}

fn read_stream(config: &Value, stream: &StreamName) -> Result<(), Failure> {
    let writer = StreamWriter::open(stream)?;
    let name = stream.name.as_str();
    let what = &config["streams"][name];
    match what["does"].as_str().unwrap_or_default() {
        // Goes on only when the others have come as far: only where they run at the same time.
        "meets" => {
            mark(name)?;
            what["others"].as_array().into_iter().flatten().filter_map(Value::as_str).try_for_each(wait_for)?;
        }
        "waits" => wait_for(what["for"].as_str().unwrap_or_default())?,
        "fails" => return Err(failure(FailureKind::TransientError, "it fails, as it was told to")),
        "traps" => panic!("it traps, as it was told to"),
        "gives garbage" => {
            writer.write(&records(1..=2))?;
            writer.write(b"garbage\n")?;
            mark(name)?;
            // A guest that does not hear goes on for a while; this one hears at some call.
            while writer.write(&records(1..=1)).is_ok() {}
            report("checkpoint", &writer.checkpoint("{\"n\":2}"));
            return Ok(());
        }
        "does not hear" => {
            writer.write(b"garbage\n")?;
            mark(name)?;
            loop {
                std::hint::spin_loop();
            }
        }
        "gives a global state" => {
            report("global state", &global_checkpoint(&GlobalState { shared: Some("{}".to_owned()), streams: vec![] }));
        }
        "renews the config" => {
            what["after"].as_str().map_or(Ok(()), wait_for)?;
            let mut renewed = config.clone();
            renewed["token"] = json!("renewed");
            host::config_changed(&renewed.to_string())?;
            mark(name)?;
        }
        "takes much memory" => {
            let much = what["mib"].as_u64().unwrap_or_default() as usize;
            let memory = vec![1u8; much << 20];
            say(format!("it has {} MiB", memory.iter().map(|byte| u64::from(*byte)).sum::<u64>() >> 20));
        }
        "repeats" => {
            for batch in 0..what["batches"].as_u64().unwrap_or_default() {
                writer.write(&records(batch * 100..(batch + 1) * 100))?;
                writer.checkpoint(&json!({"batch": batch}).to_string())?;
            }
        }
        _ => {}
    }
    writer.write(&lines([&json!({"of": name})]))?;
    writer.checkpoint(&json!({"of": name}).to_string())?;
    StreamWriter::finish(writer, &Outcome::Complete)?;
    if what["marks"] == true {
        mark(name)?;
    }
    Ok(())
}

fn mark(name: &str) -> Result<(), Failure> {
    fs::write(Path::new(SHARED).join(name), "").map_err(|error| failure(FailureKind::SystemError, error.to_string()))
}

fn wait_for(name: &str) -> Result<(), Failure> {
    let place = Path::new(SHARED).join(name);
    for _ in 0..PATIENCE_MILLISECONDS / STEP_MILLISECONDS {
        if place.exists() {
            return Ok(());
        }
        host::wait(STEP_MILLISECONDS)?;
    }
    Err(failure(FailureKind::SystemError, format!("nobody came to {name}")))
}

fn shown(state: &SavedState) -> String {
    match state {
        SavedState::None => "none".to_owned(),
        SavedState::Streams(states) => {
            let states: Vec<String> =
                states.iter().map(|state| format!("{}={}", state.stream_name.name, state.state)).collect();
            states.join(",")
        }
        SavedState::Global(state) => format!("global {}", state.streams.len()),
    }
}

export_source!(Independent, independent streams);
