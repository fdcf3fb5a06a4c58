//! What a connector may say to the platform, or ask of it, beside its data.

use std::cell::Cell;
use std::time::{Duration, Instant, SystemTime};

use serde::Serialize;

use crate::failure::{Result, interrupted};
use crate::host;
use crate::state::object_to_json;

/// Says that the configuration has changed (a refreshed token, for example): a whole new config. The platform keeps it
/// for the next run. Returns when the message has left the process, so that what the old configuration held may be
/// given up after it.
pub fn config_changed(config: &impl Serialize) -> Result<()> {
    let config = object_to_json(config, "A changed configuration")?;
    host::config_changed(&config).map_err(interrupted)
}

/// Sends what streams hold: what they have held for long, or, without a time, all of it.
type Flush = fn(Option<Instant>) -> Result<()>;

thread_local! {
    /// Sends what streams hold. Only a source has it: a destination that called the writer by its name would import the
    /// contract's `output`, which it is not given.
    static BEFORE_A_WAIT: Cell<Option<Flush>> = const { Cell::new(None) };
}

/// From now on this is called before each wait.
pub(crate) fn before_a_wait(flush: Flush) {
    BEFORE_A_WAIT.set(Some(flush));
}

/// Sends what every stream still holds: whoever waits in another way than by [`wait`] calls it.
pub(crate) fn flush_before_a_wait() -> Result<()> {
    BEFORE_A_WAIT.get().map_or(Ok(()), |flush| flush(None))
}

/// Sends what a stream has held for long: for a wait in many short parts, none of which is worth a flush of all.
pub(crate) fn flush_within_a_wait() -> Result<()> {
    BEFORE_A_WAIT.get().map_or(Ok(()), |flush| flush(Some(host::now())))
}

/// Waits for so long: for the time of the next poll, or for a quota. What every stream still holds leaves before, and an
/// interruption ends the wait with an error. A connector that sleeps by itself hears of one only at its next call, and
/// is ended by force if that takes more than a few seconds.
pub fn wait(time: Duration) -> Result<()> {
    flush_before_a_wait()?;
    let milliseconds = time.as_nanos().div_ceil(1_000_000);
    host::wait(u64::try_from(milliseconds).unwrap_or(u64::MAX)).map_err(interrupted)
}

/// What time it is. In a native test, waits let it pass although they take none.
pub fn time() -> SystemTime {
    host::time()
}

/// Sends a measurement to the platform: Airbyte's TRACE ANALYTICS.
pub fn analytics(kind: &str, value: Option<&str>) {
    host::analytics(kind, value);
}
