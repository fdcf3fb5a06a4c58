//! What a sync owes: the platform's knowledge of what it passed on and of what was acknowledged, held against the files after
//! each attempt. It must not know how an attempt is run.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;

use rustix::process::Signal;
use serde_json::Value;

use super::attempt::{Attempt, Ended};
use crate::harness::protocol;

/// The files of destination-local-json.
pub struct Files {
    pub directory: PathBuf,
    /// The generation that replaces what is there; none where records are appended.
    pub generation: Option<i64>,
    /// What readers saw of each stream before that.
    pub earlier: BTreeMap<String, Vec<u8>>,
}

/// What is there of a stream's new records.
struct Found {
    content: Vec<u8>,
    /// Whether readers see it.
    visible: bool,
}

impl Files {
    /// What readers see of a stream.
    pub fn visible(&self, stream: &str) -> Vec<u8> {
        fs::read(self.directory.join(format!("_airbyte_raw_{stream}.jsonl"))).unwrap_or_default()
    }

    fn found(&self, stream: &str) -> Found {
        let visible = self.visible(stream);
        let Some(generation) = self.generation else { return Found { content: visible, visible: true } };
        let temporary = self.directory.join(format!("._airbyte_raw_{stream}.generation-{generation}.jsonl"));
        if visible == self.earlier.get(stream).map_or(&[][..], Vec::as_slice) {
            return Found { content: fs::read(temporary).unwrap_or_default(), visible: false };
        }
        assert!(!temporary.exists(), "{stream}: readers see other records, and there is a temporary file too");
        Found { content: visible, visible: true }
    }
}

/// A stream of a sync.
#[derive(Default)]
struct Stream {
    /// The records of acknowledged states.
    promised: BTreeSet<u64>,
    /// How often a record was written that was not acknowledged then, so that it is sent again.
    unacknowledged: BTreeMap<u64, usize>,
    /// What was there after the attempt before, and whether readers saw it.
    content: Vec<u8>,
    visible: bool,
    /// How often each record is in it.
    found: BTreeMap<u64, usize>,
    /// Whether its end was ever passed on.
    complete: bool,
}

/// A sync, from its first attempt to its last.
#[derive(Default)]
pub struct Ledger {
    streams: BTreeMap<String, Stream>,
    /// The latest state of each stream, or the latest global one.
    states: BTreeMap<String, Value>,
    /// How many records were written and not acknowledged.
    pub unacknowledged: usize,
    /// How many states were acknowledged.
    pub acknowledged: usize,
}

impl Ledger {
    /// Of these streams, of which nothing has been read.
    pub fn new(streams: &[&str], files: &Files) -> Ledger {
        let stream = |name: &&str| {
            let Found { content, visible } = files.found(name);
            assert!(content.is_empty(), "{name}: nothing has been written");
            ((*name).to_owned(), Stream { visible, ..Stream::default() })
        };
        Ledger { streams: streams.iter().map(stream).collect(), ..Ledger::default() }
    }

    /// How many records are not acknowledged yet, of as many as a stream has.
    pub fn left(&self, records: impl Fn(&str) -> u64) -> usize {
        let streams = self.streams.iter();
        streams.map(|(name, stream)| records(name) as usize - stream.promised.len()).sum()
    }

    /// What the next attempt goes on from.
    pub fn states(&self) -> Vec<Value> {
        self.states.values().cloned().collect()
    }

    /// Takes an attempt in, and looks at everything that must hold after it.
    pub fn take(&mut self, attempt: &Attempt, files: &Files) {
        let sent = messages(&attempt.source);
        let echoed = messages(&attempt.destination);
        let given = given(attempt, &sent);
        self.look_at_ends(attempt, &sent, &given);
        let acknowledged = self.look_at_states(&given, &echoed);
        let crashed = attempt.destination.status.signal() == Some(Signal::KILL.as_raw());
        for (name, stream) in &mut self.streams {
            let records: Vec<&Value> = given.iter().filter(|message| is_record_of(message, name)).collect();
            let covered = given[..acknowledged.get(name).copied().unwrap_or(0)]
                .iter()
                .filter(|message| is_record_of(message, name))
                .count();
            stream.complete |= given.iter().any(|message| completes(message, name));
            let written = stream.look_at_file(name, files.found(name), &records, crashed);
            let ids: Vec<u64> = records.iter().map(|record| id(&record["record"]["data"])).collect();
            // A destination that could still do something has cut off what nobody acknowledged.
            assert!(
                written == covered || (crashed && written > covered),
                "{name}: {written} written, {covered} covered"
            );
            stream.promised.extend(&ids[..covered]);
            for id in &ids[covered..written] {
                *stream.unacknowledged.entry(*id).or_default() += 1;
            }
            self.unacknowledged += written - covered;
            stream.look_at_records(name);
        }
    }

    /// Looks at the end of a sync: every record is there, and twice only what was not acknowledged the first time.
    pub fn finish(&self, files: &Files, records: impl Fn(&str) -> u64) {
        for (name, stream) in &self.streams {
            assert_eq!(files.visible(name), stream.content, "{name}: readers see it all");
            let count = records(name);
            assert_eq!(stream.found.keys().copied().collect::<Vec<_>>(), (1..=count).collect::<Vec<_>>(), "{name}");
            assert_eq!(stream.promised.len() as u64, count, "{name}: all is acknowledged");
            for (id, times) in &stream.found {
                let twice = stream.unacknowledged.get(id).copied().unwrap_or(0);
                assert_eq!(*times, 1 + twice, "{name}: record {id} is there too often");
            }
        }
    }

    /// Each process ended by its signal, unless it had come to its end before.
    fn look_at_ends(&self, attempt: &Attempt, sent: &[Value], given: &[Value]) {
        let complete = |messages: &[Value]| {
            self.streams.keys().all(|stream| messages.iter().any(|message| completes(message, stream)))
        };
        let Attempt { source, destination, .. } = attempt;
        match (source.signal, source.status.signal()) {
            (Some(signal), Some(ended_by)) => assert_eq!(ended_by, signal.as_raw()),
            (Some(_), None) => assert!(complete(sent), "the source ended by itself: {:?}", source.status),
            (None, ended_by) => assert_eq!(ended_by, None),
        }
        if !attempt.was_killed() {
            assert!(source.status.success() && complete(sent), "{:?}", source.status);
        }
        match (destination.signal, destination.status.signal()) {
            (Some(signal), Some(ended_by)) => assert_eq!(ended_by, signal.as_raw()),
            (Some(_), None) => assert!(attempt.input_ended, "it ended by itself: {:?}", destination.status),
            (None, ended_by) => assert_eq!(ended_by, None),
        }
        if destination.status.signal().is_none() {
            // An input that says nothing at all, or only what was in force, is no failure, and changes nothing.
            let lines = attempt.passed.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).count();
            let says_nothing = given.len() == lines && given.iter().all(|message| message["type"] == "LOG");
            let whole = says_nothing || complete(given);
            assert_eq!(destination.status.code(), Some(i32::from(!whole)), "{}", shown(&destination.stdout));
        }
    }

    /// The states that came back are those that were given, in their order. Says for each stream how many messages were given
    /// up to its last acknowledged state.
    fn look_at_states(&mut self, given: &[Value], echoed: &[Value]) -> BTreeMap<String, usize> {
        let mut acknowledged = BTreeMap::new();
        let mut waiting: BTreeMap<String, Vec<(usize, &Value)>> = BTreeMap::new();
        for (place, message) in given.iter().enumerate().rev().filter(|(_, message)| message["type"] == "STATE") {
            waiting.entry(key(&message["state"])).or_default().push((place + 1, &message["state"]));
        }
        for echo in echoed.iter().filter(|message| message["type"] == "STATE") {
            let mut state = echo["state"].clone();
            state.as_object_mut().and_then(|state| state.remove("destinationStats")).expect("the destination's counts");
            let key = key(&state);
            let (place, expected) = waiting.get_mut(&key).and_then(Vec::pop).expect("it was given");
            assert_eq!(&state, expected, "{key}: each state once, in order");
            if let Some(before) = self.states.get(&key) {
                assert!(position(before) <= position(&state), "{key}: {before} came before {state}");
            }
            self.acknowledged += 1;
            self.states.insert(key.clone(), state);
            if key.is_empty() {
                acknowledged = self.streams.keys().map(|stream| (stream.clone(), place)).collect();
            } else {
                acknowledged.insert(key, place);
            }
        }
        acknowledged
    }
}

impl Stream {
    /// What was there is there still, and what was added are the first of the records that were given. Says how many.
    fn look_at_file(&mut self, name: &str, found: Found, given: &[&Value], crashed: bool) -> usize {
        let before = whole_lines(&self.content);
        assert!(found.content.starts_with(before), "{name}: what was there is there still");
        let mut added = &found.content[before.len()..];
        if added == &self.content[before.len()..] {
            // Nothing was done, not even to a line that the crash before has torn.
            added = &[];
        }
        let lines = whole_lines(added);
        let torn = lines.len() < added.len();
        assert!(!torn || (crashed && (self.visible || !found.visible)), "{name}: a torn line");
        // serde_json takes the line break for white space.
        let lines: Vec<Value> = lines
            .split_inclusive(|byte| *byte == b'\n')
            .map(|line| serde_json::from_slice(line).unwrap_or_else(|error| panic!("{error}: {}", shown(line))))
            .collect();
        assert!(lines.len() <= given.len(), "{name}: more than was given");
        for (line, given) in lines.iter().zip(given) {
            assert_eq!(line["_airbyte_data"], given["record"]["data"], "{name}");
            assert_eq!(line["_airbyte_emitted_at"], given["record"]["emitted_at"], "{name}");
            *self.found.entry(id(&line["_airbyte_data"])).or_default() += 1;
        }
        assert!(!found.visible || self.visible || self.complete, "{name}: readers see what is not complete");
        assert!(found.visible || !self.visible, "{name}: what readers saw is gone");
        self.visible = found.visible;
        self.content = found.content;
        lines.len()
    }

    /// Everything that was acknowledged is there.
    fn look_at_records(&self, name: &str) {
        let lost: Vec<&u64> = self.promised.iter().filter(|id| !self.found.contains_key(id)).collect();
        assert!(lost.is_empty(), "{name}: acknowledged and not there: {lost:?}");
    }
}

/// What a process said. Only of one that was killed may the last line be cut off.
fn messages(ended: &Ended) -> Vec<Value> {
    let whole = whole_lines(&ended.stdout);
    let killed = ended.status.signal() == Some(Signal::KILL.as_raw());
    assert!(killed || whole.len() == ended.stdout.len(), "a torn line: {}", shown(&ended.stdout[whole.len()..]));
    protocol::all_messages(whole)
}

/// What the destination was given: the beginning of what the source said, and perhaps a line of which only the line break is
/// missing.
fn given(attempt: &Attempt, sent: &[Value]) -> Vec<Value> {
    let whole = whole_lines(&attempt.passed);
    let lines = whole.iter().filter(|byte| **byte == b'\n').count();
    let last = serde_json::from_slice(&attempt.passed[whole.len()..]).ok();
    sent[..lines].iter().cloned().chain(last).collect()
}

fn whole_lines(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |place| place + 1);
    &bytes[..end]
}

fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(2000)]).into_owned()
}

fn id(record: &Value) -> u64 {
    record["id"].as_u64().expect("every record has its id")
}

fn is_record_of(message: &Value, stream: &str) -> bool {
    message["type"] == "RECORD" && message["record"]["stream"] == stream
}

fn completes(message: &Value, stream: &str) -> bool {
    let status = &message["trace"]["stream_status"];
    status["status"] == "COMPLETE" && status["stream_descriptor"]["name"] == stream
}

/// The stream of a state; nothing for a global one.
fn key(state: &Value) -> String {
    state["stream"]["stream_descriptor"]["name"].as_str().unwrap_or_default().to_owned()
}

/// How far a state has come.
fn position(state: &Value) -> u64 {
    let blob =
        if state["type"] == "GLOBAL" { &state["global"]["shared_state"] } else { &state["stream"]["stream_state"] };
    blob["loop_offset"].as_u64().or(blob["id"].as_u64()).unwrap_or(0)
}
