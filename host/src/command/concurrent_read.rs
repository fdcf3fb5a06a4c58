//! Several instances of one source at once, one configured stream each. What one of them does is no matter of the others: each speaks
//! in a lane of its own, and one that fails fails its stream.

use std::collections::BTreeMap;
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
        let next = AtomicUsize::new(0);
        let failures = AtomicUsize::new(0);
        let guests = Guests::new(&self.run.termination, catalogs.len());
        let read_streams = || {
            while self.run.output.interruption().is_none() {
                let stream = next.fetch_add(1, Ordering::Relaxed);
                let Some(catalog) = catalogs.get(stream) else { return };
                if !self.read_stream(stream, catalog, &guests) {
                    failures.fetch_add(1, Ordering::Relaxed);
                }
            }
        };
        thread::scope(|scope| {
            let mut started = 0;
            for number in 1..=instances {
                let reader = thread::Builder::new().name(format!("instance {number}"));
                match reader.spawn_scoped(scope, read_streams) {
                    Ok(_) => started += 1,
                    // Those that could be started do the work.
                    Err(_) if started > 0 => break,
                    Err(error) => return Err(super::no_thread("an instance of the connector", &error)),
                }
            }
            Ok(())
        })?;
        self.run.termination.data_has_moved();
        // Those that the sync was interrupted before.
        let begun = next.into_inner().min(catalogs.len());
        (begun..catalogs.len()).for_each(|stream| self.run.output.stream_ended(stream, false));
        Ok(begun == catalogs.len() && failures.into_inner() == 0)
    }

    /// Whether it went well.
    fn read_stream(&self, stream: StreamIndex, catalog: &Arc<ConfiguredCatalog>, guests: &Guests) -> bool {
        let name = &self.catalog.streams()[stream];
        let output = match self.run.output.lane_for(stream, name) {
            Ok(output) => output,
            Err(error) => {
                self.run.output.trace_error(&super::no_thread("the output of a stream", &error).for_stream(name));
                return false;
            }
        };
        let running = guests.begin(stream, &output);
        let mut outcome = match self.connector.start(self.sandbox, &output) {
            Ok(Instance::Source(mut source)) => source.read(&self.config, catalog, self.state.of_stream(name)),
            // It was one a moment ago.
            Ok(Instance::Destination(_)) => not_started(Failure::system_error("The connector is no source.")),
            Err(failure) => not_started(failure),
        };
        drop(running);
        outcome.result = outcome.result.map_err(|failure| match failure.stream {
            Some(_) => failure,
            None => failure.for_stream(name),
        });
        let succeeded = conclude(&output, catalog, outcome);
        // Why stdout is gone is told at the end of all.
        succeeded & output.finish().is_ok()
    }
}

/// How a read went that did not begin.
fn not_started(failure: Failure) -> ReadOutcome {
    ReadOutcome { result: Err(failure), open: Vec::new(), unopened: vec![0] }
}

/// Which guests run. One that is told to stop because of what it gave may take its time as long as others work; when only such are
/// left, they have as long as any, for nobody can stop one alone.
#[derive(Clone)]
struct Guests {
    state: Arc<Mutex<GuestsState>>,
    termination: Termination,
}

struct GuestsState {
    /// By their stream; whether they were told to stop.
    running: BTreeMap<StreamIndex, bool>,
    /// Streams that have not been read.
    left: usize,
    /// Counts every change.
    changes: u64,
}

impl Guests {
    fn new(termination: &Termination, streams: usize) -> Guests {
        let state = GuestsState { running: BTreeMap::new(), left: streams, changes: 0 };
        Guests { state: Arc::new(Mutex::new(state)), termination: termination.clone() }
    }

    fn begin(&self, stream: StreamIndex, output: &Output) -> RunningGuest<'_> {
        self.change(|state| {
            state.running.insert(stream, false);
        });
        let guests = self.clone();
        output.on_interruption(move || {
            guests.change(|state| {
                if let Some(told) = state.running.get_mut(&stream) {
                    *told = true;
                }
            });
        });
        RunningGuest { guests: self, stream }
    }

    fn change(&self, change: impl FnOnce(&mut GuestsState)) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut state);
        state.changes += 1;
        if state.left == 0 {
            // All that is left is to write what they gave.
            self.termination.data_has_moved();
        }
        if !state.running.is_empty() && state.running.values().all(|told| *told) {
            let (state, seen) = (self.state.clone(), state.changes);
            self.termination
                .end_after_unless(move || state.lock().unwrap_or_else(PoisonError::into_inner).changes != seen);
        }
    }
}

/// A guest that runs, as long as this lives.
struct RunningGuest<'a> {
    guests: &'a Guests,
    stream: StreamIndex,
}

impl Drop for RunningGuest<'_> {
    fn drop(&mut self) {
        self.guests.change(|state| {
            state.running.remove(&self.stream);
            state.left -= 1;
        });
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
