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
            for (_, value) in elements.iter().enumerate().filter(|(index, _)| is_match(first, &index.to_string())) {
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
        Value::Array(elements) => elements
            .iter_mut()
            .enumerate()
            .filter(|(index, _)| is_match(first, &index.to_string()))
            .map(|(_, value)| below(value))
            .sum::<usize>(),
        _ => 0,
    }
}

/// Puts a value at a path, with the objects and lists on the way there that are missing.
pub fn create(value: &mut Value, path: &[Value], new: Value) -> Result<()> {
    let Some((first, rest)) = path.split_first() else {
        *value = new;
        return Ok(());
    };
    let below = match value {
        Value::Array(elements) => {
            let index =
                segment(first).parse::<usize>().ok().filter(|index| *index <= elements.len().saturating_add(1000));
            let index = index
                .ok_or_else(|| config_error(format!("The path {} has no index where there is a list.", told(path))))?;
            if index >= elements.len() {
                elements.resize(index + 1, Value::Null);
            }
            elements.get_mut(index)
        }
        Value::Object(fields) => Some(fields.entry(segment(first)).or_insert(Value::Null)),
        _ => None,
    };
    let below =
        below.ok_or_else(|| config_error(format!("The path {} leads into a value that has no fields.", told(path))))?;
    if let (Value::Null, Some(next)) = (&*below, rest.first()) {
        *below = if next.is_number() { Value::Array(Vec::new()) } else { Value::Object(Object::new()) };
    }
    create(below, rest, new)
}

/// Takes away what a path leads to. An element of a list becomes null.
pub fn delete(value: &mut Value, path: &[Value]) {
    let segments: Vec<String> = path.iter().map(segment).collect();
    delete_below(value, &segments, 0);
}

fn delete_below(value: &mut Value, path: &[String], depth: usize) {
    let Some((first, rest)) = path.split_first() else { return };
    if depth > MAX_DEPTH {
        return;
    }
    match value {
        Value::Object(fields) if rest.is_empty() => fields.retain(|name, _| !is_match(first, name)),
        Value::Object(fields) => {
            for (_, value) in fields.iter_mut().filter(|(name, _)| is_match(first, name)) {
                delete_below(value, rest, depth + 1);
            }
        }
        Value::Array(elements) => {
            for (_, value) in elements.iter_mut().enumerate().filter(|(index, _)| is_match(first, &index.to_string())) {
                match rest {
                    [] => *value = Value::Null,
                    rest => delete_below(value, rest, depth + 1),
                }
            }
        }
        _ => {}
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

/// Whether a name is what a segment means, with `*` for any text and `?` for any letter.
fn is_match(segment: &str, name: &str) -> bool {
    if !segment.contains(['*', '?']) {
        return segment == name;
    }
    let (segment, name): (Vec<char>, Vec<char>) = (segment.chars().collect(), name.chars().collect());
    // Where to go on after the last `*`, if what follows it does not match.
    let (mut s, mut n, mut again) = (0, 0, None);
    while n < name.len() {
        match segment.get(s) {
            Some('*') => {
                again = Some((s, n));
                s += 1;
            }
            Some(letter) if *letter == '?' || Some(letter) == name.get(n) => {
                s += 1;
                n += 1;
            }
            _ => match again {
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
