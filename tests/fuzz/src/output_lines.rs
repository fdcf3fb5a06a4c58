//! The way out: whatever a guest gives in whatever order, whole valid lines leave, and every record before its STATE.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use arbitrary::Unstructured;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::protocol::failure::Failure;
use crate::protocol::log_level::LogLevel;
use crate::protocol::output::{Annotation, Output, OutputOptions};
use crate::protocol::record_lines::RecordLines;
use crate::protocol::stdout::LineBuffer;
use crate::protocol::stream_name::StreamName;

#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    record: Record<'a>,
}

#[derive(Deserialize)]
struct Record<'a> {
    stream: String,
    #[serde(borrow)]
    data: &'a RawValue,
    emitted_at: i64,
    #[serde(borrow)]
    meta: Option<&'a RawValue>,
}

/// Records leave byte for byte in their envelopes, up to the first that is none.
pub fn record_lines(data: &[u8]) {
    let mut from = Unstructured::new(data);
    let max_record_bytes = from.int_in_range(1..=300).unwrap_or(300);
    let annotated: u8 = from.arbitrary().unwrap_or_default();
    let batch = from.take_rest();

    let is_record = |record: &[u8]| {
        record.len() <= max_record_bytes
            && record.starts_with(b"{")
            && serde_json::from_slice::<&RawValue>(record).is_ok()
    };
    let given = || batch.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).filter(|record| !record.is_empty());
    let good: Vec<&[u8]> = given().take_while(|record| is_record(record)).collect();
    let full: Vec<&[u8]> =
        good.iter().copied().filter(|record| !record[1..record.len() - 1].trim_ascii().is_empty()).collect();

    let meta = RawValue::from_string("{\"changes\":[]}".to_owned()).ok();
    let annotation = Annotation { index: annotated.into(), emitted_at: Some(5), meta, file_reference: None };
    let stream = StreamName { name: "a\"\n".to_owned(), namespace: None };
    let mut written = Vec::new();
    let mut lines = LineBuffer::new(&mut written);
    let writer = RecordLines::new(&stream, max_record_bytes);
    let checked = writer.write(batch, 7, &[annotation], &mut lines).expect("a Vec takes everything");
    lines.flush().expect("a Vec takes everything");

    assert_eq!((checked.accepted, checked.empty), (full.len() as u64, (good.len() - full.len()) as u64));
    let refused = good.len() < given().count() || usize::from(annotated) >= good.len();
    assert_eq!(checked.refusal.is_some(), refused);
    let text = std::str::from_utf8(&written).expect("lines are text");
    assert!(text.is_empty() || text.ends_with('\n'));
    assert!(!text.contains('\r'));
    let lines: Vec<Line> = text.lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect();
    assert_eq!(lines.len(), full.len());
    for (line, record) in lines.iter().zip(full) {
        let record: Vec<u8> = record.iter().copied().filter(|byte| *byte != b'\r').collect();
        assert_eq!((line.record.stream.as_str(), line.record.data.get().as_bytes()), ("a\"\n", record.as_slice()));
        assert_eq!(line.record.emitted_at, if line.record.meta.is_some() { 5 } else { 7 });
    }
}

/// A stdout that keeps what is written.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("nobody panics with it").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

const STREAMS: usize = 2;

/// Calls in any order.
pub fn output(data: &[u8]) {
    let kept = Kept::default();
    let options = OutputOptions { max_log_level: LogLevel::Info, max_record_bytes: 100 };
    let output = Output::start_on(kept.clone(), options);
    output.write_behind().expect("a thread");
    let names = ["one", "two"].map(|name| StreamName { name: name.to_owned(), namespace: None });
    output.set_streams(names.to_vec());
    output.hide_secrets(&json!({"airbyte_secret": true}), "", &json!("hunter2")).expect("a short secret");
    let mut calls = Unstructured::new(data);
    while !calls.is_empty() {
        if call(&output, &names, &mut calls).is_err() {
            break;
        }
    }
    output.finish().expect("a Vec takes everything");
    let written = kept.0.lock().expect("nobody panics with it").clone();
    check(&written);
}

fn call(output: &Output, names: &[StreamName], calls: &mut Unstructured) -> arbitrary::Result<()> {
    let stream = calls.int_in_range(0..=STREAMS - 1)?;
    let state = || RawValue::from_string("{\"n\":1.10}".to_owned()).expect("JSON");
    let reasons = || RawValue::from_string("[{\"type\":\"hunter2\"}]".to_owned()).expect("JSON");
    // Where the sync is interrupted, a guest is told so, and may go on all the same.
    let _ = match calls.int_in_range(0..=9)? {
        0 => output.stream_opened(stream),
        1 | 2 => output.records(stream, calls.arbitrary::<&[u8]>()?.to_vec(), Vec::new()),
        3 => output.records(stream, b"{\"n\":1}\n{}\n{\"n\":2}".to_vec(), Vec::new()),
        4 => output.stream_state(stream, state()),
        5 => output.global_state(Some(state()), vec![(names[stream].clone(), state())]),
        6 => output.stream_running(stream, reasons()),
        7 => {
            output.stream_ended(stream, calls.arbitrary()?);
            Ok(())
        }
        8 => {
            output.log(LogLevel::Info, &format!("{} hunter2", calls.arbitrary::<&str>()?));
            Ok(())
        }
        _ => {
            output.refuse(&Failure::system_error("it was refused"));
            Ok(())
        }
    };
    Ok(())
}

fn check(written: &[u8]) {
    let text = std::str::from_utf8(written).expect("lines are text");
    assert!(text.is_empty() || text.ends_with('\n'));
    let mut refused = false;
    let mut since_state = [0_u64; STREAMS];
    let mut since_global_state = 0;
    for line in text.lines() {
        serde_json::from_str::<&RawValue>(line).expect("a line is JSON");
        if let Ok(Line { record }) = serde_json::from_str(line) {
            assert!(!refused, "a record after a refusal");
            since_state[usize::from(record.stream == "two")] += 1;
            since_global_state += 1;
            continue;
        }
        assert!(!line.contains("hunter2"), "a secret: {line}");
        let message: Value = serde_json::from_str(line).expect("what the host writes of itself is JSON");
        let state = &message["state"];
        let records = state["sourceStats"]["recordCount"].as_f64();
        match (message["type"].as_str(), state["type"].as_str()) {
            (Some("STATE"), Some("STREAM")) => {
                let stream = usize::from(state["stream"]["stream_descriptor"]["name"] == "two");
                assert_eq!(records, Some(std::mem::take(&mut since_state[stream]) as f64));
            }
            (Some("STATE"), Some("GLOBAL")) => {
                assert_eq!(records, Some(std::mem::take(&mut since_global_state) as f64));
            }
            (Some("TRACE"), _) => {
                let trace = &message["trace"];
                if trace["type"] == "ERROR" {
                    assert!(!refused, "a refusal is told once");
                    refused = true;
                }
                assert!(!refused || trace["stream_status"]["status"] != "COMPLETE", "complete in spite of a refusal");
                continue;
            }
            (Some("LOG"), _) => continue,
            _ => panic!("no message of Airbyte's: {line}"),
        }
        assert!(!refused, "a state after a refusal");
    }
}
