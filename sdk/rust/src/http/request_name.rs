//! What a request is called in messages and logs. No secret, and nothing that a server gave, stands in it.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use url::Url;

use super::request::Request;

/// What is longer is cut: a name is there to be read.
const MAX_LENGTH: usize = 500;

/// What is shorter stands in too much that is no secret, as for the host that masks what a config says.
const SHORTEST_SECRET: usize = 4;

/// In the place of what is not shown.
const HIDDEN: &str = "…";

/// "GET https://api.example.com/orders?limit=100&key=…"
pub(super) fn of(request: &Request, method: &str, url: &Url) -> String {
    format!("{method} {}", shown(request, url))
}

/// The URL with the parameters that the connector gave. The names of others are shown, their values are not.
pub(super) fn shown(request: &Request, url: &Url) -> String {
    let mut text = url.path().to_owned();
    let mut separator = '?';
    let mut add = |name: &str, value: &str| {
        text.push(separator);
        separator = '&';
        text.push_str(&format!("{name}={value}"));
    };
    let encoded = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    for (name, value) in url.query_pairs() {
        match request.is_known_parameter(&name, &value) {
            true => add(&encoded(&name), &encoded(&value)),
            false => add(&encoded(&name), HIDDEN),
        }
    }
    if request.may_know_secrets(url) {
        for parameter in request.secret_parameters() {
            add(&encoded(&parameter.name), HIDDEN);
        }
    }
    // However long the rest is, it is told where the request went.
    let origin = masked(request, url.origin().ascii_serialization());
    format!("{origin}{}", cut(masked(request, text), MAX_LENGTH))
}

/// Something that a server said, to be shown: one line of it, without the client's secrets.
pub(super) fn excerpt(request: &Request, text: &str, characters: usize) -> String {
    cut(one_line(&masked(request, text.to_owned())).into_owned(), characters)
}

/// The text without the client's secrets.
fn masked(request: &Request, mut text: String) -> String {
    for secret in request.secrets() {
        // "Bearer abc": the token alone is as secret.
        let token = secret.rsplit(' ').next().unwrap_or_default();
        let encoded: String = url::form_urlencoded::byte_serialize(token.as_bytes()).collect();
        let standard = STANDARD_NO_PAD.encode(token);
        let url_safe = URL_SAFE_NO_PAD.encode(token);
        let forms = [(secret, secret), (token, token), (token, &encoded), (token, &standard), (token, &url_safe)];
        for (plain, form) in forms {
            if plain.chars().count() >= SHORTEST_SECRET && text.contains(form) {
                text = text.replace(form, HIDDEN);
            }
        }
    }
    text
}

/// The text's beginning. It ends with a whole word, for the half of a secret would be recognised by nobody who hides secrets.
fn cut(text: String, characters: usize) -> String {
    let Some((end, _)) = text.char_indices().nth(characters) else { return text };
    let beginning = text[..end].trim_end_matches(|character: char| !ends_a_word(character));
    format!("{beginning}{HIDDEN}")
}

/// Whether no secret is likely to go on after it.
fn ends_a_word(character: char) -> bool {
    character.is_whitespace() || "\"'`<>()[]{},;?&|".contains(character)
}

/// The same as one line.
fn one_line(text: &str) -> Cow<'_, str> {
    match text.contains(char::is_control) {
        true => Cow::Owned(text.replace(char::is_control, " ")),
        false => Cow::Borrowed(text),
    }
}
