//! One process from its start to its end, by the system's own accounting. It must not know what is measured, or why.

use std::ffi::OsString;
use std::fs::File;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use wait4::Wait4;

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
    /// The largest resident set of any one of them, in bytes. The system counts the moment before the program was loaded
    /// as well, so it is never less than what this very process has.
    pub peak_memory: u64,
}

impl Program {
    /// A program that reads nothing.
    pub fn new<I: IntoIterator<Item = S>, S: Into<OsString>>(arguments: I) -> Program {
        let arguments = arguments.into_iter().map(Into::into).collect();
        Program { arguments, input: Input::Nothing, directory: None }
    }

    /// Runs it to its end; an error unless it succeeds.
    pub fn run(&self) -> Result<Usage> {
        if let Some(directory) = &self.directory {
            let _ = std::fs::remove_dir_all(directory);
            std::fs::create_dir_all(directory).with_context(|| format!("cannot create {}", directory.display()))?;
        }
        let mut feeder = None;
        let stdin = match &self.input {
            Input::Nothing => Stdio::null(),
            Input::File(path) => {
                Stdio::from(File::open(path).with_context(|| format!("cannot open {}", path.display()))?)
            }
            Input::From(arguments) => {
                let mut command = command_of(arguments)?;
                let shown = command::display(&command);
                let mut child = command
                    .stdin(Stdio::null())
                    .stdout(Stdio::piped())
                    .spawn()
                    .with_context(|| format!("cannot start `{shown}`"))?;
                let output = child.stdout.take().context("its output was asked for")?;
                feeder = Some((child, shown));
                Stdio::from(output)
            }
        };
        let mut command = command_of(&self.arguments)?;
        let shown = command::display(&command);
        let start = Instant::now();
        let child =
            command.stdin(stdin).stdout(Stdio::null()).spawn().with_context(|| format!("cannot start `{shown}`"))?;
        // Whatever holds the pipe's end open besides the child would hide its death from the feeder.
        drop(command);
        let used = child.wait4().with_context(|| format!("cannot wait for `{shown}`"))?;
        let wall = start.elapsed();
        if !used.status.success() {
            bail!("`{shown}` failed ({})", used.status);
        }
        if let Some((mut child, shown)) = feeder {
            let status = child.wait().with_context(|| format!("cannot wait for `{shown}`"))?;
            if !status.success() {
                bail!("`{shown}` failed ({status})");
            }
        }
        Ok(Usage { cpu: used.rusage.utime + used.rusage.stime, wall, peak_memory: used.rusage.maxrss })
    }
}

fn command_of(arguments: &[OsString]) -> Result<Command> {
    let (program, arguments) = arguments.split_first().context("a program has a name")?;
    let mut command = Command::new(program);
    command.args(arguments);
    Ok(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_program_uses_is_seen() {
        let busy = Program::new(["sh", "-c", "i=0; while [ $i -lt 200000 ]; do i=$((i + 1)); done"]).run();
        let idle = Program::new(["sh", "-c", ":"]).run().expect("it succeeds");
        let busy = busy.expect("it succeeds");
        assert!(busy.cpu > idle.cpu && busy.cpu <= busy.wall * 2, "{busy:?} {idle:?}");
        assert!(idle.peak_memory > 100 * 1024, "{idle:?}");
    }

    #[test]
    fn a_program_reads_what_it_is_given() {
        let mut program = Program::new(["sh", "-c", "read line && [ \"$line\" = fed ]"]);
        assert!(program.run().is_err());
        program.input = Input::From(["echo", "fed"].map(OsString::from).to_vec());
        program.run().expect("it was fed");
        program.input = Input::From(["false"].map(OsString::from).to_vec());
        assert!(program.run().is_err());
    }
}
