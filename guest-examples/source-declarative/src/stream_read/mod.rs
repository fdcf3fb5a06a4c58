//! A read of one stream: its slices one after the other, its records, its state. The only place where retriever, partition router and
//! cursor meet.

#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use airlock_sdk::http::Records;
use airlock_sdk::{Failure, Result, system_error};

use crate::incremental::{Cursor, DatetimeRules, IncrementalSync, Intervals, PerPartitionCursor, SlicePosition};
use crate::manifest::Object;
use crate::partition_routing::{PartitionRouter, Router};
use crate::record::Record;
use crate::request_options::RequestOptions;
use crate::retriever::{Going, PreparedRetriever, SliceReader, TakeSlice};
use crate::session::Session;
use crate::stream::DeclarativeStream;
use crate::stream_slice::StreamSlice;

/// A state that tells of many partitions is saved this often at most. Tests look at each.
const SAVE_EVERY: Duration = if cfg!(test) { Duration::ZERO } else { Duration::from_secs(1) };

/// Reads a stream to its end, from the state where it goes on; its records and states go to the session's stream.
///
/// A slice that fails does not keep the others from being read: the stream fails at its end, with the first failure.
///
/// `cursor_field` is what the user has chosen in the configured catalog.
pub fn read(
    stream: &DeclarativeStream,
    session: &Session,
    cursor_field: &[String],
    state: Option<Object>,
) -> Result<()> {
    let open = OpenStream::open(stream, session, cursor_field, state.unwrap_or_default())?;
    let mut saved = Saved { session, last: None, at: None };
    let mut first_failure = None;
    let generated = open.slices(&mut |slice| {
        match open.write_slice(slice).and_then(|()| open.close_slice(slice)) {
            Ok(()) => saved.save(&open)?,
            Err(failure) if failure.interruption().is_some() => return Err(failure),
            Err(failure) => {
                open.fail_slice();
                keep_first(&mut first_failure, failure);
            }
        }
        Ok(Going::On)
    });
    match generated {
        Ok(_) if first_failure.is_none() => open.end(),
        Ok(_) => {}
        Err(failure) if failure.interruption().is_some() => return Err(failure),
        Err(failure) => keep_first(&mut first_failure, failure),
    }
    // A mark instead of a state would say of what failed that it was read.
    let is_mark = stream.is_replaced_by_its_state && stream.incremental_sync.is_none();
    if first_failure.is_none() || !is_mark {
        saved.save_last(open.state())?;
    }
    first_failure.map_or(Ok(()), Err)
}

/// One failure is the stream's. The others are told in the log.
fn keep_first(first: &mut Option<Failure>, failure: Failure) {
    if first.is_none() {
        *first = Some(failure);
    } else {
        log::error!("{}", failure.message);
    }
}

/// What a look into a stream finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FirstRecord {
    Found,
    /// The first slice has none.
    None,
    /// There is no slice.
    NoSlices,
}

/// Looks for a record in the stream's first slice, and no further.
pub fn read_first_record(stream: &DeclarativeStream, session: &Session) -> Result<FirstRecord> {
    let open = OpenStream::open(stream, session, &[], Object::new())?;
    let mut found = FirstRecord::NoSlices;
    open.slices(&mut |slice| {
        found = match open.read_slice(slice, &mut |_| Ok(Going::Enough))? {
            Going::Enough => FirstRecord::Found,
            Going::On => FirstRecord::None,
        };
        Ok(Going::Enough)
    })?;
    Ok(found)
}

/// Reads a stream's records without its state, each with the slice that it belongs to.
pub fn read_records(
    stream: &DeclarativeStream,
    session: &Session,
    take: &mut dyn FnMut(Record<'_>, &StreamSlice) -> Result<Going>,
) -> Result<Going> {
    let open = OpenStream::open(stream, session, &[], Object::new())?;
    open.slices(&mut |slice| {
        let going = open.read_slice(slice, &mut |record| take(record, slice))?;
        if going == Going::On {
            open.close_slice(slice)?;
        }
        Ok(going)
    })
}

/// What of a stream's state has been saved.
struct Saved<'s> {
    session: &'s Session,
    last: Option<Object>,
    at: Option<Instant>,
}

impl Saved<'_> {
    /// After a slice.
    fn save(&mut self, open: &OpenStream<'_>) -> Result<()> {
        let has_news = match &*open.cursor.borrow() {
            Cursor::None => false,
            Cursor::Datetime(_) | Cursor::Count(_) => true,
            Cursor::PerPartition(cursor) => cursor.has_news() && self.at.is_none_or(|at| at.elapsed() >= SAVE_EVERY),
        };
        if has_news {
            self.save_last(open.state())?;
            self.at = Some(Instant::now());
        }
        Ok(())
    }

    fn save_last(&mut self, state: Object) -> Result<()> {
        if self.last.as_ref() != Some(&state) {
            self.session.checkpoint(&state)?;
            self.last = Some(state);
        }
        Ok(())
    }
}

/// A stream that is read from a state on.
#[derive(Debug)]
pub struct OpenStream<'s> {
    stream: &'s DeclarativeStream,
    session: &'s Session,
    retriever: PreparedRetriever<'s>,
    router: Router<'s>,
    cursor: RefCell<Cursor>,
}

impl<'s> OpenStream<'s> {
    pub fn open(
        stream: &'s DeclarativeStream,
        session: &'s Session,
        cursor_field: &[String],
        state: Object,
    ) -> Result<Self> {
        if stream.incremental_sync.is_none()
            && stream.retriever.partition_router().is_some_and(PartitionRouter::keeps_parents_state)
        {
            log::warn!(
                "Stream `{}` has `incremental_dependency: true` and no `incremental_sync`: the parent's state is nowhere kept, and all \
                 of its records are read each time.",
                stream.name
            );
        }
        let declared = stream.retriever.partition_router();
        let has_state = !state.is_empty();
        let state = migrate(stream, session, state)?;
        let router = Router::open(declared, session, &state)?;
        let partitions = stream.retriever.partitions();
        let cursor = match &stream.incremental_sync {
            Some(incremental_sync) => incremental_sync.open(session, partitions, cursor_field, &state)?,
            None => Cursor::None,
        };
        let retriever = stream.retriever.prepare(session, &stream.record_rules(has_state))?;
        Ok(OpenStream { stream, session, retriever, router, cursor: RefCell::new(cursor) })
    }

    pub fn name(&self) -> &'s str {
        &self.stream.name
    }

    /// From where a next read goes on: true for all slices that have been closed.
    pub fn state(&self) -> Object {
        self.cursor.borrow().state()
    }

    /// Whether it costs something to ask for the state.
    pub fn has_large_state(&self) -> bool {
        matches!(&*self.cursor.borrow(), Cursor::PerPartition(cursor) if cursor.is_large())
    }

    /// Gives the slices that are to be read, in the order in which they can be.
    pub fn slices(&self, take: TakeSlice<'_>) -> Result<Going> {
        self.retriever.slices(&mut |take| self.each_slice(take), take)
    }

    fn each_slice(&self, take: TakeSlice<'_>) -> Result<Going> {
        // Not borrowed while slices are read: each tells the cursor of its records.
        let slices = self.cursor.borrow_mut().slices()?;
        let slices = match slices {
            Intervals::Slices(slices) => slices,
            Intervals::None => return self.router.partitions(&mut |partition| take(&partition)),
            Intervals::OfEachPartition => return self.slices_of_partitions(take),
        };
        for slice in slices {
            if take(&slice?)? == Going::Enough {
                return Ok(Going::Enough);
            }
        }
        Ok(Going::On)
    }

    /// The slices of each partition, when it is known that another one comes, or none: where the partitions end with a failure, the CDK
    /// has not begun with the last of them.
    fn slices_of_partitions(&self, take: &mut dyn FnMut(&StreamSlice) -> Result<Going>) -> Result<Going> {
        let mut held = None;
        let going =
            self.router.partitions(&mut |partition| match held.replace((partition, self.router.parent_state())) {
                Some((partition, parent_state)) => self.slices_of_partition(&partition, parent_state.as_ref(), take),
                None => Ok(Going::On),
            })?;
        match (going, held) {
            (Going::On, Some((last, parent_state))) => self.slices_of_partition(&last, parent_state.as_ref(), take),
            (going, _) => Ok(going),
        }
    }

    fn slices_of_partition(
        &self,
        partition: &StreamSlice,
        parent_state: Option<&Rc<Object>>,
        take: &mut dyn FnMut(&StreamSlice) -> Result<Going>,
    ) -> Result<Going> {
        let Some(slices) =
            self.of_partitions(|cursor| cursor.begin_partition(partition, parent_state)).transpose()?.flatten()
        else {
            return Ok(Going::On);
        };
        let mut slices = slices.peekable();
        if slices.peek().is_none() {
            self.of_partitions(|cursor| cursor.give_none());
        }
        while let Some(slice) = slices.next() {
            let slice = StreamSlice { cursor_slice: slice?.cursor_slice, ..partition.clone() };
            if let Some(field) = slice.cursor_slice.keys().find(|field| slice.partition.contains_key(*field)) {
                return Err(system_error(format!(
                    "The field {field:?} of a slice is of the partition and of the interval: the manifest must give them two names."
                )));
            }
            let is_last = slices.peek().is_none();
            self.of_partitions(|cursor| cursor.give_slice(is_last));
            if take(&slice)? == Going::Enough {
                return Ok(Going::Enough);
            }
        }
        Ok(Going::On)
    }

    fn of_partitions<T>(&self, tell: impl FnOnce(&mut PerPartitionCursor) -> T) -> Option<T> {
        match &mut *self.cursor.borrow_mut() {
            Cursor::PerPartition(cursor) => Some(tell(cursor)),
            _ => None,
        }
    }

    /// Reads the records of a slice.
    pub fn read_slice(&self, slice: &StreamSlice, take: &mut dyn FnMut(Record<'_>) -> Result<Going>) -> Result<Going> {
        self.cursor.borrow_mut().begin(slice);
        self.retriever.read_slice(slice, &mut Reader { open: self, target: Target::Taker(take) })
    }

    /// Reads the records of a slice, which are written to the session's stream.
    pub fn write_slice(&self, slice: &StreamSlice) -> Result<()> {
        self.cursor.borrow_mut().begin(slice);
        self.retriever.read_slice(slice, &mut Reader { open: self, target: Target::Stream }).map(drop)
    }

    /// The slice has been read to its end.
    pub fn close_slice(&self, slice: &StreamSlice) -> Result<()> {
        self.cursor.borrow_mut().close(slice)
    }

    /// The slice could not be read to its end.
    pub fn fail_slice(&self) {
        self.cursor.borrow_mut().fail();
    }

    /// All slices have been read.
    pub fn end(&self) {
        let parent_state = self.router.parent_state();
        self.of_partitions(|cursor| cursor.end_read(parent_state));
    }
}

/// The state as it is saved today.
fn migrate(stream: &DeclarativeStream, session: &Session, mut state: Object) -> Result<Object> {
    for migration in &stream.state_migrations {
        let (Some(router), Some(IncrementalSync::DatetimeBased(_))) =
            (stream.retriever.partition_router(), &stream.incremental_sync)
        else {
            return Err(system_error(
                "The manifest can not be used: a LegacyToPerPartitionStateMigration needs a partition router and a DatetimeBasedCursor.",
            ));
        };
        let partition_field = router.legacy_partition_field(&session.scope)?;
        let cursor_field =
            stream.incremental_sync.as_ref().map(|sync| sync.cursor_field(&session.scope)).transpose()?;
        state = migration.migrate(state, partition_field.as_deref(), cursor_field.as_deref().unwrap_or_default())?;
    }
    Ok(state)
}

/// Takes the records of a slice.
struct Reader<'r> {
    open: &'r OpenStream<'r>,
    target: Target<'r>,
}

/// Where records go.
enum Target<'r> {
    /// The session's stream.
    Stream,
    Taker(&'r mut dyn FnMut(Record<'_>) -> Result<Going>),
}

impl SliceReader for Reader<'_> {
    fn request_options(&self, slice: &StreamSlice) -> Result<RequestOptions> {
        let OpenStream { stream, session, router, cursor, .. } = self.open;
        let Some(incremental_sync) = &stream.incremental_sync else {
            return router.request_options(slice, &session.scope);
        };
        let of_interval = incremental_sync.request_options(slice, &session.scope)?;
        if !matches!(&*cursor.borrow(), Cursor::PerPartition(_)) {
            return Ok(of_interval);
        }
        let mut options = router.request_options(slice, &session.scope)?;
        options.replace(of_interval);
        Ok(options)
    }

    fn should_be_synced(&self, record: &Record<'_>) -> Result<bool> {
        self.open.cursor.borrow().should_be_synced(record)
    }

    fn slice_position(&self) -> Option<SlicePosition> {
        self.open.cursor.borrow().slice_position()
    }

    fn datetime_rules(&self) -> Option<Rc<DatetimeRules>> {
        self.open.cursor.borrow().datetime_rules().map(Rc::clone)
    }

    fn take(&mut self, record: Record<'_>) -> Result<Going> {
        self.open.cursor.borrow_mut().observe(&record)?;
        match &mut self.target {
            Target::Stream => self.open.session.write(&record).map(|()| Going::On),
            Target::Taker(take) => take(record),
        }
    }

    fn take_all(&mut self, records: Records<'_>) -> Result<Going> {
        if let Target::Taker(_) = self.target {
            for part in records.parts() {
                if self.take(Record::of_part(part))? == Going::Enough {
                    return Ok(Going::Enough);
                }
            }
            return Ok(Going::On);
        }
        let mut cursor = self.open.cursor.borrow_mut();
        if !matches!(*cursor, Cursor::None) {
            for part in records.clone().parts() {
                cursor.observe(&Record::of_part(part))?;
            }
        }
        self.open.session.write_all(records).map(|()| Going::On)
    }
}
