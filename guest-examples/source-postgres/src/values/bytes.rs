//! Bytes that are written in hexadecimal digits.

use super::{Kept, Malformed, exactly};

const HEX: [[u8; 2]; 256] = {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut pairs = [[0; 2]; 256];
    let mut byte = 0;
    while byte < 256 {
        pairs[byte] = [DIGITS[byte >> 4], DIGITS[byte & 15]];
        byte += 1;
    }
    pairs
};

/// As PostgreSQL writes them: `\x` and two digits a byte.
pub fn append_bytea(binary: &[u8], json: &mut Vec<u8>) -> Kept {
    json.reserve(2 * binary.len() + 5);
    json.extend_from_slice(br#""\\x"#);
    for byte in binary {
        json.extend_from_slice(&HEX[usize::from(*byte)]);
    }
    json.push(b'"');
    Kept::Whole
}

pub fn append_uuid(binary: &[u8], json: &mut Vec<u8>) -> Result<Kept, Malformed> {
    let uuid: [u8; 16] = exactly(binary, "a uuid has not sixteen bytes")?;
    let mut text = *b"\"00000000-0000-0000-0000-000000000000\"";
    // Where the two digits of each byte stand.
    const PLACES: [usize; 16] = [1, 3, 5, 7, 10, 12, 15, 17, 20, 22, 25, 27, 29, 31, 33, 35];
    for (byte, place) in uuid.iter().zip(PLACES) {
        [text[place], text[place + 1]] = HEX[usize::from(*byte)];
    }
    json.extend_from_slice(&text);
    Ok(Kept::Whole)
}
