//! `read` of a REST API in pages: a connector of the Rust SDK and a low-code manifest interpreted by source-declarative, beside
//! Airbyte's declarative CDK (Python), which most connectors for APIs are run by. All ask the same server for the same pages, and
//! each record of the one must be a record of the others. It calls programs from outside, as a user would, and must not know
//! how they work inside.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use super::measure::{Program, command_of};
use super::promises::{Bound, Promise};
use super::report::{self, Missing, Ratio, Work, cpu};
use super::rest_server::{PATH, Server};
use super::turns::{Contestant, in_turn};
use super::workbench::Workbench;
use super::{AIRLOCK, Findings, progress};
use crate::python_clients::PythonClients;
use crate::{build, command, dist};

/// How many records a page has.
const RECORDS_A_PAGE: u64 = 1_000;

const STREAM: &str = "orders";

/// How the interpreter of the CDK's manifest is called in the tables.
const INTERPRETER: &str = "airlock, source-declarative";

/// How the peer is called in the tables.
const PEER: &str = "Airbyte's declarative CDK (Python)";

/// Compares what has to be equal, and then its speed.
pub fn measure(workbench: &Workbench, pages: u64, python: bool) -> Result<Findings> {
    let compiled = workbench.compile(&build::sdk_example("rest")?)?;
    let server = Server::start(pages, RECORDS_A_PAGE)?;
    workbench.save(CATALOG, &catalog())?;
    let airlock = airlock(workbench, &compiled, "rest.json", &json!({"base_url": server.url()}))?;
    let manifest = json!({"__injected_declarative_manifest": manifest(&server.url())});
    let interpreter = workbench.compile(&dist::connector("source-declarative"))?;
    let interpreter = self::airlock(workbench, &interpreter, "declarative.json", &manifest)?;
    let peer = match python {
        true => PythonClients::ensure()
            .map(|clients| clients.source_declarative_manifest())
            .map_err(|error| error.to_string()),
        false => Err("left out by --without-python".to_owned()),
    };
    let peer = match peer {
        Ok(program) => Ok(declarative(workbench, program, &manifest)?),
        Err(reason) => Err(reason),
    };

    let read = records(&airlock)?;
    let work = Work { bytes: read.iter().map(|line| line.len() as u64 + 1).sum(), records: pages * RECORDS_A_PAGE };
    ensure!(read.len() as u64 == work.records, "airlock read {} records, and there are {}", read.len(), work.records);
    progress("rest: comparing the records of all");
    compare(&read, &records(&interpreter)?)?;
    if let Ok(peer) = &peer {
        compare(&read, &records(peer)?)?;
    }
    drop(read);

    let mut contestants = vec![
        Contestant::new(AIRLOCK, Program::new(airlock), workbench.runs),
        Contestant::new(INTERPRETER, Program::new(interpreter), workbench.runs),
    ];
    let mut missing = Vec::new();
    match peer {
        Ok(peer) => contestants.push(Contestant::new(PEER, Program::new(peer), workbench.runs)),
        Err(reason) => missing.push(Missing { name: PEER.to_owned(), reason }),
    }
    let rows = in_turn(&workbench.meter, "rest", contestants)?;
    let mut table = report::throughput(work, AIRLOCK, &rows);
    report::add_missing(&mut table, &missing);
    let reason = missing.pop().map(|missing| missing.reason).unwrap_or_default();
    let than_peer = |ours: usize| match (rows.get(ours), rows.get(2)) {
        (Some(ours), Some(peer)) => Ok(Ratio::of(peer, ours, cpu)),
        _ => Err(reason.clone()),
    };
    let promise = |what, ours| Promise { what, bound: Bound::AtLeast(30.0), measured: than_peer(ours) };
    let promises = vec![
        promise("a REST API in pages: times less CPU than Airbyte's declarative CDK", 0),
        promise("a REST API in pages, by the CDK's own manifest: times less CPU than the CDK", 1),
    ];
    Ok(Findings { tables: vec![("rest", table)], promises })
}

const CATALOG: &str = "catalog-rest.json";

/// `airlock read`, with the connector compiled ahead.
fn airlock(workbench: &Workbench, compiled: &Path, name: &str, config: &Value) -> Result<Vec<OsString>> {
    let config = workbench.save(name, config)?;
    let mut arguments = workbench.airlock(compiled, "read");
    arguments.extend(["--allow-host".into(), "127.0.0.1".into()]);
    arguments.extend(files(workbench, config));
    Ok(arguments)
}

/// The same by Airbyte's CDK, with the manifest that says the same as the connector.
fn declarative(workbench: &Workbench, program: PathBuf, manifest: &Value) -> Result<Vec<OsString>> {
    let config = workbench.save("declarative.json", manifest)?;
    Ok([program.into(), "read".into()].into_iter().chain(files(workbench, config)).collect())
}

fn files(workbench: &Workbench, config: PathBuf) -> [OsString; 4] {
    ["--config".into(), config.into(), "--catalog".into(), workbench.file(CATALOG).into()]
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

#[cfg(test)]
mod tests {
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
}
