//! `check` and `discover`: the fields of the records, found by reading the start of the files.

use std::collections::BTreeMap;
use std::path::Path;

use airlock_sdk::{Catalog, Result, Stream, SyncMode, config_error};
use serde_json::{Map, Value};

use crate::config::{Dataset, Format};
use crate::csv::value_kind;
use crate::cursor::Cursor;
use crate::files::{self, FoundFile};
use crate::records::{open_csv, open_json};
use crate::schema::{self, Kinds, MOST_FIELDS, Seen};

/// `discover` reads so much content, whole files as long as they fit.
const DISCOVERED_BYTES: u64 = 64 * 1024 * 1024;
/// `check` reads so much.
const CHECKED_BYTES: u64 = 1024 * 1024;
/// A file that is looked at is looked at for so much at least.
const LEAST_BYTES: u64 = 256 * 1024;
/// To open a file takes as long as to read so much of it.
const OPENED_BYTES: u64 = 4 * 1024;

/// Reads the start of the files.
pub fn check(dataset: &Dataset) -> Result<()> {
    let properties = properties(dataset, CHECKED_BYTES)?;
    require_fields(dataset, &properties)
}

/// The one stream that there is.
pub fn discover(dataset: &Dataset) -> Result<Catalog> {
    let properties = properties(dataset, DISCOVERED_BYTES)?;
    require_fields(dataset, &properties)?;
    let mut stream = Stream::with_schema(dataset.stream.as_str(), schema::of_records(properties)).resumable();
    match &dataset.cursor_field {
        Some(field) => stream = stream.incremental(field),
        None => {
            // By the files' times, which are in no field.
            stream.supported_sync_modes.push(SyncMode::Incremental);
            stream.source_defined_cursor = Some(true);
        }
    }
    Ok(Catalog::new([stream.primary_key(dataset.primary_key.iter().cloned())]))
}

fn require_fields(dataset: &Dataset, properties: &Map<String, Value>) -> Result<()> {
    for field in &dataset.primary_key {
        if !properties.contains_key(field) {
            return Err(config_error(format!(
                "The records have no field \"{field}\", which the option `primary_key` names: choose another."
            )));
        }
    }
    match &dataset.cursor_field {
        Some(field) if !properties.contains_key(field) => Err(config_error(format!(
            "The records have no field \"{field}\", which the option `cursor_field` names: choose another."
        ))),
        Some(field) => Cursor::new(field, Some(&Value::Object(properties.clone()))).map(|_| ()),
        None => Ok(()),
    }
}

/// The fields of the records in the first `budget` bytes of content, divided among the files.
fn properties(dataset: &Dataset, budget: u64) -> Result<Map<String, Value>> {
    let files = files::find(&dataset.path)?;
    let mut sample = Sample::default();
    let mut left = budget;
    let mut looked_at = 0;
    // The newest have the fields that were added last.
    for (index, file) in files.iter().rev().enumerate() {
        if left == 0 {
            break;
        }
        let share = (left / (files.len() - index) as u64).max(LEAST_BYTES);
        let looked = sample.look_at(dataset, file, share)?;
        left = left.saturating_sub(looked.max(OPENED_BYTES));
        looked_at += 1;
    }
    log::info!("The fields were found in {looked_at} of {} files.", files.len());
    if sample.objects.has_too_many_fields() {
        log::warn!("The records have more than {MOST_FIELDS} fields. The schema does not list all of them.");
    }
    if !sample.has_content {
        return Err(config_error(format!(
            "{} is empty, so no field is known: put a file there that has {}.",
            dataset.path,
            if dataset.format == Format::Csv { "a header" } else { "a record" }
        )));
    }
    Ok(sample.into_properties(dataset))
}

/// What was seen so far.
#[derive(Default)]
struct Sample {
    columns: BTreeMap<String, Kinds>,
    objects: Seen,
    has_content: bool,
}

impl Sample {
    /// Looks at so much of a file. Returns how much it was.
    fn look_at(&mut self, dataset: &Dataset, file: &FoundFile, share: u64) -> Result<u64> {
        if dataset.format == Format::Csv {
            self.look_at_csv(dataset, file, share)
        } else {
            self.look_at_json(dataset, file, share)
        }
    }

    fn look_at_csv(&mut self, dataset: &Dataset, file: &FoundFile, share: u64) -> Result<u64> {
        let path = Path::new(&file.path);
        let Some((opened, _)) = files::open(file)? else {
            return Ok(0);
        };
        let Some((mut rows, columns)) = open_csv(dataset, opened, path)? else {
            return Ok(0);
        };
        self.has_content = true;
        let mut kinds = vec![Kinds::default(); columns.names.len()];
        let mut has_row = columns.at_first_record;
        let mut scratch = Vec::new();
        while rows.next_place().0 < share {
            if !std::mem::take(&mut has_row) && !rows.next().map_err(|problem| problem.in_file(path))? {
                break;
            }
            if rows.len() != kinds.len() {
                return Err(rows.wrong_width(kinds.len()).in_file(path));
            }
            for (index, kinds) in kinds.iter_mut().enumerate() {
                *kinds |= value_kind(&rows.field(index, &mut scratch), &dataset.options.nulls);
            }
        }
        for (name, kinds) in columns.names.into_iter().zip(kinds) {
            *self.columns.entry(name).or_default() |= kinds;
        }
        Ok(rows.next_place().0)
    }

    fn look_at_json(&mut self, dataset: &Dataset, file: &FoundFile, share: u64) -> Result<u64> {
        let path = Path::new(&file.path);
        let Some((opened, _)) = files::open(file)? else {
            return Ok(0);
        };
        let mut records = open_json(dataset, opened, path)?;
        // An array without elements has content, lines without any have none.
        self.has_content |= dataset.format == Format::Json;
        while records.next_place().0 < share {
            let Some(record) = records.next().map_err(|problem| problem.in_file(path))? else {
                break;
            };
            self.has_content = true;
            // It is valid JSON; only a name that is no text is left.
            if self.objects.look_at(record).is_err() {
                log::warn!("{}, line {}: not every field of the record is understood.", file.path, records.line());
            }
        }
        Ok(records.next_place().0)
    }

    fn into_properties(self, dataset: &Dataset) -> Map<String, Value> {
        if dataset.format != Format::Csv {
            return self.objects.into_properties();
        }
        let of_column = |(name, kinds): (String, Kinds)| {
            let given = dataset.options.types.of(&name).cloned();
            (name, given.unwrap_or_else(|| kinds.column_schema()))
        };
        self.columns.into_iter().map(of_column).collect()
    }
}
