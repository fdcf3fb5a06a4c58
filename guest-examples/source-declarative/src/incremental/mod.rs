//! Incremental sync: the language's cursors, the intervals that they divide a stream into, and the state in which they go on. Knows
//! nothing of requests.

mod clamping;
mod count_cursor;
mod cursor;
mod datetime_based_cursor;
mod datetime_cursor;
mod incrementing_count_cursor;
mod intervals;
mod min_max_datetime;
mod per_partition_cursor;
mod state_migration;
mod window;

#[cfg(test)]
mod tests;

use airlock_sdk::{Failure, Result, config_error, system_error};

use crate::datetime::{self, DateTime};
use crate::manifest::{self, FromManifest, Node, Object};
use crate::request_options::RequestOptions;
use crate::session::Session;
use crate::stream_slice::StreamSlice;
use crate::template::Scope;

pub use cursor::{Cursor, Intervals};
pub use datetime_cursor::DatetimeRules;
pub use per_partition_cursor::PerPartitionCursor;
pub use state_migration::StateMigration;
pub use window::SlicePosition;

use count_cursor::CountCursor;
use datetime_based_cursor::DatetimeBasedCursor;
use datetime_cursor::DatetimeCursor;
use incrementing_count_cursor::IncrementingCountCursor;

/// Says in the place of a state that the stream has none.
pub const NO_CURSOR: &str = "__ab_no_cursor_state_message";

/// A stream's `incremental_sync`.
#[derive(Debug)]
pub enum IncrementalSync {
    DatetimeBased(Box<DatetimeBasedCursor>),
    IncrementingCount(Box<IncrementingCountCursor>),
}

impl FromManifest for IncrementalSync {
    fn from_manifest(node: &Node<'_>) -> manifest::Result<Self> {
        let component = node.component()?;
        match component.kind() {
            "DatetimeBasedCursor" => node.read().map(IncrementalSync::DatetimeBased),
            "IncrementingCountCursor" => node.read().map(IncrementalSync::IncrementingCount),
            _ => Err(component.other_kind(&["DatetimeBasedCursor", "IncrementingCountCursor"], &[])),
        }
    }
}

/// Tells of formats of dates that no date is read by. To write dates, they may do.
fn remark_formats(node: &Node<'_>) {
    let told = |node: &Node<'_>| {
        if let Some(problem) = node.value.as_str().and_then(datetime::problem_of_format) {
            node.remark(format!("is no format that a date is read by: {problem}"));
        }
    };
    match node.elements() {
        Ok(formats) => formats.iter().for_each(told),
        Err(_) => told(node),
    }
}

/// What the partitions of a stream mean to its cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Partitions {
    /// There is one.
    One,
    /// Each has a cursor of its own.
    Many,
    /// Each is many, so that all share one cursor.
    Grouped,
}

impl IncrementalSync {
    /// The field of a record that tells how far a sync has come, as it stands in the catalog.
    pub fn cursor_field(&self, scope: &Scope) -> Result<String> {
        match self {
            IncrementalSync::DatetimeBased(cursor) => cursor.cursor_field.text(scope),
            IncrementalSync::IncrementingCount(cursor) => cursor.cursor_field.text(scope),
        }
    }

    /// Whether records before the state are filtered here and not by the server.
    pub fn is_client_side(&self) -> bool {
        matches!(self, IncrementalSync::DatetimeBased(cursor) if cursor.is_client_side_incremental)
    }

    /// Whether pages are read until one has a record before the state.
    pub fn is_data_feed(&self) -> bool {
        matches!(self, IncrementalSync::DatetimeBased(cursor) if cursor.is_data_feed)
    }

    /// Whether the user may choose another cursor field.
    pub fn allows_another_field(&self) -> bool {
        match self {
            IncrementalSync::DatetimeBased(cursor) => cursor.allow_catalog_defined_cursor_field,
            IncrementalSync::IncrementingCount(cursor) => cursor.allow_catalog_defined_cursor_field,
        }
    }

    /// A cursor that goes on from a state. `configured` is the stream's `cursor_field` in the configured catalog.
    pub fn open(
        &self,
        session: &Session,
        partitions: Partitions,
        configured: &[String],
        state: &Object,
    ) -> Result<Cursor> {
        let scope = &session.scope;
        let chosen_field = self.chosen_field(configured)?;
        match (self, partitions) {
            (IncrementalSync::DatetimeBased(declared), Partitions::One) => {
                DatetimeCursor::open(declared.rules(scope, chosen_field)?, state).map(Cursor::Datetime)
            }
            (IncrementalSync::DatetimeBased(declared), _) => {
                let is_global = declared.global_substream_cursor || partitions == Partitions::Grouped;
                PerPartitionCursor::open(declared.rules(scope, chosen_field)?, is_global, state)
                    .map(|cursor| Cursor::PerPartition(Box::new(cursor)))
            }
            (IncrementalSync::IncrementingCount(declared), Partitions::One) => {
                let field =
                    chosen_field.map_or_else(|| declared.cursor_field.text(scope), |field| Ok(field.to_owned()));
                CountCursor::open(declared.start(scope)?, field?, state).map(Cursor::Count)
            }
            (IncrementalSync::IncrementingCount(_), _) => Err(system_error(
                "The manifest can not be used: a stream has both a partition router and an IncrementingCountCursor. Only one of \
                 them may be there.",
            )),
        }
    }

    fn chosen_field<'c>(&self, configured: &'c [String]) -> Result<Option<&'c str>> {
        match configured {
            [field, ..] if field.is_empty() => Ok(None),
            [field] => Ok(Some(field.as_str()).filter(|_| self.allows_another_field())),
            [_, _, ..] if self.allows_another_field() => Err(system_error(
                "The stream does not support nested cursor_field. Choose a single cursor_field for it in the configured catalog.",
            )),
            _ => Ok(None),
        }
    }

    /// The time that a state has come to. None where it has none, or another form.
    pub fn time_of_state(&self, session: &Session, partitions: Partitions, state: &Object) -> Result<Option<DateTime>> {
        let IncrementalSync::DatetimeBased(declared) = self else { return Ok(None) };
        let rules = declared.rules(&session.scope, None)?;
        let state = match partitions {
            Partitions::One => Some(state),
            Partitions::Many | Partitions::Grouped => state.get("state").and_then(|state| state.as_object()),
        };
        Ok(state.and_then(|state| rules.time_of_state(state)))
    }

    /// What the interval of a slice puts into each of its requests.
    pub fn request_options(&self, slice: &StreamSlice, scope: &Scope) -> Result<RequestOptions> {
        match self {
            IncrementalSync::DatetimeBased(cursor) => cursor.request_options(slice, scope),
            IncrementalSync::IncrementingCount(cursor) => cursor.request_options(slice, scope),
        }
    }
}

/// A saved state has not the form that it must have. `what` is the rest of a sentence that begins with it.
fn bad_state(what: impl std::fmt::Display) -> Failure {
    config_error("The saved state of the stream can not be understood: clear the stream's data and sync it again.")
        .with_internal(format!("the state {what}"))
}
