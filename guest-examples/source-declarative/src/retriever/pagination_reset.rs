//! When the pages of a slice are read from the first one on again, and from where: the language's PaginationReset. Knows nothing of how
//! a page is read.

use airlock_sdk::http::Records;
use airlock_sdk::{Result, system_error};

use super::{Going, SliceReader};
use crate::incremental::SlicePosition;
use crate::manifest::{self, Component, FromManifest, Node};
use crate::record::Record;
use crate::request_options::RequestOptions;
use crate::stream_slice::StreamSlice;

/// The language's PaginationReset, or none.
#[derive(Debug, Default)]
pub struct PaginationReset {
    /// Whether the slice goes on from the records that were read, and not from its begin.
    splits_by_cursor: bool,
    /// After so many records, the pages begin anew.
    pub most_records: Option<u64>,
}

impl FromManifest for PaginationReset {
    fn from_manifest(node: &Node<'_>) -> manifest::Result<Self> {
        let component = node.component()?;
        let action = component.field("action").ok_or_else(|| component.lacks("action"))?;
        let splits_by_cursor = match action.read::<String>()?.as_str() {
            "RESET" => false,
            "SPLIT_USING_CURSOR" => true,
            _ => return Err(action.other_word(&["RESET", "SPLIT_USING_CURSOR"])),
        };
        let limits = component.field("limits").map(|limits| limits.component()).transpose()?;
        let most_records = limits.as_ref().map(|limits| limits.optional("number_of_records")).transpose()?.flatten();
        limits.into_iter().for_each(Component::finish);
        component.finish();
        Ok(PaginationReset { splits_by_cursor, most_records })
    }
}

/// Counts the records of a slice on their way to its reader, and knows how often its pages began anew: the CDK's PaginationTracker.
pub struct PaginationTracker<'r> {
    reader: &'r mut dyn SliceReader,
    most_records: Option<u64>,
    records: u64,
    /// How far the slice has been read, where it is split by that.
    position: Option<SlicePosition>,
    /// How often in succession the same slice began anew.
    resets_of_same: u32,
}

impl PaginationReset {
    pub fn track<'r>(&self, reader: &'r mut dyn SliceReader) -> PaginationTracker<'r> {
        let position = if self.splits_by_cursor { reader.slice_position() } else { None };
        PaginationTracker { reader, most_records: self.most_records, records: 0, position, resets_of_same: 0 }
    }
}

impl PaginationTracker<'_> {
    /// A page with so many records has been read.
    pub fn count(&mut self, records: usize) {
        self.records = self.records.saturating_add(records as u64);
    }

    pub fn has_records(&self) -> bool {
        self.records > 0
    }

    pub fn has_reached_limit(&self) -> bool {
        self.most_records.is_some_and(|most| self.records >= most)
    }

    /// The slice that is read next: `slice` from where its records have come to, or once more what was read `last`.
    pub fn reset(&mut self, last: &StreamSlice, slice: &StreamSlice) -> Result<StreamSlice> {
        let next = self.position.as_ref().map_or_else(|| last.clone(), |position| position.rest_of(slice));
        // Without a cursor it may only be that the server wants another try.
        let allowed = if self.position.is_some() { 1 } else { 2 };
        if next.partition == last.partition && next.cursor_slice == last.cursor_slice {
            self.resets_of_same += 1;
            if self.resets_of_same >= allowed {
                return Err(system_error(format!(
                    "The pages of a slice are to be read from the first one on again, {} times already with the same slice: it is not \
                     tried any more.",
                    self.resets_of_same
                )));
            }
        } else {
            self.resets_of_same = 0;
        }
        self.records = 0;
        log::info!("The pages of a slice are read from the first one on again.");
        Ok(next)
    }

    fn observe(&mut self, record: &Record<'_>) -> Result<()> {
        self.position.as_mut().map_or(Ok(()), |position| position.observe(record))
    }
}

impl SliceReader for PaginationTracker<'_> {
    fn request_options(&self, slice: &StreamSlice) -> Result<RequestOptions> {
        self.reader.request_options(slice)
    }

    fn should_be_synced(&self, record: &Record<'_>) -> Result<bool> {
        self.reader.should_be_synced(record)
    }

    fn leave(&mut self, record: &Record<'_>) -> Result<Going> {
        self.observe(record)?;
        self.reader.leave(record)
    }

    fn take(&mut self, record: Record<'_>) -> Result<Going> {
        self.observe(&record)?;
        self.reader.take(record)
    }

    fn take_all(&mut self, records: Records<'_>) -> Result<Going> {
        if self.position.is_some() {
            for part in records.clone().parts() {
                self.observe(&Record::of_part(part))?;
            }
        }
        self.reader.take_all(records)
    }
}
