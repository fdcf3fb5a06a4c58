//! A stream whose records are the partitions of another. Knows nothing of the other's state but where its own is in it.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use airlock_sdk::Result;
use serde_json::Value;

use super::declared::ParentStreamConfig;
use super::record_path::RecordPath;
use crate::incremental::NO_CURSOR;
use crate::manifest::Object;
use crate::record::Record;
use crate::request_options::RequestOption;
use crate::retriever::Going;
use crate::session::Session;
use crate::stream_read::OpenStream;
use crate::stream_slice::StreamSlice;

#[derive(Debug)]
pub struct ParentStream<'s> {
    stream: OpenStream<'s>,
    pub partition_field: String,
    pub request_option: Option<&'s RequestOption>,
    parent_key: RecordPath,
    extra_fields: Vec<RecordPath>,
    /// Where a record has the first page of the child's.
    first_page: Option<RecordPath>,
    is_incremental: bool,
    /// Its state, as of the last slice that was closed. Taken anew after each, not for each record.
    state: RefCell<Option<Rc<Object>>>,
    state_taken: Cell<Instant>,
}

/// What a slice has beside its partition where the parent's record has its first page.
pub const FIRST_PAGE: &str = "child_response";

/// A large state is renewed this often at most.
const RENEW_EVERY: Duration = Duration::from_secs(1);

impl<'s> ParentStream<'s> {
    /// `child_state` is the state of the stream whose partitions these are.
    pub fn open(declared: &'s ParentStreamConfig, session: &'s Session, child_state: &Object) -> Result<Self> {
        let scope = &session.scope;
        let path = |segments: &Vec<crate::template::Template>| {
            segments.iter().map(|segment| segment.text(scope)).collect::<Result<Vec<_>>>().map(RecordPath::of_segments)
        };
        let state = state_of_parent(declared, session, child_state)?;
        let (stream, state) = declared.stream.going_on(session, Some(state).filter(|state| !state.is_empty()))?;
        Ok(ParentStream {
            stream: OpenStream::open(stream, session, &[], state.unwrap_or_default())?,
            partition_field: declared.partition_field.text(scope)?,
            request_option: declared.request_option.as_ref(),
            parent_key: RecordPath::of_text(&declared.parent_key.text(scope)?),
            extra_fields: declared.extra_fields.iter().map(path).collect::<Result<_>>()?,
            first_page: match declared.lazy_read_pointer.is_empty() {
                true => None,
                false => Some(path(&declared.lazy_read_pointer)?),
            },
            is_incremental: declared.incremental_dependency,
            state: RefCell::default(),
            state_taken: Cell::new(Instant::now()),
        })
    }

    pub fn name(&self) -> &str {
        self.stream.name()
    }

    /// From where a next read goes on, if that matters to the child.
    pub fn state(&self) -> Option<Rc<Object>> {
        self.is_incremental
            .then(|| Rc::clone(self.state.borrow_mut().get_or_insert_with(|| Rc::new(self.stream.state()))))
    }

    /// The partitions that its records are. A partition is given when it is known whether another comes, so that with the last one of a
    /// slice the state covers the slice.
    pub fn partitions(&self, take: &mut dyn FnMut(StreamSlice) -> Result<Going>) -> Result<Going> {
        let mut held = None;
        let going = self.stream.slices(&mut |slice| match held.replace(slice.clone()) {
            Some(previous) => self.slice_partitions(&previous, false, take),
            None => Ok(Going::On),
        })?;
        match (going, held) {
            (Going::On, Some(last)) => self.slice_partitions(&last, true, take),
            (going, _) => Ok(going),
        }
    }

    fn slice_partitions(
        &self,
        slice: &StreamSlice,
        is_last: bool,
        take: &mut dyn FnMut(StreamSlice) -> Result<Going>,
    ) -> Result<Going> {
        let mut held: Option<StreamSlice> = None;
        let going = self.stream.read_slice(slice, &mut |record| {
            let next = self.partition(&record, slice)?;
            match std::mem::replace(&mut held, next) {
                Some(previous) => take(previous),
                None => Ok(Going::On),
            }
        })?;
        if going == Going::Enough {
            return Ok(going);
        }
        self.stream.close_slice(slice)?;
        if is_last {
            self.stream.end();
        }
        // A large state is not taken anew for each of very many slices: an older one is true, too.
        if is_last || !self.stream.has_large_state() || self.state_taken.get().elapsed() >= RENEW_EVERY {
            self.state.take();
            self.state_taken.set(Instant::now());
        }
        held.map_or(Ok(Going::On), take)
    }

    /// The partition that a record is. None where it lacks the key.
    fn partition(&self, record: &Record<'_>, slice: &StreamSlice) -> Result<Option<StreamSlice>> {
        let Some(value) = self.parent_key.find(record)?.filter(|value| !value.is_null()) else {
            log::debug!("Skipping a record of {} without the parent key.", self.name());
            return Ok(None);
        };
        let parent_slice = Value::Object(slice.partition.clone());
        let partition = [(self.partition_field.clone(), value), ("parent_slice".to_owned(), parent_slice)];
        let mut extra_fields = Object::new();
        if let Some(path) = &self.first_page {
            let page = path.find(record)?.unwrap_or_else(|| Value::Array(Vec::new()));
            extra_fields.insert(FIRST_PAGE.to_owned(), page);
        }
        for path in &self.extra_fields {
            extra_fields.insert(path.name(), path.find(record)?.unwrap_or(Value::Null));
        }
        Ok(Some(StreamSlice { partition: partition.into_iter().collect(), extra_fields, ..StreamSlice::default() }))
    }
}

/// The parent's state in the child's: under its name, else what the child's state says of all partitions, else the one value of a state of
/// an older form.
fn state_of_parent(declared: &ParentStreamConfig, session: &Session, child_state: &Object) -> Result<Object> {
    let is_saved = |(field, _): &(&String, &Value)| *field != NO_CURSOR;
    if !declared.incremental_dependency {
        return Ok(Object::new());
    }
    // It has a state, if it has any here.
    let stream = declared.stream.of_state(true);
    if let Some(Value::Object(state)) = child_state.get("parent_state").and_then(|states| states.get(&stream.name)) {
        return Ok(state.clone());
    }
    if let Some(Value::Object(state)) = child_state.get("state") {
        return Ok(state.clone());
    }
    let mut values = child_state.iter().filter(is_saved).map(|(_, value)| value);
    match (values.next(), values.next(), &stream.incremental_sync) {
        (Some(value @ (Value::String(_) | Value::Number(_))), None, Some(cursor)) => {
            Ok(Object::from_iter([(cursor.cursor_field(&session.scope)?, value.clone())]))
        }
        _ => Ok(Object::new()),
    }
}
