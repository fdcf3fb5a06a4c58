//! One run of the binary.

use std::ffi::OsString;
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

use serde_json::Value;

use super::{Workspace, airlock_binary, protocol};

/// A run that is being prepared.
pub struct Airlock {
    command: Command,
    stdin: Vec<u8>,
    /// What goes with the run.
    pub(crate) kept: Option<Workspace>,
}

impl Airlock {
    /// With these arguments. The environment is empty but for what a shell would have, so that no variable of the developer's
    /// changes a test; compiled guests are kept where all tests share them.
    pub fn new<I: IntoIterator<Item = S>, S: Into<OsString>>(arguments: I) -> Airlock {
        let mut command = Command::new(airlock_binary());
        command
            .args(arguments.into_iter().map(Into::into))
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("XDG_CACHE_HOME", super::dist().join("test-cache"));
        Airlock { command, stdin: Vec::new(), kept: None }
    }

    /// For a connector.
    pub fn of(connector: &Path) -> Airlock {
        Airlock::new(["--connector".into(), connector.as_os_str().to_owned()])
    }

    /// One more argument.
    pub fn arg(mut self, argument: impl Into<OsString>) -> Airlock {
        self.command.arg(argument.into());
        self
    }

    /// An option and its value.
    pub fn option(self, name: &str, value: impl Into<OsString>) -> Airlock {
        self.arg(name).arg(value)
    }

    /// A variable of the environment.
    pub fn env(mut self, name: &str, value: impl Into<OsString>) -> Airlock {
        self.command.env(name, value.into());
        self
    }

    /// From a shell that gives it so many open files, unless it takes more.
    pub fn with_open_files(self, limit: u32) -> Airlock {
        self.with_limit(&format!("-Sn {limit}"))
    }

    /// From a shell that gives it so many KiB of addresses.
    pub fn with_address_space(self, kibibytes: u64) -> Airlock {
        self.with_limit(&format!("-v {kibibytes}"))
    }

    fn with_limit(mut self, limit: &str) -> Airlock {
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("ulimit {limit}; exec \"$@\""), "sh"]);
        shell.arg(self.command.get_program()).args(self.command.get_args()).env_clear();
        shell.envs(self.command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        self.command = shell;
        self
    }

    /// What comes on stdin; nothing, unless said.
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Airlock {
        self.stdin = bytes.into();
        self
    }

    /// With a directory that is removed after the run.
    pub fn keep(mut self, workspace: Workspace) -> Airlock {
        self.kept = Some(workspace);
        self
    }

    /// Starts it with pipes on all three streams, for tests that talk to it while it runs.
    pub fn spawn(mut self) -> Child {
        self.command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts")
    }

    /// The command, for tests that arrange the streams themselves.
    pub fn into_command(self) -> Command {
        self.command
    }

    /// Runs an Airbyte command to its end and checks every line of its stdout.
    pub fn run(self) -> Finished {
        let finished = self.run_tool();
        Finished { messages: protocol::messages(&finished.stdout), ..finished }
    }

    /// Runs a tool for people to its end: its stdout is no protocol.
    pub fn run_tool(mut self) -> Finished {
        let input = std::mem::take(&mut self.stdin);
        let _kept = self.kept.take();
        let mut child = self.spawn();
        let mut stdin = child.stdin.take().expect("it was asked for");
        let writer = std::thread::spawn(move || {
            // The process may end without reading it all: that is for the test to judge.
            let _ = stdin.write_all(&input);
        });
        let output = child.wait_with_output().expect("the binary ends");
        writer.join().expect("the writer does not panic");
        Finished {
            status: output.status,
            stdout: output.stdout,
            stderr: String::from_utf8(output.stderr).expect("stderr is text"),
            messages: Vec::new(),
        }
    }
}

/// A run that has ended.
#[derive(Debug)]
pub struct Finished {
    pub status: ExitStatus,
    pub stdout: Vec<u8>,
    pub stderr: String,
    /// The lines of stdout, in order.
    pub messages: Vec<Value>,
}

impl Finished {
    /// The same run, which must have ended with this code.
    #[track_caller]
    pub fn exits(self, code: i32) -> Finished {
        assert_eq!(
            self.status.code(),
            Some(code),
            "signal {:?}, stderr: {}\nstdout: {}",
            self.status.signal(),
            self.stderr,
            String::from_utf8_lossy(&self.stdout[..self.stdout.len().min(4000)])
        );
        self
    }

    /// Messages of a type.
    pub fn of_type(&self, kind: &str) -> Vec<&Value> {
        self.messages.iter().filter(|message| message["type"] == kind).collect()
    }

    /// The `data` of the records of a stream.
    pub fn records(&self, stream: &str) -> Vec<&Value> {
        let records = self.of_type("RECORD").into_iter().map(|message| &message["record"]);
        records.filter(|record| record["stream"] == stream).map(|record| &record["data"]).collect()
    }

    /// The STATE messages.
    pub fn states(&self) -> Vec<&Value> {
        self.of_type("STATE").into_iter().map(|message| &message["state"]).collect()
    }

    /// The `error` of each TRACE ERROR.
    pub fn errors(&self) -> Vec<&Value> {
        let traces = self.of_type("TRACE").into_iter().map(|message| &message["trace"]);
        traces.filter(|trace| trace["type"] == "ERROR").map(|trace| &trace["error"]).collect()
    }

    /// The one TRACE ERROR there must be: its failure type and its message.
    #[track_caller]
    pub fn error(&self) -> (&str, &str) {
        let errors = self.errors();
        assert_eq!(errors.len(), 1, "one TRACE ERROR: {:#?}", self.messages);
        (errors[0]["failure_type"].as_str().unwrap(), errors[0]["message"].as_str().unwrap())
    }

    /// The statuses of a stream, in order.
    pub fn statuses(&self, stream: &str) -> Vec<&str> {
        let traces = self.of_type("TRACE").into_iter().map(|message| &message["trace"]);
        traces
            .map(|trace| &trace["stream_status"])
            .filter(|status| status["stream_descriptor"]["name"] == stream)
            .map(|status| status["status"].as_str().unwrap())
            .collect()
    }

    /// The messages of LOG lines at a level.
    pub fn logs(&self, level: &str) -> Vec<&str> {
        let logs = self.of_type("LOG").into_iter().map(|message| &message["log"]);
        logs.filter(|log| log["level"] == level).map(|log| log["message"].as_str().unwrap()).collect()
    }

    /// The types of all messages in order, TRACE with its kind, runs of the same shown once: what golden tests compare.
    pub fn outline(&self) -> Vec<String> {
        let mut outline: Vec<String> = Vec::new();
        for message in &self.messages {
            let kind = message["type"].as_str().unwrap();
            let entry = match kind {
                "TRACE" if message["trace"]["type"] == "STREAM_STATUS" => {
                    message["trace"]["stream_status"]["status"].as_str().unwrap().to_owned()
                }
                "TRACE" => message["trace"]["type"].as_str().unwrap().to_owned(),
                kind => kind.to_owned(),
            };
            if outline.last() != Some(&entry) {
                outline.push(entry);
            }
        }
        outline
    }
}

/// The most memory that a process has held so far, in kB.
pub fn peak_memory(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    peak.trim().trim_end_matches(" kB").parse().unwrap()
}
