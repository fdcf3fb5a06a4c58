//! One manifest, run by both programs with the same config, catalog and states: what was run, and what differs. It must not know
//! where manifests come from.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::sync::{Arc, Mutex};

use serde_json::Value;

use super::api::Api;
use super::bench::{
    Answerer, Bench, Command, Program, Run, configured, on_loopback, with_short_waits, with_small_pages,
};
use super::cdk::Cdk;
use super::trouble::{Trouble, Troubles, dealt};
use super::{configuration, moments};

/// What was seen of a manifest.
#[derive(Debug, Default)]
pub struct Comparison {
    /// How often the CDK asked, how many records it read, of how many streams.
    pub requests: usize,
    pub records: usize,
    pub streams: usize,
    pub streams_with_records: usize,
    pub is_broken_off: bool,
    /// The CDK does not take the manifest.
    pub is_refused: bool,
    /// Streams that the CDK reads no records of, where it or the manifest says why.
    pub unread: BTreeMap<String, String>,
    /// Differences by the command that showed them.
    pub differences: BTreeMap<String, Vec<String>>,
    /// What is worth a look beside them.
    pub notes: Vec<String>,
}

impl Comparison {
    /// In which parts of which commands the two differ, in a line; none where they are equal.
    pub fn verdict(&self) -> Option<String> {
        let differing = self.differences.iter().filter(|(_, lines)| !lines.is_empty());
        let told: Vec<String> = differing.map(|(command, lines)| format!("{command} ({})", parts(lines))).collect();
        (!told.is_empty()).then(|| told.join(", "))
    }
}

fn first_sentence(text: &str) -> &str {
    text.split(". ").next().unwrap_or_default().trim_end_matches('.')
}

/// The parts that lines of differences are about.
pub fn parts(lines: &[String]) -> String {
    let named = lines.iter().filter(|line| !line.starts_with(' '));
    let parts: BTreeSet<&str> = named.filter_map(|line| line.split([':', '.', '[', ' ']).next()).collect();
    parts.into_iter().collect::<Vec<_>>().join(", ")
}

/// Which commands are run.
#[derive(Debug, Clone, Copy)]
pub struct Extent {
    pub spec: bool,
    pub check: bool,
    pub full_refresh: bool,
    pub again: bool,
    pub troubles: bool,
    /// Beside the CDK; where it is the CDK once more, the comparison itself is on trial.
    pub beside: Option<Program>,
    pub verbose: bool,
}

impl Extent {
    /// Beside Airlock, and no more.
    const ONE_READ: Extent = Extent {
        spec: false,
        check: false,
        full_refresh: false,
        again: false,
        troubles: false,
        beside: Some(Program::Airlock),
        verbose: false,
    };
}

/// Compares the two on a manifest; the config is made from its specification, but for `given`.
pub fn compare(bench: &mut Bench, cdk: &mut Cdk, manifest: &Value, given: &Value, extent: Extent) -> Comparison {
    let mut pair = Pair::new(bench, cdk, manifest, given, extent);
    pair.all();
    pair.comparison
}

/// Compares one read in which streams meet the troubles that are dealt to them in a round.
pub fn compare_in_trouble(
    bench: &mut Bench,
    cdk: &mut Cdk,
    manifest: &Value,
    given: &Value,
    round: usize,
) -> Comparison {
    let extent = Extent { verbose: env::var_os("AIRLOCK_VERBOSE").is_some(), ..Extent::ONE_READ };
    let mut pair = Pair::new(bench, cdk, manifest, given, extent);
    // Whether the CDK discovers the same is no question here, and its answer takes longer.
    let discover = Step { title: "discover", command: "discover", ..Step::default() };
    let streams = pair.one(Program::Airlock, &discover, Troubles::default(), moments::now()).streams;
    let read = pair.read_in_trouble(&streams, round);
    pair.comparison.is_refused = read.told.is_no_start();
    pair.count(&read, &streams);
    pair.comparison
}

struct Pair<'a> {
    bench: &'a mut Bench,
    cdk: &'a mut Cdk,
    api: Arc<Mutex<Api>>,
    manifest: Value,
    /// As the CDK resolves it.
    resolved: Value,
    config: Value,
    extent: Extent,
    comparison: Comparison,
}

/// A command with what it is given and meets.
#[derive(Default)]
struct Step<'a> {
    title: &'a str,
    command: &'a str,
    catalog: Option<&'a Value>,
    state: Option<&'a Value>,
    troubles: BTreeMap<String, Trouble>,
}

impl<'a> Pair<'a> {
    fn new(bench: &'a mut Bench, cdk: &'a mut Cdk, manifest: &Value, given: &Value, extent: Extent) -> Pair<'a> {
        let mut comparison = Comparison::default();
        let authority = bench.authority();
        let mut manifest = manifest.clone();
        on_loopback(&mut manifest, &authority);
        with_small_pages(&mut manifest);
        with_short_waits(&mut manifest);
        let mut config = configuration::from_specification(&manifest["spec"]["connection_specification"]);
        for (name, value) in given.as_object().into_iter().flatten() {
            config[name] = value.clone();
        }
        on_loopback(&mut config, &authority);
        let resolved = cdk.resolve(&manifest, &config).unwrap_or_else(|error| {
            comparison.notes.push(format!("the CDK does not resolve it: {error}"));
            Value::Null
        });
        let api = Arc::new(Mutex::new(Api::of(&resolved, &authority)));
        if extent.verbose {
            eprintln!("config: {config}");
        }
        Pair { bench, cdk, api, manifest, resolved, config, extent, comparison }
    }

    fn all(&mut self) {
        if self.extent.spec {
            self.both(&Step { title: "spec", command: "spec", ..Step::default() });
        }
        if self.extent.check {
            self.both(&Step { title: "check", command: "check", ..Step::default() });
        }
        let (discovered, _) = self.both(&Step { title: "discover", command: "discover", ..Step::default() });
        self.comparison.is_refused = discovered.told.part("catalog").is_null();
        let catalog = configured(&discovered.streams, true);
        let (read, ours) = self.read("read", &catalog, None);
        self.count(&read, &discovered.streams);
        let can_go_on =
            catalog["streams"].as_array().into_iter().flatten().any(|stream| stream["sync_mode"] == "incremental");
        if self.extent.again && can_go_on {
            self.read("read again", &catalog, Some(&read.state));
            // Each goes on where the other ended. Where the states are equal, this would be the same once more.
            if let Some(ours) = ours.as_ref().filter(|ours| ours.told.part("states") != read.told.part("states")) {
                self.read("read again after Airlock", &catalog, Some(&ours.state));
            }
            // And where the other was broken off.
            let begun = ours.and_then(|ours| ours.begun);
            if let Some(begun) = begun.as_ref().filter(|begun| read.begun.as_ref() != Some(begun)) {
                self.read("read on after Airlock", &catalog, Some(begun));
            }
            if let Some(begun) = &read.begun {
                self.read("read on after the CDK", &catalog, Some(begun));
            }
        }
        if self.extent.full_refresh && can_go_on {
            self.read("read in full", &configured(&discovered.streams, false), None);
        }
        if self.extent.troubles {
            for round in 0..Trouble::COMMON.len() {
                self.read_in_trouble(&discovered.streams, round);
            }
        }
    }

    fn read(&mut self, title: &str, catalog: &Value, state: Option<&Value>) -> (Run, Option<Run>) {
        self.both(&Step { title, command: "read", catalog: Some(catalog), state, ..Step::default() })
    }

    /// The round, of which two differ in which stream meets which trouble.
    fn read_in_trouble(&mut self, streams: &[Value], round: usize) -> Run {
        let names = streams.iter().filter_map(|stream| stream["name"].as_str());
        let named: Vec<(String, Vec<u16>)> =
            names.map(|name| (name.to_owned(), named_statuses(&self.resolved, name))).collect();
        let troubles = dealt(&named, round);
        let title = format!("read in trouble, round {round}");
        self.comparison.notes.push(format!("{title}: {troubles:?}"));
        let catalog = configured(streams, true);
        self.both(&Step { title: &title, command: "read", catalog: Some(&catalog), troubles, ..Step::default() }).0
    }

    fn count(&mut self, read: &Run, streams: &[Value]) {
        let records: Vec<&Vec<Value>> = read
            .told
            .part("records")
            .as_object()
            .into_iter()
            .flatten()
            .filter_map(|(_, records)| records.as_array())
            .collect();
        self.comparison.streams = streams.len();
        self.comparison.is_broken_off = read.told.is_broken_off();
        self.comparison.requests = read.exchanges.len();
        self.comparison.records = records.iter().map(|records| records.len()).sum();
        self.comparison.streams_with_records = records.len();
        let api = self.api.lock().expect("nobody panics");
        for stream in streams.iter().filter_map(|stream| stream["name"].as_str()) {
            let failure = read.failures.get(stream).map(|said| first_sentence(said));
            let why = failure
                .or_else(|| api.why_unread(stream))
                .filter(|_| !read.streams_with_records().any(|name| name == stream));
            self.comparison.unread.extend(why.map(|why| (stream.to_owned(), why.to_owned())));
        }
        drop(api);
        let unknown = read.exchanges.iter().filter(|(_, response)| response.status == 404).count();
        if unknown > 0 {
            self.comparison.notes.push(format!("{unknown} requests of the CDK that the server does not know"));
        }
    }

    /// Runs a command by both, and keeps what differs.
    fn both(&mut self, step: &Step) -> (Run, Option<Run>) {
        let (title, now) = (step.title, moments::now());
        let mut theirs = self.one(Program::Cdk, step, Troubles::new(step.troubles.clone(), now), now);
        if step.troubles.is_empty() {
            let note =
                |error: &String| format!("the CDK says to {title}: {}", error.chars().take(300).collect::<String>());
            self.comparison.notes.extend(theirs.errors.iter().map(note));
        }
        // Nothing can meet a trouble where the CDK does not even begin.
        let is_met = step.troubles.is_empty() || !theirs.told.is_no_start();
        let Some(program) = self.extent.beside.filter(|_| is_met) else { return (theirs, None) };
        let met = self.api.lock().expect("nobody panics").troubles().once_more();
        let ours = self.one(program, step, met, now);
        let [asked_by_them, asked_by_us] = [&theirs, &ours].map(|run| run.exchanges.len());
        if asked_by_us > asked_by_them + 3 {
            self.comparison
                .notes
                .push(format!("{title}: the CDK asks {asked_by_them} times, Airlock {asked_by_us} times"));
        }
        let logins =
            theirs.exchanges.iter().filter(|(_, response)| response.is_login()).map(|(request, _)| request.clone());
        theirs.told.no_more_often(&logins.collect::<Vec<_>>(), &ours.told);
        let lines = theirs.told.differences(&ours.told, ["CDK", "Airlock"]);
        self.comparison.differences.insert(title.to_owned(), lines);
        (theirs, Some(ours))
    }

    fn one(&mut self, program: Program, step: &Step, troubles: Troubles, now: i64) -> Run {
        let Step { command: name, catalog, state, .. } = *step;
        let command = Command { name, manifest: &self.manifest, config: &self.config, catalog, state };
        let api = self.api.clone();
        api.lock().expect("nobody panics").begin(troubles);
        let answerer: Answerer = Box::new(move |asked| api.lock().expect("nobody panics").answer(asked));
        let mut run = self.bench.run(program, Some(self.cdk), &command, answerer, (now, moments::Reach::Days));
        let api = self.api.lock().expect("nobody panics");
        run.told.sort_records(|stream| !api.is_partitioned(stream));
        if self.extent.verbose {
            eprintln!("---- {} by {program:?}\n{}", step.title, self.bench.printed);
        }
        run
    }
}

/// The statuses that a stream of a resolved manifest has rules for.
fn named_statuses(resolved: &Value, stream: &str) -> Vec<u16> {
    let streams = resolved["streams"].as_array().into_iter().flatten();
    let mut statuses = BTreeSet::new();
    for stream in streams.filter(|one| one["name"] == stream) {
        in_rules(&stream["retriever"]["requester"]["error_handler"], &mut statuses);
    }
    statuses.into_iter().filter(|status| *status >= 400).collect()
}

fn in_rules(node: &Value, statuses: &mut BTreeSet<u16>) {
    match node {
        Value::Array(items) => items.iter().for_each(|item| in_rules(item, statuses)),
        Value::Object(fields) => {
            let named = fields.get("http_codes").and_then(Value::as_array).into_iter().flatten();
            statuses.extend(named.filter_map(|status| u16::try_from(status.as_u64()?).ok()));
            fields.values().for_each(|field| in_rules(field, statuses));
        }
        _ => {}
    }
}
