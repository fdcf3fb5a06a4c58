//! Rows in the form of `COPY … TO STDOUT (FORMAT binary)`: values as the server has them in memory, none of them parsed.

use crate::connection::Connection;
use crate::copy_out::CopyOut;
use crate::error::{Error, Result};
use crate::wire::Frame;

/// How the data begins, before flags and an extension.
const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0";
/// The most that a row may have. PostgreSQL has less than 1 GiB of one; and no sum of two lengths is over 4 GiB.
const MOST_ROW_BYTES: usize = 5 << 28;

/// The rows of a `COPY … TO STDOUT (FORMAT binary)`. Dropped before its end, it tells the server to stop.
#[derive(Debug)]
pub struct BinaryRows<'a> {
    copy: CopyOut<'a>,
    progress: Progress,
    /// The message that is read. None where it has been gathered.
    current: Option<Frame>,
    /// Messages put together, for a row that came in several. Nearly always empty: a server sends each row in one.
    gathered: Vec<u8>,
    /// How far the message, or what was gathered, has been read.
    position: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    Header,
    Rows,
    Over,
}

/// One row: an iterator over its values, none for NULL.
#[derive(Clone, Debug)]
pub struct BinaryRow<'a> {
    count: usize,
    rest: &'a [u8],
}

impl Connection {
    /// Begins a `COPY … TO STDOUT (FORMAT binary)`.
    pub fn copy_out_binary(&mut self, sql: &str) -> Result<BinaryRows<'_>> {
        let copy = self.copy_out(sql)?;
        if !copy.is_binary() {
            return Err(Error::Invalid("A COPY was to be read as binary, and its query does not say so.".to_owned()));
        }
        Ok(BinaryRows { copy, progress: Progress::Header, current: None, gathered: Vec::new(), position: 0 })
    }
}

/// What is at the begin of some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// A row of so many bytes, with so many values.
    Row { length: usize, count: usize },
    /// The end of the data.
    Trailer,
    /// Not all of it has come.
    Incomplete,
    /// No row.
    Nonsense,
}

impl BinaryRows<'_> {
    /// The next row. Its values are where they arrived; there is no copy.
    #[allow(clippy::should_implement_trait, reason = "what it gives is borrowed until the next call")]
    pub fn next(&mut self) -> Result<Option<BinaryRow<'_>>> {
        let found = self.find();
        match found {
            Ok(Some((length, count))) => {
                let start = self.position;
                self.position += length;
                Ok(Some(BinaryRow { count, rest: &self.bytes()[start + 2..self.position] }))
            }
            Ok(None) => Ok(None),
            Err(error) => {
                self.progress = Progress::Over;
                Err(error)
            }
        }
    }

    /// Sees to it that a whole row is there: its length and how many values it has.
    #[inline]
    fn find(&mut self) -> Result<Option<(usize, usize)>> {
        match self.progress {
            Progress::Header => self.header()?,
            Progress::Rows => {}
            Progress::Over => return Ok(None),
        }
        loop {
            match part_of(&self.bytes()[self.position..]) {
                Part::Row { length, count } => return Ok(Some((length, count))),
                Part::Trailer => {
                    self.progress = Progress::Over;
                    return match self.copy.next_frame()? {
                        None => Ok(None),
                        Some(_) => Err(self.copy.nonsense("rows after their end")),
                    };
                }
                Part::Nonsense => return Err(self.copy.nonsense("a row that can not be read")),
                Part::Incomplete => {
                    if !self.more()? {
                        // The server has ended in peace, and its data has not.
                        return Err(self.copy.nonsense("rows without their end"));
                    }
                }
            }
        }
    }

    /// What there is, read or not.
    #[inline]
    fn bytes(&self) -> &[u8] {
        match self.current {
            Some(frame) => self.copy.bytes(frame),
            None => &self.gathered,
        }
    }

    /// Takes the next message. What is left of those before is put together with it. False at the end.
    #[inline]
    fn more(&mut self) -> Result<bool> {
        match self.current.take() {
            Some(frame) => self.gathered.extend_from_slice(&self.copy.bytes(frame)[self.position..]),
            None => {
                self.gathered.drain(..self.position);
            }
        }
        self.position = 0;
        let Some(frame) = self.copy.next_frame()? else {
            return Ok(false);
        };
        if self.gathered.is_empty() {
            self.gathered = Vec::new();
            self.current = Some(frame);
        } else {
            let bytes = self.copy.bytes(frame);
            if self.gathered.len() + bytes.len() > MOST_ROW_BYTES {
                return Err(self.copy.nonsense("a row that does not end"));
            }
            self.gathered.extend_from_slice(bytes);
        }
        Ok(true)
    }

    /// The signature, four bytes of flags and an extension, which is passed over.
    fn header(&mut self) -> Result<()> {
        loop {
            let bytes = self.bytes();
            let fits = bytes.len().min(SIGNATURE.len());
            if bytes[..fits] != SIGNATURE[..fits] {
                return Err(self.copy.nonsense("a binary COPY that does not begin as one"));
            }
            if let Some(length) = bytes.get(15..19).and_then(|length| <[u8; 4]>::try_from(length).ok()) {
                // The low half of the flags may be ignored; what is in the high half changes the format.
                if bytes[11..13] != [0, 0] {
                    return Err(self.copy.nonsense("a binary COPY of an unknown format"));
                }
                let length = 19 + usize::try_from(i32::from_be_bytes(length)).unwrap_or(usize::MAX - 19);
                if length > MOST_ROW_BYTES {
                    return Err(self.copy.nonsense("a binary COPY of an unknown format"));
                }
                if bytes.len() >= length {
                    self.position = length;
                    self.progress = Progress::Rows;
                    return Ok(());
                }
            }
            if !self.more()? {
                return Err(self.copy.nonsense("a binary COPY that ends before it begins"));
            }
        }
    }
}

#[inline]
fn part_of(bytes: &[u8]) -> Part {
    let Some(count) = bytes.get(..2) else {
        return Part::Incomplete;
    };
    let count = i16::from_be_bytes([count[0], count[1]]);
    if count == -1 {
        return if bytes.len() == 2 { Part::Trailer } else { Part::Nonsense };
    }
    let Ok(count) = usize::try_from(count) else {
        return Part::Nonsense;
    };
    let mut position = 2;
    for _ in 0..count {
        let Some(length) = bytes.get(position..position + 4) else {
            return Part::Incomplete;
        };
        position += 4;
        match i32::from_be_bytes([length[0], length[1], length[2], length[3]]) {
            -1 => {}
            length => match usize::try_from(length) {
                Ok(length) => position += length,
                Err(_) => return Part::Nonsense,
            },
        }
        // Before it can overflow where addresses have 32 bits.
        if position > MOST_ROW_BYTES {
            return Part::Nonsense;
        }
    }
    if position > bytes.len() { Part::Incomplete } else { Part::Row { length: position, count } }
}

impl<'a> Iterator for BinaryRow<'a> {
    type Item = Option<&'a [u8]>;

    #[inline]
    fn next(&mut self) -> Option<Option<&'a [u8]>> {
        // The lengths were checked when the row was found.
        self.count = self.count.checked_sub(1)?;
        let (length, rest) = self.rest.split_at_checked(4)?;
        let length = i32::from_be_bytes([length[0], length[1], length[2], length[3]]);
        let Ok(length) = usize::try_from(length) else {
            self.rest = rest;
            return Some(None);
        };
        let (value, rest) = rest.split_at_checked(length)?;
        self.rest = rest;
        Some(Some(value))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.count, Some(self.count))
    }
}

impl ExactSizeIterator for BinaryRow<'_> {}
