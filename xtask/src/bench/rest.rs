//! `read` of a REST API in pages: a connector of the Rust SDK beside Airbyte's declarative CDK (Python), which most connectors for
//! APIs are run by. Both ask the same server for the same pages, and each record of the one must be a record of the other. It
//! calls programs from outside, as a user would, and must not know how they work inside.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use super::measure::{Meter, Program, Usage, command_of};
use super::report::{self, Measured};
use super::rest_server::{PATH, Server};
use super::{in_turn, machine, progress};
use crate::python_clients::PythonClients;
use crate::{build, command, dist};

/// How large the benchmark is.
pub struct Options {
    /// How many pages there are.
    pub pages: u64,
    /// How many records a page has.
    pub records: u64,
    /// How often each program runs.
    pub runs: usize,
}

const STREAM: &str = "orders";

/// Compares what has to be equal, and prints a table in Markdown.
pub fn run(options: &Options) -> Result<()> {
    build::run(&build::Selection { host: true, connectors: false, test_guests: false, locked: false })?;
    let directory = command::workspace_root().join("target/bench-rest");
    let _ = fs::remove_dir_all(&directory);
    fs::create_dir_all(&directory).with_context(|| format!("cannot create {}", directory.display()))?;
    let result = measure(options, &directory);
    let _ = fs::remove_dir_all(&directory);
    result
}

fn measure(options: &Options, directory: &Path) -> Result<()> {
    let component = build::sdk_example("rest")?;
    let [_, usage] = build::yardstick()?;
    let compiled = directory.join("rest.cwasm");
    let mut compile = command_of(&[dist::airlock().into_os_string(), "compile".into()])?;
    command::output(compile.arg(component).arg("--output").arg(&compiled))?;
    let server = Server::start(options.pages, options.records)?;
    save(&directory.join("catalog.json"), &catalog())?;
    let airlock = airlock(directory, &compiled, &server)?;
    let peer = match PythonClients::ensure() {
        Ok(clients) => Some(peer(directory, clients.source_declarative_manifest(), &server)?),
        Err(error) => {
            println!("Airbyte's declarative CDK was not measured: {error:#}\n");
            None
        }
    };

    let read = records(&airlock)?;
    let expected = options.pages * options.records;
    ensure!(read.len() as u64 == expected, "airlock read {} records, and there are {expected}", read.len());
    if let Some(peer) = &peer {
        progress("rest: comparing the records of both");
        compare(&read, &records(peer)?)?;
    }
    let bytes: usize = read.iter().map(String::len).sum();
    drop(read);

    let runs = options.runs;
    let mut programs = vec![("airlock", Program::new(airlock), runs)];
    if let Some(peer) = peer {
        programs.push(("Airbyte's declarative CDK (Python)", Program::new(peer), runs));
    }
    let rows = in_turn(&Meter { usage }, "rest", programs)?;
    println!("## The machine\n\n{}", machine()?);
    println!(
        "## `read` of a REST API: {} pages of {} records, {:.1} MB of messages to /dev/null\n\n{}",
        options.pages,
        options.records,
        bytes as f64 / 1e6,
        table(&rows)
    );
    Ok(())
}

/// `airlock read`, with the connector compiled ahead.
fn airlock(directory: &Path, compiled: &Path, server: &Server) -> Result<Vec<OsString>> {
    let config = directory.join("airlock.json");
    save(&config, &json!({"base_url": server.url()}))?;
    let mut arguments: Vec<OsString> =
        vec![dist::airlock().into(), "read".into(), "--connector".into(), compiled.into()];
    arguments.extend(["--allow-host".into(), "127.0.0.1".into()]);
    arguments.extend(files(directory, config));
    Ok(arguments)
}

/// The same by Airbyte's CDK, with the manifest that says the same as the connector.
fn peer(directory: &Path, program: PathBuf, server: &Server) -> Result<Vec<OsString>> {
    let config = directory.join("declarative.json");
    save(&config, &json!({"__injected_declarative_manifest": manifest(&server.url())}))?;
    Ok([program.into(), "read".into()].into_iter().chain(files(directory, config)).collect())
}

fn files(directory: &Path, config: PathBuf) -> [OsString; 4] {
    ["--config".into(), config.into(), "--catalog".into(), directory.join("catalog.json").into()]
}

fn catalog() -> Value {
    json!({"streams": [{
        "stream": {
            "name": STREAM,
            "json_schema": {"type": "object", "properties": {}},
            "supported_sync_modes": ["full_refresh"],
            "source_defined_primary_key": [["id"]],
        },
        "sync_mode": "full_refresh",
        "destination_sync_mode": "append",
    }]})
}

fn manifest(url: &str) -> Value {
    json!({
        "version": "6.0.0",
        "type": "DeclarativeSource",
        "spec": {"type": "Spec", "connection_specification": {"type": "object", "properties": {}}},
        "check": {"type": "CheckStream", "stream_names": [STREAM]},
        "streams": [{
            "type": "DeclarativeStream",
            "name": STREAM,
            "primary_key": ["id"],
            "retriever": {
                "type": "SimpleRetriever",
                "requester": {"type": "HttpRequester", "url_base": url, "path": PATH, "http_method": "GET"},
                "record_selector": {
                    "type": "RecordSelector",
                    "extractor": {"type": "DpathExtractor", "field_path": ["data"]},
                },
                "paginator": {
                    "type": "DefaultPaginator",
                    "page_token_option": {"type": "RequestPath"},
                    "pagination_strategy": {
                        "type": "CursorPagination",
                        "cursor_value": "{{ response.next }}",
                        "stop_condition": "{{ not response.next }}",
                    },
                },
            },
            "schema_loader": {"type": "InlineSchemaLoader", "schema": {"type": "object", "properties": {}}},
        }],
    })
}

/// The lines of records that a program prints.
fn records(arguments: &[OsString]) -> Result<Vec<String>> {
    let output = command::output(&mut command_of(arguments)?)?;
    // Each writes the fields of a message in an order of its own.
    Ok(output.lines().filter(|line| line.contains("\"type\":\"RECORD\"")).map(str::to_owned).collect())
}

/// An error unless both have the same records in the same order.
fn compare(ours: &[String], theirs: &[String]) -> Result<()> {
    ensure!(ours.len() == theirs.len(), "airlock read {} records, and the CDK {}", ours.len(), theirs.len());
    for (number, (ours, theirs)) in ours.iter().zip(theirs).enumerate() {
        if data(ours)? != data(theirs)? {
            bail!("record {} of airlock is not that of the CDK", number + 1);
        }
    }
    Ok(())
}

fn data(line: &str) -> Result<Value> {
    let mut message: Value = serde_json::from_str(line).context("a line of records is no JSON")?;
    Ok(message["record"]["data"].take())
}

/// Of each its CPU and wall time, and how many times the first one's CPU time that is: the middle of the pairs of runs that stood
/// side by side, and the least and the most of them.
fn table(rows: &[Measured]) -> String {
    let mut text =
        String::from("| | CPU s | wall s | peak MiB | runs | CPU, times airlock's |\n|---|--:|--:|--:|--:|--:|\n");
    let Some(first) = rows.first() else { return text };
    for row in rows {
        let seconds = |of: fn(&Usage) -> f64| middle(row.runs.iter().map(of));
        let times: Vec<f64> = row
            .runs
            .iter()
            .zip(&first.runs)
            .map(|(run, first)| run.cpu.as_secs_f64() / first.cpu.as_secs_f64())
            .collect();
        let (least, most) =
            times.iter().fold((f64::MAX, f64::MIN), |(least, most), time| (least.min(*time), most.max(*time)));
        text += &format!(
            "| {} | {:.3} | {:.3} | {:.0} | {} | {:.1} ({least:.1} to {most:.1}) |\n",
            row.name,
            seconds(|usage| usage.cpu.as_secs_f64()),
            seconds(|usage| usage.wall.as_secs_f64()),
            report::peak(row),
            row.runs.len(),
            middle(times.into_iter()),
        );
    }
    text
}

fn middle(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn save(path: &Path, content: &Value) -> Result<()> {
    fs::write(path, content.to_string()).with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn records_are_compared_by_value_and_in_order() {
        let line =
            |data: &str| format!(r#"{{"type":"RECORD","record":{{"stream":"orders","data":{data},"emitted_at":1}}}}"#);
        let lines = |data: &[&str]| data.iter().map(|data| line(data)).collect::<Vec<_>>();
        compare(&lines(&[r#"{"a":1,"b":"\u00e9"}"#]), &lines(&[r#"{"b": "é", "a": 1}"#])).expect("they are equal");
        for theirs in [&[r#"{"a":2}"#, r#"{"a":1}"#][..], &[r#"{"a":1}"#], &[r#"{"a":1}"#, r#"{"a":3}"#]] {
            assert!(compare(&lines(&[r#"{"a":1}"#, r#"{"a":2}"#]), &lines(theirs)).is_err(), "{theirs:?}");
        }
    }

    #[test]
    fn pairs_of_runs_are_compared() {
        let row = |name: &str, milliseconds: &[u64]| Measured {
            name: name.to_owned(),
            runs: milliseconds
                .iter()
                .map(|cpu| Usage {
                    cpu: Duration::from_millis(*cpu),
                    wall: Duration::from_millis(100),
                    peak_memory: 3 << 20,
                })
                .collect(),
        };
        let text = table(&[row("airlock", &[100, 200, 100]), row("CDK", &[3000, 4000, 5000])]);
        assert!(text.contains("| airlock | 0.100 | 0.100 | 3 | 3 | 1.0 (1.0 to 1.0) |"), "{text}");
        assert!(text.contains("| CDK | 4.000 | 0.100 | 3 | 3 | 30.0 (20.0 to 50.0) |"), "{text}");
    }
}
