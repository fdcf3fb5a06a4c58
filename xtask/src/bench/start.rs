//! Start: from nothing to the answer of `spec`. The host of images and the full one beside a program that does nothing, and beside
//! Airbyte's Python. It must not know what a host does when it starts.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use super::image_host::{self, IMAGE_HOST};
use super::measure::Program;
use super::promises::{Bound, Promise};
use super::report::{self, Missing, Ratio, cpu};
use super::turns::{Contestant, Measured, in_turn};
use super::workbench::Workbench;
use super::{Findings, PYTHON};
use crate::{busybox, command, dist};

const HELLO: &str = r#"#include <stdio.h>
int main(void) { puts("Hello, world"); return 0; }
"#;

/// How the rows are called.
const HOST: &str = "airlock, .cwasm";
const CACHED: &str = "airlock, .wasm from the cache";

pub fn measure(workbench: &Workbench) -> Result<Findings> {
    let compiled = workbench.compile(&dist::connector("source-faker"))?;
    let spec = |connector: &Path| Program::new(workbench.airlock(connector, "spec"));
    // They take milliseconds: more runs cost nothing, and one is soon disturbed.
    let runs = 8 * workbench.runs + 1;
    let (name, hello) = hello(workbench)?;
    let mut contestants = vec![Contestant::new(name.clone(), hello, runs)];
    let mut missing = Vec::new();
    match image_host::find(workbench, &compiled) {
        Ok(host) => {
            let spec = Program::new(Workbench::call(&host, &compiled, "spec"));
            contestants.push(Contestant::new(IMAGE_HOST, spec, runs));
        }
        Err(reason) => missing.push(Missing { name: IMAGE_HOST.to_owned(), reason }),
    }
    contestants.push(Contestant::new(HOST, spec(&compiled), runs));
    contestants.push(Contestant::new(CACHED, spec(&dist::connector("source-faker")), runs));
    match &workbench.python {
        Ok(python) => {
            let spec = Program::new([python.clone().into_os_string(), "spec".into()]);
            contestants.push(Contestant::new(PYTHON, spec, workbench.runs));
        }
        Err(reason) => missing.push(Missing { name: PYTHON.to_owned(), reason: reason.clone() }),
    }
    let rows = in_turn(&workbench.meter, "start", contestants)?;

    let mut table = report::start(&rows);
    report::add_missing(&mut table, &missing);
    let ratio = |one: &str, other: &str| {
        let row = |name: &str| -> Result<&Measured, String> {
            let missing = missing.iter().find(|missing| missing.name == name).map(|missing| missing.reason.clone());
            rows.iter().find(|row| row.name == name).ok_or_else(|| missing.unwrap_or_default())
        };
        Ok(Ratio::of(row(one)?, row(other)?, cpu))
    };
    let promises = vec![
        Promise {
            what: "`spec` by the images' host: CPU time, in times of a program that does nothing",
            bound: Bound::AtMost(5.0),
            measured: ratio(IMAGE_HOST, &name),
        },
        Promise {
            what: "`spec` by Airbyte's source-faker (Python): CPU time, in times of the images' host",
            bound: Bound::AtLeast(500.0),
            measured: ratio(PYTHON, IMAGE_HOST),
        },
    ];
    Ok(Findings { tables: vec![("start", table)], promises })
}

/// The least that a program can be, and how it is called: of C where there is a compiler, else busybox, which is there as well.
fn hello(workbench: &Workbench) -> Result<(String, Program)> {
    let (source, program) = (workbench.file("hello.c"), workbench.file("hello"));
    fs::write(&source, HELLO).with_context(|| format!("cannot write {}", source.display()))?;
    let mut compiler = Command::new("cc");
    compiler.args(["-O2", "-static", "-o"]).arg(&program).arg(&source);
    match command::output(&mut compiler) {
        Ok(_) => Ok(("hello world (C, static)".to_owned(), Program::new([program]))),
        Err(_) => {
            let busybox = busybox::ensure().context("there is no C compiler for a program that does nothing")?;
            Ok(("`true` (busybox, static)".to_owned(), Program::new([busybox.into_os_string(), "true".into()])))
        }
    }
}
