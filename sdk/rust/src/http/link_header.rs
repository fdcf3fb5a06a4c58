//! `Link` headers (RFC 8288), as far as paging needs them.

/// The target of the first link with this relation. What can not be read is passed over.
pub(super) fn target<'a>(value: &'a str, relation: &str) -> Option<&'a str> {
    let mut rest = value;
    while let Some(start) = rest.find('<') {
        let (target, after) = rest[start + 1..].split_once('>')?;
        let (related, next) = parameters(after, relation);
        if related {
            return Some(target.trim());
        }
        rest = next;
    }
    None
}

/// Whether the parameters of a link name the relation, and what comes after them.
fn parameters<'a>(mut rest: &'a str, relation: &str) -> (bool, &'a str) {
    let mut related = None;
    loop {
        rest = rest.trim_start();
        match rest.chars().next() {
            Some(';') => rest = rest[1..].trim_start(),
            Some(',') => return (related.unwrap_or(false), &rest[1..]),
            _ => return (related.unwrap_or(false), rest),
        }
        let name_end = rest.find(['=', ';', ',']).unwrap_or(rest.len());
        let name = rest[..name_end].trim();
        rest = &rest[name_end..];
        let Some(after) = rest.strip_prefix('=') else { continue };
        let (value, after) = parameter_value(after.trim_start());
        // Of several the first counts.
        if name.eq_ignore_ascii_case("rel") && related.is_none() {
            related = Some(value.split_ascii_whitespace().any(|named| named.eq_ignore_ascii_case(relation)));
        }
        rest = after;
    }
}

/// A value, quoted or not, and what comes after it. A relation needs no escapes, so they stay as they are.
fn parameter_value(text: &str) -> (&str, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([';', ',']).unwrap_or(text.len());
        return (text[..end].trim(), &text[end..]);
    };
    let mut escaped = false;
    for (at, character) in quoted.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return (&quoted[..at], &quoted[at + 1..]),
            _ => {}
        }
    }
    (quoted, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_link_is_found() {
        for (value, next) in [
            ("<https://a/?page=2>; rel=\"next\", <https://a/?page=9>; rel=\"last\"", Some("https://a/?page=2")),
            ("<https://a/?page=1>; rel=\"prev\", <https://a/?page=3>; rel=\"next\"", Some("https://a/?page=3")),
            ("</x?a=1,2;3>;rel=next", Some("/x?a=1,2;3")),
            ("<x>; title=\"a, <b>; rel=next\"; rel=\"last\", <y>; REL = \"Next\"", Some("y")),
            ("<x>; title=\"\\\"; rel=next\"; rel=prev", None),
            ("<x>; rel=\"prev next\"", Some("x")),
            ("<x>; rel=prev; rel=next", None),
            ("<x>; crossorigin; rel=next", Some("x")),
            ("<x>; rel=nextish", None),
            ("<x>", None),
            ("<x; rel=next", None),
            ("", None),
        ] {
            assert_eq!(target(value, "next"), next, "{value}");
        }
    }

    /// Any text is read to its end, and what is found stands between brackets in it.
    #[test]
    fn no_text_is_too_odd() {
        let mut random = fastrand::Rng::with_seed(7);
        let parts = ["<", ">", ";", ",", "\"", "\\", "=", " ", "rel", "next", "ü", "<a>", ";rel=next", "\u{1F600}"];
        let mut found = 0;
        for _ in 0..20_000 {
            let value: String = (0..random.usize(..12)).map(|_| parts[random.usize(..parts.len())]).collect();
            if let Some(target) = target(&value, "next") {
                assert!(value.contains('<') && value.contains(target) && !target.contains('>'), "{value}");
                found += 1;
            }
        }
        assert!(found > 50, "{found}");
    }
}
