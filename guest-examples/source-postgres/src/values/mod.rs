//! One value of PostgreSQL's binary format as JSON: how `COPY … (FORMAT binary)` sends it, and what Airbyte wants it to be.
//!
//! Knows nothing of connections, of SQL and of how a column got its type. A value comes from the server, which may be anybody's:
//! whatever the bytes are, the outcome is JSON or [`Malformed`].

mod array;
mod bytes;
mod date_time;
mod digits;
mod hstore;
mod number;
mod numeric;
mod record_writer;
mod short_copy;
mod text;

use std::fmt;

pub use record_writer::RecordWriter;

/// How the bytes of a value are to be understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BinaryForm {
    /// One byte.
    Boolean,
    /// A whole number of two bytes.
    Int2,
    /// A whole number of four bytes.
    Int4,
    /// A whole number of eight bytes.
    Int8,
    /// A whole number of four bytes without a sign.
    Oid,
    /// A floating-point number of four bytes.
    Float4,
    /// A floating-point number of eight bytes.
    Float8,
    /// Decimal digits, as many as there are.
    Numeric,
    /// Text, and whatever is sent as its text.
    Text,
    /// A version, and text.
    Jsonb,
    /// Names and texts that may be missing.
    Hstore,
    /// Bytes.
    Bytea,
    /// Sixteen bytes.
    Uuid,
    /// Days since 2000.
    Date,
    /// Microseconds since midnight.
    Time,
    /// Microseconds since midnight, and an offset.
    TimeTz,
    /// Microseconds since 2000.
    Timestamp,
    /// Microseconds since 2000 in UTC.
    TimestampTz,
    /// Values of one form, in any number of dimensions.
    Array(Box<BinaryForm>),
}

/// What became of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// It is in the JSON as it was.
    Whole,
    /// JSON has nothing for it (not a number, infinity): it is null.
    Nulled,
    /// Bytes of a text were no UTF-8, and each such place is U+FFFD now. Only a database without an encoding (`SQL_ASCII`) has
    /// such texts.
    Replaced,
}

impl Kept {
    /// What is to be said of two values in one.
    fn and(self, other: Kept) -> Kept {
        match (self, other) {
            (Kept::Nulled, _) | (_, Kept::Nulled) => Kept::Nulled,
            (Kept::Replaced, _) | (_, Kept::Replaced) => Kept::Replaced,
            (Kept::Whole, Kept::Whole) => Kept::Whole,
        }
    }
}

/// Bytes that are not what PostgreSQL sends for the type. Says what was wrong, and nothing of the content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed(&'static str);

impl fmt::Display for Malformed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.0)
    }
}

impl std::error::Error for Malformed {}

impl BinaryForm {
    /// Appends a value that is not NULL as JSON. After an error, part of it may have been appended.
    #[inline]
    pub fn append_json(&self, binary: &[u8], json: &mut Vec<u8>) -> Result<Kept, Malformed> {
        match self {
            BinaryForm::Boolean => number::append_boolean(binary, json),
            BinaryForm::Int2 => number::append_int2(binary, json),
            BinaryForm::Int4 => number::append_int4(binary, json),
            BinaryForm::Int8 => number::append_int8(binary, json),
            BinaryForm::Oid => number::append_oid(binary, json),
            BinaryForm::Float4 => number::append_float4(binary, json),
            BinaryForm::Float8 => number::append_float8(binary, json),
            BinaryForm::Numeric => numeric::append(binary, json),
            BinaryForm::Text => Ok(text::append(binary, json)),
            BinaryForm::Jsonb => text::append_jsonb(binary, json),
            BinaryForm::Hstore => hstore::append(binary, json),
            BinaryForm::Bytea => Ok(bytes::append_bytea(binary, json)),
            BinaryForm::Uuid => bytes::append_uuid(binary, json),
            BinaryForm::Date => date_time::append_date(binary, json),
            BinaryForm::Time => date_time::append_time(binary, json),
            BinaryForm::TimeTz => date_time::append_timetz(binary, json),
            BinaryForm::Timestamp => date_time::append_timestamp(binary, json),
            BinaryForm::TimestampTz => date_time::append_timestamptz(binary, json),
            BinaryForm::Array(element) => array::append(element, binary, json),
        }
    }
}

/// A value that JSON has nothing for.
fn append_null(json: &mut Vec<u8>) -> Kept {
    json.extend_from_slice(b"null");
    Kept::Nulled
}

/// Takes the value's bytes where their number is the type's.
#[inline]
fn exactly<const SIZE: usize>(binary: &[u8], otherwise: &'static str) -> Result<[u8; SIZE], Malformed> {
    binary.try_into().map_err(|_| Malformed(otherwise))
}

/// Takes so many bytes from the beginning.
#[inline]
fn take<'a>(rest: &mut &'a [u8], count: usize, otherwise: &'static str) -> Result<&'a [u8], Malformed> {
    let (taken, left) = rest.split_at_checked(count).ok_or(Malformed(otherwise))?;
    *rest = left;
    Ok(taken)
}

/// Takes a number of four bytes from the beginning.
#[inline]
fn take_i32(rest: &mut &[u8], otherwise: &'static str) -> Result<i32, Malformed> {
    let bytes = take(rest, 4, otherwise)?;
    Ok(i32::from_be_bytes(exactly(bytes, otherwise)?))
}
