//! What the SDK asks of a destination: joins the host's input to a sync over a directory.

use airlock_sdk::{Checkpoint, ConfiguredCatalog, DestinationSyncMode, Input, Item, Result, Specification};
use schemars::JsonSchema;

use crate::destination_path::directory;
use crate::disk;
use crate::format::RecordFormat;
use crate::names::described;
use crate::sync::Sync;

#[cfg(not(target_arch = "wasm32"))]
use crate::testing::airbyte_directory;

/// The one directory that a connector may write to.
pub(crate) const AIRBYTE_DIRECTORY: &str = "/airbyte";

/// How much is asked for at a time.
const BATCH_BYTES: u32 = 256 * 1024;

/// What `check` writes, and removes again.
const PROBE: &str = "._airbyte_check";

/// The specification of a destination with this configuration, but for its documentation.
pub fn specification<C: JsonSchema>() -> Specification {
    Specification::of::<C>()
        .supports_incremental(true)
        .field("supportsNormalization", false)
        .field("supportsDBT", false)
        .supported_destination_sync_modes([DestinationSyncMode::Overwrite, DestinationSyncMode::Append])
}

/// Tries whether files can be written below a `destination_path`. Makes its directory, and leaves nothing in it.
pub fn check(destination_path: &str) -> Result<()> {
    let root = airbyte_directory();
    let directory = directory(&root, destination_path)?;
    disk::create_directory(&root, &directory)?;
    let path = directory.join(PROBE);
    let probe = disk::open(&path)?;
    let written = disk::write_at(&probe, &path, b"{}\n", 0).and_then(|()| disk::sync(&probe, &path));
    drop(probe);
    written.and(disk::remove(&path))
}

/// Writes the streams of the catalog to files below a `destination_path`. Commits each checkpoint when what it covers
/// is safe.
pub fn write<F: RecordFormat>(
    destination_path: &str,
    format: F,
    catalog: &ConfiguredCatalog,
    input: Input,
) -> Result<()> {
    let root = airbyte_directory();
    let directory = directory(&root, destination_path)?;
    let mut sync = Sync::begin(&root, &directory, format, catalog)?;
    match take_all(&mut sync, input) {
        Ok(()) => sync.finish(),
        Err(failure) => {
            sync.abandon();
            Err(failure)
        }
    }
}

/// Hands on what comes, and commits what is safe.
fn take_all<F: RecordFormat>(sync: &mut Sync<F, Checkpoint>, mut input: Input) -> Result<()> {
    while let Some(item) = input.next(BATCH_BYTES)? {
        let safe = match item {
            Item::Records(batch) => {
                let records = batch.iter().map(|record| (record.data, record.emitted_at));
                sync.write(&batch.stream, records)?;
                continue;
            }
            Item::Checkpoint(checkpoint) => Vec::from_iter(sync.checkpoint(checkpoint.scope(), checkpoint)?),
            Item::StreamEnd(end) if end.is_complete => sync.stream_complete(&end.stream)?,
            Item::StreamEnd(end) => {
                log::warn!(
                    "The source did not finish the stream {}: what was there before stays, and so does what is \
                     acknowledged.",
                    described(&end.stream)
                );
                continue;
            }
            Item::Other(_) => continue,
        };
        for checkpoint in safe {
            checkpoint.commit()?;
        }
    }
    Ok(())
}

#[cfg(target_arch = "wasm32")]
fn airbyte_directory() -> std::path::PathBuf {
    AIRBYTE_DIRECTORY.into()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::format::tests::PLAIN;
    use crate::testing::set_airbyte_directory;
    use airlock_sdk::testing::{
        Host, InputItem, Run, checkpoint, global_checkpoint, interruption, other, records, stream_complete,
        stream_incomplete,
    };
    use airlock_sdk::{Destination, FailureKind, Interruption};
    use serde_json::{Value, json};
    use tempfile::{TempDir, tempdir};

    #[derive(serde::Deserialize, JsonSchema)]
    struct Config {
        destination_path: String,
    }

    /// A destination as one would write it with this crate.
    struct Local;

    impl Destination for Local {
        type Config = Config;

        fn check(config: Config) -> Result<()> {
            super::check(&config.destination_path)
        }

        fn write(config: Config, catalog: ConfiguredCatalog, input: Input) -> Result<()> {
            super::write(&config.destination_path, PLAIN, &catalog, input)
        }
    }

    /// An empty directory that is the connector's in this test.
    fn root() -> TempDir {
        let root = tempdir().unwrap();
        set_airbyte_directory(root.path());
        root
    }

    fn config() -> Value {
        json!({"destination_path": "/local/x"})
    }

    fn write(mode: &str, input: impl IntoIterator<Item = InputItem>) -> Run {
        let catalog = json!({"streams": [
            {"stream": {"name": "users", "json_schema": {}}, "sync_mode": "incremental",
             "destination_sync_mode": mode},
            {"stream": {"name": "orders", "namespace": "shop", "json_schema": {}}, "sync_mode": "full_refresh",
             "destination_sync_mode": "append", "generation_id": 0, "minimum_generation_id": 0, "sync_id": 1},
        ]});
        Host::new().write::<Local>(&config(), &catalog, input)
    }

    fn file(root: &TempDir, stream: &str) -> String {
        let path = root.path().join(format!("local/x/_airbyte_raw_{stream}.jsonl"));
        fs::read_to_string(path).unwrap()
    }

    fn orders() -> airlock_sdk::StreamName {
        airlock_sdk::StreamName::in_namespace("shop", "orders")
    }

    #[test]
    fn check_makes_the_directory_and_leaves_nothing_in_it() {
        let root = root();
        let config = |path: &str| Config { destination_path: path.to_owned() };
        assert_eq!(Local::check(config("/local/a/b")), Ok(()));
        assert_eq!(fs::read_dir(root.path().join("local/a/b")).unwrap().count(), 0);

        let failure = Local::check(config("/local/../x")).unwrap_err();
        assert_eq!(failure.kind, FailureKind::ConfigError);

        fs::write(root.path().join("local/file"), "").unwrap();
        let failure = Local::check(config("/file/a")).unwrap_err();
        assert_eq!(failure.kind, FailureKind::ConfigError);
        assert!(failure.message.contains("local/file/a"), "{failure}");

        fs::create_dir_all(root.path().join("local/c/._airbyte_check")).unwrap();
        let failure = Local::check(config("/c")).unwrap_err();
        assert_eq!(failure.kind, FailureKind::ConfigError);
    }

    #[test]
    fn records_become_lines_and_states_are_committed() {
        let root = root();
        let run = write(
            "append",
            [
                records("users", 1700000000000, &[json!({"id": 1}), json!({"id": 2})]),
                other(&json!({"type": "NEWS"})),
                checkpoint("users", &json!({"n": 1})),
                records(orders(), 5, &[json!({"id": 3})]),
                global_checkpoint(&json!({"n": 2})),
                stream_complete(orders()),
                stream_complete("users"),
                checkpoint("users", &json!({"n": 3})),
            ],
        );
        assert_eq!(run.result, Ok(()));
        assert_eq!(run.committed(), [r#"{"n":1}"#, r#"{"n":2}"#, r#"{"n":3}"#]);
        let users = file(&root, "users");
        let lines: Vec<&str> = users.lines().collect();
        assert_eq!(lines.len(), 2);
        assert!(lines[1].ends_with(" 1700000000000 {\"id\":2}"), "{users}");
        assert!(file(&root, "orders").ends_with(" 5 {\"id\":3}\n"));
    }

    #[test]
    fn a_stream_that_does_not_finish_is_no_failure_if_all_is_committed() {
        let root = root();
        let run = write(
            "append",
            [
                records("users", 1, &[json!({"id": 1})]),
                checkpoint("users", &json!(1)),
                records("users", 1, &[json!({"id": 2})]),
                stream_incomplete("users"),
                stream_complete(orders()),
            ],
        );
        assert_eq!(run.result, Ok(()));
        assert_eq!(run.committed(), ["1"]);
        assert_eq!(file(&root, "users").lines().count(), 1);
    }

    #[test]
    fn a_stream_that_does_not_finish_is_a_failure_if_a_state_waits_for_it() {
        let root = root();
        let run = write(
            "overwrite",
            [
                records("users", 1, &[json!({"id": 1})]),
                checkpoint("users", &json!(1)),
                records(orders(), 1, &[json!({"id": 2})]),
                checkpoint(orders(), &json!(2)),
                stream_incomplete("users"),
                stream_complete(orders()),
            ],
        );
        let failure = run.result.clone().unwrap_err();
        assert_eq!(failure.kind, FailureKind::TransientError);
        assert!(failure.message.contains("\"users\""), "{failure}");
        assert_eq!(run.committed(), ["2"]);
        assert!(!root.path().join("local/x/_airbyte_raw_users.jsonl").exists());
        assert_eq!(file(&root, "orders").lines().count(), 1);
    }

    #[test]
    fn an_interruption_leaves_what_was_committed() {
        for how in
            [Interruption::Cancelled, Interruption::Closed, Interruption::Refused("line 3 is not JSON".to_owned())]
        {
            let root = root();
            let run = write(
                "append",
                [
                    records("users", 1, &[json!({"id": 1})]),
                    checkpoint("users", &json!(1)),
                    records("users", 1, &[json!({"id": 2})]),
                    interruption(how.clone()),
                ],
            );
            let failure = run.result.clone().unwrap_err();
            assert_eq!(failure.interruption(), None, "it has crossed the contract");
            assert!(failure.message.contains(&how.to_string()), "{failure}");
            assert_eq!(run.committed(), ["1"]);
            assert_eq!(file(&root, "users").lines().count(), 1);
        }
    }

    #[test]
    fn nothing_is_written_for_a_path_that_leads_out() {
        let root = root();
        let run = Host::new().write::<Local>(&json!({"destination_path": "/local/../x"}), &json!({"streams": []}), []);
        assert_eq!(run.result.unwrap_err().kind, FailureKind::ConfigError);
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
    }
}
