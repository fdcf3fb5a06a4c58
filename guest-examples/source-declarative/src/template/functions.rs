//! The functions that a template may call: the CDK's macros, and Jinja's `dict` and `namespace`.

use std::cell::RefCell;
use std::cmp::Ordering;
use std::fmt::Write as _;
use std::rc::Rc;

use super::evaluate::{Fault, Given, Result};
use super::methods::not_a_date;
use super::operators::{extreme, text};
use super::value::Value;
use crate::datetime::{DateTime, Duration};

pub const NAMES: &[&str] = &[
    "now_utc",
    "today_utc",
    "timestamp",
    "max",
    "min",
    "day_delta",
    "duration",
    "format_datetime",
    "str_to_datetime",
    "sanitize_url",
    "camel_case_to_snake_case",
    "generate_uuid",
    "dict",
    "namespace",
];

/// What the CDK or Jinja has, and this connector does not.
pub const UNSUPPORTED: &[&str] = &["today_with_timezone", "lipsum", "cycler", "joiner"];

/// A function's name, if there is one of this name.
pub fn name(name: &str) -> Option<&'static str> {
    NAMES.iter().find(|known| **known == name).copied()
}

pub fn call<'a>(name: &str, given: Given<'a>) -> Result<Value<'a>> {
    Ok(match name {
        "now_utc" => {
            given.bind([], 0)?;
            Value::DateTime(DateTime::now())
        }
        "today_utc" => {
            given.bind([], 0)?;
            Value::Date(DateTime::now().local.date())
        }
        "timestamp" => {
            let [datetime] = given.bind(["dt"], 1)?;
            timestamp(&datetime.unwrap_or(Value::None))?
        }
        "max" | "min" => {
            let values = most(given)?;
            let wanted = if name == "max" { Ordering::Greater } else { Ordering::Less };
            extreme(values, wanted)?.ok_or_else(|| Fault::Other(format!("{name} is of nothing")))?
        }
        "day_delta" => {
            let [days, format] = given.bind(["num_days", "format"], 1)?;
            let days = days.unwrap_or(Value::None);
            let days = days.as_float().ok_or_else(|| Fault::Type("day_delta wants a number of days".to_owned()))?;
            let duration = Duration::of_days(days).map_err(Fault::Other)?;
            let format = format.unwrap_or(Value::text("%Y-%m-%dT%H:%M:%S.%f%z"));
            Value::text(DateTime::now().plus(&duration).map_err(Fault::Other)?.strftime(text(&format)?))
        }
        "duration" => {
            let [duration] = given.bind(["datestring"], 1)?;
            match duration {
                Some(Value::Text(duration)) => Value::Span(Duration::parse(&duration).map_err(|_| not_a_duration())?),
                _ => return Err(Fault::Type("duration wants a text".to_owned())),
            }
        }
        "format_datetime" => format_datetime(given)?,
        "str_to_datetime" => {
            let [datetime] = given.bind(["s"], 1)?;
            Value::DateTime(to_datetime(&datetime.unwrap_or(Value::None))?)
        }
        "sanitize_url" => {
            let [value] = given.bind(["value"], 1)?;
            match value {
                Some(Value::Text(value)) => Value::text(quote(&value, "", true)),
                _ => return Err(Fault::Type("sanitize_url wants a text".to_owned())),
            }
        }
        "camel_case_to_snake_case" => {
            let [value] = given.bind(["value"], 1)?;
            let Some(Value::Text(value)) = value else {
                return Err(Fault::Type("camel_case_to_snake_case wants a text".to_owned()));
            };
            let mut snake = String::with_capacity(value.len() + 8);
            for (at, character) in value.char_indices() {
                if at > 0 && character.is_ascii_uppercase() {
                    snake.push('_');
                }
                snake.extend(character.to_lowercase());
            }
            Value::text(snake)
        }
        "generate_uuid" => {
            given.bind([], 0)?;
            Value::text(uuid())
        }
        "dict" | "namespace" => {
            let mut entries = Vec::new();
            for of in given.positional {
                entries.extend(of.entries().ok_or_else(|| Fault::type_of(&of, "a dict"))?);
            }
            entries.extend(given.named.into_iter().map(|(name, value)| (Value::text(name), value)));
            if name == "dict" {
                Value::dict(entries)
            } else {
                let named = entries.into_iter().map(|(name, value)| Ok((name.to_text()?, value)));
                Value::Namespace(Rc::new(RefCell::new(named.collect::<Result<_>>()?)))
            }
        }
        name => return Err(Fault::Other(format!("there is no function {name}"))),
    })
}

fn not_a_duration() -> Fault {
    Fault::Other("a text is no duration of ISO 8601, as P1D or PT1H is one".to_owned())
}

/// What `max` and `min` are of: their arguments, or the elements of the only one.
fn most<'a>(given: Given<'a>) -> Result<Vec<Value<'a>>> {
    if !given.named.is_empty() || given.positional.is_empty() {
        return Err(Fault::Type("max and min want values".to_owned()));
    }
    match given.positional.as_slice() {
        [only] => only.iterate().ok_or_else(|| Fault::type_of(only, "a list")),
        _ => Ok(given.positional),
    }
}

/// The CDK's `str_to_datetime`: in UTC, which is also what names no time zone.
fn to_datetime(value: &Value<'_>) -> Result<DateTime> {
    let datetime = DateTime::parse_iso8601(text(value)?).map_err(|_| not_a_date())?;
    Ok(datetime.to_utc())
}

fn timestamp<'a>(value: &Value<'a>) -> Result<Value<'a>> {
    if let Some(int) = value.as_int() {
        return Ok(Value::Int(int));
    }
    match value {
        Value::Float(float) if !float.is_finite() => Err(Fault::Other("a number is too large".to_owned())),
        #[expect(clippy::cast_possible_truncation, reason = "what is larger is no time")]
        Value::Float(float) => Ok(Value::Int(*float as i128)),
        value => Ok(Value::Float(to_datetime(value)?.timestamp())),
    }
}

fn format_datetime<'a>(given: Given<'a>) -> Result<Value<'a>> {
    let [value, format, input] = given.bind(["dt", "format", "input_format"], 2)?;
    let value = value.unwrap_or(Value::None);
    let format = format.unwrap_or(Value::None);
    let input = input.filter(Value::is_true);
    if let Value::DateTime(datetime) = &value {
        return Ok(Value::text(datetime.strftime(text(&format)?)));
    }
    let datetime = match (value.as_int(), &input) {
        (Some(int), input) => {
            let input = input.as_ref().map(text).transpose()?.unwrap_or("%s");
            DateTime::parse(&int.to_string(), input).map_err(|_| not_a_date())?
        }
        (None, Some(input)) => {
            let Value::Text(value) = &value else {
                return Err(Fault::Type("format_datetime wants a text".to_owned()));
            };
            DateTime::strptime(value, text(input)?).map_err(|_| not_a_date())?
        }
        (None, None) => to_datetime(&value)?,
    };
    Ok(Value::text(datetime.or_utc().format(text(&format)?)))
}

/// Python's `quote`: everything but letters, digits, `_.-~` and what is safe becomes `%XX`.
pub fn quote(value: &str, safe: &str, with_plus: bool) -> String {
    let mut out = String::with_capacity(value.len());
    for byte in value.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'.' | b'-' | b'~' => out.push(byte.into()),
            b' ' if with_plus => out.push('+'),
            _ if safe.as_bytes().contains(&byte) => out.push(byte.into()),
            _ => {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
    out
}

fn uuid() -> String {
    let random = (fastrand::u128(..) & !(0xf << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62);
    let digits = format!("{random:032x}");
    let part = |from: usize, to: usize| digits.get(from..to).unwrap_or_default();
    [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-")
}
