//! Dates and times of ISO 8601, as dateutil's isoparse reads them.

use chrono::{FixedOffset, NaiveDate, TimeDelta, Weekday};

use super::{DateTime, Result};

pub fn parse(text: &str) -> Result<DateTime> {
    let wrong = || format!("{text:?} is no date of ISO 8601");
    if !text.is_ascii() {
        return Err(wrong());
    }
    let (date, rest) = common_date(text).or_else(|| uncommon_date(text)).ok_or_else(wrong)?;
    let date = date.ok_or_else(wrong)?;
    let mut datetime = DateTime::of_date(date);
    // Any character may stand between date and time.
    if let Some(rest) = rest.get(1..) {
        let (seconds, microseconds, offset) = time(rest).ok_or_else(wrong)?;
        let delta = TimeDelta::seconds(seconds) + TimeDelta::microseconds(microseconds);
        datetime.local = datetime.local.checked_add_signed(delta).ok_or_else(wrong)?;
        datetime.offset = offset;
    }
    Ok(datetime)
}

/// The next so many digits.
fn digits(rest: &mut &str, count: usize) -> Option<u32> {
    let (number, after) = rest.split_at_checked(count)?;
    if !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    *rest = after;
    number.parse().ok()
}

fn separator(rest: &mut &str, separator: char) -> bool {
    let after = rest.strip_prefix(separator);
    *rest = after.unwrap_or(rest);
    after.is_some()
}

/// `2024`, `2024-01`, `2024-01-02`, `20240102`, and what comes after. No date within where there is none of these numbers.
fn common_date(text: &str) -> Option<(Option<NaiveDate>, &str)> {
    let mut rest = text;
    let year = digits(&mut rest, 4)?.try_into().ok()?;
    if year == 0 {
        return Some((None, rest));
    }
    if rest.is_empty() {
        return Some((NaiveDate::from_ymd_opt(year, 1, 1), rest));
    }
    let is_separated = separator(&mut rest, '-');
    let month = digits(&mut rest, 2)?;
    if rest.is_empty() {
        return is_separated.then(|| (NaiveDate::from_ymd_opt(year, month, 1), rest));
    }
    if is_separated && !separator(&mut rest, '-') {
        return None;
    }
    let day = digits(&mut rest, 2)?;
    Some((NaiveDate::from_ymd_opt(year, month, day), rest))
}

/// `2024-W01`, `2024-W01-1`, `2024-123`, and what comes after.
fn uncommon_date(text: &str) -> Option<(Option<NaiveDate>, &str)> {
    let mut rest = text;
    let year = digits(&mut rest, 4)?.try_into().ok()?;
    let is_separated = separator(&mut rest, '-');
    if !separator(&mut rest, 'W') {
        let ordinal = digits(&mut rest, 3)?;
        return Some((NaiveDate::from_yo_opt(year, ordinal), rest));
    }
    let week = digits(&mut rest, 2)?;
    let mut day = 1;
    if !rest.is_empty() {
        if separator(&mut rest, '-') != is_separated {
            return None;
        }
        day = digits(&mut rest, 1)?;
    }
    if !(1..=53).contains(&week) || !(1..=7).contains(&day) {
        return None;
    }
    let first = NaiveDate::from_isoywd_opt(year, 1, Weekday::Mon)?;
    let days = TimeDelta::days(i64::from((week - 1) * 7 + day - 1));
    Some((first.checked_add_signed(days), rest))
}

type Time = (i64, i64, Option<FixedOffset>);

/// Seconds, microseconds and time zone of `hh`, `hh:mm`, `hh:mm:ss.ffffff`, `hhmmss`, with `Z` or `+hh:mm`.
fn time(text: &str) -> Option<Time> {
    let mut rest = text;
    let mut parts = [0_i64; 3];
    let mut microseconds = 0;
    let mut offset = None;
    let mut is_separated = false;
    if rest.len() < 2 {
        return None;
    }
    for component in 0..5 {
        if rest.is_empty() {
            break;
        }
        if rest.starts_with(['-', '+', 'Z', 'z']) {
            offset = Some(time_zone(rest)?);
            rest = "";
            break;
        }
        if component == 1 {
            is_separated = separator(&mut rest, ':');
        } else if component == 2 && is_separated && !separator(&mut rest, ':') {
            return None;
        }
        match parts.get_mut(component) {
            Some(part) => *part = digits(&mut rest, 2)?.into(),
            None if component == 3 => microseconds = fraction(&mut rest).unwrap_or_default(),
            None => {}
        }
    }
    let [hours, minutes, seconds] = parts;
    let is_midnight = hours == 24 && minutes == 0 && seconds == 0 && microseconds == 0;
    let is_time = (hours < 24 || is_midnight) && minutes < 60 && seconds < 60;
    (rest.is_empty() && is_time).then_some((hours * 3600 + minutes * 60 + seconds, microseconds, offset))
}

/// Microseconds of `.678901`.
fn fraction(rest: &mut &str) -> Option<i64> {
    let digits = rest.strip_prefix(['.', ','])?;
    let end = digits.find(|character: char| !character.is_ascii_digit()).unwrap_or(digits.len());
    let (digits, after) = digits.split_at_checked(end)?;
    if digits.is_empty() {
        return None;
    }
    *rest = after;
    format!("{:0<6}", digits.get(..6).unwrap_or(digits)).parse().ok()
}

fn time_zone(text: &str) -> Option<FixedOffset> {
    if matches!(text, "Z" | "z") {
        return FixedOffset::east_opt(0);
    }
    if !matches!(text.len(), 3 | 5 | 6) {
        return None;
    }
    let sign = if text.starts_with('-') { -1 } else { 1 };
    let mut rest = text.get(1..)?;
    let hours = digits(&mut rest, 2)?;
    separator(&mut rest, ':');
    let minutes = if rest.is_empty() && text.len() == 3 { 0 } else { digits(&mut rest, 2)? };
    let is_offset = rest.is_empty() && minutes < 60 && hours < 24;
    let seconds = i32::try_from(hours * 3600 + minutes * 60).ok()?;
    is_offset.then(|| FixedOffset::east_opt(sign * seconds)).flatten()
}
