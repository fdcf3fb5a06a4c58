//! Durations of ISO 8601, as isodate reads them: Python's timedelta, and years and months beside it.

use std::fmt;

use chrono::TimeDelta;

use super::Result;

/// A duration. With years or months it is isodate's Duration, without them Python's timedelta.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Duration {
    years: f64,
    months: f64,
    /// What has a length of its own.
    microseconds: i64,
}

const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400 * SECOND;

impl Duration {
    /// Reads a text of ISO 8601: `P1D`, `PT1H30M`, `P1Y2M`, `-P2W`.
    pub fn parse(text: &str) -> Result<Self> {
        let wrong = || format!("{text:?} is no duration of ISO 8601, as P1D or PT1H is one");
        let (sign, rest) = match text.strip_prefix(['+', '-']) {
            Some(rest) if text.starts_with('-') => (-1.0, rest),
            Some(rest) => (1.0, rest),
            None => (1.0, text),
        };
        let rest = rest.strip_prefix('P').ok_or_else(wrong)?;
        let (date, time) = match rest.split_once('T') {
            Some((date, time)) => (date, Some(time)),
            None => (rest, None),
        };
        // A lone P is none, a T after which nothing comes is one.
        if rest.is_empty() {
            return Err(wrong());
        }
        let [years, months, weeks, days] = numbers(date, ['Y', 'M', 'W', 'D']).ok_or_else(wrong)?;
        let [hours, minutes, seconds] = numbers(time.unwrap_or_default(), ['H', 'M', 'S']).ok_or_else(wrong)?;
        let seconds = weeks * 604_800.0 + days * 86_400.0 + hours * 3600.0 + minutes * 60.0 + seconds;
        Self::of_seconds(sign * seconds).map(|duration| Duration {
            years: sign * years,
            months: sign * months,
            ..duration
        })
    }

    /// A timedelta of so many seconds.
    #[expect(clippy::cast_possible_truncation, reason = "what is too long is refused before")]
    pub fn of_seconds(seconds: f64) -> Result<Self> {
        let microseconds = (seconds * 1e6).round_ties_even();
        if !microseconds.is_finite() || microseconds.abs() >= 9.2e18 {
            return Err("the duration is too long".to_owned());
        }
        Ok(Duration { microseconds: microseconds as i64, ..Duration::default() })
    }

    pub fn of_days(days: f64) -> Result<Self> {
        Self::of_seconds(days * 86_400.0)
    }

    pub fn of_microseconds(microseconds: i64) -> Self {
        Duration { microseconds, ..Duration::default() }
    }

    pub(super) fn of_delta(delta: TimeDelta) -> Self {
        Self::of_microseconds(delta.num_microseconds().unwrap_or(i64::MAX))
    }

    pub(super) fn delta(&self) -> TimeDelta {
        TimeDelta::microseconds(self.microseconds)
    }

    #[expect(clippy::cast_possible_truncation, reason = "what is too long is no date any more")]
    pub(super) fn whole_months(&self) -> Result<i64> {
        if self.years.fract() != 0.0 || self.months.fract() != 0.0 {
            return Err("a duration with a fraction of a year or of a month can not be added to a date".to_owned());
        }
        Ok((self.years * 12.0 + self.months) as i64)
    }

    /// Its days, as Python's timedelta has them, with its years and months.
    #[must_use]
    pub fn whole_days(&self) -> Self {
        Duration { microseconds: self.microseconds.div_euclid(DAY) * DAY, ..*self }
    }

    /// Whether it is of years or months.
    pub fn has_months(&self) -> bool {
        self.years != 0.0 || self.months != 0.0
    }

    #[must_use]
    pub fn negated(&self) -> Self {
        Duration { years: -self.years, months: -self.months, microseconds: self.microseconds.saturating_neg() }
    }

    #[must_use]
    pub fn plus(&self, other: &Duration) -> Self {
        Duration {
            years: self.years + other.years,
            months: self.months + other.months,
            microseconds: self.microseconds.saturating_add(other.microseconds),
        }
    }

    pub fn is_zero(&self) -> bool {
        !self.has_months() && self.microseconds == 0
    }

    /// All of it in microseconds, without years and months.
    pub fn microseconds(&self) -> i64 {
        self.microseconds
    }

    #[expect(clippy::cast_precision_loss, reason = "Python rounds the same way")]
    pub fn total_seconds(&self) -> f64 {
        self.microseconds as f64 / 1e6
    }

    /// Python's attributes of a timedelta.
    pub fn parts(&self) -> (i64, i64, i64) {
        let rest = self.microseconds.rem_euclid(DAY);
        (self.microseconds.div_euclid(DAY), rest / SECOND, rest % SECOND)
    }

    pub fn type_name(&self) -> &'static str {
        if self.has_months() { "Duration" } else { "timedelta" }
    }

    /// Python's `repr` of a timedelta.
    pub fn repr(&self) -> String {
        let (days, seconds, microseconds) = self.parts();
        let parts = [("days", days), ("seconds", seconds), ("microseconds", microseconds)];
        let parts: Vec<_> =
            parts.iter().filter(|(_, value)| *value != 0).map(|(name, value)| format!("{name}={value}")).collect();
        let inside = if parts.is_empty() { "0".to_owned() } else { parts.join(", ") };
        let delta = format!("datetime.timedelta({inside})");
        if self.has_months() {
            return format!(
                "isodate.duration.Duration({days}, {seconds}, {microseconds}, years={}, months={})",
                self.years, self.months
            );
        }
        delta
    }
}

impl fmt::Display for Duration {
    /// Python's `str`: `1 day, 2:00:00`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.years != 0.0 {
            write!(formatter, "{} years, ", self.years.trunc())?;
        }
        if self.months != 0.0 {
            let unit = if self.months <= 1.0 { "month" } else { "months" };
            write!(formatter, "{} {unit}, ", self.months.trunc())?;
        }
        let (days, seconds, microseconds) = self.parts();
        if days != 0 {
            let unit = if days.abs() == 1 { "day" } else { "days" };
            write!(formatter, "{days} {unit}, ")?;
        }
        write!(formatter, "{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)?;
        if microseconds != 0 {
            write!(formatter, ".{microseconds:06}")?;
        }
        Ok(())
    }
}

/// Numbers with their units, in this order, each at most once: `1Y2M`.
fn numbers<const N: usize>(text: &str, units: [char; N]) -> Option<[f64; N]> {
    let mut rest = text;
    let mut found = [0.0; N];
    for (unit, found) in units.into_iter().zip(&mut found) {
        let end = rest.find(|character: char| !character.is_ascii_digit() && !matches!(character, '.' | ','));
        let Some(end) = end else { break };
        let (number, after) = rest.split_at_checked(end)?;
        if let Some(after) = after.strip_prefix(unit) {
            let number = number.replace(',', ".");
            let is_number = number.starts_with(|first: char| first.is_ascii_digit()) && !number.ends_with('.');
            *found = if is_number { number.parse().ok()? } else { return None };
            rest = after;
        }
    }
    rest.is_empty().then_some(found)
}
