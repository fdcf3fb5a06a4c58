//! Which records are shown, and how. Their content is what the user asked to see.

use std::collections::HashMap;

use airlock_sdk::{RecordBatch, StreamName};
use fastrand::Rng;

use crate::config::Entries;

/// No more of a record is shown: a log is read by people, and kept by a platform.
const MOST_BYTES: usize = 4096;

/// Shows some records of each stream.
pub struct RecordLog {
    entries: Entries,
    streams: HashMap<StreamName, StreamLog>,
}

struct StreamLog {
    random: Rng,
    /// Records that came.
    records: u64,
    /// Records that were shown.
    shown: u64,
}

impl RecordLog {
    /// Nothing has come yet.
    pub fn new(entries: Entries) -> Self {
        RecordLog { entries, streams: HashMap::new() }
    }

    /// Shows what is to be shown of a batch.
    pub fn show(&mut self, batch: &RecordBatch) {
        let Entries { every, ratio, seed, most } = self.entries;
        let log = self.streams.entry(batch.stream.clone());
        let log = log.or_insert_with(|| StreamLog { random: Rng::with_seed(seed), records: 0, shown: 0 });
        if log.shown >= most {
            return;
        }
        for record in batch.iter() {
            log.records += 1;
            // Nothing is drawn where all are wanted.
            if log.records % every != 0 || (ratio < 1.0 && log.random.f64() >= ratio) {
                continue;
            }
            log.shown += 1;
            log::info!(
                "Logging Destination(stream={}, recordIndex={}, logEntry={}/{most}): {}",
                batch.stream,
                log.records,
                log.shown,
                shortened(record.data)
            );
            if log.shown == most {
                return;
            }
        }
    }
}

/// A record's data as text, up to a measure.
fn shortened(data: &[u8]) -> String {
    if data.len() <= MOST_BYTES {
        return String::from_utf8_lossy(data).into_owned();
    }
    // A character may be cut: it begins within the last four bytes.
    let end = (MOST_BYTES - 3..=MOST_BYTES).rev().find(|end| data[*end] & 0xc0 != 0x80).unwrap_or(MOST_BYTES);
    format!("{} … ({} bytes more)", String::from_utf8_lossy(&data[..end]), data.len() - end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_record_is_cut_between_characters() {
        assert_eq!(shortened(br#"{"a":"short"}"#), r#"{"a":"short"}"#);
        for padding in 0..4 {
            let data = "x".repeat(padding) + &"😀".repeat(2000);
            let text = shortened(data.as_bytes());
            let (shown, rest) = text.split_once(" … (").unwrap();
            assert!(data.starts_with(shown), "no character was replaced");
            assert!((4090..=4096).contains(&shown.len()));
            assert_eq!(rest, format!("{} bytes more)", data.len() - shown.len()));
        }
    }
}
