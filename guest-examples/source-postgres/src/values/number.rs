//! Truth values, and numbers as processors have them.

use super::{Kept, Malformed, append_null, exactly, short_copy};

#[inline]
pub fn append_boolean(binary: &[u8], json: &mut Vec<u8>) -> Result<Kept, Malformed> {
    match binary {
        [0] => json.extend_from_slice(b"false"),
        [1] => json.extend_from_slice(b"true"),
        _ => return Err(Malformed("a boolean is neither 0 nor 1")),
    }
    Ok(Kept::Whole)
}

#[inline]
pub fn append_int2(binary: &[u8], json: &mut Vec<u8>) -> Result<Kept, Malformed> {
    let number = i16::from_be_bytes(exactly(binary, "a smallint has not two bytes")?);
    Ok(append_integer(number, json))
}

#[inline]
pub fn append_int4(binary: &[u8], json: &mut Vec<u8>) -> Result<Kept, Malformed> {
    let number = i32::from_be_bytes(exactly(binary, "an integer has not four bytes")?);
    Ok(append_integer(number, json))
}

#[inline]
pub fn append_int8(binary: &[u8], json: &mut Vec<u8>) -> Result<Kept, Malformed> {
    let number = i64::from_be_bytes(exactly(binary, "a bigint has not eight bytes")?);
    Ok(append_integer(number, json))
}

#[inline]
pub fn append_oid(binary: &[u8], json: &mut Vec<u8>) -> Result<Kept, Malformed> {
    let number = u32::from_be_bytes(exactly(binary, "an oid has not four bytes")?);
    Ok(append_integer(number, json))
}

/// The shortest digits that give the same number again.
pub fn append_float4(binary: &[u8], json: &mut Vec<u8>) -> Result<Kept, Malformed> {
    let number = f32::from_be_bytes(exactly(binary, "a real has not four bytes")?);
    Ok(append_float(number, number.is_finite(), json))
}

/// The shortest digits that give the same number again.
pub fn append_float8(binary: &[u8], json: &mut Vec<u8>) -> Result<Kept, Malformed> {
    let number = f64::from_be_bytes(exactly(binary, "a double precision has not eight bytes")?);
    Ok(append_float(number, number.is_finite(), json))
}

#[inline]
fn append_integer(number: impl itoa::Integer, json: &mut Vec<u8>) -> Kept {
    short_copy::append(itoa::Buffer::new().format(number).as_bytes(), json);
    Kept::Whole
}

fn append_float(number: impl ryu::Float, is_finite: bool, json: &mut Vec<u8>) -> Kept {
    if !is_finite {
        return append_null(json);
    }
    short_copy::append(ryu::Buffer::new().format_finite(number).as_bytes(), json);
    Kept::Whole
}
