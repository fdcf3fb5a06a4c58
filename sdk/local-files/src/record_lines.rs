//! Records become lines of a format, each with an id of its own. Knows nothing of files.

use airlock_sdk::Result;
#[cfg(not(target_os = "wasi"))]
use airlock_sdk::system_error;
use uuid::Builder;

use crate::format::{RawRecord, RecordFormat};

/// Turns records into lines, and hands them on in pieces.
pub struct RecordLines<F> {
    format: F,
    lines: Vec<u8>,
    ids: RecordIds,
}

/// Lines are handed on when there are this many bytes: large enough that the call costs nothing, small enough for a
/// guest's memory.
const PIECE: usize = 256 * 1024;

impl<F: RecordFormat> RecordLines<F> {
    /// Nothing yet.
    pub fn new(format: F) -> Self {
        RecordLines { format, lines: Vec::new(), ids: RecordIds::new() }
    }

    /// Gives the lines of records to `write`, whole lines a call. A record is its data, a JSON object on one line, and
    /// when it was read.
    pub fn write<'a>(
        &mut self,
        records: impl IntoIterator<Item = (&'a [u8], i64)>,
        mut write: impl FnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        self.lines.clear();
        for (data, emitted_at) in records {
            self.push(data, emitted_at)?;
            if self.lines.len() >= PIECE {
                write(&self.lines)?;
                self.lines.clear();
                // A record of many megabytes leaves no buffer of that size behind.
                self.lines.shrink_to(2 * PIECE);
            }
        }
        if !self.lines.is_empty() {
            write(&self.lines)?;
        }
        Ok(())
    }

    #[inline]
    fn push(&mut self, data: &[u8], emitted_at: i64) -> Result<()> {
        let mut id = [0; uuid::fmt::Hyphenated::LENGTH];
        let id = Builder::from_random_bytes(self.ids.next()?).into_uuid().hyphenated().encode_lower(&mut id);
        self.format.add_line(&RawRecord { id, emitted_at, data }, &mut self.lines);
        Ok(())
    }
}

/// Random bytes for ids, fetched for many at once.
struct RecordIds {
    pool: Vec<u8>,
    used: usize,
}

impl RecordIds {
    const POOL: usize = 16 * 512;

    fn new() -> Self {
        RecordIds { pool: vec![0; Self::POOL], used: Self::POOL }
    }

    fn next(&mut self) -> Result<[u8; 16]> {
        if self.used == self.pool.len() {
            platform::fill_with_random_bytes(&mut self.pool)?;
            self.used = 0;
        }
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&self.pool[self.used..self.used + 16]);
        self.used += 16;
        Ok(bytes)
    }
}

#[cfg(target_os = "wasi")]
mod platform {
    use super::Result;

    // Not getrandom: on WASI that is a call of the host for every 8 bytes, two for each record.
    pub fn fill_with_random_bytes(bytes: &mut [u8]) -> Result<()> {
        bytes.copy_from_slice(&wasip2::random::random::get_random_bytes(bytes.len() as u64));
        Ok(())
    }
}

#[cfg(not(target_os = "wasi"))]
mod platform {
    use super::{Result, system_error};

    pub fn fill_with_random_bytes(bytes: &mut [u8]) -> Result<()> {
        getrandom::fill(bytes).map_err(|error| {
            system_error("No random numbers can be had for the ids of the records.").with_internal(error)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::format::tests::PLAIN;

    fn pieces_of(records: &[(&str, i64)]) -> Vec<String> {
        let mut pieces = Vec::new();
        RecordLines::new(PLAIN)
            .write(records.iter().map(|(data, emitted_at)| (data.as_bytes(), *emitted_at)), |piece| {
                pieces.push(String::from_utf8(piece.to_vec())?);
                Ok(())
            })
            .unwrap();
        pieces
    }

    #[test]
    fn records_become_the_lines_of_the_format() {
        let text = pieces_of(&[("{ \"b\" : 1.10 }", 1700000000000), ("{}", -5)]).concat();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 2);
        for (line, end) in lines.iter().zip([" 1700000000000 { \"b\" : 1.10 }", " -5 {}"]) {
            assert_eq!(&line[36..], end);
        }
    }

    #[test]
    fn ids_are_random_uuids_of_version_4() {
        let count = 3000;
        let text = pieces_of(&vec![("{}", 0); count]).concat();
        let ids: HashSet<uuid::Uuid> = text.lines().map(|line| uuid::Uuid::try_parse(&line[..36]).unwrap()).collect();
        assert_eq!(ids.len(), count);
        for id in ids {
            assert_eq!(id.get_version_num(), 4);
            assert_eq!(id.get_variant(), uuid::Variant::RFC4122);
        }
    }

    #[test]
    fn pieces_are_whole_lines_and_the_buffer_stays_small() {
        let long = format!("{{\"a\":\"{}\"}}", "x".repeat(4 << 20));
        let records = [("{}".as_bytes(), 0), (long.as_bytes(), 0)].repeat(3);
        let mut record_lines = RecordLines::new(PLAIN);
        let mut count = 0;
        record_lines
            .write(records, |piece| {
                assert_eq!(piece.last(), Some(&b'\n'));
                count += memchr::memchr_iter(b'\n', piece).count();
                Ok(())
            })
            .unwrap();
        assert_eq!(count, 6);
        assert!(record_lines.lines.capacity() <= 4 * PIECE);
    }
}
