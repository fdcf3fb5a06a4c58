//! `cargo xtask bench`: the host beside native programs that do the same work, and beside Airbyte's own connector, in one run; what
//! was measured goes into BENCHMARKS.md and its picture. It calls programs from outside, as a user would, and must not know how
//! they work inside.
//!
//! A part is a file. Everything that a part compares runs in turn, several times (`turns.rs`); ratios are taken pair by pair
//! (`report.rs`). Before anything is timed, the yardstick's lines are compared with the host's (`lines.rs`).

mod document;
mod image_host;
mod images;
pub mod instructions;
mod lines;
mod markdown;
mod measure;
mod memory;
mod parallel;
mod picture;
mod postgres;
mod postgres_server;
mod promises;
mod read;
mod report;
mod rest;
mod rest_server;
mod sizes;
mod start;
mod turns;
mod workbench;
mod write;

use std::fs;
use std::path::{Path, PathBuf};

use airlock_images::Platform;
use anyhow::{Context, Error, Result, bail};
use clap::ValueEnum;

use crate::guest_toolchain::GuestToolchain;
use crate::obstacle::Failure;
use crate::postgres::Postgres;
use crate::{base_image, build, command, heading};
use document::Document;
use promises::Promise;
use workbench::Workbench;

/// The scale that promises are of, and what BENCHMARKS.md tells of: users, and runs of each program.
pub const FULL_USERS: u64 = 1_000_000;
pub const FULL_RUNS: u16 = 5;

/// How the host is called in the tables.
const AIRLOCK: &str = "airlock";
/// How the yardstick is.
const NATIVE: &str = "native yardstick";
/// And Airbyte's own connector.
const PYTHON: &str = "Airbyte's source-faker (Python)";

/// How many records are compared line by line.
const FEW: u64 = 2_500;

/// The table of promises, which has rows of several parts.
const PROMISES: &str = "promises";

/// A part of the benchmark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// `spec`, from nothing
    Start,
    /// `read` of source-faker's users
    Read,
    /// `write` of those, into nothing and into files
    Write,
    /// `read` and `write` of records of several sizes
    Sizes,
    /// Two independent streams, by one instance and by two
    Parallel,
    /// Memory of few records and of many
    Memory,
    /// `read` of an API in pages
    Rest,
    /// source-postgres, with a server that is started for it
    Postgres,
    /// The sizes of images, and how a container of one starts; the base image is built for it
    Images,
}

/// What is measured, and how large it is.
pub struct Options {
    pub parts: Vec<Part>,
    /// How many users are read and written.
    pub users: u64,
    /// How often each program runs.
    pub runs: usize,
    /// How many users show that memory stays flat.
    pub many_users: u64,
    /// How many rows source-postgres reads.
    pub rows: u64,
    /// How many pages the API has.
    pub pages: u64,
    /// Whether Airbyte's Python source-faker takes part: it needs minutes.
    pub python: bool,
    pub aim: Aim,
}

/// What becomes of the figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aim {
    /// They are printed: on a small scale, starting a process counts for too much.
    Show,
    /// They are written into BENCHMARKS.md, too.
    Write,
    /// They are held against what is promised, too.
    Judge,
}

/// What a part has found.
struct Findings {
    /// Tables by the names of their places in the document.
    tables: Vec<(&'static str, String)>,
    promises: Vec<Promise>,
}

/// Builds what is compared, compares it, and prints tables in Markdown on stdout. Progress goes to stderr. A part that this
/// machine can not measure is told, and keeps its tables.
pub fn run(options: &Options) -> Result<()> {
    build::run(&build::Selection { host: true, connectors: true, test_guests: true, locked: false })?;
    if options.parts.contains(&Part::Images) {
        base_image::run(&Platform::ALL, false)?;
    }
    let directory = command::workspace_root().join("target/bench");
    let _ = fs::remove_dir_all(&directory);
    fs::create_dir_all(&directory).with_context(|| format!("cannot create {}", directory.display()))?;
    let result = measure_all(options, &directory);
    // Gigabytes that nobody looks at.
    let _ = fs::remove_dir_all(&directory);
    result
}

fn measure_all(options: &Options, directory: &Path) -> Result<()> {
    let workbench = Workbench::prepare(directory, options.users, options.runs, options.python)?;
    let mut promises = Vec::new();
    let mut failed = Vec::new();
    for part in &options.parts {
        let name = part.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default();
        heading(&name);
        // The load is of the time before this part began.
        let measured = setting().map_err(Failure::Error).and_then(|setting| {
            let findings = measure(*part, options, &workbench, directory)?;
            publish(findings, &setting, options.aim).map_err(Failure::Error)
        });
        match measured {
            Ok(found) => promises.extend(found),
            Err(Failure::Machine(obstacle)) => println!("Not measured: {}", obstacle.reason),
            Err(Failure::Error(error)) => {
                eprintln!("error: {error:#}");
                failed.push(name);
            }
        }
    }
    if !promises.is_empty() {
        println!("{}", promises::table(&promises, ""));
    }
    if !failed.is_empty() {
        bail!("could not be measured: {}", failed.join(", "));
    }
    let broken: Vec<&str> = promises.iter().filter(|promise| promise.is_broken()).map(|promise| promise.what).collect();
    if options.aim == Aim::Judge && !broken.is_empty() {
        bail!("promised, and not kept: {}", broken.join("; "));
    }
    Ok(())
}

fn measure(part: Part, options: &Options, workbench: &Workbench, directory: &Path) -> Result<Findings, Failure> {
    let found = match part {
        Part::Start => start::measure(workbench),
        Part::Read => read::measure(workbench),
        Part::Write => write::measure(workbench),
        Part::Sizes => sizes::measure(workbench),
        Part::Parallel => parallel::measure(workbench),
        Part::Memory => memory::measure(workbench, options.many_users),
        Part::Rest => rest::measure(workbench, options.pages, options.python),
        Part::Postgres => {
            let size = postgres::Options { rows: options.rows, runs: options.runs };
            postgres::measure(&Postgres::ensure()?, &size, directory)
        }
        Part::Images => images::measure(directory),
    };
    found.map_err(Failure::Error)
}

/// Prints what a part has found, and writes it into the document as soon as it is there: the next part may fail.
fn publish(findings: Findings, setting: &str, aim: Aim) -> Result<Vec<Promise>> {
    let Findings { tables, promises } = findings;
    let tables: Vec<(&str, String)> =
        tables.into_iter().map(|(name, table)| (name, format!("{}\n\n{setting}\n", table.trim_end()))).collect();
    for (_, table) in &tables {
        println!("{table}");
    }
    if aim != Aim::Show {
        let mut document = Document::open(&document_path())?;
        for (name, table) in &tables {
            document.put(name, table)?;
        }
        let judged = promises::table(&promises, document.table(PROMISES)?);
        document.put(PROMISES, &judged)?;
        document.save()?;
        draw()?;
    }
    Ok(promises)
}

/// Draws the picture of what the document says.
pub fn draw() -> Result<()> {
    let picture = picture::draw(&Document::open(&document_path())?)?;
    let path = picture_path();
    fs::write(&path, picture).with_context(|| format!("cannot write {}", path.display()))
}

fn document_path() -> PathBuf {
    command::workspace_root().join("BENCHMARKS.md")
}

fn picture_path() -> PathBuf {
    command::workspace_root().join("docs/benchmarks.svg")
}

fn progress(text: &str) {
    eprintln!("bench: {text}");
}

/// What a table was measured on, in one line.
fn setting() -> Result<String> {
    let read = |path: &str| fs::read_to_string(Path::new(path)).unwrap_or_default();
    let cpuinfo = read("/proc/cpuinfo");
    let model = cpuinfo.lines().find(|line| line.starts_with("model name")).and_then(|line| line.split_once(": "));
    let model = model.map_or("unknown processor", |(_, model)| model);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let load = read("/proc/loadavg").split(' ').next().unwrap_or("unknown").to_owned();
    let host = command::output(command::rustc().arg("--version"))?;
    let guests = GuestToolchain::ensure()?;
    Ok(format!(
        "*{model}, {cores} cores, load average before {load}; Linux {}; host by Rust {}, guests by Rust {}.*",
        read("/proc/sys/kernel/osrelease").trim(),
        release(&host)?,
        release(guests.version())?,
    ))
}

/// From what `rustc --version` says: `rustc 1.95.0 (59807616e 2026-04-14)`.
fn release(version: &str) -> Result<&str> {
    version.split(' ').nth(1).ok_or_else(|| Error::msg(format!("`rustc --version` says {version:?}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_compiler_is_known_by_its_release() {
        assert_eq!(release("rustc 1.95.0 (59807616e 2026-04-14)\n").expect("a release"), "1.95.0");
        assert_eq!(
            release("rustc 1.85.1 (4eb161250 2025-03-15) (built from a source tarball)").expect("one"),
            "1.85.1"
        );
        assert!(release("rustc").is_err());
    }

    /// What parts write has a place, and the picture says what the document says.
    #[test]
    fn the_document_has_a_place_for_each_table_and_the_picture_is_drawn_from_it() {
        let document = Document::open(&document_path()).expect("readable");
        let tables = [
            "start",
            "read",
            "write-nowhere",
            "write-files",
            "sizes-read",
            "sizes-write",
            "parallel",
            "memory",
            "rest",
            "postgres",
            "image-sizes",
            "container-start",
            PROMISES,
        ];
        for table in tables {
            document.table(table).expect("a place");
        }
        let picture = fs::read_to_string(picture_path()).expect("readable");
        let drawn = picture::draw(&document).expect("drawn");
        assert!(
            picture == drawn,
            "docs/benchmarks.svg is not what BENCHMARKS.md says: `cargo xtask bench --draw` draws it"
        );
    }
}
