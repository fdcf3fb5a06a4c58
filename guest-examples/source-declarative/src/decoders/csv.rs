//! CSV as Python's `csv.DictReader` reads it. Knows nothing of responses.

use std::io::Cursor;

use airlock_sdk::{Result, system_error};
use serde_json::Value;

use super::text::Encoding;
use crate::manifest::{self, FromManifest, Node, Object};

/// The language's CsvDecoder.
#[derive(Clone, Debug)]
pub struct CsvFormat {
    encoding: Encoding,
    delimiter: u8,
    set_values_to_none: Vec<String>,
}

impl FromManifest for CsvFormat {
    fn from_manifest(node: &Node<'_>) -> manifest::Result<Self> {
        let component = node.component()?;
        let format = CsvFormat {
            encoding: component.optional("encoding")?.unwrap_or_default(),
            delimiter: component.field("delimiter").map_or(Ok(b','), |field| delimiter(&field))?,
            set_values_to_none: component.optional("set_values_to_none")?.unwrap_or_default(),
        };
        component.finish();
        Ok(format)
    }
}

fn delimiter(node: &Node<'_>) -> manifest::Result<u8> {
    match node.read::<String>()?.as_str() {
        "" => Ok(b','),
        "\\t" => Ok(b'\t'),
        "\\\\" => Ok(b'\\'),
        text => match text.as_bytes() {
            [byte] if byte.is_ascii() && !matches!(byte, b'\n' | b'\r' | b'"') => Ok(*byte),
            _ if text.chars().count() == 1 => Err(node.unsupported("is no character of ASCII, which is not supported")),
            _ => Err(node.not("one character, or \\t")),
        },
    }
}

impl CsvFormat {
    /// The rows, each an object by the names in the first row.
    pub fn rows(&self, bytes: &[u8]) -> Result<impl Iterator<Item = Result<Value>> + use<>> {
        let text = self.encoding.decode(bytes).ok_or_else(|| {
            system_error(format!("The body is no CSV in the encoding {:?}: give the decoder another.", self.encoding))
        })?;
        // In Python, all line breaks are one, in quotes as well.
        let text = if text.contains('\r') { text.replace("\r\n", "\n").replace('\r', "\n") } else { text };
        // The names come from the first line, also where it is empty; later ones count for nothing then.
        let is_nameless = text.starts_with('\n');
        // A mark is part of the first name. The reader would leave it out, but only once.
        let mark = if text.starts_with('\u{feff}') { "\u{feff}" } else { "" };
        let mut reader = csv::ReaderBuilder::new()
            .delimiter(self.delimiter)
            .has_headers(false)
            .flexible(true)
            .from_reader(Cursor::new(format!("{mark}{text}")));
        let mut row = csv::StringRecord::new();
        let names: Vec<String> = match is_nameless {
            true => Vec::new(),
            false => {
                reader.read_record(&mut row).map_err(unreadable)?;
                row.iter().map(str::to_owned).collect()
            }
        };
        let nothing = self.set_values_to_none.clone();
        Ok(std::iter::from_fn(move || match reader.read_record(&mut row) {
            Ok(true) => Some(Ok(object(&names, &row, &nothing))),
            Ok(false) => None,
            Err(error) => Some(Err(unreadable(error))),
        }))
    }
}

fn object(names: &[String], row: &csv::StringRecord, nothing: &[String]) -> Value {
    let mut object = Object::new();
    for (index, name) in names.iter().enumerate() {
        let value = row.get(index).filter(|value| !nothing.iter().any(|none| none == value));
        object.insert(name.clone(), value.map_or(Value::Null, Value::from));
    }
    if row.len() > names.len() {
        // The key is Python's None, which is written so.
        object.insert("null".to_owned(), row.iter().skip(names.len()).map(Value::from).collect());
    }
    Value::Object(object)
}

fn unreadable(error: csv::Error) -> airlock_sdk::Failure {
    // What it says has no content of the row.
    system_error("The body can not be read as CSV.").with_internal(error)
}
