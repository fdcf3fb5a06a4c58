//! Masking: nothing of a secret is left, however texts and secrets overlap and wherever a text is cut.

use arbitrary::Unstructured;
use serde_json::json;

use crate::protocol::secrets::Secrets;

/// Up to three secrets, and a text that is made of them and of other things.
pub fn secrets(data: &[u8]) {
    let mut from = Unstructured::new(data);
    let Ok((secrets, pieces, limit)) = parts(&mut from) else { return };
    let mut finder = Secrets::named_by(json!({"items": {"airbyte_secret": true}}));
    finder.add_configured("", &json!(secrets)).expect("they are short");
    let text: String =
        pieces.iter().map(|(which, other)| secrets.get(usize::from(*which)).map_or(*other, String::as_str)).collect();

    let masked = mask(&finder, &text);
    let in_json = mask(&finder, &json!([text]).to_string());
    for secret in &secrets {
        // What is too short is no secret, and the mask's own characters can not be hidden by it.
        let said = secret.trim();
        if said.chars().count() < 4 || ["true", "false", "null"].contains(&said) || secret.contains('*') {
            continue;
        }
        assert!(!masked.contains(said), "{masked:?} holds {said:?}");
        assert!(!in_json.contains(said), "{in_json:?} holds {said:?}");
    }
    // Bytes that come in two pieces read as if they had come in one.
    let first = finder.mask_up_to(text.as_bytes(), limit);
    assert!(first.bytes >= limit.min(text.len()) && text.is_char_boundary(first.bytes));
    assert_eq!(first.text + &mask(&finder, &text[first.bytes..]), masked);
}

fn mask(secrets: &Secrets, text: &str) -> String {
    secrets.mask_up_to(text.as_bytes(), text.len()).text
}

type Parts<'a> = (Vec<String>, Vec<(u8, &'a str)>, usize);

fn parts<'a>(from: &mut Unstructured<'a>) -> arbitrary::Result<Parts<'a>> {
    let mut secrets = Vec::new();
    for _ in 0..from.int_in_range(1..=3)? {
        let secret: &str = from.arbitrary()?;
        secrets.push(secret.chars().take(200).collect());
    }
    let limit = from.int_in_range(0..=300)?;
    let mut pieces = Vec::new();
    while !from.is_empty() && pieces.len() < 20 {
        pieces.push((from.int_in_range(0..=5)?, from.arbitrary()?));
    }
    Ok((secrets, pieces, limit))
}
