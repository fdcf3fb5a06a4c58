//! What a request is called in messages and logs. No secret, and nothing that a server gave, stands in it.

use std::borrow::Cow;

use url::Url;

use super::request::Request;

/// What is longer is cut: a name is there to be read.
const MAX_LENGTH: usize = 500;

/// In the place of what is not shown.
pub(super) const HIDDEN: &str = "…";

/// "GET https://api.example.com/orders?limit=100&key=…"
pub(super) fn of(request: &Request, method: &str, url: &Url) -> String {
    format!("{method} {}", shown(request, url))
}

/// The URL with the parameters that the connector gave. The names of others are shown, their values are not.
pub(super) fn shown(request: &Request, url: &Url) -> String {
    let mut plain = url.clone();
    plain.set_query(None);
    plain.set_fragment(None);
    let mut text = String::from(plain);
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
    cut(masked(request, text), MAX_LENGTH)
}

/// The text without the client's secrets.
pub(super) fn masked(request: &Request, mut text: String) -> String {
    for secret in request.secrets() {
        // "Bearer abc": the token alone is as secret.
        let token = secret.rsplit(' ').next().unwrap_or_default();
        let encoded: String = url::form_urlencoded::byte_serialize(token.as_bytes()).collect();
        for secret in [secret, token, &encoded] {
            if !secret.is_empty() && text.contains(secret) {
                text = text.replace(secret, HIDDEN);
            }
        }
    }
    text
}

/// The text's beginning.
pub(super) fn cut(text: String, characters: usize) -> String {
    match text.char_indices().nth(characters) {
        Some((end, _)) => format!("{}{HIDDEN}", &text[..end]),
        None => text,
    }
}

/// The same as one line.
pub(super) fn one_line(text: &str) -> Cow<'_, str> {
    match text.contains(char::is_control) {
        true => Cow::Owned(text.replace(char::is_control, " ")),
        false => Cow::Borrowed(text),
    }
}
