//! `Link` headers as `requests` reads them: what templates see as `headers['link']`. Knows nothing of pages.

use serde_json::{Value, json};

use crate::manifest::Object;

/// The links of a header by their relation, or by their URL where they have none. Each has its `url` and its parameters.
pub fn by_relation(header: &str) -> Object {
    let mut links = Object::new();
    let header = header.trim_matches(is_space_or_quote);
    if header.is_empty() {
        return links;
    }
    for link in split_before_brackets(header) {
        let (url, parameters) = link.split_once(';').unwrap_or((link, ""));
        let url = url.trim_matches(|letter| matches!(letter, '<' | '>') || is_space_or_quote(letter));
        let mut fields = Object::new();
        fields.insert("url".to_owned(), json!(url));
        for parameter in parameters.split(';') {
            // What is no pair ends them.
            let mut pair = parameter.split('=');
            let (Some(name), Some(value), None) = (pair.next(), pair.next(), pair.next()) else { break };
            let (name, value) = (name.trim_matches(is_space_or_quote), value.trim_matches(is_space_or_quote));
            fields.insert(name.to_owned(), json!(value));
        }
        let named = |name: &str| fields.get(name).and_then(Value::as_str).filter(|value| !value.is_empty());
        let key = named("rel").or_else(|| named("url")).unwrap_or_default().to_owned();
        links.insert(key, Value::Object(fields));
    }
    links
}

fn is_space_or_quote(letter: char) -> bool {
    matches!(letter, ' ' | '\'' | '"')
}

/// Splits at a comma, blanks and an opening bracket.
fn split_before_brackets(header: &str) -> Vec<&str> {
    let mut links = Vec::new();
    let (mut start, mut from) = (0, 0);
    while let Some(comma) = header.get(from..).and_then(|rest| rest.find(',')).map(|comma| comma + from) {
        let after = header.get(comma + 1..).unwrap_or_default();
        let blanks = after.len() - after.trim_start_matches(' ').len();
        from = comma + 1;
        if after.get(blanks..).is_some_and(|link| link.starts_with('<')) {
            links.extend(header.get(start..comma));
            start = comma + 1 + blanks + 1;
            from = start;
        }
    }
    links.extend(header.get(start..));
    links
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `requests` gives for the same headers.
    #[test]
    fn links_are_read_as_requests_reads_them() {
        for (header, links) in [
            (
                "<https://a/?page=2>; rel=\"next\", <https://a/?page=9>; rel=\"last\"",
                json!({"next": {"url": "https://a/?page=2", "rel": "next"}, "last": {"url": "https://a/?page=9", "rel": "last"}}),
            ),
            ("</x?a=1,2;3>;rel=next", json!({"/x?a=1,2": {"url": "/x?a=1,2"}})),
            ("<x>", json!({"x": {"url": "x"}})),
            (" <x> ; rel = next ; title = \"a=b\"", json!({"next": {"url": "x", "rel": "next"}})),
            (
                "<x>; rel=\"next\";, <y>; rel=prev",
                json!({"next": {"url": "x", "rel": "next"}, "prev": {"url": "y", "rel": "prev"}}),
            ),
            ("<a>; rel=next,<b>; rel=next", json!({"next": {"url": "b", "rel": "next"}})),
            ("'<a>; rel='next'", json!({"next": {"url": "a", "rel": "next"}})),
            ("garbage", json!({"garbage": {"url": "garbage"}})),
            ("", json!({})),
            (", <a>; rel=n", json!({"": {"url": ""}, "n": {"url": "a", "rel": "n"}})),
            (
                "<a>; rel=\"next\"; type=\"x/y\", ,<b>;rel=last",
                json!({"next": {"url": "a", "rel": "next", "type": "x/y\","}, "last": {"url": "b", "rel": "last"}}),
            ),
            ("<a>; rel=\"\"", json!({"a": {"url": "a", "rel": ""}})),
            ("<a?x=1>; rel=\"prev next\"", json!({"prev next": {"url": "a?x=1", "rel": "prev next"}})),
        ] {
            assert_eq!(Value::Object(by_relation(header)), links, "{header}");
        }
    }

    /// Any text is read to its end.
    #[test]
    fn no_header_is_too_odd() {
        let mut random = fastrand::Rng::with_seed(7);
        let parts = ["<", ">", ";", ",", "\"", "=", " ", "rel", "next", "ü", "'", ", <", "\u{1F600}"];
        for _ in 0..20_000 {
            let header: String = (0..random.usize(..12)).map(|_| parts[random.usize(..parts.len())]).collect();
            by_relation(&header);
        }
    }
}
