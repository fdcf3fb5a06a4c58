//! Records of several sizes: what the host takes for a record, and what for a byte. The host beside a native program that reads and
//! writes the same ready records. It must not know how a record comes to its size.

use std::fs;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::lines::{self, LOG};
use super::measure::{Input, Program};
use super::report::{self, Work};
use super::turns::{Contestant, Measured, in_turn};
use super::workbench::{self, NOWHERE, Workbench};
use super::{AIRLOCK, Findings, NATIVE, progress};
use crate::dist;

const SIZES: [(&str, u64); 4] = [("50 bytes", 50), ("600 bytes", 600), ("10 kB", 10_000), ("1 MB", 1_000_000)];

/// There are as many records of a size as make so many bytes for each user of the other parts.
const BYTES_A_USER: u64 = 200;

pub fn measure(workbench: &Workbench) -> Result<Findings> {
    let (mut read, mut write) = (Vec::new(), Vec::new());
    for (name, bytes) in SIZES {
        progress(&format!("sizes: records of {name}"));
        let records = (workbench.users * BYTES_A_USER).div_ceil(bytes);
        let host = host_read(workbench, bytes, records)?;
        let native = native_read(workbench, bytes, records);
        let few = records.min(1000);
        lines::ensure_equal(&host_read(workbench, bytes, few)?, &native_read(workbench, bytes, few), &[LOG])?;

        let lines = workbench.file("sized.jsonl");
        workbench::save_output(&native, &lines)?;
        let work = Work { bytes: workbench::length(&lines)?, records };
        let what = format!("sizes: read of {name}");
        read.push((name, work, compare(workbench, &what, Program::new(host), Program::new(native))?));

        let input = || Input::File(lines.clone());
        let host = workbench.write("destination-dev-null", NOWHERE, &stream(), input())?;
        let native = Program { input: input(), ..Program::new(workbench.native(&["write-nowhere".into()])) };
        let what = format!("sizes: write of {name}");
        write.push((name, work, compare(workbench, &what, host, native)?));
        fs::remove_file(&lines).with_context(|| format!("cannot remove {}", lines.display()))?;
    }
    let tables = vec![("sizes-read", report::sizes(&read)), ("sizes-write", report::sizes(&write))];
    Ok(Findings { tables, promises: Vec::new() })
}

fn compare(workbench: &Workbench, what: &str, host: Program, native: Program) -> Result<[Measured; 2]> {
    let contestants = [(AIRLOCK, host), (NATIVE, native)];
    let contestants = contestants.map(|(name, program)| Contestant::new(name, program, workbench.runs));
    let rows = in_turn(&workbench.meter, what, contestants.into())?;
    rows.try_into().ok().context("two were compared")
}

fn host_read(workbench: &Workbench, bytes: u64, records: u64) -> Result<Vec<std::ffi::OsString>> {
    let mut arguments = workbench.airlock(&dist::test_guest("source-sized"), "read");
    let config = json!({"record_bytes": bytes, "records": records});
    let config = workbench.save(&format!("sized-{bytes}-{records}.json"), &config)?;
    arguments.extend(["--config".into(), config.into(), "--catalog".into(), workbench.catalog(&stream())?.into()]);
    Ok(arguments)
}

fn native_read(workbench: &Workbench, bytes: u64, records: u64) -> Vec<std::ffi::OsString> {
    workbench.native(&["read-sized".into(), bytes.to_string().into(), records.to_string().into()])
}

/// The stream of source-sized.
fn stream() -> Value {
    json!({"name": "sized", "json_schema": {}, "supported_sync_modes": ["full_refresh", "incremental"]})
}
