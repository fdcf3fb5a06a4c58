//! The forms in which a secret may be said: as it is, and as programs commonly write it into JSON, URLs and headers.
//! Knows nothing of where secrets come from or of what is done with the forms.

use std::collections::BTreeSet;

use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE, BASE64_URL_SAFE_NO_PAD};

/// What is shorter is no secret: to mask every `no` or `443` would make a log unreadable and hide nothing.
const SHORTEST: usize = 4;

/// A line of a secret of many lines (a private key) is masked by itself if it has as many characters: a bracket alone is none.
const LINE_LENGTH: usize = 8;

/// A piece of Base64 is masked by itself if it has as many characters: fewer are found where nobody said the secret. Of a secret
/// of five characters there are as many, wherever it begins.
const BASE64_LENGTH: usize = 6;

/// What different encoders leave as it is in a URL, beside letters, digits, `-`, `.` and `_`: RFC 3986's unreserved, HTML
/// forms, JavaScript, Python, a path's segment, a path, a URL's user name and password.
const LEFT_IN_URLS: [&str; 7] = ["~", "*", "~!'()*", "~/", "~!$&'()*+,;=:@", "~!$&'()*+,;=:@/", "~!$&'()*+,"];

/// The same where a whole URL is made readable, with a secret in it that nobody encoded: browsers' URLs (who logs in, a path, a
/// query with and without `'`), Python's requests, JavaScript's encodeURI. They write no `+` for a space, and capitals.
const LEFT_IN_WHOLE_URLS: [&str; 6] = [
    "~!$%&'()*+,",
    "~!$%&'()*+,/:;=@[\\]^|",
    "~!$%&'()*+,/:;=?@[\\]^`{|}",
    "~!$%&()*+,/:;=?@[\\]^`{|}",
    "~!#$%&'()*+,/:;=?@[]",
    "~!#$&'()*+,/:;=?@",
];

/// What is longer (a bundle of certificates) has the forms only in which such a thing is said: all of them take a machine's memory.
const LONGEST_IN_ALL_FORMS: usize = 8 * 1024;

/// Every form of `secret`; none if it is too short to be one.
pub fn forms(secret: &str) -> BTreeSet<String> {
    let mut forms = BTreeSet::new();
    // A program may well trim what it was given.
    for text in [secret, secret.trim()] {
        if is_one(text) && text.len() <= LONGEST_IN_ALL_FORMS {
            add_forms(text, &mut forms);
        }
    }
    if secret.len() > LONGEST_IN_ALL_FORMS {
        add_forms_of_long(secret.trim(), &mut forms);
    }
    // Who was given a key on one line, with `\n` spelled out, puts the lines back.
    let spelled = secret.replace("\\r", "").replace("\\n", "\n");
    for text in [secret, &spelled].into_iter().filter(|text| text.contains('\n')) {
        for line in text.lines().map(str::trim).filter(|line| line.chars().count() >= LINE_LENGTH) {
            forms.insert(line.to_owned());
            forms.insert(json(line, |_| false, Hex::Lower));
        }
    }
    forms
}

fn is_one(text: &str) -> bool {
    let said = text.trim();
    said.chars().count() >= SHORTEST && !matches!(said, "true" | "false" | "null")
}

fn add_forms_of_long(text: &str, forms: &mut BTreeSet<String>) {
    if !text.contains('\n') {
        forms.insert(text.to_owned());
        forms.insert(json(text, |_| false, Hex::Lower));
    }
    // Its lines hide the rest of what is said of one that has lines, as it is or as JSON.
    forms.extend([Hex::Upper, Hex::Lower].map(|hex| percent(text, "~", hex)));
    // Whatever white space comes after it.
    forms.extend([BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD].iter().filter_map(|it| base64_inside(it, 0, text)));
}

fn add_forms(text: &str, forms: &mut BTreeSet<String>) {
    forms.insert(text.to_owned());
    // Rust's `{:?}`.
    forms.insert(text.escape_debug().to_string());
    forms.insert(format!("{text:?}").trim_matches('"').to_owned());
    for kind in [Python::Text, Python::Ascii, Python::Bytes] {
        forms.extend([python(text, kind, true), python(text, kind, false)]);
    }
    // A host's name has no capitals where it is asked for.
    if text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte)) {
        forms.insert(text.to_ascii_lowercase());
    }
    for (escaped, hex) in JSON {
        let once = json(text, escaped, hex);
        forms.insert(json(&once, escaped, hex));
        forms.insert(once);
    }
    for left in LEFT_IN_URLS {
        for hex in [Hex::Upper, Hex::Lower] {
            let encoded = percent(text, left, hex);
            forms.insert(encoded.replace("%20", "+"));
            forms.insert(encoded);
        }
    }
    forms.extend(LEFT_IN_WHOLE_URLS.map(|left| percent(text, left, Hex::Upper)));
    for engine in [BASE64_STANDARD, BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE, BASE64_URL_SAFE_NO_PAD] {
        let encoded = engine.encode(text);
        for hex in [Hex::Upper, Hex::Lower] {
            forms.insert(percent(&encoded, "", hex));
        }
        forms.insert(encoded);
    }
    for engine in [BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD] {
        forms.extend((0..3).filter_map(|before| base64_inside(&engine, before, text)));
    }
}

/// What Base64 of a longer text has of this one, which begins `before` bytes after a group of three: `user:secret`, for example.
/// The characters that hold bits of a neighbour as well are left out.
fn base64_inside(engine: &impl Engine, before: usize, text: &str) -> Option<String> {
    let mut bytes = vec![0; before];
    bytes.extend_from_slice(text.as_bytes());
    let own_start = (before * 8).div_ceil(6);
    let own_end = bytes.len() * 8 / 6;
    let encoded = engine.encode(bytes);
    encoded.get(own_start..own_end).filter(|own| own.len() >= BASE64_LENGTH).map(ToOwned::to_owned)
}

#[derive(Clone, Copy)]
enum Hex {
    Lower,
    Upper,
}

type Chosen = fn(char) -> bool;

/// What different writers of JSON escape although they need not: nothing; all that is not ASCII, with either hex; HTML's
/// characters (Go); slashes (PHP).
const JSON: [(Chosen, Hex); 5] = [
    (|_| false, Hex::Lower),
    (|character| !character.is_ascii(), Hex::Lower),
    (|character| !character.is_ascii(), Hex::Upper),
    (|character| matches!(character, '<' | '>' | '&' | '\u{2028}' | '\u{2029}'), Hex::Lower),
    (|character| character == '/' || !character.is_ascii(), Hex::Lower),
];

/// The inside of a JSON string.
fn json(text: &str, escaped: Chosen, hex: Hex) -> String {
    let mut json = String::with_capacity(text.len());
    for character in text.chars() {
        let short = match character {
            '"' => Some('"'),
            '\\' => Some('\\'),
            '\n' => Some('n'),
            '\r' => Some('r'),
            '\t' => Some('t'),
            '\u{8}' => Some('b'),
            '\u{c}' => Some('f'),
            '/' if escaped('/') => Some('/'),
            _ => None,
        };
        if let Some(short) = short {
            json.extend(['\\', short]);
        } else if character.is_ascii_control() || escaped(character) {
            for unit in character.encode_utf16(&mut [0; 2]) {
                json += &match hex {
                    Hex::Lower => format!("\\u{unit:04x}"),
                    Hex::Upper => format!("\\u{unit:04X}"),
                };
            }
        } else {
            json.push(character);
        }
    }
    json
}

/// How Python shows a text: `repr`, `ascii`, and `repr` of its bytes.
#[derive(Clone, Copy)]
enum Python {
    Text,
    Ascii,
    Bytes,
}

/// The inside of what Python shows. It escapes `'` where the text has both kinds of quotes.
fn python(text: &str, kind: Python, quotes_escaped: bool) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\\' => shown.push_str("\\\\"),
            '\'' if quotes_escaped => shown.push_str("\\'"),
            '\n' => shown.push_str("\\n"),
            '\r' => shown.push_str("\\r"),
            '\t' => shown.push_str("\\t"),
            ' '..='~' => shown.push(character),
            _ => match (kind, u32::from(character)) {
                (Python::Text, _) if !character.is_control() => shown.push(character),
                (Python::Bytes, _) => {
                    for byte in character.encode_utf8(&mut [0; 4]).bytes() {
                        shown += &format!("\\x{byte:02x}");
                    }
                }
                (_, code @ 0..=0xff) => shown += &format!("\\x{code:02x}"),
                (_, code @ 0x100..=0xffff) => shown += &format!("\\u{code:04x}"),
                (_, code) => shown += &format!("\\U{code:08x}"),
            },
        }
    }
    shown
}

/// As a part of a URL.
fn percent(text: &str, left: &str, hex: Hex) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._".contains(&byte) || left.as_bytes().contains(&byte) {
            encoded.push(byte.into());
        } else {
            encoded += &match hex {
                Hex::Lower => format!("%{byte:02x}"),
                Hex::Upper => format!("%{byte:02X}"),
            };
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What other programs make of `p@s/w: "ü+\` and of the like: found by running them.
    #[test]
    fn the_forms_are_those_of_common_programs() {
        let secret = "p@s/w: \"ü+<\\";
        let forms = forms(secret);
        for (program, form) in [
            ("as it is", secret),
            ("serde_json", r#"p@s/w: \"ü+<\\"#),
            ("serde_json, in JSON", r#"p@s/w: \\\"ü+<\\\\"#),
            ("Python's json.dumps", r#"p@s/w: \"\u00fc+<\\"#),
            ("Python's json.dumps, twice", r#"p@s/w: \\\"\\u00fc+<\\\\"#),
            ("Jackson, ASCII only", r#"p@s/w: \"\u00FC+<\\"#),
            ("Go's json.Marshal", r#"p@s/w: \"ü+\u003c\\"#),
            ("PHP's json_encode", r#"p@s\/w: \"\u00fc+<\\"#),
            ("Python's quote", "p%40s/w%3A%20%22%C3%BC%2B%3C%5C"),
            ("Python's quote_plus", "p%40s%2Fw%3A+%22%C3%BC%2B%3C%5C"),
            ("JavaScript's encodeURIComponent", "p%40s%2Fw%3A%20%22%C3%BC%2B%3C%5C"),
            (".NET's UrlEncode", "p%40s%2fw%3a+%22%c3%bc%2b%3c%5c"),
            ("Python's repr, if it has a '", "p@s/w: \"ü+<\\\\"),
            ("Python's ascii", "p@s/w: \"\\xfc+<\\\\"),
            ("Python's repr of bytes", "p@s/w: \"\\xc3\\xbc+<\\\\"),
            ("Python's requests, in a whole URL", "p@s/w:%20%22%C3%BC+%3C%5C"),
            ("a browser's URL, in its query", "p@s/w:%20%22%C3%BC+%3C\\"),
            ("JavaScript's encodeURI", "p@s/w:%20%22%C3%BC+%3C%5C"),
            ("Base64", "cEBzL3c6ICLDvCs8XA=="),
            ("Base64 for URLs", "cEBzL3c6ICLDvCs8XA"),
            ("Base64 in a form", "cEBzL3c6ICLDvCs8XA%3D%3D"),
        ] {
            assert!(forms.contains(form), "{program}: {form} is none of {forms:#?}");
        }
    }

    #[test]
    fn what_is_too_short_has_no_forms() {
        for text in ["", "abc", "123", "üöä", "true", "false", "null", " no\n", "a\nb"] {
            assert!(forms(text).is_empty(), "{text:?}");
        }
        assert!(forms("hunter2\n").contains("hunter2"), "trimmed");
    }

    #[test]
    fn programs_that_escape_little_are_known_as_well() {
        for (secret, form) in [
            ("it's \"q\"", r#"it\'s "q""#),
            ("50%off/x", "50%off%2Fx"),
            ("DB-Prod.Example", "db-prod.example"),
            ("--BEGIN KEY--\\nMIIEvQIBADAN\\n--END KEY--", "MIIEvQIBADAN"),
        ] {
            assert!(forms(secret).contains(form), "{form} is none of {:#?}", forms(secret));
        }
    }

    /// As those of a cloud's databases are, which users paste.
    #[test]
    fn a_bundle_of_certificates_has_forms_that_fit() {
        let lines: Vec<String> = (0..2_600).map(|number| format!("{number:08}+/{}", "aB3".repeat(18))).collect();
        let bundle = lines.join("\n") + "\n";
        let forms = forms(&bundle);
        assert!(bundle.len() > 160_000 && forms.iter().map(String::len).sum::<usize>() < 1024 * 1024);
        for form in [&lines[7], &percent(bundle.trim(), "~", Hex::Upper)] {
            assert!(forms.contains(form));
        }
        let encoded = BASE64_STANDARD.encode(&bundle);
        assert!(forms.iter().any(|form| form.len() + 6 > encoded.len() && encoded.starts_with(form)));
    }

    #[test]
    fn base64_of_who_logs_in_holds_no_short_password() {
        for user in ["a", "ab", "abc"] {
            let encoded = BASE64_STANDARD.encode(format!("{user}:pass5"));
            assert!(forms("pass5").iter().any(|form| encoded.contains(form)), "{encoded}");
        }
    }

    #[test]
    fn base64_with_something_around_it_holds_one_of_the_forms() {
        let forms = forms("open sesame?>");
        for before in ["", "a", "ab", "abc", "user:"] {
            for after in ["", "x", "xy", "xyz"] {
                for engine in [BASE64_STANDARD, BASE64_URL_SAFE] {
                    let encoded = engine.encode(format!("{before}open sesame?>{after}"));
                    assert!(forms.iter().any(|form| encoded.contains(form)), "{before} {after} {encoded}");
                }
            }
        }
    }
}
