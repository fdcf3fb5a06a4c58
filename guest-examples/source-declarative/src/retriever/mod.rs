//! The records of a slice: the language's retrievers. Knows nothing of slices' order and of state.

mod asynchronous;
mod page_size;
mod pagination_reset;
#[cfg(test)]
mod refused_tests;
mod request_window;
mod simple;

use std::rc::Rc;

use airlock_sdk::Result;
use airlock_sdk::http::Records;

use crate::incremental::{DatetimeRules, IncrementalSync, Partitions, SlicePosition};
use crate::manifest::{self, FromManifest, Node};
use crate::partition_routing::PartitionRouter;
use crate::record::Record;
use crate::record_selection::RecordRules;
use crate::request_options::RequestOptions;
use crate::session::Session;
use crate::stream_slice::StreamSlice;
use asynchronous::{AsyncRetriever, PreparedAsyncRetriever};
use simple::PreparedSimpleRetriever;
pub use simple::SimpleRetriever;

/// A stream's retriever.
#[derive(Debug)]
pub enum Retriever {
    Simple(Box<SimpleRetriever>),
    Async(Box<AsyncRetriever>),
}

impl FromManifest for Retriever {
    fn from_manifest(node: &Node<'_>) -> manifest::Result<Self> {
        let component = node.component()?;
        match component.kind() {
            "SimpleRetriever" => node.read().map(Retriever::Simple),
            "AsyncRetriever" => node.read().map(Retriever::Async),
            _ => Err(component.other_kind(&["SimpleRetriever", "AsyncRetriever"], &[])),
        }
    }
}

impl Retriever {
    /// None for one partition.
    pub fn partition_router(&self) -> Option<&PartitionRouter> {
        match self {
            Retriever::Simple(retriever) => retriever.partition_router.as_ref(),
            Retriever::Async(retriever) => retriever.partition_router.as_ref(),
        }
    }

    /// Whether the records of parent streams have the first pages.
    pub fn has_first_pages_in_parents(&self) -> bool {
        matches!(self, Retriever::Simple(_)) && self.partition_router().is_some_and(PartitionRouter::has_first_pages)
    }

    /// Whether a cursor's slices can be split as it is declared to split them. `node` is the stream.
    pub fn check_cursor(&self, cursor: Option<&IncrementalSync>, node: &Node<'_>) -> manifest::Result<()> {
        match self {
            Retriever::Simple(retriever) => retriever.check_cursor(cursor, node),
            Retriever::Async(_) => Ok(()),
        }
    }

    /// What the partitions of its stream mean to a cursor.
    pub fn partitions(&self) -> Partitions {
        match self.partition_router() {
            None => Partitions::One,
            Some(PartitionRouter::Grouping(_)) => Partitions::Grouped,
            Some(_) => Partitions::Many,
        }
    }

    /// Makes it ready for the slices of a stream: what does not change from page to page is worked out.
    pub fn prepare<'s>(&'s self, session: &'s Session, rules: &RecordRules<'s>) -> Result<PreparedRetriever<'s>> {
        Ok(match self {
            Retriever::Simple(retriever) => PreparedRetriever::Simple(Box::new(retriever.prepare(session, rules)?)),
            Retriever::Async(retriever) => PreparedRetriever::Async(Box::new(retriever.prepare(session, rules)?)),
        })
    }
}

/// A retriever made ready for the slices of a stream.
#[derive(Debug)]
pub enum PreparedRetriever<'s> {
    Simple(Box<PreparedSimpleRetriever<'s>>),
    Async(Box<PreparedAsyncRetriever<'s>>),
}

impl PreparedRetriever<'_> {
    /// Goes through slices in the order in which they can be read. `each` gives them as the stream has them.
    pub fn slices(&self, each: &mut dyn FnMut(TakeSlice<'_>) -> Result<Going>, take: TakeSlice<'_>) -> Result<Going> {
        match self {
            PreparedRetriever::Simple(_) => each(take),
            PreparedRetriever::Async(retriever) => retriever.slices(each, take),
        }
    }

    /// Reads a slice and gives its records to `reader`.
    pub fn read_slice(&self, slice: &StreamSlice, reader: &mut dyn SliceReader) -> Result<Going> {
        match self {
            PreparedRetriever::Simple(retriever) => retriever.read_slice(slice, reader),
            PreparedRetriever::Async(retriever) => retriever.read_slice(slice, reader),
        }
    }
}

/// Takes slices one after the other.
pub type TakeSlice<'t> = &'t mut dyn FnMut(&StreamSlice) -> Result<Going>;

/// What a read of a slice wants to know of the slice's stream, and what becomes of its records.
pub trait SliceReader {
    /// What the cursor and the partition router put into each request of the slice.
    fn request_options(&self, slice: &StreamSlice) -> Result<RequestOptions>;

    /// Whether the record is not older than the cursor: what `is_data_feed` stops at, and `is_client_side_incremental` filters by.
    fn should_be_synced(&self, record: &Record<'_>) -> Result<bool>;

    /// What tells how far a slice has been read. None where slices have no bounds.
    fn slice_position(&self) -> Option<SlicePosition> {
        None
    }

    /// By what a slice can be split. None where slices are no intervals of dates.
    fn datetime_rules(&self) -> Option<Rc<DatetimeRules>> {
        None
    }

    /// The next record of the slice is of a data feed, and was read before.
    fn leave(&mut self, _record: &Record<'_>) -> Result<Going> {
        Ok(Going::On)
    }

    /// Takes the next record of the slice: after filters and transformations.
    fn take(&mut self, record: Record<'_>) -> Result<Going>;

    /// Takes the next records of the slice, which are as the server sent them: whole pages go this way where nobody looks into
    /// records.
    fn take_all(&mut self, records: Records<'_>) -> Result<Going> {
        for part in records.parts() {
            if self.take(Record::of_part(part))? == Going::Enough {
                return Ok(Going::Enough);
            }
        }
        Ok(Going::On)
    }
}

/// Whether a read goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Going {
    On,
    /// Nothing more is wanted: of a check, for example, after the first record.
    Enough,
}
