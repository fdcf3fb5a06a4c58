//! JSON documents that pass through the host as text: checked, never rewritten, so that no number loses a digit and no
//! field that is unknown here is lost. Knows nothing of what is in them.

use std::fmt;
use std::fs;
use std::path::Path;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::failure::Failure;

/// Checks that `text` is one JSON object and makes it fit on one line. The error says what is wrong, and where, without
/// repeating the text: it may hold secrets or a user's data.
pub fn object_on_one_line(text: &str) -> Result<Box<RawValue>, String> {
    value_on_one_line(text, b'{', "a JSON object")
}

/// The same for a JSON array.
pub fn array_on_one_line(text: &str) -> Result<Box<RawValue>, String> {
    value_on_one_line(text, b'[', "a JSON array")
}

fn value_on_one_line(text: &str, opening: u8, kind: &str) -> Result<Box<RawValue>, String> {
    let whole: &RawValue = serde_json::from_str(text).map_err(|error| format!("is not valid JSON: {error}"))?;
    let whole = whole.get().trim();
    if whole.as_bytes().first() != Some(&opening) {
        return Err(format!("is valid JSON but not {kind}"));
    }
    let line = if whole.contains(['\n', '\r']) { without_white_space(whole) } else { whole.to_owned() };
    RawValue::from_string(line).map_err(|error| format!("is not valid JSON: {error}"))
}

/// The same document without the white space between its tokens. It must be valid: only then do quotes delimit strings.
fn without_white_space(document: &str) -> String {
    let mut in_string = false;
    let mut escaped = false;
    document
        .chars()
        .filter(|character| {
            let white_space = !in_string && character.is_ascii_whitespace();
            if *character == '"' && !escaped {
                in_string = !in_string;
            }
            escaped = in_string && *character == '\\' && !escaped;
            !white_space
        })
        .collect()
}

/// Reads a file that the user named with `option`, as UTF-8. A byte order mark at its beginning is passed over.
pub fn read_file(option: &str, path: &Path) -> Result<String, Failure> {
    let bytes = fs::read(path).map_err(|error| {
        Failure::config_error(format!("The file that {option} names, {}, can not be read: {error}.", path.display()))
    })?;
    let text = String::from_utf8(bytes).map_err(|error| {
        Failure::config_error(format!(
            "The file that {option} names, {}, is not UTF-8 text: byte {} is the first that is wrong.",
            path.display(),
            error.utf8_error().valid_up_to()
        ))
    })?;
    Ok(match text.strip_prefix('\u{feff}') {
        Some(rest) => rest.to_owned(),
        None => text,
    })
}

/// A JSON object's fields in their order, each value as the text it came as.
#[derive(Debug)]
pub struct RawObject<'a>(pub Vec<(String, &'a RawValue)>);

impl<'a> RawObject<'a> {
    /// A field, if it is there and not null. Of a field that is there more than once, the last that is not null.
    pub fn get(&self, name: &str) -> Option<&'a RawValue> {
        let mut fields = self.0.iter().rev();
        fields.find(|(other, value)| other == name && value.get() != "null").map(|(_, value)| *value)
    }
}

impl<'de> Deserialize<'de> for RawObject<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = RawObject<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
                formatter.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry::<String, &'de RawValue>()? {
                    fields.push(field);
                }
                Ok(RawObject(fields))
            }
        }
        deserializer.deserialize_map(Fields)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_keeps_its_text_but_for_white_space_where_it_has_lines() {
        let document =
            object_on_one_line("{\n  \"n\": 12345678901234567890.10,\r\n \"s\": \" \\\" \\\\\" }\n").unwrap();
        assert_eq!(document.get(), r#"{"n":12345678901234567890.10,"s":" \" \\"}"#);
        assert_eq!(object_on_one_line("{ \"n\": 1 }").unwrap().get(), "{ \"n\": 1 }");
    }

    #[test]
    fn what_is_no_object_is_told() {
        assert_eq!(object_on_one_line("[1]").unwrap_err(), "is valid JSON but not a JSON object");
        assert!(object_on_one_line("{\"secret\":\"hush").unwrap_err().starts_with("is not valid JSON"));
        assert!(!object_on_one_line("{\"secret\":\"hush").unwrap_err().contains("hush"));
        assert!(object_on_one_line("{\"broken\":\"a\nb\"}").is_err());
    }
}
