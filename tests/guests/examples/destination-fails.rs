//! Keeps records in the file /airbyte/kept and commits what it kept, up to the item at which it fails in the way that its
//! config's `how` names.

use std::fs::OpenOptions;
use std::io::Write;

use test_guests::input::{self, Checkpoint, Item};
use test_guests::types::{ConnectionStatus, Failure, FailureKind};
use test_guests::{Destination, Value, export_destination, failure, json, report, say, told};

struct Fails;

impl Destination for Fails {
    fn properties() -> Value {
        json!({
            "how": {"enum": ["failure", "panic", "exit", "spin", "not", "deaf"]},
            "after": {"type": "integer", "description": "after how many checkpoints"}
        })
    }

    fn check(config: &Value) -> Result<ConnectionStatus, Failure> {
        if config["how"] == "failure" {
            return Ok(ConnectionStatus::Failed("the disk is full".to_owned()));
        }
        Ok(ConnectionStatus::Succeeded)
    }

    fn write(config: &Value) -> Result<(), Failure> {
        let how = config["how"].as_str().unwrap_or("not");
        let mut left = config["after"].as_u64().unwrap_or(u64::MAX);
        let mut file = OpenOptions::new().create(true).append(true).open("/airbyte/kept").map_err(not_kept)?;
        loop {
            if left == 0 {
                match how {
                    "failure" => return Err(failure(FailureKind::TransientError, "The disk is full.")),
                    "panic" => panic!("the disk is full"),
                    "exit" => std::process::exit(0),
                    "spin" => loop {
                        std::hint::black_box(());
                    },
                    _ => {}
                }
            }
            match input::next(1 << 20) {
                Ok(Some(Item::Records(batch))) => file.write_all(&batch.records).map_err(not_kept)?,
                Ok(Some(Item::Checkpoint(checkpoint))) => {
                    file.sync_all().map_err(not_kept)?;
                    let committed = Checkpoint::commit(checkpoint, 0);
                    report("commit", &committed);
                    left -= 1;
                }
                Ok(Some(_)) => {}
                Ok(None) => return Ok(()),
                Err(interruption) => {
                    say(format!("told that it is {}", told(&interruption)));
                    // Deaf: as if everything had come.
                    return if how == "deaf" { Ok(()) } else { Err(interruption.into()) };
                }
            }
        }
    }
}

fn not_kept(error: std::io::Error) -> Failure {
    failure(FailureKind::SystemError, format!("The file /airbyte/kept can not be written: {error}."))
}

export_destination!(Fails);
