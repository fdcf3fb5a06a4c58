//! Rows of CSV as JSON objects, each value by its column's type. Numbers keep their digits, texts their letters.

use std::collections::HashSet;

use airlock_sdk::{Result as SdkResult, config_error};
use serde_json::Value;

use super::header::Columns;
use super::rows::{Field, Rows};
use crate::problem::{Column as ProblemColumn, Problem};
use crate::schema::{Kinds, declared_types};
use crate::timestamp;

/// What the catalog says that a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnType {
    /// Anything.
    Text,
    /// JSON's numbers without fraction and exponent.
    Integer,
    /// JSON's numbers.
    Number,
    /// `true` and `false`; `True` and `TRUE` are the same.
    Boolean,
    /// `2024-02-29`
    Date,
    /// `2024-02-29T23:59:59`
    Timestamp {
        /// Whether there is an offset, if the catalog says so.
        has_offset: Option<bool>,
    },
}

impl ColumnType {
    fn name(self) -> &'static str {
        match self {
            ColumnType::Text => "string",
            ColumnType::Integer => "integer",
            ColumnType::Number => "number",
            ColumnType::Boolean => "boolean",
            ColumnType::Date => "date",
            ColumnType::Timestamp { has_offset: None } => "date-time",
            ColumnType::Timestamp { has_offset: Some(true) } => "date-time with an offset",
            ColumnType::Timestamp { has_offset: Some(false) } => "date-time without an offset",
        }
    }

    fn of_schema(name: &str, schema: &Value) -> SdkResult<ColumnType> {
        let types = declared_types(schema);
        let one = match types.as_slice() {
            ["integer"] => ColumnType::Integer,
            ["number"] | ["integer", "number"] | ["number", "integer"] => ColumnType::Number,
            ["boolean"] => ColumnType::Boolean,
            ["string"] => match schema.get("format").and_then(Value::as_str) {
                Some("date") => ColumnType::Date,
                Some("date-time") => ColumnType::Timestamp {
                    has_offset: match schema.get("airbyte_type").and_then(Value::as_str) {
                        Some("timestamp_with_timezone") => Some(true),
                        Some("timestamp_without_timezone") => Some(false),
                        _ => None,
                    },
                },
                _ => ColumnType::Text,
            },
            ["object" | "array", ..] => {
                return Err(config_error(format!(
                    "The catalog says that the column \"{name}\" holds objects or arrays. A CSV file has none: \
                     refresh the source's schema."
                )));
            }
            _ => ColumnType::Text,
        };
        Ok(one)
    }
}

/// Which fields hold nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Nulls {
    /// Words of the user's.
    pub words: HashSet<Vec<u8>>,
    /// Whether pandas' words are nulls: in all columns, in none, or if not said in those that are no text.
    pub pandas: Option<bool>,
    /// Whether there are nulls at all.
    pub none: bool,
}

/// What pandas takes for a missing value.
const PANDAS_NULLS: [&[u8]; 18] = [
    b"#N/A",
    b"#N/A N/A",
    b"#NA",
    b"-1.#IND",
    b"-1.#QNAN",
    b"-NaN",
    b"-nan",
    b"1.#IND",
    b"1.#QNAN",
    b"<NA>",
    b"N/A",
    b"NA",
    b"NULL",
    b"NaN",
    b"None",
    b"n/a",
    b"nan",
    b"null",
];

impl Nulls {
    #[inline]
    fn has_word(&self, text: &[u8]) -> bool {
        !self.words.is_empty() && self.words.contains(text)
    }

    /// Whether the field is a null where the column is text.
    #[inline]
    fn in_text(&self, field: &Field<'_>) -> bool {
        if self.none {
            return false;
        }
        if field.text.is_empty() {
            return !field.is_quoted;
        }
        self.has_word(field.text) || (self.pandas == Some(true) && PANDAS_NULLS.contains(&field.text))
    }

    /// Whether the field is a null where the column is anything else.
    fn elsewhere(&self, field: &Field<'_>) -> bool {
        !self.none
            && (field.text.is_empty()
                || self.has_word(field.text)
                || (self.pandas != Some(false) && PANDAS_NULLS.contains(&field.text)))
    }
}

/// What a value could be: for finding a column's type.
pub fn value_kind(field: &Field<'_>, nulls: &Nulls) -> Kinds {
    let text = field.text;
    if nulls.in_text(field) {
        return Kinds::NULL;
    }
    match text.first() {
        Some(b'-' | b'0'..=b'9') => {
            if is_integer(text) {
                let fits = std::str::from_utf8(text).is_ok_and(|text| text.parse::<i64>().is_ok());
                // More digits than 64 bits have would be lost on the way, were they a number.
                return if fits { Kinds::INTEGER } else { Kinds::TEXT };
            }
            if is_number(text) {
                return Kinds::NUMBER;
            }
            if timestamp::is_date(text) {
                return Kinds::DATE;
            }
            match timestamp::parse(text) {
                Some((_, true)) => return Kinds::TIMESTAMP_WITH_TIMEZONE,
                Some((_, false)) => return Kinds::TIMESTAMP_WITHOUT_TIMEZONE,
                None => {}
            }
        }
        Some(b't' | b'T' | b'f' | b'F') if boolean(text).is_some() => return Kinds::BOOLEAN,
        _ => {}
    }
    if nulls.elsewhere(field) { Kinds::NULL } else { Kinds::TEXT }
}

/// Goes through the records of a file.
pub struct CsvRecords {
    rows: Rows,
    columns: Vec<Option<Column>>,
    names: Vec<String>,
    at_first_record: bool,
    nulls: Nulls,
    record: Vec<u8>,
    scratch: Vec<u8>,
}

struct Column {
    /// `"name":`
    key: Vec<u8>,
    column_type: ColumnType,
}

impl CsvRecords {
    /// The records behind a header. `properties` are those of the catalog's schema; columns that are not among them are
    /// left out. Without any, all columns are text.
    pub fn new(rows: Rows, columns: Columns, properties: Option<&Value>, nulls: Nulls) -> SdkResult<CsvRecords> {
        let properties = properties.and_then(Value::as_object);
        let column = |name: &String| {
            let column_type = match properties {
                None => ColumnType::Text,
                Some(properties) => match properties.get(name) {
                    None => return Ok(None),
                    Some(schema) => ColumnType::of_schema(name, schema)?,
                },
            };
            let mut key = serde_json::to_vec(name)?;
            key.push(b':');
            Ok(Some(Column { key, column_type }))
        };
        let Columns { names, at_first_record } = columns;
        let columns = names.iter().map(column).collect::<SdkResult<Vec<_>>>()?;
        Ok(CsvRecords { rows, columns, names, at_first_record, nulls, record: Vec::new(), scratch: Vec::new() })
    }

    /// The columns of the file that the catalog does not have.
    pub fn left_out(&self) -> impl Iterator<Item = &str> {
        self.names.iter().zip(&self.columns).filter(|(_, column)| column.is_none()).map(|(name, _)| name.as_str())
    }

    /// Goes on at a later place, where a record begins.
    pub fn go_on_at(&mut self, offset: u64, line: u64) -> Result<bool, Problem> {
        if self.at_first_record && self.rows.place().0 == offset {
            return Ok(true);
        }
        self.at_first_record = false;
        self.rows.go_on_at(offset, line)
    }

    /// Where the next record begins.
    pub fn next_place(&self) -> (u64, u64) {
        if self.at_first_record { self.rows.place() } else { self.rows.next_place() }
    }

    /// The line that the record begins in.
    pub fn line(&self) -> u64 {
        self.rows.line()
    }

    /// The next record as a JSON object on one line.
    pub fn next(&mut self) -> Result<Option<&[u8]>, Problem> {
        if !std::mem::take(&mut self.at_first_record) && !self.rows.next()? {
            return Ok(None);
        }
        if self.rows.len() != self.columns.len() {
            return Err(self.rows.wrong_width(self.columns.len()));
        }
        self.record.clear();
        let mut separator = b'{';
        for (index, column) in self.columns.iter().enumerate() {
            let Some(column) = column else {
                continue;
            };
            self.record.push(separator);
            separator = b',';
            self.record.extend_from_slice(&column.key);
            let field = self.rows.field(index, &mut self.scratch);
            if !put(&mut self.record, column.column_type, &field, &self.nulls) {
                let name = &self.names[index];
                let what = format!(
                    "the value is no {}, which the catalog says that the column holds. Refresh the source's schema; if \
                     that does not help, add {{\"dtype\": {{{}: \"str\"}}}} to reader_options before.",
                    column.column_type.name(),
                    Value::from(name.as_str())
                );
                return Err(Problem::new(self.rows.line(), what).at(ProblemColumn::Named(name.clone())));
            }
        }
        if separator == b'{' {
            self.record.push(separator);
        }
        self.record.push(b'}');
        Ok(Some(&self.record))
    }
}

/// Appends the value as JSON. False if it is not of its type.
#[inline]
fn put(record: &mut Vec<u8>, column_type: ColumnType, field: &Field<'_>, nulls: &Nulls) -> bool {
    let text = field.text;
    match column_type {
        ColumnType::Text if nulls.in_text(field) => record.extend_from_slice(b"null"),
        ColumnType::Text => put_text(record, field),
        ColumnType::Integer if is_integer(text) && !nulls.has_word(text) => record.extend_from_slice(text),
        ColumnType::Number if is_number(text) && !nulls.has_word(text) => record.extend_from_slice(text),
        _ if nulls.elsewhere(field) => record.extend_from_slice(b"null"),
        ColumnType::Boolean => match boolean(text) {
            Some(true) => record.extend_from_slice(b"true"),
            Some(false) => record.extend_from_slice(b"false"),
            None => return false,
        },
        ColumnType::Date if timestamp::is_date(text) => put_text(record, field),
        ColumnType::Timestamp { has_offset } => match timestamp::parse(text) {
            Some((_, found)) if has_offset.is_none_or(|expected| expected == found) => put_text(record, field),
            _ => return false,
        },
        _ => return false,
    }
    true
}

#[inline]
fn put_text(record: &mut Vec<u8>, field: &Field<'_>) {
    if field.is_plain {
        record.push(b'"');
        record.extend_from_slice(field.text);
        record.push(b'"');
    } else {
        put_escaped(record, field.text);
    }
}

fn put_escaped(record: &mut Vec<u8>, text: &[u8]) {
    // The row was found to be UTF-8; an escape within a character is all that could make it something else again.
    let text = String::from_utf8_lossy(text);
    // Writing to memory does not fail.
    let _ = serde_json::to_writer(record, text.as_ref());
}

fn boolean(text: &[u8]) -> Option<bool> {
    match text {
        b"true" | b"True" | b"TRUE" => Some(true),
        b"false" | b"False" | b"FALSE" => Some(false),
        _ => None,
    }
}

/// `0`, `-7` and `12345678901234567890`; not `007`, `+7` and `-0`.
fn is_integer(text: &[u8]) -> bool {
    match text {
        b"0" => true,
        [b'-', b'1'..=b'9', rest @ ..] | [b'1'..=b'9', rest @ ..] => rest.iter().all(u8::is_ascii_digit),
        _ => false,
    }
}

/// What JSON calls a number: `1`, `-0.50`, `1e5`.
fn is_number(text: &[u8]) -> bool {
    let rest = text.strip_prefix(b"-").unwrap_or(text);
    let rest = match rest {
        [b'0', rest @ ..] => rest,
        [b'1'..=b'9', rest @ ..] => without_digits(rest),
        _ => return false,
    };
    let rest = match rest {
        [b'.', b'0'..=b'9', rest @ ..] => without_digits(rest),
        _ => rest,
    };
    let rest = match rest {
        [b'e' | b'E', b'+' | b'-', b'0'..=b'9', rest @ ..] | [b'e' | b'E', b'0'..=b'9', rest @ ..] => {
            without_digits(rest)
        }
        _ => rest,
    };
    rest.is_empty()
}

fn without_digits(text: &[u8]) -> &[u8] {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    &text[digits..]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bytes::Bytes;
    use crate::csv::{Dialect, Header};
    use proptest::prelude::*;
    use serde_json::json;
    use std::path::Path;

    fn records(content: &str, properties: Value, nulls: Nulls) -> Result<Vec<String>, String> {
        let mut rows = Rows::new(Bytes::in_pieces(content.as_bytes(), 5), Dialect::default());
        let header = Header { row: Some(0), ..Header::default() };
        let columns = header.read(&mut rows).unwrap().unwrap();
        let properties = properties.is_object().then_some(properties);
        let mut records = CsvRecords::new(rows, columns, properties.as_ref(), nulls).map_err(|error| error.message)?;
        let mut all = Vec::new();
        loop {
            match records.next() {
                Ok(Some(record)) => all.push(String::from_utf8(record.to_vec()).unwrap()),
                Ok(None) => return Ok(all),
                Err(problem) => return Err(problem.in_file(Path::new("f")).message),
            }
        }
    }

    #[test]
    fn values_go_by_the_catalog_and_keep_every_digit() {
        let properties = json!({
            "i": {"type": ["null", "integer"]}, "n": {"type": "number"}, "b": {"type": ["null", "boolean"]},
            "d": {"type": ["null", "string"], "format": "date"}, "t": {"type": ["string"], "format": "date-time"},
            "s": {"type": ["null", "string"]}, "m": {"type": ["integer", "string"]}, "any": {},
        });
        let content = "i,n,b,d,t,s,left,m,any\n\
            123456789012345678901234567890,1e5,TRUE,2024-02-29,2024-02-29T00:00:00Z,007,x,7,8\n\
            \"-5\",-0.10,False,NaN,NULL,NA,x,NaN,\"a\"\"\t\"\n\
            ,,,,,,x,,\n\
            NaN,nan,\"\",\"\",\"\",\"\",x,\"\",ü\n";
        assert_eq!(
            records(content, properties, Nulls::default()).unwrap(),
            [
                r#"{"i":123456789012345678901234567890,"n":1e5,"b":true,"d":"2024-02-29","t":"2024-02-29T00:00:00Z","s":"007","m":"7","any":"8"}"#,
                r#"{"i":-5,"n":-0.10,"b":false,"d":null,"t":null,"s":"NA","m":"NaN","any":"a\"\t"}"#,
                r#"{"i":null,"n":null,"b":null,"d":null,"t":null,"s":null,"m":null,"any":null}"#,
                r#"{"i":null,"n":null,"b":null,"d":null,"t":null,"s":"","m":"","any":"ü"}"#,
            ]
        );
    }

    #[test]
    fn a_value_that_does_not_fit_is_told_and_not_shown() {
        for (schema, value) in [
            (json!({"type": "integer"}), "secret"),
            (json!({"type": "integer"}), "1.0"),
            (json!({"type": "integer"}), "007"),
            (json!({"type": "number"}), ".5"),
            (json!({"type": "number"}), "1.2.3"),
            (json!({"type": "boolean"}), "yes"),
            (json!({"type": "string", "format": "date"}), "2024-02-30"),
            (json!({"type": "string", "format": "date-time"}), "2024-02-03"),
            (
                json!({"type": "string", "format": "date-time", "airbyte_type": "timestamp_with_timezone"}),
                "2024-02-03T00:00:00",
            ),
            (
                json!({"type": "string", "format": "date-time", "airbyte_type": "timestamp_without_timezone"}),
                "2024-02-03T00:00:00+01:00",
            ),
        ] {
            let problem = records(&format!("a\n\n{value}\n"), json!({"a": schema}), Nulls::default()).unwrap_err();
            assert!(problem.starts_with("f, line 3, column \"a\": the value is no "), "{problem}");
            assert!(!problem.contains(value), "{problem}");
        }
        let problem = records("a,b\n1,2\n1,2,secret\n", json!(null), Nulls::default()).unwrap_err();
        assert!(problem.starts_with("f, line 3: the row has 3 fields, and there are 2"), "{problem}");
        let problem = records("a,b\n1\n", json!(null), Nulls::default()).unwrap_err();
        assert!(problem.starts_with("f, line 2: the row has 1 field, "), "{problem}");
        let problem = records("a\n1\n", json!({"a": {"type": "object"}}), Nulls::default()).unwrap_err();
        assert!(problem.contains("\"a\" holds objects"), "{problem}");
    }

    #[test]
    fn the_user_says_what_a_null_is() {
        let properties = json!({"s": {"type": "string"}, "i": {"type": "integer"}});
        let read = |nulls| records("s,i\n-,0\nNA,NA\n\"\",\n", properties.clone(), nulls);
        let words = HashSet::from([b"-".to_vec(), b"0".to_vec()]);
        assert_eq!(
            read(Nulls { words: words.clone(), ..Nulls::default() }).unwrap(),
            [r#"{"s":null,"i":null}"#, r#"{"s":"NA","i":null}"#, r#"{"s":"","i":null}"#]
        );
        assert_eq!(read(Nulls { pandas: Some(true), ..Nulls::default() }).unwrap()[1], r#"{"s":null,"i":null}"#);
        assert!(read(Nulls { words, pandas: Some(false), none: false }).unwrap_err().contains("line 3, column \"i\""));
        assert!(read(Nulls { none: true, ..Nulls::default() }).unwrap_err().contains("line 3"));
    }

    #[test]
    fn kinds_are_found() {
        for (text, kind) in [
            ("0", Kinds::INTEGER),
            ("-9223372036854775808", Kinds::INTEGER),
            ("9223372036854775808", Kinds::TEXT),
            ("007", Kinds::TEXT),
            ("-0", Kinds::NUMBER),
            ("1e5", Kinds::NUMBER),
            ("1.", Kinds::TEXT),
            ("+1", Kinds::TEXT),
            ("NaN", Kinds::NULL),
            ("", Kinds::NULL),
            ("TRUE", Kinds::BOOLEAN),
            ("tRUE", Kinds::TEXT),
            ("2024-02-29", Kinds::DATE),
            ("2024-02-29T00:00:00", Kinds::TIMESTAMP_WITHOUT_TIMEZONE),
            ("2024-02-29T00:00:00+02:00", Kinds::TIMESTAMP_WITH_TIMEZONE),
            ("2024-02-29 00:00:00", Kinds::TEXT),
            ("1/2/2024", Kinds::TEXT),
            ("-", Kinds::TEXT),
        ] {
            let field = Field { text: text.as_bytes(), is_quoted: false, is_plain: true };
            assert_eq!(value_kind(&field, &Nulls::default()), kind, "{text}");
        }
    }

    proptest! {
        #[test]
        fn numbers_are_what_json_calls_so(text in "-?[0-9]{0,3}(\\.[0-9]{0,2})?([eE][+-]?[0-9]{0,2})?") {
            let is_json = serde_json::from_str::<&serde_json::value::RawValue>(&text).is_ok();
            prop_assert_eq!(is_number(text.as_bytes()), is_json, "{}", text);
            prop_assert!(!is_integer(text.as_bytes()) || is_json);
        }

        #[test]
        fn texts_arrive_as_they_are(rows in proptest::collection::vec([".{0,8}", ".{0,8}"], 1..6)) {
            let mut writer = csv::WriterBuilder::new().quote_style(csv::QuoteStyle::Always).from_writer(Vec::new());
            writer.write_record(["a", "b"]).unwrap();
            for row in &rows {
                writer.write_record(row).unwrap();
            }
            let content = String::from_utf8(writer.into_inner().unwrap()).unwrap();
            let read: Vec<Value> = records(&content, json!(null), Nulls::default())
                .unwrap().iter().map(|record| serde_json::from_str(record).unwrap()).collect();
            let expected: Vec<Value> = rows.iter().map(|[a, b]| json!({"a": a, "b": b})).collect();
            prop_assert_eq!(read, expected);
        }
    }
}
