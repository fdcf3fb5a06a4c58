//! A cursor of dates: which intervals of a stream are still to be read, and how far it has been read. Knows nothing of partitions.

use std::cell::Cell;
use std::rc::Rc;

use airlock_sdk::{Failure, Result, system_error};
use serde_json::Value;

use super::bad_state;
use super::clamping::Period;
use super::intervals::{Interval, Intervals};
use super::min_max_datetime::MinMaxDatetime;
use crate::datetime::{DateTime, Duration};
use crate::manifest::Object;
use crate::record::Record;
use crate::stream_slice::StreamSlice;
use crate::template::{Scope, python_text};

const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400 * SECOND;

/// What the cursors of one stream share.
#[derive(Debug)]
pub struct DatetimeRules {
    pub cursor_field: String,
    /// What the bounds are called in a slice.
    pub boundary_fields: (String, String),
    pub start: DateTime,
    pub end: End,
    /// In which values come. The first that fits is the one.
    pub formats: Vec<String>,
    /// In which values go.
    pub datetime_format: String,
    pub granularity: Option<Duration>,
    /// None for one interval.
    pub step: Option<Duration>,
    pub lookback_window: Option<Duration>,
    pub period: Option<Period>,
    /// The API refuses an interval that begins where it ends.
    pub is_compare_strictly: bool,
}

/// Where the last interval ends.
#[derive(Debug)]
pub enum End {
    Now,
    Declared(Rc<MinMaxDatetime>, Scope),
}

impl DatetimeRules {
    pub fn parse(&self, value: &Value) -> Option<DateTime> {
        let text = match value {
            Value::String(text) => std::borrow::Cow::Borrowed(text.as_str()),
            other => python_text(other).into(),
        };
        self.formats.iter().find_map(|format| DateTime::parse(&text, format).ok())
    }

    pub fn format(&self, time: &DateTime) -> String {
        time.format(&self.datetime_format)
    }

    /// The value of a record's cursor field. None where it has none, or no date.
    pub fn value_of(&self, record: &Record<'_>) -> Result<Option<DateTime>> {
        Ok(record.field(&self.cursor_field)?.filter(|value| !value.is_null()).and_then(|value| self.parse(&value)))
    }

    /// The time that a state has come to: one value, or intervals.
    pub fn time_of_state(&self, state: &Object) -> Option<DateTime> {
        if Intervals::<DateTime>::are_in(state) {
            let first = state.get("slices")?.as_array()?.first()?;
            let value = ["most_recent_cursor_value", "end"].iter().find_map(|field| first.get(*field))?;
            return self.parse(value);
        }
        state.get(&self.cursor_field).and_then(|value| self.parse(value))
    }

    /// Values have a millisecond between them where the manifest does not say how close they can be.
    fn after(&self, time: &DateTime) -> Option<DateTime> {
        time.plus(&self.granularity().unwrap_or(Duration::of_microseconds(1000))).ok()
    }

    pub(super) fn granularity(&self) -> Option<Duration> {
        self.granularity.filter(|granularity| !granularity.is_zero())
    }

    fn end(&self) -> Result<DateTime> {
        let end = match &self.end {
            End::Now => DateTime::now(),
            End::Declared(end, scope) => end.evaluate(&self.datetime_format, scope)?,
        };
        let Some(period) = self.period else { return Ok(end) };
        let granularity = self.granularity().unwrap_or(Duration::of_microseconds(match period {
            Period::Day => SECOND,
            Period::Week(_) | Period::Month => DAY,
        }));
        let floor = period.floor(end).ok_or_else(|| out_of_calendar(&end))?;
        before(&floor, &granularity)
    }

    fn clamp(&self, time: DateTime) -> Result<DateTime> {
        match self.period {
            None => Ok(time),
            Some(period) => period.ceiling(time).ok_or_else(|| out_of_calendar(&time)),
        }
    }

    fn slice(&self, start: &DateTime, end: &DateTime) -> StreamSlice {
        let (start_field, end_field) = &self.boundary_fields;
        let cursor_slice =
            [(start_field, start), (end_field, end)].map(|(field, time)| (field.clone(), self.format(time).into()));
        StreamSlice { cursor_slice: cursor_slice.into_iter().collect(), ..StreamSlice::default() }
    }
}

fn before(time: &DateTime, duration: &Duration) -> Result<DateTime> {
    time.minus(duration).map_err(|problem| out_of_calendar(time).with_internal(problem))
}

fn out_of_calendar(time: &DateTime) -> Failure {
    system_error(format!(
        "The interval at {time} reaches out of the calendar: choose a later start date or a shorter step."
    ))
}

/// A cursor of one sequence of intervals.
#[derive(Debug)]
pub struct DatetimeCursor {
    rules: Rc<DatetimeRules>,
    /// Up to where earlier reads came.
    position: DateTime,
    read: Intervals<DateTime>,
    /// The greatest value of the slice that is being read.
    most_recent: Option<DateTime>,
    /// Whether a slice could not be read to its end: what comes behind it is no more kept as read.
    has_failed: bool,
    /// Told once.
    has_told_of_no_value: Cell<bool>,
}

impl DatetimeCursor {
    pub fn open(rules: Rc<DatetimeRules>, state: &Object) -> Result<Self> {
        let (position, read) = if Intervals::<DateTime>::are_in(state) {
            let read = Intervals::of_state(state, |value| rules.parse(value))
                .ok_or_else(|| bad_state("has no slices, or one without a start and an end in a known format"))?;
            let first = read.first();
            (first.most_recent.unwrap_or(first.end), read)
        } else {
            let saved = match state.get(&rules.cursor_field) {
                Some(value) => Some(rules.parse(value).ok_or_else(|| {
                    bad_state(format_args!(
                        "has {value} in {}, which is in none of the formats {:?}",
                        rules.cursor_field, rules.formats
                    ))
                })?),
                None => None,
            };
            let position = saved.filter(|saved| *saved >= rules.start).unwrap_or(rules.start);
            (position, Intervals::until(rules.start, position, state.clone()))
        };
        Ok(DatetimeCursor {
            rules,
            position,
            read,
            most_recent: None,
            has_failed: false,
            has_told_of_no_value: Cell::default(),
        })
    }

    pub fn rules(&self) -> &Rc<DatetimeRules> {
        &self.rules
    }

    pub fn state(&self) -> Object {
        self.read.state(&self.rules.cursor_field, |time| self.rules.format(time).into())
    }

    /// The state's value as it stands in the state.
    pub fn reached(&self) -> String {
        self.rules.format(self.read.reached())
    }

    /// The intervals that are still to be read.
    pub fn slices(&mut self) -> Result<Slices> {
        self.read.merge(|time| self.rules.after(time));
        let rules = &self.rules;
        let mut ranges = Vec::new();
        let first = self.read.first();
        if rules.start < first.start {
            ranges.push(Range { lower: rules.start, upper: first.start, upper_is_end: false });
        }
        let mut last_end: Option<DateTime> = None;
        for interval in self.read.all() {
            if let Some(end) = last_end {
                let lower = match rules.granularity() {
                    Some(granularity) => {
                        end.plus(&granularity).map_err(|problem| out_of_calendar(&end).with_internal(problem))?
                    }
                    None => end,
                };
                ranges.push(Range { lower, upper: interval.start, upper_is_end: false });
            }
            last_end = Some(interval.end);
        }
        let end = last_end.unwrap_or(self.position);
        let lower = match &rules.lookback_window {
            Some(window) => before(&end, window)?,
            None => end,
        };
        ranges.push(Range { lower, upper: rules.end()?, upper_is_end: true });
        Ok(Slices { rules: Rc::clone(rules), ranges: ranges.into_iter(), current: None })
    }

    /// A slice begins.
    pub fn begin(&mut self) {
        self.most_recent = None;
    }

    /// A record of the slice has been written.
    pub fn observe(&mut self, record: &Record<'_>) -> Result<()> {
        match self.rules.value_of(record)? {
            Some(value) => self.observe_value(value),
            None => self.tell_of_no_value(),
        }
        Ok(())
    }

    pub fn observe_value(&mut self, value: DateTime) {
        if self.most_recent.is_none_or(|most_recent| most_recent < value) {
            self.most_recent = Some(value);
        }
    }

    /// The slice has been read to its end.
    pub fn close(&mut self, slice: &StreamSlice) -> Result<()> {
        let (start, end) = &self.rules.boundary_fields;
        let bound = |field: &String| {
            slice.get(field).and_then(|value| self.rules.parse(value)).ok_or_else(|| {
                system_error(format!("The slice's {field} can not be understood in the formats {:?}: the manifest must have one that fits datetime_format.", self.rules.formats))
            })
        };
        let interval = Interval { start: bound(start)?, end: bound(end)?, most_recent: self.most_recent.take() };
        // A slice as short as the granularity leaves no gap that could be seen between its neighbours: the CDK's state reaches over it.
        if !self.has_failed {
            self.read.add(interval, |time| self.rules.after(time));
        }
        Ok(())
    }

    /// A slice could not be read to its end.
    pub fn fail(&mut self) {
        self.has_failed = true;
    }

    /// Whether the record is neither older than what has been read before, nor newer than the end.
    pub fn should_be_synced(&self, record: &Record<'_>) -> Result<bool> {
        match self.rules.value_of(record)? {
            Some(value) => Ok(self.lowest_to_sync() <= value && value <= self.rules.end()?),
            None => {
                self.tell_of_no_value();
                Ok(true)
            }
        }
    }

    fn lowest_to_sync(&self) -> DateTime {
        let Some(lower) = self.rules.lookback_window.as_ref().and_then(|window| self.position.minus(window).ok())
        else {
            return self.position;
        };
        lower.max(self.position.min(self.rules.start))
    }

    fn tell_of_no_value(&self) {
        if !self.has_told_of_no_value.replace(true) {
            log::warn!(
                "Could not find cursor field `{}` in a record. The incremental sync will assume it needs to be synced",
                self.rules.cursor_field
            );
        }
    }
}

/// What lies between two bounds and is to be read.
#[derive(Debug)]
struct Range {
    lower: DateTime,
    upper: DateTime,
    /// The upper bound is the last value to be read, and not the first that has been read.
    upper_is_end: bool,
}

/// Slices one after the other: there may be very many.
#[derive(Debug)]
pub struct Slices {
    rules: Rc<DatetimeRules>,
    ranges: std::vec::IntoIter<Range>,
    /// What is divided by the step, from its lower bound on.
    current: Option<Range>,
}

impl Iterator for Slices {
    type Item = Result<StreamSlice>;

    fn next(&mut self) -> Option<Self::Item> {
        self.try_next().transpose()
    }
}

impl Slices {
    fn try_next(&mut self) -> Result<Option<StreamSlice>> {
        loop {
            if let Some(range) = self.current.take() {
                if let Some(slice) = self.step(range)? {
                    return Ok(Some(slice));
                }
            }
            let Some(range) = self.ranges.next() else { return Ok(None) };
            if let Some(slice) = self.enter(range)? {
                return Ok(Some(slice));
            }
        }
    }

    /// The slice of a range that is one; else the range is divided.
    fn enter(&mut self, mut range: Range) -> Result<Option<StreamSlice>> {
        let rules = &self.rules;
        let granularity = rules.granularity();
        if range.lower > range.upper
            || (range.lower == range.upper && granularity.is_none())
            || range.upper < rules.start
        {
            return Ok(None);
        }
        if range.lower < rules.start {
            range.lower = rules.start;
        }
        // A step that is shorter than the period must not make the first interval empty.
        range.lower = rules.clamp(range.lower)?;
        let Range { lower, upper, upper_is_end } = range;
        if lower > upper || (lower == upper && (rules.is_compare_strictly || !upper_is_end)) {
            return Ok(None);
        }
        if self.step_from(&lower)? < upper {
            self.current = Some(range);
            return Ok(None);
        }
        let end = match granularity {
            // The upper bound is the last unit: a whole period would go past the end.
            Some(_) if upper_is_end => upper,
            Some(granularity) => before(&rules.clamp(upper)?, &granularity)?,
            None => rules.clamp(upper)?,
        };
        Ok(Some(rules.slice(&lower, &end)))
    }

    /// The next slice of a range that is divided. The range stays while there is more of it.
    fn step(&mut self, range: Range) -> Result<Option<StreamSlice>> {
        let rules = &self.rules;
        let Range { lower, upper, upper_is_end } = range;
        let next = self.step_from(&lower)?;
        let bound = if upper < next { upper } else { next };
        let end = if bound == upper { bound } else { rules.clamp(bound)? };
        let is_last = bound >= upper || end == upper;
        let start = rules.clamp(lower)?;
        if start >= end {
            return Ok(None);
        }
        let last_unit = match rules.granularity() {
            Some(granularity) if !upper_is_end || !is_last => before(&end, &granularity)?,
            _ => end,
        };
        let slice = rules.slice(&start, &last_unit);
        if !is_last {
            self.current = Some(Range { lower: end, upper, upper_is_end });
        }
        Ok(Some(slice))
    }

    fn step_from(&self, lower: &DateTime) -> Result<DateTime> {
        match self.rules.step.as_ref().map(|step| lower.plus(step)) {
            Some(Ok(next)) => Ok(next),
            // No step, or one out of the calendar.
            None | Some(Err(_)) => self.rules.end().map(|end| end.max(*lower)),
        }
    }
}
