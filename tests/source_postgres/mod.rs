//! source-postgres against real servers.

mod check;
mod discover;
mod domains;
mod encryption;
mod failures;
mod full_refresh;
mod incremental;
mod large;
mod spec;
mod types;
mod values;

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, ExitStatus};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::harness::postgres::{Database, PASSWORD};
use crate::harness::{Airlock, Finished, Workspace, connector};

/// The connector with a configuration.
struct Source {
    workspace: Workspace,
    config: Value,
}

impl Source {
    fn of(database: &Database) -> Source {
        Source::with(database.config())
    }

    fn with(config: Value) -> Source {
        Source { workspace: Workspace::new(), config }
    }

    fn command(&self, command: &str) -> Airlock {
        let config = self.workspace.json("config.json", &self.config);
        Airlock::of(&connector("source-postgres")).arg(command).option("--config", config)
    }

    /// A check, which is told as it is: none for a success.
    #[track_caller]
    fn check(&self) -> Option<String> {
        let finished = seen(self.command("check").run().exits(0));
        let status = &finished.of_type("CONNECTION_STATUS")[0]["connectionStatus"];
        (status["status"] == "FAILED").then(|| status["message"].as_str().unwrap().to_owned())
    }

    /// The streams that there are.
    #[track_caller]
    fn discover(&self) -> Vec<Value> {
        let finished = seen(self.command("discover").run().exits(0));
        finished.of_type("CATALOG")[0]["catalog"]["streams"].as_array().unwrap().clone()
    }

    /// One of them.
    #[track_caller]
    fn stream(&self, name: &str) -> Value {
        let streams = self.discover();
        let found = streams.iter().find(|stream| stream["name"] == name);
        found.unwrap_or_else(|| panic!("no {name} in {streams:#?}")).clone()
    }

    /// All that there is, once.
    #[track_caller]
    fn full_refresh(&self) -> Value {
        catalog(self.discover().into_iter().map(|stream| configured(stream, None)))
    }

    /// One stream, by a cursor.
    #[track_caller]
    fn incremental(&self, name: &str, cursor: &str) -> Value {
        catalog([configured(self.stream(name), Some(cursor))])
    }

    fn reading(&self, catalog: &Value, state: Option<&[Value]>) -> Airlock {
        let run = self.command("read").option("--catalog", self.workspace.json("catalog.json", catalog));
        match state {
            Some(state) => run.option("--state", self.workspace.json("state.json", &json!(state))),
            None => run,
        }
    }

    /// A read to its end.
    #[track_caller]
    fn read(&self, catalog: &Value, state: Option<&[Value]>) -> Finished {
        seen(self.reading(catalog, state).run())
    }

    /// A read that is watched.
    fn start(&self, catalog: &Value, state: Option<&[Value]>) -> Reading {
        let mut child = self.reading(catalog, state).spawn();
        let stdout = BufReader::with_capacity(1 << 18, child.stdout.take().unwrap());
        Reading { child, stdout }
    }
}

/// What a run printed, which has no password in it.
#[track_caller]
fn seen(finished: Finished) -> Finished {
    let stdout = String::from_utf8_lossy(&finished.stdout);
    assert!(!stdout.contains(PASSWORD) && !finished.stderr.contains(PASSWORD), "a password is seen");
    finished
}

/// A discovered stream as a user configures it: by a cursor, or whole.
fn configured(stream: Value, cursor: Option<&str>) -> Value {
    let mut configured = json!({"stream": stream, "sync_mode": "full_refresh", "destination_sync_mode": "append",
        "generation_id": 1, "minimum_generation_id": 0, "sync_id": 1});
    if let Some(cursor) = cursor {
        configured["sync_mode"] = json!("incremental");
        configured["cursor_field"] = json!([cursor]);
    }
    configured
}

fn catalog(streams: impl IntoIterator<Item = Value>) -> Value {
    json!({"streams": streams.into_iter().collect::<Vec<_>>()})
}

/// The states of a run, for the next one: the last of each stream.
fn states(finished: &Finished) -> Vec<Value> {
    let mut last: Vec<Value> = Vec::new();
    for state in finished.states() {
        let stream = &state["stream"]["stream_descriptor"];
        last.retain(|state| state["stream"]["stream_descriptor"] != *stream);
        last.push(state.clone());
    }
    last
}

/// A column of the records of a stream, as whole numbers.
fn numbers(finished: &Finished, stream: &str, column: &str) -> Vec<i64> {
    finished.records(stream).iter().map(|record| record[column].as_i64().unwrap()).collect()
}

/// A read that is under way.
struct Reading {
    child: Child,
    stdout: BufReader<ChildStdout>,
}

/// What a watched read has printed until it ended.
struct Watched {
    status: ExitStatus,
    stderr: String,
    /// The `id` of each record, and after which of them there was which state.
    ids: Vec<i64>,
    states: Vec<(usize, Value)>,
    errors: Vec<Value>,
}

impl Watched {
    /// What a destination has committed: the records before the last state, and the state.
    fn committed(&self) -> (&[i64], Option<Vec<Value>>) {
        match self.states.last() {
            Some((records, state)) => (&self.ids[..*records], Some(vec![state.clone()])),
            None => (&[], None),
        }
    }

    fn committed_state(&self) -> Option<Vec<Value>> {
        self.committed().1
    }
}

impl Reading {
    /// The process, to send signals to or to look at.
    fn id(&self) -> u32 {
        self.child.id()
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Reads to the end, whatever that is. After each line, `watch` hears how many records and states there have been. A last
    /// line that was cut off is none.
    fn watch(mut self, mut watch: impl FnMut(&Reading, usize, usize)) -> Watched {
        let (mut ids, mut states, mut errors) = (Vec::new(), Vec::new(), Vec::new());
        let mut line = Vec::new();
        loop {
            line.clear();
            if self.stdout.read_until(b'\n', &mut line).unwrap() == 0 || !line.ends_with(b"\n") {
                break;
            }
            // Parsing all of them takes much longer than reading them.
            if line.starts_with(b"{\"type\":\"RECORD\"") {
                ids.push(id(&line));
            } else {
                let message: Value = serde_json::from_slice(&line).unwrap();
                if message["type"] == "STATE" {
                    states.push((ids.len(), message["state"].clone()));
                } else if message["trace"]["type"] == "ERROR" {
                    errors.push(message["trace"]["error"].clone());
                }
            }
            watch(&self, ids.len(), states.len());
        }
        let mut stderr = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
        Watched { status: self.child.wait().unwrap(), stderr, ids, states, errors }
    }
}

/// The number of a record that begins with it.
fn id(line: &[u8]) -> i64 {
    let text = std::str::from_utf8(line).unwrap();
    let from = text.find("\"id\":").expect("records have an id") + 5;
    let digits = text[from..].find([',', '}']).unwrap();
    text[from..from + digits].parse().unwrap()
}

/// All of them, each once.
#[track_caller]
fn assert_each_once(mut ids: Vec<i64>, expected: impl IntoIterator<Item = i64>) {
    ids.sort_unstable();
    let expected: Vec<i64> = expected.into_iter().collect();
    let twice: Vec<i64> = ids.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| pair[0]).take(5).collect();
    assert!(twice.is_empty(), "twice: {twice:?}");
    let missing: Vec<&i64> = expected.iter().filter(|id| ids.binary_search(id).is_err()).take(5).collect();
    assert!(ids == expected, "{} of {}, without {missing:?}", ids.len(), expected.len());
}
