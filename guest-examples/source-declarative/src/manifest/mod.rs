//! The manifest as data: where it is found, its YAML, its references and parameters, and the fields of its components. Knows
//! the language's grammar, and nothing of what a component does.

mod component;
mod problem;

pub use component::{Component, FromManifest, Node, Remarks};
pub use problem::{Problem, Reason, Result};

/// A JSON object in the order in which it was written.
pub type Object = serde_json::Map<String, serde_json::Value>;
