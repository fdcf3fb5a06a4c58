//! A lane to stdout: what is said in it leaves in its order. At first whoever says something writes it, and it is on stdout when that
//! returns; `write_behind` has a thread do it, with a queue before it that is bounded by bytes. Knows nothing of what is said.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::queue::{Queue, Refused};
use super::writer::{Event, Writer};

/// How many bytes may wait to be written: enough to keep the writer busy, little enough to be no burden.
const QUEUE_BYTES: usize = 2 * 1024 * 1024;

/// How long whoever must not wait for a reader waits for somebody else who is just writing.
const SOON: Duration = Duration::from_secs(1);

/// The lane.
pub struct Lane {
    queue: Queue<Event>,
    /// Whether a thread writes what is in the queue.
    behind: AtomicBool,
    place: Mutex<Place>,
    changed: Condvar,
    ending: Arc<Ending>,
}

/// Where the writer is.
enum Place {
    /// Nobody writes.
    Here(Box<Writer>),
    /// Somebody does.
    Away,
    /// Nothing is written any more. The error is the one that stdout gave.
    Ended(io::Result<()>),
}

/// How all lanes are ended from outside.
#[derive(Default)]
pub struct Ending {
    /// Nobody else will end the streams.
    forced: AtomicBool,
    /// The writer gives up at the next whole line.
    abandoned: AtomicBool,
}

impl Ending {
    /// From now on a lane that ends ends its streams.
    pub fn force(&self) {
        self.forced.store(true, Ordering::Release);
    }

    /// Whether lanes are ended.
    pub fn is_forced(&self) -> bool {
        self.forced.load(Ordering::Acquire)
    }

    /// From now on lanes end at the next whole line.
    pub fn abandon(&self) {
        self.abandoned.store(true, Ordering::Release);
    }
}

/// Why something was not said.
pub enum Unsaid {
    /// The wait for room was interrupted.
    Interrupted,
    /// The lane has ended.
    Ended,
    /// Stdout can not be written to any more: this has just been found out.
    StdoutGone,
}

impl From<Refused> for Unsaid {
    fn from(refused: Refused) -> Unsaid {
        match refused {
            Refused::Closed => Unsaid::Ended,
            Refused::Interrupted => Unsaid::Interrupted,
        }
    }
}

impl Lane {
    /// Nothing can be said before it is given its writer.
    pub fn new(ending: Arc<Ending>) -> Lane {
        Lane {
            queue: Queue::new(QUEUE_BYTES),
            behind: AtomicBool::new(false),
            place: Mutex::new(Place::Away),
            changed: Condvar::new(),
            ending,
        }
    }

    /// Gives the lane its writer.
    pub fn put(&self, writer: Box<Writer>) {
        self.set(Place::Here(writer));
    }

    fn lock(&self) -> MutexGuard<'_, Place> {
        // No place is ever half changed.
        self.place.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, place: Place) {
        *self.lock() = place;
        self.changed.notify_all();
    }

    /// Takes the writer when nobody else has it, waiting for so long, or without end. None where nobody gives it back.
    fn take(&self, patience: Option<Duration>) -> Option<Box<Writer>> {
        let away = |place: &mut Place| matches!(place, Place::Away) && !self.behind.load(Ordering::Acquire);
        let place = self.lock();
        let mut place = match patience {
            None => self.changed.wait_while(place, away).unwrap_or_else(PoisonError::into_inner),
            Some(patience) => {
                let waited = self.changed.wait_timeout_while(place, patience, away);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
        };
        match std::mem::replace(&mut *place, Place::Away) {
            Place::Here(writer) => Some(writer),
            other => {
                *place = other;
                None
            }
        }
    }

    /// Says something, waiting for room. With `interruptible`, an interruption ends that wait.
    pub fn say(&self, event: Event, interruptible: bool) -> Result<(), Unsaid> {
        if self.behind.load(Ordering::Acquire) {
            return Ok(self.queue.push(event, interruptible)?);
        }
        match self.take(None) {
            Some(writer) => self.write(writer, event),
            None if self.behind.load(Ordering::Acquire) => Ok(self.queue.push(event, interruptible)?),
            None => Err(Unsaid::Ended),
        }
    }

    /// Says what must not wait for a reader that may never read.
    pub fn say_now(&self, event: Event) -> Result<(), Unsaid> {
        if self.behind.load(Ordering::Acquire) {
            return Ok(self.queue.push_now(event)?);
        }
        match self.take(Some(SOON)) {
            Some(writer) => self.write(writer, event),
            None if self.behind.load(Ordering::Acquire) => Ok(self.queue.push_now(event)?),
            None => Err(Unsaid::Ended),
        }
    }

    fn write(&self, mut writer: Box<Writer>, event: Event) -> Result<(), Unsaid> {
        match writer.take(event).and_then(|()| writer.flush()) {
            Ok(()) => {
                self.put(writer);
                Ok(())
            }
            Err(error) => {
                self.set(Place::Ended(Err(error)));
                Err(Unsaid::StdoutGone)
            }
        }
    }

    /// From now on a thread writes. It calls `stdout_gone` where stdout can not be written to any more.
    pub fn write_behind(self: &Arc<Lane>, stdout_gone: impl FnOnce() + Send + 'static) -> io::Result<()> {
        let Some(writer) = self.take(None) else { return Ok(()) };
        let lane = self.clone();
        let run = move || {
            let mut end = End { lane: &lane, result: Err(io::Error::other("the output thread panicked")) };
            end.result = lane.write_events(*writer);
            if end.result.is_err() {
                stdout_gone();
            }
        };
        self.behind.store(true, Ordering::Release);
        // Whoever waits for the writer waits for the queue from now on.
        self.changed.notify_all();
        let started = std::thread::Builder::new().name("output".into()).spawn(run);
        if started.is_err() {
            self.set(Place::Ended(Ok(())));
            self.queue.close();
        }
        started.map(drop)
    }

    fn write_events(&self, mut writer: Writer) -> io::Result<()> {
        loop {
            let event = match self.queue.try_pop() {
                Some(event) => event,
                None => {
                    // Nothing waits: what is there leaves now, so that a slow source is seen to be alive.
                    writer.flush()?;
                    match self.queue.pop(false) {
                        Some(event) => event,
                        None => break,
                    }
                }
            };
            if self.ending.abandoned.load(Ordering::Acquire) {
                break;
            }
            writer.take(event)?;
        }
        writer.end(self.ending.is_forced())
    }

    /// Ends the waits for room of those who asked for it.
    pub fn interrupt(&self) {
        self.queue.interrupt();
    }

    /// Nothing more is taken; what was is written.
    pub fn close(&self) {
        self.queue.close();
        if !self.behind.load(Ordering::Acquire)
            && let Some(mut writer) = self.take(Some(SOON))
        {
            self.set(Place::Ended(writer.end(self.ending.is_forced())));
        }
    }

    /// Waits until everything is written. The error is the one that stdout gave.
    pub fn finish(&self) -> io::Result<()> {
        self.close();
        let running = |place: &mut Place| matches!(place, Place::Away);
        let mut place = self.changed.wait_while(self.lock(), running).unwrap_or_else(PoisonError::into_inner);
        match &mut *place {
            Place::Ended(result) => std::mem::replace(result, Ok(())),
            Place::Here(_) | Place::Away => Ok(()),
        }
    }

    /// Waits for the same, for so long at most. Whether it has come.
    pub fn ends_within(&self, patience: Duration) -> bool {
        let running = |place: &mut Place| !matches!(place, Place::Ended(_));
        let waited = self.changed.wait_timeout_while(self.lock(), patience, running);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }
}

/// Ends the lane with its thread, even where that panics: nobody waits for a thread that is no more.
struct End<'a> {
    lane: &'a Lane,
    result: io::Result<()>,
}

impl Drop for End<'_> {
    fn drop(&mut self) {
        let queue = &self.lane.queue;
        queue.close();
        // Whoever waits for an answer learns from the dropped question that none comes.
        while queue.try_pop().is_some() {}
        self.lane.set(Place::Ended(std::mem::replace(&mut self.result, Ok(()))));
    }
}
