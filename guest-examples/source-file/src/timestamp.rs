//! Dates and times as ISO 8601 and Airbyte's protocol write them. Only forms that can mean one thing are known.

use std::time::SystemTime;

use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;

/// A moment, as seconds since 1970 and the digits of its fraction. A time without an offset counts as UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp<'a> {
    seconds: i64,
    /// All of them, however many; without the zeros at its end, so that text order is number order.
    fraction: &'a [u8],
}

/// Whether this is a date: `2024-02-29`.
pub fn is_date(text: &[u8]) -> bool {
    text.len() == 10 && date(text).is_some()
}

/// A date and time: `2024-02-29T23:59:59`, with any number of digits of a second and `Z` or an offset such as `+01:00`.
/// Says whether there is an offset.
pub fn parse(text: &[u8]) -> Option<(Timestamp<'_>, bool)> {
    let date = date(text.get(..10)?)?;
    let (time, mut rest) = text.get(10..)?.split_at_checked(9)?;
    let [b'T', h1, h2, b':', m1, m2, b':', s1, s2] = *time else {
        return None;
    };
    let (hour, minute, second) = (two(h1, h2)?, two(m1, m2)?, two(s1, s2)?);
    // A leap second is the 60th: the next minute's first.
    let (second, leap) = if second == 60 { (59, 1) } else { (second, 0) };
    let time = Time::new(hour, minute, second, 0).ok()?;
    let mut fraction: &[u8] = &[];
    if let Some(digits) = rest.strip_prefix(b".") {
        let length = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if length == 0 {
            return None;
        }
        (fraction, rest) = digits.split_at(length);
        let significant = fraction.iter().rposition(|digit| *digit != b'0').map_or(0, |last| last + 1);
        fraction = &fraction[..significant];
    }
    let offset = match *rest {
        [] => None,
        [b'Z'] => Some(0),
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let (hours, minutes) = (two(h1, h2)?, two(m1, m2)?);
            if hours > 23 || minutes > 59 {
                return None;
            }
            let seconds = i64::from(hours) * 3600 + i64::from(minutes) * 60;
            Some(if sign == b'-' { -seconds } else { seconds })
        }
        _ => return None,
    };
    // In UTC no time is missing or comes twice.
    let seconds = TimeZone::UTC.to_timestamp(date.to_datetime(time)).ok()?.as_second() + leap - offset.unwrap_or(0);
    Some((Timestamp { seconds, fraction }, offset.is_some()))
}

/// A file's time, to the nanosecond. Texts of it sort as the times do.
pub fn of_file(time: SystemTime) -> String {
    // No file system has times that this does not take: years up to 9999.
    let time = jiff::Timestamp::try_from(time).unwrap_or(jiff::Timestamp::MAX);
    format!("{time:.9}")
}

fn date(text: &[u8]) -> Option<Date> {
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = *text else {
        return None;
    };
    let year = i16::from(two(y1, y2)?) * 100 + i16::from(two(y3, y4)?);
    Date::new(year, two(m1, m2)?, two(d1, d2)?).ok()
}

fn two(tens: u8, ones: u8) -> Option<i8> {
    (tens.is_ascii_digit() && ones.is_ascii_digit()).then(|| ((tens - b'0') * 10 + (ones - b'0')) as i8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, UNIX_EPOCH};

    #[test]
    fn only_days_that_exist_are_dates() {
        for good in ["2024-02-29", "2000-02-29", "1999-12-31", "0001-01-01", "9999-12-31"] {
            assert!(is_date(good.as_bytes()), "{good}");
        }
        for bad in ["2023-02-29", "1900-02-29", "2024-04-31", "2024-13-01", "2024-00-01", "2024-01-00", "24-01-01", ""]
        {
            assert!(!is_date(bad.as_bytes()), "{bad}");
        }
        for bad in ["01/02/2024", "2024/01/02", "2024-1-2", "20240102", "2024-01-02 ", "2024-01-02T00:00:00"] {
            assert!(!is_date(bad.as_bytes()), "{bad}");
        }
    }

    #[test]
    fn moments_compare_across_offsets_and_digits() {
        let moment = |text: &'static str| parse(text.as_bytes()).unwrap().0;
        assert_eq!(moment("2024-01-01T01:00:00+01:00"), moment("2024-01-01T00:00:00Z"));
        assert_eq!(moment("2024-01-01T00:00:00.500"), moment("2024-01-01T00:00:00.5Z"));
        assert!(moment("2024-01-01T00:00:00.09Z") < moment("2024-01-01T00:00:00.1Z"));
        assert!(moment("2024-01-01T00:00:00Z") < moment("2024-01-01T00:00:00.0000000001Z"));
        assert!(moment("2023-12-31T23:59:59-01:00") > moment("2024-01-01T00:00:00Z"));
        assert!(moment("1969-12-31T23:59:59Z") < moment("1970-01-01T00:00:00Z"));
        assert!(parse(b"2024-01-01T00:00:00Z").unwrap().1);
        assert!(!parse(b"2024-01-01T00:00:00").unwrap().1);
        for bad in [
            "2024-01-01",
            "2024-01-01 00:00:00",
            "2024-01-01T24:00:00Z",
            "2024-01-01T00:60:00Z",
            "2024-01-01T00:00Z",
            "2024-01-01T00:00:00.Z",
            "2024-01-01T00:00:00+1",
            "2024-01-01T00:00:00+0100",
            "2024-01-01T00:00:00Zx",
            "2024-02-30T00:00:00Z",
        ] {
            assert!(parse(bad.as_bytes()).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_files_time_is_a_moment_again() {
        for (since, text) in [
            (Duration::ZERO, "1970-01-01T00:00:00.000000000Z"),
            (Duration::new(1_709_251_199, 7), "2024-02-29T23:59:59.000000007Z"),
        ] {
            assert_eq!(of_file(UNIX_EPOCH + since), text);
            assert_eq!(parse(text.as_bytes()).unwrap().0.seconds, since.as_secs() as i64);
        }
        assert_eq!(of_file(UNIX_EPOCH - Duration::from_millis(500)), "1969-12-31T23:59:59.500000000Z");
    }
}
