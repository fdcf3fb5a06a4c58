//! Rows as records: JSON objects with the names of the columns.

use std::fmt;

use super::{BinaryForm, Kept, Malformed, short_copy, text};

/// Writes the rows of one table, or of what else has columns.
#[derive(Clone, Debug)]
pub struct RecordWriter {
    columns: Vec<Column>,
    changed: Vec<(usize, Kept)>,
}

#[derive(Clone, Debug)]
struct Column {
    /// `"name":`, after a `{` or a `,`.
    key: Vec<u8>,
    form: BinaryForm,
}

/// A row that can not be read: which column it was, and what was wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MalformedRecord {
    /// Which of the columns, counted from 0. None if there were too few or too many.
    pub column: Option<usize>,
    /// What was wrong.
    pub malformed: Malformed,
}

impl RecordWriter {
    /// For rows with these columns, in this order.
    pub fn new<'a>(columns: impl IntoIterator<Item = (&'a str, BinaryForm)>) -> RecordWriter {
        let mut before = b'{';
        let columns = columns.into_iter().map(|(name, form)| {
            let mut key = vec![before];
            before = b',';
            text::append(name.as_bytes(), &mut key);
            key.push(b':');
            Column { key, form }
        });
        RecordWriter { columns: columns.collect(), changed: Vec::new() }
    }

    /// Appends a row as a JSON object; None is NULL. Gives back the columns, counted from 0, whose values are not in the record
    /// as they were in the database. After an error, nothing is appended.
    pub fn append<'a>(
        &mut self,
        fields: impl IntoIterator<Item = Option<&'a [u8]>>,
        json: &mut Vec<u8>,
    ) -> Result<&[(usize, Kept)], MalformedRecord> {
        let start = json.len();
        self.changed.clear();
        match self.append_fields(fields, json) {
            Ok(()) => Ok(&self.changed),
            Err(malformed) => {
                json.truncate(start);
                Err(malformed)
            }
        }
    }

    #[inline]
    fn append_fields<'a>(
        &mut self,
        fields: impl IntoIterator<Item = Option<&'a [u8]>>,
        json: &mut Vec<u8>,
    ) -> Result<(), MalformedRecord> {
        let mut fields = fields.into_iter();
        for (index, column) in self.columns.iter().enumerate() {
            short_copy::append(&column.key, json);
            match fields.next() {
                Some(Some(binary)) => match column.form.append_json(binary, json) {
                    Ok(Kept::Whole) => {}
                    Ok(kept) => self.changed.push((index, kept)),
                    Err(malformed) => return Err(MalformedRecord { column: Some(index), malformed }),
                },
                Some(None) => json.extend_from_slice(b"null"),
                None => return Err(MalformedRecord::of_row("a row has fewer fields than columns")),
            }
        }
        if fields.next().is_some() {
            return Err(MalformedRecord::of_row("a row has more fields than columns"));
        }
        if self.columns.is_empty() {
            json.push(b'{');
        }
        json.push(b'}');
        Ok(())
    }
}

impl MalformedRecord {
    fn of_row(what: &'static str) -> Self {
        MalformedRecord { column: None, malformed: Malformed(what) }
    }
}

impl fmt::Display for MalformedRecord {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.column {
            Some(column) => write!(formatter, "column {}: {}", column + 1, self.malformed),
            None => self.malformed.fmt(formatter),
        }
    }
}

impl std::error::Error for MalformedRecord {}
