//! What a template names of a variable: who knows it need not parse the whole of a response. Knows templates as text only.

use std::collections::BTreeSet;

/// What is named of a variable's fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Named {
    Fields(BTreeSet<String>),
    /// Anything may be.
    All,
}

/// Methods of Python's dict: so named, a field is none.
const METHODS: &[&str] =
    &["clear", "copy", "fromkeys", "items", "keys", "pop", "popitem", "setdefault", "update", "values"];

/// What the templates name of the variable.
pub fn of_variable<'t>(templates: impl IntoIterator<Item = &'t str>, variable: &str) -> Named {
    let mut fields = BTreeSet::new();
    for template in templates {
        for (at, _) in template.match_indices(variable) {
            let before = template.get(..at).and_then(|before| before.chars().next_back());
            let after = template.get(at + variable.len()..).unwrap_or_default();
            let is_part = before.is_some_and(|letter| is_of_name(letter) || matches!(letter, '.' | '\'' | '"'));
            if is_part || after.starts_with(is_of_name) {
                continue;
            }
            match field(after.trim_start()) {
                Some(field) => fields.insert(field.to_owned()),
                None => return Named::All,
            };
        }
    }
    Named::Fields(fields)
}

/// The field that is named behind a variable: `.next`, `['next']`, `.get('next'`.
fn field(after: &str) -> Option<&str> {
    if let Some(item) = after.strip_prefix('[') {
        let (field, rest) = literal(item)?;
        return rest.starts_with(']').then_some(field);
    }
    let attribute = after.strip_prefix('.')?.trim_start();
    let end = attribute.find(|letter| !is_of_name(letter)).unwrap_or(attribute.len());
    let (name, rest) = attribute.split_at_checked(end)?;
    match name {
        "" => None,
        "get" => match rest.trim_start().strip_prefix('(') {
            Some(argument) => {
                literal(argument).filter(|(_, rest)| rest.starts_with([',', ')'])).map(|(field, _)| field)
            }
            None => None,
        },
        name => (!METHODS.contains(&name)).then_some(name),
    }
}

/// A text in quotes without an escape in it, and what comes after it.
fn literal(text: &str) -> Option<(&str, &str)> {
    let text = text.trim_start();
    let quote = text.chars().next().filter(|letter| matches!(letter, '\'' | '"'))?;
    let (literal, rest) = text.get(1..)?.split_once(quote)?;
    (!literal.contains('\\')).then_some((literal, rest.trim_start()))
}

fn is_of_name(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_named_is_found_and_nothing_is_left_out() {
        let fields = |fields: &[&str]| Named::Fields(fields.iter().map(|field| (*field).to_owned()).collect());
        for (template, expected) in [
            ("{{ response.next }}", fields(&["next"])),
            ("{{ response['next'] }}{{ not response . more }}", fields(&["more", "next"])),
            ("{{ response.get(\"paging\", {}).get(\"next\", {}) }}", fields(&["paging"])),
            ("{{ response.get( 'next' ) }}", fields(&["next"])),
            ("{{ response['entries'][-1]['uuid'] }}", fields(&["entries"])),
            ("{{ headers['response'].x }} {{ last_response.x }} {{ config.response.y }}", fields(&[])),
            ("{{ response }}", Named::All),
            ("{{ response|length }}", Named::All),
            ("{{ response[0] }}", Named::All),
            ("{{ response[config['field']] }}", Named::All),
            ("{{ response.get(config['field']) }}", Named::All),
            ("{{ response.get('a' ~ 'b') }}", Named::All),
            ("{{ response['a' ~ 'b'] }}", Named::All),
            ("{{ response.items() }}", Named::All),
            ("{{ response.get }}", Named::All),
            ("{{ 'x' in response }}", Named::All),
            ("{{ response.next if response else None }}", Named::All),
            ("{{ response", Named::All),
            ("{{ response['a", Named::All),
            ("plain", fields(&[])),
        ] {
            assert_eq!(of_variable([template], "response"), expected, "{template}");
        }
    }
}
