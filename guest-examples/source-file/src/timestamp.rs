//! Dates and times as ISO 8601 and Airbyte's protocol write them. Only forms that can mean one thing are known.

use std::time::{SystemTime, UNIX_EPOCH};

const SECONDS_A_DAY: i64 = 86_400;

/// A moment, as seconds since 1970 and the digits of its fraction. A time without an offset counts as UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp<'a> {
    seconds: i64,
    /// Without the zeros at its end, so that text order is number order.
    fraction: &'a [u8],
}

/// Whether this is a date: `2024-02-29`.
pub fn is_date(text: &[u8]) -> bool {
    text.len() == 10 && date(text).is_some()
}

/// A date and time: `2024-02-29T23:59:59`, with any number of digits of a second and `Z` or an offset such as `+01:00`.
/// Says whether there is an offset.
pub fn parse(text: &[u8]) -> Option<(Timestamp<'_>, bool)> {
    let days = date(text.get(..10)?)?;
    let (time, mut rest) = text.get(10..)?.split_at_checked(9)?;
    let [b'T', h1, h2, b':', m1, m2, b':', s1, s2] = *time else {
        return None;
    };
    let (hour, minute, second) = (two(h1, h2)?, two(m1, m2)?, two(s1, s2)?);
    // A leap second is the 60th.
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
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
            let seconds = hours * 3600 + minutes * 60;
            Some(if sign == b'-' { -seconds } else { seconds })
        }
        _ => return None,
    };
    let seconds = days * SECONDS_A_DAY + hour * 3600 + minute * 60 + second - offset.unwrap_or(0);
    Some((Timestamp { seconds, fraction }, offset.is_some()))
}

/// A file's time, to the nanosecond. Texts of it sort as the times do.
pub fn of_file(time: SystemTime) -> String {
    let nanoseconds = match time.duration_since(UNIX_EPOCH) {
        Ok(since) => i128::try_from(since.as_nanos()).unwrap_or(i128::MAX),
        Err(error) => -i128::try_from(error.duration().as_nanos()).unwrap_or(i128::MAX),
    };
    let (seconds, fraction) = (nanoseconds.div_euclid(1_000_000_000), nanoseconds.rem_euclid(1_000_000_000));
    let seconds = i64::try_from(seconds).unwrap_or(0);
    let (year, month, day) = civil_date(seconds.div_euclid(SECONDS_A_DAY));
    let second = seconds.rem_euclid(SECONDS_A_DAY);
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{fraction:09}Z",
        second / 3600,
        second / 60 % 60,
        second % 60
    )
}

/// The day, counted from 1970-01-01.
fn date(text: &[u8]) -> Option<i64> {
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = *text else {
        return None;
    };
    let year = two(y1, y2)? * 100 + two(y3, y4)?;
    let (month, day) = (two(m1, m2)?, two(d1, d2)?);
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days_in_month = match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if day < 1 || day > days_in_month {
        return None;
    }
    // Years begin in March, so that a leap day comes last.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    Some(year * 365 + leap_days + (153 * month + 2) / 5 + day - 1 - 719_468)
}

fn two(tens: u8, ones: u8) -> Option<i64> {
    (tens.is_ascii_digit() && ones.is_ascii_digit()).then(|| i64::from(tens - b'0') * 10 + i64::from(ones - b'0'))
}

/// The Gregorian date of a day counted from 1970-01-01.
fn civil_date(day: i64) -> (i64, i64, i64) {
    const DAYS_A_CYCLE: i64 = 146_097; // 400 years
    let day = day + 719_468; // from 0000-03-01
    let cycle = day.div_euclid(DAYS_A_CYCLE);
    let day = day.rem_euclid(DAYS_A_CYCLE);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day_of_month = day - (153 * month + 2) / 5 + 1;
    let (month, carry) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (cycle * 400 + year + carry, month, day_of_month)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

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
