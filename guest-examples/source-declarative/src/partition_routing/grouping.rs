//! Partitions put together to groups: the language's GroupingPartitionRouter. Knows nothing of where they come from.

use std::collections::HashSet;

use airlock_sdk::{Result, system_error};
use serde_json::Value;

use crate::manifest::Object;
use crate::stream_slice::StreamSlice;

/// The parents' own partition, which is no value of its own.
const PARENT_SLICE: &str = "parent_slice";

/// Gathers partitions until there are enough of them.
#[derive(Debug)]
pub struct Groups {
    size: usize,
    /// Values that have come. None where they may come twice.
    seen: Option<HashSet<String>>,
    group: Vec<StreamSlice>,
}

impl Groups {
    pub fn new(size: usize, deduplicate: bool) -> Self {
        Groups { size, seen: deduplicate.then(HashSet::new), group: Vec::new() }
    }

    /// Takes the next partition, and gives the group that it completes.
    pub fn take(&mut self, slice: StreamSlice) -> Result<Option<StreamSlice>> {
        let mut values = slice.partition.iter().filter(|(field, _)| *field != PARENT_SLICE);
        let (Some((_, value)), None) = (values.next(), values.next()) else {
            return Err(system_error(format!(
                "A GroupingPartitionRouter takes partitions of one field each, and one came with these: {}.",
                slice.partition.keys().cloned().collect::<Vec<_>>().join(", ")
            )));
        };
        if let Some(seen) = &mut self.seen {
            if !seen.insert(value.to_string()) {
                return Ok(None);
            }
        }
        self.group.push(slice);
        Ok(if self.group.len() >= self.size { self.end() } else { None })
    }

    /// The last group, if there is something in it.
    pub fn end(&mut self) -> Option<StreamSlice> {
        let group = std::mem::take(&mut self.group);
        let first = group.first()?;
        let gather = |field: &String, of: fn(&StreamSlice) -> &Object| {
            let values = group.iter().map(|slice| of(slice).get(field).cloned().unwrap_or(Value::Null));
            (field.clone(), Value::Array(values.collect()))
        };
        let partition = first.partition.keys().map(|field| gather(field, |slice| &slice.partition)).collect();
        let mut extra_fields = Object::new();
        for field in group.iter().flat_map(|slice| slice.extra_fields.keys()) {
            if !extra_fields.contains_key(field) {
                extra_fields.extend([gather(field, |slice| &slice.extra_fields)]);
            }
        }
        Some(StreamSlice { partition, extra_fields, ..StreamSlice::default() })
    }
}
