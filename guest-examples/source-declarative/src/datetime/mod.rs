//! Dates and times as Python and the language write them: formats of strftime, ISO 8601, durations. Knows nothing of cursors.

mod clock;
mod duration;
mod format;
mod iso8601;
mod parse;
#[cfg(test)]
mod tests;

use std::cmp::Ordering;
use std::fmt;

use chrono::{Datelike, FixedOffset, Months, NaiveDate, NaiveDateTime, TimeDelta, Timelike};

use crate::template::{float_text, python_float, python_int};

#[cfg(test)]
pub use clock::set_now;
pub use duration::Duration;

/// What is wrong with a date, a duration or a format, as a sentence's begin without its full stop.
pub type Result<T> = std::result::Result<T, String>;

/// Python's datetime: of some time zone, or of none. Exact to the microsecond. The order is that of the instants.
#[derive(Clone, Copy, Debug)]
pub struct DateTime {
    pub local: NaiveDateTime,
    /// None of what Python calls naive.
    pub offset: Option<FixedOffset>,
}

const UTC: FixedOffset = match FixedOffset::east_opt(0) {
    Some(utc) => utc,
    None => panic!("UTC is an offset"),
};

/// Why no date is read by a format.
pub fn problem_of_format(format: &str) -> Option<String> {
    if ["%s_as_float", "%epoch_microseconds", "%ms", "%s", ""].contains(&format) || format.contains("{{") {
        return None;
    }
    match parse::unknown_directive(&format.replace("%_ms", "%f")) {
        Some(directive) => Some(format!("{directive} is no directive")),
        None if !format.contains('%') => Some("it has no directives, as %Y-%m-%d has".to_owned()),
        None => None,
    }
}

impl DateTime {
    /// The present, in UTC.
    pub fn now() -> Self {
        clock::now()
    }

    /// Reads a text as the language's `datetime_format` says: the CDK's DatetimeParser. What names no time zone is UTC's.
    pub fn parse(text: &str, format: &str) -> Result<Self> {
        let number = || {
            let number =
                python_int(text).ok_or_else(|| format!("{text:?} is no whole number, as {format} wants it"))?;
            i64::try_from(number).map_err(|_| out_of_range(text))
        };
        match format {
            "%s" => {
                let seconds = number()?.checked_mul(1_000_000);
                Self::of_microseconds(seconds.ok_or_else(|| out_of_range(text))?)
            }
            "%s_as_float" => {
                let seconds = python_float(text).ok_or_else(|| format!("{text:?} is no number of seconds"))?;
                Self::of_timestamp(seconds)
            }
            "%epoch_microseconds" => Self::of_microseconds(number()?),
            "%ms" => Self::of_microseconds(number()?.checked_mul(1000).ok_or_else(|| out_of_range(text))?),
            _ => Ok(Self::strptime(text, &format.replace("%_ms", "%f"))?.or_utc()),
        }
    }

    /// Reads a text by a format of strptime.
    pub fn strptime(text: &str, format: &str) -> Result<Self> {
        parse::strptime(text, format)
    }

    /// Reads a text of ISO 8601, as dateutil does. It has no time zone where the text names none.
    pub fn parse_iso8601(text: &str) -> Result<Self> {
        iso8601::parse(text)
    }

    /// Writes it as the language's `datetime_format` says: the CDK's DatetimeParser.
    pub fn format(&self, format: &str) -> String {
        match format {
            "%s" => truncated(self.timestamp()).to_string(),
            "%s_as_float" => float_text(self.timestamp()),
            "%epoch_microseconds" => truncated(self.timestamp() * 1_000_000.0).to_string(),
            "%ms" => truncated(self.timestamp() * 1000.0).to_string(),
            _ if format.contains("%_ms") => {
                let text = self.strftime(&format.replace("%_ms", "%f"));
                let milliseconds = format!("{:03}", self.microsecond() / 1000);
                text.replace(&format!("{:06}", self.microsecond()), &milliseconds)
            }
            _ => self.strftime(format),
        }
    }

    /// Writes it by a format of strftime.
    pub fn strftime(&self, format: &str) -> String {
        format::strftime(self, format)
    }

    /// The time so many microseconds after 1970, in UTC.
    pub fn of_microseconds(microseconds: i64) -> Result<Self> {
        let local = chrono::DateTime::from_timestamp_micros(microseconds).map(|time| time.naive_utc());
        Self::in_range(local, Some(UTC))
    }

    /// The time so many seconds after 1970, in UTC.
    #[expect(clippy::cast_possible_truncation, reason = "what is too far away is refused by its date")]
    pub fn of_timestamp(seconds: f64) -> Result<Self> {
        if !seconds.is_finite() {
            return Err(out_of_range(&seconds.to_string()));
        }
        // Python rounds half to even, of the fraction of a second.
        let microseconds = ((seconds - seconds.floor()) * 1e6).round_ties_even() as i64;
        let whole = (seconds.floor() as i64).checked_mul(1_000_000);
        let sum = whole.and_then(|whole| whole.checked_add(microseconds));
        Self::of_microseconds(sum.ok_or_else(|| out_of_range(&seconds.to_string()))?)
    }

    pub fn of_date(date: NaiveDate) -> Self {
        DateTime { local: date.and_time(chrono::NaiveTime::MIN), offset: None }
    }

    fn in_range(local: Option<NaiveDateTime>, offset: Option<FixedOffset>) -> Result<Self> {
        match local {
            Some(local) if (1..=9999).contains(&local.year()) => Ok(DateTime { local, offset }),
            _ => Err("the date is out of range: its year must be one of 1 to 9999".to_owned()),
        }
    }

    /// The same with UTC, if it has no time zone.
    #[must_use]
    pub fn or_utc(self) -> Self {
        DateTime { offset: self.offset.or(Some(UTC)), ..self }
    }

    /// The same instant in UTC. What has no time zone is UTC's.
    #[must_use]
    pub fn to_utc(self) -> Self {
        DateTime { local: self.instant(), offset: Some(UTC) }
    }

    pub fn is_aware(&self) -> bool {
        self.offset.is_some()
    }

    /// The instant, as UTC's clock shows it.
    pub fn instant(&self) -> NaiveDateTime {
        let offset = self.offset.map_or(0, |offset| offset.local_minus_utc());
        self.local.checked_sub_signed(TimeDelta::seconds(offset.into())).unwrap_or(self.local)
    }

    /// Microseconds since 1970.
    pub fn microseconds(&self) -> i64 {
        self.instant().and_utc().timestamp_micros()
    }

    /// Seconds since 1970, as Python's `timestamp()`.
    #[expect(clippy::cast_precision_loss, reason = "Python rounds the same way")]
    pub fn timestamp(&self) -> f64 {
        self.microseconds() as f64 / 1e6
    }

    pub fn microsecond(&self) -> u32 {
        self.local.nanosecond() / 1000
    }

    /// It and a duration. Months and years first, to the month's last day at most.
    pub fn plus(&self, duration: &Duration) -> Result<Self> {
        let months = duration.whole_months()?;
        let count = u32::try_from(months.unsigned_abs()).map(Months::new);
        let moved = match count {
            Ok(count) if months >= 0 => self.local.checked_add_months(count),
            Ok(count) => self.local.checked_sub_months(count),
            Err(_) => None,
        };
        Self::in_range(moved.and_then(|moved| moved.checked_add_signed(duration.delta())), self.offset)
    }

    pub fn minus(&self, duration: &Duration) -> Result<Self> {
        self.plus(&duration.negated())
    }

    /// The time from another to this.
    pub fn since(&self, other: &DateTime) -> Duration {
        Duration::of_delta(self.instant() - other.instant())
    }

    /// Python's `isoformat`.
    pub fn isoformat(&self, separator: char) -> String {
        let mut text = self.local.format(&format!("%Y-%m-%d{separator}%H:%M:%S")).to_string();
        if self.microsecond() != 0 {
            text += &format!(".{:06}", self.microsecond());
        }
        if let Some(offset) = self.offset {
            text += &format::offset_text(offset, ":");
        }
        text
    }

    /// Python's `repr`.
    pub fn python_repr(&self) -> String {
        let mut text = self.local.format("datetime.datetime(%-Y, %-m, %-d, %-H, %-M").to_string();
        if self.local.second() != 0 || self.microsecond() != 0 {
            text += &format!(", {}", self.local.second());
        }
        if self.microsecond() != 0 {
            text += &format!(", {}", self.microsecond());
        }
        match self.offset {
            None => {}
            Some(UTC) => text += ", tzinfo=datetime.timezone.utc",
            Some(offset) => {
                let delta = Duration::of_delta(TimeDelta::seconds(offset.local_minus_utc().into())).repr();
                text += &format!(", tzinfo=datetime.timezone({delta})");
            }
        }
        text + ")"
    }
}

impl PartialEq for DateTime {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for DateTime {}

impl PartialOrd for DateTime {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for DateTime {
    fn cmp(&self, other: &Self) -> Ordering {
        self.instant().cmp(&other.instant())
    }
}

impl fmt::Display for DateTime {
    /// Python's `str`: `2024-01-02 03:04:05.678901+00:00`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.isoformat(' '))
    }
}

fn out_of_range(text: &str) -> String {
    format!("{text} is no time: it is too far away")
}

#[expect(clippy::cast_possible_truncation, reason = "the years 1 to 9999 fit")]
fn truncated(float: f64) -> i64 {
    float as i64
}
