//! A program that runs beside the tests, and ends with them: with all that it started and mounted, however they end.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// More than any of them takes to start.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running program.
pub struct Daemon {
    process: Pid,
    /// Starts the program and waits for it: the kernel ends a child with the thread that started it, and a test's ends early.
    parent: Option<JoinHandle<()>>,
    log: PathBuf,
}

impl Daemon {
    /// In namespaces of its own, of processes and of mounts, which end with it. `log` takes what it says.
    pub fn start(command: &Command, log: &Path) -> Daemon {
        let namespaces =
            ["unshare", "--mount", "--propagation=slave", "--pid", "--fork", "--kill-child=KILL", "--mount-proc"];
        Daemon::start_as_is(&within(&namespaces, command), log, Stdio::null())
    }

    /// Without namespaces.
    pub fn start_as_is(command: &Command, log: &Path, stdin: Stdio) -> Daemon {
        let mut command = within(&["setpriv", "--pdeathsig", "KILL"], command);
        let output = File::create(log).expect("a log");
        command.stdin(stdin).stdout(output.try_clone().expect("a log")).stderr(output);
        let (started, has_started) = mpsc::channel();
        let parent = thread::spawn(move || {
            let child: io::Result<Child> = command.spawn();
            let mut child = child.unwrap_or_else(|error| panic!("{command:?}: {error}"));
            started.send(child.id()).expect("it is waited for");
            child.wait().expect("it is a child");
        });
        let process = has_started.recv().expect("it starts");
        let process = Pid::from_raw(process.try_into().expect("a process")).expect("a process");
        Daemon { process, parent: Some(parent), log: log.to_owned() }
    }

    /// Its number.
    pub fn process(&self) -> Pid {
        self.process
    }

    /// Tries until there is something, for a program that does not tell when it is ready.
    pub fn until<T>(&self, mut ready: impl FnMut(&str) -> Option<T>) -> T {
        let begin = Instant::now();
        loop {
            let log = self.log();
            if let Some(found) = ready(&log) {
                return found;
            }
            let running = self.parent.as_ref().is_some_and(|parent| !parent.is_finished());
            assert!(running, "it ended:\n{log}");
            assert!(begin.elapsed() < PATIENCE, "it is not ready after {PATIENCE:?}:\n{log}");
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// What it has said so far.
    pub fn log(&self) -> String {
        let mut text = Vec::new();
        fs::File::open(&self.log).and_then(|mut log| log.read_to_end(&mut text)).expect("a log");
        String::from_utf8_lossy(&text).into_owned()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // Whether it is still there does not matter.
        let _ = kill_process(self.process, Signal::KILL);
        if let Some(parent) = self.parent.take() {
            let _ = parent.join();
        }
    }
}

/// A command as the last words of others.
pub fn within(words: &[&str], command: &Command) -> Command {
    let mut outer = Command::new(words[0]);
    outer.args(&words[1..]).arg(command.get_program()).args(command.get_args());
    // Both begin with an empty environment.
    outer.env_clear().envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    if let Some(directory) = command.get_current_dir() {
        outer.current_dir(directory);
    }
    outer
}
