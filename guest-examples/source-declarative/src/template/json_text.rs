//! Python's `json.dumps`, for the filters that write JSON.

use std::fmt::Write as _;

use super::evaluate::{Fault, Result};
use super::python_text::float_text;
use super::value::Value;

/// The JSON of a value, with its keys as they are or sorted.
pub fn dumps(value: &Value<'_>, is_sorted: bool) -> Result<String> {
    let mut out = String::new();
    write(value, is_sorted, &mut out)?;
    Ok(out)
}

fn write<'a>(value: &Value<'a>, is_sorted: bool, out: &mut String) -> Result<()> {
    match value {
        Value::None => out.push_str("null"),
        Value::Bool(bool) => out.push_str(if *bool { "true" } else { "false" }),
        Value::Int(int) => {
            let _ = write!(out, "{int}");
        }
        Value::Float(float) if float.is_nan() => out.push_str("NaN"),
        Value::Float(float) if float.is_infinite() => {
            out.push_str(if *float > 0.0 { "Infinity" } else { "-Infinity" });
        }
        Value::Float(float) => out.push_str(&float_text(*float)),
        Value::Text(text) => write_text(text, out),
        // The CDK's StreamSlice and a response's headers are mappings that Python's json does not know.
        Value::Dict(_) | Value::JsonDict(_) => {
            let mut entries = value.entries().unwrap_or_default();
            if is_sorted {
                super::operators::sort(&mut entries, |(key, _)| key)?;
            }
            out.push('{');
            for (index, (key, value)) in entries.iter().enumerate() {
                if index > 0 {
                    out.push_str(", ");
                }
                match key {
                    Value::Text(text) => write_text(text, out),
                    Value::None | Value::Bool(_) | Value::Int(_) | Value::Float(_) => {
                        let mut text = String::new();
                        write(key, is_sorted, &mut text)?;
                        write_text(&text, out);
                    }
                    _ => return Err(Fault::Type(format!("a {} is no key of JSON", key.type_name()))),
                }
                out.push_str(": ");
                write(value, is_sorted, out)?;
            }
            out.push('}');
        }
        value => {
            let Some(elements) = value.elements() else {
                return Err(Fault::Type(format!("a {} is no JSON", value.type_name())));
            };
            out.push('[');
            for (index, element) in elements.iter().enumerate() {
                if index > 0 {
                    out.push_str(", ");
                }
                write(element, is_sorted, out)?;
            }
            out.push(']');
        }
    }
    Ok(())
}

fn write_text(text: &str, out: &mut String) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            ' '..='~' => out.push(character),
            _ => {
                let mut units = [0; 2];
                for unit in character.encode_utf16(&mut units) {
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
        }
    }
    out.push('"');
}
