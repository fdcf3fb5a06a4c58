//! Texts as JSON strings.

use super::{Kept, Malformed};

/// Appends a text as a JSON string.
#[inline]
pub fn append(text: &[u8], json: &mut Vec<u8>) -> Kept {
    if is_plain(text) {
        json.reserve(text.len() + 2);
        json.push(b'"');
        json.extend_from_slice(text);
        json.push(b'"');
        return Kept::Whole;
    }
    append_escaped(text, json)
}

/// Appends a `jsonb`: a JSON string that holds its text.
pub fn append_jsonb(binary: &[u8], json: &mut Vec<u8>) -> Result<Kept, Malformed> {
    match binary {
        [1, text @ ..] => Ok(append(text, json)),
        _ => Err(Malformed("a jsonb is not of version 1")),
    }
}

/// Whether the text is a JSON string as it is: ASCII, without anything to escape.
#[inline]
fn is_plain(text: &[u8]) -> bool {
    // Sixteen at a time and without a way out in the middle, this becomes vector instructions.
    const LANES: usize = 16;
    let plain = |bytes: &[u8; LANES]| bytes.iter().fold(true, |plain, byte| plain & is_plain_byte(*byte));
    let mut chunks = text.chunks_exact(LANES);
    let whole = chunks.by_ref().all(|chunk| chunk.try_into().is_ok_and(plain));
    if !whole {
        return false;
    }
    // The last sixteen once more rather than what is left one by one.
    match text.last_chunk::<LANES>() {
        Some(last) => plain(last),
        None => text.iter().fold(true, |plain, byte| plain & is_plain_byte(*byte)),
    }
}

#[inline]
fn is_plain_byte(byte: u8) -> bool {
    // From the space to 0x7F in one comparison.
    (byte.wrapping_sub(0x20) < 0x60) & (byte != b'"') & (byte != b'\\')
}

#[inline(never)]
fn append_escaped(text: &[u8], json: &mut Vec<u8>) -> Kept {
    let valid = String::from_utf8_lossy(text);
    // Writing a string into memory can not fail.
    let _ = serde_json::to_writer(json, &valid);
    if matches!(valid, std::borrow::Cow::Owned(_)) { Kept::Replaced } else { Kept::Whole }
}
