//! A value as one line of JSON.

use std::io;

use serde::Serialize;
use serde_json::ser::{Formatter, Serializer};

/// Appends the value and a line break.
pub(crate) fn append(lines: &mut Vec<u8>, value: &(impl Serialize + ?Sized)) -> serde_json::Result<()> {
    value.serialize(&mut Serializer::with_formatter(&mut *lines, OneLine))?;
    lines.push(b'\n');
    Ok(())
}

/// Compact JSON. Only ready JSON text (serde_json's `RawValue`) can bring line breaks with it, and there they are
/// between tokens: in a string they would be escaped.
struct OneLine;

impl Formatter for OneLine {
    fn write_raw_fragment<W: ?Sized + io::Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        for part in fragment.split(['\n', '\r']) {
            writer.write_all(part.as_bytes())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::value::RawValue;

    #[test]
    fn a_line_is_one_line() {
        #[derive(Serialize)]
        struct Record<'a> {
            text: &'a str,
            raw: &'a RawValue,
        }
        let raw: &RawValue = serde_json::from_str("{\n  \"a\": [1,\r\n 2]\n}").unwrap();
        let mut lines = b"{}\n".to_vec();
        append(&mut lines, &Record { text: "x\ny", raw }).unwrap();
        assert_eq!(String::from_utf8(lines).unwrap(), "{}\n{\"text\":\"x\\ny\",\"raw\":{  \"a\": [1, 2]}}\n");
    }
}
