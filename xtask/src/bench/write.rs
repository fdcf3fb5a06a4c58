//! `write` of source-faker's users: into nothing, and into a file that is synced at every state. The host beside a native program. It
//! must not know how a destination writes.

use anyhow::{Result, ensure};

use super::measure::{Input, Program};
use super::promises::{Bound, Promise};
use super::report::{self, Ratio, cpu};
use super::turns::{Contestant, in_turn};
use super::workbench::{self, FILES, NOWHERE, Workbench, users_stream};
use super::{AIRLOCK, Findings, NATIVE};

pub fn measure(workbench: &Workbench) -> Result<Findings> {
    let (lines, work) = workbench.lines()?;
    let input = || Input::File(lines.clone());
    let compare = |what: &str, host: Program, native: Program| {
        let contestants = [(AIRLOCK, host), (NATIVE, native)];
        let contestants = contestants.map(|(name, program)| Contestant::new(name, program, workbench.runs));
        in_turn(&workbench.meter, what, contestants.into())
    };

    let host = workbench.write("destination-dev-null", NOWHERE, &users_stream(), input())?;
    let native = Program { input: input(), ..Program::new(workbench.native(&["write-nowhere".into()])) };
    let nowhere = compare("write into nothing", host, native)?;

    let directory = workbench.file("native");
    let host = workbench.write("destination-local-json", FILES, &users_stream(), input())?;
    let native = Program {
        input: input(),
        directory: Some(directory.clone()),
        ..Program::new(workbench.native(&["write-files".into(), directory.clone().into()]))
    };
    let files = compare("write into a file", host, native)?;
    let written = |directory: std::path::PathBuf| workbench::length(&directory.join("_airbyte_raw_users.jsonl"));
    let (host, native) = (written(workbench.airbyte_directory().join("local"))?, written(directory)?);
    ensure!(host == native, "the host wrote {host} bytes, and the yardstick {native}");

    let promise = Promise {
        what: "`write` into files: share of a native program's speed, by CPU time",
        bound: Bound::AtLeast(0.75),
        measured: Ok(Ratio::of(&files[1], &files[0], cpu)),
    };
    let tables = vec![
        ("write-nowhere", report::throughput(work, NATIVE, &nowhere)),
        ("write-files", report::throughput(work, NATIVE, &files)),
    ];
    Ok(Findings { tables, promises: vec![promise] })
}
