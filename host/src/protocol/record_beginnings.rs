//! A short way to read RECORD lines: those of one stream are the same, byte for byte, up to their data, so what such a beginning says
//! is found out once. Gives what `input_message` would give, or nothing where that has to look. Knows no other message.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::input_message::Record;
use super::output::StreamIndex;

/// How many beginnings are kept: a source may read some streams at once, and to try them all must be less work than to read a line.
const KEPT: usize = 16;

/// A longer beginning is not kept: it is no envelope, and the memory of a line's length is not the source's to take.
const MOST_BYTES: usize = 4 * 1024;

/// More digits may be more than 64 bits hold, which is not decided here.
const MOST_DIGITS: usize = 18;

/// The beginnings of the last streams, each learned from a line that was read the long way.
#[derive(Default)]
pub struct RecordBeginnings {
    beginnings: Vec<Beginning>,
    /// The one that fitted last: most often it fits again, or else the one behind it.
    last: usize,
    /// The one that makes room for the next.
    oldest: usize,
}

struct Beginning {
    /// A line up to where its data begins.
    text: String,
    stream: StreamIndex,
}

/// A record with nothing but its data and its time.
#[derive(Debug, PartialEq, Eq)]
pub struct PlainRecord<'a> {
    /// The stream.
    pub stream: StreamIndex,
    /// A JSON object.
    pub data: &'a str,
    /// When it was read, in milliseconds since 1970.
    pub emitted_at: i64,
}

impl RecordBeginnings {
    /// Reads a line that begins like one before. None says nothing of the line: it may be a record, anything else, or wrong.
    pub fn read<'a>(&mut self, line: &'a str) -> Option<PlainRecord<'a>> {
        let (before, from_last) = self.beginnings.split_at(self.last);
        let place = from_last.iter().chain(before).position(|beginning| line.starts_with(&beginning.text))?;
        self.last = (self.last + place) % self.beginnings.len();
        let Beginning { text, stream } = &self.beginnings[self.last];
        let rest = line.get(text.len()..).filter(|rest| rest.starts_with('{'))?;
        let data = <&RawValue>::deserialize(&mut serde_json::Deserializer::from_str(rest)).ok()?.get();
        let emitted_at = emitted_at(rest.get(data.len()..)?)?;
        Some(PlainRecord { stream: *stream, data, emitted_at })
    }

    /// Learns from a line that was read the long way and is a record of `stream`.
    pub fn learn(&mut self, line: &str, record: &Record, stream: StreamIndex) {
        if record.meta.is_some() || record.file_reference.is_some() {
            return;
        }
        let data = record.data.get();
        let start = data.as_ptr().addr() - line.as_ptr().addr();
        let (Some(text), Some(end)) = (line.get(..start), line.get(start + data.len()..)) else { return };
        if text.len() > MOST_BYTES {
            return;
        }
        // A line whose time stands before its data would be another one with another time.
        if emitted_at(end).is_none() || self.beginnings.iter().any(|beginning| beginning.text == text) {
            return;
        }
        if self.beginnings.len() < KEPT {
            self.beginnings.push(Beginning { text: text.to_owned(), stream });
            return;
        }
        let beginning = &mut self.beginnings[self.oldest];
        self.oldest = (self.oldest + 1) % KEPT;
        beginning.stream = stream;
        // The memory of the one before is used again.
        beginning.text.clear();
        beginning.text.push_str(text);
    }
}

/// The time in the rest of a line behind its data, if there is nothing else. As serializers write it, with or without spaces.
fn emitted_at(end: &str) -> Option<i64> {
    let number = end.strip_prefix(r#","emitted_at":"#).or_else(|| end.strip_prefix(r#", "emitted_at": "#))?;
    let digits = number.strip_suffix("}}")?;
    let is_plain = match digits.as_bytes() {
        [b'0'] => true,
        [first, ..] => {
            *first != b'0' && digits.len() <= MOST_DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit())
        }
        [] => false,
    };
    if is_plain { digits.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::input_message::{self, InputMessage};
    use super::*;

    /// The long way. Streams are known by the length of their names here.
    fn read_long<'a>(line: &'a str, beginnings: Option<&mut RecordBeginnings>) -> Option<PlainRecord<'a>> {
        let Ok(InputMessage::Record(record)) = input_message::parse(line) else { return None };
        let namespace = record.namespace.as_ref().map_or(0, |namespace| 100 * (1 + namespace.0.len()));
        let stream = record.stream.0.len() + namespace;
        if let Some(beginnings) = beginnings {
            beginnings.learn(line, &record, stream);
        }
        let is_plain = record.meta.is_none() && record.file_reference.is_none();
        let emitted_at = record.emitted_at().filter(|_| is_plain)?;
        Some(PlainRecord { stream, data: record.data.get(), emitted_at })
    }

    #[test]
    fn a_beginning_of_any_length_is_not_kept() {
        let mut beginnings = RecordBeginnings::default();
        for length in [MOST_BYTES / 2, MOST_BYTES] {
            let more = "x".repeat(length);
            let line =
                format!(r#"{{"type":"RECORD","record":{{"stream":"a","x":"{more}","data":{{}},"emitted_at":1}}}}"#);
            let record = read_long(&line, Some(&mut beginnings)).unwrap();
            assert_eq!(beginnings.read(&line), (length < MOST_BYTES).then_some(record));
        }
        assert_eq!(beginnings.beginnings.len(), 1);
    }

    #[test]
    fn the_lines_of_several_streams_are_read_after_one_of_each() {
        let mut beginnings = RecordBeginnings::default();
        let line = |stream: usize, number: usize| match stream % 3 {
            0 => {
                let name = "a".repeat(stream);
                format!(
                    r#"{{"type":"RECORD","record":{{"stream":"{name}","data":{{"n":{number}}},"emitted_at":{number}}}}}"#
                )
            }
            1 => {
                let name = "b".repeat(stream);
                format!(
                    r#"{{"type": "RECORD", "record": {{"stream": "{name}", "data": {{"n": [{number}]}}, "emitted_at": 1{number}}}}}"#
                )
            }
            _ => {
                let name = "c".repeat(stream);
                format!(
                    r#"{{"record":{{"namespace":"x","stream":"{name}","meta":null,"data":{{}},"emitted_at":{number}}},"type":"RECORD"}}"#
                )
            }
        };
        for number in 0..4 {
            for stream in 1..2 * KEPT {
                let line = line(stream, number);
                let long = read_long(&line, Some(&mut beginnings));
                assert!(long.is_some(), "{line}");
                // A field behind the record is not what is short.
                let short = beginnings.read(&line);
                assert!(short == long || (short.is_none() && stream % 3 == 2), "{line}");
                assert!(beginnings.beginnings.len() <= KEPT);
            }
        }
    }

    #[test]
    fn what_is_not_plain_is_left_to_the_long_way() {
        let mut beginnings = RecordBeginnings::default();
        let before = r#"{"type":"RECORD","record":{"stream":"a","data":"#;
        read_long(&format!(r#"{before}{{}},"emitted_at":1}}}}"#), Some(&mut beginnings));
        let mut read = |rest: &str| beginnings.read(&format!("{before}{rest}")).map(|record| record.emitted_at);
        assert_eq!(read(r#"{"a":{"b":[]}},"emitted_at":999999999999999999}}"#), Some(999_999_999_999_999_999));
        assert_eq!(read(r#"{},"emitted_at":0}}"#), Some(0));
        for rest in [
            r#"{},"emitted_at":00}}"#,
            r#"{},"emitted_at":}}"#,
            r#"{},"emitted_at":+1}}"#,
            r#"{},"emitted_at":-1}}"#,
            r#"{},"emitted_at":1.5}}"#,
            r#"{},"emitted_at":1234567890123456789}}"#,
            r#"{},"emitted_at":1}"#,
            r#"{},"emitted_at":1}}}"#,
            r#"{},"emitted_at":1},"state":{}}"#,
            r#"{},"emitted_at":1,"meta":{}}}"#,
            r#"[],"emitted_at":1}}"#,
            r#" {},"emitted_at":1}}"#,
            r#"{"a":},"emitted_at":1}}"#,
            r#"{}}}"#,
            r#""#,
        ] {
            assert_eq!(read(rest), None, "{rest}");
        }
    }

    /// Lines that are nearly records: one of few with some pieces of it replaced by a piece of another.
    fn lines() -> impl Strategy<Value = Vec<String>> {
        let records = prop::sample::select(vec![
            r#"{"type":"RECORD","record":{"stream":"a","data":{"n":1},"emitted_at":1}}"#,
            r#"{"type":"RECORD","record":{"stream":"bc","data":{"é":"\u00e9"},"emitted_at":1700000000000}}"#,
            r#"{"type": "RECORD", "record": {"stream": "a", "data": {"data": {}}, "emitted_at": 22}}"#,
            r#"{"type":"RECORD","state":null,"record":{"namespace":"n","stream":"a","data":{},"emitted_at":1}}"#,
            r#"{"type":"RECORD","record":{"stream":"a","meta":null,"data":{},"emitted_at":1}}"#,
            r#"{"type":"RECORD","record":{"stream":"a","emitted_at":1,"data":{},"emitted_at":1}}"#,
            r#"{"type":"RECORD","record":{"x":{"data":{"emitted_at":1}},"stream":"a","data":{},"emitted_at":3}}"#,
            r#"{"type":"RECORD","record":{"stream":"a","data":{},"emitted_at":1,"meta":{"changes":[]}}}"#,
        ]);
        let piece = prop::sample::select(vec![
            "",
            "0",
            "1",
            "-",
            ".5",
            "e3",
            " ",
            ",",
            "{",
            "}",
            "}}",
            "{}",
            "\"",
            "\\",
            "null",
            "é",
            "\u{feff}",
            "\t",
            r#""data":"#,
            r#","emitted_at":1"#,
            r#","emitted_at":"#,
            r#","meta":{}"#,
            r#""stream":"a","#,
            r#","x":1"#,
        ]);
        let change = (any::<prop::sample::Index>(), 0..12_usize, piece);
        let line = (records, prop::collection::vec(change, 0..3)).prop_map(|(record, changes)| {
            changes.iter().fold(record.to_owned(), |line, (place, length, piece)| {
                let characters: Vec<char> = line.chars().collect();
                let start = place.index(characters.len() + 1);
                let end = (start + length).min(characters.len());
                let text = |characters: &[char]| characters.iter().collect::<String>();
                text(&characters[..start]) + piece + &text(&characters[end..])
            })
        });
        prop::collection::vec(line, 1..40)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        #[test]
        fn the_short_way_says_what_the_long_way_says(lines in lines()) {
            let mut beginnings = RecordBeginnings::default();
            for line in &lines {
                let short = beginnings.read(line);
                let long = read_long(line, Some(&mut beginnings));
                prop_assert!(short.is_none() || short == long, "{line}: {short:?} and {long:?}");
            }
        }
    }
}
