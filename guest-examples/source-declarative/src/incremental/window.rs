//! A slice that is made smaller: its halves, and what is left of it behind the records that were read. Knows nothing of who wants that,
//! and nothing of what has been read of other slices.

use std::cmp::Ordering;
use std::rc::Rc;

use airlock_sdk::{Result, system_error};
use serde_json::Value;

use super::count_cursor::{Count, END, START};
use super::datetime_cursor::DatetimeRules;
use crate::datetime::{DateTime, Duration};
use crate::record::Record;
use crate::stream_slice::StreamSlice;

/// How far a slice has been read, by the values of its records alone.
#[derive(Debug)]
pub struct SlicePosition {
    greatest: Greatest,
    /// Whether a record had a lesser value than one before it.
    has_gone_back: bool,
}

/// The greatest value that a record had.
#[derive(Debug)]
enum Greatest {
    Date(Rc<DatetimeRules>, Option<DateTime>),
    /// Of this field.
    Count(String, Option<Count>),
}

impl SlicePosition {
    pub fn of_dates(rules: &Rc<DatetimeRules>) -> Self {
        SlicePosition { greatest: Greatest::Date(Rc::clone(rules), None), has_gone_back: false }
    }

    pub fn of_counts(cursor_field: &str) -> Self {
        SlicePosition { greatest: Greatest::Count(cursor_field.to_owned(), None), has_gone_back: false }
    }

    /// A record of the slice has been read.
    pub fn observe(&mut self, record: &Record<'_>) -> Result<()> {
        let order = match &mut self.greatest {
            Greatest::Date(rules, greatest) => raise(greatest, rules.value_of(record)?),
            Greatest::Count(field, greatest) => {
                raise(greatest, record.field(field)?.and_then(|value| Count::of(&value)))
            }
        };
        self.has_gone_back |= order == Some(Ordering::Less);
        Ok(())
    }

    /// What of a slice is still to be read: all of it, before it has had a record.
    pub fn rest_of(&self, slice: &StreamSlice) -> StreamSlice {
        if self.has_gone_back {
            log::warn!(
                "A slice is read from its greatest value on, and its records did not come in order: some may be missing."
            );
        }
        let (fields, value) = match &self.greatest {
            Greatest::Date(rules, Some(greatest)) => {
                let (start, end) = &rules.boundary_fields;
                ((start.as_str(), end.as_str()), Value::from(rules.format(greatest)))
            }
            Greatest::Count(_, Some(greatest)) => ((START, END), greatest.value()),
            Greatest::Date(_, None) | Greatest::Count(_, None) => return slice.clone(),
        };
        with_bounds(slice, fields, value, slice.cursor_slice.get(fields.1).cloned().unwrap_or(Value::Null))
    }
}

/// Keeps the greatest of the values, and tells how the new one compares to it.
fn raise<V: PartialOrd>(greatest: &mut Option<V>, value: Option<V>) -> Option<Ordering> {
    let value = value?;
    let order = greatest.as_ref().map_or(Some(Ordering::Greater), |greatest| value.partial_cmp(greatest));
    if order == Some(Ordering::Greater) {
        *greatest = Some(value);
    }
    order
}

impl DatetimeRules {
    /// The halves of a slice, with no value between them and none in both. None where the slice is as small as it can be, or no
    /// longer than `smallest`.
    pub fn halves(&self, slice: &StreamSlice, smallest: Option<&Duration>) -> Result<Option<[StreamSlice; 2]>> {
        let Some(granularity) = self.granularity() else { return Ok(None) };
        let (start_field, end_field) = &self.boundary_fields;
        let bound = |field: &String| {
            slice.cursor_slice.get(field).and_then(|value| self.parse(value)).ok_or_else(|| {
                system_error(format!(
                    "The {field} of a slice is missing or in no known format, so that the slice can not be split."
                ))
            })
        };
        let (start, end) = (bound(start_field)?, bound(end_field)?);
        if start >= end {
            return Ok(None);
        }
        if granularity.has_months() {
            return Err(system_error(
                "A slice can not be split by a cursor_granularity of months or years: they have no fixed length.",
            ));
        }
        let (span, unit) = (end.since(&start).microseconds(), granularity.microseconds());
        if smallest.is_some_and(|smallest| span <= smallest.microseconds()) || unit <= 0 {
            return Ok(None);
        }
        let units = span / unit + 1;
        if units <= 1 {
            return Ok(None);
        }
        let length = (units / 2).saturating_mul(unit);
        let (Ok(first_end), Ok(second_start)) =
            (start.plus(&Duration::of_microseconds(length - unit)), start.plus(&Duration::of_microseconds(length)))
        else {
            return Ok(None);
        };
        let half = |start: &DateTime, end: &DateTime| {
            with_bounds(slice, (start_field, end_field), self.format(start).into(), self.format(end).into())
        };
        Ok(Some([half(&start, &first_end), half(&second_start, &end)]))
    }
}

fn with_bounds(slice: &StreamSlice, fields: (&str, &str), start: Value, end: Value) -> StreamSlice {
    let bounds = [(fields.0, start), (fields.1, end)].map(|(field, value)| (field.to_owned(), value));
    StreamSlice { cursor_slice: bounds.into_iter().collect(), ..slice.clone() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::{Cursor, IncrementalSync, Partitions};
    use super::*;
    use crate::manifest::{Node, Object, Remarks};
    use crate::session::Session;

    fn rules(format: &str, granularity: &str) -> Rc<DatetimeRules> {
        let declared = json!({
            "type": "DatetimeBasedCursor", "cursor_field": "d", "datetime_format": format, "cursor_granularity": granularity,
            "start_datetime": {"type": "MinMaxDatetime", "datetime": "2020-01-01", "datetime_format": "%Y-%m-%d"},
            "step": "P1Y", "partition_field_start": "a", "partition_field_end": "b",
        });
        let cursor: IncrementalSync = Node::root(&declared, &Remarks::default()).read().unwrap();
        let cursor: Cursor = cursor.open(&Session::new(Object::new()), Partitions::One, &[], &Object::new()).unwrap();
        Rc::clone(cursor.datetime_rules().unwrap())
    }

    fn slice(start: &str, end: &str) -> StreamSlice {
        let fields = json!({"a": start, "b": end});
        let partition = json!({"kind": "x"}).as_object().cloned().unwrap();
        StreamSlice { partition, cursor_slice: fields.as_object().cloned().unwrap(), ..StreamSlice::default() }
    }

    /// What ConcurrentCursor.split_request_window gives.
    #[test]
    fn halves_are_those_of_the_cdk() {
        let seconds = "%Y-%m-%dT%H:%M:%SZ";
        for (format, granularity, start, end, smallest, expected) in [
            (
                "%Y-%m-%d",
                "P1D",
                "2024-01-01",
                "2024-01-10",
                "",
                Some(["2024-01-01", "2024-01-05", "2024-01-06", "2024-01-10"]),
            ),
            (
                "%Y-%m-%d",
                "P1D",
                "2024-01-01",
                "2024-01-03",
                "",
                Some(["2024-01-01", "2024-01-01", "2024-01-02", "2024-01-03"]),
            ),
            (
                "%Y-%m-%d",
                "P1D",
                "2024-01-01",
                "2024-01-02",
                "",
                Some(["2024-01-01", "2024-01-01", "2024-01-02", "2024-01-02"]),
            ),
            ("%Y-%m-%d", "P1D", "2024-01-01", "2024-01-01", "", None),
            ("%Y-%m-%d", "P1D", "2024-01-02", "2024-01-01", "", None),
            ("%Y-%m-%d", "P1D", "2024-01-01", "2024-01-05", "P4D", None),
            (
                "%Y-%m-%d",
                "P1D",
                "2024-01-01",
                "2024-01-06",
                "P4D",
                Some(["2024-01-01", "2024-01-03", "2024-01-04", "2024-01-06"]),
            ),
            (
                seconds,
                "PT1H",
                "2024-01-01T00:00:00Z",
                "2024-01-01T01:30:00Z",
                "",
                Some(["2024-01-01T00:00:00Z", "2024-01-01T00:00:00Z", "2024-01-01T01:00:00Z", "2024-01-01T01:30:00Z"]),
            ),
            (seconds, "PT1H", "2024-01-01T00:00:00Z", "2024-01-01T00:59:59Z", "", None),
            ("%s", "PT1S", "100", "104", "", Some(["100", "101", "102", "104"])),
            ("%ms", "PT0.001S", "100", "101", "", Some(["100", "100", "101", "101"])),
            (
                "%Y-%m-%d",
                "P7D",
                "2024-01-01",
                "2024-01-20",
                "",
                Some(["2024-01-01", "2024-01-01", "2024-01-08", "2024-01-20"]),
            ),
        ] {
            let smallest = (!smallest.is_empty()).then(|| Duration::parse(smallest).unwrap());
            let found = rules(format, granularity).halves(&slice(start, end), smallest.as_ref()).unwrap();
            let expected = expected.map(|[a, b, c, d]| [slice(a, b), slice(c, d)]);
            assert_eq!(found, expected, "{start} to {end} by {granularity}");
        }
        let failure = rules("%Y-%m-%d", "P1D").halves(&slice("x", "2024-01-20"), None).unwrap_err();
        assert_eq!(failure.kind, airlock_sdk::FailureKind::SystemError);
        assert!(rules("%Y-%m-%d", "P1M").halves(&slice("2024-01-01", "2024-01-20"), None).is_err());
    }
}
