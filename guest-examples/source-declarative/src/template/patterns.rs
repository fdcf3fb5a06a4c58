//! The CDK's filters of regular expressions, which are Python's.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use regex_lite::{Captures, Regex};

use super::evaluate::{Fault, Given, Result};
use super::value::Value;

thread_local! {
    static KNOWN: RefCell<HashMap<String, Rc<Regex>>> = RefCell::default();
}

/// A regular expression of Python. An error for what is none here.
pub fn compile(pattern: &str) -> std::result::Result<Rc<Regex>, String> {
    if let Some(regex) = KNOWN.with_borrow(|known| known.get(pattern).cloned()) {
        return Ok(regex);
    }
    // Python's name for the end of the text.
    let ours = pattern.replace("\\Z", "\\z");
    let regex =
        Regex::new(&ours).map_err(|error| format!("the regular expression {pattern:?} is not supported: {error}"))?;
    let regex = Rc::new(regex);
    KNOWN.with_borrow_mut(|known| {
        // Patterns stand in manifests; ones that are made of records would be ever more.
        if known.len() < 1000 {
            known.insert(pattern.to_owned(), Rc::clone(&regex));
        }
    });
    Ok(regex)
}

fn text<'v>(value: &'v Value<'_>) -> Result<&'v str> {
    value.as_text().ok_or_else(|| Fault::Type(format!("a {} is searched where a str is wanted", value.type_name())))
}

pub fn apply<'a>(name: &str, of: &Value<'a>, given: Given<'a>) -> Result<Value<'a>> {
    if name == "regex_search" {
        let [pattern] = given.bind(["regex"], 1)?;
        let pattern = pattern.unwrap_or(Value::None);
        let regex = compile(text(&pattern)?).map_err(Fault::Other)?;
        let found = regex.captures(text(of)?);
        let group = found.filter(|found| found.len() > 1).map(|found| match found.get(1) {
            Some(group) => Value::text(group.as_str().to_owned()),
            None => Value::None,
        });
        return Ok(group.unwrap_or(Value::text("")));
    }
    let [pattern, replacement] = given.bind(["regex", "replacement"], 2)?;
    let (pattern, replacement) = (pattern.unwrap_or(Value::None), replacement.unwrap_or(Value::None));
    let regex = compile(text(&pattern)?).map_err(Fault::Other)?;
    let replacement = text(&replacement)?;
    let replaced = regex.replace_all(text(of)?, |found: &Captures<'_>| expand(replacement, found));
    Ok(Value::text(replaced.into_owned()))
}

/// Python's replacement: `\1`, `\g<1>`, `\g<name>`, `\n`.
fn expand(replacement: &str, found: &Captures<'_>) -> String {
    let mut out = String::new();
    let mut rest = replacement;
    while let Some((before, escape)) = rest.split_once('\\') {
        out.push_str(before);
        if let Some((name, after)) = escape.strip_prefix("g<").and_then(|named| named.split_once('>')) {
            let group = name.parse().map_or_else(|_| found.name(name), |index: usize| found.get(index));
            out.push_str(group.map_or("", |group| group.as_str()));
            rest = after;
            continue;
        }
        let digits = escape.bytes().take(2).take_while(u8::is_ascii_digit).count();
        if digits > 0 {
            let (index, after) = escape.split_at(digits);
            let group = index.parse().ok().and_then(|index: usize| found.get(index));
            out.push_str(group.map_or("", |group| group.as_str()));
            rest = after;
            continue;
        }
        let mut characters = escape.chars();
        match characters.next() {
            Some('n') => out.push('\n'),
            Some('t') => out.push('\t'),
            Some('r') => out.push('\r'),
            Some('\\') | None => out.push('\\'),
            Some(other) => {
                out.push('\\');
                out.push(other);
            }
        }
        rest = characters.as_str();
    }
    out.push_str(rest);
    out
}
