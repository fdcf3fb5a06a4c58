//! A source's records on their way out: each line of a batch is checked and put into its RECORD envelope.
//! Knows nothing of streams' lives or of where the lines go.

use std::io;

use airlock_json_scanner::JsonScanner;
use memchr::memchr;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::stdout::{LineBuffer, LineSink, WRITE_SIZE};
use super::stream_name::StreamName;

/// What is said of one record beside its data.
#[derive(Debug, Default)]
pub struct Annotation {
    /// Which record of the batch, from 0.
    pub index: usize,
    /// When it was read, in milliseconds since 1970.
    pub emitted_at: Option<i64>,
    /// Airbyte's `meta`: a JSON object on one line.
    pub meta: Option<Box<RawValue>>,
    /// Airbyte's `file_reference`: a JSON object on one line.
    pub file_reference: Option<Box<RawValue>>,
}

impl Annotation {
    /// About how many bytes this holds on to.
    pub fn weight(&self) -> usize {
        let length = |text: &Option<Box<RawValue>>| text.as_ref().map_or(0, |text| text.get().len());
        size_of::<Annotation>() + length(&self.meta) + length(&self.file_reference)
    }
}

/// Makes the RECORD lines of one stream.
pub struct RecordLines {
    /// `{"type":"RECORD","record":{…,"data":`
    prefix: Vec<u8>,
    max_record_bytes: usize,
}

/// What became of a batch.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// Records that were put out.
    pub accepted: u64,
    /// Records that were `{}`: the platform drops them, so they are dropped here and not counted.
    pub empty: u64,
    /// What is wrong with the record after these, if one is. Never its content.
    pub refusal: Option<String>,
}

impl RecordLines {
    /// For the records of `stream`, each of `max_record_bytes` at most.
    pub fn new(stream: &StreamName, max_record_bytes: usize) -> RecordLines {
        let text = |value: &str| serde_json::Value::from(value).to_string();
        let namespace = match &stream.namespace {
            Some(namespace) => format!("\"namespace\":{},", text(namespace)),
            None => String::new(),
        };
        let prefix =
            format!("{{\"type\":\"RECORD\",\"record\":{{{namespace}\"stream\":{},\"data\":", text(&stream.name));
        RecordLines { prefix: prefix.into_bytes(), max_record_bytes }
    }

    /// Writes the RECORD line of each record of a batch, up to the first that is refused. Lines leave as they are made, for all of
    /// them together may be many times as long as the batch.
    pub fn write<W: LineSink>(
        &self,
        batch: &[u8],
        emitted_at: i64,
        annotations: &[Annotation],
        lines: &mut LineBuffer<W>,
    ) -> io::Result<Checked> {
        let mut checked = Checked::default();
        let plain_suffix = format!(",\"emitted_at\":{emitted_at}}}}}\n").into_bytes();
        let mut annotations = annotations.iter().peekable();
        // One pass over the batch is far cheaper than one a line.
        let text = std::str::from_utf8(batch).ok();
        let mut scanner = text.map(JsonScanner::new);

        let mut index = 0;
        let mut start = 0;
        while start < batch.len() {
            let plain = scanner.as_mut().and_then(JsonScanner::next_object);
            let (record, may_have_carriage_return) = match (plain, &scanner) {
                (Some(object), Some(scanner)) if object.len() <= self.max_record_bytes => {
                    start = scanner.position();
                    (&batch[object], false)
                }
                _ => {
                    let rest = &batch[start..];
                    let end = memchr(b'\n', rest).unwrap_or(rest.len());
                    let line = rest[..end].trim_ascii();
                    start += end + 1;
                    if let Some(scanner) = &mut scanner {
                        scanner.go_to(start.min(batch.len()));
                    }
                    if line.is_empty() {
                        continue;
                    }
                    if let Err(refusal) = self.check(line, text.is_some()) {
                        checked.refusal = Some(refusal);
                        return Ok(checked);
                    }
                    (line, true)
                }
            };
            let annotation = annotations.next_if(|annotation| annotation.index == index);
            index += 1;
            if record[1..record.len() - 1].trim_ascii_start().is_empty() {
                checked.empty += 1;
                continue;
            }
            checked.accepted += 1;
            let own_suffix = annotation.map(|annotation| suffix(annotation, emitted_at));
            let suffix = own_suffix.as_deref().unwrap_or(&plain_suffix);
            let has_carriage_return = may_have_carriage_return && memchr(b'\r', record).is_some();
            if record.len() >= WRITE_SIZE && !has_carriage_return {
                lines.write_line(&[&self.prefix, record, suffix])?;
                continue;
            }
            let line = lines.line();
            line.extend_from_slice(&self.prefix);
            if has_carriage_return {
                // Only white space in JSON that is valid, but some readers take it for a line's end.
                line.extend(record.iter().filter(|byte| **byte != b'\r'));
            } else {
                line.extend_from_slice(record);
            }
            line.extend_from_slice(suffix);
            lines.write_if_full()?;
        }
        if let Some(annotation) = annotations.next() {
            checked.refusal =
                Some(format!("has an annotation for record {} of its batch, which is not there", annotation.index));
        }
        Ok(checked)
    }

    fn check(&self, record: &[u8], valid_utf8: bool) -> Result<(), String> {
        if record.len() > self.max_record_bytes {
            return Err(format!(
                "is {} bytes long, and the limit is {} (raise it with --max-record-bytes)",
                record.len(),
                self.max_record_bytes
            ));
        }
        if !valid_utf8 && let Err(error) = std::str::from_utf8(record) {
            return Err(format!("is not UTF-8: byte {} of it is wrong", error.valid_up_to()));
        }
        if record[0] != b'{' {
            return Err("is not a JSON object".to_owned());
        }
        serde_json::from_slice::<IgnoredAny>(record).map_err(|error| {
            if error.is_eof() {
                format!("is not one whole JSON object: it ends early, at byte {}", record.len())
            } else {
                format!("is not one JSON object: it goes wrong at byte {}", error.column())
            }
        })?;
        Ok(())
    }
}

/// What comes after the data of a record of which something is said.
fn suffix(annotation: &Annotation, emitted_at: i64) -> Vec<u8> {
    let emitted_at = annotation.emitted_at.unwrap_or(emitted_at);
    let mut suffix = format!(",\"emitted_at\":{emitted_at}");
    for (name, value) in [("meta", &annotation.meta), ("file_reference", &annotation.file_reference)] {
        if let Some(value) = value {
            suffix.push_str(&format!(",\"{name}\":{value}"));
        }
    }
    suffix.push_str("}}\n");
    suffix.into_bytes()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn write(batch: &[u8], annotations: &[Annotation]) -> (Checked, String) {
        let stream = StreamName { name: "us\"ers".into(), namespace: None };
        let mut written = Vec::new();
        let mut lines = LineBuffer::new(&mut written);
        let checked = RecordLines::new(&stream, 40).write(batch, 7, annotations, &mut lines).unwrap();
        lines.flush().unwrap();
        (checked, String::from_utf8(written).unwrap())
    }

    const PREFIX: &str = "{\"type\":\"RECORD\",\"record\":{\"stream\":\"us\\\"ers\",\"data\":";

    #[test]
    fn each_line_gets_an_envelope_and_empty_ones_do_not_count() {
        let (checked, lines) = write(b"{\"a\":1}\n\n  { } \r\n{\"b\":\r2}", &[]);
        assert_eq!(checked, Checked { accepted: 2, empty: 1, refusal: None });
        assert_eq!(
            lines,
            format!("{PREFIX}{{\"a\":1}},\"emitted_at\":7}}}}\n{PREFIX}{{\"b\":2}},\"emitted_at\":7}}}}\n")
        );
    }

    #[test]
    fn what_came_before_a_refused_record_stays_and_nothing_after_it() {
        for bad in [
            &b"[1]"[..],
            b"{\"a\":1",
            b"{\"a\":1}{\"b\":2}",
            b"{\"a\":\xff}",
            b"{\"a\":\"\xff\"}",
            b"{'a':1}",
            b"nonsense",
            b"{\"a\":\"01234567890123456789012345678901234567890\"}",
        ] {
            let batch = [b"{\"a\":1}\n", bad, b"\n{\"b\":2}\n"].concat();
            let (checked, lines) = write(&batch, &[]);
            assert_eq!((checked.accepted, lines.lines().count()), (1, 1), "{}", bad.escape_ascii());
            assert!(checked.refusal.is_some(), "{}", bad.escape_ascii());
        }
    }

    #[test]
    fn a_large_record_is_a_line_in_its_place() {
        let stream = StreamName { name: "a".into(), namespace: None };
        let large = format!("{{\"a\":\"{}\"}}", "x".repeat(WRITE_SIZE));
        let with_carriage_return = large.replacen(':', "\r:", 1);
        let batch = format!("{{\"n\":1}}\n{large}\n{with_carriage_return}\n{large}\n{{\"n\":2}}");
        let meta = RawValue::from_string("{\"changes\":[]}".into()).unwrap();
        let annotation = Annotation { index: 3, meta: Some(meta), ..Annotation::default() };
        let mut written = Vec::new();
        let mut lines = LineBuffer::new(&mut written);
        let checked =
            RecordLines::new(&stream, usize::MAX).write(batch.as_bytes(), 7, &[annotation], &mut lines).unwrap();
        lines.flush().unwrap();
        assert_eq!(checked, Checked { accepted: 5, empty: 0, refusal: None });
        let line = |data: &str, more: &str| {
            format!("{{\"type\":\"RECORD\",\"record\":{{\"stream\":\"a\",\"data\":{data},\"emitted_at\":7{more}}}}}\n")
        };
        let expected = [
            line("{\"n\":1}", ""),
            line(&large, ""),
            line(&large, ""),
            line(&large, ",\"meta\":{\"changes\":[]}"),
            line("{\"n\":2}", ""),
        ];
        assert!(String::from_utf8(written).unwrap() == expected.concat());
    }

    #[test]
    fn annotations_belong_to_their_record() {
        let meta = RawValue::from_string("{\"changes\":[]}".into()).unwrap();
        let annotation = Annotation { index: 1, emitted_at: Some(5), meta: Some(meta), file_reference: None };
        let (checked, lines) = write(b"{\"a\":1}\n{\"a\":2}\n", &[annotation]);
        assert_eq!(checked.refusal, None);
        assert!(lines.ends_with("{\"a\":2},\"emitted_at\":5,\"meta\":{\"changes\":[]}}}\n"), "{lines}");
        let (checked, _) = write(b"{\"a\":1}\n", &[Annotation { index: 1, ..Annotation::default() }]);
        assert!(checked.refusal.is_some());
    }

    /// Batches as a guest might make them: some of it JSON, some of it anything.
    fn batches() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            Just(b"{\"a\":1}\n".to_vec()),
            Just(b"{}\r\n".to_vec()),
            Just(b"{\"b\":\"".to_vec()),
            Just("\"ü\\n".as_bytes().to_vec()),
            proptest::collection::vec(any::<u8>(), 0..6),
        ];
        proptest::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn whatever_a_guest_writes_only_whole_records_leave(batch in batches()) {
            let (checked, lines) = write(&batch, &[]);
            prop_assert!(lines.is_empty() || lines.ends_with('\n'));
            prop_assert_eq!(lines.lines().count() as u64, checked.accepted);
            for line in lines.lines() {
                let message: serde_json::Value = serde_json::from_str(line).unwrap();
                prop_assert!(message["record"]["data"].as_object().is_some_and(|data| !data.is_empty()));
            }
        }
    }
}
