//! Gives documents that are no documents. Its specification and its catalog are the files /airbyte/specification and
//! /airbyte/catalog, as they are. In `read` it gives its config's `document` to the function that `to` names, logs the
//! answer, and goes on.

use std::fs;

use test_guests::output::{StreamWriter, global_checkpoint};
use test_guests::types::{Annotation, Failure, GlobalState, Interruption, SavedState, StreamName, StreamState};
use test_guests::{Source, Value, export_source, host, records, report};

struct Documents;

impl Source for Documents {
    fn spec() -> Result<String, Failure> {
        Ok(fs::read_to_string("/airbyte/specification")
            .unwrap_or_else(|_| r#"{"connectionSpecification":{}}"#.to_owned()))
    }

    fn discover(_: &Value) -> Result<String, Failure> {
        Ok(fs::read_to_string("/airbyte/catalog").expect("the test put it there"))
    }

    fn read(config: &Value, streams: &[StreamName], _: SavedState) -> Result<(), Failure> {
        let writer = StreamWriter::open(&streams[0])?;
        writer.write(&records(1..=1))?;
        let function = config["to"].as_str().unwrap_or_default();
        let document = config["document"].as_str().unwrap_or_default();
        report(function, &give(function, document, &writer, &streams[0]));
        report("write", &writer.write(&records(3..=3)));
        Ok(())
    }
}

fn give(function: &str, document: &str, writer: &StreamWriter, stream: &StreamName) -> Result<(), Interruption> {
    let annotation = Annotation { index: 0, emitted_at: None, meta: None, file_reference: None };
    let text = Some(document.to_owned());
    match function {
        "checkpoint" => writer.checkpoint(document),
        "estimate" => writer.estimate(document),
        "running" => writer.running(document),
        "meta" => writer.write_annotated(&records(2..=2), &[Annotation { meta: text, ..annotation }]),
        "file-reference" => {
            writer.write_annotated(&records(2..=2), &[Annotation { file_reference: text, ..annotation }])
        }
        "global-shared" => global_checkpoint(&GlobalState { shared: text, streams: Vec::new() }),
        "global-stream" => global_checkpoint(&GlobalState {
            shared: None,
            streams: vec![StreamState { stream_name: stream.clone(), state: document.to_owned() }],
        }),
        "config-changed" => host::config_changed(document),
        _ => Ok(()),
    }
}

export_source!(Documents);
