//! A run that a test talks to: reads its lines until it has seen what it waits for, signals it, and looks at its end.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::harness::process::peak_memory;
use crate::harness::protocol;
use crate::harness::{Airlock, Finished, Workspace};

pub struct Live {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: Option<BufReader<ChildStdout>>,
    read: Vec<u8>,
    _kept: Option<Workspace>,
}

impl Live {
    pub fn start(mut run: Airlock) -> Live {
        let kept = run.kept.take();
        let mut child = run.spawn();
        let stdin = child.stdin.take();
        let stdout = child.stdout.take().map(BufReader::new);
        Live { child, stdin, stdout, read: Vec::new(), _kept: kept }
    }

    /// Gives it more input, which stays open.
    pub fn send(&mut self, input: &str) {
        let stdin = self.stdin.as_mut().expect("stdin is open");
        stdin.write_all(input.as_bytes()).and_then(|()| stdin.flush()).expect("it reads");
    }

    /// Reads lines, for as long as it takes, until this is true of one.
    #[track_caller]
    pub fn wait_for(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        let stdout = self.stdout.as_mut().expect("stdout is open");
        loop {
            let mut line = Vec::new();
            let read = stdout.read_until(b'\n', &mut line).expect("stdout is readable");
            self.read.extend_from_slice(&line);
            assert!(read > 0, "it ended before: {}", String::from_utf8_lossy(&self.read));
            let message: Value = serde_json::from_slice(&line).expect("whole lines of JSON");
            if wanted(&message) {
                return message;
            }
        }
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("it runs");
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The most memory that it has held so far, in bytes.
    pub fn peak_memory(&self) -> u64 {
        peak_memory(self.child.id()) * 1024
    }

    /// Ends it, whatever it does.
    pub fn kill(mut self) {
        self.child.kill().and_then(|()| self.child.wait()).expect("it is killed");
    }

    /// Nobody reads any more.
    pub fn close_stdout(&mut self) {
        self.stdout = None;
    }

    /// Waits for its end without reading what is left.
    pub fn wait_unread(&mut self) {
        self.child.wait().expect("it ends");
    }

    /// Reads to the end, waits, and checks every line.
    #[track_caller]
    pub fn finish(mut self) -> Finished {
        if let Some(stdout) = &mut self.stdout {
            stdout.read_to_end(&mut self.read).expect("stdout is readable");
        }
        let mut stderr = String::new();
        self.child.stderr.take().expect("it was asked for").read_to_string(&mut stderr).expect("stderr is text");
        let status = self.child.wait().expect("it ends");
        // Open until now: the end of the input is no reason to end.
        drop(self.stdin);
        Finished { status, stderr, messages: protocol::messages(&self.read), stdout: self.read }
    }
}
