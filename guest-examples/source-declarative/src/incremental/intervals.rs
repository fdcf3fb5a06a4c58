//! What of a stream has been read: intervals that grow together, and the state that tells how far they reach without a gap. Knows
//! nothing of what the values are, and nothing of what is still to be read.

use serde_json::Value;

use crate::manifest::Object;

/// An interval that has been read.
#[derive(Clone, Debug, PartialEq)]
pub struct Interval<V> {
    pub start: V,
    pub end: V,
    /// The greatest value that a record of it had.
    pub most_recent: Option<V>,
}

/// All of a stream that has been read. Has one interval at least.
#[derive(Clone, Debug)]
pub struct Intervals<V> {
    first: Interval<V>,
    later: Vec<Interval<V>>,
    /// What the state was when the read began, if it was no list of intervals: its other fields stay in it.
    legacy: Object,
}

impl<V: Clone + PartialOrd> Intervals<V> {
    /// What earlier reads have read, as a state of one value tells it.
    pub fn until(start: V, end: V, legacy: Object) -> Self {
        let first = Interval { start, most_recent: Some(end.clone()), end };
        Intervals { first, later: Vec::new(), legacy }
    }

    /// Intervals as they stand in a state. None where there is none.
    pub fn of_state(state: &Object, parse: impl Fn(&Value) -> Option<V>) -> Option<Self> {
        let slices = state.get("slices").and_then(Value::as_array)?;
        let interval = |slice: &Value| {
            let most_recent = match slice.get("most_recent_cursor_value") {
                Some(value) if !value.is_null() => Some(parse(value)?),
                _ => None,
            };
            Some(Interval { start: parse(slice.get("start")?)?, end: parse(slice.get("end")?)?, most_recent })
        };
        let mut intervals = slices.iter().map(interval).collect::<Option<Vec<_>>>()?.into_iter();
        let legacy = state.get("legacy").and_then(Value::as_object).cloned().unwrap_or_default();
        Some(Intervals { first: intervals.next()?, later: intervals.collect(), legacy })
    }

    /// Whether a state is a list of intervals.
    pub fn are_in(state: &Object) -> bool {
        matches!(state.get("state_type").and_then(Value::as_str), Some("date-range" | "integer"))
    }

    pub fn first(&self) -> &Interval<V> {
        &self.first
    }

    pub fn all(&self) -> impl Iterator<Item = &Interval<V>> {
        std::iter::once(&self.first).chain(&self.later)
    }

    /// Adds one that was read now. `next` is the value after a value: intervals grow together that have none between them.
    pub fn add(&mut self, interval: Interval<V>, next: impl Fn(&V) -> Option<V>) {
        self.later.push(interval);
        self.merge(next);
    }

    /// Puts intervals in order, and makes one of those that have nothing between them.
    pub fn merge(&mut self, next: impl Fn(&V) -> Option<V>) {
        let mut all = std::mem::take(&mut self.later);
        all.insert(0, self.first.clone());
        all.sort_by(|left, right| {
            let order = (&left.start, &left.end).partial_cmp(&(&right.start, &right.end));
            order.unwrap_or(std::cmp::Ordering::Equal)
        });
        let mut all = all.into_iter();
        if let Some(first) = all.next() {
            self.first = first;
        }
        for interval in all {
            let last = self.later.last_mut().unwrap_or(&mut self.first);
            // After the greatest value there is none.
            if next(&last.end).is_none_or(|next| next >= interval.start) {
                if interval.end > last.end {
                    last.end = interval.end;
                }
                last.most_recent = match (last.most_recent.take(), interval.most_recent) {
                    (Some(last), Some(recent)) => Some(if last > recent { last } else { recent }),
                    (last, recent) => recent.or(last),
                };
            } else {
                self.later.push(interval);
            }
        }
    }

    /// The state that tells all this in one value: what is behind the first gap is read again.
    pub fn state(&self, cursor_field: &str, format: impl Fn(&V) -> Value) -> Object {
        let mut state = self.legacy.clone();
        state.insert(cursor_field.to_owned(), format(self.reached()));
        state
    }

    /// The value up to which everything has been read.
    pub fn reached(&self) -> &V {
        self.first.most_recent.as_ref().unwrap_or(&self.first.start)
    }
}
