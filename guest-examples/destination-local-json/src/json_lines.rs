//! A record as a line of JSON: an id, when it was read, and its data byte for byte. Knows nothing of files.

use airlock_local_files::{RawRecord, RecordFormat};

/// One JSON object a line.
pub struct JsonLines;

impl RecordFormat for JsonLines {
    const EXTENSION: &'static str = "jsonl";
    const NOTE_EXTENSION: &'static str = "json";

    #[inline]
    fn add_line(&mut self, record: &RawRecord<'_>, lines: &mut Vec<u8>) {
        lines.extend_from_slice(b"{\"_airbyte_ab_id\":\"");
        lines.extend_from_slice(record.id.as_bytes());
        lines.extend_from_slice(b"\",\"_airbyte_emitted_at\":");
        lines.extend_from_slice(itoa::Buffer::new().format(record.emitted_at).as_bytes());
        lines.extend_from_slice(b",\"_airbyte_data\":");
        lines.extend_from_slice(record.data);
        lines.extend_from_slice(b"}\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_goes_through_byte_for_byte() {
        let mut lines = Vec::new();
        for (emitted_at, data) in
            [(1700000000000, "{ \"b\" : 1.10 ,\"a\":\"\\u00e9 ü\"}"), (-5, "{\"n\":12345678901234567890}")]
        {
            JsonLines.add_line(&RawRecord { id: "c1f7b3a0", emitted_at, data: data.as_bytes() }, &mut lines);
        }
        let expected = concat!(
            "{\"_airbyte_ab_id\":\"c1f7b3a0\",\"_airbyte_emitted_at\":1700000000000,",
            "\"_airbyte_data\":{ \"b\" : 1.10 ,\"a\":\"\\u00e9 ü\"}}\n",
            "{\"_airbyte_ab_id\":\"c1f7b3a0\",\"_airbyte_emitted_at\":-5,",
            "\"_airbyte_data\":{\"n\":12345678901234567890}}\n",
        );
        assert_eq!(String::from_utf8(lines).unwrap(), expected);
        for line in expected.lines() {
            serde_json::from_str::<serde_json::Value>(line).unwrap();
        }
    }
}
