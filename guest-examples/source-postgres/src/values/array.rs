//! Arrays: one level of JSON arrays for each dimension. Where the first index starts has no place in JSON.

use super::{BinaryForm, Kept, Malformed, append_null, take, take_i32};

const CUT: &str = "an array is cut off";
/// PostgreSQL has no more.
const MOST_DIMENSIONS: usize = 6;

/// An element that JSON has nothing for makes the whole array null, as with Airbyte: with a null in its place, nobody could tell
/// it from a NULL.
pub fn append(element: &BinaryForm, binary: &[u8], json: &mut Vec<u8>) -> Result<Kept, Malformed> {
    let start = json.len();
    let mut rest = binary;
    let count = take_i32(&mut rest, CUT)?;
    // Whether there are NULLs, and the type of the elements, which is known.
    take(&mut rest, 8, CUT)?;
    let mut dimensions = [0; MOST_DIMENSIONS];
    let dimensions = usize::try_from(count)
        .ok()
        .and_then(|count| dimensions.get_mut(..count))
        .ok_or(Malformed("an array has more dimensions than there can be"))?;
    let mut elements: usize = 1;
    for dimension in dimensions.iter_mut() {
        let length = take_i32(&mut rest, CUT)?;
        take_i32(&mut rest, CUT)?;
        *dimension = match usize::try_from(length) {
            Ok(length @ 1..) => length,
            _ => return Err(Malformed("a dimension of an array has no length")),
        };
        elements = elements.checked_mul(*dimension).ok_or(Malformed(CUT))?;
    }
    if dimensions.is_empty() {
        json.extend_from_slice(b"[]");
        return if rest.is_empty() { Ok(Kept::Whole) } else { Err(Malformed("an empty array has elements")) };
    }
    // Each element has its length at least: so no more is written than came.
    if elements > rest.len() / 4 {
        return Err(Malformed(CUT));
    }
    let kept = append_dimension(dimensions, element, &mut rest, json)?;
    if kept == Kept::Nulled {
        json.truncate(start);
        return Ok(append_null(json));
    }
    if !rest.is_empty() {
        return Err(Malformed("an array has more elements than it says"));
    }
    Ok(kept)
}

fn append_dimension(
    dimensions: &[usize],
    element: &BinaryForm,
    rest: &mut &[u8],
    json: &mut Vec<u8>,
) -> Result<Kept, Malformed> {
    let Some((length, inner)) = dimensions.split_first() else {
        return append_element(element, rest, json);
    };
    let mut kept = Kept::Whole;
    for index in 0..*length {
        json.push(if index == 0 { b'[' } else { b',' });
        kept = kept.and(append_dimension(inner, element, rest, json)?);
        if kept == Kept::Nulled {
            return Ok(kept);
        }
    }
    json.push(b']');
    Ok(kept)
}

fn append_element(element: &BinaryForm, rest: &mut &[u8], json: &mut Vec<u8>) -> Result<Kept, Malformed> {
    match take_i32(rest, CUT)? {
        -1 => {
            json.extend_from_slice(b"null");
            Ok(Kept::Whole)
        }
        length => {
            let length = usize::try_from(length).map_err(|_| Malformed("an element of an array has no length"))?;
            element.append_json(take(rest, length, CUT)?, json)
        }
    }
}
