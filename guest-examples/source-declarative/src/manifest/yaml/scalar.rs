//! What a scalar of YAML 1.1 means: PyYAML's implicit resolvers and its constructors. Knows nothing of the text around it.

use serde_json::{Number, Value};

/// The types that a scalar can be of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Null,
    Bool,
    Int,
    Float,
    Date,
    Text,
    /// `<<`, which is a text where it is no key.
    Merge,
}

impl Kind {
    pub fn of_tag(tag: &str) -> Option<Kind> {
        Some(match tag.strip_prefix("tag:yaml.org,2002:") {
            Some("null") => Kind::Null,
            Some("bool") => Kind::Bool,
            Some("int") => Kind::Int,
            Some("float") => Kind::Float,
            Some("timestamp") => Kind::Date,
            Some("str") => Kind::Text,
            Some("merge") => Kind::Merge,
            _ => return None,
        })
    }
}

/// What a plain scalar is.
pub fn kind_of(text: &str) -> Kind {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Kind::Null,
        "<<" => return Kind::Merge,
        _ => {}
    }
    if bool_of(text).is_some() {
        return Kind::Bool;
    }
    let Some(first) = text.bytes().next() else { return Kind::Null };
    if !first.is_ascii_digit() && !matches!(first, b'+' | b'-' | b'.') {
        return Kind::Text;
    }
    if is_int(text) {
        Kind::Int
    } else if is_float(text) {
        Kind::Float
    } else if date(text).is_some() {
        Kind::Date
    } else {
        Kind::Text
    }
}

/// The value of a scalar of this kind. The error says what it is not.
pub fn value(kind: Kind, text: &str) -> Result<Value, String> {
    let value = match kind {
        Kind::Null => Some(Value::Null),
        Kind::Text | Kind::Merge => Some(Value::from(text)),
        Kind::Bool => bool_of(text).map(Value::Bool),
        Kind::Int => int(text),
        Kind::Float => float(text),
        Kind::Date => date(text).map(Value::String),
    };
    value.ok_or_else(|| format!("{text:?} is no {kind:?}").to_lowercase())
}

fn bool_of(text: &str) -> Option<bool> {
    // As it is, all in small or all in capital letters, and nothing between: `yEs` is a text.
    let small = text.to_ascii_lowercase();
    let capital = text.to_ascii_uppercase();
    let mut title = small.clone();
    if let Some(first) = title.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    if text != small && text != capital && text != title {
        return None;
    }
    match small.as_str() {
        "yes" | "true" | "on" => Some(true),
        "no" | "false" | "off" => Some(false),
        _ => None,
    }
}

fn unsigned(text: &str) -> (bool, &str) {
    match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    }
}

fn is_int(text: &str) -> bool {
    let (_, digits) = unsigned(text);
    let all = |text: &str, of: fn(u8) -> bool| !text.is_empty() && text.bytes().all(|byte| byte == b'_' || of(byte));
    if let Some(binary) = digits.strip_prefix("0b") {
        return all(binary, |byte| matches!(byte, b'0' | b'1'));
    }
    if let Some(hexadecimal) = digits.strip_prefix("0x") {
        return all(hexadecimal, |byte| byte.is_ascii_hexdigit());
    }
    if let Some(octal) = digits.strip_prefix('0') {
        return octal.is_empty() || all(octal, |byte| matches!(byte, b'0'..=b'7'));
    }
    let mut parts = digits.split(':');
    let first = parts.next().unwrap_or_default();
    let begins_well = first.bytes().next().is_some_and(|byte| byte.is_ascii_digit());
    begins_well && all(first, |byte| byte.is_ascii_digit()) && parts.all(is_sixtieth)
}

/// A part of a number to the base of 60, behind the first.
fn is_sixtieth(part: &str) -> bool {
    match part.as_bytes() {
        [one] => one.is_ascii_digit(),
        [ten, one] => (b'0'..=b'5').contains(ten) && one.is_ascii_digit(),
        _ => false,
    }
}

fn int(text: &str) -> Option<Value> {
    let text = text.replace('_', "");
    let (negative, digits) = unsigned(&text);
    let magnitude = if let Some(binary) = digits.strip_prefix("0b") {
        u128::from_str_radix(binary, 2).ok()?
    } else if let Some(hexadecimal) = digits.strip_prefix("0x") {
        u128::from_str_radix(hexadecimal, 16).ok()?
    } else if digits.len() > 1 && digits.starts_with('0') {
        u128::from_str_radix(digits, 8).ok()?
    } else {
        digits.split(':').try_fold(0u128, |sum, part| sum.checked_mul(60)?.checked_add(part.parse().ok()?))?
    };
    let number = match (negative, u64::try_from(magnitude)) {
        (false, Ok(number)) => Number::from(number),
        (true, Ok(number)) if number <= i64::MIN.unsigned_abs() => Number::from(0i64.wrapping_sub_unsigned(number)),
        // Python has no limit here; what JSON's readers have is the nearest double.
        (negative, _) => Number::from_f64(if negative { -(magnitude as f64) } else { magnitude as f64 })?,
    };
    Some(Value::Number(number))
}

fn is_float(text: &str) -> bool {
    let (_, number) = unsigned(text);
    if matches!(number, ".inf" | ".Inf" | ".INF") || matches!(text, ".nan" | ".NaN" | ".NAN") {
        return true;
    }
    let Some((whole, rest)) = number.split_once('.') else { return false };
    let (fraction, exponent) = match rest.split_once(['e', 'E']) {
        Some((fraction, exponent)) => (fraction, Some(exponent)),
        None => (rest, None),
    };
    let digits = |text: &str| text.bytes().all(|byte| byte == b'_' || byte.is_ascii_digit());
    let exponent_is_right = exponent.is_none_or(|exponent| {
        // YAML 1.1 wants a sign here: `1.0e3` is a text.
        exponent
            .strip_prefix(['+', '-'])
            .is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
    });
    if !digits(fraction) || !exponent_is_right {
        return false;
    }
    if whole.is_empty() {
        return number.len() == text.len() && fraction.bytes().next().is_some_and(|byte| byte.is_ascii_digit());
    }
    let mut parts = whole.split(':');
    let first = parts.next().unwrap_or_default();
    let begins_well = first.bytes().next().is_some_and(|byte| byte.is_ascii_digit()) && digits(first);
    let sixties: Vec<&str> = parts.collect();
    begins_well && (sixties.is_empty() || (exponent.is_none() && sixties.into_iter().all(is_sixtieth)))
}

fn float(text: &str) -> Option<Value> {
    let text = text.replace('_', "").to_ascii_lowercase();
    let (negative, number) = unsigned(&text);
    // JSON has no word for these: Python's encoder, as the CDK calls it, writes null.
    if number == ".inf" || number == ".nan" {
        return Some(Value::Null);
    }
    let magnitude = number.split(':').try_fold(0f64, |sum, part| Some(sum * 60.0 + part.parse::<f64>().ok()?))?;
    Number::from_f64(if negative { -magnitude } else { magnitude }).map(Value::Number)
}

/// A date, or a date with a time, as the CDK's JSON encoder writes the Python object that PyYAML makes of it.
fn date(text: &str) -> Option<String> {
    let mut rest = text;
    let year = digits(&mut rest, 4, 4).and_then(|_| text.get(..4))?;
    rest = rest.strip_prefix('-')?;
    let month = digits(&mut rest, 1, 2)?;
    rest = rest.strip_prefix('-')?;
    let day = digits(&mut rest, 1, 2)?;
    let written = format!("{year}-{month:02}-{day:02}");
    if rest.is_empty() {
        // `2020-1-1` is a text.
        return (text.len() == 10).then_some(written);
    }
    rest = match rest.strip_prefix(['T', 't']) {
        Some(rest) => rest,
        None => {
            let time = rest.trim_start_matches([' ', '\t']);
            (time.len() < rest.len()).then_some(time)?
        }
    };
    let hour = digits(&mut rest, 1, 2)?;
    rest = rest.strip_prefix(':')?;
    let minute = digits(&mut rest, 2, 2)?;
    rest = rest.strip_prefix(':')?;
    let second = digits(&mut rest, 2, 2)?;
    let mut written = format!("{written}T{hour:02}:{minute:02}:{second:02}");
    if let Some(behind) = rest.strip_prefix('.') {
        let length = behind.bytes().take_while(u8::is_ascii_digit).count();
        let (fraction, behind) = behind.split_at(length);
        let micros = format!("{fraction:0<6}");
        if micros.get(..6)? != "000000" {
            written.push('.');
            written.push_str(micros.get(..6)?);
        }
        rest = behind;
    }
    let zone = rest.trim_start_matches([' ', '\t']);
    if zone.is_empty() {
        return (rest.is_empty()).then_some(written);
    }
    if zone == "Z" {
        return Some(written + "+00:00");
    }
    let sign = zone.chars().next().filter(|sign| matches!(sign, '+' | '-'))?;
    let mut zone = zone.get(1..)?;
    let hours = digits(&mut zone, 1, 2)?;
    let minutes = match zone.strip_prefix(':') {
        Some(mut behind) => {
            let minutes = digits(&mut behind, 2, 2)?;
            zone = behind;
            minutes
        }
        None => 0,
    };
    zone.is_empty().then(|| format!("{written}{sign}{hours:02}:{minutes:02}"))
}

/// Takes digits from the beginning of a text.
fn digits(rest: &mut &str, at_least: usize, at_most: usize) -> Option<u32> {
    let length = rest.bytes().take(at_most).take_while(u8::is_ascii_digit).count();
    let (number, behind) = (length >= at_least).then(|| rest.split_at(length))?;
    *rest = behind;
    number.parse().ok()
}
