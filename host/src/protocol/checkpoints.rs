//! The STATE messages of a destination's input, and the order in which they are echoed: one after the other for each
//! stream, and a GLOBAL one after all before it and before all after it. Knows nothing of who commits them.

use std::collections::{HashSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::input_message::Echo;
use super::stream_name::StreamName;

/// Names a STATE message of the input.
pub type CheckpointId = u64;

/// The STATE messages that have come and have not been echoed.
#[derive(Default)]
pub struct Checkpoints {
    ledger: Mutex<Ledger>,
}

#[derive(Default)]
struct Ledger {
    next: CheckpointId,
    /// In the order in which they came.
    waiting: VecDeque<Waiting>,
}

struct Waiting {
    id: CheckpointId,
    /// None covers everything.
    stream: Option<StreamName>,
    records: u32,
    echo: Echo,
    /// With how many rejected records, once it is.
    committed: Option<u32>,
}

impl Checkpoints {
    fn lock(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes note of a STATE message that covers `records` records of `stream`, or of everything.
    pub fn add(&self, stream: Option<StreamName>, records: u32, echo: Echo) -> CheckpointId {
        let mut ledger = self.lock();
        let id = ledger.next;
        ledger.next += 1;
        ledger.waiting.push_back(Waiting { id, stream, records, echo, committed: None });
        id
    }

    /// The destination promises that what this one covers is safe. Gives the lines that may be echoed now.
    pub fn commit(&self, id: CheckpointId, rejected: u32) -> Vec<Vec<u8>> {
        let mut ledger = self.lock();
        if let Ok(place) = ledger.waiting.binary_search_by_key(&id, |waiting| waiting.id) {
            ledger.waiting[place].committed = Some(rejected);
        }
        ledger.take_echoes()
    }

    /// How many have come and were not committed.
    pub fn uncommitted(&self) -> usize {
        self.lock().waiting.iter().filter(|waiting| waiting.committed.is_none()).count()
    }
}

impl Ledger {
    fn take_echoes(&mut self) -> Vec<Vec<u8>> {
        let mut echoes = Vec::new();
        let mut held_back = HashSet::new();
        let mut place = 0;
        while let Some(waiting) = self.waiting.get(place) {
            let free = match &waiting.stream {
                None => place == 0,
                Some(stream) => !held_back.contains(stream),
            };
            match waiting.committed {
                Some(rejected) if free => {
                    // The two make up the records that there were, whatever a destination says.
                    let rejected = rejected.min(waiting.records);
                    echoes.push(waiting.echo.line(waiting.records - rejected, rejected));
                    self.waiting.remove(place);
                    continue;
                }
                _ => match &waiting.stream {
                    None => break,
                    Some(stream) => held_back.insert(stream.clone()),
                },
            };
            place += 1;
        }
        echoes
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
        let Ok(InputMessage::State(state)) = input_message::parse(line.as_bytes()) else { panic!("{line}") };
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
        assert!(marks(checkpoints.commit(a3, 0)).is_empty());
        assert_eq!(marks(checkpoints.commit(b2, 0)), [2]);
        assert_eq!(checkpoints.uncommitted(), 1);
        assert_eq!(marks(checkpoints.commit(a1, 0)), [1, 3]);
        assert_eq!(checkpoints.uncommitted(), 0);
    }

    #[test]
    fn a_global_one_waits_for_all_before_it_and_holds_all_after_it() {
        let checkpoints = Checkpoints::default();
        let [a1, all2, b3] =
            [(Some("a"), 1), (None, 2), (Some("b"), 3)].map(|(name, mark)| add(&checkpoints, name, mark));
        assert!(marks(checkpoints.commit(b3, 0)).is_empty());
        assert!(marks(checkpoints.commit(all2, 0)).is_empty());
        assert_eq!(marks(checkpoints.commit(a1, 0)), [1, 2, 3]);
    }
}
