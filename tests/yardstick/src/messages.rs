//! What all readers check and write as the host does. Knows nothing of where records come from.

use std::io::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Result, bail};
use serde::de::IgnoredAny;

use crate::lines::Lines;

/// What the host checks of each record: that it is UTF-8, and one whole JSON object.
pub fn check(record: &[u8]) -> Result<()> {
    std::str::from_utf8(record)?;
    if record.first() != Some(&b'{') {
        bail!("a record is no JSON object");
    }
    serde_json::from_slice::<IgnoredAny>(record)?;
    Ok(())
}

/// The status of a stream, which is given as its descriptor in JSON.
pub fn status(lines: &mut Lines, descriptor: &str, status: &str) -> Result<()> {
    writeln!(
        lines.text,
        r#"{{"type":"TRACE","trace":{{"type":"STREAM_STATUS","emitted_at":{},"stream_status":{{"stream_descriptor":{descriptor},"status":"{status}"}}}}}}"#,
        milliseconds()
    )?;
    Ok(())
}

/// The time.
pub fn milliseconds() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis()
}
