//! One manifest, run by both programs with the same config, catalog and states: what was run, and what differs. It must not know
//! where manifests come from.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use serde_json::Value;

use super::api::{Api, Trouble};
use super::bench::{Answerer, Bench, Command, Program, Run, configured, on_loopback, with_small_pages};
use super::cdk::Cdk;
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
    text.split(". ").next().unwrap_or_default()
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

/// Compares the two on a manifest; the config is made from its specification, but for `given`.
pub fn compare(bench: &mut Bench, cdk: &mut Cdk, manifest: &Value, given: &Value, extent: Extent) -> Comparison {
    let mut comparison = Comparison::default();
    let authority = bench.authority();
    let mut manifest = manifest.clone();
    on_loopback(&mut manifest, &authority);
    with_small_pages(&mut manifest);
    let mut config = configuration::from_specification(&manifest["spec"]["connection_specification"]);
    for (name, value) in given.as_object().into_iter().flatten() {
        config[name] = value.clone();
    }
    on_loopback(&mut config, &authority);
    let resolved = match cdk.resolve(&manifest, &config) {
        Ok(resolved) => resolved,
        Err(error) => {
            comparison.notes.push(format!("the CDK does not resolve it: {error}"));
            Value::Null
        }
    };
    let api = Arc::new(Mutex::new(Api::of(&resolved, &authority)));
    if extent.verbose {
        eprintln!("config: {config}");
    }
    let mut pair = Pair { bench, cdk, api, manifest, config, extent, comparison: &mut comparison };
    pair.all();
    comparison
}

struct Pair<'a> {
    bench: &'a mut Bench,
    cdk: &'a mut Cdk,
    api: Arc<Mutex<Api>>,
    manifest: Value,
    config: Value,
    extent: Extent,
    comparison: &'a mut Comparison,
}

impl Pair<'_> {
    fn all(&mut self) {
        if self.extent.spec {
            self.both("spec", "spec", None, None, None);
        }
        if self.extent.check {
            self.both("check", "check", None, None, None);
        }
        let (discovered, _) = self.both("discover", "discover", None, None, None);
        self.comparison.streams = discovered.streams.len();
        self.comparison.is_refused = discovered.told.part("catalog").is_null();
        let catalog = configured(&discovered.streams, true);
        let (read, ours) = self.both("read", "read", Some(&catalog), None, None);
        self.count(&read, &discovered.streams);
        let can_go_on =
            catalog["streams"].as_array().into_iter().flatten().any(|stream| stream["sync_mode"] == "incremental");
        if self.extent.again && can_go_on {
            self.both("read again", "read", Some(&catalog), Some(&read.state), None);
            // Where the states are equal, this would be the same once more.
            if let Some(ours) = ours.filter(|ours| ours.told.part("states") != read.told.part("states")) {
                self.both("read with the state of Airlock", "read", Some(&catalog), Some(&ours.state), None);
            }
        }
        if self.extent.full_refresh && can_go_on {
            self.both("read in full", "read", Some(&configured(&discovered.streams, false)), None, None);
        }
        let first = discovered.streams.first().and_then(|stream| stream["name"].as_str()).unwrap_or_default();
        let troubles = if self.extent.troubles { &Trouble::ALL[..] } else { &[] };
        for &trouble in troubles {
            self.both(&format!("read, {trouble:?}"), "read", Some(&catalog), None, Some((trouble, first.to_owned())));
        }
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
    fn both(
        &mut self,
        title: &str,
        name: &str,
        catalog: Option<&Value>,
        state: Option<&Value>,
        trouble: Option<(Trouble, String)>,
    ) -> (Run, Option<Run>) {
        let now = moments::now();
        let mut theirs = self.one(Program::Cdk, title, name, catalog, state, trouble.clone(), now);
        if trouble.is_none() {
            let note =
                |error: &String| format!("the CDK says to {title}: {}", error.chars().take(300).collect::<String>());
            self.comparison.notes.extend(theirs.errors.iter().map(note));
        }
        let Some(program) = self.extent.beside else { return (theirs, None) };
        let ours = self.one(program, title, name, catalog, state, trouble, now);
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

    #[allow(clippy::too_many_arguments, reason = "what a command is given")]
    fn one(
        &mut self,
        program: Program,
        title: &str,
        name: &str,
        catalog: Option<&Value>,
        state: Option<&Value>,
        trouble: Option<(Trouble, String)>,
        now: i64,
    ) -> Run {
        let command = Command { name, manifest: &self.manifest, config: &self.config, catalog, state };
        let api = self.api.clone();
        api.lock().expect("nobody panics").begin(trouble);
        let answerer: Answerer = Box::new(move |asked| api.lock().expect("nobody panics").answer(asked));
        let mut run = self.bench.run(program, Some(self.cdk), &command, answerer, (now, moments::Reach::Days));
        let api = self.api.lock().expect("nobody panics");
        run.told.sort_records(|stream| !api.is_partitioned(stream));
        if self.extent.verbose {
            eprintln!("---- {title} by {program:?}\n{}", self.bench.printed);
        }
        run
    }
}
