//! A record as a row of CSV, as Airbyte's connector writes it: RFC 4180, with quotes only where they are needed. Knows
//! nothing of files.

use airlock_local_files::{RawRecord, RecordFormat};
use csv_core::{ReadRecordResult, ReaderBuilder, Terminator, Writer, WriterBuilder};
use serde::de::IgnoredAny;

/// The columns of every file.
const COLUMNS: [&str; 3] = ["_airbyte_ab_id", "_airbyte_emitted_at", "_airbyte_data"];

/// Three columns, CRLF at the end of a row.
pub struct CsvRows {
    delimiter: u8,
    writer: Writer,
    header: Vec<u8>,
}

impl CsvRows {
    /// Rows with this delimiter.
    pub fn new(delimiter: u8) -> Self {
        let writer = WriterBuilder::new().delimiter(delimiter).terminator(Terminator::CRLF).build();
        let [id, emitted_at, data] = COLUMNS;
        let between = char::from(delimiter);
        // The quotes are those of Airbyte's connector, whose library puts them around a first column that begins with
        // neither a letter nor a digit. Its files can be added to only if they begin with the same bytes as ours.
        let header = format!("\"{id}\"{between}{emitted_at}{between}{data}\r\n").into_bytes();
        CsvRows { delimiter, writer, header }
    }
}

impl RecordFormat for CsvRows {
    const EXTENSION: &'static str = "csv";
    const NOTE_EXTENSION: &'static str = "csv.json";

    fn header(&self) -> &[u8] {
        &self.header
    }

    #[inline]
    fn add_line(&mut self, record: &RawRecord<'_>, lines: &mut Vec<u8>) {
        let mut emitted_at = itoa::Buffer::new();
        let emitted_at = emitted_at.format(record.emitted_at);
        let columns = [record.id.as_bytes(), emitted_at.as_bytes(), record.data];
        // Room for the longest row there can be, of nothing but quotes: so the writer's output is never full.
        let begin = lines.len();
        let longest: usize = columns.iter().map(|column| 2 * column.len() + b"\"\"\r\n".len()).sum();
        lines.resize(begin + longest, 0);
        let row = &mut lines[begin..];
        let mut length = 0;
        for (index, column) in columns.into_iter().enumerate() {
            if index > 0 {
                length += self.writer.delimiter(&mut row[length..]).1;
            }
            length += self.writer.field(column, &mut row[length..]).2;
        }
        length += self.writer.terminator(&mut row[length..]).1;
        lines.truncate(begin + length);
    }

    /// A row is whole if it has all columns, and the last is JSON: no part of a JSON object is one.
    fn missing_end(&self, last_line: &[u8]) -> Option<&'static [u8]> {
        let missing: &[u8] = if last_line.ends_with(b"\r") { b"\n" } else { b"\r\n" };
        let row = [last_line, missing].concat();
        let mut columns = vec![0; row.len()];
        let mut ends = [0; COLUMNS.len() + 1];
        let mut reader = ReaderBuilder::new().delimiter(self.delimiter).build();
        let (result, read, _, count) = reader.read_record(&row, &mut columns, &mut ends);
        // The reader leaves the second half of CRLF for the next record.
        if result != ReadRecordResult::Record || count != COLUMNS.len() || read < row.len() - 1 {
            return None;
        }
        let data = &columns[ends[1]..ends[2]];
        (data.starts_with(b"{") && serde_json::from_slice::<IgnoredAny>(data).is_ok()).then_some(missing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    const DELIMITERS: [u8; 5] = *b",;\t |";

    fn row(delimiter: u8, data: &str) -> String {
        let mut lines = Vec::new();
        let record = RawRecord { id: "c1f7b3a0-", emitted_at: 1700000000000, data: data.as_bytes() };
        CsvRows::new(delimiter).add_line(&record, &mut lines);
        String::from_utf8(lines).unwrap()
    }

    #[test]
    fn rows_are_airbytes() {
        assert_eq!(CsvRows::new(b',').header(), b"\"_airbyte_ab_id\",_airbyte_emitted_at,_airbyte_data\r\n");
        assert_eq!(CsvRows::new(b'\t').header(), b"\"_airbyte_ab_id\"\t_airbyte_emitted_at\t_airbyte_data\r\n");
        for (delimiter, data, expected) in [
            (b',', r#"{"a":"b c"}"#, "c1f7b3a0-,1700000000000,\"{\"\"a\"\":\"\"b c\"\"}\"\r\n"),
            (b'|', r#"{"a":1}"#, "c1f7b3a0-|1700000000000|\"{\"\"a\"\":1}\"\r\n"),
            (b',', "{}", "c1f7b3a0-,1700000000000,{}\r\n"),
            (b',', "{ }", "c1f7b3a0-,1700000000000,{ }\r\n"),
            (b' ', "{ }", "c1f7b3a0- 1700000000000 \"{ }\"\r\n"),
            (b';', "{\r}", "c1f7b3a0-;1700000000000;\"{\r}\"\r\n"),
        ] {
            assert_eq!(row(delimiter, data), expected);
        }
    }

    #[test]
    fn nothing_but_quotes_has_room() {
        let quotes = "\"".repeat(1000);
        assert_eq!(row(b',', &quotes), format!("c1f7b3a0-,1700000000000,\"{}\"\r\n", "\"".repeat(2000)));
    }

    #[test]
    fn a_last_line_that_is_no_row_is_torn() {
        let rows = CsvRows::new(b',');
        for torn in [
            "",
            "c1f7b3a0-",
            "c1f7b3a0-,17",
            "c1f7b3a0-,17,",
            "c1f7b3a0-,17,{",
            "c1f7b3a0-,17,1",
            "c1f7b3a0-,17,{},",
            "c1f7b3a0-,17,{},{}",
            "c1f7b3a0-,17,{}\0\0\0",
            "c1f7b3a0-;17;{}",
            "c1f7b3a0-,17,\"{\"\"a\"\":\"",
            "c1f7b3a0-\r,17,{}",
            "c1f7b3a0-,17,{}\r\r",
        ] {
            assert_eq!(rows.missing_end(torn.as_bytes()), None, "{torn:?}");
        }
        assert_eq!(rows.missing_end(b"c1f7b3a0-,17,{}"), Some(&b"\r\n"[..]));
        assert_eq!(rows.missing_end(b"c1f7b3a0-,17,{}\r"), Some(&b"\n"[..]));
    }

    /// JSON objects as sources write them: all that can stand in a string, and white space between.
    fn json_object() -> impl Strategy<Value = String> {
        let text = prop_oneof!["[\",;| '\\\\\t\r\n{}:]{0,8}", any::<String>()];
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            text.clone().prop_map(Value::from),
        ];
        let value = leaf.prop_recursive(3, 24, 4, {
            let text = text.clone();
            move |inner| {
                prop_oneof![
                    prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                    prop::collection::btree_map(text.clone(), inner, 0..4)
                        .prop_map(|fields| Value::Object(fields.into_iter().collect())),
                ]
            }
        });
        let space = "[ \t\r]{0,3}";
        (prop::collection::btree_map(text, value, 0..4), space, space).prop_map(|(fields, before, after)| {
            let object = Value::Object(fields.into_iter().collect()).to_string();
            format!("{{{before}{}{after}}}", &object[1..object.len() - 1])
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(
            records in prop::collection::vec((any::<[u8; 16]>(), any::<i64>(), json_object()), 1..8),
        ) {
            for delimiter in DELIMITERS {
                let mut rows = CsvRows::new(delimiter);
                let mut file = rows.header().to_vec();
                let mut expected = Vec::new();
                for (id, emitted_at, data) in &records {
                    let id = id.map(|byte| format!("{byte:02x}")).join("-");
                    rows.add_line(&RawRecord { id: &id, emitted_at: *emitted_at, data: data.as_bytes() }, &mut file);
                    expected.push(vec![id, emitted_at.to_string(), data.clone()]);
                }
                prop_assert_eq!(file.iter().filter(|byte| **byte == b'\n').count(), records.len() + 1);
                let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).from_reader(file.as_slice());
                prop_assert_eq!(reader.headers().unwrap(), &COLUMNS[..]);
                let found: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
                prop_assert_eq!(found, expected);
            }
        }
    }

    proptest! {
        // Each case is one for every byte of a row.
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn a_row_is_torn_wherever_it_is_cut_but_at_its_end(
            delimiter in prop::sample::select(&DELIMITERS),
            data in json_object(),
        ) {
            let rows = CsvRows::new(delimiter);
            let row = row(delimiter, &data);
            let whole = row.len() - 2;
            for end in 0..whole {
                prop_assert_eq!(rows.missing_end(&row.as_bytes()[..end]), None, "cut off at {}: {}", end, row);
            }
            prop_assert_eq!(rows.missing_end(&row.as_bytes()[..whole]), Some(&b"\r\n"[..]));
            prop_assert_eq!(rows.missing_end(&row.as_bytes()[..whole + 1]), Some(&b"\n"[..]));
        }
    }
}
