//! When a request is tried again, and how long the connector waits before.

use std::time::{Duration, SystemTime};

use crate::failure::{Failure, FailureKind, Result, transient_error};
use crate::host;
use crate::platform;
use crate::stream_writer::StreamWriter;

/// The waits for a quota begin with that of this retry: all of the usual ones are over within half a minute.
const QUOTA_HEAD_START: u32 = 3;

/// How often and when a request is tried again.
///
/// Tried again is what may pass: a connection that failed, a body that broke off, and the statuses 408, 425, 429 and 5xx but
/// for 501 and 505. POST and PATCH are tried again only where no connection was made, and where the server asks for it (429,
/// and 403 and 503 with `Retry-After`), unless the request says [`retry_unsafe`](super::Request::retry_unsafe). A server's
/// `Retry-After` is heeded. A quota without one is waited for as from the fourth retry on: most last for a minute.
#[derive(Clone, Debug, PartialEq)]
pub struct RetryPolicy {
    /// How often at most, after the first try.
    pub retries: u32,
    /// The longest wait before the first retry. Each wait is between a half of its longest and the whole, by chance, so
    /// that not all come back at once.
    pub first_wait: Duration,
    /// How many times longer the next wait is.
    pub factor: f64,
    /// No wait that the server did not ask for is longer.
    pub longest_wait: Duration,
    /// Where the server asks for a longer wait, the request fails at once.
    pub longest_retry_after: Duration,
}

impl Default for RetryPolicy {
    /// Five retries, after 1, 2, 4, 8 and 16 seconds at most, and for a quota after 8, 16, 32, 60 and 60; a server may ask for
    /// 10 minutes.
    fn default() -> Self {
        RetryPolicy {
            retries: 5,
            first_wait: Duration::from_secs(1),
            factor: 2.0,
            longest_wait: Duration::from_secs(60),
            longest_retry_after: Duration::from_secs(600),
        }
    }
}

impl RetryPolicy {
    /// Tries nothing again.
    pub fn none() -> Self {
        RetryPolicy { retries: 0, ..RetryPolicy::default() }
    }

    /// How long to wait before a retry, 0 being the first. `chance` is from 0 to 1.
    fn wait(&self, retry: u32, chance: f64) -> Duration {
        let longest = self.first_wait.as_secs_f64() * self.factor.powi(i32::try_from(retry).unwrap_or(i32::MAX));
        // What is no number of seconds (an odd factor) is a long time.
        let longest =
            Duration::try_from_secs_f64(longest).map_or(self.longest_wait, |wait| wait.min(self.longest_wait));
        longest.mul_f64(0.5 + chance / 2.0)
    }
}

/// What went wrong with one try.
#[derive(Debug)]
pub(super) struct Problem {
    /// What to fail with when it is not tried again.
    pub failure: Failure,
    /// Whether it may be tried again.
    pub retry: Retry,
    /// How long the server wants the client to wait.
    pub retry_after: Option<Duration>,
    /// Whether it is a quota that is used up.
    pub rate_limited: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Retry {
    /// It would be the same again.
    Never,
    /// It may pass; but the server may have done already what was asked for.
    IfHarmless,
    /// It may pass, and the server has done nothing.
    Always,
}

impl Problem {
    /// One that is the same the next time.
    pub fn lasting(failure: Failure) -> Self {
        Problem { failure, retry: Retry::Never, retry_after: None, rate_limited: false }
    }
}

/// Who waits for a response. A type of its own, and not a writer that may be there: where none is, none is named, for
/// destinations would import the contract's `output` then, which they are not given.
pub(super) trait Waiting {
    /// Says that a quota is waited for, until a time if it is known.
    fn rate_limited(&mut self, until: Option<SystemTime>) -> Result<()>;
}

/// Nobody in particular.
impl Waiting for () {
    fn rate_limited(&mut self, _: Option<SystemTime>) -> Result<()> {
        Ok(())
    }
}

impl Waiting for &mut StreamWriter {
    fn rate_limited(&mut self, until: Option<SystemTime>) -> Result<()> {
        StreamWriter::rate_limited(self, until)
    }
}

/// Tries until it works or it makes no sense to go on.
pub(super) fn run<T>(
    policy: &RetryPolicy,
    harmless: bool,
    mut waiting: impl Waiting,
    mut attempt: impl FnMut() -> Result<T, Problem>,
) -> Result<T> {
    let mut retry = 0;
    loop {
        let problem = match attempt() {
            Ok(value) => return Ok(value),
            Err(problem) => problem,
        };
        let again = match problem.retry {
            Retry::Never => false,
            Retry::IfHarmless => harmless,
            Retry::Always => true,
        };
        if !again {
            return Err(unless_interrupted(problem.failure));
        }
        if retry >= policy.retries {
            return Err(unless_interrupted(after_tries(problem.failure, retry + 1)));
        }
        let wait = match problem.retry_after {
            Some(wait) if wait > policy.longest_retry_after => return Err(too_long(problem.failure, wait)),
            // "Now" is no time to wait for, and all who are told so come at once.
            Some(wait) if !wait.is_zero() => wait,
            _ if problem.rate_limited => policy.wait(retry.saturating_add(QUOTA_HEAD_START), fastrand::f64()),
            _ => policy.wait(retry, fastrand::f64()),
        };
        retry += 1;
        let failure = &problem.failure;
        if problem.rate_limited {
            log::info!("{} It is sent again in {wait:.1?} (retry {retry} of {}).", failure.message, policy.retries);
            waiting.rate_limited(host::time().checked_add(wait))?;
        } else {
            log::warn!("{} It is sent again in {wait:.1?} (retry {retry} of {}).", failure.message, policy.retries);
        }
        platform::wait(wait)?;
    }
}

/// The failure, or the interruption that it comes from: the host lets what waits for the network fail, and only a call tells why.
pub(super) fn unless_interrupted(failure: Failure) -> Failure {
    match failure.kind {
        FailureKind::TransientError => platform::wait(Duration::ZERO).err().unwrap_or(failure),
        FailureKind::ConfigError | FailureKind::SystemError => failure,
    }
}

fn after_tries(mut failure: Failure, tries: u32) -> Failure {
    if tries > 1 {
        failure.message.push_str(&format!(" It was tried {tries} times."));
    }
    failure
}

fn too_long(failure: Failure, wait: Duration) -> Failure {
    let seconds = wait.as_secs();
    transient_error(format!(
        "{} The server wants {seconds} seconds to pass before the next request, which is longer than the connector waits: \
         sync again after that.",
        failure.message
    ))
}

/// Reads `Retry-After`: a number of seconds, that some servers give with a fraction, or a date. Anything else is nothing.
pub(super) fn retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    let value = value.trim();
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, fraction) = value.split_once('.').unwrap_or((value, "0"));
    if digits(whole) && digits(fraction) {
        // More than fits is very long.
        let seconds: u64 = whole.parse().unwrap_or(u64::MAX);
        let begun = fraction.bytes().any(|digit| digit != b'0');
        return Some(Duration::from_secs(seconds.saturating_add(begun.into())));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    // In the past: now.
    Some(date.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_up_to_the_longest_and_differ_by_chance() {
        let policy = RetryPolicy::default();
        let longest: Vec<u64> = (0..8).map(|retry| policy.wait(retry, 1.0).as_secs()).collect();
        assert_eq!(longest, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(policy.wait(0, 0.0), Duration::from_millis(500));
        assert_eq!(policy.wait(u32::MAX, 0.0), Duration::from_secs(30));
        let odd = RetryPolicy { factor: f64::NAN, ..policy };
        assert_eq!(odd.wait(1, 1.0), Duration::from_secs(60));
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        let seconds = |value| retry_after(value, now).map(|wait| wait.as_secs());
        assert_eq!(seconds("120"), Some(120));
        assert_eq!(seconds(" 0 "), Some(0));
        assert_eq!(seconds("Sun, 06 Nov 1994 08:50:37 GMT"), Some(60));
        assert_eq!(seconds("Sunday, 06-Nov-94 08:50:37 GMT"), Some(60));
        assert_eq!(seconds("Sun Nov  6 08:50:37 1994"), Some(60));
        assert_eq!(seconds("Sun, 06 Nov 1994 08:00:00 GMT"), Some(0), "in the past");
        assert_eq!(seconds("99999999999999999999999"), Some(u64::MAX));
        assert_eq!(seconds("30.0"), Some(30));
        assert_eq!(seconds("1.05"), Some(2), "not too early");
        for garbage in ["", "soon", "-5", "1.", ".5", "1.5.2", "+3", "Sun, 99 Nov 1994 08:50:37 GMT"] {
            assert_eq!(seconds(garbage), None, "{garbage:?}");
        }
    }
}
