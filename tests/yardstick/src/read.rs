//! `read` of the stream `users`: the generator, the checks of the host, the lines of the host. Takes no options but how many.

use std::io::Write;

use anyhow::Result;

use crate::lines::Lines;
use crate::messages::{check, milliseconds, status};
use crate::timestamp::Timestamp;
use crate::users::Users;

/// The seed and the slice of the configuration that the benchmark gives to the host.
const SEED: i64 = 1;
const USERS_A_STATE: u64 = 1000;
/// How many users one look at the clock serves, in the guest as well.
const USERS_A_LOOK: u64 = 256;

const STREAM: &str = r#"{"name":"users"}"#;

/// Writes what the host writes for a configuration of so many users.
pub fn run(count: u64) -> Result<()> {
    let mut lines = Lines::new();
    let mut users = Users::new(SEED);
    status(&mut lines, STREAM, "STARTED")?;
    writeln!(
        lines.text,
        r#"{{"type":"TRACE","trace":{{"type":"ESTIMATE","emitted_at":{},"estimate":{{"name":"users","type":"STREAM","row_estimate":{count},"byte_estimate":{}}}}}}}"#,
        milliseconds(),
        count.saturating_mul(450)
    )?;
    status(&mut lines, STREAM, "RUNNING")?;
    let mut now = Timestamp::now();
    let mut end_of_line = Vec::new();
    let mut done = 0;
    while done < count {
        let first = done;
        let end = (done + USERS_A_STATE).min(count);
        while done < end {
            if done % USERS_A_LOOK == 0 {
                now = Timestamp::now();
                end_of_line = format!(",\"emitted_at\":{}}}}}\n", milliseconds()).into_bytes();
            }
            done += 1;
            let record = users.user(done, now).as_bytes();
            check(record)?;
            lines.text.extend_from_slice(br#"{"type":"RECORD","record":{"stream":"users","data":"#);
            lines.text.extend_from_slice(record);
            lines.text.extend_from_slice(&end_of_line);
            lines.write_if_full()?;
        }
        writeln!(
            lines.text,
            r#"{{"type":"STATE","state":{{"type":"STREAM","stream":{{"stream_descriptor":{STREAM},"stream_state":{{"seed":{SEED},"updated_at":"{now}","loop_offset":{done}}}}},"sourceStats":{{"recordCount":{}.0}}}}}}"#,
            done - first
        )?;
    }
    status(&mut lines, STREAM, "COMPLETE")?;
    lines.write()?;
    Ok(())
}
