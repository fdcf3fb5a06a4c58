//! A container to be run, whatever runs it: always without capabilities, privileges to gain and network.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use rustix::process::{Pid, Signal, kill_process};

use crate::harness::{Finished, protocol};

/// What is run, and with what.
pub struct Container {
    pub component: PathBuf,
    /// In the place of the image's own.
    pub entrypoint: Option<String>,
    pub arguments: Vec<String>,
    pub directory: Option<String>,
    pub environment: Vec<(String, String)>,
    pub mounts: Vec<Mount>,
    /// Whether only /airbyte can be written to.
    pub read_only: bool,
}

/// A directory of the machine in the container.
pub struct Mount {
    pub from: PathBuf,
    pub to: String,
    pub writable: bool,
}

/// What runs containers.
pub trait Engine {
    /// A command that is the container, as far as its streams, signals and its exit code are concerned. What is on /airbyte is
    /// empty and airbyte's own, where nothing is mounted there.
    fn command(&self, container: &Container) -> Command;
}

impl Container {
    /// Of a component's image, with a read-only root file system.
    pub fn of(component: &Path) -> Container {
        Container {
            component: component.to_owned(),
            entrypoint: None,
            arguments: Vec::new(),
            directory: None,
            environment: Vec::new(),
            mounts: Vec::new(),
            read_only: true,
        }
    }

    pub fn arguments(mut self, arguments: &[&str]) -> Container {
        self.arguments = arguments.iter().map(|&argument| argument.to_owned()).collect();
        self
    }

    /// A script in the place of the program.
    pub fn script(mut self, script: &str) -> Container {
        self.entrypoint = Some("sh".to_owned());
        self.arguments(&["-c", script])
    }

    pub fn mount(mut self, from: &Path, to: &str) -> Container {
        self.mounts.push(Mount { from: from.to_owned(), to: to.to_owned(), writable: false });
        self
    }

    /// A directory that the container writes to. It becomes airbyte's own.
    pub fn mount_writable(mut self, from: &Path, to: &str) -> Container {
        give(from);
        self.mounts.push(Mount { from: from.to_owned(), to: to.to_owned(), writable: true });
        self
    }

    /// As most engines have it unless told otherwise.
    pub fn with_writable_root(mut self) -> Container {
        self.read_only = false;
        self
    }

    /// Whether /airbyte needs something on it that can be written to.
    pub fn lacks_airbyte(&self) -> bool {
        self.read_only && !self.mounts.iter().any(|mount| mount.to == "/airbyte")
    }

    /// What Docker's command line and podman's have the same options for.
    pub fn options(&self) -> Vec<String> {
        let volume = |mount: &Mount| {
            let mode = if mount.writable { "rw" } else { "ro" };
            format!("--volume={}:{}:{mode}", mount.from.display(), mount.to)
        };
        let mut options: Vec<String> = self.mounts.iter().map(volume).collect();
        options.extend(self.environment.iter().map(|(name, value)| format!("--env={name}={value}")));
        options.extend(self.directory.iter().map(|directory| format!("--workdir={directory}")));
        options.extend(self.entrypoint.iter().map(|program| format!("--entrypoint={program}")));
        options
    }

    /// Runs it to its end as an Airbyte command.
    pub fn run(&self, engine: &dyn Engine, stdin: &str) -> Finished {
        let finished = self.run_tool(engine, stdin);
        Finished { messages: protocol::messages(&finished.stdout), ..finished }
    }

    /// Runs what prints no messages.
    pub fn run_tool(&self, engine: &dyn Engine, stdin: &str) -> Finished {
        let mut child = piped(&mut engine.command(self));
        let mut pipe = child.stdin.take().expect("it was asked for");
        let output = thread::scope(|scope| {
            // It may end without reading it all: that is for the test to judge.
            scope.spawn(move || pipe.write_all(stdin.as_bytes()));
            child.wait_with_output().expect("it ends")
        });
        finished(output)
    }

    /// Runs it until it has printed a record, calls `stop`, and gives what there is when it has ended.
    pub fn run_until_record(&self, engine: &dyn Engine, stop: impl FnOnce(Pid) + Send) -> Finished {
        let mut child = piped(&mut engine.command(self));
        let mut stdout = BufReader::new(child.stdout.take().expect("it was asked for"));
        let mut seen = Vec::new();
        let mut start = 0;
        while stdout.read_until(b'\n', &mut seen).expect("a pipe") > 0 {
            if seen[start..].starts_with(br#"{"type":"RECORD""#) {
                break;
            }
            start = seen.len();
        }
        thread::scope(|scope| {
            // Who stops it may wait until it has ended, which it can not while nobody reads.
            let process = Pid::from_child(&child);
            scope.spawn(move || stop(process));
            stdout.read_to_end(&mut seen).expect("a pipe");
        });
        let output = child.wait_with_output().expect("it ends");
        let finished = finished(output);
        Finished { messages: protocol::messages(&seen), stdout: seen, ..finished }
    }
}

fn piped(command: &mut Command) -> std::process::Child {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"))
}

fn finished(output: std::process::Output) -> Finished {
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    Finished { status: output.status, stdout: output.stdout, stderr, messages: Vec::new() }
}

/// SIGTERM, which engines hand on.
pub fn terminate(process: Pid) {
    kill_process(process, Signal::TERM).expect("it runs");
}

/// Makes a file airbyte's own, as the platform does with what it mounts.
pub fn give(path: &Path) {
    use rustix::fs::{Gid, Uid, chown};
    chown(path, Some(Uid::from_raw(1000)), Some(Gid::from_raw(1000))).expect("root runs these tests");
}
