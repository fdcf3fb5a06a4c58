//! Python's methods of texts, lists, dicts, dates and numbers.

use std::cell::RefCell;
use std::rc::Rc;

use chrono::{Datelike, FixedOffset, Timelike};

use super::evaluate::{Fault, Given, Result};
use super::formatting;
use super::operators::{self, count, index, text};
use super::value::{Dict, MAX_DEPTH, Value, insert};
use crate::datetime::DateTime;

const TEXT: &[&str] = &[
    "capitalize",
    "casefold",
    "center",
    "count",
    "endswith",
    "find",
    "format",
    "index",
    "isalnum",
    "isalpha",
    "isdecimal",
    "isdigit",
    "islower",
    "isnumeric",
    "isspace",
    "isupper",
    "join",
    "ljust",
    "lower",
    "lstrip",
    "partition",
    "removeprefix",
    "removesuffix",
    "replace",
    "rfind",
    "rindex",
    "rjust",
    "rpartition",
    "rsplit",
    "rstrip",
    "split",
    "splitlines",
    "startswith",
    "strip",
    "swapcase",
    "title",
    "upper",
    "zfill",
];
const LIST: &[&str] =
    &["append", "copy", "count", "extend", "index", "insert", "pop", "remove", "reverse", "sort", "clear"];
const DICT: &[&str] = &["copy", "get", "items", "keys", "pop", "setdefault", "update", "values", "clear"];
const SLICE: &[&str] = &["get", "items", "keys", "values"];
const DATE: &[&str] = &["isoformat", "isoweekday", "replace", "strftime", "toordinal", "weekday"];
const DATETIME: &[&str] = &[
    "astimezone",
    "date",
    "fromisoformat",
    "fromtimestamp",
    "now",
    "strptime",
    "timestamp",
    "today",
    "utcnow",
    "utcfromtimestamp",
];

/// Whether a value has a method of this name.
pub fn is_method(value: &Value<'_>, name: &str) -> bool {
    let names = match value {
        Value::Text(_) => TEXT,
        Value::List(_) | Value::JsonList(_) => LIST,
        Value::Tuple(_) => &["count", "index"],
        Value::Dict(_) | Value::JsonDict(_) | Value::Headers(_) => DICT,
        Value::Slice(_) => SLICE,
        Value::DateTime(_) => return DATE.contains(&name) || DATETIME.contains(&name),
        Value::Date(_) => DATE,
        Value::Span(_) => &["total_seconds"],
        Value::Float(_) => &["is_integer"],
        Value::Namespace(_) => &["cycle"],
        _ => return false,
    };
    names.contains(&name)
}

/// Calls a method of a value.
pub fn call<'a>(of: &Value<'a>, name: &str, given: Given<'a>) -> Result<Value<'a>> {
    match of {
        Value::Text(of) => of_text(of, name, given),
        Value::List(elements) => of_list(of, Some(elements), name, given),
        Value::JsonList(_) | Value::Tuple(_) => of_list(of, None, name, given),
        Value::Dict(entries) => of_dict(of, Some(entries), name, given),
        Value::JsonDict(_) | Value::Headers(_) | Value::Slice(_) => of_dict(of, None, name, given),
        Value::DateTime(datetime) => of_datetime(datetime, name, given),
        Value::Date(date) => of_date(&DateTime::of_date(*date), false, name, given),
        Value::Span(span) => Ok(Value::Float(span.total_seconds())),
        Value::Float(float) => Ok(Value::Bool(float.fract() == 0.0)),
        Value::Namespace(_) => cycle(of, given),
        other => Err(Fault::type_of(other, "something with methods")),
    }
}

/// `loop.cycle`
fn cycle<'a>(of: &Value<'a>, given: Given<'a>) -> Result<Value<'a>> {
    let index = super::access::attribute(of, "index0")?.as_int().and_then(|index| usize::try_from(index).ok());
    let length = given.positional.len().max(1);
    let found = given.positional.into_iter().nth(index.unwrap_or_default() % length);
    found.ok_or_else(|| Fault::Type("cycle wants values".to_owned()))
}

fn int<'a>(int: usize) -> Value<'a> {
    Value::Int(i128::try_from(int).unwrap_or_default())
}

/// A list or a dict that the scope has is not the template's to change.
fn not_changed<'a>(name: &str) -> Result<Value<'a>> {
    Err(Fault::Other(format!("{name} would change what is not the template's own, which is not supported")))
}

/// A list or a dict within itself would have no end.
fn refuse_endless(given: &Given<'_>, own: *const ()) -> Result<()> {
    let mut values = given.positional.iter().chain(given.named.iter().map(|(_, value)| value));
    if values.any(|value| value.has_no_end(own, MAX_DEPTH)) {
        return Err(Fault::Other("values are put into each other without an end".to_owned()));
    }
    Ok(())
}

fn is_blank(character: char) -> bool {
    character.is_whitespace() || matches!(character, '\u{1c}'..='\u{1f}')
}

fn stripped<'t>(of: &'t str, what: Option<&Value<'_>>, left: bool, right: bool) -> Result<&'t str> {
    let what = match what {
        None | Some(Value::None) => None,
        Some(what) => Some(text(what)?),
    };
    let is_stripped = |character: char| what.map_or(is_blank(character), |what| what.contains(character));
    let of = if left { of.trim_start_matches(is_stripped) } else { of };
    Ok(if right { of.trim_end_matches(is_stripped) } else { of })
}

fn split<'a>(of: &str, name: &str, given: Given<'a>) -> Result<Value<'a>> {
    let [separator, most] = given.bind(["sep", "maxsplit"], 0)?;
    let most = most.map(|most| index(&most)).transpose()?.filter(|most| *most >= 0);
    let most = most.map_or(usize::MAX, |most| usize::try_from(most).unwrap_or(usize::MAX));
    let is_right = name == "rsplit";
    let mut parts: Vec<&str> = Vec::new();
    match separator {
        None | Some(Value::None) => {
            let mut rest = if is_right { of.trim_end_matches(is_blank) } else { of.trim_start_matches(is_blank) };
            while !rest.is_empty() {
                let at = if is_right { rest.rfind(is_blank) } else { rest.find(is_blank) };
                // What is over is one part, with its blanks.
                let Some(at) = at.filter(|_| parts.len() < most) else {
                    parts.push(rest);
                    break;
                };
                if is_right {
                    let (before, part) = rest.split_at_checked(at).unwrap_or((rest, ""));
                    parts.push(part.trim_start_matches(is_blank));
                    rest = before.trim_end_matches(is_blank);
                } else {
                    let (part, after) = rest.split_at_checked(at).unwrap_or((rest, ""));
                    parts.push(part);
                    rest = after.trim_start_matches(is_blank);
                }
            }
        }
        Some(separator) => {
            let separator = text(&separator)?;
            if separator.is_empty() {
                return Err(Fault::Other("a text is split by an empty one".to_owned()));
            }
            let most = most.saturating_add(1);
            parts = if is_right { of.rsplitn(most, separator).collect() } else { of.splitn(most, separator).collect() };
        }
    }
    if is_right {
        parts.reverse();
    }
    Ok(Value::list(parts.into_iter().map(|part| Value::text(part.to_owned())).collect()))
}

fn padded<'a>(of: &str, name: &str, given: Given<'a>) -> Result<Value<'a>> {
    let [width, fill] = given.bind(["width", "fillchar"], 1)?;
    let width = width.map(|width| count(&width)).transpose()?.unwrap_or_default();
    let fill = fill.as_ref().map(text).transpose()?.unwrap_or(" ");
    let length = of.chars().count();
    let missing = width.saturating_sub(length);
    short_enough(Some(missing))?;
    // Python puts the odd one to the left where the width is odd.
    let left = match name {
        "ljust" => 0,
        "rjust" => missing,
        _ => missing / 2 + (missing & width & 1),
    };
    Ok(Value::text(format!("{}{of}{}", fill.repeat(left), fill.repeat(missing - left))))
}

/// Where a part begins in characters, in a part of the text between two places.
fn found<'a>(of: &str, name: &str, given: Given<'a>) -> Result<Option<Value<'a>>> {
    let [part, start, end] = given.bind(["sub", "start", "end"], 1)?;
    let part = part.unwrap_or(Value::None);
    let part = text(&part)?;
    let bounds = [start, end, None];
    let first = bounds[0].as_ref().map(index).transpose()?.unwrap_or_default();
    let length = of.chars().count();
    let first = if first < 0 { first + i128::try_from(length).unwrap_or_default() } else { first };
    let first = usize::try_from(first.max(0)).unwrap_or(usize::MAX);
    let within = super::access::slice(&Value::text(of.to_owned()), bounds)?;
    let within = within.as_text().unwrap_or_default();
    if first > length {
        return Ok((name == "count").then(|| int(0)));
    }
    if name == "count" {
        let times = if part.is_empty() { within.chars().count() + 1 } else { within.matches(part).count() };
        return Ok(Some(int(times)));
    }
    let at = if name.starts_with('r') { within.rfind(part) } else { within.find(part) };
    Ok(at.map(|at| int(first + within.get(..at).unwrap_or_default().chars().count())))
}

/// Refuses a text that would be too long, before it is made.
pub fn short_enough(length: Option<usize>) -> Result<()> {
    match length.is_some_and(|length| length <= super::evaluate::MAX_TEXT) {
        true => Ok(()),
        false => Err(Fault::Other("the text is too long".to_owned())),
    }
}

/// A text with another one in the place of a part, so many times.
pub fn text_replaced(of: &str, old: &str, new: &str, times: usize) -> Result<String> {
    if new.len() > old.len() {
        let found = of.matches(old).take(times).count();
        short_enough(found.checked_mul(new.len()).and_then(|length| length.checked_add(of.len())))?;
    }
    Ok(of.replacen(old, new, times))
}

fn title(of: &str) -> String {
    let mut is_within = false;
    let mut out = String::with_capacity(of.len());
    for character in of.chars() {
        if is_within {
            out.extend(character.to_lowercase());
        } else {
            out.extend(character.to_uppercase());
        }
        is_within = character.is_alphabetic();
    }
    out
}

pub fn capitalize(of: &str) -> String {
    let mut characters = of.chars();
    let first: String = characters.next().into_iter().flat_map(char::to_uppercase).collect();
    first + &characters.as_str().to_lowercase()
}

fn has_prefix<'a>(of: &str, given: Given<'a>, is: fn(&str, &str) -> bool) -> Result<Value<'a>> {
    let [prefix] = given.bind(["prefix"], 1)?;
    let prefix = prefix.unwrap_or(Value::None);
    if let Value::Tuple(prefixes) = &prefix {
        let mut holds = false;
        for prefix in prefixes.iter() {
            holds |= is(of, text(prefix)?);
        }
        return Ok(Value::Bool(holds));
    }
    Ok(Value::Bool(is(of, text(&prefix)?)))
}

fn of_text<'a>(of: &str, name: &str, given: Given<'a>) -> Result<Value<'a>> {
    let every = |is: fn(char) -> bool| Value::Bool(!of.is_empty() && of.chars().all(is));
    let cased =
        |is: fn(char) -> bool, is_not: fn(char) -> bool| Value::Bool(of.chars().any(is) && !of.chars().any(is_not));
    Ok(match name {
        "split" | "rsplit" => split(of, name, given)?,
        "strip" | "lstrip" | "rstrip" => {
            let [what] = given.bind(["chars"], 0)?;
            Value::text(stripped(of, what.as_ref(), name != "rstrip", name != "lstrip")?.to_owned())
        }
        "replace" => {
            let [old, new, times] = given.bind(["old", "new", "count"], 2)?;
            let (old, new) = (old.unwrap_or(Value::None), new.unwrap_or(Value::None));
            let (old, new) = (text(&old)?, text(&new)?);
            let times = times.map(|times| index(&times)).transpose()?.filter(|times| *times >= 0);
            let times = times.map_or(usize::MAX, |times| usize::try_from(times).unwrap_or(usize::MAX));
            Value::text(text_replaced(of, old, new, times)?)
        }
        "join" => {
            let [parts] = given.bind(["iterable"], 1)?;
            let parts = parts.unwrap_or(Value::None);
            let parts = parts.iterate().ok_or_else(|| Fault::type_of(&parts, "a list"))?;
            // Python's join takes no undefined for a text.
            let wrong = parts.iter().find(|part| part.as_text().is_none());
            if let Some(wrong) = wrong {
                return Err(Fault::Type(format!("{} is joined where a str is wanted", wrong.type_name())));
            }
            let lengths = parts.iter().filter_map(Value::as_text).map(str::len);
            short_enough(lengths.chain([of.len().saturating_mul(parts.len())]).try_fold(0, usize::checked_add))?;
            Value::text(parts.iter().filter_map(Value::as_text).collect::<Vec<_>>().join(of))
        }
        "lower" => Value::text(of.to_lowercase()),
        "casefold" => Value::text(of.to_lowercase().replace('ß', "ss")),
        "upper" => Value::text(of.to_uppercase()),
        "title" => Value::text(title(of)),
        "capitalize" => Value::text(capitalize(of)),
        "swapcase" => Value::text(
            of.chars()
                .map(|next| {
                    if next.is_uppercase() { next.to_lowercase().to_string() } else { next.to_uppercase().to_string() }
                })
                .collect::<String>(),
        ),
        "startswith" => has_prefix(of, given, |of, prefix| of.starts_with(prefix))?,
        "endswith" => has_prefix(of, given, |of, suffix| of.ends_with(suffix))?,
        "removeprefix" | "removesuffix" => {
            let [affix] = given.bind(["affix"], 1)?;
            let affix = affix.unwrap_or(Value::None);
            let affix = text(&affix)?;
            let rest = if name == "removeprefix" { of.strip_prefix(affix) } else { of.strip_suffix(affix) };
            Value::text(rest.unwrap_or(of).to_owned())
        }
        "count" => found(of, name, given)?.unwrap_or(Value::Int(0)),
        "find" | "rfind" => found(of, name, given)?.unwrap_or(Value::Int(-1)),
        "index" | "rindex" => {
            found(of, name, given)?.ok_or_else(|| Fault::Other("a text is not in another".to_owned()))?
        }
        "ljust" | "rjust" | "center" => padded(of, name, given)?,
        "zfill" => {
            let [width] = given.bind(["width"], 1)?;
            let width = width.map(|width| count(&width)).transpose()?.unwrap_or_default();
            let (sign, digits) = match of.strip_prefix(['-', '+']) {
                Some(digits) => of.split_at(of.len() - digits.len()),
                None => ("", of),
            };
            let missing = width.saturating_sub(of.chars().count());
            short_enough(Some(missing))?;
            Value::text(format!("{sign}{}{digits}", "0".repeat(missing)))
        }
        "splitlines" => Value::list(of.lines().map(|line| Value::text(line.to_owned())).collect()),
        "partition" | "rpartition" => {
            let [separator] = given.bind(["sep"], 1)?;
            let separator = separator.unwrap_or(Value::None);
            let separator = text(&separator)?;
            if separator.is_empty() {
                return Err(Fault::Other("a text is split by an empty one".to_owned()));
            }
            let parts = if name == "partition" { of.split_once(separator) } else { of.rsplit_once(separator) };
            let parts = match parts {
                Some((before, after)) => [before, separator, after],
                None if name == "partition" => [of, "", ""],
                None => ["", "", of],
            };
            Value::tuple(parts.into_iter().map(|part| Value::text(part.to_owned())).collect())
        }
        "isdigit" | "isdecimal" | "isnumeric" => every(|next| next.is_numeric()),
        "isalpha" => every(char::is_alphabetic),
        "isalnum" => every(char::is_alphanumeric),
        "isspace" => every(is_blank),
        "islower" => cased(char::is_lowercase, char::is_uppercase),
        "isupper" => cased(char::is_uppercase, char::is_lowercase),
        _ => Value::text(formatting::format(of, given)?),
    })
}

fn of_list<'a>(
    of: &Value<'a>,
    own: Option<&Rc<RefCell<Vec<Value<'a>>>>>,
    name: &str,
    given: Given<'a>,
) -> Result<Value<'a>> {
    let elements = of.iterate().unwrap_or_default();
    match name {
        "copy" => return Ok(Value::list(elements)),
        "count" => {
            let [value] = given.bind(["value"], 1)?;
            let value = value.unwrap_or(Value::None);
            return Ok(int(elements.iter().filter(|element| element.equals(&value)).count()));
        }
        "index" => {
            let [value] = given.bind(["value"], 1)?;
            let value = value.unwrap_or(Value::None);
            let at = elements.iter().position(|element| element.equals(&value));
            return at.map(int).ok_or_else(|| Fault::Other("a value is not in a list".to_owned()));
        }
        _ => {}
    }
    let Some(own) = own else { return not_changed(name) };
    refuse_endless(&given, Rc::as_ptr(own).cast())?;
    match name {
        "append" => {
            let [value] = given.bind(["object"], 1)?;
            let value = value.unwrap_or(Value::None);
            own.borrow_mut().push(value);
        }
        "extend" => {
            let [values] = given.bind(["iterable"], 1)?;
            let values = values.unwrap_or(Value::None);
            let values = values.iterate().ok_or_else(|| Fault::type_of(&values, "a list"))?;
            own.borrow_mut().extend(values);
        }
        "insert" => {
            let [at, value] = given.bind(["index", "object"], 2)?;
            let mut own = own.borrow_mut();
            let length = i128::try_from(own.len()).unwrap_or_default();
            let at = at.map(|at| index(&at)).transpose()?.unwrap_or_default();
            let at = if at < 0 { (at + length).max(0) } else { at.min(length) };
            own.insert(usize::try_from(at).unwrap_or_default(), value.unwrap_or(Value::None));
        }
        "pop" => {
            let [at] = given.bind(["index"], 0)?;
            let mut own = own.borrow_mut();
            let length = i128::try_from(own.len()).unwrap_or_default();
            let at = at.map(|at| index(&at)).transpose()?.unwrap_or(-1);
            let at = usize::try_from(if at < 0 { at + length } else { at }).ok().filter(|at| *at < own.len());
            return match at {
                Some(at) => Ok(own.remove(at)),
                None => Err(Fault::Other("a list has no such element".to_owned())),
            };
        }
        "remove" => {
            let [value] = given.bind(["value"], 1)?;
            let value = value.unwrap_or(Value::None);
            match elements.iter().position(|element| element.equals(&value)) {
                Some(at) => drop(own.borrow_mut().remove(at)),
                None => return Err(Fault::Other("a value is not in a list".to_owned())),
            }
        }
        "reverse" => own.borrow_mut().reverse(),
        "clear" => own.borrow_mut().clear(),
        _ => {
            let [key, reverse] = given.bind(["key", "reverse"], 0)?;
            if key.is_some() {
                return Err(Fault::Other("sort by a key is not supported".to_owned()));
            }
            let mut sorted = elements;
            operators::sort(&mut sorted, |value| value)?;
            if reverse.is_some_and(|reverse| reverse.is_true()) {
                sorted.reverse();
            }
            own.replace(sorted);
        }
    }
    Ok(Value::None)
}

fn of_dict<'a>(of: &Value<'a>, own: Option<&Dict<'a>>, name: &str, given: Given<'a>) -> Result<Value<'a>> {
    let hashable = |key: Option<Value<'a>>| {
        let key = key.unwrap_or(Value::None);
        let fault = Fault::Type(format!("a {} can not be a key", key.type_name()));
        if key.is_hashable() { Ok(key) } else { Err(fault) }
    };
    match name {
        "get" => {
            let [key, default] = given.bind(["key", "default"], 1)?;
            let key = hashable(key)?;
            return Ok(of.entry(&key).or(default).unwrap_or(Value::None));
        }
        "keys" => return Ok(Value::list(of.iterate().unwrap_or_default())),
        "values" => {
            return Ok(Value::list(of.entries().unwrap_or_default().into_iter().map(|(_, value)| value).collect()));
        }
        "items" => {
            let items = of.entries().unwrap_or_default().into_iter().map(|(key, value)| Value::tuple(vec![key, value]));
            return Ok(Value::list(items.collect()));
        }
        "copy" => return Ok(Value::dict(of.entries().unwrap_or_default())),
        _ => {}
    }
    let Some(own) = own else { return not_changed(name) };
    refuse_endless(&given, Rc::as_ptr(own).cast())?;
    match name {
        "pop" => {
            let [key, default] = given.bind(["key", "default"], 1)?;
            let key = hashable(key)?;
            let mut own = own.borrow_mut();
            match (own.iter().position(|(known, _)| known.equals(&key)), default) {
                (Some(at), _) => Ok(own.remove(at).1),
                (None, Some(default)) => Ok(default),
                (None, None) => Err(Fault::Other("a dict has no such key".to_owned())),
            }
        }
        "setdefault" => {
            let [key, default] = given.bind(["key", "default"], 1)?;
            let key = hashable(key)?;
            if let Some(found) = of.entry(&key) {
                return Ok(found);
            }
            let default = default.unwrap_or(Value::None);
            insert(&mut own.borrow_mut(), key, default.clone());
            Ok(default)
        }
        "update" => {
            for with in given.positional {
                let entries = with.entries().ok_or_else(|| Fault::type_of(&with, "a dict"))?;
                for (key, value) in entries {
                    insert(&mut own.borrow_mut(), key, value);
                }
            }
            for (key, value) in given.named {
                insert(&mut own.borrow_mut(), Value::text(key), value);
            }
            Ok(Value::None)
        }
        _ => {
            own.borrow_mut().clear();
            Ok(Value::None)
        }
    }
}

/// What a date could not be read from stays untold: it may be of the config.
pub fn not_a_date() -> Fault {
    Fault::Other("a text is no date of the wanted format".to_owned())
}

fn of_datetime<'a>(of: &DateTime, name: &str, given: Given<'a>) -> Result<Value<'a>> {
    let wrong = Fault::Other;
    Ok(match name {
        "date" => Value::Date(of.local.date()),
        "timestamp" => Value::Float(of.timestamp()),
        "strptime" => {
            let [date, format] = given.bind(["date_string", "format"], 2)?;
            let (date, format) = (date.unwrap_or(Value::None), format.unwrap_or(Value::None));
            Value::DateTime(DateTime::strptime(text(&date)?, text(&format)?).map_err(|_| not_a_date())?)
        }
        "fromtimestamp" | "utcfromtimestamp" => {
            let [seconds, zone] = given.bind(["timestamp", "tz"], 1)?;
            let seconds = seconds.unwrap_or(Value::None);
            let seconds = seconds.as_float().ok_or_else(|| Fault::type_of(&seconds, "a number"))?;
            if zone.is_some_and(|zone| !matches!(zone, Value::None)) {
                return Err(Fault::Other("a time zone of fromtimestamp is not supported".to_owned()));
            }
            // The connector's clock is UTC's.
            Value::DateTime(DateTime { offset: None, ..DateTime::of_timestamp(seconds).map_err(wrong)? })
        }
        "fromisoformat" => {
            let [date] = given.bind(["date_string"], 1)?;
            let date = date.unwrap_or(Value::None);
            Value::DateTime(DateTime::parse_iso8601(text(&date)?).map_err(|_| not_a_date())?)
        }
        "now" | "today" | "utcnow" => Value::DateTime(DateTime { offset: None, ..DateTime::now() }),
        "astimezone" => {
            if given.positional.iter().chain(given.named.iter().map(|(_, value)| value)).count() > 0 {
                return Err(Fault::Other("a time zone of astimezone is not supported".to_owned()));
            }
            Value::DateTime(of.to_utc())
        }
        _ => of_date(of, true, name, given)?,
    })
}

fn of_date<'a>(of: &DateTime, with_time: bool, name: &str, given: Given<'a>) -> Result<Value<'a>> {
    Ok(match name {
        "strftime" => {
            let [format] = given.bind(["format"], 1)?;
            Value::text(of.strftime(text(&format.unwrap_or(Value::None))?))
        }
        "isoformat" if !with_time => Value::text(of.strftime("%F")),
        "isoformat" => {
            let [separator, precision] = given.bind(["sep", "timespec"], 0)?;
            let separator = separator.as_ref().map(text).transpose()?.and_then(|text| text.chars().next());
            let mut shown = *of;
            let mut text = String::new();
            match precision.as_ref().map(operators::text).transpose()? {
                None | Some("auto") => text = of.isoformat(separator.unwrap_or('T')),
                Some(precision) => {
                    let format = match precision {
                        "hours" => "%H",
                        "minutes" => "%H:%M",
                        "seconds" => "%H:%M:%S",
                        "milliseconds" => "%H:%M:%S.",
                        "microseconds" => "%H:%M:%S.%f",
                        _ => return Err(Fault::Other("isoformat has no such timespec".to_owned())),
                    };
                    text += &of.strftime(&format!("%F{}{format}", separator.unwrap_or('T')));
                    if precision == "milliseconds" {
                        text += &format!("{:03}", of.microsecond() / 1000);
                    }
                    shown.local = chrono::NaiveDateTime::default();
                    text += shown.isoformat('T').get(19..).unwrap_or_default();
                }
            }
            Value::text(text)
        }
        "weekday" => Value::Int(of.local.weekday().num_days_from_monday().into()),
        "isoweekday" => Value::Int(of.local.weekday().number_from_monday().into()),
        "toordinal" => Value::Int(of.local.num_days_from_ce().into()),
        _ => replaced(of, with_time, given)?,
    })
}

fn replaced<'a>(of: &DateTime, with_time: bool, given: Given<'a>) -> Result<Value<'a>> {
    let names = ["year", "month", "day", "hour", "minute", "second", "microsecond", "tzinfo"];
    let [year, month, day, hour, minute, second, microsecond, zone] = given.bind(names, 0)?;
    let number = |value: Option<Value<'a>>, default: u32| match value {
        None => Ok(default),
        Some(value) => {
            u32::try_from(index(&value)?).map_err(|_| Fault::Other("a part of a date is out of range".to_owned()))
        }
    };
    let local = of.local;
    let year = number(year, u32::try_from(local.year()).unwrap_or_default())?;
    let date = chrono::NaiveDate::from_ymd_opt(
        i32::try_from(year).unwrap_or_default(),
        number(month, local.month())?,
        number(day, local.day())?,
    );
    let date = date.filter(|date| (1..=9999).contains(&date.year()));
    let local = date.and_then(|date| {
        let hour = number(hour, local.hour()).ok()?;
        let minute = number(minute, local.minute()).ok()?;
        let second = number(second, local.second()).ok()?;
        date.and_hms_micro_opt(hour, minute, second, number(microsecond, of.microsecond()).ok()?)
    });
    let local = local.ok_or_else(|| Fault::Other("a part of a date is out of range".to_owned()))?;
    let offset: Option<FixedOffset> = match zone {
        None => of.offset,
        Some(Value::None) => None,
        Some(_) => return Err(Fault::Other("a tzinfo of replace is not supported".to_owned())),
    };
    Ok(if with_time { Value::DateTime(DateTime { local, offset }) } else { Value::Date(local.date()) })
}
