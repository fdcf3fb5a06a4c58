//! A cursor for each partition of a stream, and one for all where there are too many of them. Knows nothing of where partitions come
//! from.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::rc::Rc;
use std::time::Instant;

use airlock_sdk::{Result, system_error};
use serde_json::Value;

use super::bad_state;
use super::datetime_cursor::{DatetimeCursor, DatetimeRules, Slices};
use crate::datetime::Duration;
use crate::manifest::Object;
use crate::record::Record;
use crate::stream_slice::StreamSlice;

/// With more partitions than this, the state tells of all together.
const SWITCH_TO_GLOBAL: usize = 10_000;
/// No more partitions than this are kept in memory.
const MOST_PARTITIONS: usize = 25_000;

#[derive(Debug)]
pub struct PerPartitionCursor {
    rules: Rc<DatetimeRules>,
    cursors: PartitionCursors,
    /// How many there have been, with those that are not kept any more.
    number_of_partitions: usize,
    use_global_cursor: bool,
    /// The position of all partitions together, as earlier reads left it.
    global: Option<String>,
    /// The same as this read will leave it.
    new_global: Option<String>,
    /// How long the read took, in seconds: what came in meanwhile is read again.
    lookback_window: i64,
    parent_state: Option<Rc<Object>>,
    /// What the parents' state was, with the number of the partition since which it is so.
    pending_parent_states: VecDeque<(Rc<Object>, u64)>,
    /// The first partition that failed: no parents' state may be saved that covers it.
    first_failed: Option<u64>,
    generated: u64,
    /// Partitions whose slices are not all read. There is more than one where a slice is asked for before the one before it is read.
    open: Vec<OpenPartition>,
    /// The key of the one whose slice is being read.
    current: String,
    began: Option<Instant>,
    synced_some_data: bool,
    has_told_of_duplicate: bool,
    has_told_of_format: bool,
}

/// A partition that is being read.
#[derive(Debug)]
struct OpenPartition {
    key: String,
    number: u64,
    /// How many of the slices that were given are not read yet.
    open_slices: usize,
    /// No further slices are given.
    has_given_all: bool,
    has_failed: bool,
    /// What filters by the state where all partitions share it.
    cursor_of_all: Option<DatetimeCursor>,
}

impl PerPartitionCursor {
    pub fn open(rules: Rc<DatetimeRules>, use_global_cursor: bool, state: &Object) -> Result<Self> {
        let mut cursor = PerPartitionCursor {
            rules,
            cursors: PartitionCursors::default(),
            number_of_partitions: 0,
            use_global_cursor,
            global: None,
            new_global: None,
            lookback_window: 0,
            parent_state: None,
            pending_parent_states: VecDeque::new(),
            first_failed: None,
            generated: 0,
            open: Vec::new(),
            current: String::new(),
            began: None,
            synced_some_data: false,
            has_told_of_duplicate: false,
            has_told_of_format: false,
        };
        cursor.go_on_from(state)?;
        Ok(cursor)
    }

    fn go_on_from(&mut self, state: &Object) -> Result<()> {
        if state.is_empty() {
            return Ok(());
        }
        let states = state.get("states");
        let global = state.get("state");
        if states.is_none() && global.is_none() {
            // A state of one value is true for all partitions.
            self.set_global(state)?;
        } else {
            self.use_global_cursor = state.get("use_global_cursor").is_some_and(|value| value == &Value::Bool(true));
            self.lookback_window = match state.get("lookback_window") {
                None => 0,
                Some(window) => {
                    whole(window).ok_or_else(|| bad_state("has a lookback_window that is no number of seconds"))?
                }
            };
            for state in states.and_then(Value::as_array).into_iter().flatten() {
                let (Some(Value::Object(partition)), Some(Value::Object(cursor))) =
                    (state.get("partition"), state.get("cursor"))
                else {
                    return Err(bad_state("has an entry in states without a partition and a cursor"));
                };
                self.number_of_partitions += 1;
                let cursor = DatetimeCursor::open(Rc::clone(&self.rules), cursor)?;
                self.cursors.insert(key_of(partition), cursor);
            }
            if let Some(Value::Object(global)) = global {
                self.set_global(global)?;
            }
        }
        if let Some(Value::Object(parent_state)) = state.get("parent_state") {
            self.parent_state = Some(Rc::new(parent_state.clone())).filter(|state| !state.is_empty());
        }
        Ok(())
    }

    fn set_global(&mut self, state: &Object) -> Result<()> {
        if let Some(value) = state.get(&self.rules.cursor_field) {
            let time = self.rules.parse(value).ok_or_else(|| {
                bad_state(format_args!(
                    "has {value} in {}, which is in none of the formats {:?}",
                    self.rules.cursor_field, self.rules.formats
                ))
            })?;
            let value = self.rules.format(&time);
            self.global = Some(value.clone());
            self.new_global = Some(value);
        }
        Ok(())
    }

    pub fn rules(&self) -> &Rc<DatetimeRules> {
        &self.rules
    }

    pub fn state(&self) -> Object {
        let mut state = Object::new();
        state.insert("use_global_cursor".to_owned(), self.use_global_cursor.into());
        if !self.use_global_cursor {
            let states = self.cursors.iter().filter_map(|(key, cursor)| {
                let partition = serde_json::from_str::<Value>(key).ok()?;
                let entry = [("partition".to_owned(), partition), ("cursor".to_owned(), cursor.state().into())];
                Some(Value::Object(Object::from_iter(entry)))
            });
            state.insert("states".to_owned(), states.collect());
        }
        if let Some(global) = &self.global {
            state.insert("state".to_owned(), self.state_of(global).into());
        }
        state.insert("lookback_window".to_owned(), self.lookback_window.into());
        if let Some(parent_state) = &self.parent_state {
            state.insert("parent_state".to_owned(), Object::clone(parent_state).into());
        }
        state
    }

    /// Whether it pays to save the state in the middle of a read: it says something new.
    pub fn has_news(&self) -> bool {
        !self.use_global_cursor || self.parent_state.as_ref().is_some_and(|state| !state.is_empty())
    }

    /// Whether it costs something to ask for the state.
    pub fn is_large(&self) -> bool {
        self.cursors.len() > 100
    }

    fn state_of(&self, value: &str) -> Object {
        Object::from_iter([(self.rules.cursor_field.clone(), value.into())])
    }

    /// The read begins: how long it takes is part of the state.
    pub fn begin_read(&mut self) {
        self.began = Some(Instant::now());
    }

    /// A partition begins. Gives its slices, or none where the same partition has been read before.
    /// `parent_state` is that of the parents when the partition came.
    pub fn begin_partition(
        &mut self,
        partition: &StreamSlice,
        parent_state: Option<&Rc<Object>>,
    ) -> Result<Option<Slices>> {
        self.keep_the_limits();
        let key = key_of(&partition.partition);
        let number = self.generated;
        match self.cursors.begin(&key) {
            Some(true) => {
                if !std::mem::replace(&mut self.has_told_of_duplicate, true) {
                    log::warn!("Partition duplication detected: a partition that comes twice is read once.");
                }
                return Ok(None);
            }
            Some(false) => {}
            None => {
                let cursor = self.cursor_of_all()?;
                self.number_of_partitions += 1;
                self.cursors.insert(key.clone(), cursor);
                self.cursors.begin(&key);
            }
        }
        self.generated += 1;
        if let Some(parent_state) = parent_state {
            let known = self.pending_parent_states.back().map(|(state, _)| state);
            if known.is_none_or(|known| !Rc::ptr_eq(known, parent_state) && known != parent_state) {
                self.pending_parent_states.push_back((Rc::clone(parent_state), number));
            }
        }
        let cursor_of_all = self.use_global_cursor.then(|| self.cursor_of_all()).transpose()?;
        let slices = self.cursors.get_mut(&key).ok_or_else(lost)?.slices()?;
        self.open.push(OpenPartition {
            key,
            number,
            open_slices: 0,
            has_given_all: false,
            has_failed: false,
            cursor_of_all,
        });
        Ok(Some(slices))
    }

    /// Of a partition that is new, or that is not kept.
    fn cursor_of_all(&self) -> Result<DatetimeCursor> {
        let Some(global) = &self.global else { return DatetimeCursor::open(Rc::clone(&self.rules), &Object::new()) };
        let mut value = global.clone();
        if self.lookback_window != 0 {
            let time = self.rules.parse(&Value::from(global.as_str())).and_then(|time| {
                let window = Duration::of_microseconds(self.lookback_window.checked_mul(1_000_000)?);
                time.minus(&window).ok()
            });
            let time = time.ok_or_else(|| bad_state("has a lookback_window that reaches out of the calendar"))?;
            value = self.rules.format(&time);
        }
        DatetimeCursor::open(Rc::clone(&self.rules), &self.state_of(&value))
    }

    fn keep_the_limits(&mut self) {
        if !self.use_global_cursor && self.number_of_partitions > SWITCH_TO_GLOBAL {
            log::info!(
                "There are more than {SWITCH_TO_GLOBAL} partitions: the state tells of all together from now on."
            );
            self.use_global_cursor = true;
        }
        while self.cursors.len() >= MOST_PARTITIONS {
            self.cursors.remove_oldest();
        }
    }

    /// The partition that began last gives a slice.
    pub fn give_slice(&mut self, is_last: bool) {
        if let Some(open) = self.open.last_mut() {
            open.open_slices += 1;
            open.has_given_all = is_last;
        }
    }

    /// The partition that began last has no slice to be read.
    pub fn give_none(&mut self) {
        self.open.pop();
        self.renew_parent_state();
    }

    pub fn begin(&mut self, slice: &StreamSlice) {
        self.current = key_of(&slice.partition);
        if let Some(cursor) = self.cursors.get_mut(&self.current) {
            cursor.begin();
        }
    }

    pub fn observe(&mut self, record: &Record<'_>) -> Result<()> {
        let Some(value) = record.field(&self.rules.cursor_field)?.filter(|value| !value.is_null()) else {
            return Ok(());
        };
        let Some(time) = self.rules.parse(&value) else {
            if !std::mem::replace(&mut self.has_told_of_format, true) {
                log::warn!(
                    "Skipping cursor update: a record's cursor field `{}` is in none of the formats {:?}.",
                    self.rules.cursor_field,
                    self.rules.formats
                );
            }
            return Ok(());
        };
        self.synced_some_data = true;
        self.raise_global(self.rules.format(&time));
        if !self.use_global_cursor {
            if let Some(cursor) = self.cursors.get_mut(&self.current) {
                cursor.observe_value(time);
            }
        }
        Ok(())
    }

    /// Values are compared as they stand in the state, as the CDK compares them.
    fn raise_global(&mut self, value: String) {
        if self.new_global.as_ref().is_none_or(|global| *global < value) {
            self.new_global = Some(value);
        }
    }

    pub fn close(&mut self, slice: &StreamSlice) -> Result<()> {
        if !self.use_global_cursor {
            self.cursors.get_mut(&self.current).ok_or_else(lost)?.close(slice)?;
        }
        self.end_slice(false);
        Ok(())
    }

    /// The slice that is being read failed.
    pub fn fail(&mut self) {
        if let Some(cursor) = self.cursors.get_mut(&self.current) {
            cursor.fail();
        }
        self.end_slice(true);
    }

    fn end_slice(&mut self, has_failed: bool) {
        let Some(index) = self.open.iter().position(|open| open.key == self.current) else { return };
        let Some(open) = self.open.get_mut(index) else { return };
        open.open_slices = open.open_slices.saturating_sub(1);
        if has_failed {
            open.has_failed = true;
            self.first_failed = Some(self.first_failed.map_or(open.number, |first| first.min(open.number)));
        }
        if !open.has_given_all || open.open_slices > 0 {
            return;
        }
        let ended = self.open.remove(index);
        if ended.has_failed {
            return;
        }
        if !self.use_global_cursor {
            if let Some(reached) = self.cursors.get(&ended.key).map(DatetimeCursor::reached) {
                self.raise_global(reached);
            }
        }
        self.renew_parent_state();
    }

    /// The parents' state may be saved that covers only partitions that have been read.
    fn renew_parent_state(&mut self) {
        let unread = self.open.iter().map(|open| open.number).chain(self.first_failed).min();
        while let Some((parent_state, since)) = self.pending_parent_states.front() {
            if unread.is_some_and(|unread| unread <= *since) {
                break;
            }
            self.parent_state = Some(Rc::clone(parent_state));
            self.pending_parent_states.pop_front();
        }
    }

    /// All partitions have been read. `parent_state` is that of the parents now.
    pub fn end_read(&mut self, parent_state: Option<Rc<Object>>) {
        if self.first_failed.is_some() {
            return;
        }
        if self.synced_some_data {
            self.global.clone_from(&self.new_global);
            let seconds = self.began.map_or(0.0, |began| began.elapsed().as_secs_f64().ceil());
            self.lookback_window = if seconds < 1.0 { 1 } else { seconds as i64 };
        }
        self.parent_state = parent_state;
    }

    pub fn should_be_synced(&self, record: &Record<'_>) -> Result<bool> {
        let open = self.open.iter().find(|open| open.key == self.current);
        let cursor = open.and_then(|open| open.cursor_of_all.as_ref()).or_else(|| self.cursors.get(&self.current));
        cursor.map_or(Ok(true), |cursor| cursor.should_be_synced(record))
    }
}

fn lost() -> airlock_sdk::Failure {
    system_error("The cursor of a partition is not there: this is a defect of the connector.")
}

fn whole(value: &Value) -> Option<i64> {
    match value {
        Value::String(text) => text.trim().parse().ok(),
        other => other.as_i64().or_else(|| other.as_f64().map(|float| float as i64)),
    }
}

/// The text by which a partition is known: its fields in the order of their names.
fn key_of(partition: &Object) -> String {
    Value::Object(sorted(partition)).to_string()
}

fn sorted(object: &Object) -> Object {
    let fields: BTreeMap<&String, &Value> = object.iter().collect();
    fields.into_iter().map(|(name, value)| (name.clone(), sorted_value(value))).collect()
}

fn sorted_value(value: &Value) -> Value {
    match value {
        Value::Object(object) => sorted(object).into(),
        Value::Array(elements) => elements.iter().map(sorted_value).collect(),
        other => other.clone(),
    }
}

/// Cursors by their partitions' keys, in the order in which they came.
#[derive(Debug, Default)]
struct PartitionCursors {
    numbers: HashMap<Rc<str>, u64>,
    by_number: BTreeMap<u64, PartitionCursor>,
    next: u64,
}

#[derive(Debug)]
struct PartitionCursor {
    key: Rc<str>,
    cursor: DatetimeCursor,
    /// Its partition came in this read.
    has_begun: bool,
}

impl PartitionCursors {
    fn len(&self) -> usize {
        self.by_number.len()
    }

    fn iter(&self) -> impl Iterator<Item = (&str, &DatetimeCursor)> {
        self.by_number.values().map(|entry| (&*entry.key, &entry.cursor))
    }

    fn get(&self, key: &str) -> Option<&DatetimeCursor> {
        self.by_number.get(self.numbers.get(key)?).map(|entry| &entry.cursor)
    }

    fn get_mut(&mut self, key: &str) -> Option<&mut DatetimeCursor> {
        self.by_number.get_mut(self.numbers.get(key)?).map(|entry| &mut entry.cursor)
    }

    /// Marks a partition as begun, and tells whether it was before. None where it is not known.
    fn begin(&mut self, key: &str) -> Option<bool> {
        let entry = self.by_number.get_mut(self.numbers.get(key)?)?;
        Some(std::mem::replace(&mut entry.has_begun, true))
    }

    /// One that is there already keeps its place.
    fn insert(&mut self, key: String, cursor: DatetimeCursor) {
        if let Some(known) = self.get_mut(&key) {
            *known = cursor;
            return;
        }
        let key = Rc::<str>::from(key);
        self.numbers.insert(Rc::clone(&key), self.next);
        self.by_number.insert(self.next, PartitionCursor { key, cursor, has_begun: false });
        self.next += 1;
    }

    fn remove_oldest(&mut self) {
        if let Some((_, oldest)) = self.by_number.pop_first() {
            self.numbers.remove(&oldest.key);
        }
    }
}
