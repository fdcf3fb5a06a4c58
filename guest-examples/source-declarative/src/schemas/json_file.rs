//! Schemas in files of the connector: where they are, and what `$ref` in them leads to. Knows nothing of streams.

use std::rc::Rc;

use airlock_sdk::{Result, config_error};
use serde_json::Value;

use crate::manifest::{self, Object};
use crate::template::Template;

const MAX_BYTES: usize = 4 * 1024 * 1024;

/// How deep a schema may be, with what its references lead to: one that leads to itself ends here.
const MAX_DEPTH: usize = 100;

/// How many values a schema may have, references included.
const MAX_VALUES: usize = 200_000;

/// Where the file is if the manifest does not say.
pub fn usual_path(parameters: &Rc<Object>) -> Template {
    let name = parameters.get("name").and_then(Value::as_str).unwrap_or_default();
    Template::of(&format!("./schemas/{name}.json"))
}

/// The schema in a file. None where there is no such file.
pub fn load(path: &str) -> Result<Option<Value>> {
    let path = within_connector(path);
    let Some(schema) = read(&path)? else { return Ok(None) };
    let mut references = References { path: &path, values: 0 };
    references.resolve(&Document { path: path.clone(), root: Rc::new(schema.clone()) }, &schema, 0).map(Some)
}

/// The path of a file as the CDK finds it, which begins with the name of a Python package: what counts is behind that.
fn within_connector(path: &str) -> String {
    let parts: Vec<&str> = path.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
    let begin = parts.iter().position(|part| *part == "schemas").unwrap_or_else(|| usize::from(parts.len() > 1));
    parts.get(begin..).unwrap_or_default().join("/")
}

fn read(path: &str) -> Result<Option<Value>> {
    let Some(text) = manifest::read_file(path, MAX_BYTES)? else { return Ok(None) };
    let schema: Value = serde_json::from_str(&text)
        .map_err(|error| config_error(format!("Invalid JSON file format for file {path}: {error}.")))?;
    Ok(Some(schema))
}

/// A file that references lead into.
struct Document {
    path: String,
    root: Rc<Value>,
}

struct References<'p> {
    path: &'p str,
    values: usize,
}

impl References<'_> {
    /// The value with what its references lead to.
    fn resolve(&mut self, document: &Document, value: &Value, depth: usize) -> Result<Value> {
        self.values += 1;
        if depth > MAX_DEPTH || self.values > MAX_VALUES {
            return Err(config_error(format!("The references of the schema file {} lead to themselves.", self.path)));
        }
        match value {
            Value::Object(fields) => match fields.get("$ref") {
                Some(Value::String(reference)) => self.follow(document, reference, depth),
                _ => {
                    let field = |(name, value): (&String, &Value)| {
                        Ok((name.clone(), self.resolve(document, value, depth + 1)?))
                    };
                    fields.iter().map(field).collect::<Result<Object>>().map(Value::Object)
                }
            },
            Value::Array(elements) => elements
                .iter()
                .map(|element| self.resolve(document, element, depth + 1))
                .collect::<Result<_>>()
                .map(Value::Array),
            other => Ok(other.clone()),
        }
    }

    fn follow(&mut self, document: &Document, reference: &str, depth: usize) -> Result<Value> {
        let (file, pointer) = reference.split_once('#').unwrap_or((reference, ""));
        let other = match file {
            "" => None,
            // Whatever they say, shared schemas are in this folder.
            file => {
                let path = format!("schemas/shared/{}", file.trim_start_matches("./").trim_start_matches("shared/"));
                let schema = read(&path)?
                    .ok_or_else(|| config_error(format!("{}: the schema file {path} is not there.", document.path)))?;
                Some(Document { path, root: Rc::new(schema) })
            }
        };
        let document = other.as_ref().unwrap_or(document);
        let root = Rc::clone(&document.root);
        let meant = root
            .pointer(pointer)
            .ok_or_else(|| config_error(format!("{}: there is nothing at {reference}.", document.path)))?;
        let mut resolved = self.resolve(document, meant, depth + 1)?;
        match &mut resolved {
            Value::Object(fields) => {
                // What they are there for is in its places now.
                fields.shift_remove("definitions");
                Ok(resolved)
            }
            _ => Err(config_error(format!("{}: {reference} is no object.", document.path))),
        }
    }
}
