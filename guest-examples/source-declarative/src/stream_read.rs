//! A read of one stream: its slices one after the other, its records, its state. The only place where retriever, partition router and
//! cursor meet.

use airlock_sdk::{Result, config_error};
use serde_json::Value;

use crate::manifest::Object;
use crate::record::Record;
use crate::request_options::RequestOptions;
use crate::retriever::{Going, SliceReader};
use crate::session::Session;
use crate::stream::DeclarativeStream;
use crate::stream_slice::StreamSlice;

/// Says in the place of a state that the stream has none.
const NO_CURSOR: &str = "__ab_no_cursor_state_message";

/// Reads a stream to its end, from the state where it goes on; its records and states go to the session's stream.
pub fn read(stream: &DeclarativeStream, session: &Session, _state: Option<Object>) -> Result<()> {
    let read = read_records(stream, session, &mut |record, _| {
        session.write(&record)?;
        Ok(Going::On)
    });
    let state = Object::from_iter([(NO_CURSOR.to_owned(), Value::Bool(true))]);
    session.checkpoint(&state)?;
    read.map(drop)
}

/// Reads a stream's records without its state, each with the slice that it belongs to: a check, a schema, a parent.
pub fn read_records(
    stream: &DeclarativeStream,
    session: &Session,
    take: &mut dyn FnMut(Record<'_>, &StreamSlice) -> Result<Going>,
) -> Result<Going> {
    if stream.retriever.partition_router.is_some() || stream.incremental_sync.is_some() {
        return Err(config_error("partition routers and cursors are not there yet"));
    }
    let slice = StreamSlice::default();
    stream.retriever.read_slice(session, &slice, &mut Reader { slice: &slice, take })
}

/// Takes the records of a slice.
struct Reader<'r> {
    slice: &'r StreamSlice,
    take: &'r mut dyn FnMut(Record<'_>, &StreamSlice) -> Result<Going>,
}

impl SliceReader for Reader<'_> {
    fn request_options(&self, _slice: &StreamSlice) -> Result<RequestOptions> {
        Ok(RequestOptions::default())
    }

    fn should_be_synced(&self, _record: &Record<'_>) -> Result<bool> {
        Ok(true)
    }

    fn take(&mut self, record: Record<'_>) -> Result<Going> {
        (self.take)(record, self.slice)
    }
}
