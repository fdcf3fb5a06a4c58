//! The present. Tests set it.

use std::time::SystemTime;

use super::{DateTime, UTC};

#[cfg(test)]
thread_local! {
    static NOW: std::cell::Cell<Option<DateTime>> = const { std::cell::Cell::new(None) };
}

/// Sets the present of this thread.
#[cfg(test)]
pub fn set_now(now: DateTime) {
    NOW.set(Some(now));
}

pub fn now() -> DateTime {
    #[cfg(test)]
    if let Some(now) = NOW.get() {
        return now;
    }
    let since = airlock_sdk::time().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let microseconds = i64::try_from(since.as_micros()).unwrap_or(i64::MAX);
    DateTime::of_microseconds(microseconds)
        .unwrap_or(DateTime { local: chrono::DateTime::UNIX_EPOCH.naive_utc(), offset: Some(UTC) })
}
