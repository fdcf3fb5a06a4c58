//! `read` of ready records, of the test guest `source-sized`: its batches, the checks of the host, the lines of the host.

use std::io::Write;

use anyhow::Result;

use crate::lines::Lines;
use crate::messages::{check, milliseconds, status};
use crate::ready_records::{BATCHES_A_STATE, ReadyRecords};

const STREAM: &str = r#"{"name":"sized"}"#;

/// Writes what the host writes for so many records of a length.
pub fn run(record_bytes: usize, records: u64) -> Result<()> {
    let mut lines = Lines::new();
    status(&mut lines, STREAM, "STARTED")?;
    status(&mut lines, STREAM, "RUNNING")?;
    let ready = ReadyRecords::new(record_bytes);
    let mut done = 0;
    while done < records {
        let first = done;
        for _ in 0..BATCHES_A_STATE {
            let (batch, count) = ready.batch(records - done);
            write_batch(&mut lines, batch)?;
            done += count;
            if done == records {
                break;
            }
        }
        writeln!(
            lines.text,
            r#"{{"type":"STATE","state":{{"type":"STREAM","stream":{{"stream_descriptor":{STREAM},"stream_state":{{"records":{done}}}}},"sourceStats":{{"recordCount":{}.0}}}}}}"#,
            done - first
        )?;
    }
    status(&mut lines, STREAM, "COMPLETE")?;
    lines.write()?;
    Ok(())
}

fn write_batch(lines: &mut Lines, batch: &[u8]) -> Result<()> {
    let end_of_line = format!(",\"emitted_at\":{}}}}}\n", milliseconds()).into_bytes();
    let mut start = 0;
    for line_break in memchr::memchr_iter(b'\n', batch) {
        let record = &batch[start..line_break];
        start = line_break + 1;
        check(record)?;
        lines.text.extend_from_slice(br#"{"type":"RECORD","record":{"stream":"sized","data":"#);
        lines.text.extend_from_slice(record);
        lines.text.extend_from_slice(&end_of_line);
        lines.write_if_full()?;
    }
    Ok(())
}
