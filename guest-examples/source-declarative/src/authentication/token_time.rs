//! When a token expires: times as the CDK's AirbyteDateTime reads and writes them, in seconds since 1970.

use std::time::SystemTime;

use crate::datetime::DateTime;

pub fn now() -> f64 {
    airlock_sdk::time().duration_since(SystemTime::UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

/// Reads a time: ISO 8601, or whole seconds since 1970. What names no time zone is UTC's.
pub fn parse(text: &str) -> Option<f64> {
    let text = text.trim();
    if !text.is_empty() && text.len() <= 10 && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().ok();
    }
    DateTime::parse_iso8601(text).ok().map(|time| time.or_utc().timestamp())
}

/// Writes a time as Python's `isoformat`: `2024-01-02T03:04:05+00:00`, with microseconds where there are any.
pub fn isoformat(seconds: f64) -> String {
    DateTime::of_timestamp(seconds).map_or_else(|_| String::new(), |time| time.isoformat('T'))
}
