//! Days and seconds: a slice is found in a request, and values near "now" are told apart from all others, for the two programs of
//! a comparison do not run in the same second. It must not know manifests.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;

const DAY: i64 = 86_400;

/// How far two runs of a comparison are apart, at most.
const RUN: i64 = 600;

/// Seconds since 1970, in UTC.
pub fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs() as i64
}

/// Year, month and day of a day since 1970-01-01.
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

fn days_of(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// A moment in a format of Airbyte's cursors: strftime's, and the CDK's additions.
pub fn format(seconds: i64, format: &str) -> String {
    let (year, month, day) = civil(seconds.div_euclid(DAY));
    let rest = seconds.rem_euclid(DAY);
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    let mut text = format.to_owned();
    let directives = [
        ("%epoch_microseconds", format!("{seconds}000000")),
        ("%s_as_float", format!("{seconds}.0")),
        ("%_ms", "000".to_owned()),
        ("%ms", format!("{seconds}000")),
        ("%s", seconds.to_string()),
        ("%Y", format!("{year:04}")),
        ("%y", format!("{:02}", year % 100)),
        ("%m", format!("{month:02}")),
        ("%d", format!("{day:02}")),
        ("%H", format!("{hour:02}")),
        ("%M", format!("{minute:02}")),
        ("%S", format!("{second:02}")),
        ("%f", "000000".to_owned()),
        ("%z", "+0000".to_owned()),
        ("%Z", "UTC".to_owned()),
        (
            "%b",
            ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"][month as usize - 1]
                .to_owned(),
        ),
    ];
    for (directive, value) in directives {
        text = text.replace(directive, &value);
    }
    text
}

/// Something in a text that is a moment: where it stands, and when it is.
struct Found {
    start: usize,
    end: usize,
    seconds: i64,
    is_day: bool,
}

fn found(text: &str) -> Vec<Found> {
    let bytes = text.as_bytes();
    let mut all = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let starts_number = bytes[at].is_ascii_digit() && (at == 0 || !bytes[at - 1].is_ascii_digit());
        match starts_number.then(|| day_and_time(bytes, at).or_else(|| epoch(bytes, at))).flatten() {
            Some(moment) => {
                at = moment.end;
                all.push(moment);
            }
            None => at += 1,
        }
    }
    all
}

fn number(bytes: &[u8], at: usize, digits: usize) -> Option<i64> {
    let part = bytes.get(at..at + digits)?;
    part.iter().all(u8::is_ascii_digit).then(|| part.iter().fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0')))
}

fn day_and_time(bytes: &[u8], at: usize) -> Option<Found> {
    let (year, month, day) = (number(bytes, at, 4)?, number(bytes, at + 5, 2)?, number(bytes, at + 8, 2)?);
    let separated = matches!(bytes[at + 4], b'-' | b'/') && matches!(bytes[at + 7], b'-' | b'/');
    if !separated || !(1990..2100).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let mut moment = Found { start: at, end: at + 10, seconds: days_of(year, month, day) * DAY, is_day: true };
    if matches!(bytes.get(at + 10), Some(b'T' | b' ' | b't')) {
        if let (Some(hour), Some(minute)) = (number(bytes, at + 11, 2), number(bytes, at + 14, 2)) {
            let second = number(bytes, at + 17, 2).filter(|_| bytes[at + 16] == b':');
            moment.seconds += hour * 3600 + minute * 60 + second.unwrap_or(0);
            moment.end = if second.is_some() { at + 19 } else { at + 16 };
            moment.is_day = false;
            if bytes.get(moment.end) == Some(&b'.') {
                moment.end += 1 + bytes[moment.end + 1..].iter().take_while(|byte| byte.is_ascii_digit()).count();
            }
        }
    }
    Some(moment)
}

fn epoch(bytes: &[u8], at: usize) -> Option<Found> {
    let digits = bytes[at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let seconds = match digits {
        10 | 13 | 16 => number(bytes, at, 10)?,
        _ => return None,
    };
    let mut end = at + digits;
    if digits == 10 && bytes.get(end) == Some(&b'.') {
        end += 1 + bytes[end + 1..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    }
    (900_000_000..4_000_000_000).contains(&seconds).then_some(Found { start: at, end, seconds, is_day: false })
}

/// The first and the last moment that a text names.
pub fn span(text: &str) -> Option<(i64, i64)> {
    let moments = found(text);
    let seconds = || moments.iter().map(|moment| moment.seconds);
    Some((seconds().min()?, seconds().max()?))
}

/// What counts as hanging on now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Days before now as well: for two runs at one time, whose manifest may count from now.
    Days,
    /// What is within two days of now: for a run beside one that was recorded at another time.
    Near,
}

/// The text with what hangs on the time of the run taken out.
pub fn without_now(text: &str, now: i64, reach: Reach) -> String {
    let mut result = String::new();
    let mut from = 0;
    for moment in found(text) {
        let apart = now - moment.seconds;
        // A day, a week, a year before now: relative to it as well. A microsecond before it is the second before.
        let hangs_on_now = !moment.is_day
            && (apart.rem_euclid(DAY) <= RUN || apart.rem_euclid(DAY) >= DAY - RUN)
            && moment.seconds.rem_euclid(DAY) > 1
            && moment.seconds.rem_euclid(DAY) < DAY - 1;
        let hangs_on_now = match reach {
            Reach::Days => hangs_on_now,
            Reach::Near => apart.abs() < 2 * DAY,
        };
        if hangs_on_now {
            result += &text[from..moment.start];
            let days = (apart as f64 / DAY as f64).round();
            result += &if days == 0.0 || reach == Reach::Near { "<now>".to_owned() } else { format!("<now-{days}d>") };
            from = moment.end;
        }
    }
    result + &text[from..]
}

/// The same for all texts and numbers in a value.
pub fn value_without_now(value: &mut Value, now: i64, reach: Reach) {
    match value {
        Value::String(text) => *text = without_now(text, now, reach),
        Value::Number(figure) => {
            let text = figure.to_string();
            let replaced = without_now(&text, now, reach);
            if replaced != text {
                *value = Value::String(replaced);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| value_without_now(item, now, reach)),
        Value::Object(fields) => fields.values_mut().for_each(|field| value_without_now(field, now, reach)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_written_and_found() {
        let text = format(1_709_210_096, "%Y-%m-%dT%H:%M:%S.%_msZ %s %ms");
        assert_eq!(text, "2024-02-29T12:34:56.000Z 1709210096 1709210096000");
        assert_eq!(span(&text), Some((1_709_210_096, 1_709_210_096)));
        assert_eq!(span("from 2024-01-01 to 2024-01-31"), Some((1_704_067_200, 1_706_659_200)));
        assert_eq!(span("id 12345678901 v1"), None);
    }

    #[test]
    fn only_what_hangs_on_now_is_taken_out() {
        let now = 1_709_210_096;
        for (text, expected) in [
            ("2024-02-29T12:34:50.123456Z", "<now>Z"),
            ("a=2024-02-22T12:34:55+00:00&b=1709210095", "a=<now-7d>+00:00&b=<now>"),
            (
                "2024-02-29T00:00:00Z 2024-02-29 2024-02-28T23:59:59.999Z",
                "2024-02-29T00:00:00Z 2024-02-29 2024-02-28T23:59:59.999Z",
            ),
        ] {
            assert_eq!(without_now(text, now, Reach::Days), expected);
        }
    }
}
