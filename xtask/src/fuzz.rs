//! `cargo xtask fuzz`: runs the fuzzers of `tests/fuzz` for a bounded time each.
//! It must not know what they throw at what.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::{command, heading};

/// No input should take as long; one that does is kept as a finding.
const SECONDS_AN_INPUT: u32 = 20;

/// Where fuzzers are and are built. The targets have no unsafe code; without a sanitizer they run several times as fast.
const IN_PLACE: [&str; 6] = ["--fuzz-dir", "tests/fuzz", "--target-dir", "target/fuzz", "--sanitizer", "none"];

/// Runs one fuzzer, or all, each for `seconds`. An error names what was found.
pub fn run(target: Option<&str>, seconds: u64) -> Result<()> {
    require_tools()?;
    let root = command::workspace_root();
    let known = targets(&root.join("tests/fuzz/corpus"))?;
    let chosen: Vec<&String> = known.iter().filter(|name| target.is_none_or(|target| target == *name)).collect();
    if chosen.is_empty() {
        bail!("there is no such fuzzer; there are {}", known.join(", "));
    }
    let mut failed = Vec::new();
    for name in chosen {
        heading(name);
        // What does not compile has found nothing, and none of the others would.
        let mut build = nightly_cargo();
        command::run(build.args(["fuzz", "build"]).args(IN_PLACE).args([name.as_str()]))?;
        if let Err(error) = fuzz(&root, name, seconds) {
            eprintln!("error: {error:#}");
            failed.push(name.as_str());
        }
    }
    if !failed.is_empty() {
        bail!(
            "these fuzzers found something: {}. The inputs are below target/fuzz/findings; mend what they show, and put them into \
             tests/fuzz/corpus, where `cargo xtask test` replays them",
            failed.join(", ")
        );
    }
    Ok(())
}

fn fuzz(root: &Path, name: &str, seconds: u64) -> Result<()> {
    let grown = root.join("target/fuzz/corpus").join(name);
    let findings = root.join("target/fuzz/findings").join(name);
    for directory in [&grown, &findings] {
        fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
    }
    let mut fuzzer = nightly_cargo();
    fuzzer.args(["fuzz", "run"]).args(IN_PLACE).arg(name);
    // New inputs go to the first directory, and leave the kept ones alone.
    fuzzer.arg(&grown).arg(Path::new("tests/fuzz/corpus").join(name)).arg("--");
    fuzzer.arg(format!("-max_total_time={seconds}")).arg(format!("-timeout={SECONDS_AN_INPUT}"));
    fuzzer.arg(format!("-artifact_prefix={}/", findings.display())).arg("-print_final_stats=1");
    println!("$ {}", command::display(&fuzzer));
    command::run(&mut fuzzer)
}

fn nightly_cargo() -> Command {
    let mut command = Command::new("rustup");
    command.args(["run", "nightly", "cargo"]).current_dir(command::workspace_root());
    command
}

fn require_tools() -> Result<()> {
    let found = nightly_cargo().args(["fuzz", "--version"]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    if found.is_ok_and(|status| status.success()) {
        return Ok(());
    }
    bail!(
        "fuzzers need a nightly Rust, cargo-fuzz and a C++ compiler: `rustup toolchain install nightly --profile minimal`, \
         `cargo install cargo-fuzz --locked`, and your system's c++"
    )
}

/// Every fuzzer has a kept corpus of its name.
fn targets(corpus: &Path) -> Result<Vec<String>> {
    let entries = fs::read_dir(corpus).with_context(|| format!("cannot read {}", corpus.display()))?;
    let mut names = Vec::new();
    for entry in entries {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}
