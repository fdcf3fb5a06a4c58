//! Where in a parent's record a value stands, as dpath has it. Knows nothing of what the value is for.

use airlock_sdk::Result;
use serde_json::Value;

use crate::record::Record;

/// The segments of a path: names of fields and numbers of elements. A record itself has none.
#[derive(Debug)]
pub struct RecordPath(Vec<String>);

impl RecordPath {
    /// `a/b` is the field b of a.
    pub fn of_text(text: &str) -> Self {
        match text.trim_start_matches('/') {
            "" => RecordPath(Vec::new()),
            text => RecordPath(text.split('/').map(str::to_owned).collect()),
        }
    }

    pub fn of_segments(segments: Vec<String>) -> Self {
        RecordPath(segments)
    }

    /// What the value is called beside the partition: `a.b`.
    pub fn name(&self) -> String {
        self.0.join(".")
    }

    /// The value in a record. None where there is none.
    pub fn find(&self, record: &Record<'_>) -> Result<Option<Value>> {
        match self.0.as_slice() {
            [] => record.object().map(|object| Some(Value::Object(object.clone()))),
            [field] => record.field(field),
            [field, below @ ..] => Ok(record.field(field)?.and_then(|value| descend(&value, below).cloned())),
        }
    }
}

fn descend<'v>(value: &'v Value, path: &[String]) -> Option<&'v Value> {
    path.iter().try_fold(value, |value, segment| match value {
        Value::Object(object) => object.get(segment),
        Value::Array(elements) => {
            let index = segment.parse::<isize>().ok()?;
            let index = if index < 0 { elements.len().checked_add_signed(index)? } else { index.unsigned_abs() };
            elements.get(index)
        }
        _ => None,
    })
}
