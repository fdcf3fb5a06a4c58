//! Which properties a request asks for, where an API wants them named, and in how many requests: the language's QueryProperties. Knows
//! nothing of how a request is made of them.

mod merge;

use std::cell::OnceCell;
use std::collections::HashSet;

use airlock_sdk::Result;
use serde_json::Value;

use crate::dpath;
use crate::manifest::{self, Component, FromManifest, Node, Object};
use crate::record::Record;
use crate::request_options::RequestOptions;
use crate::retriever::{Going, SimpleRetriever, SliceReader};
use crate::session::Session;
use crate::stream_slice::StreamSlice;
use crate::template::{Template, python_text};
use crate::transformations::Transformation;
pub use merge::{MergedRecords, RecordMergeStrategy};

/// The language's QueryProperties.
#[derive(Debug)]
pub struct QueryProperties {
    property_list: PropertyList,
    always_include: Vec<String>,
    chunking: Option<PropertyChunking>,
    selector: Option<JsonSchemaPropertySelector>,
}

#[derive(Debug)]
enum PropertyList {
    Of(Vec<String>),
    FromEndpoint(Box<PropertiesFromEndpoint>),
}

/// The language's PropertiesFromEndpoint.
#[derive(Debug)]
struct PropertiesFromEndpoint {
    property_field_path: Vec<Template>,
    retriever: SimpleRetriever,
}

/// The language's PropertyChunking.
#[derive(Debug)]
struct PropertyChunking {
    counts_characters: bool,
    /// 0 for none.
    limit: u64,
    merge_strategy: RecordMergeStrategy,
}

/// The language's JsonSchemaPropertySelector.
#[derive(Debug)]
struct JsonSchemaPropertySelector {
    transformations: Vec<Transformation>,
}

impl FromManifest for QueryProperties {
    fn from_manifest(node: &Node<'_>) -> manifest::Result<Self> {
        let component = node.component()?;
        if component.kind() != "QueryProperties" {
            return Err(component.other_kind(&["QueryProperties"], &[]));
        }
        let list = component.field("property_list").ok_or_else(|| node.invalid("lacks the field property_list"))?;
        let properties = QueryProperties {
            property_list: match list.value.is_array() {
                true => PropertyList::Of(list.read()?),
                false => PropertyList::FromEndpoint(list.read()?),
            },
            always_include: component.optional("always_include_properties")?.unwrap_or_default(),
            chunking: component.optional("property_chunking")?,
            selector: component.optional("property_selector")?,
        };
        component.finish();
        Ok(properties)
    }
}

impl FromManifest for PropertiesFromEndpoint {
    fn from_manifest(node: &Node<'_>) -> manifest::Result<Self> {
        let component = node.component()?;
        if component.kind() != "PropertiesFromEndpoint" {
            return Err(component.other_kind(&["PropertiesFromEndpoint"], &[]));
        }
        let properties = PropertiesFromEndpoint {
            property_field_path: component.required("property_field_path")?,
            retriever: component.required("retriever")?,
        };
        component.finish();
        Ok(properties)
    }
}

impl FromManifest for PropertyChunking {
    fn from_manifest(node: &Node<'_>) -> manifest::Result<Self> {
        let component = node.component()?;
        let chunking = PropertyChunking {
            counts_characters: match component.required::<String>("property_limit_type")?.as_str() {
                "characters" => true,
                "property_count" => false,
                _ => {
                    return Err(node.invalid("has a property_limit_type that is neither characters nor property_count"));
                }
            },
            limit: component.optional("property_limit")?.unwrap_or_default(),
            merge_strategy: component.optional("record_merge_strategy")?.unwrap_or_default(),
        };
        component.finish();
        Ok(chunking)
    }
}

impl FromManifest for JsonSchemaPropertySelector {
    fn from_manifest(node: &Node<'_>) -> manifest::Result<Self> {
        let component: Component<'_> = node.component()?;
        if component.kind() != "JsonSchemaPropertySelector" {
            return Err(component.other_kind(&["JsonSchemaPropertySelector"], &[]));
        }
        let transformations = component.optional("transformations")?.unwrap_or_default();
        component.finish();
        Ok(JsonSchemaPropertySelector { transformations })
    }
}

impl QueryProperties {
    /// The language's older `fetch_properties_from_endpoint`.
    pub fn from_endpoint(node: &Node<'_>) -> manifest::Result<Self> {
        Ok(QueryProperties {
            property_list: PropertyList::FromEndpoint(node.read()?),
            always_include: Vec::new(),
            chunking: None,
            selector: None,
        })
    }

    /// How the records of several requests become those of one. None where each stays for itself.
    pub fn merge_strategy(&self) -> Option<&RecordMergeStrategy> {
        self.chunking.as_ref().map(|chunking| &chunking.merge_strategy)
    }

    /// The properties that a stream asks for, in one list for each request. `known` keeps what the endpoint has told.
    pub fn chunks(
        &self,
        session: &Session,
        stream_name: &str,
        known: &OnceCell<Vec<String>>,
    ) -> Result<Vec<Vec<String>>> {
        let selected = match &self.selector {
            Some(selector) => selector.select(session, stream_name)?,
            None => None,
        };
        let fields = match &self.property_list {
            PropertyList::Of(fields) => fields.as_slice(),
            PropertyList::FromEndpoint(endpoint) => match known.get() {
                Some(fields) => fields,
                None => {
                    let fields = endpoint.fetch(session)?;
                    known.get_or_init(|| fields)
                }
            },
        };
        let is_selected = |field: &&String| selected.as_ref().is_none_or(|selected| selected.contains(*field));
        Ok(match &self.chunking {
            // Of one chunk, the selector has no say and what is always included comes last.
            Some(chunking) if chunking.limit == 0 => vec![fields.iter().chain(&self.always_include).cloned().collect()],
            Some(chunking) => chunking.divide(fields.iter().filter(is_selected), &self.always_include),
            None => vec![self.always_include.iter().chain(fields.iter().filter(is_selected)).cloned().collect()],
        })
    }
}

impl PropertyChunking {
    fn divide<'f>(&self, fields: impl Iterator<Item = &'f String>, always: &[String]) -> Vec<Vec<String>> {
        let mut chunks = Vec::new();
        let (mut chunk, mut size) = (always.to_vec(), 0);
        for field in fields {
            // Each has a comma behind it, which takes three characters in an URL.
            let own = if self.counts_characters { field.chars().count() as u64 + 3 } else { 1 };
            if size + own > self.limit {
                chunks.push(std::mem::replace(&mut chunk, always.to_vec()));
                size = 0;
            }
            chunk.push(field.clone());
            size += own;
        }
        chunks.push(chunk);
        chunks
    }
}

impl JsonSchemaPropertySelector {
    /// The names of the properties that the user wants of a stream. None where there is no catalog, and all are wanted.
    fn select(&self, session: &Session, stream_name: &str) -> Result<Option<HashSet<String>>> {
        let Some(properties) = session.configured_properties(stream_name) else { return Ok(None) };
        let mut properties = Record::of_object(properties);
        for transformation in &self.transformations {
            transformation.apply(&mut properties, &session.scope)?;
        }
        Ok(Some(properties.into_object()?.into_iter().map(|(name, _)| name).collect()))
    }
}

impl PropertiesFromEndpoint {
    fn fetch(&self, session: &Session) -> Result<Vec<String>> {
        let path = self.property_field_path.iter().map(|segment| segment.evaluate(&session.scope));
        let mut names = Names { path: path.collect::<Result<_>>()?, names: Vec::new() };
        self.retriever.read_slice(session, &StreamSlice::default(), &mut names)?;
        Ok(names.names)
    }
}

/// Takes the records of the endpoint: one a property.
struct Names {
    path: Vec<Value>,
    names: Vec<String>,
}

impl SliceReader for Names {
    fn request_options(&self, _slice: &StreamSlice) -> Result<RequestOptions> {
        Ok(RequestOptions::default())
    }

    fn should_be_synced(&self, _record: &Record<'_>) -> Result<bool> {
        Ok(true)
    }

    fn take(&mut self, record: Record<'_>) -> Result<Going> {
        let record = Value::Object(record.into_object()?);
        let name = dpath::get(&record, &self.path)?;
        self.names.push(name.map_or_else(|| "[]".to_owned(), python_text));
        Ok(Going::On)
    }
}

/// The slice of a request that asks for these properties.
pub fn slice_with(slice: &StreamSlice, properties: &[String]) -> StreamSlice {
    // In the place of what the slice has beside its partition, as in the CDK.
    let extra_fields = Object::from_iter([(EXTRA_FIELD.to_owned(), properties.into())]);
    StreamSlice { extra_fields, ..slice.clone() }
}

/// Where a slice has the properties.
pub const EXTRA_FIELD: &str = "query_properties";

#[cfg(test)]
mod tests;
