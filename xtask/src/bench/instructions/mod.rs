//! `cargo xtask bench --check`: the instructions that a few fixed jobs take, held against the committed figures. Unlike times, they
//! hardly depend on what else a machine does, so that a small regression is seen on any. It must not know how the host works.

mod comparison;
mod figures;
mod jobs;

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::{progress, release};
use crate::guest_toolchain::GuestToolchain;
use crate::valgrind::Valgrind;
use crate::{build, command};
use comparison::{Change, compare, deviates};
use figures::{Combination, Figures};
use jobs::Jobs;

/// How often a job is counted where its first count deviates, and where figures are made: the middle one is taken.
const REPETITIONS: usize = 5;

/// How a check ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All jobs are within the tolerance, or below it.
    Kept,
    /// There was nothing to compare with, and why.
    NotCompared(String),
}

/// Builds what is counted, finds valgrind, and checks, or makes new figures.
pub fn run(makes_figures: bool) -> Result<()> {
    build::run(&build::Selection { host: true, connectors: true, test_guests: true, locked: false })?;
    let valgrind = Valgrind::ensure()?;
    if makes_figures {
        return update(&valgrind);
    }
    match check(&valgrind)? {
        Outcome::Kept => println!("All are within the tolerance."),
        Outcome::NotCompared(reason) => println!("NOT RUN: {reason}"),
    }
    Ok(())
}

/// Counts and compares, with what is in `dist/`; an error that names each job that takes more than it did.
pub fn check(valgrind: &Valgrind) -> Result<Outcome> {
    let combination = combination()?;
    let figures = Figures::read(&path())?;
    let Some(committed) = figures.of(&combination) else {
        return Ok(Outcome::NotCompared(format!(
            "no figures are committed for {combination}; `cargo xtask bench --check --update` adds this machine's to {}",
            relative_path()
        )));
    };
    let jobs = Jobs::prepare(&directory()?)?;
    let mut measured = BTreeMap::new();
    for name in jobs.names() {
        progress(&format!("counting the instructions of {name}"));
        let first = jobs.count(name, valgrind)?;
        let needs_more = committed.get(name).is_some_and(|figure| deviates(*figure, first));
        let count = if needs_more { middle(&jobs, name, valgrind, vec![first])? } else { first };
        measured.insert(name.to_owned(), count);
    }
    let changes = compare(committed, &measured);
    println!("{}", comparison::table(&changes));
    if let Some(jobs) = comparison::named(&changes, Change::Better) {
        println!("Fewer instructions than before: {jobs}. Commit the new figures: cargo xtask bench --check --update");
    }
    if let Some(jobs) = comparison::named(&changes, Change::Worse) {
        bail!(
            "more instructions than before: {jobs}. Where that is meant, commit new figures: cargo xtask bench --check --update"
        );
    }
    if let Some(jobs) = comparison::named(&changes, Change::Unknown) {
        return Ok(Outcome::NotCompared(format!(
            "no figures are committed for {jobs} with {combination}; `cargo xtask bench --check --update` adds them"
        )));
    }
    Ok(Outcome::Kept)
}

/// Counts each job several times, and writes the middle counts for this combination into the file that is committed.
fn update(valgrind: &Valgrind) -> Result<()> {
    let combination = combination()?;
    let mut figures = Figures::read(&path())?;
    let jobs = Jobs::prepare(&directory()?)?;
    let mut counts = BTreeMap::new();
    for name in jobs.names() {
        progress(&format!("counting the instructions of {name}, {REPETITIONS} times"));
        counts.insert(name.to_owned(), middle(&jobs, name, valgrind, Vec::new())?);
    }
    figures.put(&combination, counts);
    figures.write(&path())?;
    println!("{} has the figures for {combination}; commit it", relative_path());
    Ok(())
}

/// The middle of several counts.
fn middle(jobs: &Jobs, name: &str, valgrind: &Valgrind, mut counts: Vec<u64>) -> Result<u64> {
    while counts.len() < REPETITIONS {
        counts.push(jobs.count(name, valgrind)?);
    }
    counts.sort_unstable();
    let spread = (counts[REPETITIONS - 1] - counts[0]) as f64 / counts[0] as f64 * 100.0;
    progress(&format!("{name}: {counts:?}, {spread:.2} % apart"));
    Ok(counts[REPETITIONS / 2])
}

/// What counts depend on besides the code.
fn combination() -> Result<Combination> {
    let host = command::output(command::rustc().arg("--version"))?;
    let guests = GuestToolchain::ensure()?;
    Ok(Combination {
        processor: processor(),
        c_library: c_library(),
        host_rust: release(&host)?.to_owned(),
        guest_rust: release(guests.version())?.to_owned(),
    })
}

/// A host that is linked to glibc has much of its start in the loader of that. Other libraries have no name to ask for.
fn c_library() -> String {
    let version = command::output(Command::new("getconf").arg("GNU_LIBC_VERSION")).unwrap_or_default();
    if version.trim().is_empty() { "unknown C library".to_owned() } else { version.trim().to_owned() }
}

/// The C library and some crates choose their loops by what the processor has.
fn processor() -> String {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        return format!("{} with AVX2", env::consts::ARCH);
    }
    env::consts::ARCH.to_owned()
}

fn directory() -> Result<PathBuf> {
    let directory = command::workspace_root().join("target/bench-instructions");
    let _ = fs::remove_dir_all(&directory);
    fs::create_dir_all(&directory).with_context(|| format!("cannot create {}", directory.display()))?;
    Ok(directory)
}

fn relative_path() -> &'static str {
    "xtask/src/bench/instructions/figures.json"
}

fn path() -> PathBuf {
    command::workspace_root().join(relative_path())
}
