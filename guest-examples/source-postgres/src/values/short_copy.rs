//! Copies of a few bytes. In WebAssembly a copy whose length is not known is a call, which costs more than the copy itself.

/// Appends bytes that are few in most cases.
#[inline]
pub fn append(bytes: &[u8], json: &mut Vec<u8>) {
    // The last eight overlap what is there, and write the same once more.
    match (bytes.last_chunk::<8>(), bytes.len()) {
        (None, _) => append_below_eight(bytes, json),
        (Some(last), length @ 8..=32) => {
            for eight in bytes[..length - 1].chunks_exact(8) {
                json.extend_from_slice(&eight.try_into().unwrap_or([0; 8]));
            }
            overlap(last, (length - 1) / 8 * 8 + 8 - length, json);
        }
        (Some(_), _) => json.extend_from_slice(bytes),
    }
}

#[inline]
fn append_below_eight(bytes: &[u8], json: &mut Vec<u8>) {
    match (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        (Some(first), Some(last)) => {
            json.extend_from_slice(first);
            overlap(last, 8 - bytes.len(), json);
        }
        _ => bytes.iter().for_each(|byte| json.push(*byte)),
    }
}

/// Appends bytes of which so many are there already.
#[inline]
fn overlap<const COUNT: usize>(bytes: &[u8; COUNT], twice: usize, json: &mut Vec<u8>) {
    json.truncate(json.len().saturating_sub(twice));
    json.extend_from_slice(bytes);
}
