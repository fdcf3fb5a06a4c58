//! Streams that are made of a template: the language's DynamicDeclarativeStream. Knows how often the template is filled in and with what,
//! and nothing of how the streams are read.

mod components_mapping;
mod components_resolver;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use airlock_sdk::{Result, config_error, system_error};
use serde_json::Value;

use crate::manifest::{self, FromManifest, Node, Object, Precedence};
use crate::session::Session;
use components_resolver::ComponentsResolver;

/// The language's DynamicDeclarativeStream.
#[derive(Debug)]
pub struct DynamicDeclarativeStream {
    path: String,
    template: Object,
    resolver: ComponentsResolver,
    precedence: Precedence,
}

impl FromManifest for DynamicDeclarativeStream {
    fn from_manifest(node: &Node<'_>) -> manifest::Result<Self> {
        let component = node.component()?;
        if !matches!(component.kind(), "DynamicDeclarativeStream" | "") {
            return Err(component.other_kind(&["DynamicDeclarativeStream"], &[]));
        }
        let name: Option<String> = component.optional("name")?;
        let of_parents: bool = component.optional("use_parent_parameters")?.unwrap_or(true);
        let stream = DynamicDeclarativeStream {
            path: node.path.clone(),
            template: component.required("stream_template")?,
            resolver: match component.field("components_resolver") {
                Some(resolver) => ComponentsResolver::of(&resolver, name.as_deref())?,
                None => return Err(node.invalid("lacks the field components_resolver")),
            },
            precedence: if of_parents { Precedence::Parent } else { Precedence::Own },
        };
        component.finish();
        Ok(stream)
    }
}

impl DynamicDeclarativeStream {
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The template as it stands in the manifest.
    pub fn template(&self) -> &Object {
        &self.template
    }

    /// The streams, as a manifest would have them. `taken` are the names of those before.
    pub fn resolve(&self, session: &Session, taken: &mut BTreeSet<String>) -> Result<Vec<Value>> {
        let mut streams = Vec::new();
        for stream in self.resolver.resolve(&self.template, session)? {
            let Value::Object(stream) = stream else {
                return Err(config_error(format!("{}: a stream came to something that is no object.", self.path)));
            };
            let mut stream = manifest::propagate(stream, self.precedence)?;
            stream.entry("type").or_insert_with(|| "DeclarativeStream".into());
            let name = match stream.get("name") {
                Some(Value::String(name)) => name.clone(),
                other => {
                    let other = other.unwrap_or(&Value::Null);
                    return Err(system_error(format!("Expected stream name {other} to be a string.")));
                }
            };
            if !taken.insert(name.clone()) {
                return Err(self.resolver.duplicate(&name));
            }
            streams.push(Value::Object(stream));
        }
        Ok(streams)
    }
}
