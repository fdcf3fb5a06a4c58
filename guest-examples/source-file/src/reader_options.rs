//! `reader_options`: a JSON object in a string, with the names and meanings of pandas' `read_csv`.

use std::collections::{BTreeMap, HashSet};

use airlock_sdk::{Result, config_error};
use encoding_rs::{Encoding, UTF_8};
use serde_json::{Map, Value, json};

use crate::config::Format;
use crate::csv::{Dialect, Header, Nulls};

/// How files are to be read.
#[derive(Clone, Debug, PartialEq)]
pub struct ReaderOptions {
    /// None for UTF-8.
    pub encoding: Option<&'static Encoding>,
    /// What stands between fields, and around them.
    pub dialect: Dialect,
    /// Where the columns have their names from.
    pub header: Header,
    /// Which values are nulls.
    pub nulls: Nulls,
    /// The types that the user gives columns.
    pub types: Types,
}

/// The types that the user gives columns, as JSON Schemas.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Types {
    all: Option<Value>,
    columns: BTreeMap<String, Value>,
}

impl Types {
    /// The schema that the user gives a column.
    pub fn of(&self, column: &str) -> Option<&Value> {
        self.columns.get(column).or(self.all.as_ref())
    }
}

const JSON_OPTIONS: [&str; 2] = ["compression", "encoding"];
const CSV_OPTIONS: [&str; 19] = [
    "chunksize",
    "compression",
    "delimiter",
    "doublequote",
    "dtype",
    "encoding",
    "engine",
    "escapechar",
    "header",
    "keep_default_na",
    "low_memory",
    "memory_map",
    "na_filter",
    "na_values",
    "names",
    "quotechar",
    "quoting",
    "sep",
    "skiprows",
];

impl ReaderOptions {
    /// From the option's text; empty text is no options.
    pub fn parse(text: &str, format: Format) -> Result<ReaderOptions> {
        let options: Map<String, Value> = if text.trim().is_empty() {
            Map::new()
        } else {
            serde_json::from_str(text).map_err(|error| {
                config_error(
                    "`reader_options` is not a JSON object: write one in a string, as in \"{\\\"sep\\\": \\\";\\\"}\".",
                )
                .with_internal(error)
            })?
        };
        let known = if format == Format::Csv { &CSV_OPTIONS[..] } else { &JSON_OPTIONS[..] };
        if let Some(unknown) = options.keys().find(|name| !known.contains(&name.as_str())) {
            return Err(config_error(format!(
                "`reader_options` has the option `{unknown}`, which this connector does not have for the format {}: \
                 take it out. There are {}.",
                format.name(),
                known.join(", ")
            )));
        }
        let given = Given(&options);
        match given.text("compression")? {
            None | Some("infer" | "gzip") => {}
            Some(_) => return Err(given.wrong("compression", "\"infer\" or \"gzip\", and both look at the content")),
        }
        let encoding = given.encoding()?;
        Ok(ReaderOptions {
            encoding: (encoding != UTF_8).then_some(encoding),
            dialect: given.dialect()?,
            header: given.header()?,
            nulls: given.nulls()?,
            types: given.types()?,
        })
    }
}

/// The options as they were given; `null` is the same as not at all where pandas says so.
struct Given<'a>(&'a Map<String, Value>);

impl<'a> Given<'a> {
    fn get(&self, name: &str) -> Option<&'a Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    fn wrong(&self, name: &str, expected: &str) -> airlock_sdk::Failure {
        config_error(format!("The option `{name}` in `reader_options` can not be used: give {expected}."))
    }

    fn text(&self, name: &str) -> Result<Option<&'a str>> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(self.wrong(name, "a text")),
        }
    }

    fn flag(&self, name: &str) -> Result<Option<bool>> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(*flag)),
            Some(_) => Err(self.wrong(name, "true or false")),
        }
    }

    fn byte(&self, name: &str) -> Result<Option<u8>> {
        match self.text(name)?.map(str::as_bytes) {
            None => Ok(None),
            Some([byte]) if byte.is_ascii() && !matches!(byte, b'\n' | b'\r') => Ok(Some(*byte)),
            Some(_) => Err(self.wrong(name, "one ASCII character, as in \";\" or \"\\t\"")),
        }
    }

    fn encoding(&self) -> Result<&'static Encoding> {
        let Some(name) = self.text("encoding")? else {
            return Ok(UTF_8);
        };
        // Python's names for what has other names elsewhere.
        let label = match name.to_ascii_lowercase().replace('_', "-").as_str() {
            "utf-8-sig" | "ascii" | "us-ascii" => "utf-8".to_owned(),
            "latin-1" => "latin1".to_owned(),
            "utf-16" => "utf-16le".to_owned(),
            other => other.to_owned(),
        };
        Encoding::for_label(label.as_bytes()).ok_or_else(|| {
            self.wrong(
                "encoding",
                "a name of the WHATWG's Encoding Standard, as in \"utf-8\", \"latin1\" or \"cp1252\"",
            )
        })
    }

    fn dialect(&self) -> Result<Dialect> {
        let (sep, delimiter) = (self.byte("sep")?, self.byte("delimiter")?);
        if sep.is_some() && delimiter.is_some() {
            return Err(self.wrong("delimiter", "either it or `sep`"));
        }
        let default = Dialect::default();
        let quote = match self.get("quoting").map(Value::as_u64) {
            None | Some(Some(0 | 1)) => self.byte("quotechar")?.or(default.quote),
            Some(Some(3)) => None,
            Some(_) => return Err(self.wrong("quoting", "0 or 1 (quotes count) or 3 (they mean nothing)")),
        };
        let dialect = Dialect {
            delimiter: sep.or(delimiter).unwrap_or(default.delimiter),
            quote,
            double_quote: self.flag("doublequote")?.unwrap_or(default.double_quote),
            escape: self.byte("escapechar")?,
        };
        if Some(dialect.delimiter) == dialect.quote || Some(dialect.delimiter) == dialect.escape {
            return Err(self.wrong("sep", "another character than quotechar and escapechar"));
        }
        Ok(dialect)
    }

    fn header(&self) -> Result<Header> {
        let names = match self.get("names") {
            None => None,
            Some(names) => {
                let texts = names.as_array().into_iter().flatten().map(|name| name.as_str().map(str::to_owned));
                let names: Option<Vec<String>> = texts.collect();
                let names = names.filter(|names| !names.is_empty());
                let unique = |names: &Vec<String>| names.iter().collect::<HashSet<_>>().len() == names.len();
                Some(names.filter(unique).ok_or_else(|| self.wrong("names", "a list of texts, each once"))?)
            }
        };
        let skipped_lines = match self.get("skiprows") {
            None => 0,
            Some(rows) => {
                rows.as_u64().ok_or_else(|| self.wrong("skiprows", "how many lines there are before the header"))?
            }
        };
        let row = match self.0.get("header") {
            Some(Value::Null) => None,
            None => names.is_none().then_some(0),
            Some(Value::String(infer)) if infer == "infer" => names.is_none().then_some(0),
            Some(row) => {
                let row = row.as_u64();
                Some(row.ok_or_else(|| self.wrong("header", "the row of the names, from 0, or null if there is none"))?)
            }
        };
        Ok(Header { skipped_lines, row, names })
    }

    fn nulls(&self) -> Result<Nulls> {
        let words = match self.get("na_values") {
            None => Vec::new(),
            Some(Value::Array(words)) => words.iter().collect(),
            Some(word) => vec![word],
        };
        let words = words.into_iter().map(|word| match word {
            Value::String(word) => Ok(word.clone().into_bytes()),
            Value::Number(word) => Ok(word.to_string().into_bytes()),
            _ => Err(self.wrong("na_values", "a text or a list of texts")),
        });
        Ok(Nulls {
            words: words.collect::<Result<_>>()?,
            pandas: self.flag("keep_default_na")?,
            none: self.flag("na_filter")? == Some(false),
        })
    }

    fn types(&self) -> Result<Types> {
        let schema = |name: &Value| {
            let schema = match name.as_str() {
                Some("str" | "string" | "object" | "category") => json!({"type": ["null", "string"]}),
                Some("bool" | "boolean") => json!({"type": ["null", "boolean"]}),
                Some("float" | "float16" | "float32" | "float64" | "Float32" | "Float64") => {
                    json!({"type": ["null", "number"]})
                }
                Some(name) if name.to_ascii_lowercase().trim_start_matches('u').starts_with("int") => {
                    json!({"type": ["null", "integer"]})
                }
                _ => {
                    let expected = "\"str\", \"int\", \"float\" or \"bool\" for all columns, or an object with one of \
                                    them for each column";
                    return Err(self.wrong("dtype", expected));
                }
            };
            Ok(schema)
        };
        match self.get("dtype") {
            None => Ok(Types::default()),
            Some(Value::Object(columns)) => {
                let columns = columns.iter().map(|(column, name)| Ok((column.clone(), schema(name)?)));
                Ok(Types { all: None, columns: columns.collect::<Result<_>>()? })
            }
            Some(name) => Ok(Types { all: Some(schema(name)?), columns: BTreeMap::new() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use airlock_sdk::FailureKind;

    fn csv(text: &str) -> ReaderOptions {
        ReaderOptions::parse(text, Format::Csv).unwrap()
    }

    #[test]
    fn without_options_it_is_what_everybody_writes() {
        for text in ["", " ", "{}"] {
            let options = csv(text);
            assert_eq!(options.encoding, None);
            assert_eq!(options.dialect, Dialect::default());
            assert_eq!(options.header, Header { skipped_lines: 0, row: Some(0), names: None });
            assert_eq!(options.nulls, Nulls::default());
            assert_eq!(options.types.of("a"), None);
        }
    }

    #[test]
    fn options_are_pandas() {
        let options =
            csv(r#"{"sep": "\t", "quotechar": "'", "doublequote": false, "escapechar": "\\", "encoding": "latin-1",
                "header": 2, "names": ["a", "b"], "skiprows": 3, "na_values": ["-", 99], "keep_default_na": false,
                "dtype": {"a": "str", "b": "Int64"}, "engine": "python", "low_memory": false, "compression": "gzip"}"#);
        assert_eq!(
            options.dialect,
            Dialect { delimiter: b'\t', quote: Some(b'\''), double_quote: false, escape: Some(b'\\') }
        );
        assert_eq!(options.encoding.unwrap().name(), "windows-1252");
        assert_eq!(
            options.header,
            Header { skipped_lines: 3, row: Some(2), names: Some(vec!["a".into(), "b".into()]) }
        );
        assert!(options.nulls.words.contains(&b"99"[..]) && options.nulls.pandas == Some(false));
        assert_eq!(options.types.of("b"), Some(&json!({"type": ["null", "integer"]})));
        assert_eq!(options.types.of("c"), None);
        assert_eq!(csv(r#"{"dtype": "str"}"#).types.of("c"), Some(&json!({"type": ["null", "string"]})));
        assert_eq!(csv(r#"{"header": null}"#).header.row, None);
        assert_eq!(csv(r#"{"header": "infer", "names": ["a"]}"#).header.row, None);
        assert_eq!(csv(r#"{"header": 0, "names": ["a"]}"#).header.row, Some(0));
        assert_eq!(csv(r#"{"quoting": 3}"#).dialect.quote, None);
        assert_eq!(csv(r#"{"encoding": "utf_8"}"#).encoding, None);
        assert_eq!(csv(r#"{"encoding": "cp1252"}"#).encoding.unwrap().name(), "windows-1252");
    }

    #[test]
    fn what_can_not_be_is_named() {
        for (text, words) in [
            ("{'sep': ' '}", "not a JSON object"),
            ("[1]", "not a JSON object"),
            (r#"{"sepp": ";"}"#, "`sepp`"),
            (r#"{"sep": ";;"}"#, "`sep`"),
            (r#"{"sep": "\\s+"}"#, "`sep`"),
            (r#"{"sep": ";", "delimiter": ";"}"#, "`delimiter`"),
            (r#"{"sep": "\""}"#, "`sep`"),
            (r#"{"header": [0, 1]}"#, "`header`"),
            (r#"{"header": -1}"#, "`header`"),
            (r#"{"names": ["a", "a"]}"#, "`names`"),
            (r#"{"names": []}"#, "`names`"),
            (r#"{"skiprows": [1]}"#, "`skiprows`"),
            (r#"{"encoding": "klingon"}"#, "`encoding`"),
            (r#"{"compression": "zip"}"#, "`compression`"),
            (r#"{"quoting": 2}"#, "`quoting`"),
            (r#"{"dtype": {"a": "decimal"}}"#, "`dtype`"),
            (r#"{"na_values": {"a": 1}}"#, "`na_values`"),
            (r#"{"doublequote": 1}"#, "`doublequote`"),
        ] {
            let failure = ReaderOptions::parse(text, Format::Csv).unwrap_err();
            assert_eq!(failure.kind, FailureKind::ConfigError);
            assert!(failure.message.contains(words), "{text}: {failure}");
        }
        let failure = ReaderOptions::parse(r#"{"sep": ";"}"#, Format::JsonLines).unwrap_err();
        assert!(failure.message.contains("`sep`") && failure.message.contains("compression, encoding"), "{failure}");
    }
}
