//! Bodies of requests as Python writes them. Knows nothing of what they mean.

use std::io;

use serde::Serialize;
use serde_json::Value;
use serde_json::ser::{CharEscape, CompactFormatter, Formatter, Serializer};

/// JSON as Python's `json.dumps` writes it: spaces after commas and colons, and ASCII only.
pub fn python_json(value: &Value) -> String {
    let mut text = Vec::new();
    // Writing into memory does not fail, and every value is JSON.
    let written = value.serialize(&mut Serializer::with_formatter(&mut text, Python));
    debug_assert!(written.is_ok());
    String::from_utf8(text).unwrap_or_default()
}

struct Python;

impl Formatter for Python {
    fn write_f64<W: ?Sized + io::Write>(&mut self, writer: &mut W, value: f64) -> io::Result<()> {
        writer.write_all(crate::template::python_text(&Value::from(value)).as_bytes())
    }

    fn write_string_fragment<W: ?Sized + io::Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        for character in fragment.chars() {
            match character {
                ' '..='\u{7e}' => writer.write_all(&[character as u8])?,
                other => other.encode_utf16(&mut [0; 2]).iter().try_for_each(|unit| write!(writer, "\\u{unit:04x}"))?,
            }
        }
        Ok(())
    }

    fn write_char_escape<W: ?Sized + io::Write>(&mut self, writer: &mut W, escape: CharEscape) -> io::Result<()> {
        CompactFormatter.write_char_escape(writer, escape)
    }

    fn begin_array_value<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_key<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b": ")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn json_is_written_as_python_writes_it() {
        let value = json!({"a": [1, 2.5, true, null, "é\"\n\u{7f}😀/"], "b": {}, "c": []});
        let expected = r#"{"a": [1, 2.5, true, null, "\u00e9\"\n\u007f\ud83d\ude00/"], "b": {}, "c": []}"#;
        assert_eq!(python_json(&value), expected);
    }
}
