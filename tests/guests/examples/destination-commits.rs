//! Commits checkpoints in the way that its config's `how` names.

use test_guests::input::{self, Checkpoint, Item};
use test_guests::types::Failure;
use test_guests::{Destination, Value, export_destination, json, report, say};

struct Commits;

impl Destination for Commits {
    fn properties() -> Value {
        json!({
            "how": {"enum": ["at-the-end", "in-reverse", "never", "dropped", "all-but-first", "hasty", "first-only"]},
            "rejected": {"type": "integer"}
        })
    }

    fn write(config: &Value) -> Result<(), Failure> {
        let how = config["how"].as_str().unwrap_or_default();
        let rejected = config["rejected"].as_u64().unwrap_or_default() as u32;
        let mut checkpoints = Vec::new();
        while let Some(item) = input::next(u32::MAX)? {
            let Item::Checkpoint(checkpoint) = item else { continue };
            if how != "dropped" {
                checkpoints.push(checkpoint);
            }
            if how == "hasty" {
                // The rest of the input is nobody's.
                break;
            }
        }
        say("the input has ended");
        match how {
            // Whoever looks at the echoes knows by this that none came before.
            "in-reverse" => checkpoints.reverse(),
            "never" => checkpoints.clear(),
            "all-but-first" => drop(checkpoints.remove(0)),
            "first-only" => checkpoints.truncate(1),
            _ => {}
        }
        for checkpoint in checkpoints {
            report("commit", &Checkpoint::commit(checkpoint, rejected));
        }
        Ok(())
    }
}

export_destination!(Commits);
