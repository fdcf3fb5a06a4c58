//! Texts as JSON strings, eight bytes at a time.

use super::{Kept, Malformed};

/// As many bytes as a number has.
const BYTES: usize = 8;

/// Appends a text as a JSON string.
#[inline]
pub fn append(text: &[u8], json: &mut Vec<u8>) -> Kept {
    let start = json.len();
    json.reserve(text.len() + 2 + BYTES);
    json.push(b'"');
    let is_ascii = append_escaped(text, json);
    json.push(b'"');
    if is_ascii || std::str::from_utf8(text).is_ok() {
        return Kept::Whole;
    }
    json.truncate(start);
    append_replaced(text, json);
    Kept::Replaced
}

/// Appends a `jsonb`: a JSON string that holds its text.
pub fn append_jsonb(binary: &[u8], json: &mut Vec<u8>) -> Result<Kept, Malformed> {
    match binary {
        [1, text @ ..] => Ok(append(text, json)),
        _ => Err(Malformed("a jsonb is not of version 1")),
    }
}

#[cold]
fn append_replaced(text: &[u8], json: &mut Vec<u8>) {
    json.push(b'"');
    append_escaped(String::from_utf8_lossy(text).as_bytes(), json);
    json.push(b'"');
}

/// Appends what stands between the quotes. Says whether all of it was ASCII.
#[inline]
fn append_escaped(text: &[u8], json: &mut Vec<u8>) -> bool {
    let mut all = 0;
    let mut rest = text;
    while let Some((eight, after)) = rest.split_first_chunk::<BYTES>() {
        let word = u64::from_le_bytes(*eight);
        all |= word;
        json.extend_from_slice(eight);
        rest = match first_special(word) {
            None => after,
            Some(place) => {
                json.truncate(json.len() - (BYTES - place));
                append_escape(rest[place], json);
                &rest[place + 1..]
            }
        };
    }
    // What is left takes the place of as many spaces.
    while !rest.is_empty() {
        let mut word = SPACES;
        for byte in rest.iter().rev() {
            word = word << 8 | u64::from(*byte);
        }
        all |= word;
        json.extend_from_slice(&word.to_le_bytes());
        let place = first_special(word).unwrap_or(BYTES).min(rest.len());
        json.truncate(json.len() - (BYTES - place));
        rest = match rest.get(place) {
            None => &[],
            Some(special) => {
                append_escape(*special, json);
                &rest[place + 1..]
            }
        };
    }
    all & HIGHEST_BITS == 0
}

const fn repeated(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; BYTES])
}

const HIGHEST_BITS: u64 = repeated(0x80);
const SPACES: u64 = repeated(b' ');

/// Which of eight bytes, the lowest first, is the first that JSON wants escaped.
///
/// A byte with its highest bit clear is less than another if their difference has that bit set. What is borrowed from the
/// next byte can only make one after the first look special.
#[inline]
fn first_special(word: u64) -> Option<usize> {
    let quotes = word ^ repeated(b'"');
    let backslashes = word ^ repeated(b'\\');
    let controls = word.wrapping_sub(SPACES);
    let equal = quotes.wrapping_sub(repeated(1)) & !quotes | backslashes.wrapping_sub(repeated(1)) & !backslashes;
    let special = (equal | controls & !word) & HIGHEST_BITS;
    if special == 0 { None } else { Some(special.trailing_zeros() as usize / 8) }
}

#[inline]
fn append_escape(byte: u8, json: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let letter = match byte {
        b'"' | b'\\' => byte,
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        0x08 => b'b',
        0x0C => b'f',
        _ => {
            json.extend_from_slice(b"\\u00");
            json.extend_from_slice(&[HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
            return;
        }
    };
    json.extend_from_slice(&[b'\\', letter]);
}
