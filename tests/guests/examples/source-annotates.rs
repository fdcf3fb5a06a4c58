//! Writes four records of which some are annotated. With the config's `index` the last annotation is for that record.

use test_guests::output::StreamWriter;
use test_guests::types::{Annotation, Failure, SavedState, StreamName};
use test_guests::{Source, Value, export_source, json, records, report};

struct Annotates;

impl Source for Annotates {
    fn properties() -> Value {
        json!({"index": {"type": "integer"}})
    }

    fn read(config: &Value, streams: &[StreamName], _: SavedState) -> Result<(), Failure> {
        let writer = StreamWriter::open(&streams[0])?;
        let index = config["index"].as_u64().map_or(3, |index| index as u32);
        let annotations = [
            Annotation {
                index: 1,
                emitted_at: Some(1_700_000_000_000),
                meta: Some(
                    r#"{"changes":[{"field":"n","change":"NULLED","reason":"SOURCE_FIELD_SIZE_LIMITATION"}]}"#.into(),
                ),
                file_reference: None,
            },
            Annotation {
                index,
                emitted_at: None,
                meta: None,
                file_reference: Some("{\"file_size_bytes\":\n7}".to_owned()),
            },
        ];
        // An empty line is no record and has no index.
        let mut batch = records(1..=2);
        batch.extend_from_slice(b"\n");
        batch.extend(records(3..=4));
        report("write", &writer.write_annotated(&batch, &annotations));
        let _ = writer.checkpoint(r#"{"n":4}"#);
        Ok(())
    }
}

export_source!(Annotates);
