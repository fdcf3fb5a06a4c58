//! Both programs beside one server: each runs a command and tells what it did. It must not judge.

use std::collections::BTreeMap;
use std::fs;
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::api::Response;
use super::asked::Asked;
use super::cdk::Cdk;
use super::moments::{self, Reach};
use super::told::{Told, in_order};
use crate::harness::server::{Server, respond};
use crate::harness::{Airlock, Workspace, connector};

/// The longest that a run may take.
const PATIENCE: &str = "60s";

/// What answers the requests of a run.
pub type Answerer = Box<dyn FnMut(&Asked) -> Response + Send>;

/// Who runs a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    Cdk,
    Airlock,
}

/// A command with what it is given.
#[derive(Debug, Clone)]
pub struct Command<'a> {
    pub name: &'a str,
    pub manifest: &'a Value,
    pub config: &'a Value,
    pub catalog: Option<&'a Value>,
    pub state: Option<&'a Value>,
}

pub struct Bench {
    server: Server,
    answerer: Arc<Mutex<Answerer>>,
    workspace: Workspace,
    /// What the last run printed, for people.
    pub printed: String,
}

/// What a run left behind.
pub struct Run {
    pub told: Told,
    /// As the protocol has it, for the next run.
    pub state: Value,
    /// The same of a run that was broken off when each stream had told its first state, if it told another one later.
    pub begun: Option<Value>,
    /// The CATALOG's streams.
    pub streams: Vec<Value>,
    /// What the errors say, for people.
    pub errors: Vec<String>,
    /// What the errors of streams say.
    pub failures: BTreeMap<String, String>,
    /// In the order in which they came, with what they were answered.
    pub exchanges: Vec<(Value, Response)>,
}

impl Run {
    pub fn streams_with_records(&self) -> impl Iterator<Item = &str> {
        self.told.part("records").as_object().into_iter().flatten().map(|(stream, _)| stream.as_str())
    }
}

impl Bench {
    pub fn new() -> Bench {
        let answerer: Answerer = Box::new(|_| Response::json(500, &json!({"error": "nothing is served yet"})));
        let answerer = Arc::new(Mutex::new(answerer));
        let answers = answerer.clone();
        let server = Server::start(move |request, connection| {
            let response = {
                let mut answer = answers.lock().expect("no answerer panics");
                (*answer)(&Asked::of(request))
            };
            let status = format!("{} {}", response.status, if response.status < 400 { "OK" } else { "Error" });
            let headers: Vec<(&str, &str)> =
                response.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            respond(connection, &status, &headers, &response.body)
        });
        Bench { server, answerer, workspace: Workspace::new(), printed: String::new() }
    }

    pub fn authority(&self) -> String {
        self.server.authority()
    }

    /// Runs a command of a program. `clock` is when the comparison began, and what hangs on that.
    pub fn run(
        &mut self,
        program: Program,
        cdk: Option<&mut Cdk>,
        command: &Command,
        answerer: Answerer,
        clock: (i64, Reach),
    ) -> Run {
        let exchanges = Arc::new(Mutex::new(Vec::new()));
        {
            let (kept, mut answerer) = (exchanges.clone(), answerer);
            *self.answerer.lock().expect("no answerer panics") = Box::new(move |asked| {
                let response = answerer(asked);
                kept.lock().expect("nobody panics").push((asked.to_value(), response.clone()));
                response
            });
        }
        let mut arguments = vec![command.name.to_owned()];
        if command.name == "spec" {
            // The CDK's gets it by `cdk`.
            if matches!(program, Program::Airlock) {
                arguments.extend(["--manifest-path".to_owned(), self.file("manifest.json", command.manifest)]);
            }
        } else {
            let mut config = command.config.clone();
            config["__injected_declarative_manifest"] = command.manifest.clone();
            arguments.extend(["--config".to_owned(), self.file("config.json", &config)]);
        }
        for (option, value) in [("catalog", command.catalog), ("state", command.state)] {
            if let Some(value) = value {
                arguments.extend([format!("--{option}"), self.file(&format!("{option}.json"), value)]);
            }
        }
        let (stdout, code) = match (program, cdk) {
            (Program::Cdk, Some(cdk)) => self.cdk(cdk, command, &arguments),
            (Program::Cdk, None) => panic!("the CDK is not there"),
            (Program::Airlock, _) => self.airlock(&arguments),
        };
        let exchanges = std::mem::take(&mut *exchanges.lock().expect("nobody panics"));
        let requests = exchanges.iter().map(|(request, _): &(Value, Response)| request.clone()).collect();
        let LeftBehind { state, begun, streams } = left_behind(&stdout);
        let (errors, failures) = (errors(&stdout), failures(&stdout));
        // The CDK says at its end once more that streams failed, and what is compared is without that: here nothing may hide behind it.
        if matches!(program, Program::Airlock) && !failures.is_empty() {
            assert_eq!(errors_of_no_stream(&stdout), [] as [Value; 0], "beside those of streams");
        }
        let mut told = Told::of(&stdout, code, requests, clock);
        let mut answered: BTreeMap<String, (Value, bool)> = BTreeMap::new();
        for (request, response) in &exchanges {
            let mut request = request.clone();
            moments::value_without_now(&mut request, clock.0, clock.1);
            let entry = answered.entry(in_order(&request)).or_insert((request, true));
            entry.1 &= response.status < 300;
        }
        let answered: Vec<Value> = answered
            .into_values()
            .filter(|(request, always)| *always && is_get(request))
            .map(|(request, _)| request)
            .collect();
        told.without_repeated(&answered);
        Run { told, state, begun, streams, errors, failures, exchanges }
    }

    fn file(&self, name: &str, content: &Value) -> String {
        self.workspace.json(name, content).to_str().expect("a path is text").to_owned()
    }

    fn cdk(&mut self, cdk: &mut Cdk, command: &Command, arguments: &[String]) -> (Vec<u8>, i32) {
        let directory = self.workspace.directory("cdk");
        let code = cdk.command(&directory, command.manifest, arguments).unwrap_or_else(|error| {
            self.printed = error;
            -1
        });
        let read = |name: &str| fs::read(directory.join(name)).unwrap_or_default();
        let stdout = read("stdout");
        self.keep_printed(&stdout, &read("stderr"));
        (stdout, code)
    }

    fn airlock(&mut self, arguments: &[String]) -> (Vec<u8>, i32) {
        let mut command = Airlock::of(&connector("source-declarative")).into_command();
        command.args(["--allow-host", "127.0.0.1", "--timeout", PATIENCE]).args(arguments);
        let output = command.stdin(Stdio::null()).output().expect("it starts");
        self.keep_printed(&output.stdout, &output.stderr);
        (output.stdout, output.status.code().unwrap_or(-1))
    }

    fn keep_printed(&mut self, stdout: &[u8], stderr: &[u8]) {
        let lines = String::from_utf8_lossy(stdout);
        let said =
            lines.lines().filter(|line| !line.contains(r#""type":"RECORD""#) && !line.contains(r#""type": "RECORD""#));
        self.printed = said.map(|line| line.chars().take(3000).collect::<String>() + "\n").collect();
        self.printed += &String::from_utf8_lossy(stderr);
    }
}

struct LeftBehind {
    state: Value,
    begun: Option<Value>,
    streams: Vec<Value>,
}

/// States, and the streams of a catalog.
fn left_behind(stdout: &[u8]) -> LeftBehind {
    let (mut first, mut last): (Vec<Value>, Vec<Value>) = (Vec::new(), Vec::new());
    let mut streams = Vec::new();
    for line in String::from_utf8_lossy(stdout).lines() {
        let Ok(message) = serde_json::from_str::<Value>(line) else { continue };
        if message["type"] == "STATE" {
            let name = &message["state"]["stream"]["stream_descriptor"];
            let state = json!({"type": "STREAM", "stream": message["state"]["stream"]});
            let is_of_it = |state: &Value| &state["stream"]["stream_descriptor"] == name;
            last.retain(|state| !is_of_it(state));
            if !first.iter().any(is_of_it) {
                first.push(state.clone());
            }
            last.push(state);
        }
        streams.extend(message["catalog"]["streams"].as_array().into_iter().flatten().cloned());
    }
    first.retain(|state| !last.contains(state));
    LeftBehind { state: Value::Array(last), begun: (!first.is_empty()).then_some(Value::Array(first)), streams }
}

fn errors(stdout: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(stdout);
    let messages = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let said = messages.flat_map(|message| {
        let error = &message["trace"]["error"];
        let status = &message["connectionStatus"];
        [&error["message"], &error["internal_message"], &status["message"]].map(|text| text.as_str().map(str::to_owned))
    });
    said.flatten().collect()
}

fn failures(stdout: &[u8]) -> BTreeMap<String, String> {
    let text = String::from_utf8_lossy(stdout);
    let messages = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let told = messages.filter_map(|message| {
        let error = &message["trace"]["error"];
        Some((error["stream_descriptor"]["name"].as_str()?.to_owned(), error["message"].as_str()?.to_owned()))
    });
    told.collect()
}

fn errors_of_no_stream(stdout: &[u8]) -> Vec<Value> {
    let text = String::from_utf8_lossy(stdout);
    let messages = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let errors = messages.map(|message| message["trace"]["error"].clone());
    errors.filter(|error| error.is_object() && error["stream_descriptor"]["name"].is_null()).collect()
}

fn is_get(request: &Value) -> bool {
    request["request"].as_str().is_some_and(|line| line.starts_with("GET "))
}

/// All streams of a catalog: incremental where they can, or not.
pub fn configured(streams: &[Value], incremental: bool) -> Value {
    let streams: Vec<Value> = streams
        .iter()
        .map(|stream| {
            let can =
                stream["supported_sync_modes"].as_array().is_some_and(|modes| modes.contains(&json!("incremental")));
            let mut configured = json!({
                "stream": stream,
                "sync_mode": if can && incremental { "incremental" } else { "full_refresh" },
                "destination_sync_mode": "append",
            });
            for (name, from) in
                [("cursor_field", "default_cursor_field"), ("primary_key", "source_defined_primary_key")]
            {
                if stream[from].is_array() {
                    configured[name] = stream[from].clone();
                }
            }
            configured
        })
        .collect();
    json!({"streams": streams})
}

/// The manifest with its servers' addresses below ours: `https://host` becomes `http://127.0.0.1:PORT/host`.
pub fn on_loopback(value: &mut Value, authority: &str) {
    match value {
        Value::String(text) if text.contains("://") => {
            for scheme in ["https://", "http://"] {
                *text = text.replace(scheme, "\u{0}");
            }
            *text = text.replace('\u{0}', &format!("http://{authority}/"));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| on_loopback(item, authority)),
        Value::Object(fields) => {
            for (name, field) in fields {
                // A server on loopback has no certificate.
                if name == "spec" {
                    let text = field.to_string().replace(r#""^https://"#, r#""^https?://"#);
                    *field = serde_json::from_str(&text).unwrap_or_default();
                }
                let is_prose = ["spec", "schemas", "schema", "description", "$schema", "metadata", "documentation_url"];
                if !is_prose.contains(&name.as_str()) {
                    on_loopback(field, authority);
                }
            }
        }
        _ => {}
    }
}

/// Pages of three records, so that there are pages.
pub fn with_small_pages(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(with_small_pages),
        Value::Object(fields) => {
            let is_strategy = fields.contains_key("type") || fields.contains_key("cursor_value");
            if let Some(size) = fields.get_mut("page_size").filter(|size| is_strategy && size.as_u64() > Some(3)) {
                *size = json!(3);
            }
            fields.values_mut().for_each(with_small_pages);
        }
        _ => {}
    }
}

/// Waits that the manifest asks for become short ones, for one of the two waits indeed.
pub fn with_short_waits(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(with_short_waits),
        Value::Object(fields) => {
            if let Some(wait) = fields.get_mut("backoff_time_in_seconds") {
                *wait = json!(0.1);
            }
            fields.values_mut().for_each(with_short_waits);
        }
        _ => {}
    }
}
