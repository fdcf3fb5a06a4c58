//! The small manifests of `manifests/`: one a component or an odd corner, each with its config and, where the server made from
//! the manifest would not do, with what is answered. What the CDK made of each is kept in `recorded/`, so that most tests need
//! no Python; `AIRLOCK_RECORD=1` writes it anew.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::{env, fs};

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::api::{Api, Response};
use super::asked::Asked;
use super::bench::{Answerer, Bench, Command, Program, Run, configured, on_loopback};
use super::cdk::Cdk;
use super::moments;
use super::told::Told;

/// Stands in recordings for the server.
const SERVER: &str = "SERVER";

/// Where relative paths of answers are.
const HOST: &str = "/api.example.com";

pub fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("declarative").join(name)
}

/// The names of all cases.
pub fn names() -> Vec<String> {
    let entries = fs::read_dir(folder("manifests")).expect("the folder is there");
    let mut names: Vec<String> =
        entries.filter_map(|entry| Some(entry.ok()?.path().file_stem()?.to_str()?.to_owned())).collect();
    names.sort();
    names
}

fn file(name: &str) -> PathBuf {
    folder("manifests").join(format!("{name}.yaml"))
}

fn digest(name: &str) -> String {
    let text = fs::read(file(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    Sha256::digest(text).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// Runs a case by the CDK, and returns what is to be recorded.
pub fn record(name: &str, bench: &mut Bench, cdk: &mut Cdk) -> Value {
    let case = cdk.load(&file(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    let authority = bench.authority();
    let [mut manifest, mut config, mut answers] = ["manifest", "config", "answers"].map(|part| case[part].clone());
    for value in [&mut manifest, &mut config, &mut answers] {
        on_loopback(value, &authority);
    }
    if config.is_null() {
        config = json!({});
    }
    complete(&mut manifest);
    // A manifest that the CDK refuses is a case as well.
    let resolved = cdk.resolve(&manifest, &config).unwrap_or_default();
    let api = Arc::new(Mutex::new(Api::of(&resolved, &authority)));
    let mut runs = Vec::new();
    let mut run = |title: &str, command: &str, catalog: Option<&Value>, state: Option<&Value>| -> Run {
        let answerer: Answerer = match answers.as_array() {
            Some(answers) => answering(answers.clone()),
            None => {
                let api = api.clone();
                Box::new(move |asked| api.lock().expect("nobody panics").answer(asked))
            }
        };
        let given = Command { name: command, manifest: &manifest, config: &config, catalog, state };
        let mut run = bench.run(Program::Cdk, Some(cdk), &given, answerer, (moments::now(), moments::Reach::Near));
        if env::var_os("AIRLOCK_VERBOSE").is_some() {
            eprintln!("{name}, {title}: {:#?}", run.errors);
        }
        let api = api.lock().expect("nobody panics");
        run.told.sort_records(|stream| !api.is_partitioned(stream));
        let ordered: Vec<&str> = run.streams_with_records().filter(|stream| !api.is_partitioned(stream)).collect();
        let exchanges: Vec<Value> = run.exchanges.iter().map(|(asked, response)| exchange(asked, response)).collect();
        runs.push(json!({
            "title": title, "command": command, "catalog": catalog, "state": state, "ordered": ordered,
            "exchanges": exchanges, "told": run.told.0,
        }));
        run
    };
    run("check", "check", None, None);
    let streams = run("discover", "discover", None, None).streams;
    if !streams.is_empty() {
        let catalog = configured(&streams, true);
        let read = run("read", "read", Some(&catalog), None);
        if catalog.to_string().contains(r#""sync_mode":"incremental""#) {
            run("read again", "read", Some(&catalog), Some(&read.state));
        }
    }
    let recorded = json!({"manifest_digest": digest(name), "manifest": manifest, "config": config, "runs": runs});
    with_text(&recorded, &authority, SERVER)
}

/// What every manifest has and no case has to say; a case that is about it says so, with null for what is to be missing.
fn complete(manifest: &mut Value) {
    let first = &manifest["streams"][0];
    let stream = first
        .as_str()
        .and_then(|reference| reference.split('/').next_back())
        .map_or(first["name"].clone(), |name| json!(name));
    for (name, usual) in [
        ("version", json!("6.0.0")),
        ("type", json!("DeclarativeSource")),
        ("check", json!({"type": "CheckStream", "stream_names": [stream]})),
        ("spec", json!({"type": "Spec", "connection_specification": {"type": "object", "properties": {}}})),
    ] {
        if let Some(fields) = manifest.as_object_mut() {
            match fields.get(name) {
                None => drop(fields.insert(name.to_owned(), usual)),
                Some(Value::Null) => drop(fields.remove(name)),
                Some(_) => {}
            }
        }
    }
}

fn with_text(value: &Value, from: &str, to: &str) -> Value {
    serde_json::from_str(&value.to_string().replace(from, to)).expect("an address is no JSON")
}

fn exchange(asked: &Value, response: &Response) -> Value {
    let mut exchange =
        json!({"asked": asked, "status": response.status, "body": String::from_utf8_lossy(&response.body)});
    if let Ok(body) = serde_json::from_slice::<Value>(&response.body) {
        if body.to_string().as_bytes() == response.body {
            exchange["body"] = Value::Null;
            exchange["json"] = body;
        }
    }
    if response.headers.iter().any(|(name, value)| name != "Content-Type" || value != "application/json") {
        exchange["headers"] = response.headers.iter().map(|(name, value)| json!([name, value])).collect();
    }
    exchange
}

/// Answers as a case lists them: the first that fits and has not been given as often as it says.
fn answering(answers: Vec<Value>) -> Answerer {
    let mut given = vec![0_u64; answers.len()];
    Box::new(move |asked| {
        for (answer, given) in answers.iter().zip(&mut given) {
            if *given < answer["times"].as_u64().unwrap_or(u64::MAX) && fits(answer, asked) {
                *given += 1;
                return listed(answer);
            }
        }
        Response::json(404, &json!({"error": "the case has no answer"}))
    })
}

fn fits(answer: &Value, asked: &Asked) -> bool {
    let path = answer["path"].as_str().unwrap_or_default();
    let path = if path.starts_with('/') { format!("{HOST}{path}") } else { format!("/{path}") };
    let is_there = |(name, value): (&String, &Value)| {
        let told = asked.has(name).or_else(|| asked.headers.get(&name.to_lowercase()).cloned());
        match value {
            Value::Null => told.is_none(),
            Value::String(text) => told.as_ref() == Some(text),
            other => told == Some(other.to_string()),
        }
    };
    asked.path == path
        && answer["method"].as_str().is_none_or(|method| method == asked.method)
        && answer["with"].as_object().into_iter().flatten().all(is_there)
}

fn listed(answer: &Value) -> Response {
    let status = answer["status"].as_u64().unwrap_or(200) as u16;
    let mut response = Response::json(status, &answer["json"]);
    if let Some(text) = answer["text"].as_str() {
        response = Response { status, headers: Vec::new(), body: text.as_bytes().to_vec() };
    }
    if let Some(text) = answer["gzip"].as_str() {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut encoder, text.as_bytes()).expect("memory takes it");
        response = Response { status, headers: Vec::new(), body: encoder.finish().expect("memory takes it") };
    }
    for (name, value) in answer["headers"].as_object().into_iter().flatten() {
        response.headers.push((name.clone(), value.as_str().map_or_else(|| value.to_string(), str::to_owned)));
    }
    response
}

/// What is recorded of a case.
pub fn recorded(name: &str) -> Value {
    let path = folder("recorded").join(format!("{name}.json"));
    let advice = "record it: AIRLOCK_RECORD=1 cargo test -p airlock-tests -- declarative::live";
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}; {advice}", path.display()));
    let recorded: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert_eq!(recorded["manifest_digest"], digest(name), "{name}.yaml has changed; {advice}");
    recorded
}

pub fn is_recording() -> bool {
    env::var_os("AIRLOCK_RECORD").is_some_and(|value| !value.is_empty())
}

pub fn keep(name: &str, recorded: &Value) {
    let text = serde_json::to_string_pretty(recorded).expect("JSON") + "\n";
    fs::create_dir_all(folder("recorded")).expect("a folder");
    fs::write(folder("recorded").join(format!("{name}.json")), text).expect("a file");
}

/// Runs a case by Airlock against what is recorded: the differences by command.
pub fn replay(name: &str, bench: &mut Bench) -> Vec<(String, Vec<String>)> {
    let recorded = with_text(&recorded(name), SERVER, &bench.authority());
    let mut all = Vec::new();
    for run in recorded["runs"].as_array().into_iter().flatten() {
        let part = |name: &str| Some(&run[name]).filter(|value| !value.is_null());
        let given = Command {
            name: run["command"].as_str().unwrap_or_default(),
            manifest: &recorded["manifest"],
            config: &recorded["config"],
            catalog: part("catalog"),
            state: part("state"),
        };
        let exchanges = run["exchanges"].as_array().cloned().unwrap_or_default();
        let mut ours =
            bench.run(Program::Airlock, None, &given, replaying(exchanges), (moments::now(), moments::Reach::Near));
        let ordered: BTreeSet<&str> =
            run["ordered"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        ours.told.sort_records(|stream| ordered.contains(stream));
        let theirs = Told(run["told"].as_object().cloned().unwrap_or_else(Map::new));
        let lines = theirs.differences(&ours.told, ["CDK", "Airlock"]);
        let said = if lines.is_empty() { Vec::new() } else { ours.errors };
        let lines = lines.into_iter().chain(said.into_iter().map(|text| format!("    Airlock says: {text}"))).collect();
        all.push((run["title"].as_str().unwrap_or_default().to_owned(), lines));
    }
    all
}

/// Answers requests as they were answered to the CDK, each as often.
fn replaying(exchanges: Vec<Value>) -> Answerer {
    let mut used = vec![false; exchanges.len()];
    Box::new(move |asked| {
        let asked = asked.to_value();
        let same = || exchanges.iter().enumerate().filter(|(_, exchange)| exchange["asked"] == asked);
        let found = same().find(|(at, _)| !used[*at]).or(same().next_back());
        let Some((at, exchange)) = found else {
            return Response::json(404, &json!({"error": "the CDK has not asked this"}));
        };
        let body = match &exchange["body"] {
            Value::String(text) => text.clone(),
            _ => exchange["json"].to_string(),
        };
        let mut response = Response {
            status: exchange["status"].as_u64().unwrap_or(500) as u16,
            headers: Vec::new(),
            body: body.into_bytes(),
        };
        match exchange["headers"].as_array() {
            Some(headers) => {
                let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
                response.headers = headers.iter().map(|header| (text(&header[0]), text(&header[1]))).collect();
            }
            None => response.headers.push(("Content-Type".to_owned(), "application/json".to_owned())),
        }
        used[at] = true;
        response
    })
}
