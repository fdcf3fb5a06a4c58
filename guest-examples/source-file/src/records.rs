//! The records of one file, whatever its format.

use std::fs::File;
use std::path::Path;

use airlock_sdk::Result;
use serde_json::Value;

use crate::bytes::Bytes;
use crate::config::{Dataset, Format};
use crate::csv::{Columns, CsvRecords, Rows};
use crate::json::{Form, JsonRecords};
use crate::problem::Problem;

/// Goes through the records of a file.
pub enum Records {
    /// Of CSV.
    Csv(Box<CsvRecords>),
    /// Of JSON.
    Json(JsonRecords),
}

impl Records {
    /// The records of an open file, with the types of the catalog's properties. None if the file has nothing in it.
    pub fn open(dataset: &Dataset, file: File, path: &Path, properties: Option<&Value>) -> Result<Option<Records>> {
        if dataset.format != Format::Csv {
            return Ok(Some(Records::Json(open_json(dataset, file, path)?)));
        }
        let Some((rows, columns)) = open_csv(dataset, file, path)? else {
            return Ok(None);
        };
        let records = CsvRecords::new(rows, columns, properties, dataset.options.nulls.clone())?;
        Ok(Some(Records::Csv(Box::new(records))))
    }

    /// The next record, as a JSON object on one line.
    #[inline]
    pub fn next(&mut self) -> Result<Option<&[u8]>, Problem> {
        match self {
            Records::Csv(records) => records.next(),
            Records::Json(records) => records.next(),
        }
    }

    /// Where the next record begins: its place in the content, and its line.
    #[inline]
    pub fn next_place(&self) -> (u64, u64) {
        match self {
            Records::Csv(records) => records.next_place(),
            Records::Json(records) => records.next_place(),
        }
    }

    /// The line that the record begins in.
    pub fn line(&self) -> u64 {
        match self {
            Records::Csv(records) => records.line(),
            Records::Json(records) => records.line(),
        }
    }

    /// Goes on at a later place. False if there is no such place.
    pub fn go_on_at(&mut self, (offset, line): (u64, u64)) -> Result<bool, Problem> {
        match self {
            Records::Csv(records) => records.go_on_at(offset, line),
            Records::Json(records) => records.go_on_at(offset, line),
        }
    }

    /// The columns that are not among the properties, and are left out.
    pub fn left_out(&self) -> Vec<&str> {
        match self {
            Records::Csv(records) => records.left_out().collect(),
            Records::Json(_) => Vec::new(),
        }
    }
}

/// The rows of a CSV file behind its header. None if there is not even a header.
pub fn open_csv(dataset: &Dataset, file: File, path: &Path) -> Result<Option<(Rows, Columns)>> {
    let mut rows = Rows::new(open_bytes(dataset, file, path)?, dataset.options.dialect.clone());
    let columns = dataset.options.header.read(&mut rows).map_err(|problem| problem.in_file(path))?;
    Ok(columns.map(|columns| (rows, columns)))
}

/// The objects of a JSON file.
pub fn open_json(dataset: &Dataset, file: File, path: &Path) -> Result<JsonRecords> {
    let form = if dataset.format == Format::JsonLines { Form::Lines } else { Form::Document };
    Ok(JsonRecords::new(open_bytes(dataset, file, path)?, form))
}

fn open_bytes(dataset: &Dataset, file: File, path: &Path) -> Result<Bytes> {
    Bytes::open(file, path, dataset.options.encoding).map_err(|error| Problem::unreadable(1, error).in_file(path))
}
