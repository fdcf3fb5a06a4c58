//! Airbyte's own source-faker 7.2.1 beside airlock's: what a client can tell them apart by is listed here.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::Command;
use std::thread;

use serde_json::{Value, json};

use super::{python_program, said};
use crate::harness::{Airlock, Workspace, connector};

const STREAMS: [&str; 3] = ["products", "users", "purchases"];

/// What a source printed, without its logs, and how it ended.
struct Told {
    messages: Vec<Value>,
    code: Option<i32>,
}

impl Told {
    fn by(command: &mut Command) -> Told {
        let output = command.output().expect("it starts");
        let text = String::from_utf8(output.stdout.clone()).expect("text");
        let messages =
            text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap_or_else(|_| panic!("{line}")));
        let messages: Vec<Value> = messages.filter(|message| message["type"] != "LOG").collect();
        assert!(!messages.is_empty(), "{}", said(&output));
        Told { messages, code: output.status.code() }
    }

    fn records(&self, stream: &str) -> Vec<&Value> {
        let records = self.messages.iter().map(|message| &message["record"]);
        records.filter(|record| record["stream"] == stream).collect()
    }

    fn states(&self, stream: &str) -> Vec<&Value> {
        let states = self.messages.iter().map(|message| &message["state"]);
        states.filter(|state| state["stream"]["stream_descriptor"]["name"] == stream).collect()
    }

    /// The last state of each stream: what the next sync is given.
    fn last_states(&self) -> Value {
        STREAMS.iter().map(|stream| (*self.states(stream).last().expect("a state")).clone()).collect()
    }

    /// Statuses and estimates, in order.
    fn traces(&self) -> Vec<Value> {
        let traces = self.messages.iter().filter(|message| message["type"] == "TRACE");
        let said = traces.map(|message| match message["trace"]["type"].as_str() {
            Some("STREAM_STATUS") => message["trace"]["stream_status"].clone(),
            Some("ESTIMATE") => message["trace"]["estimate"].clone(),
            _ => message["trace"].clone(),
        });
        said.collect()
    }
}

/// Both sources, each run by its own command line.
struct Both {
    workspace: Workspace,
    catalog: PathBuf,
}

impl Both {
    fn new() -> Both {
        let workspace = Workspace::new();
        let discovered: Value = serde_json::from_str(include_str!("../golden/source-faker.catalog.json")).unwrap();
        let streams = discovered["catalog"]["streams"].as_array().unwrap().iter().map(|stream| {
            json!({"stream": stream, "sync_mode": "incremental", "destination_sync_mode": "append",
                "cursor_field": ["updated_at"], "primary_key": [["id"]]})
        });
        let catalog = workspace.json("catalog.json", &json!({"streams": streams.collect::<Value>()}));
        Both { workspace, catalog }
    }

    fn airlocks(&self, arguments: &[impl AsRef<OsStr>]) -> Told {
        // One stream after the other, as Airbyte's.
        let airlock = Airlock::of(&connector("source-faker")).env("AIRLOCK_MAX_CONCURRENCY", "1");
        Told::by(airlock.into_command().args(arguments))
    }

    fn airbytes(&self, arguments: &[impl AsRef<OsStr>]) -> Told {
        Told::by(python_program("source-faker", "source-faker", &self.workspace).args(arguments))
    }

    /// Airlock's, and Airbyte's.
    fn run(&self, arguments: &[impl AsRef<OsStr>]) -> [Told; 2] {
        [self.airlocks(arguments), self.airbytes(arguments)]
    }

    fn file(&self, name: &str, content: &Value) -> String {
        self.workspace.json(name, content).to_str().unwrap().to_owned()
    }

    fn read_arguments<'a>(&'a self, config: &'a str) -> Vec<&'a str> {
        vec!["read", "--config", config, "--catalog", self.catalog.to_str().unwrap()]
    }
}

/// The keys of a value with their types, all the way down.
fn shape(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let fields: Vec<String> = fields.iter().map(|(name, value)| format!("{name}: {}", shape(value))).collect();
            format!("{{{}}}", fields.join(", "))
        }
        Value::Array(items) => format!("{:?}", shapes(items)),
        Value::String(_) => "string".into(),
        Value::Number(number) if number.is_f64() => "float".into(),
        Value::Number(_) => "integer".into(),
        Value::Bool(_) => "boolean".into(),
        Value::Null => "null".into(),
    }
}

fn shapes<'a>(values: impl IntoIterator<Item = &'a Value>) -> BTreeSet<String> {
    values.into_iter().map(shape).collect()
}

#[test]
fn commands_without_records_say_the_same() {
    let both = Both::new();
    let good = both.file("good.json", &json!({"count": 10, "seed": 1}));
    let bad = both.file("bad.json", &json!({"count": "many"}));
    let empty = both.file("empty.json", &json!({}));
    let commands: [&[&str]; 5] = [
        &["spec"],
        &["check", "--config", &good],
        &["discover", "--config", &good],
        &["check", "--config", &bad],
        &["check", "--config", &empty],
    ];
    let told: Vec<[Told; 2]> = thread::scope(|scope| {
        let threads: Vec<_> = commands.iter().map(|command| scope.spawn(|| both.run(command))).collect();
        threads.into_iter().map(|thread| thread.join().expect("both ran")).collect()
    });
    for [ours, theirs] in &told[..3] {
        assert_eq!(ours.messages, theirs.messages);
        assert_eq!((ours.code, theirs.code), (Some(0), Some(0)));
    }
    // Only the words for what is wrong with a config differ.
    for refused in &told[3] {
        assert_eq!((refused.code, refused.messages.len()), (Some(0), 1));
        assert_eq!(refused.messages[0]["connectionStatus"]["status"], "FAILED");
        let message = refused.messages[0]["connectionStatus"]["message"].as_str().unwrap();
        assert!(message.starts_with("Config validation error: "), "{message}");
    }
    // Airbyte's can not be without the count, though its specification says so.
    let [ours, theirs] = &told[4];
    assert_eq!((ours.code, theirs.code), (Some(0), Some(1)));
}

#[test]
fn a_read_says_the_same_in_the_same_shape() {
    let both = Both::new();
    let config =
        both.file("config.json", &json!({"count": 400, "seed": 1, "records_per_slice": 100, "parallelism": 1}));
    let [ours, theirs] = both.run(&both.read_arguments(&config));
    assert_eq!((ours.code, theirs.code), (Some(0), Some(0)));
    assert_eq!(ours.traces(), theirs.traces(), "statuses and estimates");
    for stream in STREAMS {
        let (our_records, their_records) = (ours.records(stream), theirs.records(stream));
        assert_eq!(our_records.len(), their_records.len(), "{stream}");
        // Of all optional fields there is a record with them and one without, in both.
        assert_eq!(
            shapes(our_records.iter().copied()),
            shapes(their_records.iter().copied()),
            "names and types of fields of {stream}"
        );
        let ids = |records: &[&Value]| records.iter().map(|record| record["data"]["id"].clone()).collect::<Vec<_>>();
        assert_eq!(ids(&our_records), ids(&their_records), "{stream}");
        assert_eq!(shapes(ours.states(stream)), shapes(theirs.states(stream)), "states of {stream}");
    }
    let of_users = |records: &[&Value], field: &str| -> BTreeSet<String> {
        records.iter().map(|record| record["data"][field].as_str().unwrap().to_owned()).collect()
    };
    for field in ["gender", "blood_type", "academic_degree"] {
        let (our_users, their_users) = (ours.records("users"), theirs.records("users"));
        assert_eq!(of_users(&our_users, field), of_users(&their_users, field), "{field}");
    }
    // Who bought what is of each its own; how many each user bought is not.
    let buyers = |records: &[&Value]| {
        let mut buyers: BTreeMap<i64, usize> = BTreeMap::new();
        for record in records {
            *buyers.entry(record["data"]["user_id"].as_i64().unwrap()).or_default() += 1;
        }
        buyers
    };
    assert_eq!(buyers(&ours.records("purchases")), buyers(&theirs.records("purchases")));

    // What differs on purpose, as the connector's README says.
    // Airbyte's states lag: one comes when the records of the next slice are out already.
    let progress = |told: &Told| -> Vec<(i64, f64)> {
        let states = told.states("users").into_iter();
        let of_state = |state: &Value| {
            let count = state["sourceStats"]["recordCount"].as_f64().unwrap();
            (state["stream"]["stream_state"]["loop_offset"].as_i64().unwrap(), count)
        };
        states.map(of_state).collect()
    };
    assert_eq!(progress(&ours), [(100, 100.0), (200, 100.0), (300, 100.0), (400, 100.0)]);
    let theirs_progress = progress(&theirs);
    assert_eq!(theirs_progress.iter().map(|(_, count)| count).sum::<f64>(), 400.0);
    assert_eq!(theirs_progress.last(), Some(&(400, 0.0)));
    // Dates of Airbyte's purchases come without a time zone, which their schema demands.
    let with_zone = |told: &Told| {
        let purchases = told.records("purchases").into_iter().map(|record| record["data"]["created_at"].as_str());
        purchases.filter(|created| created.is_some_and(|created| created.ends_with("+00:00"))).count()
    };
    assert_eq!(with_zone(&ours), ours.records("purchases").len());
    assert!(with_zone(&theirs) < theirs.records("purchases").len());
}

#[test]
fn each_goes_on_from_the_others_states() {
    let both = Both::new();
    let config =
        both.file("config.json", &json!({"count": 40, "seed": 1, "records_per_slice": 10, "always_updated": false}));
    let arguments = both.read_arguments(&config);
    let [ours, theirs] = both.run(&arguments);
    let with_state = |name: &str, states: &Value| -> Vec<String> {
        let state = both.file(name, states);
        arguments.iter().map(|word| (*word).to_owned()).chain(["--state".to_owned(), state]).collect()
    };
    let ours_again = both.airlocks(&with_state("theirs.json", &theirs.last_states()));
    let theirs_again = both.airbytes(&with_state("ours.json", &ours.last_states()));
    for (told, whose) in [(ours_again, "airlock's"), (theirs_again, "Airbyte's")] {
        assert_eq!(told.code, Some(0), "{whose}");
        assert!(STREAMS.iter().all(|stream| told.records(stream).is_empty()), "{whose}");
        assert_eq!(told.traces().iter().filter(|trace| trace["status"] == "COMPLETE").count(), 3, "{whose}");
    }

    // A read of Airbyte's that was interrupted: airlock's brings the rest, and Airbyte's would never.
    let interrupted = json!([theirs.states("users")[0]]);
    let offset = interrupted[0]["stream"]["stream_state"]["loop_offset"].as_i64().unwrap();
    let rest = both.airlocks(&with_state("interrupted.json", &interrupted));
    let ids: Vec<i64> = rest.records("users").iter().map(|user| user["data"]["id"].as_i64().unwrap()).collect();
    assert_eq!(ids, (offset + 1..=40).collect::<Vec<_>>());
}
