//! Sources and destinations are killed at any moment of a sync, which goes on from the last state that came out, again and
//! again until it is through. Nothing that was acknowledged is ever lost, whoever is killed and however. What comes twice is
//! what SIGKILL left in a destination's file after the last acknowledged state; whoever can still do something cuts it off.
//!
//! A process that is killed leaves to the kernel what it has written: whether it was synced only a power cut tells, and the
//! connector's own tests make that.

mod attempt;
mod ledger;
mod moment;
mod watch;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use fastrand::Rng;
use rustix::fs::inotify::WatchFlags;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use attempt::Attempt;
use ledger::{Files, Ledger};
use moment::{Kill, Moment, Victims, for_each_seed};
use watch::Watch;

use crate::harness::workspace::configured_catalog;
use crate::harness::{Airlock, Finished, Workspace, connector, test_guest};

/// A connection: a source, a destination, and where its files are.
struct Connection {
    workspace: Workspace,
    airbyte: PathBuf,
    files: Files,
    source: PathBuf,
    source_config: Value,
    catalog: Value,
    /// About how long a RECORD line is.
    record_bytes: usize,
}

/// What a sync of many attempts came to.
#[derive(Default)]
struct Told {
    kills: usize,
    acknowledged: usize,
    unacknowledged: usize,
}

impl Connection {
    fn new(source: PathBuf, source_config: Value, catalog: Value, record_bytes: usize) -> Connection {
        let workspace = Workspace::new();
        let airbyte = workspace.directory("airbyte");
        let directory = workspace.directory("airbyte/local/out");
        let files = Files { directory, generation: None, earlier: BTreeMap::new() };
        Connection { workspace, airbyte, files, source, source_config, catalog, record_bytes }
    }

    fn attempt(&self, states: &[Value], kill: Option<Kill>) -> Attempt {
        let catalog = self.workspace.json("catalog.json", &self.catalog);
        let source = Airlock::of(&self.source)
            .arg("read")
            .option("--config", self.workspace.json("source.json", &self.source_config))
            .option("--catalog", &catalog)
            .option("--state", self.workspace.json("state.json", &json!(states)));
        let config = json!({"destination_path": "/local/out"});
        let destination = Airlock::of(&connector("destination-local-json"))
            .arg("write")
            .option("--config", self.workspace.json("destination.json", &config))
            .option("--catalog", &catalog)
            .option("--airbyte-dir", &self.airbyte);
        attempt::run(source, destination, &self.files.directory, kill)
    }

    /// Syncs in as many attempts as it takes: `kill` ends them, given how many records are left, until it is none or comes too
    /// late, and one comes through.
    fn sync(&self, mut kill: impl FnMut(usize) -> Option<Kill>, records: impl Fn(&str) -> u64) -> Told {
        let streams = self.catalog["streams"].as_array().unwrap().iter();
        let names: Vec<&str> = streams.map(|configured| configured["stream"]["name"].as_str().unwrap()).collect();
        let mut ledger = Ledger::new(&names, &self.files);
        let mut kills = 0;
        loop {
            let attempt = self.attempt(&ledger.states(), kill(ledger.left(&records)));
            ledger.take(&attempt, &self.files);
            if !attempt.was_killed() {
                break;
            }
            kills += 1;
        }
        ledger.finish(&self.files, records);
        Told { kills, acknowledged: ledger.acknowledged, unacknowledged: ledger.unacknowledged }
    }

    /// The same, killed at so many random moments at most.
    fn sync_at_random(&self, random: &mut Rng, kills: usize, records: impl Fn(&str) -> u64) -> Told {
        let replaces = self.files.generation.is_some();
        let mut kills = 0..kills;
        let kill = |left| {
            kills.next()?;
            Some(Kill::any(random, left * self.record_bytes, left / RECORDS_A_STATE, replaces))
        };
        self.sync(kill, records)
    }

    /// Has the next sync replace what is there by a generation.
    fn begin_generation(&mut self, generation: i64) {
        for configured in self.catalog["streams"].as_array_mut().unwrap() {
            let name = configured["stream"]["name"].as_str().unwrap().to_owned();
            self.files.earlier.insert(name.clone(), self.files.visible(&name));
            configured["destination_sync_mode"] = json!("overwrite");
            configured["generation_id"] = json!(generation);
            configured["minimum_generation_id"] = json!(generation);
            // As a platform counts them: all attempts of a sync have the same.
            configured["sync_id"] = json!(10 * generation);
        }
        self.files.generation = Some(generation);
    }

    /// What a sync leaves in the directory: the records, and of which generation they are.
    #[track_caller]
    fn assert_no_temporary_file(&self) {
        let files = fs::read_dir(&self.files.directory).unwrap().map(|entry| entry.unwrap().file_name());
        let files: BTreeSet<String> = files.map(|name| name.into_string().unwrap()).collect();
        let of_stream = |name: &String| [format!("._airbyte_raw_{name}.json"), format!("_airbyte_raw_{name}.jsonl")];
        assert_eq!(files, self.files.earlier.keys().flat_map(of_stream).collect::<BTreeSet<String>>());
    }
}

/// How many records of a stream there are between two states, in all syncs.
const RECORDS_A_STATE: usize = 20;

/// How many users the faker has here, and how many purchases.
const USERS: u64 = 1000;

fn of_the_faker(stream: &str) -> u64 {
    if stream == "products" { 100 } else { USERS }
}

fn faker(seed: u64) -> (PathBuf, Value) {
    let config = json!({"count": USERS, "seed": seed, "records_per_slice": RECORDS_A_STATE, "always_updated": false});
    (connector("source-faker"), config)
}

#[test]
fn what_was_acknowledged_is_there_whoever_is_killed_and_only_the_rest_comes_twice() {
    let mut told = Vec::new();
    for_each_seed(1..=2, |random| {
        let (source, config) = faker(random.u64(1..100));
        let catalog = configured_catalog(&["products", "users", "purchases"]);
        told.push(Connection::new(source, config, catalog, 400).sync_at_random(random, 15, of_the_faker));
    });
    assert_killed(&told, 3);
}

#[test]
fn a_global_state_covers_all_streams_whoever_is_killed() {
    let mut told = Vec::new();
    for_each_seed(1..=3, |random| {
        // As much as a destination is given at once lies between two states.
        let config = json!({
            "records": 300, "turn": RECORDS_A_STATE, "form": "global", "text_bytes": [0, 100, 5000, 60_000]
        });
        let catalog = configured_catalog(&["one", "two", "three"]);
        let connection = Connection::new(test_guest("source-many"), config, catalog, 16_000);
        told.push(connection.sync_at_random(random, 15, |_| 300));
    });
    assert_killed(&told, 3);
}

#[test]
fn what_was_written_and_not_acknowledged_comes_twice_and_nothing_else() {
    // The state comes after two megabytes. The destination is killed when it has written some, and is not given the rest.
    let config = json!({"records": 400, "turn": 400, "text_bytes": [100, 10_000]});
    let connection = Connection::new(test_guest("source-many"), config, configured_catalog(&["one"]), 5000);
    let kill = Kill {
        moment: Moment::Written(1),
        victims: Victims::Destination,
        signal: Signal::KILL,
        passes_pieces_on: false,
        holds_after: 1_000_000,
    };
    let mut kills = [kill; 3].into_iter();
    let told = connection.sync(|_| kills.next(), |_| 400);
    assert!(told.kills == 3 && told.unacknowledged > 0, "{} kills, {} records", told.kills, told.unacknowledged);
}

#[test]
fn readers_see_the_earlier_generation_whole_until_the_new_one_is() {
    let mut told = Vec::new();
    for_each_seed(1..=3, |random| {
        let (source, config) = faker(1);
        let catalog = configured_catalog(&["products", "users", "purchases"]);
        let mut connection = Connection::new(source, config, catalog, 400);
        for generation in 1..=2 {
            connection.source_config["seed"] = json!(generation);
            connection.begin_generation(generation);
            told.push(connection.sync_at_random(random, 10, of_the_faker));
            connection.assert_no_temporary_file();
        }
    });
    assert_killed(&told, 2);
}

#[test]
fn a_swap_that_is_cut_off_anywhere_is_finished() {
    let config = json!({"records": 60, "turn": RECORDS_A_STATE});
    let catalog = configured_catalog(&["one", "two", "three"]);
    let mut connection = Connection::new(test_guest("source-many"), config, catalog, 100);
    // Each stream takes two: that of the note which generation it is, and that of its records.
    for (generation, renames) in (1..).zip(1..=6) {
        connection.source_config["text_bytes"] = json!([generation]);
        connection.begin_generation(generation);
        let moments = [Moment::Renamed(renames), Moment::Completed(3), Moment::Closed];
        let mut kills = moments.into_iter().map(|moment| Kill {
            moment,
            victims: Victims::Destination,
            signal: Signal::KILL,
            passes_pieces_on: false,
            holds_after: usize::MAX,
        });
        let told = connection.sync(|_| kills.next(), |_| 60);
        assert_eq!(told.kills, 3, "{renames}");
        connection.assert_no_temporary_file();
    }
}

/// A test in which nobody is killed shows nothing. How many there are depends on how fast the machine is.
#[track_caller]
fn assert_killed(told: &[Told], at_least: usize) {
    let kills: usize = told.iter().map(|told| told.kills).sum();
    for Told { kills, acknowledged, unacknowledged } in told {
        println!("{kills} kills, {acknowledged} states acknowledged, {unacknowledged} records to be sent again");
    }
    assert!(kills >= at_least * told.len(), "{kills} kills in {} syncs", told.len());
}

#[test]
fn a_first_start_that_is_killed_leaves_no_half_compiled_component() {
    // While it is compiled; while the code is written; when it is written; when it has its name.
    let moments = [None, Some(WatchFlags::MODIFY), Some(WatchFlags::CLOSE_WRITE), Some(WatchFlags::MOVED_TO)];
    for (signal, moment) in
        [Signal::KILL, Signal::TERM].into_iter().flat_map(|signal| moments.map(|moment| (signal, moment)))
    {
        let workspace = Workspace::new();
        let cache = workspace.directory("airlock/components");
        fs::set_permissions(&cache, fs::Permissions::from_mode(0o700)).unwrap();
        let spec = || {
            let spec = Airlock::of(&connector("source-faker")).arg("spec").arg("--debug");
            spec.env("XDG_CACHE_HOME", workspace.path())
        };
        let compiled = |finished: &Finished| finished.logs("DEBUG").iter().any(|text| text.starts_with("Compiling"));

        let watch = moment.map(|events| Watch::of(&cache, events));
        let mut first = spec().spawn();
        match watch {
            Some(watch) => watch.wait(),
            None => {
                let mut line = String::new();
                BufReader::new(first.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
                assert!(line.contains("Compiling"), "{line}");
            }
        }
        kill_process(Pid::from_child(&first), signal).unwrap();
        first.wait().unwrap();

        // Code that has its name is whole; else it is as if nobody had begun.
        let files = fs::read_dir(&cache).unwrap().map(|entry| entry.unwrap().path());
        let kept = files.filter(|path| path.extension().is_some_and(|extension| extension == "cwasm")).count();
        let next = spec().run().exits(0);
        assert_eq!(next.of_type("SPEC").len(), 1, "{moment:?} {signal:?}");
        assert_eq!(compiled(&next), kept == 0, "{moment:?} {signal:?}");
        assert!(!compiled(&spec().run().exits(0)), "{moment:?} {signal:?}");
    }
}
