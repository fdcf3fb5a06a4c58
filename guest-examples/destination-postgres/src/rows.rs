//! Records as rows of a raw table, in the form of `COPY … (FORMAT binary)`: a record's JSON goes to the server as it came.
//!
//! Knows nothing of tables and connections.

use std::borrow::Cow;
use std::time::{SystemTime, UNIX_EPOCH};

use airlock_sdk::{Record, Result, system_error};
use serde_json::{Map, Value, json};
use uuid::Builder;

use crate::json_text::{refused_fields, without_refused};

/// The columns in the order of a row.
pub const COLUMNS: &str =
    "_airbyte_raw_id, _airbyte_data, _airbyte_extracted_at, _airbyte_meta, _airbyte_generation_id";

/// How the data of a COPY begins: the signature, no flags, no extension.
pub const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
/// How it ends.
pub const TRAILER: &[u8] = &[0xff, 0xff];

/// PostgreSQL counts microseconds from 2000 on.
const MILLISECONDS_TO_2000: i64 = 946_684_800_000;
/// Between the year 4713 before Christ and the year 294276.
const EARLIEST: i64 = -211_813_488_000_000_000;
const LATEST: i64 = 9_223_371_331_199_999_999;

/// Makes rows of the records of one stream.
pub struct Rows {
    generation_id: i64,
    sync_id: Option<i64>,
    /// What is said of a record of which there is nothing to say.
    plain_meta: String,
}

impl Rows {
    /// Rows of a generation, written by a sync.
    pub fn new(generation_id: Option<i64>, sync_id: Option<i64>) -> Self {
        let plain_meta = meta(None, Vec::new(), sync_id);
        Rows { generation_id: generation_id.unwrap_or(0), sync_id, plain_meta }
    }

    /// Adds the row of a record.
    pub fn add(&self, record: &Record<'_>, ids: &mut RecordIds, rows: &mut Vec<u8>) -> Result<()> {
        let data = without_refused(record.data);
        let mut changes = Vec::new();
        if let Cow::Owned(_) = data {
            changes = refused_fields(record.data)
                .into_iter()
                .map(
                    |field| json!({"field": field, "change": "TRUNCATED", "reason": "DESTINATION_SERIALIZATION_ERROR"}),
                )
                .collect();
        }
        let own_meta;
        let meta = if record.meta.is_none() && changes.is_empty() {
            &self.plain_meta
        } else {
            own_meta = meta(record.meta, changes, self.sync_id);
            &own_meta
        };

        let mut id = [0; uuid::fmt::Hyphenated::LENGTH];
        let id = ids.next()?.hyphenated().encode_lower(&mut id);
        rows.extend_from_slice(&5_i16.to_be_bytes());
        push(rows, &[id.as_bytes()])?;
        push(rows, &[JSONB_VERSION, &data])?;
        push(rows, &[&timestamp(record.emitted_at).to_be_bytes()])?;
        push(rows, &[JSONB_VERSION, &without_refused(meta.as_bytes())])?;
        push(rows, &[&self.generation_id.to_be_bytes()])
    }
}

/// Before the text of a `jsonb`.
const JSONB_VERSION: &[u8] = &[1];

fn push(rows: &mut Vec<u8>, value: &[&[u8]]) -> Result<()> {
    let length: usize = value.iter().map(|part| part.len()).sum();
    let length = i32::try_from(length).map_err(|_| system_error("A record is too large for PostgreSQL."))?;
    rows.extend_from_slice(&length.to_be_bytes());
    for part in value {
        rows.extend_from_slice(part);
    }
    Ok(())
}

fn timestamp(emitted_at: i64) -> i64 {
    emitted_at.saturating_sub(MILLISECONDS_TO_2000).saturating_mul(1000).clamp(EARLIEST, LATEST)
}

/// Airbyte's `_airbyte_meta`: what was changed on the way, and by which sync the record came.
fn meta(given: Option<&str>, changes: Vec<Value>, sync_id: Option<i64>) -> String {
    let mut meta: Map<String, Value> = given.and_then(|given| serde_json::from_str(given).ok()).unwrap_or_default();
    match meta.get_mut("changes") {
        Some(Value::Array(all)) => all.extend(changes),
        _ => {
            meta.insert("changes".to_owned(), Value::Array(changes));
        }
    }
    if let Some(sync_id) = sync_id {
        meta.insert("sync_id".to_owned(), sync_id.into());
    }
    Value::Object(meta).to_string()
}

/// Ids of records: UUIDs of version 7, each greater than the one before, so that of two records the later one can be told.
pub struct RecordIds {
    milliseconds: u64,
    counter: u16,
    pool: Vec<u8>,
    used: usize,
}

impl RecordIds {
    const POOL: usize = 8 * 1024;
    /// What fits beside the time.
    const COUNTER_END: u16 = 1 << 12;

    /// Ids from now on.
    pub fn new() -> Self {
        RecordIds { milliseconds: 0, counter: 0, pool: vec![0; Self::POOL], used: Self::POOL }
    }

    fn next(&mut self) -> Result<uuid::Uuid> {
        if self.used == self.pool.len() {
            getrandom::fill(&mut self.pool).map_err(|error| {
                system_error("No random numbers can be had for the ids of the records.").with_internal(error)
            })?;
            self.used = 0;
            // Often enough: the time is there to sort by.
            let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
            let now = u64::try_from(now).unwrap_or(u64::MAX);
            if now > self.milliseconds {
                (self.milliseconds, self.counter) = (now, 0);
            }
        }
        if self.counter == Self::COUNTER_END {
            (self.milliseconds, self.counter) = (self.milliseconds + 1, 0);
        }
        let mut bytes = [0; 10];
        bytes[..2].copy_from_slice(&self.counter.to_be_bytes());
        bytes[2..].copy_from_slice(&self.pool[self.used..self.used + 8]);
        self.used += 8;
        self.counter += 1;
        Ok(Builder::from_unix_timestamp_millis(self.milliseconds, &bytes).into_uuid())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(data: &str, meta: Option<&'static str>) -> Vec<Vec<u8>> {
        let record = Record { data: data.as_bytes(), emitted_at: 946_684_800_001, meta, file_reference: None };
        let mut row = Vec::new();
        Rows::new(Some(7), Some(3)).add(&record, &mut RecordIds::new(), &mut row).unwrap();
        let mut rest = row.strip_prefix(&[0, 5]).unwrap();
        let mut values = Vec::new();
        while !rest.is_empty() {
            let length = i32::from_be_bytes(rest[..4].try_into().unwrap()) as usize;
            values.push(rest[4..4 + length].to_vec());
            rest = &rest[4 + length..];
        }
        values
    }

    #[test]
    fn a_row_has_the_columns_of_a_raw_table() {
        let values = record(r#"{ "b": 1.10 }"#, None);
        assert_eq!(values.len(), COLUMNS.split(", ").count());
        assert_eq!(values[0].len(), 36);
        assert_eq!(values[1], b"\x01{ \"b\": 1.10 }");
        assert_eq!(values[2], 1000_i64.to_be_bytes());
        assert_eq!(values[3], b"\x01{\"changes\":[],\"sync_id\":3}");
        assert_eq!(values[4], 7_i64.to_be_bytes());
    }

    #[test]
    fn changes_are_told() {
        let values = record(
            r#"{"a":"x\u0000"}"#,
            Some(r#"{"changes":[{"field":"b","change":"NULLED","reason":"SOURCE_FIELD_SIZE_LIMITATION"}]}"#),
        );
        assert_eq!(values[1], b"\x01{\"a\":\"x\"}");
        let meta: Value = serde_json::from_slice(&values[3][1..]).unwrap();
        assert_eq!(
            meta,
            json!({"sync_id": 3, "changes": [
                {"field": "b", "change": "NULLED", "reason": "SOURCE_FIELD_SIZE_LIMITATION"},
                {"field": "a", "change": "TRUNCATED", "reason": "DESTINATION_SERIALIZATION_ERROR"},
            ]})
        );
    }

    #[test]
    fn every_time_is_one_that_postgresql_has() {
        assert_eq!(timestamp(MILLISECONDS_TO_2000), 0);
        assert_eq!(timestamp(i64::MIN), EARLIEST);
        assert_eq!(timestamp(i64::MAX), LATEST);
    }

    #[test]
    fn ids_grow() {
        let mut ids = RecordIds::new();
        let all: Vec<String> = (0..10_000).map(|_| ids.next().unwrap().to_string()).collect();
        assert!(all.windows(2).all(|pair| pair[0] < pair[1]));
        assert!(all.iter().all(|id| id.as_bytes()[14] == b'7'));
    }
}
