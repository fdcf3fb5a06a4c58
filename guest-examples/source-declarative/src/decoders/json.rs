//! JSON as Python's `json` takes it, where it is no JSON by the standard. Knows nothing of responses.

use serde_json::Value;

/// The value of a text. None where Python has none for it, either.
///
/// What is no number in JSON (`NaN`, `Infinity`) is null: so it leaves in the CDK's messages.
pub fn parse(bytes: &[u8]) -> Option<Value> {
    let text = std::str::from_utf8(bytes).ok()?;
    if let Ok(value) = serde_json::from_str(text) {
        return Some(value);
    }
    match text.contains("NaN") || text.contains("Infinity") {
        true => serde_json::from_str(&without_odd_numbers(text)).ok(),
        false => None,
    }
}

fn without_odd_numbers(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        let length = match letter {
            '"' => string_length(rest),
            'N' | 'I' | '-' => {
                let odd = ["NaN", "Infinity", "-Infinity"].into_iter().find(|odd| rest.starts_with(odd));
                if let Some(odd) = odd {
                    plain.push_str("null");
                    rest = rest.get(odd.len()..).unwrap_or_default();
                    continue;
                }
                1
            }
            _ => letter.len_utf8(),
        };
        let (part, after) = rest.split_at_checked(length).unwrap_or((rest, ""));
        plain.push_str(part);
        rest = after;
    }
    plain
}

/// Of the string that begins here, with its quotes.
fn string_length(text: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}
