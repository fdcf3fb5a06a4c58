//! The contract's `input` interface: what a destination takes.

use wasmtime::component::Resource;

use super::bindings::destination::airlock::connector::input::{
    CheckpointScope, Host, HostCheckpoint, Item as GuestItem, RecordBatch as GuestBatch, StreamEnd, StreamOutcome,
};
use super::bindings::types::{Annotation, Interruption};
use super::guest::{Guest, Session};
use crate::protocol::input::{Checkpoint, Input, Item, RecordBatch};
use crate::protocol::output::StreamIndex;

type Answer<T> = wasmtime::Result<Result<T, Interruption>>;

impl Guest {
    fn input(&mut self) -> Result<&mut Input, Interruption> {
        match &mut self.session {
            Session::Write(input) => Ok(input),
            _ => Err(Interruption::Refused("There is input while `write` runs, and at no other time.".into())),
        }
    }

    fn take_item(&mut self, max_bytes: u32) -> Result<Option<Item>, Interruption> {
        Ok(self.input()?.next(max_bytes as usize)?)
    }

    fn guest_item(&mut self, item: Item) -> wasmtime::Result<GuestItem> {
        Ok(match item {
            Item::Records(batch) => GuestItem::Records(self.guest_batch(batch)),
            Item::Checkpoint(checkpoint) => GuestItem::Checkpoint(self.table.push(checkpoint)?),
            Item::StreamEnd { stream, complete } => GuestItem::StreamEnd(StreamEnd {
                stream_name: self.guest_stream_name(stream),
                outcome: if complete { StreamOutcome::Complete } else { StreamOutcome::Incomplete },
            }),
            Item::Other(text) => GuestItem::Other(text),
        })
    }

    fn guest_batch(&mut self, batch: RecordBatch) -> GuestBatch {
        let annotations = batch
            .annotations
            .into_iter()
            .map(|annotation| Annotation {
                index: u32::try_from(annotation.index).unwrap_or(u32::MAX),
                emitted_at: None,
                meta: annotation.meta.map(|meta| meta.get().to_owned()),
                file_reference: annotation.file_reference.map(|file| file.get().to_owned()),
            })
            .collect();
        GuestBatch {
            stream_name: self.guest_stream_name(batch.stream),
            records: batch.records,
            emitted_at: batch.emitted_at,
            annotations,
        }
    }

    fn guest_stream_name(&mut self, stream: StreamIndex) -> super::bindings::types::StreamName {
        match &self.session {
            Session::Write(input) => (&input.streams()[stream]).into(),
            _ => unreachable!("items come from the input of a `write`"),
        }
    }
}

impl Host for Guest {
    fn next(&mut self, max_bytes: u32) -> Answer<Option<GuestItem>> {
        match self.take_item(max_bytes) {
            Ok(Some(item)) => Ok(Ok(Some(self.guest_item(item)?))),
            Ok(None) => Ok(Ok(None)),
            Err(interruption) => Ok(Err(interruption)),
        }
    }
}

impl HostCheckpoint for Guest {
    fn scope(&mut self, checkpoint: Resource<Checkpoint>) -> wasmtime::Result<CheckpointScope> {
        Ok(match &self.table.get(&checkpoint)?.id.stream {
            Some(stream) => CheckpointScope::Stream(stream.into()),
            None => CheckpointScope::Global,
        })
    }

    fn state(&mut self, checkpoint: Resource<Checkpoint>) -> wasmtime::Result<String> {
        Ok(self.table.get(&checkpoint)?.state.clone())
    }

    fn record_count(&mut self, checkpoint: Resource<Checkpoint>) -> wasmtime::Result<u32> {
        Ok(self.table.get(&checkpoint)?.records)
    }

    fn commit(&mut self, checkpoint: Resource<Checkpoint>, rejected: u32) -> Answer<()> {
        let checkpoint = self.table.delete(checkpoint)?;
        Ok(self.input().and_then(|input| Ok(input.commit(&checkpoint.id, rejected)?)))
    }

    fn drop(&mut self, checkpoint: Resource<Checkpoint>) -> wasmtime::Result<()> {
        // It stays uncommitted, which is told at the end of `write`.
        self.table.delete(checkpoint)?;
        Ok(())
    }
}
