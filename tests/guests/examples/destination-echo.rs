//! Logs every item that it gets, each as one JSON object at INFO, and commits each checkpoint at once: what the tests of
//! `write` look through. `max_bytes` of its config is what it asks `next` for.

use test_guests::input::{self, Checkpoint, CheckpointScope, Item, RecordBatch, StreamOutcome};
use test_guests::types::{ConnectionStatus, Failure};
use test_guests::{Destination, Value, export_destination, json, report, say, shown};

struct Echo;

impl Destination for Echo {
    fn properties() -> Value {
        json!({
            "max_bytes": {"type": "integer"},
            "quiet": {"type": "boolean"},
            "password": {"type": "string", "airbyte_secret": true}
        })
    }

    /// There is no input yet.
    fn check(_: &Value) -> Result<ConnectionStatus, Failure> {
        report("next in check", &input::next(1));
        Ok(ConnectionStatus::Succeeded)
    }

    fn write(config: &Value) -> Result<(), Failure> {
        let max_bytes = config["max_bytes"].as_u64().map_or(1 << 20, |bytes| bytes as u32);
        while let Some(item) = input::next(max_bytes)? {
            let (seen, checkpoint) = match item {
                Item::Records(batch) => (seen_batch(&batch), None),
                Item::Checkpoint(checkpoint) => (seen_checkpoint(&checkpoint), Some(checkpoint)),
                Item::StreamEnd(end) => {
                    let complete = end.outcome == StreamOutcome::Complete;
                    (json!({"item": "stream-end", "stream": shown(&end.stream_name), "complete": complete}), None)
                }
                Item::Other(message) => (json!({"item": "other", "message": parsed(message.as_bytes())}), None),
            };
            if config["quiet"] != true {
                say(seen.to_string());
            }
            if let Some(checkpoint) = checkpoint {
                Checkpoint::commit(checkpoint, 0)?;
            }
        }
        say(r#"{"item":"end"}"#);
        Ok(())
    }
}

fn seen_batch(batch: &RecordBatch) -> Value {
    let lines = batch.records.split_inclusive(|byte| *byte == b'\n');
    let annotations = batch.annotations.iter().map(|annotation| {
        json!({
            "index": annotation.index,
            "emitted_at": annotation.emitted_at,
            "meta": annotation.meta.as_ref().map(|meta| parsed(meta.as_bytes())),
            "file_reference": annotation.file_reference.as_ref().map(|file| parsed(file.as_bytes())),
        })
    });
    json!({
        "item": "records",
        "stream": shown(&batch.stream_name),
        "count": lines.clone().count(),
        "bytes": batch.records.len(),
        "ends_with_line_break": batch.records.ends_with(b"\n"),
        // A few are shown whole; of a large batch the numbers say enough.
        "records": if batch.records.len() < 10_000 { lines.map(parsed).collect() } else { Vec::new() },
        "emitted_at": batch.emitted_at.iter().take(100).collect::<Vec<_>>(),
        "emitted_at_count": batch.emitted_at.len(),
        "annotations": annotations.collect::<Vec<_>>(),
    })
}

fn seen_checkpoint(checkpoint: &Checkpoint) -> Value {
    let scope = match checkpoint.scope() {
        CheckpointScope::Stream(stream) => json!({"stream": shown(&stream)}),
        CheckpointScope::Global => json!("global"),
    };
    json!({
        "item": "checkpoint",
        "scope": scope,
        "record_count": checkpoint.record_count(),
        "state": parsed(checkpoint.state().as_bytes()),
    })
}

fn parsed(text: &[u8]) -> Value {
    serde_json::from_slice(text).unwrap_or_else(|error| json!(format!("no JSON: {error}")))
}

export_destination!(Echo);
