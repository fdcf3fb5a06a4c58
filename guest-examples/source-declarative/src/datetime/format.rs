//! Python's strftime: the C library's directives, in English.

use chrono::{Datelike, FixedOffset, Timelike, Weekday};

use super::DateTime;

pub const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

pub const WEEKDAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

pub fn strftime(datetime: &DateTime, format: &str) -> String {
    let mut out = String::new();
    let mut rest = format.chars().peekable();
    while let Some(character) = rest.next() {
        if character != '%' {
            out.push(character);
            continue;
        }
        // The C library's flags: no padding, another padding, upper case.
        let mut written = String::from("%");
        let mut flag = None;
        while let Some(next) = rest.next_if(|next| matches!(next, '-' | '_' | '0' | '^' | '#')) {
            written.push(next);
            flag = Some(next);
        }
        let Some(directive) = rest.next() else {
            out.push_str(&written);
            break;
        };
        written.push(directive);
        match field(datetime, directive) {
            Some(Field::Number(number, width, padding)) => {
                let padding = match flag {
                    Some('-') => None,
                    Some('_') => Some(' '),
                    Some('0') => Some('0'),
                    _ => Some(padding),
                };
                let text = number.to_string();
                let missing = usize::from(width).saturating_sub(text.len());
                out.extend(padding.into_iter().flat_map(|padding| std::iter::repeat_n(padding, missing)));
                out.push_str(&text);
            }
            Some(Field::Text(text)) if flag == Some('^') => out.push_str(&text.to_uppercase()),
            Some(Field::Text(text)) => out.push_str(&text),
            // The C library leaves what it does not know.
            None => out.push_str(&written),
        }
    }
    out
}

enum Field {
    Number(i64, u8, char),
    Text(String),
}

fn field(datetime: &DateTime, directive: char) -> Option<Field> {
    let local = &datetime.local;
    let number = |number: u32, width| Some(Field::Number(number.into(), width, '0'));
    let blank = |number: u32| Some(Field::Number(number.into(), 2, ' '));
    let text = |text: &str| Some(Field::Text(text.to_owned()));
    let composed = |format: &str| Some(Field::Text(strftime(datetime, format)));
    let month = MONTHS.get(usize::try_from(local.month0()).unwrap_or_default()).copied().unwrap_or_default();
    let days = local.weekday().num_days_from_monday();
    let weekday = WEEKDAYS.get(usize::try_from(days).unwrap_or_default()).copied().unwrap_or_default();
    let (is_pm, hour12) = local.hour12();
    let year = i64::from(local.year());
    // Weeks of a year that begin with their first Sunday or Monday.
    let week_from = |first: Weekday| (local.ordinal0() + 7 - local.weekday().days_since(first)) / 7;
    match directive {
        'Y' => Some(Field::Number(year, 0, '0')),
        'G' => Some(Field::Number(local.iso_week().year().into(), 0, '0')),
        'C' => Some(Field::Number(year / 100, 2, '0')),
        'y' => Some(Field::Number(year % 100, 2, '0')),
        'g' => Some(Field::Number(i64::from(local.iso_week().year()) % 100, 2, '0')),
        'm' => number(local.month(), 2),
        'd' => number(local.day(), 2),
        'e' => blank(local.day()),
        'H' => number(local.hour(), 2),
        'k' => blank(local.hour()),
        'I' => number(hour12, 2),
        'l' => blank(hour12),
        'M' => number(local.minute(), 2),
        'S' => number(local.second(), 2),
        'f' => number(datetime.microsecond(), 6),
        'j' => number(local.ordinal(), 3),
        'U' => number(week_from(Weekday::Sun), 2),
        'W' => number(week_from(Weekday::Mon), 2),
        'V' => number(local.iso_week().week(), 2),
        'u' => number(local.weekday().number_from_monday(), 1),
        'w' => number(local.weekday().num_days_from_sunday(), 1),
        's' => Some(Field::Number(local.and_utc().timestamp(), 1, '0')),
        'B' => text(month),
        'b' | 'h' => text(month.get(..3)?),
        'A' => text(weekday),
        'a' => text(weekday.get(..3)?),
        'p' => text(if is_pm { "PM" } else { "AM" }),
        'P' => text(if is_pm { "pm" } else { "am" }),
        'z' => Some(Field::Text(datetime.offset.map(|offset| offset_text(offset, "")).unwrap_or_default())),
        'Z' => Some(Field::Text(match datetime.offset {
            None => String::new(),
            Some(offset) if offset.local_minus_utc() == 0 => "UTC".to_owned(),
            Some(offset) => format!("UTC{}", offset_text(offset, ":")),
        })),
        'D' | 'x' => composed("%m/%d/%y"),
        'F' => composed("%Y-%m-%d"),
        'T' | 'X' => composed("%H:%M:%S"),
        'R' => composed("%H:%M"),
        'r' => composed("%I:%M:%S %p"),
        'c' => composed("%a %b %e %H:%M:%S %Y"),
        'n' => text("\n"),
        't' => text("\t"),
        '%' => text("%"),
        _ => None,
    }
}

/// `+01:30`, with what separates hours and minutes.
pub fn offset_text(offset: FixedOffset, separator: &str) -> String {
    let seconds = offset.local_minus_utc();
    let sign = if seconds < 0 { '-' } else { '+' };
    let seconds = seconds.unsigned_abs();
    let mut text = format!("{sign}{:02}{separator}{:02}", seconds / 3600, seconds / 60 % 60);
    if seconds % 60 != 0 {
        text += &format!("{separator}{:02}", seconds % 60);
    }
    text
}
