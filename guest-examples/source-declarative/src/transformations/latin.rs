//! Latin letters for those with signs, as Python's anyascii writes them. Knows nothing of names.

/// What stands for the characters from U+00A0 on.
#[rustfmt::skip]
const LETTERS: [&str; 224] = [
    " ", "!", "c", "GBP", "$", "Y", "|", "S", "\"", "(C)", "a", "<<", "!", "", "(R)", "-", "deg", "+-", "2", "3", "'",
    "u", "P", "-", ",", "1", "o", ">>", "1/4", "1/2", "3/4", "?", "A", "A", "A", "A", "A", "A", "Ae", "C", "E", "E",
    "E", "E", "I", "I", "I", "I", "D", "N", "O", "O", "O", "O", "O", "*", "O", "U", "U", "U", "U", "Y", "Th", "ss",
    "a", "a", "a", "a", "a", "a", "ae", "c", "e", "e", "e", "e", "i", "i", "i", "i", "d", "n", "o", "o", "o", "o",
    "o", "/", "o", "u", "u", "u", "u", "y", "th", "y", "A", "a", "A", "a", "A", "a", "C", "c", "C", "c", "C", "c",
    "C", "c", "D", "d", "D", "d", "E", "e", "E", "e", "E", "e", "E", "e", "E", "e", "G", "g", "G", "g", "G", "g", "G",
    "g", "H", "h", "H", "h", "I", "i", "I", "i", "I", "i", "I", "i", "I", "i", "IJ", "ij", "J", "j", "K", "k", "q",
    "L", "l", "L", "l", "L", "l", "L", "l", "L", "l", "N", "n", "N", "n", "N", "n", "'n", "Ng", "ng", "O", "o", "O",
    "o", "O", "o", "Oe", "oe", "R", "r", "R", "r", "R", "r", "S", "s", "S", "s", "S", "s", "S", "s", "T", "t", "T",
    "t", "T", "t", "U", "u", "U", "u", "U", "u", "U", "u", "U", "u", "U", "u", "W", "w", "Y", "y", "Y", "Z", "z", "Z",
    "z", "Z", "z", "s",
];

/// A text of ASCII. The character for which there is none, otherwise.
pub fn to_ascii(text: &str) -> Result<String, char> {
    if text.is_ascii() {
        return Ok(text.to_owned());
    }
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_ascii() {
            out.push(character);
        } else {
            let at = u32::from(character).checked_sub(0xa0).and_then(|at| usize::try_from(at).ok());
            out.push_str(at.and_then(|at| LETTERS.get(at)).ok_or(character)?);
        }
    }
    Ok(out)
}
