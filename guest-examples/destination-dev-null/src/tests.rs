//! Whole writes, through a host in memory.

use airlock_sdk::testing::{
    Event, Host, InputItem, Run, checkpoint, global_checkpoint, interruption, other, records, stream_complete,
    stream_incomplete,
};
use airlock_sdk::{FailureKind, Interruption};
use serde_json::{Value, json};

use super::*;
use crate::config::Entries;

fn write(test_destination: &Value, input: impl IntoIterator<Item = InputItem>) -> Run {
    Host::new().write::<DevNull>(&json!({ "test_destination": test_destination }), &json!({"streams": []}), input)
}

/// Records `first..=last` of a stream.
fn numbered(stream: &str, first: u64, last: u64) -> InputItem {
    records(stream, 1, &(first..=last).map(|n| json!({ "n": n })).collect::<Vec<_>>())
}

fn mode(test_destination: Value) -> Result<Mode> {
    serde_json::from_value::<Config>(json!({ "test_destination": test_destination })).unwrap().mode()
}

fn logs(run: &Run) -> Vec<&str> {
    let logs = run.events.iter().filter_map(|event| match event {
        Event::Log(message) => Some(message.as_str()),
        _ => None,
    });
    logs.collect()
}

/// The `recordIndex` of each record of a stream that was shown.
fn shown(run: &Run, stream: &str) -> Vec<u64> {
    let begin = format!("Logging Destination(stream={stream}, recordIndex=");
    let of_stream = logs(run).into_iter().filter_map(|log| log.strip_prefix(&begin));
    of_stream.map(|log| log.split(',').next().unwrap().parse().unwrap()).collect()
}

fn logging(logging_config: Value) -> Value {
    json!({"test_destination_type": "LOGGING", "logging_config": logging_config})
}

#[test]
fn silence_commits_everything_and_says_nothing() {
    let run = write(
        &json!({"test_destination_type": "SILENT"}),
        [
            numbered("a", 1, 100),
            checkpoint("a", &json!(1)),
            other(&json!({"type": "NEWS"})),
            stream_incomplete("a"),
            global_checkpoint(&json!(2)),
            stream_complete("b"),
            checkpoint("b", &json!(3)),
        ],
    );
    assert_eq!(run.result, Ok(()));
    assert_eq!(run.committed(), ["1", "2", "3"]);
    assert_eq!(run.events.len(), 3);
}

#[test]
fn every_mode_commits_in_order_and_hears_of_an_interruption() {
    for test_destination in [
        json!({"test_destination_type": "SILENT"}),
        logging(json!({"logging_type": "FirstN", "max_entry_count": 1})),
        json!({"test_destination_type": "THROTTLED", "millis_per_record": 0}),
        json!({"test_destination_type": "FAILING", "num_messages": 5}),
    ] {
        let run = write(
            &test_destination,
            [
                numbered("a", 1, 5),
                checkpoint("a", &json!(1)),
                stream_complete("a"),
                global_checkpoint(&json!(2)),
                interruption(Interruption::Cancelled),
                checkpoint("a", &json!(3)),
            ],
        );
        assert_eq!(run.committed(), ["1", "2"], "{test_destination}");
        assert!(run.result.unwrap_err().message.contains("cancelled"));
    }
}

#[test]
fn the_first_entries_of_each_stream_are_shown() {
    let config = logging(json!({"logging_type": "FirstN", "max_entry_count": 3}));
    let run = write(&config, [numbered("a", 1, 2), numbered("b", 1, 1), numbered("a", 3, 9), numbered("a", 10, 20)]);
    assert_eq!(shown(&run, "a"), [1, 2, 3]);
    assert_eq!(shown(&run, "b"), [1]);
    assert_eq!(logs(&run)[0], r#"Logging Destination(stream=a, recordIndex=1, logEntry=1/3): {"n":1}"#);
    assert_eq!(logs(&run)[3], r#"Logging Destination(stream=a, recordIndex=3, logEntry=3/3): {"n":3}"#);
}

#[test]
fn every_nth_entry_is_shown_across_batches() {
    let config = logging(json!({"logging_type": "EveryNth", "nth_entry_to_log": 3, "max_entry_count": 4}));
    let run = write(&config, [numbered("a", 1, 4), numbered("a", 5, 5), numbered("a", 6, 40)]);
    assert_eq!(shown(&run, "a"), [3, 6, 9, 12]);
}

#[test]
fn a_sample_is_as_large_as_its_ratio_and_the_same_for_a_seed() {
    let sample = |ratio: f64, seed: Value, most: u64| {
        let mut config = json!({"logging_type": "RandomSampling", "sampling_ratio": ratio, "max_entry_count": most});
        if !seed.is_null() {
            config["seed"] = seed;
        }
        shown(&write(&logging(config), [numbered("a", 1, 700), numbered("a", 701, 2000)]), "a")
    };
    let tenth = sample(0.1, json!(1900), 1000);
    assert!((150..250).contains(&tenth.len()), "{}", tenth.len());
    assert_eq!(tenth, sample(0.1, json!(1900.0), 1000));
    assert_ne!(tenth, sample(0.1, json!(1901), 1000));
    assert_eq!(tenth[..5], sample(0.1, json!(1900), 5));
    assert!(sample(0.0, Value::Null, 5).is_empty());
    assert_eq!(sample(1.0, Value::Null, 3), [1, 2, 3]);
}

#[test]
fn a_failure_comes_at_the_record_after_and_what_was_before_is_committed() {
    let failing = |num_messages: u64| json!({"test_destination_type": "FAILING", "num_messages": num_messages});
    let input = || {
        [
            numbered("a", 1, 3),
            numbered("b", 1, 4),
            checkpoint("a", &json!(1)),
            numbered("a", 4, 6),
            checkpoint("a", &json!(2)),
            stream_complete("a"),
        ]
    };
    for (num_messages, committed) in [(0, &[][..]), (3, &[]), (4, &["1"]), (5, &["1"])] {
        let run = write(&failing(num_messages), input());
        assert_eq!(run.committed(), committed, "{num_messages}");
        let failure = run.result.unwrap_err();
        assert_eq!(failure.kind, FailureKind::SystemError);
        assert!(failure.message.contains(&format!("at record {} of", num_messages + 1)), "{failure}");
        assert!(failure.stream().is_some());
    }
    let run = write(&failing(6), input());
    assert_eq!(run.result, Ok(()));
    assert_eq!(run.committed(), ["1", "2"]);
}

#[test]
fn options_that_can_not_be_are_told() {
    for (test_destination, option) in [
        (json!({"test_destination_type": "THROTTLED", "millis_per_record": -1}), "millis_per_record is -1"),
        (json!({"test_destination_type": "FAILING", "num_messages": -1}), "num_messages is -1"),
        (logging(json!({"logging_type": "FirstN", "max_entry_count": 0.5})), "max_entry_count is 0"),
        (
            logging(json!({"logging_type": "EveryNth", "nth_entry_to_log": 0, "max_entry_count": 1})),
            "nth_entry_to_log is 0",
        ),
    ] {
        let failure = mode(test_destination).unwrap_err();
        assert_eq!(failure.kind, FailureKind::ConfigError);
        assert!(failure.message.starts_with(option), "{failure}");
    }
    let entries = |most| Mode::Logging(Entries { every: 1, ratio: 0.5, seed: 7, most });
    let sampling = json!({"logging_type": "RandomSampling", "sampling_ratio": 0.5, "seed": 7, "max_entry_count": 9.9});
    assert_eq!(mode(logging(sampling)), Ok(entries(9)));
}

#[test]
fn the_examples_work() {
    let config: Value = serde_json::from_str(include_str!("../examples/config.json")).unwrap();
    let catalog: Value = serde_json::from_str(include_str!("../examples/catalog.json")).unwrap();
    let run = Host::new().write::<DevNull>(&config, &catalog, [numbered("users", 1, 200)]);
    assert_eq!(run.result, Ok(()));
    assert_eq!(shown(&run, "users").len(), 10);
}
