//! The cursor of a stream that is being read, of whatever kind. Knows how each is told of slices and records, and not where they come
//! from.

use std::rc::Rc;

use airlock_sdk::Result;
use serde_json::Value;

use super::NO_CURSOR;
use super::count_cursor::CountCursor;
use super::datetime_cursor::{DatetimeCursor, DatetimeRules};
use super::per_partition_cursor::PerPartitionCursor;
use super::window::SlicePosition;
use crate::manifest::Object;
use crate::record::Record;
use crate::stream_slice::StreamSlice;

#[derive(Debug)]
pub enum Cursor {
    /// The stream is read from its begin to its end.
    None,
    Datetime(DatetimeCursor),
    Count(CountCursor),
    PerPartition(Box<PerPartitionCursor>),
}

/// The slices of a stream, as its cursor knows them.
pub enum Intervals {
    Slices(Box<dyn Iterator<Item = Result<StreamSlice>>>),
    /// Each partition is a slice.
    None,
    /// Each partition has slices of its own.
    OfEachPartition,
}

impl Cursor {
    /// What is to be read.
    pub fn slices(&mut self) -> Result<Intervals> {
        match self {
            Cursor::None => Ok(Intervals::None),
            Cursor::Datetime(cursor) => Ok(Intervals::Slices(Box::new(cursor.slices()?))),
            Cursor::Count(cursor) => Ok(Intervals::Slices(Box::new(cursor.slices().into_iter().map(Ok)))),
            Cursor::PerPartition(cursor) => {
                cursor.begin_read();
                Ok(Intervals::OfEachPartition)
            }
        }
    }

    /// By what slices are intervals of dates. None where they are none.
    pub fn datetime_rules(&self) -> Option<&Rc<DatetimeRules>> {
        match self {
            Cursor::None | Cursor::Count(_) => None,
            Cursor::Datetime(cursor) => Some(cursor.rules()),
            Cursor::PerPartition(cursor) => Some(cursor.rules()),
        }
    }

    /// What tells how far a slice has been read, at the slice's begin. None where slices have no bounds.
    pub fn slice_position(&self) -> Option<SlicePosition> {
        match self {
            Cursor::Count(cursor) => Some(SlicePosition::of_counts(cursor.cursor_field())),
            cursor => cursor.datetime_rules().map(SlicePosition::of_dates),
        }
    }

    /// From where a next read goes on: true for all slices that have been closed.
    pub fn state(&self) -> Object {
        match self {
            Cursor::None => Object::from_iter([(NO_CURSOR.to_owned(), Value::Bool(true))]),
            Cursor::Datetime(cursor) => cursor.state(),
            Cursor::Count(cursor) => cursor.state(),
            Cursor::PerPartition(cursor) => cursor.state(),
        }
    }

    /// A slice begins.
    pub fn begin(&mut self, slice: &StreamSlice) {
        match self {
            Cursor::None => {}
            Cursor::Datetime(cursor) => cursor.begin(),
            Cursor::Count(cursor) => cursor.begin(),
            Cursor::PerPartition(cursor) => cursor.begin(slice),
        }
    }

    /// A record of the slice has been written.
    pub fn observe(&mut self, record: &Record<'_>) -> Result<()> {
        match self {
            Cursor::None => Ok(()),
            Cursor::Datetime(cursor) => cursor.observe(record),
            Cursor::Count(cursor) => cursor.observe(record),
            Cursor::PerPartition(cursor) => cursor.observe(record),
        }
    }

    /// The slice has been read to its end.
    pub fn close(&mut self, slice: &StreamSlice) -> Result<()> {
        match self {
            Cursor::None => Ok(()),
            Cursor::Datetime(cursor) => cursor.close(slice),
            Cursor::Count(cursor) => cursor.close(),
            Cursor::PerPartition(cursor) => cursor.close(slice),
        }
    }

    /// The slice could not be read to its end.
    pub fn fail(&mut self) {
        match self {
            Cursor::None | Cursor::Count(_) => {}
            Cursor::Datetime(cursor) => cursor.fail(),
            Cursor::PerPartition(cursor) => cursor.fail(),
        }
    }

    /// Whether the record of the slice is neither older than the state, nor newer than the end.
    pub fn should_be_synced(&self, record: &Record<'_>) -> Result<bool> {
        match self {
            Cursor::None => Ok(true),
            Cursor::Datetime(cursor) => cursor.should_be_synced(record),
            Cursor::Count(cursor) => cursor.should_be_synced(record),
            Cursor::PerPartition(cursor) => cursor.should_be_synced(record),
        }
    }
}
