//! Signals, a time that is over, memory that does not suffice: the guest is told, has a while to clean up, and whole lines leave.
//! After a signal the process ends by it, as clients expect: PyAirbyte takes death by SIGTERM for success and exit code 143 for a
//! crash.

use std::io;
use std::panic;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level;

use super::end_at_once;
use crate::cli::people;
use crate::exit_code;
use crate::protocol::failure::{Failure, FailureKind};
use crate::protocol::input::InputInterrupter;
use crate::protocol::log_level::LogLevel;
use crate::protocol::message;
use crate::protocol::output::Output;
use crate::sandbox::{MemoryBudget, TimeLimit, remove_private_directory};

/// How long a guest may take to clean up after a signal: half of what Docker and PyAirbyte wait before they kill.
const GRACE_AFTER_SIGNAL: Duration = Duration::from_secs(5);

/// How long it may take where nobody waits: its data was refused, its time is over, or nobody reads any more.
const GRACE: Duration = Duration::from_secs(10);

/// How long the last lines may take when the process is ended.
const LAST_LINES: Duration = Duration::from_secs(1);

/// How more is said of a defect.
const WITH_BACKTRACE: &str = "RUST_BACKTRACE=1 in the environment says more, which may be data";

/// How long it may take to remove the temporary directory of a guest that still runs.
pub const REMOVAL: Duration = Duration::from_secs(2);

/// Decides how the process ends where it does not end by itself.
#[derive(Clone)]
pub struct Termination {
    output: Output,
    /// No thread waits for a reason to end: the process ends where the reason is.
    at_once: bool,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    /// The signal that asked the process to end; 0 before.
    signal: AtomicI32,
    phase: Mutex<Phase>,
    /// The guest has returned: what is left is to write what it said, which takes as long as its reader takes.
    guest_returned: AtomicBool,
    /// Somebody has begun to end the process for a reason that is told: nobody else tells another.
    ending: AtomicBool,
    /// What must not stay behind.
    temporary: Mutex<Vec<PathBuf>>,
}

/// What a signal ends.
#[derive(Default)]
enum Phase {
    /// Nothing that must be cleaned up: the process ends at once.
    #[default]
    Preparing,
    /// A guest moves data: it is told, and has a while.
    MovingData(Option<InputInterrupter>),
}

impl Termination {
    /// Starts to watch for signals, and for guests that go on when they have been told to stop. As PID 1 a process has to
    /// watch, for there no signal ends it by itself.
    pub fn watch(output: &Output) -> io::Result<Termination> {
        let termination = Termination { output: output.clone(), at_once: false, shared: Arc::default() };
        let mut signals = Signals::new([SIGTERM, SIGINT])?;
        let watcher = termination.clone();
        let watch = move || {
            for signal in signals.forever() {
                watcher.received(signal);
            }
        };
        thread::Builder::new().name("signals".into()).spawn(watch)?;
        let watcher = termination.clone();
        output.on_interruption(move || watcher.end_after(GRACE));
        Ok(termination)
    }

    /// The same without a thread, for a command that moves no data: a signal ends the process at once.
    pub fn at_once(output: &Output) -> io::Result<Termination> {
        end_at_once::end_at_signals()?;
        Ok(Termination { output: output.clone(), at_once: true, shared: Arc::default() })
    }

    /// From now on a guest moves data, and a signal leaves it time to clean up. Its wait for input ends then.
    pub fn data_moves(&self, input: Option<InputInterrupter>) {
        *self.shared.phase.lock().unwrap_or_else(PoisonError::into_inner) = Phase::MovingData(input);
    }

    /// The guest has returned: only a signal ends the process from now on before everything is written.
    pub fn data_has_moved(&self) {
        self.shared.guest_returned.store(true, Ordering::Release);
    }

    /// Directories that must not stay behind when the process does not end by itself.
    pub fn remove_at_end(&self, directories: [Option<&Path>; 2]) {
        if self.at_once {
            end_at_once::remove_at_end(directories);
        }
        let directories = directories.into_iter().flatten().map(Path::to_owned);
        *self.shared.temporary.lock().unwrap_or_else(PoisonError::into_inner) = directories.collect();
    }

    /// A panic on any thread, which is a defect of airlock, ends the process from now on: whole lines leave, and it is told as every
    /// failure (unless the thread that writes them is the one). Nothing unwinds, so the host in images is built without what that takes.
    pub fn tell_panics(&self) {
        let termination = self.clone();
        let print_all = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            // A panic's message may quote what was being worked on.
            match (std::env::var_os("RUST_BACKTRACE"), panic.location()) {
                (None, Some(place)) => people::error(&format!("airlock panicked at {place}"), Some(WITH_BACKTRACE)),
                _ => print_all(panic),
            }
            let teller = termination.clone();
            let tell = move || {
                teller.end_telling(&Failure::system_error(
                    "airlock itself failed. This is a defect of airlock: report it with what it printed on stderr.",
                ));
            };
            // The thread that panicked may hold a lock that the other needs, so that one is not waited for without end.
            if thread::Builder::new().name("panic".into()).spawn(tell).is_ok() {
                thread::sleep(LAST_LINES + REMOVAL + LAST_LINES);
            }
            low_level::exit(exit_code::FAILURE.into());
        }));
    }

    /// Ends the command when this much time is over from now. `policy` is the policy file that says so; else an option does.
    pub fn limit_time(&self, limit: TimeLimit, policy: Option<&Path>) -> io::Result<()> {
        let termination = self.clone();
        let (allowed_by, more) = match policy {
            Some(file) => (format!("the policy file {}", file.display()), "there"),
            None => ("--timeout".to_owned(), "with --timeout (or AIRLOCK_TIMEOUT)"),
        };
        let wait = move || {
            thread::sleep(limit.0);
            let failure = Failure::new(
                FailureKind::Transient,
                format!(
                    "The connector did not end within the {limit} that {allowed_by} allows, and was stopped. Give it more time \
                     {more}, or look at its log for what it waits for."
                ),
            );
            termination.stop(&failure, |output| output.time_out(&failure));
        };
        thread::Builder::new().name("timeout".into()).spawn(wait).map(drop)
    }

    /// Ends the command when `connector` and what the host keeps for it take more memory than this.
    pub fn limit_memory(&self, budget: &MemoryBudget, connector: &str) -> io::Result<()> {
        if self.at_once {
            let line = |problem| message::trace_error(&Failure::system_error(problem));
            budget.end_when_exceeded(connector, line, |line| end_at_once::end_with(line));
            return Ok(());
        }
        let (watcher, last_resort) = (self.clone(), self.clone());
        budget.watch(
            connector,
            move |problem| {
                let failure = Failure::system_error(problem);
                watcher.stop(&failure, |output| output.refuse(&failure));
            },
            move |problem| match problem {
                Some(problem) => last_resort.end_telling(&Failure::system_error(problem)),
                // It goes on, in the time that it has to clean up.
                None => last_resort.end(),
            },
        )
    }

    /// Stops a guest that moves data by telling it, and everything else at once.
    fn stop(&self, failure: &Failure, tell: impl FnOnce(&Output)) {
        match &*self.shared.phase.lock().unwrap_or_else(PoisonError::into_inner) {
            Phase::MovingData(input) if !self.shared.guest_returned.load(Ordering::Acquire) => {
                tell(&self.output);
                if let Some(input) = input {
                    input.interrupt();
                }
            }
            _ => self.end_telling(failure),
        }
    }

    /// Ends the process for this reason, if none has been told: a command that has failed may still wait for its reader.
    fn end_telling(&self, failure: &Failure) {
        if !self.shared.ending.swap(true, Ordering::AcqRel) && self.output.trace_errors() == 0 {
            self.output.trace_error(failure);
        }
        self.end();
    }

    /// The command ends by itself, and tells by itself why. Does not return where it is being ended already.
    pub fn ends_by_itself(&self) {
        if self.shared.ending.swap(true, Ordering::AcqRel) {
            loop {
                thread::park();
            }
        }
    }

    fn received(&self, signal: i32) {
        let earlier = self.shared.signal.swap(signal, Ordering::AcqRel);
        match &*self.shared.phase.lock().unwrap_or_else(PoisonError::into_inner) {
            Phase::MovingData(input) if earlier == 0 => {
                self.end_after(GRACE_AFTER_SIGNAL);
                self.output.cancel();
                if let Some(input) = input {
                    input.interrupt();
                }
            }
            // The same wish: a terminal's Ctrl-C reaches everybody, and PyAirbyte hands it on as SIGTERM.
            Phase::MovingData(_) if earlier != signal => {}
            // Nothing to clean up, or the same signal again: somebody is in a hurry.
            _ => self.end(),
        }
    }

    /// Ends the process after a while, if it is still there.
    fn end_after(&self, grace: Duration) {
        let termination = self.clone();
        let end = move || {
            thread::sleep(grace);
            if !termination.shared.guest_returned.load(Ordering::Acquire) {
                termination.end_telling_that_it_went_on(grace);
            } else if termination.shared.signal.load(Ordering::Acquire) != 0 {
                termination.end();
            }
        };
        if thread::Builder::new().name("grace".into()).spawn(end).is_err() {
            self.end();
        }
    }

    fn end_telling_that_it_went_on(&self, grace: Duration) {
        let seconds = grace.as_secs();
        let text = format!("The connector went on for {seconds} seconds after it was told to stop. It was ended.");
        self.output.log_now(LogLevel::Error, &text);
        self.end();
    }

    /// Ends the process after a while, unless somebody went on by then: for guests that were told to stop where there are several, of
    /// which none can be stopped alone.
    pub fn end_after_unless(&self, went_on: impl Fn() -> bool + Send + 'static) {
        let termination = self.clone();
        let end = move || {
            thread::sleep(GRACE);
            if !went_on() {
                termination.end_telling_that_it_went_on(GRACE);
            }
        };
        if thread::Builder::new().name("grace".into()).spawn(end).is_err() {
            self.end();
        }
    }

    /// Ends the process: whole lines leave, nothing stays behind.
    fn end(&self) {
        self.output.end_within(LAST_LINES);
        for directory in &*self.shared.temporary.lock().unwrap_or_else(PoisonError::into_inner) {
            // The guest may still write to it.
            let _ = remove_private_directory(directory, Some(Instant::now() + REMOVAL));
        }
        self.end_by_signal_if_any();
        low_level::exit(exit_code::FAILURE.into());
    }

    /// Ends the process by the signal that asked for it, if one did.
    pub fn end_by_signal_if_any(&self) {
        let signal = self.shared.signal.load(Ordering::Acquire);
        if signal != 0 {
            end_at_once::die_of(signal);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::protocol::output::OutputOptions;

    /// Set in a process of its own, which ends by the panic.
    const PANICS: &str = "AIRLOCK_TEST_PANICS";

    #[test]
    fn a_panic_is_told_and_ends_the_process() {
        if std::env::var_os(PANICS).is_some() {
            let options = OutputOptions { max_log_level: LogLevel::Info, max_record_bytes: 1000 };
            let output = Output::start(options);
            output.write_behind().unwrap();
            Termination::watch(&output).unwrap().tell_panics();
            // Not the main thread, whose end would be the process's own.
            let _ = thread::spawn(|| panic!("as a defect would")).join();
            unreachable!("the process has ended");
        }
        let this = "command::termination::tests::a_panic_is_told_and_ends_the_process";
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", this, "--nocapture"])
            .env(PANICS, "")
            .env_remove("RUST_BACKTRACE")
            .output()
            .unwrap();
        let stdout = String::from_utf8(output.stdout).unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{stdout}{stderr}");
        let told: Vec<&str> = stdout.lines().filter(|line| line.contains("airlock itself failed")).collect();
        assert!(told.len() == 1 && told[0].starts_with(r#"{"type":"TRACE""#), "{stdout}");
        assert!(stderr.contains("panicked at") && stderr.contains("termination.rs"), "{stderr}");
        assert!(!stderr.contains("as a defect would"), "{stderr}");
    }
}
