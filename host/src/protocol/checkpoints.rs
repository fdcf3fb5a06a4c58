//! The STATE messages of a destination's input, and the order in which they are echoed: one after the other for each
//! stream, and a GLOBAL one after all before it and before all after it. Knows nothing of who commits them.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::input_message::Echo;
use super::stream_name::StreamName;

/// Names a STATE message of the input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckpointId {
    /// The stream it covers; none covers everything.
    pub stream: Option<StreamName>,
    /// Its place among all of the input.
    number: u64,
}

/// The STATE messages that have come and have not been echoed.
#[derive(Default)]
pub struct Checkpoints {
    ledger: Mutex<Ledger>,
}

#[derive(Default)]
struct Ledger {
    next: u64,
    uncommitted: usize,
    /// Of each stream, in the order in which they came.
    streams: HashMap<StreamName, VecDeque<Waiting>>,
    /// The GLOBAL ones, in their order.
    globals: VecDeque<Global>,
    /// How many of `streams` came after the last of `globals`.
    after_globals: usize,
}

struct Waiting {
    number: u64,
    records: u32,
    echo: Echo,
    /// With how many rejected records, once it is.
    committed: Option<u32>,
}

struct Global {
    waiting: Waiting,
    /// How many of `streams` came after the GLOBAL one before and before this one.
    before: usize,
}

impl Checkpoints {
    fn lock(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes note of a STATE message that covers `records` records of `stream`, or of everything.
    pub fn add(&self, stream: Option<StreamName>, records: u32, echo: Echo) -> CheckpointId {
        let mut ledger = self.lock();
        let number = ledger.next;
        ledger.next += 1;
        ledger.uncommitted += 1;
        let waiting = Waiting { number, records, echo, committed: None };
        match &stream {
            Some(name) => {
                ledger.after_globals += 1;
                ledger.streams.entry(name.clone()).or_default().push_back(waiting);
            }
            None => {
                let before = std::mem::take(&mut ledger.after_globals);
                ledger.globals.push_back(Global { waiting, before });
            }
        }
        CheckpointId { stream, number }
    }

    /// The destination promises that what this one covers is safe. Gives the lines that may be echoed now.
    pub fn commit(&self, id: &CheckpointId, rejected: u32) -> Vec<Vec<u8>> {
        let mut ledger = self.lock();
        ledger.set_committed(id, rejected);
        let mut echoes = Vec::new();
        if let Some(stream) = &id.stream {
            ledger.echo_stream(stream, &mut echoes);
        }
        ledger.echo_globals(&mut echoes);
        echoes
    }

    /// How many have come and were not committed.
    pub fn uncommitted(&self) -> usize {
        self.lock().uncommitted
    }
}

impl Ledger {
    fn set_committed(&mut self, id: &CheckpointId, rejected: u32) {
        let waiting = match &id.stream {
            Some(stream) => self.streams.get_mut(stream).and_then(|queue| {
                let place = queue.binary_search_by_key(&id.number, |waiting| waiting.number).ok()?;
                queue.get_mut(place)
            }),
            None => {
                let place = self.globals.binary_search_by_key(&id.number, |global| global.waiting.number).ok();
                place.and_then(|place| self.globals.get_mut(place)).map(|global| &mut global.waiting)
            }
        };
        if let Some(waiting) = waiting
            && waiting.committed.replace(rejected).is_none()
        {
            self.uncommitted -= 1;
        }
    }

    /// Echoes what is committed of a stream, up to the first GLOBAL one that waits.
    fn echo_stream(&mut self, stream: &StreamName, echoes: &mut Vec<Vec<u8>>) {
        let Some(queue) = self.streams.get_mut(stream) else { return };
        let barrier = self.globals.front().map_or(u64::MAX, |global| global.waiting.number);
        while let Some(line) = queue.front().filter(|waiting| waiting.number < barrier).and_then(Waiting::line) {
            echoes.push(line);
            queue.pop_front();
            let segment = self.globals.front_mut().map_or(&mut self.after_globals, |global| &mut global.before);
            *segment -= 1;
        }
    }

    /// Echoes the GLOBAL ones that nothing before holds back, and what each of them held back.
    fn echo_globals(&mut self, echoes: &mut Vec<Vec<u8>>) {
        while let Some(line) =
            self.globals.front().filter(|global| global.before == 0).and_then(|global| global.waiting.line())
        {
            echoes.push(line);
            self.globals.pop_front();
            let streams: Vec<StreamName> = self.streams.keys().cloned().collect();
            for stream in &streams {
                self.echo_stream(stream, echoes);
            }
        }
    }
}

impl Waiting {
    /// Its echo, if it is committed.
    fn line(&self) -> Option<Vec<u8>> {
        // The two counts make up the records that there were, whatever a destination says.
        let rejected = self.committed?.min(self.records);
        Some(self.echo.line(self.records - rejected, rejected))
    }
}

#[cfg(test)]
mod tests {
    use super::super::input_message::{self, InputMessage};
    use super::*;

    fn add(checkpoints: &Checkpoints, stream: Option<&str>, mark: u32) -> CheckpointId {
        let state = match stream {
            Some(name) => format!("\"type\":\"STREAM\",\"stream\":{{\"stream_descriptor\":{{\"name\":\"{name}\"}}}}"),
            None => "\"type\":\"GLOBAL\",\"global\":{}".to_owned(),
        };
        let line = format!("{{\"type\":\"STATE\",\"state\":{{{state},\"mark\":{mark}}}}}");
        let Ok(InputMessage::State(state)) = input_message::parse(&line) else { panic!("{line}") };
        checkpoints.add(state.stream, 10, state.echo)
    }

    fn marks(lines: Vec<Vec<u8>>) -> Vec<u64> {
        lines
            .iter()
            .map(|line| serde_json::from_slice::<serde_json::Value>(line).unwrap()["state"]["mark"].as_u64().unwrap())
            .collect()
    }

    #[test]
    fn order_holds_for_each_stream_and_not_between_streams() {
        let checkpoints = Checkpoints::default();
        let [a1, b2, a3] = [("a", 1), ("b", 2), ("a", 3)].map(|(name, mark)| add(&checkpoints, Some(name), mark));
        assert!(marks(checkpoints.commit(&a3, 0)).is_empty());
        assert_eq!(marks(checkpoints.commit(&b2, 0)), [2]);
        assert_eq!(checkpoints.uncommitted(), 1);
        assert_eq!(marks(checkpoints.commit(&a1, 0)), [1, 3]);
        assert_eq!(checkpoints.uncommitted(), 0);
    }

    #[test]
    fn a_global_one_waits_for_all_before_it_and_holds_all_after_it() {
        let checkpoints = Checkpoints::default();
        let [a1, all2, b3] =
            [(Some("a"), 1), (None, 2), (Some("b"), 3)].map(|(name, mark)| add(&checkpoints, name, mark));
        assert!(marks(checkpoints.commit(&b3, 0)).is_empty());
        assert!(marks(checkpoints.commit(&all2, 0)).is_empty());
        assert_eq!(marks(checkpoints.commit(&a1, 0)), [1, 2, 3]);
    }
}
