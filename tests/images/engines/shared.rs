//! What takes seconds to make and serves several tests at a time: made by the first, removed after the last.

use std::sync::{Arc, Mutex, PoisonError, Weak};

/// A place for it.
pub struct Shared<T>(Mutex<Weak<T>>);

impl<T> Shared<T> {
    pub const fn new() -> Shared<T> {
        Shared(Mutex::new(Weak::new()))
    }

    /// What is there, or what `make` makes. Others wait for that.
    pub fn get(&self, make: impl FnOnce() -> T) -> Arc<T> {
        // Where making it failed, nothing was put here: the next test tries again, and says so itself.
        let mut place = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        place.upgrade().unwrap_or_else(|| {
            let made = Arc::new(make());
            *place = Arc::downgrade(&made);
            made
        })
    }
}
