//! CSV as the language's ResponseToFileExtractor reads it, which has pandas do it. Knows nothing of responses.

use std::io::Cursor;

use airlock_sdk::{Result, system_error};
use serde_json::Value;

use crate::manifest::{self, FromManifest, Node, Object};

/// What pandas takes for nothing, beside an empty text.
const NOTHING: &[&str] = &[
    "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A", "NA", "NULL",
    "NaN", "None", "n/a", "nan", "null",
];

/// The language's ResponseToFileExtractor.
#[derive(Clone, Debug)]
pub struct CsvFile {
    preserve_na_values: bool,
}

impl FromManifest for CsvFile {
    fn from_manifest(node: &Node<'_>) -> manifest::Result<Self> {
        let component = node.component()?;
        let file = CsvFile { preserve_na_values: component.optional("preserve_na_values")?.unwrap_or_default() };
        component.finish();
        Ok(file)
    }
}

impl CsvFile {
    /// The rows, each an object by the names in the first row.
    pub fn rows(&self, mut bytes: Vec<u8>) -> Result<impl Iterator<Item = Result<Value>> + use<>> {
        bytes.retain(|byte| *byte != 0);
        let text = String::from_utf8(bytes).map_err(|_| system_error("A downloaded file is no CSV in UTF-8."))?;
        let text = text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text);
        let text = if text.contains('\r') { text.replace("\r\n", "\n").replace('\r', "\n") } else { text };
        let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(Cursor::new(text));
        let mut row = csv::StringRecord::new();
        reader.read_record(&mut row).map_err(unreadable)?;
        let names = names(&row);
        let nothing: &[&str] = if self.preserve_na_values { &[] } else { NOTHING };
        let mut has_ended = false;
        Ok(std::iter::from_fn(move || {
            if has_ended {
                return None;
            }
            let read = match reader.read_record(&mut row) {
                Ok(false) => return None,
                Ok(true) if row.len() <= names.len() => Ok(object(&names, &row, nothing)),
                Ok(true) => Err(system_error(format!(
                    "A downloaded file can not be read as CSV: a row has {} values, and the first row has {} names.",
                    row.len(),
                    names.len()
                ))),
                Err(error) => Err(unreadable(error)),
            };
            has_ended = read.is_err();
            Some(read)
        }))
    }
}

/// Each name once: what is called as another is `name.1`, what is called nothing is numbered.
fn names(row: &csv::StringRecord) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for (index, name) in row.iter().enumerate() {
        let name = if name.is_empty() { format!("Unnamed: {index}") } else { name.to_owned() };
        let numbered = (1..).map(|number| format!("{name}.{number}"));
        let is_new =
            |name: &String| !names.contains(name) && (row.iter().all(|other| other != name) || !name.contains('.'));
        let name = if names.contains(&name) { numbered.into_iter().find(is_new).unwrap_or(name) } else { name };
        names.push(name);
    }
    names
}

fn object(names: &[String], row: &csv::StringRecord, nothing: &[&str]) -> Value {
    let value = |index| match row.get(index) {
        Some(value) if !value.is_empty() && !nothing.contains(&value) => Value::from(value),
        _ => Value::Null,
    };
    let fields = names.iter().enumerate().map(|(index, name)| (name.clone(), value(index)));
    Value::Object(fields.collect::<Object>())
}

fn unreadable(error: csv::Error) -> airlock_sdk::Failure {
    // What it says has no content of the row.
    system_error("A downloaded file can not be read as CSV.").with_internal(error)
}
