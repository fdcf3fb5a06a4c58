//! Where the values come from that a stream's template is filled in with: the language's HttpComponentsResolver,
//! ConfigComponentsResolver, ParametrizedComponentsResolver.

use airlock_sdk::{Failure, Result, config_error, system_error};
use serde_json::{Value, json};

use super::components_mapping::{ComponentMapping, Texts};
use crate::dpath;
use crate::manifest::{self, FromManifest, Node, Object};
use crate::retriever::Going;
use crate::session::Session;
use crate::stream::DeclarativeStream;
use crate::stream_read;
use crate::stream_slice::StreamSlice;
use crate::template::Template;

/// How many streams may come of one template.
const MAX_STREAMS: usize = 100_000;

/// A DynamicDeclarativeStream's `components_resolver`.
#[derive(Debug)]
pub enum ComponentsResolver {
    /// A stream for each record of a response.
    Http { retriever: Box<DeclarativeStream>, mappings: Vec<ComponentMapping> },
    /// A stream for each entry of a list in the config, or for each combination of several lists'.
    Config { stream_configs: Vec<StreamConfig>, mappings: Vec<ComponentMapping> },
    /// A stream for each entry of a list in the manifest.
    Parametrized { parameters: Vec<Value>, mappings: Vec<ComponentMapping> },
}

/// The language's StreamConfig: a list in the config.
#[derive(Debug)]
pub struct StreamConfig {
    configs_pointer: Vec<Template>,
    default_values: Vec<Value>,
}

impl FromManifest for StreamConfig {
    fn from_manifest(node: &Node<'_>) -> manifest::Result<Self> {
        let component = node.component()?;
        let config = StreamConfig {
            configs_pointer: component.required("configs_pointer")?,
            default_values: component.optional("default_values")?.unwrap_or_default(),
        };
        component.finish();
        Ok(config)
    }
}

impl ComponentsResolver {
    /// `stream_name` is what the dynamic stream is called.
    pub fn of(node: &Node<'_>, stream_name: Option<&str>) -> manifest::Result<Self> {
        let component = node.component()?;
        let resolver = match component.kind() {
            "HttpComponentsResolver" => {
                let name = stream_name.filter(|name| !name.is_empty()).unwrap_or("__http_components_resolver");
                ComponentsResolver::Http {
                    retriever: Box::new(DeclarativeStream::of_retriever(name, component.required("retriever")?)),
                    mappings: unconditional(node, component.required("components_mapping")?)?,
                }
            }
            "ConfigComponentsResolver" => ComponentsResolver::Config {
                stream_configs: match component.field("stream_config") {
                    Some(configs) if configs.value.is_array() => configs.read()?,
                    Some(config) => vec![config.read()?],
                    None => return Err(node.invalid("lacks the field stream_config")),
                },
                mappings: component.required("components_mapping")?,
            },
            "ParametrizedComponentsResolver" => ComponentsResolver::Parametrized {
                parameters: match component.field("stream_parameters") {
                    Some(parameters) => stream_parameters(&parameters)?,
                    None => return Err(node.invalid("lacks the field stream_parameters")),
                },
                mappings: unconditional(node, component.required("components_mapping")?)?,
            },
            _ => {
                let supported =
                    ["HttpComponentsResolver", "ConfigComponentsResolver", "ParametrizedComponentsResolver"];
                return Err(component.other_kind(&supported, &[]));
            }
        };
        component.finish();
        Ok(resolver)
    }

    /// The template, filled in for each stream.
    pub fn resolve(&self, template: &Object, session: &Session) -> Result<Vec<Value>> {
        let template = Value::Object(template.clone());
        let scope = session.scope.with_json("stream_template_config", &template);
        let mut streams = Vec::new();
        match self {
            ComponentsResolver::Http { retriever, mappings } => {
                stream_read::read_records(retriever, session, &mut |record, slice| {
                    let values = Value::Object(record.object()?.clone());
                    let scope = scope
                        .with_json("components_values", &values)
                        .with_json("stream_slice", &slice_of_a_template(slice));
                    streams.push(filled_in(&template, mappings, Texts::Kept, &scope)?);
                    if streams.len() > MAX_STREAMS {
                        return Err(too_many());
                    }
                    Ok(Going::On)
                })?;
            }
            ComponentsResolver::Config { stream_configs, mappings } => {
                for values in combinations(stream_configs, session)? {
                    let scope = scope.with_json("components_values", &values);
                    streams.push(filled_in(&template, mappings, Texts::YamlUnlessString, &scope)?);
                }
            }
            ComponentsResolver::Parametrized { parameters, mappings } => {
                for values in parameters {
                    let scope = scope.with_json("components_values", values);
                    streams.push(filled_in(&template, mappings, Texts::Yaml, &scope)?);
                }
            }
        }
        Ok(streams)
    }

    /// Two streams are called the same.
    pub fn duplicate(&self, name: &str) -> Failure {
        match self {
            ComponentsResolver::Config { .. } => config_error(format!(
                "Dynamic streams list contains a duplicate name: {name}. Please check your configuration."
            )),
            _ => system_error(format!(
                "Dynamic streams list contains a duplicate name: {name}. Please contact Airbyte Support."
            )),
        }
    }
}

fn unconditional(node: &Node<'_>, mappings: Vec<ComponentMapping>) -> manifest::Result<Vec<ComponentMapping>> {
    match mappings.iter().any(ComponentMapping::has_condition) {
        true => Err(node.invalid("has a mapping with a condition, which only a ConfigComponentsResolver can have")),
        false => Ok(mappings),
    }
}

fn stream_parameters(node: &Node<'_>) -> manifest::Result<Vec<Value>> {
    let component = node.component()?;
    let parameters = component.required::<Vec<Object>>("list_of_parameters_for_stream")?;
    component.finish();
    Ok(parameters.into_iter().map(Value::Object).collect())
}

fn filled_in(
    template: &Value,
    mappings: &[ComponentMapping],
    texts: Texts,
    scope: &crate::template::Scope,
) -> Result<Value> {
    let mut stream = template.clone();
    for mapping in mappings {
        mapping.apply(&mut stream, texts, scope)?;
    }
    Ok(stream)
}

/// What a template's `stream_slice` is here: also what the slice has beside its partition.
fn slice_of_a_template(slice: &StreamSlice) -> Value {
    let mut merged = slice.partition.clone();
    merged.extend(slice.cursor_slice.clone());
    merged.insert("extra_fields".to_owned(), Value::Object(slice.extra_fields.clone()));
    Value::Object(merged)
}

/// One object for each combination of the lists' entries.
fn combinations(stream_configs: &[StreamConfig], session: &Session) -> Result<Vec<Value>> {
    let mut combinations = vec![Object::new()];
    for (number, stream_config) in stream_configs.iter().enumerate() {
        let entries = entries(stream_config, session)?;
        if combinations.len().saturating_mul(entries.len()) > MAX_STREAMS {
            return Err(too_many());
        }
        let mut longer = Vec::with_capacity(combinations.len() * entries.len());
        for combination in &combinations {
            for (index, entry) in entries.iter().enumerate() {
                let mut combination = combination.clone();
                match entry {
                    Value::Object(fields) => combination.extend(fields.clone()),
                    other => {
                        combination.entry(format!("source_config_{number}")).or_insert_with(|| json!([index, other]));
                    }
                }
                longer.push(combination);
            }
        }
        combinations = longer;
    }
    Ok(combinations.into_iter().map(Value::Object).collect())
}

fn entries(stream_config: &StreamConfig, session: &Session) -> Result<Vec<Value>> {
    let pointer = stream_config.configs_pointer.iter();
    let path = pointer.map(|part| part.evaluate(&session.scope)).collect::<Result<Vec<Value>>>()?;
    let config = Value::Object(session.config.clone());
    let mut entries = match dpath::get(&config, &path)? {
        None => Vec::new(),
        Some(Value::Array(entries)) => entries.clone(),
        Some(entry) => vec![entry.clone()],
    };
    entries.extend(stream_config.default_values.iter().cloned());
    Ok(entries)
}

fn too_many() -> Failure {
    config_error(format!("A dynamic stream comes to more than {MAX_STREAMS} streams."))
}
