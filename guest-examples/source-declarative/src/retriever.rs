//! The pages of one slice, one after the other: the language's SimpleRetriever. Knows nothing of slices' order and of state.

use airlock_sdk::{Result, config_error};

use crate::manifest::{self, FromManifest, Node};
use crate::partition_routing::PartitionRouter;
use crate::record::Record;
use crate::request_options::RequestOptions;
use crate::requester::HttpRequester;
use crate::session::Session;
use crate::stream_slice::StreamSlice;

/// The language's SimpleRetriever.
#[derive(Debug)]
pub struct SimpleRetriever {
    pub requester: HttpRequester,
    /// None for one partition.
    pub partition_router: Option<PartitionRouter>,
}

impl FromManifest for SimpleRetriever {
    fn from_manifest(node: &Node<'_>) -> manifest::Result<Self> {
        let component = node.component()?;
        let retriever = SimpleRetriever {
            requester: component.required("requester")?,
            partition_router: component.optional("partition_router")?,
        };
        component.finish();
        Ok(retriever)
    }
}

/// What a read of a slice wants to know of the slice's stream, and what becomes of its records.
pub trait SliceReader {
    /// What the cursor and the partition router put into each request of the slice.
    fn request_options(&self, slice: &StreamSlice) -> Result<RequestOptions>;

    /// Whether the record is not older than the cursor: what `is_data_feed` stops at, and `is_client_side_incremental` filters by.
    fn should_be_synced(&self, record: &Record<'_>) -> Result<bool>;

    /// Takes the next record of the slice: after filters and transformations.
    fn take(&mut self, record: Record<'_>) -> Result<Going>;
}

/// Whether a read goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Going {
    On,
    /// Nothing more is wanted: of a check, for example, after the first record.
    Enough,
}

impl SimpleRetriever {
    /// Reads the pages of a slice and gives their records to `reader`.
    pub fn read_slice(&self, _session: &Session, _slice: &StreamSlice, _reader: &mut dyn SliceReader) -> Result<Going> {
        Err(config_error("the retriever is not there yet"))
    }
}
