//! One attempt of a sync: a source, a destination, and between them the platform, which passes lines on, takes the echoed
//! states and kills when the moment has come. It must not know what files a destination has.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, ExitStatus};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::inotify::{ReadFlags, WatchFlags};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process};

use super::moment::{Kill, Moment};
use super::watch::Watch;
use crate::harness::Airlock;

/// A process that has ended.
pub struct Ended {
    pub status: ExitStatus,
    pub stdout: Vec<u8>,
    /// What it was sent, if anything.
    pub signal: Option<Signal>,
}

/// An attempt that has ended.
pub struct Attempt {
    pub source: Ended,
    pub destination: Ended,
    /// What was passed on to the destination.
    pub passed: Vec<u8>,
    /// Whether the destination's input has come to its end.
    pub input_ended: bool,
}

impl Attempt {
    /// Whether anything was killed.
    pub fn was_killed(&self) -> bool {
        self.source.signal.is_some() || self.destination.signal.is_some()
    }
}

/// Runs both until they have ended. `files` is where the destination puts its files.
pub fn run(source: Airlock, destination: Airlock, files: &Path, kill: Option<Kill>) -> Attempt {
    let watch = Watch::of(files, WatchFlags::MODIFY | WatchFlags::MOVED_TO);
    let mut source = source.spawn();
    let mut destination = destination.spawn();
    let killer = Killer {
        kill,
        source: Pid::from_child(&source),
        destination: Pid::from_child(&destination),
        fired: AtomicBool::new(false),
    };
    drop(source.stdin.take());
    let lines = BufReader::new(source.stdout.take().expect("it was asked for"));
    let echoes = destination.stdout.take().expect("it was asked for");
    let (platform, echoed) = thread::scope(|scope| {
        let reader = scope.spawn(|| take_echoes(echoes, &watch, &killer));
        let mut platform =
            Platform { destination: &mut destination, killer: &killer, passed: Vec::new(), read: Vec::new() };
        let input_ended = platform.pass_all(lines);
        let (passed, read) = (platform.passed, platform.read);
        ((passed, read, input_ended), reader.join().expect("the reader does not panic"))
    });
    let (passed, read, input_ended) = platform;
    let fired = killer.kill.filter(|_| killer.fired.load(Ordering::Acquire));
    let ended = |mut child: Child, stdout: Vec<u8>, signal: Option<Signal>| {
        let mut stderr = String::new();
        child.stderr.take().expect("it was asked for").read_to_string(&mut stderr).expect("stderr is text");
        // A source is told by nothing else that its destination is gone.
        assert!(stderr.is_empty() || stderr.contains("Broken pipe"), "{stderr}");
        Ended { status: child.wait().expect("it ends"), stdout, signal }
    };
    Attempt {
        source: ended(source, read, fired.and_then(|kill| kill.of_source())),
        destination: ended(destination, echoed, fired.and_then(|kill| kill.of_destination())),
        passed,
        input_ended,
    }
}

/// Kills once, when its moment has come. Neither process has been waited for before, so each pid is still its own.
struct Killer {
    kill: Option<Kill>,
    source: Pid,
    destination: Pid,
    fired: AtomicBool,
}

impl Killer {
    fn now(&self, moment: Moment) {
        let Some(kill) = self.kill.filter(|kill| kill.moment == moment) else { return };
        if self.fired.swap(true, Ordering::AcqRel) {
            return;
        }
        for (pid, signal) in [(self.destination, kill.of_destination()), (self.source, kill.of_source())] {
            if let Some(signal) = signal {
                kill_process(pid, signal).expect("it has not been waited for");
            }
        }
    }

    /// After how many of `bytes` more the moment comes, if it comes within them.
    fn within(&self, passed: usize, bytes: usize) -> Option<usize> {
        match self.kill?.moment {
            Moment::Passed(moment) => moment.checked_sub(passed).filter(|left| *left < bytes),
            _ => None,
        }
    }

    fn has_killed_destination(&self) -> bool {
        self.fired.load(Ordering::Acquire) && self.kill.is_some_and(|kill| kill.of_destination().is_some())
    }
}

struct Platform<'a> {
    destination: &'a mut Child,
    killer: &'a Killer,
    passed: Vec<u8>,
    read: Vec<u8>,
}

impl Platform<'_> {
    /// Passes lines on to the end, or until the destination is gone. Says whether the input was closed before that.
    fn pass_all(&mut self, mut lines: BufReader<ChildStdout>) -> bool {
        self.killer.now(Moment::Started);
        let mut completed = 0;
        let mut line = Vec::new();
        let mut taken = true;
        while taken && !self.killer.has_killed_destination() {
            line.clear();
            if lines.read_until(b'\n', &mut line).expect("stdout is readable") == 0 {
                break;
            }
            self.read.extend_from_slice(&line);
            if self.killer.kill.is_some_and(|kill| self.passed.len() + line.len() > kill.holds_after) {
                return false;
            }
            if !line.ends_with(b"\n") && !self.killer.kill.is_some_and(|kill| kill.passes_pieces_on) {
                break;
            }
            taken = match self.killer.within(self.passed.len(), line.len()) {
                None => self.pass(&line),
                Some(moment) => {
                    let before = self.pass(&line[..moment]);
                    self.killer.now(Moment::Passed(self.passed.len()));
                    // A destination that was sent a signal is left with half a line, and its input stays open.
                    before && !self.killer.has_killed_destination() && self.pass(&line[moment..])
                }
            };
            if taken && is_complete(&line) {
                completed += 1;
                self.killer.now(Moment::Completed(completed));
            }
        }
        if !taken || self.killer.has_killed_destination() {
            if self.killer.kill.is_some_and(|kill| kill.of_source().is_some()) {
                lines.read_to_end(&mut self.read).expect("stdout is readable");
            }
            // Otherwise nobody reads any more, which ends the source.
            return false;
        }
        drop(self.destination.stdin.take());
        self.killer.now(Moment::Closed);
        true
    }

    /// False when the destination takes no more.
    fn pass(&mut self, bytes: &[u8]) -> bool {
        let mut rest = bytes;
        while !rest.is_empty() {
            match self.destination.stdin.as_mut().expect("it is open").write(rest) {
                Ok(count) => {
                    self.passed.extend_from_slice(&rest[..count]);
                    rest = &rest[count..];
                }
                Err(error) => {
                    assert_eq!(Errno::from_io_error(&error), Some(Errno::PIPE), "{error}");
                    return false;
                }
            }
        }
        true
    }
}

fn is_complete(line: &[u8]) -> bool {
    line.starts_with(b"{\"type\":\"TRACE\"") && line.windows(19).any(|part| part == b"\"status\":\"COMPLETE\"")
}

/// Reads what the destination says to its end, and counts its states and what it does to its files on the way.
fn take_echoes(mut stdout: ChildStdout, watch: &Watch, killer: &Killer) -> Vec<u8> {
    let mut read = Vec::new();
    let mut buffer = [0; 4096];
    let (mut looked_at, mut states, mut written, mut renamed) = (0, 0, 0, 0);
    loop {
        let mut ready = [PollFd::new(watch, PollFlags::IN), PollFd::new(&stdout, PollFlags::IN)];
        poll(&mut ready, None).expect("pipes can be polled");
        if ready[0].revents().contains(PollFlags::IN) {
            for event in watch.seen() {
                if event.contains(ReadFlags::MOVED_TO) {
                    renamed += 1;
                    killer.now(Moment::Renamed(renamed));
                } else {
                    written += 1;
                    killer.now(Moment::Written(written));
                }
            }
        }
        if ready[1].revents().is_empty() {
            continue;
        }
        let count = stdout.read(&mut buffer).expect("stdout is readable");
        if count == 0 {
            return read;
        }
        read.extend_from_slice(&buffer[..count]);
        while let Some(length) = read[looked_at..].iter().position(|byte| *byte == b'\n') {
            if read[looked_at..].starts_with(b"{\"type\":\"STATE\"") {
                states += 1;
                killer.now(Moment::Echoed(states));
            }
            looked_at += length + 1;
        }
    }
}
