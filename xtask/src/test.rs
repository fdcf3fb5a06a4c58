//! `cargo xtask test`: every check of the repository, in order, with a summary that names what failed.
//! It must not know what the checks look at.

use std::env;
use std::process::Command;
use std::time::{Duration, Instant};

use airlock_images::Platform;
use anyhow::{Result, bail};

use crate::bench::{Aim, Part, instructions};
use crate::clients::{self, Clients};
use crate::containers::{self, Containers};
use crate::obstacle::{Failure, Obstacle};
use crate::postgres::{self, Postgres};
use crate::valgrind::Valgrind;
use crate::{base_image, bench, build, command, dist, heading};

/// One check.
struct Check {
    name: &'static str,
    work: Work,
    /// Whether it means anything when the build failed.
    needs_build: bool,
}

enum Work {
    Build,
    Benchmark,
    Instructions,
    Clients,
    Postgres,
    Containers,
    /// What the containers are made of. Nothing else needs it, and it is minutes of work.
    BaseImage,
    Command(Command),
    /// The tests through the binary, among others: they run the clients and the containers.
    TestsWithClients(Command),
}

/// How a check ended.
enum Outcome {
    Passed(Duration),
    Failed(Duration),
    NotRun,
    LeftOut,
    /// This machine can not run some tests.
    Obstacles(Vec<Obstacle>),
    /// It could have been run, and would have said nothing.
    NotDone(String),
}

/// What the tests through the binary run beside it, as far as it is there.
#[derive(Default)]
struct Others {
    clients: Option<Clients>,
    postgres: Option<Postgres>,
    containers: Option<Containers>,
}

/// As large as shows that the benchmark works and that the yardstick still does the host's work. It judges no speed: other
/// programs may run beside it.
fn small_benchmark(has_postgres: bool) -> bench::Options {
    let mut parts = vec![Part::Start, Part::Read, Part::Write, Part::Sizes, Part::Parallel, Part::Memory, Part::Rest];
    if has_postgres {
        parts.push(Part::Postgres);
    }
    bench::Options {
        parts,
        users: 20_000,
        runs: 1,
        many_users: 50_000,
        rows: 5_000,
        pages: 3,
        python: false,
        aim: Aim::Show,
    }
}

/// Runs all checks; an error that names the failed ones.
pub fn run() -> Result<()> {
    let left_out = clients::are_left_out()?;
    let mut build_failed = false;
    let mut others = Others::default();
    let mut outcomes = Vec::new();
    for check in checks() {
        heading(check.name);
        if check.needs_build && build_failed {
            println!("Not run: the build failed.");
            outcomes.push((check.name, Outcome::NotRun));
            continue;
        }
        if matches!(check.work, Work::Clients | Work::Postgres | Work::Containers | Work::BaseImage) && left_out {
            println!("Left out, with the tests that run them, as AIRLOCK_CLIENTS=none says.");
            outcomes.push((check.name, Outcome::LeftOut));
            continue;
        }
        if matches!(check.work, Work::BaseImage) && others.containers.is_none() {
            println!("Not made: no image can be run here.");
            outcomes.push((check.name, Outcome::NotRun));
            continue;
        }
        let start = Instant::now();
        let is_build = matches!(check.work, Work::Build);
        let result = match check.work {
            Work::Build => {
                build::run(&build::Selection { host: true, connectors: true, test_guests: true, locked: true })
            }
            Work::Benchmark => bench::run(&small_benchmark(others.postgres.is_some())),
            Work::Instructions => match count_instructions() {
                Ok(instructions::Outcome::Kept) => Ok(()),
                Ok(instructions::Outcome::NotCompared(reason)) => {
                    println!("Not compared: {reason}");
                    outcomes.push((check.name, Outcome::NotDone(reason)));
                    continue;
                }
                Err(error) => Err(error),
            },
            Work::Clients => Clients::ensure().map(|found| others.clients = Some(found)),
            Work::Postgres | Work::Containers => {
                let found = match check.work {
                    Work::Postgres => find_postgres(&mut others),
                    _ => find_containers(&mut others),
                };
                match found.and_then(may_be_left_out) {
                    Ok(obstacles) if obstacles.is_empty() => Ok(()),
                    Ok(obstacles) => {
                        outcomes.push((check.name, Outcome::Obstacles(obstacles)));
                        continue;
                    }
                    Err(error) => Err(error),
                }
            }
            Work::BaseImage => base_image::run(&Platform::ALL, true),
            Work::Command(command) => run_command(command),
            Work::TestsWithClients(command) => run_command(with_others(command, &others)),
        };
        outcomes.push((
            check.name,
            match result {
                Ok(()) => Outcome::Passed(start.elapsed()),
                Err(error) => {
                    eprintln!("error: {error:#}");
                    build_failed |= is_build;
                    Outcome::Failed(start.elapsed())
                }
            },
        ));
    }
    heading("Summary");
    summarize(&outcomes)
}

fn run_command(mut command: Command) -> Result<()> {
    println!("$ {}", command::display_with_environment(&command));
    command::run(&mut command)
}

fn find_postgres(others: &mut Others) -> Result<Vec<Obstacle>> {
    match Postgres::ensure() {
        Ok(postgres) => {
            others.postgres = Some(postgres);
            Ok(Vec::new())
        }
        Err(Failure::Machine(obstacle)) => Ok(vec![obstacle]),
        Err(Failure::Error(error)) => Err(error),
    }
}

fn find_containers(others: &mut Others) -> Result<Vec<Obstacle>> {
    match Containers::ensure() {
        Ok(containers) => {
            let obstacles = containers.obstacles.clone();
            others.containers = Some(containers);
            Ok(obstacles)
        }
        Err(Failure::Machine(obstacle)) => Ok(vec![obstacle]),
        Err(Failure::Error(error)) => Err(error),
    }
}

/// Without valgrind nothing is counted. It is fetched unless the user wants nothing to be fetched.
fn count_instructions() -> Result<instructions::Outcome> {
    if clients::are_left_out()? && Valgrind::installed().is_none() {
        let reason = "valgrind is not installed, and AIRLOCK_CLIENTS=none";
        return Ok(instructions::Outcome::NotCompared(reason.to_owned()));
    }
    match Valgrind::ensure() {
        Ok(valgrind) => instructions::check(&valgrind),
        Err(error) if is_ci() => Err(error.context("CI is set, and a machine of CI must count instructions")),
        Err(error) => Ok(instructions::Outcome::NotCompared(format!("{error:#}"))),
    }
}

fn is_ci() -> bool {
    env::var_os("CI").is_some_and(|value| !value.is_empty())
}

/// What can not be run is left out and said, but not where everything must be: in CI.
fn may_be_left_out(obstacles: Vec<Obstacle>) -> Result<Vec<Obstacle>> {
    obstacles.iter().for_each(|obstacle| println!("{obstacle}"));
    if !obstacles.is_empty() && is_ci() {
        bail!("CI is set, and a machine of CI must run all tests");
    }
    Ok(obstacles)
}

/// The tests learn where the others are; without them, the rest still runs.
fn with_others(mut command: Command, others: &Others) -> Command {
    let mut skipped = Vec::new();
    match &others.clients {
        Some(clients) => {
            command.envs(clients.environment());
        }
        None => skipped.extend(["airbyte_clients::", "declarative::live::"]),
    }
    match &others.postgres {
        Some(postgres) => {
            let (name, value) = postgres.environment();
            command.env(name, value);
        }
        None => skipped.push(postgres::TESTS),
    }
    match &others.containers {
        Some(containers) => {
            let (name, value) = containers.environment();
            command.env(name, value);
            skipped.extend(containers.obstacles.iter().map(|obstacle| obstacle.tests));
        }
        None => skipped.push(containers::TESTS),
    }
    if !skipped.is_empty() {
        command.arg("--");
        command.args(skipped.iter().flat_map(|tests| ["--skip", tests]));
    }
    command
}

/// The order: what is quick first, and what needs the host's dependencies together.
///
/// Those take minutes to compile, so the arrangement is about compiling them once. The host's own tests use what the
/// build left, in the release profile and by themselves: together with the other packages its dependencies would get
/// other features. Clippy and the documentation share one pass over them, and in the release profile the macros and
/// build scripts of the build. All other packages are small, and tested in the development profile that xtask is
/// built in, where linking a test takes no time.
fn checks() -> Vec<Check> {
    let command = |arguments: &[&str]| {
        let mut command = command::cargo();
        command.args(arguments);
        command
    };
    let check = |name, command| Check { name, work: Work::Command(command), needs_build: false };

    let host_tests = command(&["test", "--release", "--locked", "--no-fail-fast", "--package", "airlock"]);
    let mut tests = command(&["test", "--workspace", "--exclude", "airlock", "--locked", "--no-fail-fast"]);
    // The tests through the binary find it, and the guests, by this.
    tests.env("AIRLOCK_DIST", dist::directory());
    let clippy =
        command(&["clippy", "--release", "--workspace", "--all-targets", "--locked", "--", "--deny", "warnings"]);
    // The build that runs compiled connectors only, for images.
    let runtime_only = [
        "clippy",
        "--release",
        "--package",
        "airlock",
        "--no-default-features",
        "--locked",
        "--",
        "--deny",
        "warnings",
    ];
    // A workspace of its own, which nothing above reaches.
    let fuzzed = ["--manifest-path", "tests/fuzz/Cargo.toml", "--target-dir", "target/fuzz", "--locked"];
    let replay = command(&[&["test"], &fuzzed[..]].concat());
    let fuzzers = command(&[&["clippy", "--all-targets"], &fuzzed[..], &["--", "--deny", "warnings"]].concat());
    let fuzzers_format = command(&["fmt", "--manifest-path", "tests/fuzz/Cargo.toml", "--check"]);
    let mut documentation = command(&["doc", "--release", "--workspace", "--no-deps", "--locked"]);
    documentation.env("RUSTDOCFLAGS", "--deny warnings");

    vec![
        check("Formatting", command(&["fmt", "--all", "--check"])),
        Check { name: "Build", work: Work::Build, needs_build: false },
        Check { name: "Other people's clients for the tests", work: Work::Clients, needs_build: false },
        Check { name: "PostgreSQL for the tests", work: Work::Postgres, needs_build: false },
        Check { name: "What runs images in the tests", work: Work::Containers, needs_build: false },
        Check { name: "The base image, for both platforms", work: Work::BaseImage, needs_build: true },
        Check {
            name: "Unit tests, examples in the documentation, and the tests through the binary",
            work: Work::TestsWithClients(tests),
            needs_build: true,
        },
        check("Unit tests of the host", host_tests),
        check("What fuzzers have found", replay),
        check("Formatting of the fuzzers", fuzzers_format),
        check("Clippy for the fuzzers", fuzzers),
        Check { name: "The benchmark, on a small scale", work: Work::Benchmark, needs_build: true },
        Check { name: "Instructions, against the committed figures", work: Work::Instructions, needs_build: true },
        check("Clippy", clippy),
        check("Clippy without the compiler", command(&runtime_only)),
        check("Documentation", documentation),
    ]
}

fn summarize(outcomes: &[(&'static str, Outcome)]) -> Result<()> {
    let mut failed = Vec::new();
    for (name, outcome) in outcomes {
        match outcome {
            Outcome::Passed(time) => println!("ok       {name} ({} s)", time.as_secs()),
            Outcome::Failed(time) => {
                println!("FAILED   {name} ({} s)", time.as_secs());
                failed.push(*name);
            }
            Outcome::NotRun => println!("not run  {name}"),
            Outcome::NotDone(reason) => println!("NOT RUN  {name}: {reason}"),
            Outcome::LeftOut => println!("LEFT OUT {name}, and the tests that need it (AIRLOCK_CLIENTS=none)"),
            Outcome::Obstacles(obstacles) => {
                println!("NOT RUN  {name}:");
                obstacles.iter().for_each(|obstacle| println!("         {obstacle}"));
            }
        }
    }
    if !failed.is_empty() {
        bail!("failed: {}", failed.join("; "));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_that_run_others_are_told_where_they_are_or_skipped() {
        let command = with_others(Command::new("tests"), &Others::default());
        assert_eq!(
            command::display(&command),
            "tests -- --skip airbyte_clients:: --skip declarative::live:: --skip _postgres:: --skip images::engines::"
        );
    }

    #[test]
    fn the_summary_fails_and_names_each_failure() {
        let passed = || Outcome::Passed(Duration::from_secs(1));
        let failed = || Outcome::Failed(Duration::from_secs(1));
        summarize(&[("formatting", passed()), ("build", passed())]).expect("all passed");
        let error = summarize(&[("formatting", failed()), ("build", passed()), ("clippy", failed())]);
        assert_eq!(error.expect_err("two failed").to_string(), "failed: formatting; clippy");
        // What was not run is never the only thing wrong: the build failed before it.
        let error = summarize(&[("build", failed()), ("tests", Outcome::NotRun)]);
        assert_eq!(error.expect_err("one failed").to_string(), "failed: build");
        summarize(&[("build", passed()), ("clients", Outcome::LeftOut)]).expect("leaving out is no failure");
        let unknown = Outcome::NotDone("no figures".to_owned());
        summarize(&[("build", passed()), ("instructions", unknown)]).expect("it is said, and no failure");
    }
}
