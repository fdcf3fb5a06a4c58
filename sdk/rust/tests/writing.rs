//! A destination's input, against a host in memory.

use airlock_sdk::testing::{self, Event, Host, InputItem};
use airlock_sdk::*;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

#[derive(Deserialize, JsonSchema)]
struct Config {
    /// How many records of each checkpoint are rejected.
    #[serde(default)]
    rejected: u32,
}

/// Logs what it gets, and commits each checkpoint.
struct Echo;

impl Destination for Echo {
    type Config = Config;

    fn check(config: Config) -> Result<()> {
        match config.rejected {
            0 => Ok(()),
            _ => Err(config_error("Nothing may be rejected: choose 0.")),
        }
    }

    fn write(config: Config, _catalog: ConfiguredCatalog, input: Input) -> Result<()> {
        for item in input {
            match item? {
                Item::Records(batch) => {
                    assert_eq!(batch.iter().count(), batch.len());
                    for record in batch.iter() {
                        let text = String::from_utf8_lossy(record.data);
                        log::info!("{} {text} {}", batch.stream, record.emitted_at);
                    }
                }
                Item::Checkpoint(checkpoint) => {
                    log::info!("covers {} of {:?}", checkpoint.record_count(), checkpoint.scope());
                    checkpoint.commit_with_rejected(config.rejected)?;
                }
                Item::StreamEnd(end) => log::info!("{} complete: {}", end.stream, end.is_complete),
                Item::Other(message) => log::info!("other {message}"),
            }
        }
        Ok(())
    }
}

fn write(input: impl IntoIterator<Item = InputItem>) -> testing::Run {
    Host::new().write::<Echo>(&json!({"rejected": 1}), &json!({"streams": []}), input)
}

fn log(message: &str) -> Event {
    Event::Log(message.to_owned())
}

#[test]
fn items_come_in_order_and_checkpoints_are_committed() {
    let run = write([
        testing::records("users", 5, &[json!({"id": 1}), json!({"id": 2})]),
        testing::records("carts", 6, &[json!({"id": 3})]),
        testing::checkpoint("users", &json!({"at": 2})),
        testing::other(&json!({"type": "NEW"})),
        testing::global_checkpoint(&json!({"at": 3})),
        testing::stream_complete("users"),
        testing::stream_incomplete("carts"),
    ]);
    assert_eq!(run.result, Ok(()));
    assert_eq!(run.committed(), [r#"{"at":2}"#, r#"{"at":3}"#]);
    assert_eq!(
        run.events,
        [
            log(r#"users {"id":1} 5"#),
            log(r#"users {"id":2} 5"#),
            log(r#"carts {"id":3} 6"#),
            log(r#"covers 2 of Stream(StreamName { name: "users", namespace: None })"#),
            Event::Committed {
                scope: CheckpointScope::Stream("users".into()),
                state: r#"{"at":2}"#.into(),
                rejected: 1
            },
            log(r#"other {"type":"NEW"}"#),
            log("covers 3 of Global"),
            Event::Committed { scope: CheckpointScope::Global, state: r#"{"at":3}"#.into(), rejected: 1 },
            log("users complete: true"),
            log("carts complete: false"),
        ]
    );
}

#[test]
fn an_interruption_ends_the_input() {
    let run = write([
        testing::records("users", 5, &[json!({"id": 1})]),
        testing::interruption(Interruption::Cancelled),
        testing::records("users", 5, &[json!({"id": 2})]),
    ]);
    assert!(run.result.unwrap_err().message.contains("cancelled"));
    assert_eq!(run.events, [log(r#"users {"id":1} 5"#)]);
}

#[test]
fn a_configuration_that_does_not_fit_is_a_config_error() {
    let run = Host::new().write::<Echo>(&json!({"rejected": "all"}), &json!({}), []);
    let failure = run.result.unwrap_err();
    assert_eq!(failure.kind, FailureKind::ConfigError);
    assert!(failure.message.contains("does not fit"), "{failure}");
}

#[test]
fn a_record_becomes_a_type() {
    #[derive(Deserialize, PartialEq, Debug)]
    struct User {
        id: u32,
    }
    let record = |data| Record { data, emitted_at: 0, meta: None, file_reference: None };
    assert_eq!(record(br#"{"id":7,"name":"x"}"#).parse::<User>(), Ok(User { id: 7 }));
    let failure = record(br#"{"id":"secret"}"#).parse::<User>().unwrap_err();
    assert!(!format!("{failure:?}").contains("secret"), "{failure:?}");
}
