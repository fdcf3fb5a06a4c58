//! When a token expires: times as the CDK's AirbyteDateTime reads and writes them, in seconds since 1970.

use std::time::SystemTime;

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime};

pub fn now() -> f64 {
    airlock_sdk::time().duration_since(SystemTime::UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

/// Reads a time: ISO 8601, or whole seconds since 1970. What names no time zone is UTC's.
pub fn parse(text: &str) -> Option<f64> {
    let text = text.trim();
    if !text.is_empty() && text.len() <= 10 && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().ok();
    }
    if let Ok(date) = NaiveDate::parse_from_str(text, "%Y-%m-%d") {
        return Some(seconds(date.and_time(NaiveTime::MIN)));
    }
    let text = text.replacen(' ', "T", 1);
    if let Ok(time) = DateTime::parse_from_rfc3339(&text) {
        return Some(seconds(time.naive_utc()));
    }
    let with_zone = DateTime::parse_from_str(&text, "%Y-%m-%dT%H:%M:%S%.f%#z").map(|time| time.naive_utc());
    with_zone.or_else(|_| NaiveDateTime::parse_from_str(&text, "%Y-%m-%dT%H:%M:%S%.f")).ok().map(seconds)
}

/// Writes a time as Python's `isoformat`: `2024-01-02T03:04:05+00:00`, with microseconds where there are any.
#[expect(clippy::cast_possible_truncation, reason = "a time that is too far away becomes none")]
pub fn isoformat(seconds: f64) -> String {
    let Some(time) = DateTime::from_timestamp_micros((seconds * 1e6).round() as i64) else { return String::new() };
    let format =
        if time.timestamp_subsec_micros() == 0 { "%Y-%m-%dT%H:%M:%S+00:00" } else { "%Y-%m-%dT%H:%M:%S%.6f+00:00" };
    time.format(format).to_string()
}

#[expect(clippy::cast_precision_loss, reason = "Python has no more")]
fn seconds(time: NaiveDateTime) -> f64 {
    time.and_utc().timestamp_micros() as f64 / 1e6
}
