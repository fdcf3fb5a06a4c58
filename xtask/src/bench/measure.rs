//! One process from its start to its end, by the system's own accounting. It must not know what is measured, or why.

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::command;

/// A command line that is measured: what it prints is thrown away.
#[derive(Clone)]
pub struct Program {
    pub arguments: Vec<OsString>,
    pub input: Input,
    /// Emptied before each run, outside the time that is measured.
    pub directory: Option<PathBuf>,
}

/// What a program reads.
#[derive(Clone)]
pub enum Input {
    Nothing,
    File(PathBuf),
    /// What another program writes, through a pipe. That program is not measured.
    From(Vec<OsString>),
}

/// What a run used.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    /// User and system time of the process and of all that it started and waited for.
    pub cpu: Duration,
    pub wall: Duration,
    /// The largest resident set of any one of them, in bytes.
    pub peak_memory: u64,
}

impl Program {
    /// A program that reads nothing.
    pub fn new<I: IntoIterator<Item = S>, S: Into<OsString>>(arguments: I) -> Program {
        let arguments = arguments.into_iter().map(Into::into).collect();
        Program { arguments, input: Input::Nothing, directory: None }
    }
}

/// Runs programs through one that is small and tells what they used (`tests/yardstick/src/usage.rs`): into the peak of a
/// process's memory, the system counts what its parent had at that moment.
pub struct Meter {
    pub usage: PathBuf,
}

impl Meter {
    /// Runs a program to its end; an error unless it succeeds.
    pub fn run(&self, program: &Program) -> Result<Usage> {
        if let Some(directory) = &program.directory {
            let _ = fs::remove_dir_all(directory);
            fs::create_dir_all(directory).with_context(|| format!("cannot create {}", directory.display()))?;
        }
        let mut feeder = None;
        let stdin = match &program.input {
            Input::Nothing => Stdio::null(),
            Input::File(path) => {
                Stdio::from(File::open(path).with_context(|| format!("cannot open {}", path.display()))?)
            }
            Input::From(arguments) => {
                let (feeder, shown) = feeder.insert(start(arguments)?);
                Stdio::from(feeder.stdout.take().with_context(|| format!("`{shown}` has no output"))?)
            }
        };
        let mut command = Command::new(&self.usage);
        command.args(&program.arguments).stdin(stdin);
        let shown = command::display(&command);
        let output = command.stderr(Stdio::inherit()).output().with_context(|| format!("cannot start `{shown}`"))?;
        // The pipe's end must go, or a feeder that still writes would never hear that nobody reads.
        drop(command);
        if let Some((mut child, shown)) = feeder {
            let status = child.wait().with_context(|| format!("cannot wait for `{shown}`"))?;
            ensure!(status.success(), "`{shown}` failed ({status})");
        }
        ensure!(output.status.success(), "`{shown}` failed ({})", output.status);
        let text = String::from_utf8_lossy(&output.stdout);
        Usage::parse(&text).with_context(|| format!("`{shown}` said {text:?}"))
    }
}

impl Usage {
    /// From what the program `usage` says.
    fn parse(text: &str) -> Option<Usage> {
        let mut numbers = text.split_whitespace().map(|word| word.parse().ok());
        let mut next = || numbers.next().flatten();
        Some(Usage { cpu: Duration::from_micros(next()?), wall: Duration::from_micros(next()?), peak_memory: next()? })
    }
}

/// A command from a program and its arguments.
pub fn command_of(arguments: &[OsString]) -> Result<Command> {
    let (program, arguments) = arguments.split_first().context("a program has a name")?;
    let mut command = Command::new(program);
    command.args(arguments);
    Ok(command)
}

fn start(arguments: &[OsString]) -> Result<(Child, String)> {
    let mut command = command_of(arguments)?;
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    let shown = command::display(&command);
    let child = command.spawn().with_context(|| format!("cannot start `{shown}`"))?;
    Ok((child, shown))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_program_used_is_read() {
        let usage = Usage::parse("1500 2000000 4096\n").expect("three numbers");
        assert_eq!((usage.cpu, usage.wall), (Duration::from_micros(1500), Duration::from_secs(2)));
        assert_eq!(usage.peak_memory, 4096);
        for text in ["", "1 2", "1 2 x"] {
            assert!(Usage::parse(text).is_none(), "{text}");
        }
    }
}
