//! Several instances of one source at once, one configured stream each. What one of them does is no matter of the others: each speaks
//! in a lane of its own, and one that fails fails its stream.

use std::collections::{BTreeMap, VecDeque};
use std::num::NonZeroUsize;
use std::str::FromStr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use super::Run;
use super::read::conclude;
use super::termination::Termination;
use crate::connector::{Connector, CurrentConfig, Instance, ReadOutcome};
use crate::protocol::catalog::ConfiguredCatalog;
use crate::protocol::failure::Failure;
use crate::protocol::output::{Output, StreamIndex};
use crate::protocol::state::SavedState;
use crate::sandbox::Sandbox;

/// How many streams are read at once at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Concurrency(NonZeroUsize);

/// More would be a mistake: each is an instance and two threads.
const MAX_CONCURRENCY: NonZeroUsize = NonZeroUsize::new(1000).unwrap();

impl FromStr for Concurrency {
    type Err = String;

    fn from_str(text: &str) -> Result<Concurrency, String> {
        match text.trim().parse() {
            Ok(number) if number <= MAX_CONCURRENCY => Ok(Concurrency(number)),
            _ => Err(format!("{text:?} is no whole number from 1 to {MAX_CONCURRENCY}")),
        }
    }
}

/// How many instances read: what the user says, else as many as there are cores; no more than the connector allows, or than there are
/// streams.
pub fn instances(wanted: Option<Concurrency>, allowed: Option<u32>, streams: usize) -> usize {
    let cores = || thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let most = wanted.map_or_else(cores, |wanted| wanted.0.get());
    let allowed = allowed.map_or(usize::MAX, |allowed| usize::try_from(allowed).unwrap_or(usize::MAX));
    most.min(allowed).min(streams).max(1)
}

/// A read that several instances share.
pub struct ConcurrentRead<'a> {
    pub run: &'a Run,
    pub connector: &'a Connector,
    pub sandbox: &'a Sandbox,
    pub config: Arc<CurrentConfig>,
    pub catalog: &'a ConfiguredCatalog,
    pub state: SavedState,
}

impl ConcurrentRead<'_> {
    /// Reads every stream, so many at once. Whether all went well.
    pub fn run(&self, instances: usize) -> Result<bool, Failure> {
        let catalogs = self.catalog.of_one_stream_each().map_err(|problem| {
            Failure::system_error(format!("The configured catalog can not be taken apart by its streams: {problem}."))
        })?;
        let catalogs: Vec<Arc<ConfiguredCatalog>> = catalogs.into_iter().map(Arc::new).collect();
        let work = Work::new(self.run, catalogs.len());
        let failures = AtomicUsize::new(0);
        let read_streams = |reader: Reader| {
            while let Some(stream) = reader.0.take() {
                match self.read_stream(stream, &catalogs[stream], &reader) {
                    Some(true) => {}
                    Some(false) => drop(failures.fetch_add(1, Ordering::Relaxed)),
                    // Others read it.
                    None => return,
                }
            }
        };
        thread::scope(|scope| {
            for number in 1..=instances {
                let reader = Reader::new(&work);
                let started = thread::Builder::new()
                    .name(format!("instance {number}"))
                    .spawn_scoped(scope, || read_streams(reader));
                match started {
                    Ok(_) => {}
                    // Those that could be started do the work.
                    Err(_) if number > 1 => break,
                    Err(error) => return Err(super::no_thread("an instance of the connector", &error)),
                }
            }
            Ok(())
        })?;
        self.run.termination.data_has_moved();
        // Those that the sync was interrupted before.
        let unread = work.unread();
        unread.iter().for_each(|stream| self.run.output.stream_ended(*stream, false));
        Ok(unread.is_empty() && failures.into_inner() == 0)
    }

    /// Whether it went well. None where there are no threads for it, and others will read it.
    fn read_stream(&self, stream: StreamIndex, catalog: &Arc<ConfiguredCatalog>, reader: &Reader) -> Option<bool> {
        let name = &self.catalog.streams()[stream];
        let output = match self.run.output.lane_for(stream, name) {
            Ok(output) => output,
            Err(_) if reader.0.give_back(stream) => return None,
            Err(error) => {
                self.run.output.trace_error(&super::no_thread("the output of a stream", &error).for_stream(name));
                self.run.output.stream_ended(stream, false);
                return Some(false);
            }
        };
        let work = reader.0.clone();
        output.on_interruption(move || work.told(stream));
        let mut outcome = match self.connector.start(self.sandbox, &output) {
            Ok(Instance::Source(mut source)) => source.read(&self.config, catalog, self.state.of_stream(name)),
            // It was one a moment ago.
            Ok(Instance::Destination(_)) => not_started(Failure::system_error("The connector is no source.")),
            Err(failure) => not_started(failure),
        };
        reader.0.has_returned(stream);
        outcome.result = outcome.result.map_err(|failure| match failure.stream {
            Some(_) => failure,
            None => failure.for_stream(name),
        });
        let succeeded = conclude(&output, catalog, outcome);
        // Why stdout is gone is told at the end of all.
        Some(succeeded & output.finish().is_ok())
    }
}

/// How a read went that did not begin.
fn not_started(failure: Failure) -> ReadOutcome {
    ReadOutcome { result: Err(failure), open: Vec::new(), unopened: vec![0] }
}

/// What is to be read, and who reads it.
#[derive(Clone)]
struct Work {
    state: Arc<Mutex<WorkState>>,
    output: Output,
    termination: Termination,
}

struct WorkState {
    /// Streams that nobody has begun, in their order.
    waiting: VecDeque<StreamIndex>,
    /// Streams that a guest reads; whether it was told to stop.
    running: BTreeMap<StreamIndex, bool>,
    readers: usize,
    /// Counts every change.
    changes: u64,
}

impl Work {
    fn new(run: &Run, streams: usize) -> Work {
        let state = WorkState { waiting: (0..streams).collect(), running: BTreeMap::new(), readers: 0, changes: 0 };
        let work = Work {
            state: Arc::new(Mutex::new(state)),
            output: run.output.clone(),
            termination: run.termination.clone(),
        };
        let interrupted = work.clone();
        run.output.on_interruption(move || interrupted.change(|_| {}));
        work
    }

    fn change<T>(&self, change: impl FnOnce(&mut WorkState) -> T) -> T {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let result = change(&mut state);
        state.changes += 1;
        let all_returned =
            state.running.is_empty() && (state.waiting.is_empty() || self.output.interruption().is_some());
        // A guest that was told to stop because of what it gave may take its time as long as others work. When all readers wait for
        // such, they have as long as any, for nobody can stop one alone.
        let none_works =
            state.readers > 0 && state.running.len() == state.readers && state.running.values().all(|told| *told);
        let seen = state.changes;
        drop(state);
        if all_returned {
            // All that is left is to write what they gave.
            self.termination.data_has_moved();
        }
        if none_works {
            let state = self.state.clone();
            self.termination
                .end_after_unless(move || state.lock().unwrap_or_else(PoisonError::into_inner).changes != seen);
        }
        result
    }

    /// The next stream to read; none where there is none, or nothing more is to be read.
    fn take(&self) -> Option<StreamIndex> {
        self.change(|state| {
            if self.output.interruption().is_some() {
                return None;
            }
            let stream = state.waiting.pop_front()?;
            state.running.insert(stream, false);
            Some(stream)
        })
    }

    /// A stream could not be begun. Whether there are others who may read it later.
    fn give_back(&self, stream: StreamIndex) -> bool {
        self.change(|state| {
            state.running.remove(&stream);
            let others = state.readers > 1;
            if others {
                state.waiting.push_front(stream);
            }
            others
        })
    }

    /// The guest that reads this stream was told to stop.
    fn told(&self, stream: StreamIndex) {
        self.change(|state| {
            if let Some(told) = state.running.get_mut(&stream) {
                *told = true;
            }
        });
    }

    /// The guest that read this stream has returned.
    fn has_returned(&self, stream: StreamIndex) {
        self.change(|state| state.running.remove(&stream));
    }

    /// The streams that nobody has begun.
    fn unread(&self) -> VecDeque<StreamIndex> {
        self.change(|state| std::mem::take(&mut state.waiting))
    }
}

/// Somebody who reads one stream after the other, as long as this lives.
struct Reader(Work);

impl Reader {
    fn new(work: &Work) -> Reader {
        work.change(|state| state.readers += 1);
        Reader(work.clone())
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.0.change(|state| state.readers -= 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_of_all_limits_counts() {
        let wanted = |number: &str| Some(number.parse::<Concurrency>().unwrap());
        assert_eq!(instances(wanted("8"), None, 20), 8);
        assert_eq!(instances(wanted("8"), Some(3), 20), 3);
        assert_eq!(instances(wanted("8"), Some(0), 20), 1);
        assert_eq!(instances(wanted("8"), None, 2), 2);
        assert_eq!(instances(wanted("8"), None, 0), 1);
        assert!(instances(None, None, 1000) >= 1);
        for wrong in ["0", "-1", "1001", "two", ""] {
            assert!(wrong.parse::<Concurrency>().is_err(), "{wrong}");
        }
    }
}
