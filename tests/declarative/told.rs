//! What a run told: requests, records, states, statuses, errors, in a form that can be compared and kept. It must not know which
//! program ran.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::moments::{self, Reach};

/// The longest that a run may take, in seconds.
const RUN: i64 = 120;

/// The parts of what a run told, by their names.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Told(pub Map<String, Value>);

impl Told {
    /// Of lines of stdout. `now` is a moment of the comparison: what hangs on it is taken out.
    pub fn of(stdout: &[u8], code: i32, requests: Vec<Value>, (now, reach): (i64, Reach)) -> Told {
        let text = String::from_utf8_lossy(stdout);
        let messages: Vec<Value> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        let mut told = Map::new();
        told.insert("exit".into(), json!(code));
        told.insert("requests".into(), Value::Array(requests));
        let of = |kind: &'static str, field: &'static str| {
            messages.iter().filter(move |message| message["type"] == kind).map(move |message| &message[field])
        };
        for spec in of("SPEC", "spec") {
            told.insert("spec".into(), spec.clone());
        }
        for status in of("CONNECTION_STATUS", "connectionStatus") {
            told.insert("check".into(), status["status"].clone());
        }
        for catalog in of("CATALOG", "catalog") {
            let streams = catalog["streams"].as_array().into_iter().flatten();
            let streams: Map<String, Value> =
                streams.map(|stream| (text_of(&stream["name"]), stream.clone())).collect();
            told.insert("catalog".into(), Value::Object(streams));
        }
        for control in of("CONTROL", "control") {
            told.insert("config".into(), control["connectorConfig"]["config"].clone());
        }
        let mut records: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        for record in of("RECORD", "record") {
            records.entry(text_of(&record["stream"])).or_default().push(record["data"].clone());
        }
        let mut states: BTreeMap<String, Value> = BTreeMap::new();
        for state in of("STATE", "state") {
            let stream = &state["stream"];
            states.insert(text_of(&stream["stream_descriptor"]["name"]), stream["stream_state"].clone());
        }
        let mut statuses: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        let mut errors: Vec<Value> = Vec::new();
        let is_check = told.contains_key("check");
        let mut limited: BTreeSet<String> = BTreeSet::new();
        for trace in of("TRACE", "trace") {
            let status = &trace["stream_status"];
            // A check has no streams to tell of; the CDK says of one that it waits.
            // The CDK says of the parent that it waits which it reads for a child, whether or not that is read itself.
            if status["reasons"].as_array().is_some_and(|reasons| !reasons.is_empty()) && !is_check {
                limited.insert(text_of(&status["stream_descriptor"]["name"]));
            } else if status.is_object() && !is_check {
                let entry = statuses.entry(text_of(&status["stream_descriptor"]["name"])).or_default();
                // A stream may say again that it runs.
                if entry.last() != Some(&status["status"]) {
                    entry.push(status["status"].clone());
                }
            }
            let error = &trace["error"];
            if error.is_object() {
                errors.push(json!({"stream": error["stream_descriptor"]["name"], "kind": error["failure_type"]}));
            }
        }
        told.insert("is limited".into(), json!(!limited.is_empty()));
        errors.sort_by_key(Value::to_string);
        errors.dedup();
        // At its end the CDK says once more that streams failed, and before that a job of an AsyncRetriever each time that it fails.
        let is_over =
            |statuses: &Vec<Value>| statuses.last().is_some_and(|last| last != "STARTED" && last != "RUNNING");
        if errors.iter().any(|error| !error["stream"].is_null()) && statuses.values().all(is_over) {
            errors.retain(|error| !error["stream"].is_null());
        }
        for (name, value) in [("records", json!(records)), ("states", json!(states)), ("statuses", json!(statuses))] {
            told.insert(name.into(), value);
        }
        told.insert("errors".into(), Value::Array(errors));
        told.values_mut().for_each(|value| moments::value_without_now(value, now, reach));
        for state in told.get_mut("states").and_then(Value::as_object_mut).into_iter().flatten() {
            sort_partitions(state.1);
        }
        for part in ["requests", "errors"] {
            sort(told.get_mut(part));
        }
        Told(told)
    }

    /// The same without these requests where they come again: the CDK keeps answers that parents gave, but two of its threads
    /// may ask at once, so how often it asks is chance.
    pub fn without_repeated(&mut self, answered: &[Value]) {
        let mut seen = std::collections::HashSet::new();
        if let Some(requests) = self.0.get_mut("requests").and_then(Value::as_array_mut) {
            requests.retain(|request| seen.insert(in_order(request)) || !answered.contains(request));
        }
    }

    /// The same with these requests no more often than the other asked them, but once: a token that one asks for once, the other
    /// may ask for several times.
    pub fn no_more_often(&mut self, logins: &[Value], other: &Told) {
        let asked = |request: &Value| {
            other.part("requests").as_array().into_iter().flatten().filter(|one| *one == request).count()
        };
        let mut left: Vec<(&Value, usize)> = logins.iter().map(|login| (login, asked(login).max(1))).collect();
        if let Some(requests) = self.0.get_mut("requests").and_then(Value::as_array_mut) {
            requests.retain(|request| match left.iter_mut().find(|(login, _)| *login == request) {
                Some((_, 0)) => false,
                Some((_, left)) => {
                    *left -= 1;
                    true
                }
                None => true,
            });
        }
    }

    pub fn part(&self, name: &str) -> &Value {
        self.0.get(name).unwrap_or(&Value::Null)
    }

    /// The same with records in an order of their own, but for streams whose order is told.
    pub fn sort_records(&mut self, has_order: impl Fn(&str) -> bool) {
        let records = self.0.get_mut("records").and_then(Value::as_object_mut);
        for (stream, records) in records.into_iter().flatten() {
            if !has_order(stream) {
                sort(Some(records));
            }
        }
    }

    /// Whether the program fell over, rather than that streams failed.
    pub fn is_broken_off(&self) -> bool {
        let is_left = |statuses: &Value| {
            statuses.as_array().and_then(|all| all.last()).is_some_and(|last| last == "STARTED" || last == "RUNNING")
        };
        let statuses = self.part("statuses").as_object();
        let errors = self.part("errors").as_array();
        // Where errors of streams are told, those without a stream are taken out above.
        errors.is_some_and(|errors| errors.contains(&json!({"stream": null, "kind": "system_error"})))
            || statuses.is_some_and(|statuses| statuses.values().any(is_left))
    }

    /// Whether nothing came of it but an error.
    fn is_refused(&self) -> bool {
        self.part("check") == "FAILED"
            || (self.part("exit") != 0 && self.part("records").as_object().is_none_or(Map::is_empty))
    }

    /// Whether the CDK fell over at its start, with a message that says no kind, or with a crash.
    pub fn is_no_start(&self) -> bool {
        let errors = self.part("errors").as_array();
        let started =
            errors.is_none_or(|errors| errors.is_empty() || errors.iter().any(|error| !error["stream"].is_null()));
        !started && self.part("requests").as_array().is_none_or(Vec::is_empty)
    }

    /// States without how many seconds the sync took, which a global cursor keeps; and where a stream failed, without a state of
    /// parents that says nothing, which the CDK writes and Airlock does not.
    fn states_as_they_work(&self, ours: &Told) -> Value {
        let mut states = self.part("states").clone();
        for (stream, state) in states.as_object_mut().into_iter().flatten() {
            let Some(state) = state.as_object_mut() else { continue };
            let seconds = state.get_mut("lookback_window");
            if let Some(seconds) = seconds.filter(|seconds| seconds.as_i64().is_some_and(|seconds| seconds < RUN)) {
                *seconds = json!("<the time of the sync>");
            }
            let statuses = ours.part("statuses")[stream].as_array();
            let has_failed = statuses.and_then(|statuses| statuses.last()).is_some_and(|last| last == "INCOMPLETE");
            if has_failed && state.get("parent_state") == Some(&json!({})) {
                state.remove("parent_state");
            }
        }
        states
    }

    /// The errors, but of a stream that has several only the one that the other has: a stream that fails says one here, and in the
    /// CDK one for each thread that failed.
    fn errors_but_one_a_stream(&self, ours: &Told) -> Value {
        let of = |told: &Told| told.part("errors").as_array().cloned().unwrap_or_default();
        let (mut theirs, ours) = (of(self), of(ours));
        for one in ours.iter().filter(|one| !one["stream"].is_null()) {
            let is_only = ours.iter().filter(|other| other["stream"] == one["stream"]).count() == 1;
            if is_only && theirs.contains(one) {
                theirs.retain(|other| other == one || other["stream"] != one["stream"]);
            }
        }
        match self.part("errors").is_null() {
            true => Value::Null,
            false => Value::Array(theirs),
        }
    }

    /// What this run has and the other has not, and the other way round, in lines.
    pub fn differences(&self, ours: &Told, names: [&str; 2]) -> Vec<String> {
        let mut lines = Vec::new();
        // Airlock says which field is wrong, and what kind of error that is; the CDK shows where its code was.
        if self.is_no_start() && ours.is_refused() {
            return lines;
        }
        let parts: BTreeSet<&String> = self.0.keys().chain(ours.0.keys()).collect();
        for part in parts {
            // What the streams had done by then is chance.
            if self.is_broken_off() && !["exit", "errors"].contains(&part.as_str()) {
                continue;
            }
            // Recordings may be older than this part.
            if part == "is limited" && self.part(part).is_null() {
                continue;
            }
            let [theirs, ours] = match part.as_str() {
                "states" => [self, ours].map(|told| told.states_as_they_work(ours)),
                "errors" => [self.errors_but_one_a_stream(ours), ours.part(part).clone()],
                _ => [self, ours].map(|told| told.part(part).clone()),
            };
            differences(part, &theirs, &ours, names, &mut lines);
        }
        lines
    }
}

fn text_of(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn sort(values: Option<&mut Value>) {
    if let Some(values) = values.and_then(Value::as_array_mut) {
        values.sort_by_cached_key(in_order);
    }
}

/// JSON with its names in their order: which order they have else is a matter of how `serde_json` was built.
pub fn in_order(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<(&String, &Value)> = fields.iter().collect();
            fields.sort_by_key(|(name, _)| *name);
            let fields = fields.into_iter().map(|(name, value)| format!("{}:{}", json!(name), in_order(value)));
            format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(in_order).collect::<Vec<_>>().join(",")),
        other => other.to_string(),
    }
}

/// Partitions of a state, and of the states of parents, come in the order in which they were read.
fn sort_partitions(state: &mut Value) {
    match state {
        Value::Object(fields) => {
            for (name, value) in fields {
                sort_partitions(value);
                if name == "states" {
                    sort(Some(value));
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(sort_partitions),
        _ => {}
    }
}

/// How many lines a part shows at most.
const SHOWN: usize = 8;

fn differences(path: &str, theirs: &Value, ours: &Value, names: [&str; 2], lines: &mut Vec<String>) {
    if equal(theirs, ours) {
        return;
    }
    match (theirs, ours) {
        (Value::Object(left), Value::Object(right)) => {
            let keys: BTreeSet<&String> = left.keys().chain(right.keys()).collect();
            for key in keys {
                let (left, right) = (left.get(key).unwrap_or(&Value::Null), right.get(key).unwrap_or(&Value::Null));
                differences(&format!("{path}.{key}"), left, right, names, lines);
            }
        }
        (Value::Array(left), Value::Array(right)) if left.len() + right.len() > 2 => {
            let mut missing: Vec<&Value> = Vec::new();
            let mut rest: Vec<&Value> = right.iter().collect();
            for item in left {
                match rest.iter().position(|other| equal(item, other)) {
                    Some(at) => drop(rest.remove(at)),
                    None => missing.push(item),
                }
            }
            if missing.is_empty() && rest.is_empty() {
                lines.push(format!("{path}: the same in another order"));
            } else if missing.len() == 1 && rest.len() == 1 && missing[0].is_object() && rest[0].is_object() {
                differences(&format!("{path}[]"), missing[0], rest[0], names, lines);
            } else {
                lines.push(format!("{path}: {} {}, {} {}", left.len(), names[0], right.len(), names[1]));
                for (name, items) in [(names[0], missing), (names[1], rest)] {
                    lines.extend(items.iter().take(SHOWN).map(|item| format!("    only {name}: {}", short(item))));
                    if items.len() > SHOWN {
                        lines.push(format!("    only {name}: … {} more", items.len() - SHOWN));
                    }
                }
            }
        }
        _ => lines.push(format!("{path}: {} {} | {} {}", names[0], short(theirs), names[1], short(ours))),
    }
}

/// 1 and 1.0 are one number.
fn equal(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => {
            left == right || left.as_f64() == right.as_f64() && (left.is_f64() || right.is_f64())
        }
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| equal(left, right))
        }
        (Value::Object(left), Value::Object(right)) => {
            left.len() == right.len()
                && left.iter().all(|(key, value)| right.get(key).is_some_and(|other| equal(value, other)))
        }
        _ => left == right,
    }
}

fn short(value: &Value) -> String {
    let text = in_order(value);
    match text.char_indices().nth(400) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(lines: &[Value]) -> Told {
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        Told::of(text.as_bytes(), 0, Vec::new(), (0, Reach::Near))
    }

    #[test]
    fn a_difference_is_told_by_its_path() {
        let record =
            |number: i64| json!({"type": "RECORD", "record": {"stream": "a", "data": {"id": number, "b": {"c": 1}}}});
        let state = |value: &str| json!({"type": "STATE", "state": {"stream": {"stream_descriptor": {"name": "a"}, "stream_state": {"x": value}}}});
        let theirs = told(&[record(1), record(2), state("old"), state("new")]);
        assert_eq!(theirs.differences(&told(&[record(1), record(2), state("new")]), ["CDK", "Airlock"]), [""; 0]);
        let lines = theirs.differences(&told(&[record(1), record(3), state("old")]), ["CDK", "Airlock"]);
        assert_eq!(lines, ["records.a[].id: CDK 2 | Airlock 3", r#"states.a.x: CDK "new" | Airlock "old""#,]);
    }

    #[test]
    fn of_a_stream_that_failed_one_error_and_what_its_state_says_are_compared() {
        let error = |stream: &str, kind: &str| json!({"type": "TRACE", "trace": {"error": {"stream_descriptor": {"name": stream}, "failure_type": kind}}});
        let state = |parents: Value| json!({"type": "STATE", "state": {"stream": {"stream_descriptor": {"name": "a"}, "stream_state": parents}}});
        let status = |status: &str| json!({"type": "TRACE", "trace": {"stream_status": {"stream_descriptor": {"name": "a"}, "status": status}}});
        let is_equal =
            |theirs: &[Value], ours: &[Value]| told(theirs).differences(&told(ours), ["CDK", "Airlock"]).is_empty();
        let [config, system] = ["config_error", "system_error"].map(|kind| error("a", kind));
        assert!(is_equal(&[config.clone(), system.clone()], std::slice::from_ref(&system)));
        assert!(!is_equal(std::slice::from_ref(&config), std::slice::from_ref(&system)));
        assert!(!is_equal(std::slice::from_ref(&system), &[config.clone(), system.clone()]));
        assert!(!is_equal(&[config, error("b", "system_error")], &[system]));
        for (end, expected) in [("INCOMPLETE", true), ("COMPLETE", false)] {
            let [theirs, ours] = [json!({"parent_state": {}}), json!({})].map(|parents| [state(parents), status(end)]);
            assert_eq!(is_equal(&theirs, &ours), expected, "{end}");
        }
    }

    #[test]
    fn who_logs_in_less_often_is_equal_and_who_does_it_more_often_is_not() {
        let [login, other] = ["POST /login", "POST /items"].map(|line| json!({"request": line}));
        let told = |requests: &[&Value]| {
            let requests = requests.iter().map(|request| (*request).clone()).collect();
            Told::of(b"", 0, requests, (0, Reach::Near))
        };
        for (theirs, ours, is_equal) in [
            (&[&login, &login, &other][..], &[&login, &other][..], true),
            (&[&login, &other], &[&login, &login, &other], false),
            (&[&login, &login, &other], &[&other], false),
            (&[&login, &other, &other], &[&login, &other], false),
        ] {
            let (mut theirs, ours) = (told(theirs), told(ours));
            theirs.no_more_often(std::slice::from_ref(&login), &ours);
            assert_eq!(theirs.differences(&ours, ["CDK", "Airlock"]).is_empty(), is_equal, "{theirs:?} {ours:?}");
        }
    }
}
