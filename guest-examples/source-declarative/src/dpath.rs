//! Paths into JSON as Python's dpath has them: names, indices, and `*` and `**` for whatever is there. Knows nothing of the manifest.

use airlock_sdk::{Result, config_error};
use serde_json::Value;

use crate::manifest::Object;

/// How deep values are looked into.
const MAX_DEPTH: usize = 200;

/// The value at a path. None where there is none; several are an error.
pub fn get<'v>(value: &'v Value, path: &[Value]) -> Result<Option<&'v Value>> {
    let mut found = matching(value, path)?;
    match (found.pop(), found.is_empty()) {
        (found, true) => Ok(found),
        _ => Err(config_error(format!("The path {} leads to more than one value.", told(path)))),
    }
}

/// All values that a path leads to.
pub fn matching<'v>(value: &'v Value, path: &[Value]) -> Result<Vec<&'v Value>> {
    let segments: Vec<String> = path.iter().map(segment).collect();
    let mut found = Vec::new();
    collect(value, &segments, 0, &mut found)?;
    Ok(found)
}

fn collect<'v>(value: &'v Value, path: &[String], depth: usize, found: &mut Vec<&'v Value>) -> Result<()> {
    let Some((first, rest)) = path.split_first() else {
        found.push(value);
        return Ok(());
    };
    if depth > MAX_DEPTH {
        return Err(config_error("A path leads deeper into a value than this connector goes."));
    }
    if first == "**" {
        collect(value, rest, depth, found)?;
    }
    let deeper = if first == "**" { path } else { rest };
    match value {
        Value::Object(fields) => {
            for (_, value) in fields.iter().filter(|(name, _)| is_match(first, name)) {
                collect(value, deeper, depth + 1, found)?;
            }
        }
        Value::Array(elements) => {
            let count = elements.len();
            for (_, value) in elements.iter().enumerate().filter(|(index, _)| is_index(first, *index, count)) {
                collect(value, deeper, depth + 1, found)?;
            }
        }
        _ => {}
    }
    Ok(())
}

/// Puts a value wherever the path leads to something that is there. The number of these places.
pub fn set(value: &mut Value, path: &[Value], new: &Value) -> usize {
    let segments: Vec<String> = path.iter().map(segment).collect();
    if segments.is_empty() { 0 } else { set_below(value, &segments, new, 0) }
}

fn set_below(value: &mut Value, path: &[String], new: &Value, depth: usize) -> usize {
    let Some((first, rest)) = path.split_first() else {
        *value = new.clone();
        return 1;
    };
    if depth > MAX_DEPTH {
        return 0;
    }
    let here = if first == "**" && !rest.is_empty() { set_below(value, rest, new, depth + 1) } else { 0 };
    let deeper = if first == "**" && !rest.is_empty() { path } else { rest };
    let below = |value: &mut Value| set_below(value, deeper, new, depth + 1);
    here + match value {
        Value::Object(fields) => {
            fields.iter_mut().filter(|(name, _)| is_match(first, name)).map(|(_, value)| below(value)).sum::<usize>()
        }
        Value::Array(elements) => {
            let count = elements.len();
            let of_path = elements.iter_mut().enumerate().filter(|(index, _)| is_index(first, *index, count));
            of_path.map(|(_, value)| below(value)).sum::<usize>()
        }
        _ => 0,
    }
}

/// How many elements a list may get at once for a place behind its end.
const MAX_EXTENSION: usize = 10_000;

/// Puts a value at a path, with the objects and lists on the way there that are missing: a list where the next segment is a number.
pub fn create(value: &mut Value, path: &[Value], new: Value) -> Result<()> {
    let Some((last, way)) = path.split_last() else {
        *value = new;
        return Ok(());
    };
    let mut current = value;
    for (at, name) in way.iter().enumerate() {
        let (below, is_new) = place(current, name, path)?;
        if is_new {
            let is_list = path.get(at + 1).is_some_and(|next| index_of(next).is_some());
            *below = if is_list { Value::Array(Vec::new()) } else { Value::Object(Object::new()) };
        }
        current = below;
    }
    *place(current, last, path)?.0 = new;
    Ok(())
}

/// The place of a segment in a value, and whether it was made for it.
fn place<'v>(value: &'v mut Value, name: &Value, path: &[Value]) -> Result<(&'v mut Value, bool)> {
    let no_index = || config_error(format!("The path {} has no index where there is a list.", told(path)));
    let no_fields = || config_error(format!("The path {} leads into a value that has no fields.", told(path)));
    match value {
        Value::Array(elements) => {
            let index = index_of(name).filter(|index| *index <= elements.len().saturating_add(MAX_EXTENSION));
            let index = index.ok_or_else(no_index)?;
            let is_new = index >= elements.len();
            if is_new {
                elements.resize(index + 1, Value::Null);
            }
            elements.get_mut(index).map(|element| (element, is_new)).ok_or_else(no_index)
        }
        Value::Object(fields) => {
            let name = segment(name);
            let is_new = !fields.contains_key(&name);
            Ok((fields.entry(name).or_insert(Value::Null), is_new))
        }
        _ => Err(no_fields()),
    }
}

/// The index that a segment is, written as a number or as a text of digits.
fn index_of(segment: &Value) -> Option<usize> {
    match segment {
        Value::String(text) if text.bytes().all(|byte| byte.is_ascii_digit()) => text.parse().ok(),
        other => other.as_u64().and_then(|index| index.try_into().ok()),
    }
}

/// Takes away what a path leads to. Of a list only the last element goes, any other becomes null.
pub fn delete(value: &mut Value, path: &[Value]) {
    let segments: Vec<String> = path.iter().map(segment).collect();
    delete_below(value, &segments, 0);
}

fn delete_below(value: &mut Value, path: &[String], depth: usize) {
    let Some((first, rest)) = path.split_first() else { return };
    if depth > MAX_DEPTH {
        return;
    }
    let is_any = first == "**";
    if is_any && !rest.is_empty() {
        delete_below(value, rest, depth + 1);
    }
    let deeper = if is_any && !rest.is_empty() { path } else { rest };
    // What is taken away takes everything below it along.
    let is_here = deeper.iter().all(|segment| segment == "**");
    match value {
        Value::Object(fields) if is_here => fields.retain(|name, _| !is_match(first, name)),
        Value::Array(elements) if is_here => {
            let count = elements.len();
            (0..count).filter(|index| is_index(first, *index, count)).for_each(|index| take_away(elements, index));
        }
        Value::Object(fields) => {
            for (_, value) in fields.iter_mut().filter(|(name, _)| is_match(first, name)) {
                delete_below(value, deeper, depth + 1);
            }
        }
        Value::Array(elements) => {
            let count = elements.len();
            for (_, value) in elements.iter_mut().enumerate().filter(|(index, _)| is_index(first, *index, count)) {
                delete_below(value, deeper, depth + 1);
            }
        }
        _ => {}
    }
}

/// An element that is not the last becomes null, so that those after it stay where they are.
fn take_away(elements: &mut Vec<Value>, index: usize) {
    if index + 1 == elements.len() {
        elements.pop();
    } else if let Some(element) = elements.get_mut(index) {
        *element = Value::Null;
    }
}

/// Takes away every value without fields or elements of its own for which a condition holds, at any depth.
pub fn delete_leaves(value: &mut Value, holds: &mut dyn FnMut(&Value) -> Result<bool>) -> Result<()> {
    match value {
        Value::Object(fields) => {
            let mut gone = Vec::new();
            for (name, value) in fields.iter().filter(|(_, value)| is_leaf(value)) {
                if holds(value)? {
                    gone.push(name.clone());
                }
            }
            fields.retain(|name, _| !gone.contains(name));
            fields.values_mut().try_for_each(|value| delete_leaves(value, holds))
        }
        Value::Array(elements) => {
            let mut gone = Vec::new();
            for (index, value) in elements.iter().enumerate().filter(|(_, value)| is_leaf(value)) {
                if holds(value)? {
                    gone.push(index);
                }
            }
            gone.into_iter().for_each(|index| take_away(elements, index));
            elements.iter_mut().try_for_each(|value| delete_leaves(value, holds))
        }
        _ => Ok(()),
    }
}

fn is_leaf(value: &Value) -> bool {
    !matches!(value, Value::Object(_) | Value::Array(_))
}

/// Whether a segment leads to more than what is named so.
pub fn is_pattern(segment: &str) -> bool {
    segment.contains(['*', '?', '['])
}

/// Whether a segment means this element of so many: a number below zero counts from the end.
fn is_index(segment: &str, index: usize, count: usize) -> bool {
    match segment.parse::<i64>() {
        Ok(wanted) if wanted < 0 => usize::try_from(wanted.unsigned_abs()).is_ok_and(|back| index + back == count),
        Ok(wanted) => usize::try_from(wanted) == Ok(index),
        Err(_) => is_match(segment, &index.to_string()),
    }
}

fn segment(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn told(path: &[Value]) -> String {
    path.iter().map(segment).collect::<Vec<_>>().join("/")
}

/// Whether a name is what a segment means, as in a shell: `*` is any text, `?` any letter, `[a-c]` one of these, `[!a-c]` none of them.
pub fn is_match(segment: &str, name: &str) -> bool {
    if !is_pattern(segment) {
        return segment == name;
    }
    let (segment, name): (Vec<char>, Vec<char>) = (segment.chars().collect(), name.chars().collect());
    // Where to go on after the last `*`, if what follows it does not match.
    let (mut s, mut n, mut again) = (0, 0, None);
    while let Some(letter) = name.get(n) {
        if segment.get(s) == Some(&'*') {
            again = Some((s, n));
            s += 1;
            continue;
        }
        match one(segment.get(s..).unwrap_or_default(), *letter) {
            Some(length) => {
                s += length;
                n += 1;
            }
            None => match again {
                Some((star, at)) => {
                    again = Some((star, at + 1));
                    s = star + 1;
                    n = at + 1;
                }
                None => return false,
            },
        }
    }
    segment.get(s..).unwrap_or_default().iter().all(|letter| *letter == '*')
}

/// How much of a pattern stands for one letter, if it means that letter.
fn one(pattern: &[char], letter: char) -> Option<usize> {
    match pattern {
        ['?', ..] => Some(1),
        ['[', set @ ..] => {
            let is_negated = set.first() == Some(&'!');
            let from = usize::from(is_negated);
            // A bracket that comes first is one of the letters; one that never ends is itself.
            let end = set.iter().skip(from + 1).position(|next| *next == ']').map(|at| at + from + 1);
            let Some(letters) = end.and_then(|end| set.get(from..end)) else {
                return (letter == '[').then_some(1);
            };
            let mut rest = letters;
            let mut is_in = false;
            loop {
                rest = match rest {
                    [low, '-', high, after @ ..] => {
                        is_in |= (*low..=*high).contains(&letter);
                        after
                    }
                    [one, after @ ..] => {
                        is_in |= *one == letter;
                        after
                    }
                    [] => break,
                };
            }
            (is_in != is_negated).then_some(letters.len() + from + 2)
        }
        [first, ..] if *first == letter => Some(1),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn path(path: Value) -> Vec<Value> {
        path.as_array().cloned().unwrap_or_default()
    }

    // What is expected comes from dpath 2 itself.
    #[test]
    fn values_are_got_put_and_taken_away_as_dpath_does() {
        let value = json!({"a": {"b": [{"c": 1}, {"c": 2}], "bb": 3}, "x": null});
        assert_eq!(get(&value, &path(json!(["a", "b", 1, "c"]))).unwrap(), Some(&json!(2)));
        assert_eq!(get(&value, &path(json!(["a", "b", "0"]))).unwrap(), Some(&json!({"c": 1})));
        assert_eq!(get(&value, &path(json!(["a", "z"]))).unwrap(), None);
        assert!(get(&value, &path(json!(["a", "b*"]))).is_err());
        assert_eq!(matching(&value, &path(json!(["**", "c"]))).unwrap(), [&json!(1), &json!(2)]);

        let mut changed = value.clone();
        assert_eq!(set(&mut changed, &path(json!(["a", "b", "*", "c"])), &json!(9)), 2);
        assert_eq!(set(&mut changed, &path(json!(["no", "way"])), &json!(9)), 0);
        assert_eq!(changed, json!({"a": {"b": [{"c": 9}, {"c": 9}], "bb": 3}, "x": null}));
        assert_eq!(set(&mut changed, &path(json!(["**", "c"])), &json!(7)), 2);

        create(&mut changed, &path(json!(["n", "m", 1])), json!(5)).unwrap();
        assert_eq!(changed["n"], json!({"m": [null, 5]}));
        create(&mut changed, &path(json!(["n", "0"])), json!(6)).unwrap();
        assert_eq!(changed["n"]["0"], 6);
        assert!(create(&mut changed, &path(json!(["a", "bb", "c"])), json!(6)).is_err());

        delete(&mut changed, &path(json!(["a", "b", 0])));
        delete(&mut changed, &path(json!(["a", "b", "*", "c"])));
        delete(&mut changed, &path(json!(["not", "there"])));
        assert_eq!(changed["a"], json!({"b": [null, {}], "bb": 3}));
    }

    #[test]
    fn names_match_as_in_a_shell() {
        for (segment, name, is) in [
            ("a", "a", true),
            ("a*", "abc", true),
            ("*c", "abc", true),
            ("a*b*c", "aXbbYc", true),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("*", "", true),
            ("a*", "b", false),
        ] {
            assert_eq!(is_match(segment, name), is, "{segment} {name}");
        }
    }
}
