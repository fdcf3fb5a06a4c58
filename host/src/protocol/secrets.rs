//! The secrets of a config, and their masking in what people read. Knows nothing of messages.

use std::collections::{BTreeSet, HashSet, VecDeque};

use aho_corasick::{AhoCorasick, AhoCorasickKind};
use serde_json::Value;

use super::secret_forms::forms;

/// What stands in the place of a secret, as in Airbyte's own connectors.
const MASK: &str = "****";

/// What is shorter is found where nobody named the host.
const SHORTEST_HOST: usize = 4;

/// What is shorter in a secret that is JSON is most often a word.
const SHORTEST_PART: usize = 8;

/// How many bytes the forms of all secrets may have together: a machine that looks for them takes some 40 times as much memory,
/// and a guest may renew its config as often as it likes.
const MAX_BYTES: usize = 1024 * 1024;

/// The values that must not be seen in a log.
#[derive(Debug, Default)]
pub struct Secrets {
    /// The JSON Schema of the config: it says what is secret.
    specification: Value,
    /// The forms of the config's secrets.
    configured: BTreeSet<String>,
    /// The forms of each secret that was learned later, the earliest first.
    learned: VecDeque<BTreeSet<String>>,
    /// Finds all of them in one pass; none while there are none.
    finder: Option<AhoCorasick>,
    longest: usize,
}

/// A text that people may read.
#[derive(Debug, PartialEq, Eq)]
pub struct Masked {
    /// The text, without secrets.
    pub text: String,
    /// How many bytes of the original it stands for: at least as many as were asked for, more where a secret is there.
    pub bytes: usize,
}

impl Secrets {
    /// None yet; `specification` (a JSON Schema) says what is secret, with `airbyte_secret`.
    pub fn named_by(specification: Value) -> Secrets {
        Secrets { specification, ..Secrets::default() }
    }

    /// Adds the secrets of the config that the user gave, as the text that it is and as what is read of it. They are never forgotten.
    /// The error says why they can not be masked.
    pub fn add_configured(&mut self, text: &str, config: &Value) -> Result<(), String> {
        self.configured = self.forms_of(text, config)?;
        self.build()
    }

    /// Adds a host that the config names with `value`, if that is a secret: what is said of the host is a piece of the value, and
    /// written in another way.
    pub fn add_host(&mut self, host: &str, value: &Value) -> Result<(), String> {
        let mut said = BTreeSet::new();
        collect_leaves(value, &mut said);
        if host.len() < SHORTEST_HOST || !said.iter().any(|text| self.configured.contains(text)) {
            return Ok(());
        }
        self.configured.insert(host.to_owned());
        self.build()
    }

    /// Adds the secrets of a config that the connector renewed. The earlier ones stay, but where all together would take too much
    /// memory the first that were learned are forgotten. The error says why those of this config can not be masked.
    pub fn learn(&mut self, text: &str, config: &Value) -> Result<(), String> {
        let known = |form: &String| self.configured.contains(form) || self.learned.iter().any(|it| it.contains(form));
        let new: BTreeSet<String> = self.forms_of(text, config)?.into_iter().filter(|form| !known(form)).collect();
        if new.is_empty() {
            return Ok(());
        }
        require_room(self.configured.union(&new))?;
        self.learned.push_back(new);
        while require_room(self.configured.iter().chain(self.learned.iter().flatten())).is_err() {
            self.learned.pop_front();
        }
        self.build()
    }

    /// All forms of all that is secret in a config.
    fn forms_of(&self, text: &str, config: &Value) -> Result<BTreeSet<String>, String> {
        let mut secrets = BTreeSet::new();
        Search { numbers: text, root: &self.specification, seen: HashSet::new(), secrets: &mut secrets }
            .look_through(config);
        // Before any form of them is made.
        require_room(&secrets)?;
        let mut all = BTreeSet::new();
        for secret in &secrets {
            all.append(&mut forms(secret));
            require_room(&all)?;
        }
        Ok(all)
    }

    fn build(&mut self) -> Result<(), String> {
        let forms: BTreeSet<&String> = self.configured.iter().chain(self.learned.iter().flatten()).collect();
        self.longest = forms.iter().map(|form| form.len()).max().unwrap_or_default();
        self.finder = if forms.is_empty() {
            None
        } else {
            let mut builder = AhoCorasick::builder();
            // The kind that is small, whatever the secrets are.
            builder.kind(Some(AhoCorasickKind::ContiguousNFA));
            let finder = builder.build(forms).map_err(|error| format!("its secrets can not be looked for: {error}"))?;
            Some(finder)
        };
        Ok(())
    }

    /// The longest form of a secret, in bytes. Where a text goes on, its last bytes up to this many may be half a secret.
    pub fn longest(&self) -> usize {
        self.longest
    }

    /// The first `limit` bytes of a text with every secret masked that begins in them, whole. What is not UTF-8 becomes `U+FFFD`.
    pub fn mask_up_to(&self, text: &[u8], limit: usize) -> Masked {
        let limit = limit.min(text.len());
        let mut masked = String::with_capacity(limit);
        let mut done = 0;
        for (start, end) in self.places(text, limit) {
            masked.push_str(&String::from_utf8_lossy(&text[done..start]));
            masked.push_str(MASK);
            done = end;
        }
        if done < limit {
            // A character is not cut in two either.
            let end = (limit..=text.len().min(limit + 3)).find(|end| is_boundary(text, *end)).unwrap_or(limit);
            masked.push_str(&String::from_utf8_lossy(&text[done..end]));
            done = end;
        }
        Masked { text: masked, bytes: done }
    }

    /// Where the secrets are that begin before `limit`. Those that overlap are one: nothing of either may be left.
    fn places(&self, text: &[u8], limit: usize) -> Vec<(usize, usize)> {
        let mut places: Vec<(usize, usize)> = Vec::new();
        // Where the last of them may end.
        let mut reach = limit;
        // They come in the order of their ends.
        for found in self.finder.iter().flat_map(|finder| finder.find_overlapping_iter(text)) {
            if found.end().saturating_sub(self.longest) >= reach {
                break;
            }
            let mut start = found.start();
            while let Some((before, end)) = places.last().copied()
                && start < end
            {
                start = start.min(before);
                places.pop();
            }
            places.push((start, found.end()));
            if start < limit {
                reach = reach.max(found.end());
            }
        }
        places.retain(|(start, _)| *start < limit);
        places
    }
}

fn is_boundary(text: &[u8], place: usize) -> bool {
    // A byte that goes on with a character begins with the bits 10.
    text.get(place).is_none_or(|byte| byte & 0b1100_0000 != 0b1000_0000)
}

fn require_room<'a>(forms: impl IntoIterator<Item = &'a String>) -> Result<(), String> {
    let bytes: usize = forms.into_iter().map(String::len).sum();
    if bytes <= MAX_BYTES {
        return Ok(());
    }
    Err(format!(
        "its secrets are too long to be masked: in the forms in which they may be said they have {bytes} bytes and more, and the \
         limit is {MAX_BYTES}"
    ))
}

/// A walk through a schema and the value it describes.
struct Search<'a> {
    root: &'a Value,
    /// The text of the config: a number that is read may have lost digits.
    numbers: &'a str,
    /// Which part of the schema has met which part of the value: references may go in circles.
    seen: HashSet<(*const Value, *const Value)>,
    secrets: &'a mut BTreeSet<String>,
}

impl<'a> Search<'a> {
    fn look_through(&mut self, config: &'a Value) {
        // A list, and no recursion: a specification may have a chain of references of any length.
        let mut waiting = vec![(self.root, config)];
        while let Some((schema, value)) = waiting.pop() {
            if self.seen.insert((schema, value)) {
                self.look(schema, value, &mut waiting);
            }
        }
    }

    fn look(&mut self, schema: &'a Value, value: &'a Value, waiting: &mut Vec<(&'a Value, &'a Value)>) {
        if schema.get("airbyte_secret") == Some(&Value::Bool(true)) {
            collect_leaves(value, self.secrets);
            self.collect_numbers(value);
        }
        for word in ["$ref", "$dynamicRef", "$recursiveRef"] {
            if let Some(reference) = schema.get(word).and_then(Value::as_str) {
                waiting.extend(referred(self.root, reference).map(|schema| (schema, value)));
            }
        }
        for alternatives in ["oneOf", "anyOf", "allOf"] {
            let alternatives = schema.get(alternatives).and_then(Value::as_array).into_iter().flatten();
            waiting.extend(alternatives.map(|alternative| (alternative, value)));
        }
        for dependent in ["dependentSchemas", "dependencies"] {
            let schemas = schema.get(dependent).and_then(Value::as_object).into_iter().flat_map(|all| all.values());
            waiting.extend(schemas.map(|schema| (schema, value)));
        }
        let conditions = ["if", "then", "else", "not"].iter().filter_map(|word| schema.get(word));
        waiting.extend(conditions.map(|condition| (condition, value)));
        match value {
            Value::Object(fields) => {
                for (name, value) in fields {
                    look_at_field(schema, name, value, waiting);
                }
            }
            Value::Array(elements) => look_at_elements(schema, elements, waiting),
            _ => {}
        }
    }
}

impl Search<'_> {
    /// Numbers as the config has them, of which `Value` may keep less.
    fn collect_numbers(&mut self, value: &Value) {
        match value {
            Value::Number(number) if number.is_f64() => {
                let wanted = number.as_f64();
                let digits = |character: char| character.is_ascii_digit() || "+-.eE".contains(character);
                let words = self.numbers.split(|character| !digits(character));
                let same = words.filter(|word| word.parse().ok() == wanted && wanted.is_some());
                self.secrets.extend(same.map(ToOwned::to_owned));
                // As languages without exponents write it.
                self.secrets.extend(wanted.map(|number| number.to_string()));
            }
            Value::Array(elements) => elements.iter().for_each(|element| self.collect_numbers(element)),
            Value::Object(fields) => fields.values().for_each(|value| self.collect_numbers(value)),
            _ => {}
        }
    }
}

/// What a reference leads to: a place in the schema, or whatever has that name in it.
fn referred<'a>(root: &'a Value, reference: &str) -> Option<&'a Value> {
    let (document, fragment) = reference.split_once('#').unwrap_or((reference, ""));
    let fragment = percent_encoding::percent_decode_str(fragment).decode_utf8_lossy();
    let document = if document.is_empty() { Some(root) } else { find(root, "$id", document) };
    if fragment.is_empty() || fragment.starts_with('/') {
        return document?.pointer(&fragment);
    }
    ["$anchor", "$dynamicAnchor"].iter().find_map(|word| find(root, word, &fragment))
}

/// A part of a schema that has this name under this word.
fn find<'a>(root: &'a Value, word: &str, name: &str) -> Option<&'a Value> {
    let mut waiting = vec![root];
    while let Some(value) = waiting.pop() {
        if value.get(word).and_then(Value::as_str) == Some(name) {
            return Some(value);
        }
        match value {
            Value::Object(fields) => waiting.extend(fields.values()),
            Value::Array(elements) => waiting.extend(elements),
            _ => {}
        }
    }
    None
}

fn look_at_field<'a>(schema: &'a Value, name: &str, value: &'a Value, waiting: &mut Vec<(&'a Value, &'a Value)>) {
    let property = schema.get("properties").and_then(|properties| properties.get(name));
    // A pattern is taken to fit every name: one masked word too many does less harm than one too few.
    let patterns = schema.get("patternProperties").and_then(Value::as_object).into_iter().flat_map(|all| all.values());
    let others = ["additionalProperties", "unevaluatedProperties"].iter().filter_map(|word| schema.get(word));
    waiting.extend(property.into_iter().chain(patterns).chain(others).map(|schema| (schema, value)));
}

fn look_at_elements<'a>(schema: &'a Value, elements: &'a [Value], waiting: &mut Vec<(&'a Value, &'a Value)>) {
    for word in ["items", "prefixItems", "additionalItems", "unevaluatedItems", "contains"] {
        match schema.get(word) {
            Some(Value::Array(schemas)) => waiting.extend(schemas.iter().zip(elements)),
            Some(schema) => waiting.extend(elements.iter().map(|element| (schema, element))),
            None => {}
        }
    }
}

fn collect_leaves(value: &Value, secrets: &mut BTreeSet<String>) {
    match value {
        Value::String(text) => {
            secrets.insert(text.clone());
            // A service account's key file, for example: whoever uses it has its parts in hand.
            if let Ok(document @ (Value::Object(_) | Value::Array(_))) = serde_json::from_str(text) {
                let mut parts = BTreeSet::new();
                collect_leaves(&document, &mut parts);
                secrets.extend(parts.into_iter().filter(|part| is_secret_part(part)));
            }
        }
        Value::Number(number) => {
            secrets.insert(number.to_string());
        }
        Value::Array(elements) => elements.iter().for_each(|element| collect_leaves(element, secrets)),
        Value::Object(fields) => fields.values().for_each(|value| collect_leaves(value, secrets)),
        // Neither true and false nor null is one.
        Value::Bool(_) | Value::Null => {}
    }
}

/// Whether what stands in a secret that is JSON is one by itself: neither a word nor where something is.
fn is_secret_part(text: &str) -> bool {
    let has = |kind: fn(&char) -> bool| text.chars().any(|character| kind(&character));
    text.len() >= SHORTEST_PART && has(char::is_ascii_digit) && has(char::is_ascii_alphabetic) && !text.contains("://")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn of(config: &Value) -> Secrets {
        let mut secrets = Secrets::named_by(json!({"additionalProperties": {"airbyte_secret": true}}));
        secrets.add_configured(&config.to_string(), config).unwrap();
        secrets
    }

    fn mask(secrets: &Secrets, text: &str) -> String {
        secrets.mask_up_to(text.as_bytes(), text.len()).text
    }

    #[test]
    fn secrets_are_found_wherever_a_specification_hides_them() {
        let specification = json!({"properties": {
            "password": {"airbyte_secret": true},
            "credentials": {"oneOf": [{"properties": {"token": {"airbyte_secret": true}}}]},
            "keys": {"items": {"airbyte_secret": true}},
            "tunnel": {"$ref": "#/$defs/tunnel"},
            "headers": {"additionalProperties": {"airbyte_secret": true}},
            "host": {}
        }, "dependentSchemas": {"host": {"properties": {"cert": {"airbyte_secret": true}}}},
        "$defs": {"tunnel": {"properties": {
            "key": {"airbyte_secret": true},
            "next": {"anyOf": [{"$ref": "#/$defs/tunnel"}, {"$ref": "#/$defs/tunnel"}]}
        }}}});
        let config = json!({"password": "abcd", "credentials": {"token": "abcdef"}, "keys": [12345], "host": "db",
            "tunnel": {"next": {"next": {"key": "deep"}}}, "headers": {"auth": "bearer"}, "cert": "pinned"});
        let mut secrets = Secrets::named_by(specification);
        secrets.add_configured(&config.to_string(), &config).unwrap();
        assert_eq!(mask(&secrets, "abcdef at db with abcd and 12345"), "**** at db with **** and ****");
        assert_eq!(mask(&secrets, "deep bearer pinned"), "**** **** ****");
    }

    #[test]
    fn references_of_every_kind_lead_to_secrets() {
        let specification = json!({"$id": "https://x.example/spec", "properties": {
            "a": {"$ref": "#/$defs/with%20space"}, "b": {"$ref": "#key"}, "c": {"$dynamicRef": "#node"},
            "d": {"$ref": "https://x.example/spec#/$defs/with%20space"}, "e": {"$ref": "https://x.example/other"}
        }, "not": {"properties": {"f": {"airbyte_secret": true, "type": "null"}}}, "$defs": {
            "with space": {"airbyte_secret": true},
            "key": {"$anchor": "key", "airbyte_secret": true},
            "node": {"$dynamicAnchor": "node", "airbyte_secret": true},
            "other": {"$id": "https://x.example/other", "airbyte_secret": true}
        }});
        let config = json!({"a": "secret-a", "b": "secret-b", "c": "secret-c", "d": "secret-d", "e": "secret-e", "f": "secret-f"});
        let mut secrets = Secrets::named_by(specification);
        secrets.add_configured("", &config).unwrap();
        for name in ["a", "b", "c", "d", "e", "f"] {
            assert_eq!(mask(&secrets, &format!("secret-{name}")), "****", "{name}");
        }
    }

    #[test]
    fn numbers_are_masked_as_the_config_has_them_and_as_programs_write_them() {
        let text = r#"{"a": 12345678901234567890123, "b": 0.123450, "c": 1e10}"#;
        let mut secrets = Secrets::named_by(json!({"additionalProperties": {"airbyte_secret": true}}));
        secrets.add_configured(text, &serde_json::from_str(text).unwrap()).unwrap();
        let said = "12345678901234567890123 0.123450 0.12345 1e10 10000000000";
        assert_eq!(mask(&secrets, said), "**** **** **** **** ****");
    }

    #[test]
    fn of_a_secret_that_is_json_the_keys_are_masked_and_the_words_are_not() {
        let key = json!({"type": "service_account", "token_uri": "https://oauth2.example/token", "universe": "example.com",
            "private_key": "--BEGIN--\nMIIEvQIBADAN\n--END--\n", "client_secret": "GOCSPX-1a2b3c"});
        let secrets = of(&json!({"credentials": key.to_string()}));
        assert_eq!(mask(&secrets, "GOCSPX-1a2b3c, MIIEvQIBADAN"), "****, ****");
        let harmless = "service_account at https://oauth2.example/token of example.com";
        assert_eq!(mask(&secrets, harmless), harmless);
    }

    #[test]
    fn a_host_is_masked_where_a_secret_names_it() {
        let config = json!({"url": "https://Hidden.Example:8443/hook", "open": 1});
        let mut secrets = of(&config);
        secrets.add_host("hidden.example", &config["url"]).unwrap();
        secrets.add_host("shown.example", &json!("https://shown.example")).unwrap();
        assert_eq!(mask(&secrets, "hidden.example, shown.example"), "****, shown.example");
    }

    #[test]
    fn a_long_chain_of_references_is_followed_to_its_end() {
        let mut definitions: serde_json::Map<String, Value> = (0..100_000)
            .map(|number| (number.to_string(), json!({"$ref": format!("#/$defs/{}", number + 1)})))
            .collect();
        definitions.insert("100000".into(), json!({"airbyte_secret": true}));
        let mut secrets =
            Secrets::named_by(json!({"properties": {"key": {"$ref": "#/$defs/0"}}, "$defs": definitions}));
        secrets.add_configured("", &json!({"key": "hunter2"})).unwrap();
        assert_eq!(mask(&secrets, "hunter2"), "****");
    }

    #[test]
    fn a_secret_is_masked_as_json_and_by_lines() {
        let config = json!({"key": "-----BEGIN KEY-----\nabc\"defgh\n}\n"});
        let secrets = of(&config);
        assert_eq!(mask(&secrets, &config.to_string()), r#"{"key":"****"}"#);
        assert_eq!(mask(&secrets, "line: abc\"defgh"), "line: ****");
        assert_eq!(mask(&secrets, "{}"), "{}");
    }

    #[test]
    fn what_is_too_short_or_no_secret_at_all_is_not_masked_into_noise() {
        let secrets =
            of(&json!({"a": "abc", "b": 443, "c": true, "d": null, "e": "false", "f": "", "g": {"h": ["no"]}}));
        let text = "abc 443 true null false no";
        assert_eq!(mask(&secrets, text), text);
        assert_eq!(mask(&of(&json!({"a": "abcd", "b": 4430})), "abcd 4430"), "**** ****");
    }

    #[test]
    fn of_secrets_that_overlap_nothing_is_left() {
        let secrets = of(&json!({"a": "abcdef", "b": "defghi", "c": "bcde"}));
        assert_eq!(mask(&secrets, "-abcdefghi-abcdefabcdef-bcde-"), "-****-********-****-");
    }

    #[test]
    fn a_cut_never_shows_half_a_secret() {
        let secrets = of(&json!({"password": "hunter2"}));
        let text = "x hunter2 hunter2 ü".as_bytes();
        for (limit, shown, bytes) in [
            (0, "", 0),
            (2, "x ", 2),
            (3, "x ****", 9),
            (9, "x ****", 9),
            (10, "x **** ", 10),
            (11, "x **** ****", 17),
            (19, "x **** **** ü", 20),
            (usize::MAX, "x **** **** ü", 20),
        ] {
            assert_eq!(secrets.mask_up_to(text, limit), Masked { text: shown.into(), bytes }, "{limit}");
        }
    }

    #[test]
    fn renewed_secrets_are_masked_beside_the_old_ones() {
        let mut secrets = of(&json!({"token": "first-token"}));
        for token in ["second-token", "third-token", "third-token"] {
            secrets.learn("", &json!({"token": token})).unwrap();
        }
        assert_eq!(secrets.learned.len(), 2, "what is known is not learned twice");
        assert_eq!(mask(&secrets, "first-token, second-token, third-token"), "****, ****, ****");
    }

    #[test]
    fn a_guest_that_renews_for_ever_makes_the_host_forget_what_it_learned_first_and_nothing_of_the_user() {
        let mut secrets = of(&json!({"token": "of-the-user"}));
        let token = |number: u32| format!("{number:06}{}", "x".repeat(60_000));
        for number in 0..10 {
            secrets.learn("", &json!({"token": token(number)})).unwrap();
        }
        let bytes: usize = secrets.learned.iter().flatten().map(String::len).sum();
        assert!(bytes < MAX_BYTES && secrets.learned.len() < 10, "{bytes}");
        assert_eq!(mask(&secrets, "of-the-user"), "****");
        assert_eq!(mask(&secrets, &token(9)), "****");
        assert!(secrets.learn("", &json!({"token": "y".repeat(MAX_BYTES)})).is_err());
        assert_eq!(mask(&secrets, &token(9)), "****", "what is refused changes nothing");
        assert!(
            Secrets::named_by(json!({"airbyte_secret": true}))
                .add_configured("", &json!("y".repeat(MAX_BYTES)))
                .is_err()
        );
    }

    /// Secrets of characters that forms differ in, and long enough to be some. None has the mask's own character.
    fn secret() -> impl Strategy<Value = String> {
        "[ab/+:%\"\\\\ü\u{1f511} ]{4,12}".prop_filter("a secret", |text| text.trim().chars().count() >= 4)
    }

    proptest! {
        #[test]
        fn no_masked_text_holds_a_secret_however_it_is_cut(
            secrets in proptest::collection::vec(secret(), 1..4),
            around in proptest::collection::vec("[ab ü]{0,6}", 4),
            limit in 0..80_usize,
        ) {
            let finder = of(&json!(secrets.iter().enumerate().map(|(number, secret)| (number.to_string(), json!(secret)))
                .collect::<serde_json::Map<_, _>>()));
            let mut text = around[0].clone();
            for (secret, after) in secrets.iter().zip(&around[1..]) {
                text += secret;
                text += after;
            }
            let masked = mask(&finder, &text);
            for secret in &secrets {
                prop_assert!(!masked.contains(secret.as_str()), "{masked} holds {secret}");
                prop_assert!(!mask(&finder, &json!([text]).to_string()).contains(secret.as_str()));
            }
            // A text that is masked in two pieces reads as if it had not been cut.
            let first = finder.mask_up_to(text.as_bytes(), limit);
            prop_assert!(first.bytes >= limit.min(text.len()));
            let rest = mask(&finder, &text[first.bytes..]);
            prop_assert_eq!(first.text + &rest, masked);
        }
    }
}
