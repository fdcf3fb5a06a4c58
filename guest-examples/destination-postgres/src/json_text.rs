//! JSON as PostgreSQL's `jsonb` takes it. It has no NUL character and no half of a surrogate pair in a text, both of which JSON
//! can write.

use std::borrow::Cow;

use serde_json::value::RawValue;

/// A document without what `jsonb` can not hold: NUL characters are left out, halves of pairs become U+FFFD.
#[inline]
pub fn without_refused(json: &[u8]) -> Cow<'_, [u8]> {
    // Both can be written by an escape only, which few records have.
    if json.contains(&b'\\') { rewritten(json) } else { Cow::Borrowed(json) }
}

fn rewritten(json: &[u8]) -> Cow<'_, [u8]> {
    let mut written: Option<Vec<u8>> = None;
    // Up to where the document has been taken over.
    let mut taken = 0;
    let mut position = 0;
    while position < json.len() {
        if json[position] != b'\\' {
            position += 1;
            continue;
        }
        let Some(unit) = unit(json, position) else {
            // Another escape: its second character may be a backslash.
            position += 2;
            continue;
        };
        let instead: &[u8] = match unit {
            0 => b"",
            0xd800..=0xdbff if matches!(self::unit(json, position + 6), Some(0xdc00..=0xdfff)) => {
                position += 12;
                continue;
            }
            0xd800..=0xdfff => b"\\ufffd",
            _ => {
                position += 6;
                continue;
            }
        };
        let written = written.get_or_insert_with(|| Vec::with_capacity(json.len()));
        written.extend_from_slice(&json[taken..position]);
        written.extend_from_slice(instead);
        position += 6;
        taken = position;
    }
    match written {
        Some(mut written) => {
            written.extend_from_slice(&json[taken..]);
            Cow::Owned(written)
        }
        None => Cow::Borrowed(json),
    }
}

/// The `\uXXXX` at a place.
fn unit(json: &[u8], position: usize) -> Option<u16> {
    let escape = json.get(position..position + 6)?;
    let digits = escape.strip_prefix(b"\\u")?;
    u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

/// The fields of a record that have something in them that `jsonb` can not hold.
pub fn refused_fields(record: &[u8]) -> Vec<String> {
    let Ok(fields) = serde_json::from_slice::<std::collections::BTreeMap<String, &RawValue>>(record) else {
        return Vec::new();
    };
    let is_refused = |value: &RawValue| matches!(without_refused(value.get().as_bytes()), Cow::Owned(_));
    fields.into_iter().filter(|(_, value)| is_refused(value)).map(|(name, _)| name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_jsonb_refuses_goes() {
        for (json, expected) in [
            (r#"{"a":"x\u0000y"}"#, r#"{"a":"xy"}"#),
            (r#"{"a":"\u0000\u0000"}"#, r#"{"a":""}"#),
            (r#"{"a":"\ud83d"}"#, r#"{"a":"\ufffd"}"#),
            (r#"{"a":"\uDE00x"}"#, r#"{"a":"\ufffdx"}"#),
            (r#"{"a":"\ud83d\ud83d\ude00"}"#, r#"{"a":"\ufffd\ud83d\ude00"}"#),
            (r#"{"a":"\ud83d\n"}"#, r#"{"a":"\ufffd\n"}"#),
            (r#"{"\u0000a":1}"#, r#"{"a":1}"#),
        ] {
            assert_eq!(String::from_utf8_lossy(&without_refused(json.as_bytes())), expected);
        }
    }

    #[test]
    fn everything_else_stays() {
        for json in [
            r#"{"a":"x"}"#,
            r#"{"a":"\\u0000"}"#,
            r#"{"a":"\\\\u0000\\ud83d"}"#,
            r#"{"a":"\ud83d\ude00\u00e9\u0001"}"#,
            r#"{"a":"\"\\u"}"#,
            r"\u",
            r"\",
        ] {
            assert!(matches!(without_refused(json.as_bytes()), Cow::Borrowed(_)), "{json}");
        }
    }

    #[test]
    fn the_fields_are_named() {
        let record = br#"{"a":"x\u0000","b":1,"c":{"d":["\ud800"]},"e":"\\u0000"}"#;
        assert_eq!(refused_fields(record), ["a", "c"]);
        assert_eq!(refused_fields(b"no object"), Vec::<String>::new());
    }
}
