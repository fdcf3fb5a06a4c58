//! `numeric`: decimal digits in groups of four, with their exact scale.

use super::digits::four;
use super::{Kept, Malformed, append_null, short_copy, take};

const CUT: &str = "a numeric is cut off";
const POSITIVE: u16 = 0x0000;
const NEGATIVE: u16 = 0x4000;
const NOT_A_NUMBER: u16 = 0xC000;
const INFINITY: u16 = 0xD000;
const NEGATIVE_INFINITY: u16 = 0xF000;
/// More digits behind the point there can not be.
const MOST_SCALE: u16 = 0x3FFF;

/// All digits that are stored, zeros at the end included: `1.50` stays `1.50`.
pub fn append(binary: &[u8], json: &mut Vec<u8>) -> Result<Kept, Malformed> {
    let mut rest = binary;
    let header = take(&mut rest, 8, CUT)?;
    let word = |index: usize| u16::from_be_bytes([header[index], header[index + 1]]);
    let (count, weight, sign, scale) = (word(0), word(2) as i16, word(4), word(6));
    match sign {
        POSITIVE => {}
        NEGATIVE => json.push(b'-'),
        NOT_A_NUMBER | INFINITY | NEGATIVE_INFINITY => return Ok(append_null(json)),
        _ => return Err(Malformed("a numeric has an unknown sign")),
    }
    if scale > MOST_SCALE {
        return Err(Malformed("a numeric has more digits behind its point than there can be"));
    }
    let groups = Groups { groups: take(&mut rest, 2 * usize::from(count), CUT)? };
    if !rest.is_empty() {
        return Err(Malformed("a numeric has more bytes than digits"));
    }
    let (weight, scale) = (isize::from(weight), usize::from(scale));

    // The first group of a number has no zeros before it.
    match usize::try_from(weight) {
        Ok(last) => {
            json.reserve(4 * last + 6 + scale);
            short_copy::append(itoa::Buffer::new().format(groups.group(0)?).as_bytes(), json);
            for index in 1..=last {
                json.extend_from_slice(&four(groups.group(index)?));
            }
        }
        Err(_) => json.push(b'0'),
    }
    if scale == 0 {
        return Ok(Kept::Whole);
    }
    json.push(b'.');
    let point = json.len();
    // Groups that are zero are left out, before the first as well as after the last.
    let mut position = weight + 1;
    while json.len() < point + scale {
        let digits = usize::try_from(position).map_or(Ok(0), |index| groups.group(index))?;
        json.extend_from_slice(&four(digits));
        position += 1;
    }
    json.truncate(point + scale);
    Ok(Kept::Whole)
}

/// The digits, four to a group.
struct Groups<'a> {
    groups: &'a [u8],
}

impl Groups<'_> {
    #[inline]
    fn group(&self, index: usize) -> Result<u32, Malformed> {
        match self.groups.get(2 * index..2 * index + 2) {
            Some(&[high, low]) => match u16::from_be_bytes([high, low]) {
                group @ 0..=9999 => Ok(u32::from(group)),
                _ => Err(Malformed("four digits of a numeric are more than 9999")),
            },
            _ => Ok(0),
        }
    }
}
