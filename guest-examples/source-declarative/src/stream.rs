//! A stream as the manifest declares it: the language's DeclarativeStream. Knows how it is made of components, and not how it is read.

use serde_json::Value;

use crate::incremental::IncrementalSync;
use crate::manifest::{self, FromManifest, Node};
use crate::retriever::SimpleRetriever;
use crate::schemas::SchemaLoader;
use crate::transformations::Transformation;

/// The language's DeclarativeStream.
#[derive(Debug)]
pub struct DeclarativeStream {
    pub name: String,
    /// A field, fields, or paths of fields.
    pub primary_key: Vec<Vec<String>>,
    pub retriever: SimpleRetriever,
    pub incremental_sync: Option<IncrementalSync>,
    pub schema_loader: Option<SchemaLoader>,
    pub transformations: Vec<Transformation>,
}

impl FromManifest for DeclarativeStream {
    fn from_manifest(node: &Node<'_>) -> manifest::Result<Self> {
        let component = node.component()?;
        if component.kind() != "DeclarativeStream" {
            return Err(component.other_kind(&["DeclarativeStream"], &["StateDelegatingStream"]));
        }
        let stream = DeclarativeStream {
            name: component.required("name")?,
            primary_key: component.field("primary_key").map_or_else(|| Ok(Vec::new()), |key| primary_key(&key))?,
            retriever: component.required("retriever")?,
            incremental_sync: component.optional("incremental_sync")?,
            schema_loader: component.optional("schema_loader")?,
            transformations: component.optional("transformations")?.unwrap_or_default(),
        };
        component.refuse_fields(&["file_uploader", "state_migrations"])?;
        component.finish();
        Ok(stream)
    }
}

fn primary_key(node: &Node<'_>) -> manifest::Result<Vec<Vec<String>>> {
    match node.value {
        Value::String(field) if field.is_empty() => Ok(Vec::new()),
        Value::String(field) => Ok(vec![vec![field.clone()]]),
        _ => node
            .elements()?
            .iter()
            .map(|field| match field.value {
                Value::String(field) => Ok(vec![field.clone()]),
                _ => field.read(),
            })
            .collect(),
    }
}
