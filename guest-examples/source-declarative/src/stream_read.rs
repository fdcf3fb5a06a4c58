//! A read of one stream: its slices one after the other, its records, its state. The only place where retriever, partition router and
//! cursor meet.

use airlock_sdk::{Result, config_error};

use crate::manifest::Object;
use crate::record::Record;
use crate::retriever::Going;
use crate::session::Session;
use crate::stream::DeclarativeStream;
use crate::stream_slice::StreamSlice;

/// Reads a stream to its end, from the state where it goes on; its records and states go to the session's stream.
pub fn read(_stream: &DeclarativeStream, _session: &Session, _state: Option<Object>) -> Result<()> {
    Err(config_error("streams are not read yet"))
}

/// Reads a stream's records without its state, each with the slice that it belongs to: a check, a schema, a parent.
pub fn read_records(
    _stream: &DeclarativeStream,
    _session: &Session,
    _take: &mut dyn FnMut(Record<'_>, &StreamSlice) -> Result<Going>,
) -> Result<Going> {
    Err(config_error("streams are not read yet"))
}
