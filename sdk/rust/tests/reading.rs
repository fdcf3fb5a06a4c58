//! A source's writers, against a host in memory: what leaves, when, and in which order.

use std::time::{Duration, SystemTime};

use airlock_sdk::testing::{Event, Host, Run, pass_time};
use airlock_sdk::*;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

#[derive(Deserialize, JsonSchema)]
struct Config {}

/// Declares a source that reads like this, and runs it.
macro_rules! read {
    ($host:expr, $read:expr) => {{
        struct Reads;
        impl Source for Reads {
            type Config = Config;
            fn check(_: Config) -> Result<()> {
                Ok(())
            }
            fn discover(_: Config) -> Result<Catalog> {
                Ok(Catalog::default())
            }
            fn read(_: Config, catalog: ConfiguredCatalog, state: SavedState) -> Result<()> {
                let read: fn(ConfiguredCatalog, SavedState) -> Result<()> = $read;
                read(catalog, state)
            }
        }
        $host.read::<Reads>(&json!({}), &json!({"streams": []}))
    }};
}

/// How many records each batch has, and what else happened.
fn outline(run: &Run) -> Vec<String> {
    run.events
        .iter()
        .map(|event| match event {
            Event::Opened(stream) => format!("open {stream}"),
            Event::Records { stream, lines, .. } => format!("{} {stream}", lines.lines().count()),
            Event::Checkpoint { stream, state } => format!("checkpoint {stream} {state}"),
            Event::GlobalCheckpoint { .. } => "global checkpoint".to_owned(),
            Event::Estimate { stream, .. } => format!("estimate {stream}"),
            Event::Running { stream, .. } => format!("running {stream}"),
            Event::Finished { stream, failed } => match failed {
                None => format!("complete {stream}"),
                Some(message) => format!("failed {stream}: {message}"),
            },
            other => format!("{other:?}"),
        })
        .collect()
}

#[test]
fn batches_leave_by_size_and_lose_nothing() {
    let run = read!(Host::new(), |_, _| {
        let mut writer = StreamWriter::open("big")?;
        for number in 0..3000 {
            writer.write(&json!({"number": number, "padding": "x".repeat(300)}))?;
        }
        Ok(())
    });
    assert_eq!(run.result, Ok(()));
    let mut batches = 0;
    for event in &run.events {
        if let Event::Records { lines, .. } = event {
            assert!(lines.len() < 256 * 1024 + 400, "{}", lines.len());
            assert!(lines.ends_with('\n'));
            batches += 1;
        }
    }
    assert_eq!(batches, 4);
    let numbers: Vec<u64> = run.records("big").iter().filter_map(|record| record["number"].as_u64()).collect();
    assert_eq!(numbers, (0..3000).collect::<Vec<u64>>());
}

#[test]
fn a_record_a_second_leaves_a_second_after_it_came() {
    let run = read!(Host::new(), |_, _| {
        let mut writer = StreamWriter::open("slow")?;
        for number in 0..5 {
            writer.write(&json!({"number": number}))?;
            pass_time(Duration::from_millis(600));
        }
        Ok(())
    });
    // The third write comes 1.2 seconds after the first.
    assert_eq!(outline(&run), ["open slow", "3 slow", "2 slow"]);
}

#[test]
fn a_burst_does_not_blind_a_trickle() {
    let run = read!(Host::new(), |_, _| {
        let mut writer = StreamWriter::open("users")?;
        for number in 0..1000 {
            writer.write(&json!({"number": number}))?;
        }
        for number in 1000..1100 {
            pass_time(Duration::from_secs(2));
            writer.write(&json!({"number": number}))?;
        }
        Ok(())
    });
    let batches = outline(&run);
    let first: usize = batches[1].split(' ').next().unwrap().parse().unwrap();
    assert!(first <= 1016, "{first}");
    assert!(batches[2..].iter().all(|batch| batch == "2 users" || batch == "1 users"), "{batches:?}");
}

#[test]
fn an_idle_stream_leaves_with_a_busy_one() {
    let run = read!(Host::new(), |_, _| {
        let mut idle = StreamWriter::open("idle")?;
        let mut busy = StreamWriter::open("busy")?;
        idle.write(&json!({"a": 1}))?;
        busy.write(&json!({"a": 1}))?;
        pass_time(Duration::from_secs(2));
        busy.write(&json!({"a": 2}))?;
        busy.checkpoint(&json!({"at": 2}))
    });
    assert_eq!(outline(&run), ["open idle", "open busy", "1 idle", "2 busy", "checkpoint busy {\"at\":2}"]);
}

#[test]
fn what_is_said_comes_after_the_records_before_it() {
    let run = read!(Host::new(), |_, _| {
        let mut writer = StreamWriter::open("users")?;
        writer.estimate(10, 100)?;
        writer.write(&json!({"id": 1}))?;
        writer.checkpoint(&json!({"id": 1}))?;
        writer.write(&json!({"id": 2}))?;
        writer.rate_limited(Some(SystemTime::UNIX_EPOCH + Duration::from_millis(1234)))?;
        writer.write(&json!({"id": 3}))?;
        writer.flush()?;
        writer.flush()?;
        writer.write(&json!({"id": 4}))?;
        writer.complete()
    });
    assert_eq!(
        outline(&run),
        [
            "open users",
            "estimate users",
            "1 users",
            "checkpoint users {\"id\":1}",
            "1 users",
            "running users",
            "1 users",
            "1 users",
            "complete users"
        ]
    );
    // Which field comes first is serde_json's business.
    let parsed = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    let said = |event: &Event| match event {
        Event::Running { stream, reasons } if stream.name == "users" => Some(parsed(reasons)),
        Event::Estimate { stream, estimate } if stream.name == "users" => Some(parsed(estimate)),
        _ => None,
    };
    assert_eq!(
        run.events.iter().filter_map(said).collect::<Vec<_>>(),
        [
            json!({"byte_estimate": 100, "row_estimate": 10}),
            json!([{"type": "RATE_LIMITED", "rate_limited": {"quota_reset": 1234}}]),
        ]
    );
}

#[test]
fn a_failed_read_still_sends_what_was_read() {
    let run = read!(Host::new(), |_, _| {
        let mut writer = StreamWriter::open("users")?;
        writer.write(&json!({"id": 1}))?;
        Err(transient_error("The server went away: try again later."))
    });
    assert_eq!(outline(&run), ["open users", "1 users"]);
    let failure = run.result.unwrap_err();
    assert_eq!(failure.kind, FailureKind::TransientError);
}

#[test]
fn a_writer_that_is_never_dropped_is_flushed_all_the_same() {
    let run = read!(Host::new(), |_, _| {
        let mut writer = StreamWriter::open("users")?;
        writer.write(&json!({"id": 1}))?;
        std::mem::forget(writer);
        Ok(())
    });
    assert_eq!(outline(&run), ["open users", "1 users"]);
}

#[test]
fn one_stream_fails_and_the_other_goes_on() {
    let run = read!(Host::new(), |_, _| {
        let mut broken = StreamWriter::open("broken")?;
        broken.write(&json!({"id": 1}))?;
        broken.fail(config_error("There is no such table: choose another."))?;
        StreamWriter::open("users")?.write(&json!({"id": 1}))
    });
    assert_eq!(run.result, Ok(()));
    assert_eq!(
        outline(&run),
        ["open broken", "1 broken", "failed broken: There is no such table: choose another.", "open users", "1 users"]
    );
}

#[test]
fn a_global_checkpoint_comes_after_the_records_of_all_streams() {
    let run = read!(Host::new(), |_, _| {
        let mut users = StreamWriter::open("users")?;
        let mut carts = StreamWriter::open("carts")?;
        users.write(&json!({"id": 1}))?;
        carts.write(&json!({"id": 2}))?;
        global_checkpoint(&GlobalState {
            shared: Some(json!({"log": 7})),
            streams: vec![("users".into(), json!({"snapshot": true}))],
        })
    });
    assert_eq!(outline(&run), ["open users", "open carts", "1 users", "1 carts", "global checkpoint"]);
    assert_eq!(
        run.events.last(),
        Some(&Event::GlobalCheckpoint {
            shared: Some(r#"{"log":7}"#.into()),
            streams: vec![("users".into(), r#"{"snapshot":true}"#.into())],
        })
    );
}

#[test]
fn ready_json_becomes_one_line() {
    let run = read!(Host::new(), |_, _| {
        let mut writer = StreamWriter::open("users")?;
        writer.write_json(br#"{"id":1}"#)?;
        writer.write_json(b"{\r\n  \"id\": 2\n}\n")?;
        let raw: Box<RawValue> = serde_json::from_str("{\n\"id\":3}")?;
        writer.write(&raw)?;
        for broken in [&b"{\"id\":\n"[..], b"", b"  ", b"{\"a\":\"x\ny\"}"] {
            let failure = writer.write_json(broken).unwrap_err();
            assert_eq!(failure.stream(), Some(&"users".into()));
        }
        Ok(())
    });
    assert_eq!(run.result, Ok(()));
    assert_eq!(run.records("users"), [json!({"id": 1}), json!({"id": 2}), json!({"id": 3})]);
}

#[test]
fn ready_lines_leave_at_once_and_after_what_came_before() {
    let run = read!(Host::new(), |_, _| {
        let mut idle = StreamWriter::open("idle")?;
        let mut writer = StreamWriter::open("users")?;
        idle.write(&json!({"id": 0}))?;
        writer.write(&json!({"id": 1}))?;
        writer.write_lines(b"{\"id\":2}\n{\"id\":3}\n")?;
        writer.write_lines(b"")?;
        pass_time(Duration::from_secs(2));
        writer.write_lines(b"{\"id\":4}\n")?;
        writer.checkpoint(&json!({"id": 4}))
    });
    assert_eq!(
        outline(&run),
        ["open idle", "open users", "1 users", "2 users", "1 users", "1 idle", "checkpoint users {\"id\":4}"]
    );
    assert_eq!(run.records("users").len(), 4);
}

#[test]
fn nothing_is_held_back_while_a_source_waits() {
    let run = read!(Host::new(), |_, _| {
        let mut users = StreamWriter::open("users")?;
        let mut carts = StreamWriter::open("carts")?;
        users.write(&json!({"id": 1}))?;
        carts.write(&json!({"id": 2}))?;
        wait(Duration::from_secs(600))?;
        log::info!("after");
        // A wait after which no time is left is none.
        wait(Duration::ZERO)
    });
    assert_eq!(run.result, Ok(()));
    assert_eq!(outline(&run), ["open users", "open carts", "1 users", "1 carts", "Waited(600s)", "Log(\"after\")"]);
}

#[test]
fn an_interruption_ends_a_wait() {
    let run = read!(Host::new().interrupting_after(1, Interruption::Cancelled), |_, _| {
        let mut writer = StreamWriter::open("users")?;
        writer.write(&json!({"id": 1}))?;
        let failure = wait(Duration::MAX).unwrap_err();
        assert_eq!(failure.interruption(), Some(&Interruption::Cancelled));
        Err(failure)
    });
    assert_eq!(outline(&run), ["open users", "1 users"]);
    assert!(run.result.is_err());
}

#[test]
fn half_a_record_does_not_leave() {
    struct Half;
    impl serde::Serialize for Half {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            use serde::ser::{Error, SerializeMap};
            serializer.serialize_map(None)?.serialize_entry("id", &1)?;
            Err(S::Error::custom("no more"))
        }
    }
    let run = read!(Host::new(), |_, _| {
        let mut writer = StreamWriter::open("users")?;
        writer.write(&json!({"id": 1}))?;
        assert!(writer.write(&Half).is_err());
        writer.write(&json!({"id": 2}))
    });
    assert_eq!(run.records("users"), [json!({"id": 1}), json!({"id": 2})]);
}

#[test]
fn annotations_count_from_the_start_of_their_batch() {
    let run = read!(Host::new(), |_, _| {
        let mut writer = StreamWriter::open("files")?;
        let dated = |emitted_at| Annotation { emitted_at: Some(emitted_at), ..Annotation::default() };
        writer.write(&json!({"id": 1}))?;
        writer.write_annotated(&json!({"id": 2}), dated(20))?;
        writer.flush()?;
        writer.write_annotated(&json!({"id": 3}), dated(30))?;
        writer.write(&json!({"id": 4}))
    });
    let indices: Vec<Vec<(u32, Option<i64>)>> = run
        .events
        .iter()
        .filter_map(|event| match event {
            Event::Records { annotations, .. } => {
                Some(annotations.iter().map(|(index, annotation)| (*index, annotation.emitted_at)).collect())
            }
            _ => None,
        })
        .collect();
    assert_eq!(indices, [[(1, Some(20))], [(0, Some(30))]]);
}

#[test]
fn an_interruption_ends_the_read_and_is_known_as_one() {
    let run = read!(Host::new().interrupting_after(1, Interruption::Closed), |_, _| {
        let mut writer = StreamWriter::open("users")?;
        writer.write(&json!({"id": 1}))?;
        writer.flush()?;
        writer.write(&json!({"id": 2}))?;
        let failure = writer.checkpoint(&json!({"id": 2})).unwrap_err();
        assert_eq!(failure.interruption(), Some(&Interruption::Closed));
        Err(failure)
    });
    assert_eq!(outline(&run), ["open users", "1 users"]);
    assert!(run.result.unwrap_err().message.contains("nobody reads the output"));
}

#[test]
fn an_interruption_that_only_a_drop_notices_is_not_lost() {
    let run = read!(Host::new().interrupting_after(0, Interruption::Cancelled), |_, _| StreamWriter::open("users")?
        .write(&json!({"id": 1})));
    assert!(run.result.unwrap_err().message.contains("cancelled"));
}

#[test]
fn a_state_must_be_an_object() {
    let run = read!(Host::new(), |_, _| StreamWriter::open("users")?.checkpoint(&7));
    assert!(run.result.unwrap_err().message.contains("not a JSON object"));
}

#[test]
fn the_state_arrives() {
    let host = Host::new().with_state([("users", json!({"id": 41}))]);
    let run = read!(host, |_, state| {
        let id = state.stream::<Value>("users")?.map(|position| position["id"].clone());
        assert_eq!(id, Some(json!(41)));
        config_changed(&json!({"token": "new"}))?;
        analytics("pages", Some("3"));
        log::info!("It is {}.", 41);
        log::debug!("Nobody wants to know.");
        Ok(())
    });
    assert_eq!(
        run.events,
        [
            Event::ConfigChanged(r#"{"token":"new"}"#.into()),
            Event::Analytics { kind: "pages".into(), value: Some("3".into()) },
            Event::Log("It is 41.".into()),
        ]
    );
}
