//! References: a text that begins with `#/` stands for what is at that place of the manifest, and `$ref` adds the fields of another
//! object. As the Python CDK's ManifestReferenceResolver puts them in.

use serde_json::Value;

use super::problem::{Problem, Result};
use super::spelling;
use super::{MAX_DEPTH, MAX_VALUES, Object};

pub(super) const REFERENCE: &str = "$ref";

/// What holds values of a config, which only look like references.
const CONFIG_VALUES: &str = "config_overrides";

/// The manifest with what its references stand for.
pub fn resolve(manifest: &Value) -> Result<Value> {
    Resolver { manifest, within: Vec::new(), values: 0 }.value(manifest, 0)
}

struct Resolver<'m> {
    manifest: &'m Value,
    /// The references whose meaning is being put in.
    within: Vec<&'m str>,
    values: usize,
}

impl<'m> Resolver<'m> {
    fn value(&mut self, value: &'m Value, depth: usize) -> Result<Value> {
        self.values += 1;
        if depth > MAX_DEPTH {
            return Err(Problem::here(format!("is nested more than {MAX_DEPTH} levels deep")));
        }
        if self.values > MAX_VALUES {
            return Err(Problem::here(format!(
                "is where the manifest has come to more than {MAX_VALUES} values, with what its references stand for"
            )));
        }
        match value {
            Value::String(reference) if reference.starts_with("#/") => self.reference(reference, depth),
            Value::Object(fields) => self.object(fields, depth),
            Value::Array(elements) => {
                let element =
                    |(index, value)| self.value(value, depth + 1).map_err(|problem| problem.in_element(index));
                elements.iter().enumerate().map(element).collect::<Result<_>>().map(Value::Array)
            }
            other => Ok(other.clone()),
        }
    }

    fn object(&mut self, fields: &'m Object, depth: usize) -> Result<Value> {
        let mut own = Object::new();
        for (name, value) in fields {
            if name == REFERENCE {
                continue;
            }
            let value = match name.as_str() {
                CONFIG_VALUES => value.clone(),
                _ => self.value(value, depth + 1).map_err(|problem| problem.in_field(name))?,
            };
            own.insert(name.clone(), value);
        }
        let Some(reference) = fields.get(REFERENCE) else { return Ok(Value::Object(own)) };
        if reference.is_null() {
            let what = "is empty: a reference must be in quotes, since # begins a comment";
            return Err(Problem::here(what).in_field(REFERENCE));
        }
        match self.value(reference, depth + 1).map_err(|problem| problem.in_field(REFERENCE))? {
            Value::Object(mut referenced) => {
                referenced.extend(own);
                Ok(Value::Object(referenced))
            }
            other => Ok(other),
        }
    }

    fn reference(&mut self, reference: &'m str, depth: usize) -> Result<Value> {
        if self.within.contains(&reference) {
            return Err(Problem::here(format!("refers to {reference}, which it is a part of itself")));
        }
        let Some(meant) = look_up(self.manifest, reference) else {
            let meant = nearest_to(self.manifest, reference)
                .map_or_else(String::new, |near| format!(" (perhaps {near} is meant)"));
            return Err(Problem::here(format!("refers to {reference}, which the manifest does not have{meant}")));
        };
        self.within.push(reference);
        // What is wrong there stands there, and not here.
        let value = self.value(meant, depth + 1).map_err(|problem| problem.behind_reference(reference))?;
        self.within.pop();
        Ok(value)
    }
}

/// What stands at a place. A name may have a `/` in it: the longest one that is there counts.
fn look_up<'m>(manifest: &'m Value, reference: &str) -> Option<&'m Value> {
    let mut value = manifest;
    let mut rest = reference.strip_prefix("#/")?;
    while !rest.is_empty() {
        if let Some(found) = value.get(rest) {
            return Some(found);
        }
        let (head, behind) = rest.split_once('/').unwrap_or((rest, ""));
        value = match value {
            Value::Array(elements) => elements.get(head.parse::<usize>().ok()?)?,
            _ => value.get(head)?,
        };
        rest = behind;
    }
    Some(value)
}

/// A reference that leads somewhere and differs from this one in one name that is near.
fn nearest_to(manifest: &Value, reference: &str) -> Option<String> {
    let names: Vec<&str> = reference.strip_prefix("#/")?.split('/').collect();
    let mut value = manifest;
    for (index, name) in names.iter().enumerate() {
        if let Some(below) = value.get(name) {
            value = below;
            continue;
        }
        let near = spelling::nearest(name, value.as_object()?.keys().map(String::as_str))?;
        let mut meant = names.clone();
        *meant.get_mut(index)? = near;
        let meant = format!("#/{}", meant.join("/"));
        return look_up(manifest, &meant).map(|_| meant);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_referred_to_stands_first_and_own_fields_count() {
        let manifest = json!({
            "definitions": {"base": {"a": 1, "b": {"c": "#/definitions/word"}}, "word": "yes", "list": [5, {"x": 6}]},
            "one": {"z": 0, "$ref": "#/definitions/base", "a": 2},
            "two": ["#/definitions/list/1/x", "#/definitions/base/b"],
            "plain": {"$ref": "#/definitions/word", "a": 1},
            "nested/path": "uh oh", "nested": {"path": "first"},
            "three": "#/nested/path",
            "check": {"config_overrides": {"a": "#/none"}}
        });
        let resolved = resolve(&manifest).unwrap();
        assert_eq!(resolved["one"].to_string(), r#"{"a":2,"b":{"c":"yes"},"z":0}"#);
        assert_eq!(resolved["two"], json!([6, {"c": "yes"}]));
        assert_eq!(resolved["plain"], "yes");
        assert_eq!(resolved["three"], "uh oh");
        assert_eq!(resolved["check"]["config_overrides"]["a"], "#/none");
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        let told = |manifest: Value| resolve(&manifest).unwrap_err().to_string();
        assert_eq!(
            told(json!({"streams": [{"retriever": {"$ref": "#/definitions/none"}}]})),
            "streams[0].retriever.$ref refers to #/definitions/none, which the manifest does not have"
        );
        assert_eq!(
            told(json!({"a": {"x": "#/b"}, "b": {"y": "#/a"}})),
            "a.x (#/b).y (#/a).x refers to #/b, which it is a part of itself"
        );
        assert!(told(json!({"a": "#/"})).contains("part of itself"));
    }

    #[test]
    fn references_that_multiply_each_other_end() {
        let mut manifest = Object::new();
        manifest.insert("l0".into(), json!(["x", "x"]));
        for level in 1..60 {
            let below = format!("#/l{}", level - 1);
            manifest.insert(format!("l{level}"), json!([below, below]));
        }
        let told = resolve(&Value::Object(manifest)).unwrap_err().to_string();
        assert!(told.contains("values"), "{told}");
    }
}
