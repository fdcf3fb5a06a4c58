//! Python's formats of texts: `'%s' % value` and `'{}'.format(value)`.

use super::access;
use super::evaluate::{Fault, Given, MAX_TEXT, Result};
use super::operators::text;
use super::value::Value;

/// `format % given`: the printf of Python.
pub fn percent<'a>(format: &str, given: &Value<'a>) -> Result<String> {
    let mut values = match given {
        Value::Tuple(values) => values.iter().cloned().collect::<Vec<_>>().into_iter(),
        other => vec![other.clone()].into_iter(),
    };
    let is_mapping = given.is_mapping();
    let mut is_named = false;
    let mut out = String::new();
    let mut rest = format.chars().peekable();
    while let Some(character) = rest.next() {
        if character != '%' {
            out.push(character);
            continue;
        }
        let mut named = None;
        if rest.next_if_eq(&'(').is_some() {
            let mut name = String::new();
            while let Some(next) = rest.next_if(|next| *next != ')') {
                name.push(next);
            }
            rest.next();
            is_named = true;
            named = Some(access::item(given, &Value::text(name))?);
        }
        let mut specification = Specification::default();
        while let Some(flag) = rest.next_if(|next| matches!(next, '-' | '0' | '+' | ' ' | '#')) {
            match flag {
                '-' => specification.align = Some('<'),
                '0' => specification.is_zero = true,
                '+' | ' ' => specification.sign = Some(flag),
                _ => {}
            }
        }
        specification.width = number(&mut rest);
        if rest.next_if_eq(&'.').is_some() {
            specification.precision = Some(number(&mut rest).unwrap_or_default());
        }
        let Some(kind) = rest.next() else { return Err(Fault::Other("a format is incomplete".to_owned())) };
        if kind == '%' {
            out.push('%');
            continue;
        }
        let value = match named {
            Some(value) => value,
            None => values.next().ok_or_else(|| Fault::Type("a format has too few values".to_owned()))?,
        };
        match kind {
            's' | 'r' => {
                let mut shown = String::new();
                if kind == 's' {
                    value.write_text(&mut shown)?;
                } else {
                    value.write_repr(&mut shown)?;
                }
                if let Some(precision) = specification.precision {
                    shown = shown.chars().take(precision).collect();
                }
                specification.is_zero = false;
                out.push_str(&specification.pad(&shown, '>'));
            }
            'd' | 'i' | 'u' | 'x' | 'X' | 'o' => {
                #[expect(clippy::cast_possible_truncation, reason = "what is larger is no number that is written so")]
                let int = match (value.as_int(), value.as_float()) {
                    (Some(int), _) => int,
                    (None, Some(float)) if !matches!(kind, 'x' | 'X' | 'o') => float as i128,
                    _ => return Err(Fault::type_of(&value, "a number")),
                };
                let digits = match kind {
                    'x' => format!("{:x}", int.unsigned_abs()),
                    'X' => format!("{:X}", int.unsigned_abs()),
                    'o' => format!("{:o}", int.unsigned_abs()),
                    _ => int.unsigned_abs().to_string(),
                };
                let digits = match specification.precision {
                    Some(precision) => format!("{digits:0>precision$}", precision = precision.min(1000)),
                    None => digits,
                };
                out.push_str(&specification.signed(int < 0, &digits));
            }
            'f' | 'F' | 'e' | 'E' | 'g' | 'G' => {
                let float = value.as_float().ok_or_else(|| Fault::type_of(&value, "a number"))?;
                let digits = float_digits(float.abs(), kind, specification.precision.unwrap_or(6));
                out.push_str(&specification.signed(float.is_sign_negative(), &digits));
            }
            _ => return Err(Fault::Other(format!("the format %{kind} is not supported"))),
        }
        if out.len() > MAX_TEXT {
            return Err(Fault::Other("the text is too long".to_owned()));
        }
    }
    if !is_named && !is_mapping && values.next().is_some() {
        return Err(Fault::Type("a format has too many values".to_owned()));
    }
    Ok(out)
}

fn number(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<usize> {
    let mut digits = String::new();
    while let Some(digit) = rest.next_if(char::is_ascii_digit) {
        digits.push(digit);
    }
    // What is wider than this is no width.
    digits.parse::<usize>().ok().map(|number| number.min(10_000))
}

/// How a value is to be written.
#[derive(Default)]
struct Specification {
    fill: Option<char>,
    align: Option<char>,
    sign: Option<char>,
    is_zero: bool,
    width: Option<usize>,
    is_grouped: bool,
    precision: Option<usize>,
    kind: Option<char>,
}

impl Specification {
    /// The specification of `{:>10.2f}`.
    fn parse(text: &str) -> Result<Self> {
        let mut specification = Specification::default();
        let mut characters: Vec<char> = text.chars().collect();
        let is_align = |at: usize| characters.get(at).is_some_and(|next| matches!(next, '<' | '>' | '^' | '='));
        let taken = if is_align(1) { 2 } else { usize::from(is_align(0)) };
        let begin: Vec<char> = characters.drain(..taken).collect();
        match begin.as_slice() {
            [fill, align] => (specification.fill, specification.align) = (Some(*fill), Some(*align)),
            [align] => specification.align = Some(*align),
            _ => {}
        }
        let rest: String = characters.into_iter().collect();
        let mut rest = rest.chars().peekable();
        specification.sign = rest.next_if(|next| matches!(next, '+' | '-' | ' ')).filter(|sign| *sign != '-');
        specification.is_zero = rest.next_if_eq(&'0').is_some();
        specification.width = number(&mut rest);
        specification.is_grouped = rest.next_if_eq(&',').is_some();
        if rest.next_if_eq(&'.').is_some() {
            specification.precision = number(&mut rest);
        }
        specification.kind = rest.next();
        if rest.next().is_some() {
            return Err(Fault::Other("a format is none that is supported".to_owned()));
        }
        Ok(specification)
    }

    fn pad(&self, text: &str, default: char) -> String {
        let missing = self.width.unwrap_or_default().saturating_sub(text.chars().count());
        let fill = self.fill.unwrap_or(' ').to_string();
        let left = match self.align.unwrap_or(default) {
            '<' => 0,
            '^' => missing / 2,
            _ => missing,
        };
        format!("{}{text}{}", fill.repeat(left), fill.repeat(missing - left))
    }

    fn signed(&self, is_negative: bool, digits: &str) -> String {
        let sign = match self.sign {
            _ if is_negative => "-",
            Some('+') => "+",
            Some(_) => " ",
            None => "",
        };
        if (self.is_zero && self.align.is_none()) || self.align == Some('=') {
            let missing = self.width.unwrap_or_default().saturating_sub(digits.chars().count() + sign.len());
            let fill = self.fill.unwrap_or('0').to_string();
            return format!("{sign}{}{digits}", fill.repeat(missing));
        }
        self.pad(&format!("{sign}{digits}"), '>')
    }
}

fn float_digits(float: f64, kind: char, precision: usize) -> String {
    let precision = precision.min(1000);
    match kind {
        'f' | 'F' => format!("{float:.precision$}"),
        'e' | 'E' => {
            let text = format!("{float:.precision$e}");
            let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
            let exponent: i32 = exponent.parse().unwrap_or_default();
            let sign = if exponent < 0 { '-' } else { '+' };
            let text = format!("{digits}e{sign}{:02}", exponent.unsigned_abs());
            if kind == 'E' { text.to_uppercase() } else { text }
        }
        _ => {
            let significant = precision.max(1);
            let text = format!("{float:.digits$e}", digits = significant - 1);
            let exponent: i32 =
                text.split_once('e').and_then(|(_, exponent)| exponent.parse().ok()).unwrap_or_default();
            let is_fixed = exponent >= -4 && exponent < i32::try_from(significant).unwrap_or(i32::MAX);
            if is_fixed {
                let decimals = i32::try_from(significant).unwrap_or_default() - 1 - exponent;
                let text = format!("{float:.decimals$}", decimals = usize::try_from(decimals).unwrap_or_default());
                if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
            } else {
                let text = float_digits(float, if kind == 'G' { 'E' } else { 'e' }, significant - 1);
                let (digits, exponent) = text.split_at(text.find(['e', 'E']).unwrap_or(text.len()));
                let digits =
                    if digits.contains('.') { digits.trim_end_matches('0').trim_end_matches('.') } else { digits };
                format!("{digits}{exponent}")
            }
        }
    }
}

/// `format.format(given)`
pub fn format<'a>(format: &str, given: Given<'a>) -> Result<String> {
    let mut out = String::new();
    let mut next_position = 0;
    let mut rest = format;
    while let Some(at) = rest.find(['{', '}']) {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        if from.starts_with("{{") || from.starts_with("}}") {
            out.push_str(from.get(..1).unwrap_or_default());
            rest = from.get(2..).unwrap_or_default();
            continue;
        }
        let end = from.find('}').filter(|_| from.starts_with('{'));
        let Some(end) = end else { return Err(Fault::Other("a format has a single brace".to_owned())) };
        let field = from.get(1..end).unwrap_or_default();
        rest = from.get(end + 1..).unwrap_or_default();
        let (field, specification) = field.split_once(':').unwrap_or((field, ""));
        if specification.contains('{') {
            return Err(Fault::Other("a format within a format is not supported".to_owned()));
        }
        let (field, conversion) = field.split_once('!').unwrap_or((field, ""));
        let name_end = field.find(['.', '[']).unwrap_or(field.len());
        let (name, path) = field.split_at(name_end);
        let position = if name.is_empty() {
            next_position += 1;
            Some(next_position - 1)
        } else {
            name.parse::<usize>().ok()
        };
        let value = match position {
            Some(position) => given.positional.get(position),
            None => given.named.iter().find(|(known, _)| known == name).map(|(_, value)| value),
        };
        let value = value.ok_or_else(|| Fault::Other("a format names a value that is not given".to_owned()))?;
        let value = along(value.clone(), path)?;
        let value = match conversion {
            "" => value,
            "s" => Value::text(value.to_text()?),
            "r" => {
                let mut text = String::new();
                value.write_repr(&mut text)?;
                Value::text(text)
            }
            _ => return Err(Fault::Other(format!("the conversion !{conversion} is not supported"))),
        };
        out.push_str(&formatted(&value, specification)?);
        if out.len() > MAX_TEXT {
            return Err(Fault::Other("the text is too long".to_owned()));
        }
    }
    out.push_str(rest);
    Ok(out)
}

/// `.name[key]`
fn along<'a>(mut value: Value<'a>, path: &str) -> Result<Value<'a>> {
    let mut rest = path;
    while !rest.is_empty() {
        if let Some(item) = rest.strip_prefix('[') {
            let (key, after) = item.split_once(']').ok_or_else(|| Fault::Other("a format lacks a ]".to_owned()))?;
            let key = key.parse().map_or_else(|_| Value::text(key.to_owned()), Value::Int);
            value = access::item(&value, &key)?;
            rest = after;
        } else {
            let after = rest.get(1..).unwrap_or_default();
            let end = after.find(['.', '[']).unwrap_or(after.len());
            let (name, after) = after.split_at(end);
            value = access::attribute(&value, name)?;
            rest = after;
        }
    }
    Ok(value)
}

fn formatted(value: &Value<'_>, specification: &str) -> Result<String> {
    if specification.is_empty() {
        return value.to_text();
    }
    match value {
        Value::DateTime(datetime) => return Ok(datetime.strftime(specification)),
        Value::Date(date) => return Ok(crate::datetime::DateTime::of_date(*date).strftime(specification)),
        _ => {}
    }
    let specification = Specification::parse(specification)?;
    let grouped = |digits: String| if specification.is_grouped { group(&digits) } else { digits };
    match (value, specification.kind) {
        (Value::Text(_), None | Some('s')) => {
            let shown = text(value)?;
            let shown: String = shown.chars().take(specification.precision.unwrap_or(usize::MAX)).collect();
            Ok(specification.pad(&shown, '<'))
        }
        (value, None | Some('d')) if value.as_int().is_some() => {
            let int = value.as_int().unwrap_or_default();
            Ok(specification.signed(int < 0, &grouped(int.unsigned_abs().to_string())))
        }
        (value, Some('x')) if value.as_int().is_some() => {
            let int = value.as_int().unwrap_or_default();
            Ok(specification.signed(int < 0, &format!("{:x}", int.unsigned_abs())))
        }
        (value, Some(kind @ ('f' | 'F' | 'e' | 'E' | 'g' | 'G'))) if value.as_float().is_some() => {
            let float = value.as_float().unwrap_or_default();
            let digits = float_digits(float.abs(), kind, specification.precision.unwrap_or(6));
            Ok(specification.signed(float.is_sign_negative(), &grouped(digits)))
        }
        (value, Some('%')) if value.as_float().is_some() => {
            let float = value.as_float().unwrap_or_default() * 100.0;
            let digits = float_digits(float.abs(), 'f', specification.precision.unwrap_or(6)) + "%";
            Ok(specification.signed(float.is_sign_negative(), &digits))
        }
        (Value::Float(float), None) if specification.precision.is_none() => {
            let digits = grouped(super::python_text::float_text(float.abs()));
            Ok(specification.signed(float.is_sign_negative(), &digits))
        }
        _ => Err(Fault::Other(format!("a {} has no such format", value.type_name()))),
    }
}

/// Commas between thousands.
fn group(digits: &str) -> String {
    let (whole, fraction) = digits.split_at(digits.find('.').unwrap_or(digits.len()));
    let mut out = String::new();
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    out + fraction
}
