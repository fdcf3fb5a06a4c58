//! Python's strptime. A directive takes as much as it can and gives back what the rest of the format needs, as Python's regular
//! expressions do.

use chrono::{FixedOffset, NaiveDate, Weekday};

use super::format::{MONTHS, WEEKDAYS};
use super::{DateTime, Result};

pub fn strptime(text: &str, format: &str) -> Result<DateTime> {
    let format: Vec<char> = expand(format).chars().collect();
    let mut fields = Fields::default();
    let mut unknown = None;
    if !matches(&format, text, &mut fields, &mut unknown) {
        return Err(match unknown {
            Some(directive) => format!("%{directive} is no directive that a date is read by"),
            None => format!("the date {text:?} is not of the format {:?}", format.iter().collect::<String>()),
        });
    }
    fields.datetime().ok_or_else(|| format!("there is no date {text:?}"))
}

/// The first directive of a format that a date is not read by.
pub fn unknown_directive(format: &str) -> Option<String> {
    let mut rest = format.chars();
    while rest.find(|letter| *letter == '%').is_some() {
        match rest.next() {
            Some(letter) if "aAbBcdfGHIjmMpSuUVwWxXyYzZ%".contains(letter) => {}
            letter => return Some(format!("%{}", letter.map(String::from).unwrap_or_default())),
        }
    }
    None
}

/// A format without directives that stand for several.
fn expand(format: &str) -> String {
    let mut out = String::new();
    let mut characters = format.chars();
    while let Some(character) = characters.next() {
        out.push(character);
        if character != '%' {
            continue;
        }
        let composed = match characters.next() {
            Some('c') => "a %b %d %H:%M:%S %Y",
            Some('x') => "m/%d/%y",
            Some('X') => "H:%M:%S",
            Some(other) => {
                out.push(other);
                continue;
            }
            None => continue,
        };
        out.push_str(composed);
    }
    out
}

#[derive(Clone, Default)]
struct Fields {
    year: Option<i32>,
    month: Option<u32>,
    day: Option<u32>,
    hour: Option<u32>,
    hour12: Option<u32>,
    is_pm: Option<bool>,
    minute: u32,
    second: u32,
    microsecond: u32,
    ordinal: Option<u32>,
    /// Days since Monday.
    weekday: Option<u32>,
    iso_year: Option<i32>,
    iso_week: Option<u32>,
    /// The year's week, and on which day it begins.
    week: Option<(u32, Weekday)>,
    offset: Option<FixedOffset>,
}

impl Fields {
    fn datetime(&self) -> Option<DateTime> {
        let hour = match (self.hour, self.hour12) {
            (Some(hour), _) => hour,
            (None, Some(hour)) => hour % 12 + if self.is_pm == Some(true) { 12 } else { 0 },
            (None, None) => 0,
        };
        let local = self.date()?.and_hms_micro_opt(hour, self.minute, self.second, self.microsecond)?;
        Some(DateTime { local, offset: self.offset })
    }

    fn date(&self) -> Option<NaiveDate> {
        if let (Some(year), Some(week)) = (self.iso_year, self.iso_week) {
            let weekday = Weekday::try_from(u8::try_from(self.weekday?).ok()?).ok()?;
            return NaiveDate::from_isoywd_opt(year, week, weekday);
        }
        // A week of a year in two calendars is none, as is a year of weeks without its week.
        if self.iso_year.is_some() || self.iso_week.is_some() {
            return None;
        }
        let year = self.year.unwrap_or(1900);
        if year == 0 {
            return None;
        }
        if let Some(ordinal) = self.ordinal {
            // Python counts on into the next year, and has no 366th day of a year that lacks it.
            return NaiveDate::from_yo_opt(year, 1)?
                .checked_add_signed(chrono::TimeDelta::days(i64::from(ordinal) - 1));
        }
        if let (Some((week, first)), Some(weekday), Some(_)) = (self.week, self.weekday, self.year) {
            let new_year = NaiveDate::from_ymd_opt(year, 1, 1)?;
            let first_days = (7 - chrono::Datelike::weekday(&new_year).days_since(first)) % 7;
            let weekday = (weekday + 7 - first.num_days_from_monday()) % 7;
            let days = i64::from(first_days) + (i64::from(week) - 1) * 7 + i64::from(weekday);
            return new_year.checked_add_signed(chrono::TimeDelta::days(days));
        }
        NaiveDate::from_ymd_opt(year, self.month.unwrap_or(1), self.day.unwrap_or(1))
    }
}

/// Whether the rest of a text is of the rest of a format. `fields` has what was found where it is.
fn matches(format: &[char], text: &str, fields: &mut Fields, unknown: &mut Option<char>) -> bool {
    let (directive, format_rest) = match format {
        [] => return text.is_empty(),
        ['%', directive, rest @ ..] => (*directive, rest),
        ['%'] => {
            *unknown = Some('%');
            return false;
        }
        [blank, rest @ ..] if blank.is_whitespace() => {
            // Any run of blanks is as many or more of them in the text.
            let run = rest.iter().take_while(|next| next.is_whitespace()).count();
            let rest = rest.get(run..).unwrap_or_default();
            let trimmed = text.trim_start();
            let mut ends: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
            ends.retain(|end| *end > 0 && *end <= text.len() - trimmed.len());
            return ends
                .into_iter()
                .rev()
                .any(|end| text.get(end..).is_some_and(|text| matches(rest, text, fields, unknown)));
        }
        [literal, rest @ ..] => {
            let Some(first) = text.chars().next() else { return false };
            let is_same = first == *literal || first.to_lowercase().eq(literal.to_lowercase());
            let text = text.get(first.len_utf8()..).unwrap_or_default();
            return is_same && matches(rest, text, fields, unknown);
        }
    };
    if directive == '%' {
        return text.strip_prefix('%').is_some_and(|text| matches(format_rest, text, fields, unknown));
    }
    let Some(candidates) = candidates(directive, text) else {
        *unknown = Some(directive);
        return false;
    };
    for length in candidates {
        let Some((taken, text)) = text.split_at_checked(length) else { continue };
        let mut with = fields.clone();
        if with.set(directive, taken) && matches(format_rest, text, &mut with, unknown) {
            *fields = with;
            return true;
        }
    }
    false
}

/// How many bytes of a text a directive may take, the best first. None of an unknown directive.
fn candidates(directive: char, text: &str) -> Option<Vec<usize>> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let exactly = |count: usize| if digits >= count { vec![count] } else { Vec::new() };
    let up_to = |count: usize| (1..=digits.min(count)).rev().collect();
    Some(match directive {
        'Y' | 'G' => exactly(4),
        'y' => exactly(2),
        'w' | 'u' => exactly(1),
        'f' => up_to(6),
        'j' => up_to(3),
        'd' if text.starts_with(' ') => vec![2],
        'd' | 'm' | 'H' | 'I' | 'M' | 'S' | 'U' | 'W' | 'V' => up_to(2),
        'B' => name_lengths(text, &MONTHS, false),
        'b' => name_lengths(text, &MONTHS, true),
        'A' => name_lengths(text, &WEEKDAYS, false),
        'a' => name_lengths(text, &WEEKDAYS, true),
        'p' => name_lengths(text, &["AM", "PM"], false),
        'Z' => name_lengths(text, &["UTC", "GMT"], false),
        'z' => offset_lengths(text),
        _ => return None,
    })
}

fn name_lengths(text: &str, names: &[&str], is_short: bool) -> Vec<usize> {
    let length = |name: &&str| if is_short { 3 } else { name.len() };
    let found = names.iter().find(|name| {
        let length = length(name);
        matches!((text.get(..length), name.get(..length)), (Some(text), Some(name)) if text.eq_ignore_ascii_case(name))
    });
    found.map(length).into_iter().collect()
}

/// `Z`, `+hhmm`, `+hh:mm`, `+hh:mm:ss.ffffff`.
fn offset_lengths(text: &str) -> Vec<usize> {
    if text.starts_with('Z') {
        return vec![1];
    }
    let bytes = text.as_bytes();
    let is_digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    let is_sixty = |at: usize| bytes.get(at).is_some_and(|byte| (b'0'..=b'5').contains(byte)) && is_digit(at + 1);
    let past_colon = |at: usize| at + usize::from(bytes.get(at) == Some(&b':'));
    if !text.starts_with(['+', '-']) || !is_digit(1) || !is_digit(2) || !is_sixty(past_colon(3)) {
        return Vec::new();
    }
    let minutes = past_colon(3) + 2;
    let mut lengths = vec![minutes];
    if is_sixty(past_colon(minutes)) {
        let seconds = past_colon(minutes) + 2;
        lengths.insert(0, seconds);
        if bytes.get(seconds) == Some(&b'.') {
            let fraction = (1..=6).take_while(|count| is_digit(seconds + count)).count();
            (1..=fraction).for_each(|count| lengths.insert(0, seconds + 1 + count));
        }
    }
    lengths
}

impl Fields {
    /// Takes what a directive has found, if it is in the directive's range.
    fn set(&mut self, directive: char, text: &str) -> bool {
        let number = || text.trim_start().parse::<u32>().ok();
        let within = |least: u32, most: u32| number().filter(|number| (least..=most).contains(number));
        let position = |names: &[&str]| {
            let is = |name: &&str| name.get(..text.len()).is_some_and(|name| name.eq_ignore_ascii_case(text));
            names.iter().position(is).and_then(|at| u32::try_from(at).ok())
        };
        match directive {
            'Y' => self.year = number().and_then(|year| year.try_into().ok()),
            'G' => self.iso_year = number().and_then(|year| year.try_into().ok()),
            'y' => {
                let year = number().and_then(|year| i32::try_from(year).ok());
                self.year = year.map(|year| if year <= 68 { 2000 + year } else { 1900 + year });
            }
            'm' => return self.month.insert_found(within(1, 12)),
            'd' => return self.day.insert_found(within(1, 31)),
            'H' => return self.hour.insert_found(within(0, 23)),
            'I' => return self.hour12.insert_found(within(1, 12)),
            'j' => return self.ordinal.insert_found(within(1, 366)),
            'V' => return self.iso_week.insert_found(within(0, 53)),
            'M' => return within(0, 59).map(|minute| self.minute = minute).is_some(),
            'S' => return within(0, 61).map(|second| self.second = second).is_some(),
            'U' | 'W' => {
                let first = if directive == 'U' { Weekday::Sun } else { Weekday::Mon };
                return within(0, 53).map(|week| self.week = Some((week, first))).is_some();
            }
            'w' => return self.weekday.insert_found(within(0, 6).map(|day| (day + 6) % 7)),
            'u' => return self.weekday.insert_found(within(1, 7).map(|day| day - 1)),
            'f' => self.microsecond = format!("{text:0<6}").parse().unwrap_or_default(),
            'B' | 'b' => self.month = position(&MONTHS).map(|month| month + 1),
            'A' | 'a' => self.weekday = position(&WEEKDAYS),
            'p' => self.is_pm = Some(text.eq_ignore_ascii_case("PM")),
            'z' => return self.offset.insert_found(offset(text)),
            _ => {}
        }
        true
    }
}

trait InsertFound<T> {
    /// Takes a value, and tells whether there is one.
    fn insert_found(&mut self, found: Option<T>) -> bool;
}

impl<T> InsertFound<T> for Option<T> {
    fn insert_found(&mut self, found: Option<T>) -> bool {
        *self = found;
        self.is_some()
    }
}

fn offset(text: &str) -> Option<FixedOffset> {
    if text == "Z" {
        return FixedOffset::east_opt(0);
    }
    let digits: String = text.chars().take_while(|next| *next != '.').filter(char::is_ascii_digit).collect();
    let part = |at: usize| digits.get(at..at + 2).and_then(|part| part.parse::<i32>().ok());
    let seconds = part(0)? * 3600 + part(2)? * 60 + part(4).unwrap_or_default();
    FixedOffset::east_opt(if text.starts_with('-') { -seconds } else { seconds })
}
