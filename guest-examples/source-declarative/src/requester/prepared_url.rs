//! The URL of a request as Python's `requests` prepares it: what is encoded, and how parameters are added. Knows nothing of where the
//! parts come from.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use url::form_urlencoded;

use crate::manifest::Object;
use crate::template::python_text;

/// What `urllib.parse.quote_plus` leaves as it is, beside the space.
const QUOTED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'_').remove(b'.').remove(b'-').remove(b'~').remove(b' ');

/// The URL with these parameters, ready to be sent.
pub fn prepare(url: &str, parameters: &Object) -> Result<String, String> {
    let url = url.trim_start();
    let scheme_end = url.find("://").ok_or("it does not begin with http:// or https://")?;
    let (scheme, rest) = url.split_at(scheme_end);
    if !matches!(scheme.to_ascii_lowercase().as_str(), "http" | "https") {
        return Err("it does not begin with http:// or https://".to_owned());
    }
    let rest = rest.trim_start_matches(':').strip_prefix("//").unwrap_or_default();
    let (authority, rest) = rest.split_at(rest.find(['/', '\\', '?', '#']).unwrap_or(rest.len()));
    if authority.is_empty() {
        return Err("it names no host".to_owned());
    }
    // The fragment never leaves.
    let rest = rest.split_once('#').map_or(rest, |(rest, _)| rest);
    let (path, query) = rest.split_once('?').map_or((rest, None), |(path, query)| (path, Some(query)));
    let path = encoded(&without_dots(path), is_path);
    let slash = if path.starts_with('/') { "" } else { "/" };
    let query = encoded(query.unwrap_or_default(), |byte| is_path(byte) || byte == b'?');
    let added = urlencode(parameters);
    let separator = if query.is_empty() || added.is_empty() { "" } else { "&" };
    let question = if query.is_empty() && added.is_empty() { "" } else { "?" };
    Ok(format!(
        "{}://{}{slash}{path}{question}{query}{separator}{added}",
        scheme.to_ascii_lowercase(),
        authority.to_ascii_lowercase()
    ))
}

/// The parameters that are not in the URL's query already with the same value.
pub fn without_duplicates(url: &str, parameters: Object) -> Object {
    let query = url.split_once('#').map_or(url, |(url, _)| url).split_once('?').map_or("", |(_, query)| query);
    let mut known: Vec<(String, String)> = Vec::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        // As Python's parse_qs: blanks are none, and the first of a name counts.
        if !value.is_empty() && !known.iter().any(|(known, _)| *known == name) {
            known.push((name.into_owned(), value.into_owned()));
        }
    }
    let is_there = |name: &String, value: &Value| known.iter().any(|(n, v)| n == name && *v == python_text(value));
    parameters.into_iter().filter(|(name, value)| !is_there(name, value)).collect()
}

/// Names and values as `requests` encodes them, in a query and in a form: a list repeats its name, and null is left out.
pub fn urlencode(fields: &Object) -> String {
    let mut encoded = String::new();
    let mut add = |name: &str, value: &Value| {
        if !encoded.is_empty() {
            encoded.push('&');
        }
        encoded.push_str(&quoted(name));
        encoded.push('=');
        encoded.push_str(&quoted(&python_text(value)));
    };
    for (name, value) in fields {
        // `requests` takes a list apart, and then `urlencode` each list in it.
        for value in parts(value).iter().filter(|value| !value.is_null()).flat_map(parts) {
            add(name, &value);
        }
    }
    encoded
}

/// The elements of a list, and the names of an object.
fn parts(value: &Value) -> Vec<Value> {
    match value {
        Value::Array(values) => values.clone(),
        Value::Object(values) => values.keys().map(|name| name.as_str().into()).collect(),
        value => vec![value.clone()],
    }
}

/// As `urllib.parse.quote_plus`.
fn quoted(text: &str) -> String {
    utf8_percent_encode(text, QUOTED).to_string().replace(' ', "+")
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

fn is_path(byte: u8) -> bool {
    is_unreserved(byte) || b"!$&'()*+,;=:@/".contains(&byte)
}

/// A path without its `.` and `..`.
fn without_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "." => {}
            ".." => {
                kept.pop();
            }
            segment => kept.push(segment),
        }
    }
    if path.starts_with('/') && kept.first().is_none_or(|first| !first.is_empty()) {
        kept.insert(0, "");
    }
    if path.ends_with("/.") || path.ends_with("/..") {
        kept.push("");
    }
    kept.join("/")
}

/// Encodes what may not stand there. What is encoded already stays so, but for what need not be; a lone percent sign says that nothing
/// is encoded.
fn encoded(text: &str, is_allowed: impl Fn(u8) -> bool) -> String {
    let bytes = text.as_bytes();
    let escape = |at: usize| match bytes.get(at..at + 3) {
        Some([b'%', high, low]) => Some(hexadecimal(*high)? << 4 | hexadecimal(*low)?),
        _ => None,
    };
    let percents = bytes.iter().filter(|byte| **byte == b'%').count();
    let is_encoded = (0..bytes.len()).filter(|at| escape(*at).is_some()).count() == percents;
    let mut result = String::with_capacity(text.len());
    let mut rest = 0;
    while let Some(byte) = bytes.get(rest) {
        match escape(rest) {
            Some(code) if is_encoded => {
                match is_unreserved(code) {
                    true => result.push(code.into()),
                    false => result.push_str(&format!("%{code:02X}")),
                }
                rest += 3;
            }
            _ => {
                match is_allowed(*byte) {
                    true => result.push((*byte).into()),
                    false => result.push_str(&format!("%{byte:02X}")),
                }
                rest += 1;
            }
        }
    }
    result
}

fn hexadecimal(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_url_is_prepared_as_by_requests() {
        // What `requests.Request("GET", url, params=…).prepare().url` gives, without the fragment.
        let prepared = [
            ("https://x.io", json!({}), "https://x.io/"),
            ("https://X.io/a b", json!({"q": "a b+c&d=e~*é'"}), "https://x.io/a%20b?q=a+b%2Bc%26d%3De~%2A%C3%A9%27"),
            ("https://x.io/a?x=1", json!({"y": [1, "b", null, true, 2.5]}), "https://x.io/a?x=1&y=1&y=b&y=True&y=2.5"),
            ("https://x.io/a%2fb%41%7e?x=%zz&y=%20", json!({}), "https://x.io/a%2FbA~?x=%25zz&y=%2520"),
            ("https://x.io/a?b[c]=1&d=e f|g", json!({"h[i]": "j"}), "https://x.io/a?b%5Bc%5D=1&d=e%20f%7Cg&h%5Bi%5D=j"),
            ("https://x.io/a/./b/../c//d/..", json!({}), "https://x.io/a/c//"),
            ("https://x.io/é/ü?ä=ö#frag", json!({"n": null}), "https://x.io/%C3%A9/%C3%BC?%C3%A4=%C3%B6"),
            ("https://x.io?x=1", json!({"e": ""}), "https://x.io/?x=1&e="),
            (r##"  https://x.io/a\b"<>^`{}"##, json!({"k": {"a": 1}}), "https://x.io/a%5Cb%22%3C%3E%5E%60%7B%7D?k=a"),
            ("https://x.io/a#f?g", json!({"x": []}), "https://x.io/a"),
            ("http://x.io:8080/%2e%2E/a?x=a%2Bb", json!({}), "http://x.io:8080/../a?x=a%2Bb"),
            ("https://x.io/a?", json!({}), "https://x.io/a"),
            ("https://x.io/", json!({"k": [[1, null], null, [2]]}), "https://x.io/?k=1&k=None&k=2"),
            ("https://x.io/", json!({"k": [{"a": 1, "b": 2}], "l": [[]]}), "https://x.io/?k=a&k=b"),
            ("https://x.io/50%?p=50%25", json!({}), "https://x.io/50%25?p=50%25"),
        ];
        for (url, parameters, expected) in prepared {
            let parameters = parameters.as_object().cloned().unwrap_or_default();
            assert_eq!(prepare(url, &parameters).as_deref(), Ok(expected), "{url}");
        }
    }

    #[test]
    fn a_url_of_no_host_is_none() {
        for url in ["x.io/users", "a:b", "https://", "ftp://x.io", ""] {
            assert!(prepare(url, &Object::new()).is_err(), "{url}");
        }
    }

    #[test]
    fn what_the_url_says_already_is_not_added() {
        for (url, parameters, expected) in [
            ("https://x.io/a?x=1&y=a+b&z=", json!({"x": 1, "y": "a b", "z": "", "w": 2}), json!({"z": "", "w": 2})),
            ("https://x.io/a?x=1&x=2", json!({"x": "2"}), json!({"x": "2"})),
            ("https://x.io/a?x=1", json!({"x": "2"}), json!({"x": "2"})),
            ("https://x.io", json!({"n": null, "x": 1}), json!({"n": null, "x": 1})),
        ] {
            let given = parameters.as_object().cloned().unwrap_or_default();
            assert_eq!(Value::Object(without_duplicates(url, given)), expected, "{url}");
        }
    }
}
