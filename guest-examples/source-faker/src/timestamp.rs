//! Times to the second, in UTC, as Airbyte's source-faker writes them: `2024-04-08T18:07:20+00:00`.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Serialize, Serializer};

const SECONDS_A_DAY: i64 = 86_400;

/// A time between the years 0 and 9999.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(i64);

impl Timestamp {
    /// A time by its seconds since 1970.
    pub const fn from_unix_seconds(seconds: i64) -> Self {
        Timestamp(seconds)
    }

    /// What the clock says.
    pub fn now() -> Self {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(i64::try_from(since_1970.as_secs()).unwrap_or(i64::MAX))
    }

    /// So many days later, at the same time of day.
    pub const fn days_later(self, days: u32) -> Self {
        Timestamp(self.0 + days as i64 * SECONDS_A_DAY)
    }

    /// How many whole days there are from this time until another; 0 if it is not later.
    pub fn days_until(self, other: Timestamp) -> u32 {
        u32::try_from((other.0 - self.0) / SECONDS_A_DAY).unwrap_or(0)
    }

    /// Appends it.
    pub fn push_to(self, text: &mut String) {
        text.push_str(std::str::from_utf8(&self.text()).unwrap_or_default());
    }

    fn text(self) -> [u8; 25] {
        let (year, month, day) = civil_date(self.0.div_euclid(SECONDS_A_DAY));
        let second_of_day = self.0.rem_euclid(SECONDS_A_DAY);
        let mut text = *b"0000-00-00T00:00:00+00:00";
        digits(&mut text[0..4], year);
        digits(&mut text[5..7], month);
        digits(&mut text[8..10], day);
        digits(&mut text[11..13], second_of_day / 3600);
        digits(&mut text[14..16], second_of_day / 60 % 60);
        digits(&mut text[17..19], second_of_day % 60);
        text
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&String::from_utf8_lossy(&self.text()))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = self.text();
        let text = std::str::from_utf8(&text).map_err(serde::ser::Error::custom)?;
        serializer.serialize_str(text)
    }
}

fn digits(text: &mut [u8], mut number: i64) {
    for digit in text.iter_mut().rev() {
        *digit = b'0' + (number % 10).unsigned_abs() as u8;
        number /= 10;
    }
}

/// The Gregorian date of a day counted from 1970-01-01. Years begin in March here, so that a leap day comes last.
fn civil_date(day: i64) -> (i64, i64, i64) {
    const DAYS_A_CYCLE: i64 = 146_097; // 400 years
    let day = day + 719_468; // from 0000-03-01
    let cycle = day.div_euclid(DAYS_A_CYCLE);
    let day_of_cycle = day.rem_euclid(DAYS_A_CYCLE);
    let year_of_cycle = (day_of_cycle - day_of_cycle / 1460 + day_of_cycle / 36_524 - day_of_cycle / 146_096) / 365;
    let day_of_year = day_of_cycle - (365 * year_of_cycle + year_of_cycle / 4 - year_of_cycle / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day_of_month = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    let year = cycle * 400 + year_of_cycle + i64::from(month <= 2);
    (year, month, day_of_month)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_times() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00+00:00"),
            (951_782_400, "2000-02-29T00:00:00+00:00"),
            (951_868_799, "2000-02-29T23:59:59+00:00"),
            (1_709_251_199, "2024-02-29T23:59:59+00:00"),
            (1_712_599_640, "2024-04-08T18:07:20+00:00"),
            (4_107_542_400, "2100-03-01T00:00:00+00:00"),
            (-1, "1969-12-31T23:59:59+00:00"),
        ] {
            assert_eq!(Timestamp::from_unix_seconds(seconds).to_string(), text);
        }
    }

    #[test]
    fn days() {
        let start = Timestamp::from_unix_seconds(951_782_400);
        assert_eq!(start.days_later(1).to_string(), "2000-03-01T00:00:00+00:00");
        assert_eq!(start.days_until(start.days_later(400)), 400);
        assert_eq!(start.days_later(1).days_until(start), 0);
    }
}
