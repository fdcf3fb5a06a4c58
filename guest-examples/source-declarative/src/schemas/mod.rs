//! The schema of a stream: the language's InlineSchemaLoader, JsonFileSchemaLoader, DynamicSchemaLoader, and several of them in one.
//! Knows nothing of records.

mod dynamic;
mod json_file;
#[cfg(test)]
mod tests;

use std::rc::Rc;

use airlock_sdk::{Result, config_error};
use serde_json::{Value, json};

use crate::manifest::{self, FromManifest, Node, Object};
use crate::session::Session;
use crate::template::Template;
use dynamic::DynamicSchemaLoader;

/// A stream's `schema_loader`.
#[derive(Debug)]
pub enum SchemaLoader {
    /// The schema stands in the manifest.
    Inline(Object),
    /// The schema is a file beside the manifest.
    JsonFile(Template),
    /// The manifest says nothing: a file of the stream's name, or no schema.
    Default { stream: String },
    /// The schema is made of what the server says of the fields.
    Dynamic(Box<DynamicSchemaLoader>),
    /// The properties of several: the first one that has a property says what it is.
    Composite(Vec<SchemaLoader>),
}

impl FromManifest for SchemaLoader {
    fn from_manifest(node: &Node<'_>) -> manifest::Result<Self> {
        if node.value.is_array() {
            return Ok(SchemaLoader::Composite(node.read()?));
        }
        let component = node.component()?;
        let loader = match component.kind() {
            "InlineSchemaLoader" => SchemaLoader::Inline(component.optional("schema")?.unwrap_or_default()),
            "JsonFileSchemaLoader" => {
                let file_path: Option<Template> =
                    component.optional("file_path")?.filter(|path: &Template| path.source() != "");
                match file_path {
                    Some(path) => SchemaLoader::JsonFile(path),
                    None => SchemaLoader::JsonFile(json_file::usual_path(component.parameters())),
                }
            }
            "DynamicSchemaLoader" => return Ok(SchemaLoader::Dynamic(node.read()?)),
            _ => {
                let supported = ["InlineSchemaLoader", "JsonFileSchemaLoader", "DynamicSchemaLoader"];
                return Err(component.other_kind(&supported, &[]));
            }
        };
        component.finish();
        Ok(loader)
    }
}

impl SchemaLoader {
    /// What a stream has whose manifest says nothing of its schema.
    pub fn usual(stream: &str, parameters: &Rc<Object>) -> Self {
        let name = parameters.get("name").and_then(Value::as_str).unwrap_or(stream);
        SchemaLoader::Default { stream: name.to_owned() }
    }

    /// The JSON schema of the stream's records.
    pub fn schema(&self, session: &Session) -> Result<Value> {
        match self {
            SchemaLoader::Inline(schema) => Ok(Value::Object(schema.clone())),
            SchemaLoader::JsonFile(path) => {
                let path = path.text(&session.scope)?;
                json_file::load(&path)?.ok_or_else(|| config_error(format!("Cannot find the schema file {path}.")))
            }
            SchemaLoader::Default { stream } => {
                let schema = json_file::load(&format!("./schemas/{stream}.json"))?;
                if schema.is_none() {
                    log::info!("Could not find schema for stream {stream}, defaulting to the empty schema");
                }
                Ok(schema.unwrap_or_else(|| json!({})))
            }
            SchemaLoader::Dynamic(loader) => loader.schema(session),
            SchemaLoader::Composite(loaders) => composite(loaders, session),
        }
    }
}

fn composite(loaders: &[SchemaLoader], session: &Session) -> Result<Value> {
    let mut properties = Object::new();
    for loader in loaders {
        let Value::Object(mut schema) = loader.schema(session)? else { continue };
        let Some(Value::Object(mut others)) = schema.remove("properties") else {
            return Err(config_error("One of a stream's several schemas has no properties."));
        };
        others.extend(properties);
        properties = others;
    }
    Ok(json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "type": ["null", "object"],
        "properties": properties,
    }))
}
