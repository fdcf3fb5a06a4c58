//! `hstore`: a JSON string that holds a JSON object of texts, as Airbyte has it.

use super::{Kept, Malformed, take, take_i32, text};

const CUT: &str = "an hstore is cut off";

pub fn append(binary: &[u8], json: &mut Vec<u8>) -> Result<Kept, Malformed> {
    let mut rest = binary;
    let pairs = take_i32(&mut rest, CUT)?;
    let mut kept = Kept::Whole;
    let mut object = vec![b'{'];
    for index in 0..pairs {
        if index > 0 {
            object.push(b',');
        }
        match take_text(&mut rest)? {
            Some(key) => kept = kept.and(text::append(key, &mut object)),
            None => return Err(Malformed("a key of an hstore is missing")),
        }
        object.push(b':');
        match take_text(&mut rest)? {
            Some(value) => kept = kept.and(text::append(value, &mut object)),
            None => object.extend_from_slice(b"null"),
        }
    }
    object.push(b'}');
    if !rest.is_empty() {
        return Err(Malformed("an hstore has more pairs than it says"));
    }
    Ok(kept.and(text::append(&object, json)))
}

fn take_text<'a>(rest: &mut &'a [u8]) -> Result<Option<&'a [u8]>, Malformed> {
    match take_i32(rest, CUT)? {
        -1 => Ok(None),
        length => {
            let length = usize::try_from(length).map_err(|_| Malformed("a text of an hstore has no length"))?;
            take(rest, length, CUT).map(Some)
        }
    }
}
