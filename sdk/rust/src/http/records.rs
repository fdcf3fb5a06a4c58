//! The records of a page: pieces of its text. Nothing is copied or parsed before somebody asks for it.

use std::collections::VecDeque;
use std::fmt;

use super::json_text::Elements;
use super::page::Page;
use super::part::Part;
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
#[derive(Clone, Default)]
pub struct Records<'p> {
    /// What is left of an array.
    elements: Option<(&'p Page, Elements<'p>)>,
    found: VecDeque<Found<'p>>,
}

/// What a path leads to: records are made of these.
#[derive(Clone, Debug)]
pub enum Found<'p> {
    /// An array of records.
    Array(Part<'p>),
    /// A record.
    Record(Part<'p>),
}

impl<'p> Records<'p> {
    /// Whether there are none, or none any more.
    pub fn is_empty(&self) -> bool {
        self.clone().next_part().is_none()
    }

    /// How many there are, or are left: they are counted.
    pub fn len(&self) -> usize {
        self.clone().parts().count()
    }

    /// Writes them, or what is left of them, as they stand. This is the fastest way that a record can go: it is copied once, and the
    /// host checks it. The error is the writer's.
    pub fn write_to(mut self, writer: &mut StreamWriter) -> Result<()> {
        while let Some(record) = self.next_part() {
            record.write_to(writer)?;
        }
        Ok(())
    }

    /// The same as parts of the page, which may be looked into.
    pub fn parts(mut self) -> impl Iterator<Item = Part<'p>> + use<'p> {
        std::iter::from_fn(move || self.next_part())
    }

    /// The text of all of them, with what is between.
    pub(super) fn texts(&self) -> impl Iterator<Item = &'p [u8]> {
        self.found.iter().map(|(Found::Array(found) | Found::Record(found))| found.bytes())
    }

    fn next_part(&mut self) -> Option<Part<'p>> {
        loop {
            if let Some((page, elements)) = &mut self.elements {
                if let Some(element) = elements.next() {
                    return Some(Part::new(page, element));
                }
            }
            self.elements = match self.found.pop_front()? {
                Found::Array(array) => {
                    array.text_around().elements(array.place()).map(|elements| (array.page(), elements))
                }
                Found::Record(record) => return Some(record),
            };
        }
    }
}

/// An array that is none has no records.
impl<'p> FromIterator<Found<'p>> for Records<'p> {
    fn from_iter<I: IntoIterator<Item = Found<'p>>>(found: I) -> Self {
        Records { elements: None, found: found.into_iter().collect() }
    }
}

impl<'p> Iterator for Records<'p> {
    type Item = &'p str;

    fn next(&mut self) -> Option<&'p str> {
        self.next_part().map(|record| record.text())
    }
}

impl fmt::Debug for Records<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Records({})", self.len())
    }
}
