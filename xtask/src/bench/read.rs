//! `read` of source-faker's users: the host beside a native program and Airbyte's Python. It must not know how users are made.

use anyhow::Result;

use super::image_host::IMAGE_HOST;
use super::lines::{self, LOG};
use super::measure::Program;
use super::promises::{Bound, Promise};
use super::report::{self, Missing, Ratio, cpu, wall};
use super::turns::{Contestant, in_turn};
use super::workbench::Workbench;
use super::{AIRLOCK, FEW, Findings, NATIVE, PYTHON, progress};

/// Python takes two minutes for what takes the others a second.
const RUNS_OF_PYTHON: usize = 1;

pub fn measure(workbench: &Workbench) -> Result<Findings> {
    let users = workbench.users;
    progress("read: comparing the yardstick's lines with the host's");
    lines::ensure_equal(&workbench.read(FEW)?, &workbench.native_read(FEW), &[LOG])?;

    let mut contestants = vec![
        Contestant::new(AIRLOCK, Program::new(workbench.read(users)?), workbench.runs),
        Contestant::new(NATIVE, Program::new(workbench.native_read(users)), workbench.runs),
    ];
    let mut missing = Vec::new();
    match workbench.read_by_image_host(users)? {
        Ok(read) => contestants.push(Contestant::new(IMAGE_HOST, Program::new(read), workbench.runs)),
        Err(reason) => missing.push(Missing { name: IMAGE_HOST.to_owned(), reason }),
    }
    match &workbench.python {
        Ok(python) => {
            let read = |users| -> Result<Program> {
                let words = [python.clone().into_os_string(), "read".into()];
                Ok(Program::new(words.into_iter().chain(workbench.options_of_read(users)?)))
            };
            contestants.push(Contestant {
                warm_up: Some(read(FEW)?),
                ..Contestant::new(PYTHON, read(users)?, workbench.runs.min(RUNS_OF_PYTHON))
            });
        }
        Err(reason) => missing.push(Missing { name: PYTHON.to_owned(), reason: reason.clone() }),
    }
    let rows = in_turn(&workbench.meter, "read", contestants)?;

    let mut table = report::throughput(workbench.lines()?.1, NATIVE, &rows);
    report::add_missing(&mut table, &missing);
    let (host, native) = (&rows[0], &rows[1]);
    let promises = vec![
        Promise {
            what: "`read`: share of a native program's speed, by CPU time",
            bound: Bound::AtLeast(0.70),
            measured: Ok(Ratio::of(native, host, cpu)),
        },
        Promise {
            what: "`read`: share of a native program's speed, by wall time",
            bound: Bound::Above(1.0),
            measured: Ok(Ratio::of(native, host, wall)),
        },
    ];
    Ok(Findings { tables: vec![("read", table)], promises })
}
