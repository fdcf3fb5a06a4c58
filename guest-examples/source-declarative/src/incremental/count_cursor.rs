//! A cursor of numbers that only grow: one slice from the saved number on. Knows nothing of partitions.

use std::cell::Cell;
use std::cmp::Ordering;

use airlock_sdk::{Result, system_error};
use serde_json::{Number, Value};

use super::bad_state;
use super::intervals::{Interval, Intervals};
use crate::manifest::Object;
use crate::record::Record;
use crate::stream_slice::StreamSlice;

/// What the bounds are called in a slice.
pub const START: &str = "start";
pub const END: &str = "end";
/// There is no upper bound, and this is what Python calls that.
const INFINITY: &str = "inf";

/// A number that is compared by its value, whole or not.
#[derive(Clone, Debug)]
pub struct Count(Number);

impl Count {
    pub fn of(value: &Value) -> Option<Self> {
        value.as_number().cloned().map(Count)
    }

    pub fn value(&self) -> Value {
        Value::Number(self.0.clone())
    }

    fn whole(&self) -> Option<i128> {
        self.0.as_i64().map(i128::from).or_else(|| self.0.as_u64().map(i128::from))
    }

    fn float(&self) -> f64 {
        self.0.as_f64().unwrap_or(f64::NAN)
    }

    fn next(&self) -> Option<Self> {
        match self.whole() {
            Some(whole) => i64::try_from(whole + 1).ok().map(|next| Count(next.into())),
            None => Number::from_f64(self.float() + 1.0).map(Count),
        }
    }
}

impl PartialEq for Count {
    fn eq(&self, other: &Self) -> bool {
        self.partial_cmp(other) == Some(Ordering::Equal)
    }
}

impl PartialOrd for Count {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        match (self.whole(), other.whole()) {
            (Some(left), Some(right)) => left.partial_cmp(&right),
            _ => self.float().partial_cmp(&other.float()),
        }
    }
}

#[derive(Debug)]
pub struct CountCursor {
    cursor_field: String,
    start: Count,
    /// Up to where earlier reads came.
    position: Count,
    read: Intervals<Count>,
    most_recent: Option<Count>,
    has_read: bool,
    has_told_of_no_value: Cell<bool>,
}

impl CountCursor {
    pub fn open(start: Number, cursor_field: String, state: &Object) -> Result<Self> {
        let start = Count(start);
        let (position, read) = if Intervals::<Count>::are_in(state) {
            let read = Intervals::of_state(state, Count::of)
                .ok_or_else(|| bad_state("has no slices, or one without a start and an end that are numbers"))?;
            let first = read.first();
            (first.most_recent.clone().unwrap_or_else(|| first.end.clone()), read)
        } else {
            let saved = match state.get(&cursor_field).filter(|value| !value.is_null()) {
                Some(value) => Some(
                    Count::of(value)
                        .ok_or_else(|| bad_state(format_args!("has {value} in {cursor_field}, which is no number")))?,
                ),
                None => None,
            };
            let position = saved.filter(|saved| *saved >= start).unwrap_or_else(|| start.clone());
            (position.clone(), Intervals::until(start.clone(), position, state.clone()))
        };
        Ok(CountCursor {
            cursor_field,
            start,
            position,
            read,
            most_recent: None,
            has_read: false,
            has_told_of_no_value: Cell::default(),
        })
    }

    pub fn cursor_field(&self) -> &str {
        &self.cursor_field
    }

    pub fn state(&self) -> Object {
        self.read.state(&self.cursor_field, Count::value)
    }

    pub fn slices(&mut self) -> Vec<StreamSlice> {
        self.read.merge(Count::next);
        let slice = |start: &Count, end: Value| {
            let start = if *start < self.start { &self.start } else { start };
            let cursor_slice =
                [(START, Value::Number(start.0.clone())), (END, end)].map(|(field, value)| (field.to_owned(), value));
            StreamSlice { cursor_slice: cursor_slice.into_iter().collect(), ..StreamSlice::default() }
        };
        let mut slices = Vec::new();
        // What lies before, and between, intervals that have been read.
        let mut lower = self.start.clone();
        for interval in self.read.all() {
            if lower < interval.start {
                slices.push(slice(&lower, Value::Number(interval.start.0.clone())));
            }
            lower = interval.end.clone();
        }
        slices.push(slice(&lower, INFINITY.into()));
        slices
    }

    pub fn begin(&mut self) {
        self.most_recent = None;
    }

    pub fn observe(&mut self, record: &Record<'_>) -> Result<()> {
        match record.field(&self.cursor_field)?.filter(|value| !value.is_null()) {
            None => self.tell_of_no_value(),
            Some(value) => {
                let count = Count::of(&value).ok_or_else(|| {
                    system_error(format!(
                        "A record's {} is no number: it can not be the field of an IncrementingCountCursor.",
                        self.cursor_field
                    ))
                })?;
                if self.most_recent.as_ref().is_none_or(|most_recent| *most_recent < count) {
                    self.most_recent = Some(count);
                }
            }
        }
        Ok(())
    }

    /// The slice has been read to its end. What the state says is taken from records, so there may be one slice only.
    pub fn close(&mut self) -> Result<()> {
        let has_read = std::mem::replace(&mut self.has_read, true);
        let Some(most_recent) = self.most_recent.take().filter(|count| count.float() != 0.0) else { return Ok(()) };
        if has_read {
            return Err(system_error(
                "The saved state has gaps, which a stream with an IncrementingCountCursor can not fill: clear the stream's data and sync it again.",
            ));
        }
        let interval =
            Interval { start: self.position.clone(), end: most_recent.clone(), most_recent: Some(most_recent) };
        self.read.add(interval, Count::next);
        Ok(())
    }

    pub fn should_be_synced(&self, record: &Record<'_>) -> Result<bool> {
        match record.field(&self.cursor_field)?.filter(|value| !value.is_null()) {
            None => {
                self.tell_of_no_value();
                Ok(true)
            }
            Some(value) => Ok(Count::of(&value).is_none_or(|count| self.position <= count)),
        }
    }

    fn tell_of_no_value(&self) {
        if !self.has_told_of_no_value.replace(true) {
            log::warn!(
                "Could not find cursor field `{}` in a record. The incremental sync will assume it needs to be synced",
                self.cursor_field
            );
        }
    }
}
