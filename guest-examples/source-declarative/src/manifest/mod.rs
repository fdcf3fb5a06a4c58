//! The manifest as data: where it is found, its YAML, its references and parameters, and the fields of its components. Knows
//! the language's grammar, and nothing of what a component does.

mod component;
mod config_keys;
mod files;
mod parameters;
mod problem;
mod references;
mod spelling;
#[cfg(test)]
mod tests;
mod yaml;

use airlock_sdk::config_error;
use serde_json::Value;

pub use component::{Component, FromManifest, Node, Remarks};
pub use config_keys::each as each_config_key;
pub use files::read as read_file;
#[cfg(test)]
pub use files::testing::with_files;
pub use parameters::{Precedence, is_true, propagate};
pub use problem::{Problem, Reason, Result};
pub use spelling::nearest;
pub use yaml::{Repeated, parse as parse_yaml};

/// A JSON object in the order in which it was written.
pub type Object = serde_json::Map<String, Value>;

/// The field of a config that is a manifest.
pub const INJECTED: &str = "__injected_declarative_manifest";

/// The field of a config that is Python code of the connector's own.
const INJECTED_PYTHON: &str = "__injected_components_py";

/// How deep a manifest may be nested, with what its references stand for: each level is a call.
const MAX_DEPTH: usize = 200;

/// How many values a manifest may have, with what its aliases, references and parameters bring: the memory of a connector is bounded.
/// Tests go to it and beyond.
const MAX_VALUES: usize = if cfg!(test) { 20_000 } else { 1_000_000 };

/// The largest file: no manifest that was written by hand comes near.
const MAX_BYTES: usize = 16 * 1024 * 1024;

/// A manifest with its references and parameters put in.
#[derive(Debug)]
pub struct Manifest {
    pub value: Value,
    /// Fields that its text gives twice.
    pub repeated: Vec<Repeated>,
}

impl Manifest {
    /// The manifest that the connector carries (or that is tried in its place), or else the one that the config holds. None where
    /// there is neither.
    pub fn find(config: Option<&Object>) -> airlock_sdk::Result<Option<Manifest>> {
        if let Some(text) = files::read("manifest.yaml", MAX_BYTES)? {
            return Ok(Some(Manifest::of_yaml(&text)?));
        }
        if config.is_some_and(|config| config.contains_key(INJECTED_PYTHON)) {
            log::warn!(
                "The field {INJECTED_PYTHON} of the configuration is not used: it is Python code, and this connector runs none. \
                 Streams whose components need it are left out."
            );
        }
        match config.and_then(|config| config.get(INJECTED)) {
            Some(manifest @ Value::Object(_)) => Ok(Some(Manifest::of(manifest)?)),
            Some(_) => {
                Err(config_error(format!("The field {INJECTED} of the configuration must be an object: a manifest.")))
            }
            None => Ok(None),
        }
    }

    /// A manifest as text.
    pub fn of_yaml(text: &str) -> airlock_sdk::Result<Manifest> {
        let (value, repeated) =
            yaml::parse_by_hand(text).map_err(|problem| config_error(format!("The manifest {problem}.")))?;
        Ok(Manifest { repeated, ..Manifest::of(&value)? })
    }

    /// A manifest as it was written.
    pub fn of(written: &Value) -> Result<Manifest> {
        let given = match written {
            Value::Object(_) => None,
            Value::Null => Some("empty"),
            Value::Array(_) => Some("a list"),
            _ => Some("no object"),
        };
        if let Some(given) = given {
            return Err(Problem::here(format!("is {given}: it must have the fields version, check and streams")));
        }
        let Value::Object(mut resolved) = references::resolve(written)? else {
            return Err(Problem::here("refers to something that is no object"));
        };
        resolved.entry("type").or_insert_with(|| "DeclarativeSource".into());
        // What they are there for is in its places now.
        resolved.shift_remove("definitions");
        let propagated = propagate(resolved, Precedence::Own)?;
        Ok(Manifest { value: Value::Object(propagated), repeated: Vec::new() })
    }
}

/// Whether there is such an object in a value, at any depth.
pub fn has_object(value: &Value, is_it: &dyn Fn(&Object) -> bool) -> bool {
    match value {
        Value::Object(fields) => is_it(fields) || fields.values().any(|field| has_object(field, is_it)),
        Value::Array(elements) => elements.iter().any(|element| has_object(element, is_it)),
        _ => false,
    }
}

/// How many values there are in a value.
fn size(value: &Value) -> usize {
    match value {
        Value::Array(elements) => 1 + elements.iter().map(size).sum::<usize>(),
        Value::Object(fields) => 1 + fields.values().map(size).sum::<usize>(),
        _ => 1,
    }
}
