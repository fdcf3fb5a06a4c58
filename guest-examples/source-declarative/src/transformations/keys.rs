//! The language's KeysToLower, KeysToSnakeCase and KeysReplace: other names for a record's fields.

use airlock_sdk::{Result, system_error};
use serde_json::Value;

use super::latin;
use crate::manifest::{self, Component, Object};
use crate::record::Record;
use crate::template::{Scope, Template, Variable};

/// Names in lower case, of the record itself only.
#[expect(clippy::unnecessary_wraps, reason = "one of several transformations")]
pub fn to_lower(object: &mut Object) -> Result<()> {
    if object.keys().any(|name| name.to_lowercase() != *name) {
        *object = std::mem::take(object).into_iter().map(|(name, value)| (name.to_lowercase(), value)).collect();
    }
    Ok(())
}

/// `fieldName` becomes `field_name`, in objects within objects, too.
pub fn to_snake_case(object: &mut Object) -> Result<()> {
    let mut renamed = Object::new();
    for (name, mut value) in std::mem::take(object) {
        if let Value::Object(fields) = &mut value {
            to_snake_case(fields)?;
        }
        renamed.insert(snake_case(&name)?, value);
    }
    *object = renamed;
    Ok(())
}

fn snake_case(name: &str) -> Result<String> {
    let name = latin::to_ascii(name).map_err(|character| {
        system_error(format!(
            "The field {name:?} of a record gets no name by KeysToSnakeCase: there are no Latin letters for {character:?} here."
        ))
    })?;
    let mut tokens: Vec<&str> = Vec::new();
    let mut rest = name.as_str();
    while let Some(first) = rest.chars().next() {
        let run = |is: fn(char) -> bool, of: &str| of.find(|next| !is(next)).unwrap_or(of.len());
        let is_other = |next: char| !next.is_ascii_alphanumeric();
        let end = if first.is_ascii_uppercase() {
            let upper = run(|next| next.is_ascii_uppercase(), rest);
            upper + run(|next| next.is_ascii_lowercase(), rest.get(upper..).unwrap_or_default())
        } else if first.is_ascii_lowercase() {
            run(|next| next.is_ascii_lowercase(), rest)
        } else if first.is_ascii_digit() {
            run(|next| next.is_ascii_digit(), rest)
        } else {
            run(is_other, rest)
        };
        let (token, after) = rest.split_at_checked(end).unwrap_or((rest, ""));
        tokens.push(if is_other(first) { "" } else { token });
        rest = after;
    }
    // What is between two names is one underscore; before the first and after the last it is one of its own.
    if tokens.len() >= 3 {
        let last = tokens.len() - 1;
        let mut at = 0;
        tokens.retain(|token| {
            at += 1;
            at == 1 || at == last + 1 || !token.is_empty()
        });
    }
    if tokens.first().is_some_and(|token| token.starts_with(|first: char| first.is_ascii_digit())) {
        tokens.insert(0, "");
    }
    Ok(tokens.join("_").to_lowercase())
}

/// The language's KeysReplace.
#[derive(Clone, Debug)]
pub struct KeysReplace {
    old: Template,
    new: Template,
}

impl KeysReplace {
    pub fn of(component: &Component<'_>) -> manifest::Result<Self> {
        Ok(KeysReplace { old: component.required("old")?, new: component.required("new")? })
    }

    pub fn apply(&self, record: &mut Record<'_>, scope: &Scope) -> Result<()> {
        let known = [("record", Variable::Object(record.object()?))];
        let old = self.old.text_with(scope, &known)?;
        let new = self.new.text_with(scope, &known)?;
        let object = record.object_mut()?;
        *object = replace(std::mem::take(object), &old, &new);
        Ok(())
    }
}

fn replace(object: Object, old: &str, new: &str) -> Object {
    let value = |value| match value {
        Value::Object(fields) => Value::Object(replace(fields, old, new)),
        value => value,
    };
    object.into_iter().map(|(name, of)| (name.replace(old, new), value(of))).collect()
}
