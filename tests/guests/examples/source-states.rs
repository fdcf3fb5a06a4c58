//! A good source. The first record of each stream shows the state that it was given; then it saves one, in the `form` that
//! its config names. The form `both` is its only fault.

use test_guests::output::{Outcome, StreamWriter, global_checkpoint};
use test_guests::types::{Failure, GlobalState, SavedState, StreamName, StreamState};
use test_guests::{Source, Value, export_source, json, lines, records, report, shown};

struct States;

impl Source for States {
    fn properties() -> Value {
        json!({"form": {"enum": ["streams", "global", "both"]}})
    }

    fn read(config: &Value, streams: &[StreamName], state: SavedState) -> Result<(), Failure> {
        let form = config["form"].as_str().unwrap_or("streams");
        let mut read = Vec::new();
        for stream in streams {
            let writer = StreamWriter::open(stream)?;
            writer.write(&lines([&json!({"stream": shown(stream), "given": given(&state)})]))?;
            if form != "global" {
                writer.checkpoint(&json!({"saved": shown(stream)}).to_string())?;
            }
            writer.write(&records(1..=2))?;
            if form != "streams" {
                read.push(StreamState {
                    stream_name: stream.clone(),
                    state: json!({"saved": shown(stream)}).to_string(),
                });
                let shared = Some(json!({"streams_read": read.len()}).to_string());
                let answer = global_checkpoint(&GlobalState { shared, streams: read.clone() });
                report("global checkpoint", &answer);
                answer?;
            }
            StreamWriter::finish(writer, &Outcome::Complete)?;
        }
        Ok(())
    }
}

fn given(state: &SavedState) -> Value {
    let parsed = |text: &str| serde_json::from_str::<Value>(text).expect("the host gives JSON");
    let of_streams = |states: &[StreamState]| -> Value {
        states.iter().map(|state| (shown(&state.stream_name), parsed(&state.state))).collect()
    };
    match state {
        SavedState::None => json!("none"),
        SavedState::Streams(states) => json!({"streams": of_streams(states)}),
        SavedState::Global(state) => {
            json!({"shared": state.shared.as_deref().map(parsed), "streams": of_streams(&state.streams)})
        }
    }
}

export_source!(States);
