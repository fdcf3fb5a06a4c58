//! `cargo xtask demo`: a source and a destination move records through two `airlock` processes and a pipe.
//! It uses the command line alone, as a user would, and must not know how the host or the guests work inside.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use crate::{build, command, heading};

/// Without `always_updated: false` source-faker would send everything anew, whatever the state.
const SOURCE_CONFIG: &str = r#"{"count": 1000, "seed": 1, "always_updated": false}"#;

/// The destination finds `/local/…` in the folder `local` of its `--airbyte-dir`.
const DESTINATION_CONFIG: &str = r#"{"destination_path": "/local/demo"}"#;

/// Relative to the root of the checkout, so that the commands can be copied.
const AIRLOCK: &str = "dist/airlock";
const SOURCE: &str = "dist/connectors/source-faker.wasm";
const DESTINATION: &str = "dist/connectors/destination-local-json.wasm";
const DIRECTORY: &str = "target/demo";

/// How many records of each stream.
type Counts = BTreeMap<String, u64>;

/// Builds and runs the demonstration.
pub fn run() -> Result<()> {
    heading("Build");
    build::run(&build::Selection { host: true, connectors: true, test_guests: false, locked: false })?;
    env::set_current_dir(command::workspace_root()).context("cannot enter the checkout")?;
    if Path::new(DIRECTORY).exists() {
        fs::remove_dir_all(DIRECTORY).with_context(|| format!("cannot empty {DIRECTORY}"))?;
    }
    fs::create_dir_all(format!("{DIRECTORY}/airbyte")).with_context(|| format!("cannot create {DIRECTORY}"))?;
    save("source.json", SOURCE_CONFIG)?;
    save("destination.json", DESTINATION_CONFIG)?;

    heading("What the source has");
    println!("The commands are meant for the root of the checkout, {}", command::workspace_root().display());
    let catalog = discover()?;
    save("catalog.json", &format!("{catalog:#}"))?;
    let streams = stream_names(&catalog);
    println!("Streams: {}", streams.join(", "));
    println!("{DIRECTORY}/catalog.json asks for all of them, incremental and append.");

    heading("The first sync");
    let first = sync(None, "first.jsonl")?;
    let written = first.check(&streams, &Counts::new(), &count_written(&streams)?)?;
    for (stream, count) in &written {
        ensure!(*count > 0, "the first sync moved no record of the stream {stream}");
        println!("{stream}: {count} records in {}", file_of(stream));
        println!("  {}", shorten(&first_line(&file_of(stream))?, 150));
    }
    ensure!(
        written.get("users") == Some(&1000),
        "the source was asked for 1000 users, and {:?} were written",
        written.get("users").unwrap_or(&0)
    );

    heading("The state it leaves");
    save("state.jsonl", &first.states.concat())?;
    println!("$ grep '\"type\":\"STATE\"' {DIRECTORY}/first.jsonl > {DIRECTORY}/state.jsonl");
    for line in &first.states {
        println!("  {}", shorten(line.trim_end(), 300));
    }

    heading("The second sync, from that state");
    let second = sync(Some("state.jsonl"), "second.jsonl")?;
    let moved = second.check(&streams, &written, &count_written(&streams)?)?;
    for (stream, count) in &moved {
        println!("{stream}: {count} new records");
        ensure!(
            *count == 0,
            "the state says that all of {stream} was moved, and the second sync moved {count} records"
        );
    }
    println!("The state was understood: nothing was moved twice.");

    heading("Done");
    println!("Everything is in {DIRECTORY}; the destination's files are in {DIRECTORY}/airbyte/local/demo.");
    Ok(())
}

/// `airlock discover`, and the configured catalog made from what it prints.
fn discover() -> Result<Value> {
    let mut command = airlock(SOURCE, "discover", &["--config", &path("source.json")]);
    println!("$ {}", command::display(&command));
    let output = command.stderr(Stdio::inherit()).output().with_context(|| format!("cannot start {AIRLOCK}"))?;
    let messages = messages(&String::from_utf8_lossy(&output.stdout))?;
    if !output.status.success() {
        tell(&messages);
        bail!("discover failed ({})", output.status);
    }
    let catalog = messages
        .iter()
        .find(|(_, message)| message["type"] == "CATALOG")
        .context("discover printed no CATALOG message")?;
    configure(&catalog.1["catalog"])
}

/// Every stream, incremental where it can be, to be appended. These are the fields that the platform would fill in.
fn configure(catalog: &Value) -> Result<Value> {
    let streams = catalog["streams"]
        .as_array()
        .filter(|streams| !streams.is_empty())
        .context("the discovered catalog has no streams")?;
    let configured = streams.iter().map(|stream| {
        let modes = stream["supported_sync_modes"].as_array();
        let incremental = modes.is_some_and(|modes| modes.iter().any(|mode| mode == "incremental"));
        let or_empty = |field: &str| match &stream[field] {
            Value::Null => json!([]),
            value => value.clone(),
        };
        json!({
            "stream": stream,
            "sync_mode": if incremental { "incremental" } else { "full_refresh" },
            "destination_sync_mode": "append",
            "cursor_field": or_empty("default_cursor_field"),
            "primary_key": or_empty("source_defined_primary_key"),
            "generation_id": 1,
            "minimum_generation_id": 0,
            "sync_id": 1,
        })
    });
    Ok(json!({ "streams": configured.collect::<Vec<_>>() }))
}

fn stream_names(catalog: &Value) -> Vec<String> {
    let streams = catalog["streams"].as_array().into_iter().flatten();
    streams.filter_map(|configured| configured["stream"]["name"].as_str().map(str::to_owned)).collect()
}

/// What a sync printed at its end.
struct Sync {
    /// The STATE messages, one a line, as they came.
    states: Vec<String>,
    /// What the source says it has sent, by those messages.
    sent: Counts,
    /// What the destination says it has committed, by those messages.
    committed: Counts,
}

/// `airlock read … | airlock write …`
fn sync(state: Option<&str>, output: &str) -> Result<Sync> {
    let output = path(output);
    let (source, destination) = (path("source.json"), path("destination.json"));
    let (catalog, airbyte) = (path("catalog.json"), path("airbyte"));
    let mut arguments = vec!["--config", &source, "--catalog", &catalog];
    let state = state.map(path);
    if let Some(state) = &state {
        arguments.extend(["--state", state]);
    }
    let mut read = airlock(SOURCE, "read", &arguments);
    let arguments = ["--config", &destination, "--catalog", &catalog, "--airbyte-dir", &airbyte];
    let mut write = airlock(DESTINATION, "write", &arguments);
    println!("$ {} \\\n    | {} \\\n    > {output}", command::display(&read), command::display(&write));

    let start = || format!("cannot start {AIRLOCK}");
    let mut reading = read.stdout(Stdio::piped()).spawn().with_context(start)?;
    let pipe = reading.stdout.take().context("the source has no output")?;
    let written = write.stdin(pipe).stderr(Stdio::inherit()).output();
    // `write` and its end of the pipe must be gone before this waits, or the source may never end.
    drop(write);
    let read_status = reading.wait().context("cannot wait for the source")?;
    let written = written.with_context(start)?;

    fs::write(&output, &written.stdout).with_context(|| format!("cannot write {output}"))?;
    let messages = messages(&String::from_utf8_lossy(&written.stdout))?;
    if !read_status.success() || !written.status.success() {
        tell(&messages);
        bail!("read ended with {read_status}, write with {}", written.status);
    }
    Sync::tally(&messages)
}

impl Sync {
    fn tally(messages: &[(String, Value)]) -> Result<Self> {
        let mut sync = Self { states: Vec::new(), sent: Counts::new(), committed: Counts::new() };
        for (line, message) in messages {
            if message["type"] != "STATE" {
                continue;
            }
            let state = &message["state"];
            let stream = state["stream"]["stream_descriptor"]["name"]
                .as_str()
                .with_context(|| format!("a STATE message names no stream: {line}"))?;
            for (counts, field) in [(&mut sync.sent, "sourceStats"), (&mut sync.committed, "destinationStats")] {
                let count = state[field]["recordCount"]
                    .as_f64()
                    .filter(|count| *count >= 0.0 && count.fract() == 0.0)
                    .with_context(|| format!("a STATE message has no {field}.recordCount: {line}"))?;
                *counts.entry(stream.to_owned()).or_default() += count as u64;
            }
            sync.states.push(format!("{line}\n"));
        }
        Ok(sync)
    }

    /// What the source sent, what the destination says and what its files hold must be one number for each stream.
    /// Returns that number.
    fn check(&self, streams: &[String], before: &Counts, after: &Counts) -> Result<Counts> {
        let mut moved = Counts::new();
        for stream in streams {
            let of = |counts: &Counts| counts.get(stream).copied().unwrap_or(0);
            let (sent, committed) = (of(&self.sent), of(&self.committed));
            let (lines_before, lines_after) = (of(before), of(after));
            ensure!(
                sent == committed && lines_before + sent == lines_after,
                "the numbers of the stream {stream} do not agree: the source sent {sent} records, the destination \
                 acknowledged {committed}, and its file grew from {lines_before} to {lines_after} lines"
            );
            moved.insert(stream.clone(), sent);
        }
        Ok(moved)
    }
}

fn airlock(connector: &str, verb: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(AIRLOCK);
    command.args(["--connector", connector, verb]).args(arguments);
    command
}

/// The lines of a protocol stream, as text and parsed. Under these commands nothing else may be on stdout.
fn messages(output: &str) -> Result<Vec<(String, Value)>> {
    let lines = output.lines().map(|line| {
        let message: Value =
            serde_json::from_str(line).with_context(|| format!("airlock printed a line that is no message: {line}"))?;
        Ok((line.to_owned(), message))
    });
    lines.collect()
}

/// Prints what may explain a failure.
fn tell(messages: &[(String, Value)]) {
    for (line, message) in messages {
        if message["type"] == "LOG" || message["type"] == "TRACE" {
            eprintln!("{line}");
        }
    }
}

fn path(name: &str) -> String {
    format!("{DIRECTORY}/{name}")
}

fn save(name: &str, text: &str) -> Result<()> {
    let path = path(name);
    fs::write(&path, text).with_context(|| format!("cannot write {path}"))
}

fn file_of(stream: &str) -> String {
    path(&format!("airbyte/local/demo/_airbyte_raw_{stream}.jsonl"))
}

/// The records in the destination's files. Each must be whole.
fn count_written(streams: &[String]) -> Result<Counts> {
    let mut counts = Counts::new();
    for stream in streams {
        let file = file_of(stream);
        let text = fs::read_to_string(&file).with_context(|| format!("the destination left no file {file}"))?;
        for (index, line) in text.lines().enumerate() {
            let record: Value =
                serde_json::from_str(line).with_context(|| format!("line {} of {file} is no JSON", index + 1))?;
            ensure!(record["_airbyte_data"].is_object(), "line {} of {file} has no object _airbyte_data", index + 1);
        }
        counts.insert(stream.clone(), text.lines().count() as u64);
    }
    Ok(counts)
}

fn first_line(file: &str) -> Result<String> {
    let text = fs::read_to_string(file).with_context(|| format!("cannot read {file}"))?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

fn shorten(text: &str, length: usize) -> String {
    match text.char_indices().nth(length) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(pairs: &[(&str, u64)]) -> Counts {
        pairs.iter().map(|(stream, count)| ((*stream).to_owned(), *count)).collect()
    }

    #[test]
    fn a_configured_catalog_is_made_from_a_discovered_one() {
        let users = json!({
            "name": "users", "json_schema": {"type": "object"},
            "supported_sync_modes": ["full_refresh", "incremental"],
            "source_defined_cursor": true, "default_cursor_field": ["updated_at"],
            "source_defined_primary_key": [["id"]], "is_resumable": true
        });
        let notes = json!({
            "name": "notes", "json_schema": {}, "supported_sync_modes": ["full_refresh"],
            "default_cursor_field": null
        });
        let configured = configure(&json!({"streams": [users, notes]})).expect("configured");
        assert_eq!(
            configured,
            json!({"streams": [
                {
                    "stream": users, "sync_mode": "incremental", "destination_sync_mode": "append",
                    "cursor_field": ["updated_at"], "primary_key": [["id"]],
                    "generation_id": 1, "minimum_generation_id": 0, "sync_id": 1
                },
                {
                    "stream": notes, "sync_mode": "full_refresh", "destination_sync_mode": "append",
                    "cursor_field": [], "primary_key": [],
                    "generation_id": 1, "minimum_generation_id": 0, "sync_id": 1
                }
            ]})
        );
        assert_eq!(stream_names(&configured), ["users", "notes"]);
    }

    #[test]
    fn a_catalog_without_streams_is_an_error() {
        for catalog in [json!({}), json!({"streams": []}), Value::Null] {
            assert!(configure(&catalog).is_err(), "{catalog}");
        }
    }

    fn state(stream: &str, sent: f64, committed: f64) -> String {
        json!({"type": "STATE", "state": {
            "type": "STREAM",
            "stream": {"stream_descriptor": {"name": stream}, "stream_state": {"seed": 1}},
            "sourceStats": {"recordCount": sent}, "destinationStats": {"recordCount": committed}
        }})
        .to_string()
    }

    #[test]
    fn states_are_kept_as_they_came_and_their_counts_add_up() {
        let log = r#"{"type":"LOG","log":{"level":"INFO","message":"hello"}}"#;
        let lines = [log, &state("users", 600.0, 600.0), &state("users", 400.0, 400.0)].join("\n");
        let sync = Sync::tally(&messages(&lines).expect("messages")).expect("a tally");
        assert_eq!(sync.states.concat(), format!("{}\n", &lines[log.len() + 1..]));
        assert_eq!(sync.sent, counts(&[("users", 1000)]));
        assert_eq!(sync.committed, counts(&[("users", 1000)]));
    }

    #[test]
    fn a_state_without_counts_is_an_error() {
        let line = r#"{"type":"STATE","state":{"type":"STREAM","stream":{"stream_descriptor":{"name":"users"}}}}"#;
        let error = Sync::tally(&messages(line).expect("messages")).err().expect("no counts");
        assert!(error.to_string().contains("sourceStats"), "{error}");
    }

    #[test]
    fn a_line_that_is_no_message_is_an_error() {
        assert!(messages("{\"type\":\"LOG\"}\nhello\n").is_err());
    }

    #[test]
    fn the_numbers_must_agree_on_every_side() {
        let streams = ["users".to_owned()];
        let check = |sent, committed, before, after| {
            let text = state("users", sent, committed);
            let sync = Sync::tally(&messages(&text).expect("messages")).expect("a tally");
            sync.check(&streams, &counts(&[("users", before)]), &counts(&[("users", after)]))
        };
        assert_eq!(check(10.0, 10.0, 5, 15).expect("agree"), counts(&[("users", 10)]));
        assert!(check(10.0, 9.0, 0, 10).is_err());
        assert!(check(10.0, 10.0, 5, 10).is_err());
        assert!(check(0.0, 0.0, 10, 11).is_err());
    }

    #[test]
    fn long_text_is_shortened_between_characters() {
        assert_eq!(shorten("äöü", 2), "äö…");
        assert_eq!(shorten("äö", 2), "äö");
    }
}
