//! A queue between two threads that is bounded by the bytes in it: back-pressure, and with it bounded memory, whatever the
//! size of a record. Channels of the standard library count messages, and one message may be 100 bytes or 100 MB.
//! Knows nothing of what passes through.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// What a queue carries: it knows about how much memory it takes.
pub trait Weighed {
    /// About how many bytes this holds on to.
    fn weight(&self) -> usize;
}

/// The queue. It takes a message whenever less than its limit waits in it, so one huge message passes alone.
pub struct Queue<T> {
    limit: usize,
    inner: Mutex<Inner<T>>,
    changed: Condvar,
}

struct Inner<T> {
    waiting: VecDeque<T>,
    weight: usize,
    closed: bool,
    interrupted: bool,
}

/// Why a message was not taken.
#[derive(Debug, PartialEq, Eq)]
pub enum Refused {
    /// The receiver has gone.
    Closed,
    /// `interrupt` was called while the sender waited for room.
    Interrupted,
}

impl<T: Weighed> Queue<T> {
    /// A queue that takes more while less than `limit` bytes wait in it.
    pub fn new(limit: usize) -> Queue<T> {
        let inner = Inner { waiting: VecDeque::new(), weight: 0, closed: false, interrupted: false };
        Queue { limit, inner: Mutex::new(inner), changed: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, Inner<T>> {
        // A thread that panicked left the queue whole: every change below is complete before the lock is given up.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a message in, waiting for room. With `interruptible`, an interruption ends the wait.
    pub fn push(&self, message: T, interruptible: bool) -> Result<(), Refused> {
        let mut inner = self.lock();
        while inner.weight >= self.limit && !inner.closed {
            if interruptible && inner.interrupted {
                return Err(Refused::Interrupted);
            }
            inner = self.changed.wait(inner).unwrap_or_else(PoisonError::into_inner);
        }
        self.put(inner, message)
    }

    /// Puts a message in without waiting for room: for the few that must not wait for a reader that may never read.
    pub fn push_now(&self, message: T) -> Result<(), Refused> {
        self.put(self.lock(), message)
    }

    fn put(&self, mut inner: MutexGuard<'_, Inner<T>>, message: T) -> Result<(), Refused> {
        if inner.closed {
            return Err(Refused::Closed);
        }
        inner.weight += message.weight();
        inner.waiting.push_back(message);
        drop(inner);
        self.changed.notify_all();
        Ok(())
    }

    /// Takes the next message if one is there.
    pub fn try_pop(&self) -> Option<T> {
        let mut inner = self.lock();
        let message = inner.waiting.pop_front()?;
        inner.weight -= message.weight();
        drop(inner);
        self.changed.notify_all();
        Some(message)
    }

    /// Waits for the next message. None when the queue is closed and empty, or interrupted (for a receiver that asks).
    pub fn pop(&self, interruptible: bool) -> Option<T> {
        let mut inner = self.lock();
        loop {
            if interruptible && inner.interrupted {
                return None;
            }
            if let Some(message) = inner.waiting.pop_front() {
                inner.weight -= message.weight();
                drop(inner);
                self.changed.notify_all();
                return Some(message);
            }
            if inner.closed {
                return None;
            }
            inner = self.changed.wait(inner).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Says that nothing more comes or is taken. What waits can still be popped.
    pub fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    /// Ends the waits of those who asked for it, now and from now on.
    pub fn interrupt(&self) {
        self.lock().interrupted = true;
        self.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Weighed for usize {
        fn weight(&self) -> usize {
            *self
        }
    }

    #[test]
    fn a_message_over_the_limit_passes_alone_and_order_is_kept() {
        let queue = Queue::new(10);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for size in [1000, 1, 2000, 2] {
                    queue.push(size, false).unwrap();
                }
                queue.close();
            });
            let received: Vec<usize> = std::iter::from_fn(|| queue.pop(false)).collect();
            assert_eq!(received, [1000, 1, 2000, 2]);
        });
    }

    #[test]
    fn an_interruption_ends_a_wait_for_room_but_not_for_those_who_did_not_ask() {
        let queue = Queue::new(1);
        queue.push(5, true).unwrap();
        queue.interrupt();
        assert_eq!(queue.push(1, true), Err(Refused::Interrupted));
        assert_eq!(queue.pop(true), None);
        assert_eq!(queue.pop(false), Some(5));
    }

    #[test]
    fn what_can_not_wait_goes_in_behind_the_others() {
        let queue = Queue::new(1);
        queue.push(5, false).unwrap();
        queue.push_now(6).unwrap();
        queue.close();
        assert_eq!(queue.push_now(7), Err(Refused::Closed));
        let received: Vec<usize> = std::iter::from_fn(|| queue.pop(false)).collect();
        assert_eq!(received, [5, 6]);
    }

    #[test]
    fn a_closed_queue_refuses_and_gives_what_it_holds() {
        let queue = Queue::new(10);
        queue.push(1, false).unwrap();
        queue.close();
        assert_eq!(queue.push(1, false), Err(Refused::Closed));
        assert_eq!(queue.pop(false), Some(1));
        assert_eq!(queue.pop(false), None);
    }
}
