//! The records of a page: pieces of its text. Nothing is copied or parsed before somebody asks for it.

use std::fmt;
use std::ops::Range;
use std::vec;

use super::json_text::{Elements, JsonText};
use crate::failure::Result;
use crate::stream_writer::StreamWriter;

/// The records of a [`Page`](super::Page), in its order: an iterator over their JSON, as it stands there.
///
/// ```no_run
/// # fn read(page: &airlock_sdk::http::Page, writer: &mut airlock_sdk::StreamWriter) -> airlock_sdk::Result<()> {
/// # #[derive(serde::Deserialize)] struct Order { id: u64 }
/// // All, as the server sent them:
/// page.records("data.items")?.write_to(writer)?;
/// // Or one by one:
/// for record in page.records("data.items")? {
///     let order: Order = page.parse(record)?;
///     if order.id > 1000 {
///         writer.write_json(record.as_bytes())?;
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Records<'p> {
    text: JsonText<'p>,
    /// What is left of an array.
    elements: Option<Elements<'p>>,
    found: vec::IntoIter<Found>,
}

/// What a path leads to.
#[derive(Clone)]
pub(super) enum Found {
    /// An array of records.
    Array(Range<usize>),
    /// A record.
    Record(Range<usize>),
}

impl<'p> Records<'p> {
    pub(super) fn new(text: JsonText<'p>, found: Vec<Found>) -> Self {
        Records { text, elements: None, found: found.into_iter() }
    }

    /// Whether there are none, or none any more.
    pub fn is_empty(&self) -> bool {
        self.clone().next_part().is_none()
    }

    /// How many there are, or are left: they are counted.
    pub fn len(&self) -> usize {
        let mut rest = self.clone();
        std::iter::from_fn(|| rest.next_part()).count()
    }

    /// Writes them, or what is left of them, as they stand. This is the fastest way that a record can go: it is copied once, and the
    /// host checks it. The error is the writer's.
    pub fn write_to(mut self, writer: &mut StreamWriter) -> Result<()> {
        while let Some(record) = self.next_part() {
            let record = self.text.get(record);
            match self.text.has_line_breaks() {
                true => writer.write_json(record)?,
                false => writer.write_line(record)?,
            }
        }
        Ok(())
    }

    /// The text of all of them, with what is between.
    pub(super) fn texts(&self) -> impl Iterator<Item = &'p [u8]> {
        let text = self.text;
        self.found.as_slice().iter().map(move |(Found::Array(found) | Found::Record(found))| text.get(found.clone()))
    }

    fn next_part(&mut self) -> Option<Range<usize>> {
        loop {
            if let Some(element) = self.elements.as_mut().and_then(Iterator::next) {
                return Some(element);
            }
            self.elements = match self.found.next()? {
                Found::Array(array) => self.text.elements(&array),
                Found::Record(record) => return Some(record),
            };
        }
    }
}

impl<'p> Iterator for Records<'p> {
    type Item = &'p str;

    fn next(&mut self) -> Option<&'p str> {
        let record = self.next_part()?;
        // It is UTF-8, or the page would be none.
        Some(std::str::from_utf8(self.text.get(record)).unwrap_or_default())
    }
}

impl fmt::Debug for Records<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Records({})", self.len())
    }
}
