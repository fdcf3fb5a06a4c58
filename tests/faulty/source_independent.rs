//! A source that declares its streams to be independent: they are read at once, and none is harmed by what another does.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{Guest, numbers};
use crate::harness::Finished;

const STREAMS: [&str; 3] = ["one", "two", "three"];

/// A read of all streams by so many instances at once, with what each stream does.
fn read(concurrency: u32, streams: &Value) -> Finished {
    read_with(&Guest::new("source-independent"), concurrency, &json!({"streams": streams}))
}

fn read_with(guest: &Guest, concurrency: u32, config: &Value) -> Finished {
    guest.read(config, &STREAMS).option("--max-concurrency", concurrency.to_string()).run()
}

/// The stream was read to its end: nothing before it is missing, and its state came.
#[track_caller]
fn is_whole(finished: &Finished, stream: &str) {
    assert_eq!(finished.statuses(stream), ["STARTED", "RUNNING", "COMPLETE"], "{stream}");
    assert_eq!(finished.records(stream).last().unwrap()["of"], stream);
    assert_eq!(states(finished, stream).last().unwrap()["of"], stream);
}

fn states<'a>(finished: &'a Finished, stream: &str) -> Vec<&'a Value> {
    let states = finished.states().into_iter().map(|state| &state["stream"]);
    states.filter(|state| state["stream_descriptor"]["name"] == stream).map(|state| &state["stream_state"]).collect()
}

/// What each instance said of itself at its beginning.
fn told(finished: &Finished) -> Vec<&str> {
    finished.logs("INFO").into_iter().filter(|text| text.contains(" streams, state ")).collect()
}

#[test]
fn instances_run_at_the_same_time_and_share_airbyte() {
    let meets = |others: [&str; 2]| json!({"does": "meets", "others": others});
    let streams =
        json!({"one": meets(["two", "three"]), "two": meets(["one", "three"]), "three": meets(["one", "two"])});
    let finished = read(3, &streams).exits(0);
    STREAMS.iter().for_each(|stream| is_whole(&finished, stream));
    assert_eq!(told(&finished), ["1 streams, state none, token null"; 3]);
}

#[test]
fn no_more_run_than_the_user_or_the_connector_allows() {
    let guest = Guest::new("source-independent");
    let meets = json!({"does": "meets", "others": ["two"]});
    let cases = [(1, json!({"streams": {}})), (3, json!({"streams": {}, "max_concurrency": 1}))];
    for (concurrency, config) in cases {
        let finished = read_with(&guest, concurrency, &config).exits(0);
        STREAMS.iter().for_each(|stream| is_whole(&finished, stream));
        assert_eq!(told(&finished), ["3 streams, state none, token null"], "one instance reads them all");
    }
    // Two at once, so that the third begins after one of them has ended.
    let config = json!({"streams": {"one": meets, "two": {"does": "meets", "others": ["one"]}}, "max_concurrency": 2});
    let finished = read_with(&guest, 3, &config).exits(0);
    STREAMS.iter().for_each(|stream| is_whole(&finished, stream));
    let statuses: Vec<&Value> = finished
        .of_type("TRACE")
        .into_iter()
        .map(|message| &message["trace"]["stream_status"])
        .filter(|status| ["STARTED", "COMPLETE"].iter().any(|word| status["status"] == *word))
        .collect();
    let begins = statuses.iter().position(|status| status["stream_descriptor"]["name"] == "three").unwrap();
    assert!(statuses[..begins].iter().any(|status| status["status"] == "COMPLETE"), "{statuses:#?}");
}

#[test]
fn a_connector_that_can_not_say_how_many_fails_the_read() {
    let finished = read_with(&Guest::new("source-independent"), 3, &json!({"max_concurrency": 0})).exits(1);
    assert_eq!(finished.error(), ("config_error", "it can not be said how many streams are read at once"));
}

#[test]
fn order_is_kept_within_each_stream_and_states_count_their_own_records() {
    let repeats = json!({"does": "repeats", "batches": 200});
    let finished = read(3, &json!({"one": repeats, "two": repeats, "three": repeats})).exits(0);
    for stream in STREAMS {
        is_whole(&finished, stream);
        let records = finished.records(stream);
        let (last, records) = records.split_last().unwrap();
        assert_eq!(last["of"], stream);
        assert_eq!(numbers(records), (0..20_000).collect::<Vec<u64>>());
        // Of the lines of this stream alone: a state after each hundred records, with their count.
        let mut since = 0;
        for message in &finished.messages {
            if message["record"]["stream"] == stream {
                since += 1;
            } else if message["state"]["stream"]["stream_descriptor"]["name"] == stream {
                assert_eq!(message["state"]["sourceStats"]["recordCount"].as_f64(), Some(f64::from(since)));
                since = 0;
            }
        }
        assert_eq!(since, 0);
    }
}

#[test]
fn one_that_fails_leaves_the_others_to_finish() {
    for (does, kind, part) in [
        ("fails", "transient_error", "it fails, as it was told to"),
        ("traps", "system_error", "it traps, as it was told to"),
        ("gives garbage", "system_error", "Record 3 of stream two is not a JSON object"),
        ("gives a global state", "system_error", "declares its streams to be independent"),
    ] {
        // The others go on after it has failed.
        let two = json!({"does": does});
        let one = json!({"does": "repeats", "batches": 50});
        let finished = read(2, &json!({"one": one, "two": two})).exits(1);
        is_whole(&finished, "one");
        is_whole(&finished, "three");
        assert_eq!(finished.statuses("two").last(), Some(&"INCOMPLETE"), "{does}");
        assert_eq!(states(&finished, "two").len(), 0, "{does}");
        let [error] = finished.errors()[..] else { panic!("{does}: {:#?}", finished.errors()) };
        assert_eq!(error["failure_type"], kind, "{does}");
        let text = format!("{} {}", error["message"], error["internal_message"]);
        let logs = finished.logs("WARN").concat();
        assert!(text.contains(part) || logs.contains(part), "{does}: {text}");
        assert_eq!(error["stream_descriptor"]["name"], "two", "{does}");
    }
}

#[test]
fn what_came_before_a_refused_record_stays_and_nothing_after_it() {
    let finished = read(3, &json!({"two": {"does": "gives garbage"}, "one": {"does": "waits", "for": "two"}})).exits(1);
    assert_eq!(numbers(&finished.records("two")), [1, 2]);
    is_whole(&finished, "one");
    is_whole(&finished, "three");
}

#[test]
fn one_that_does_not_hear_is_ended_when_only_it_is_left() {
    let since = Instant::now();
    let finished = read(2, &json!({"one": {"does": "does not hear"}, "two": {"does": "waits", "for": "one"}})).exits(1);
    assert!(since.elapsed() >= Duration::from_secs(10), "it has its grace");
    is_whole(&finished, "two");
    is_whole(&finished, "three");
    assert_eq!(finished.statuses("one").last(), Some(&"INCOMPLETE"));
    assert!(finished.logs("ERROR").concat().contains("10 seconds after it was told to stop"));
}

#[test]
fn a_renewed_config_reaches_the_instances_that_start_later() {
    let config = json!({
        "token": "old",
        // The second has begun before, and the third begins after.
        "streams": {
            "one": {"does": "renews the config", "after": "two"},
            "two": {"does": "meets", "others": ["one"]},
        },
    });
    let finished = read_with(&Guest::new("source-independent"), 2, &config).exits(0);
    assert_eq!(finished.of_type("CONTROL").len(), 1);
    let tokens: Vec<bool> = told(&finished).iter().map(|text| text.ends_with("token \"renewed\"")).collect();
    assert_eq!(tokens.iter().filter(|renewed| **renewed).count(), 1, "{:?}", told(&finished));
    STREAMS.iter().for_each(|stream| is_whole(&finished, stream));
}

#[test]
fn each_gets_its_own_state() {
    let guest = Guest::new("source-independent");
    let state = |name: &str| json!({"type": "STREAM", "stream": {"stream_descriptor": {"name": name}, "stream_state": {"at": name}}});
    let file = guest.workspace.json("state.json", &json!([state("three"), state("one")]));
    let read = guest.read(&json!({}), &STREAMS).option("--max-concurrency", "3").option("--state", &file);
    let finished = read.run().exits(0);
    let mut said = told(&finished);
    said.sort_unstable();
    let own = |name: &str| format!("1 streams, state {name}={{\"at\":\"{name}\"}}, token null");
    assert_eq!(said, ["1 streams, state none, token null".to_owned(), own("one"), own("three")]);

    let global = json!([{"type": "GLOBAL", "global": {"shared_state": {}, "stream_states": []}}]);
    let file = guest.workspace.json("state.json", &global);
    let read = guest.read(&json!({}), &STREAMS).option("--max-concurrency", "3").option("--state", &file);
    assert_eq!(told(&read.run().exits(0)), ["1 streams, state global 0, token null"; 3]);
}

#[test]
fn memory_is_one_for_all() {
    let much = |mib: u32| json!({"does": "takes much memory", "mib": mib});
    let guest = Guest::new("source-independent");
    let read = |mib| {
        let config = json!({"streams": {"one": much(mib), "two": much(mib), "three": much(mib)}});
        guest.read(&config, &STREAMS).option("--max-concurrency", "3").option("--max-memory", "200MiB").run()
    };
    let finished = read(20).exits(0);
    STREAMS.iter().for_each(|stream| is_whole(&finished, stream));
    // Each alone would have room.
    let finished = read(150);
    let errors = finished.errors();
    assert!(errors.iter().all(|error| error["message"].as_str().unwrap().contains("--max-memory")), "{errors:#?}");
    for stream in STREAMS {
        let failed = errors.iter().any(|error| error["stream_descriptor"]["name"] == stream);
        assert_eq!(finished.statuses(stream).last(), Some(if failed { &"INCOMPLETE" } else { &"COMPLETE" }));
    }
    assert_eq!(finished.status.code(), Some(i32::from(!errors.is_empty())));
}
