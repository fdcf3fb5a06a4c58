//! Python's `str` and `repr` of values. Knows nothing of templates.

use std::fmt::Write as _;

use serde_json::Value as Json;

use super::evaluate::Fault;
use super::value::Value;

/// Python's `str` of a value: `None`, `True`, `['a', 1]`, `{'a': 1.0}`; a text as it is.
pub fn python_text(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        other => {
            let mut text = String::new();
            // Whatever JSON has, Python has a text for.
            let _ = Value::of_json(other).write_repr(&mut text);
            text
        }
    }
}

impl Value<'_> {
    /// Python's `str` of it.
    pub fn to_text(&self) -> Result<String, Fault> {
        let mut text = String::new();
        self.write_text(&mut text)?;
        Ok(text)
    }

    /// Adds Python's `str` of it to a text.
    pub fn write_text(&self, out: &mut String) -> Result<(), Fault> {
        match self {
            Value::Undefined(_) => {}
            Value::Text(text) => out.push_str(text),
            Value::DateTime(datetime) => out.push_str(&datetime.to_string()),
            Value::Date(date) => out.push_str(&date.format("%Y-%m-%d").to_string()),
            Value::Span(span) => out.push_str(&span.to_string()),
            other => other.write_repr(out)?,
        }
        Ok(())
    }

    /// Adds Python's `repr` of it to a text.
    pub fn write_repr(&self, out: &mut String) -> Result<(), Fault> {
        match self {
            Value::Undefined(_) => out.push_str("Undefined"),
            Value::None => out.push_str("None"),
            Value::Bool(true) => out.push_str("True"),
            Value::Bool(false) => out.push_str("False"),
            Value::Int(int) => {
                let _ = write!(out, "{int}");
            }
            Value::Float(float) => out.push_str(&float_text(*float)),
            Value::Text(text) => write_quoted(text, out),
            Value::List(_) | Value::JsonList(_) => write_elements(self, "[", "]", out)?,
            Value::Set(elements) if elements.is_empty() => out.push_str("set()"),
            Value::Set(_) => write_elements(self, "{", "}", out)?,
            Value::Tuple(elements) => write_elements(self, "(", if elements.len() == 1 { ",)" } else { ")" }, out)?,
            Value::Dict(_) | Value::JsonDict(_) | Value::Headers(_) | Value::Slice(_) => {
                out.push('{');
                for (index, (key, value)) in self.entries().unwrap_or_default().iter().enumerate() {
                    if index > 0 {
                        out.push_str(", ");
                    }
                    key.write_repr(out)?;
                    out.push_str(": ");
                    value.write_repr(out)?;
                }
                out.push('}');
            }
            Value::DateTime(datetime) => out.push_str(&datetime.python_repr()),
            Value::Date(date) => out.push_str(&date.format("datetime.date(%-Y, %-m, %-d)").to_string()),
            Value::Span(span) => out.push_str(&span.repr()),
            Value::Namespace(_) | Value::Function(_) | Value::Method(_) => {
                return Err(Fault::Other(format!("a {} has no text", self.type_name())));
            }
        }
        Ok(())
    }
}

fn write_elements(value: &Value<'_>, open: &str, close: &str, out: &mut String) -> Result<(), Fault> {
    out.push_str(open);
    for (index, element) in value.iterate().unwrap_or_default().iter().enumerate() {
        if index > 0 {
            out.push_str(", ");
        }
        element.write_repr(out)?;
    }
    out.push_str(close);
    Ok(())
}

/// Python's text of a float: `1.0`, `0.1`, `1e+16`, `1e-05`, `inf`.
pub fn float_text(float: f64) -> String {
    if float.is_nan() {
        return "nan".to_owned();
    }
    if float.is_infinite() {
        return if float > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    // Both write the shortest digits that are read as the same number; they differ in where an exponent begins.
    let scientific = format!("{float:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if (-4..16).contains(&exponent) {
        let text = format!("{float}");
        if text.contains('.') { text } else { text + ".0" }
    } else {
        let sign = if exponent < 0 { '-' } else { '+' };
        format!("{digits}e{sign}{:02}", exponent.unsigned_abs())
    }
}

/// A text in quotes, as Python's `repr` has it: single ones, unless it has those and no double ones.
fn write_quoted(text: &str, out: &mut String) {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    out.push(quote);
    for character in text.chars() {
        match character {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            _ if character == quote => {
                out.push('\\');
                out.push(quote);
            }
            _ if is_printable(character) => out.push(character),
            _ => {
                let code = u32::from(character);
                let _ = match code {
                    0..=0xff => write!(out, "\\x{code:02x}"),
                    0x100..=0xffff => write!(out, "\\u{code:04x}"),
                    _ => write!(out, "\\U{code:08x}"),
                };
            }
        }
    }
    out.push(quote);
}

/// Python's `str.isprintable`: no controls, no separators but the blank, no formats, nothing private.
fn is_printable(character: char) -> bool {
    if character.is_control() || (character.is_whitespace() && character != ' ') {
        return false;
    }
    !matches!(u32::from(character),
        0xad | 0x600..=0x605 | 0x61c | 0x6dd | 0x70f | 0x180e | 0x200b..=0x200f | 0x202a..=0x202e | 0x2060..=0x206f
        | 0xe000..=0xf8ff | 0xfeff | 0xfff0..=0xfffb | 0xfffe | 0xffff | 0xe0000..=0xe0fff | 0xf_0000..)
}
