//! Templates: texts of the manifest with `{{ … }}` in them, evaluated as the Python CDK does with Jinja. Knows the variables of a
//! scope by name, and nothing of who sets them.

use std::rc::Rc;

use airlock_sdk::{Result, system_error};
use serde_json::Value;

use crate::manifest::{self, FromManifest, Node, Object};

/// The variables that a template may name, as they are at one point of a read: `config`, `stream_slice` (which is also
/// `stream_interval` and `stream_partition`), `next_page_token`, `response`, `headers`, `record`, `last_record` and others.
#[derive(Clone, Debug)]
pub struct Scope {
    variables: Rc<Vec<(&'static str, minijinja::Value)>>,
}

impl Scope {
    /// The scope of what knows the config and nothing else.
    pub fn of_config(config: &Object) -> Self {
        Scope { variables: Rc::new(vec![("config", minijinja::Value::from_serialize(config))]) }
    }

    /// The same with one more variable, or with another value of one.
    #[must_use]
    pub fn with(&self, name: &'static str, value: minijinja::Value) -> Self {
        let mut variables = Vec::clone(&self.variables);
        variables.retain(|(known, _)| *known != name);
        variables.push((name, value));
        Scope { variables: Rc::new(variables) }
    }

    /// The same with one more variable that is JSON.
    #[must_use]
    pub fn with_json(&self, name: &'static str, value: &Value) -> Self {
        self.with(name, minijinja::Value::from_serialize(value))
    }
}

/// A value of the manifest that may be a template: the CDK's InterpolatedString. What is no text is what it is.
#[derive(Clone, Debug)]
pub struct Template {
    source: Value,
    path: String,
    parameters: Rc<Object>,
}

impl FromManifest for Template {
    fn from_manifest(node: &Node<'_>) -> manifest::Result<Self> {
        Ok(Template { source: node.value.clone(), path: node.path.clone(), parameters: Rc::clone(&node.parameters) })
    }
}

impl Template {
    /// A template that is not in the manifest itself: a default of the language.
    pub fn of(source: &str) -> Self {
        Template { source: source.into(), path: String::new(), parameters: Rc::default() }
    }

    /// Its text as it stands in the manifest.
    pub fn source(&self) -> &Value {
        &self.source
    }

    /// What it comes to: Python's `ast.literal_eval` of its text where that is a literal, else the text.
    pub fn evaluate(&self, _scope: &Scope) -> Result<Value> {
        let Template { path, parameters, .. } = self;
        Err(system_error(format!("{path}: templates are not evaluated yet ({} parameters)", parameters.len())))
    }

    /// The same as Python's `str` of it.
    pub fn text(&self, scope: &Scope) -> Result<String> {
        Ok(python_text(&self.evaluate(scope)?))
    }
}

/// A condition: the CDK's InterpolatedBoolean.
#[derive(Clone, Debug)]
pub struct Condition(Template);

impl FromManifest for Condition {
    fn from_manifest(node: &Node<'_>) -> manifest::Result<Self> {
        node.read().map(Condition)
    }
}

impl Condition {
    pub fn holds(&self, scope: &Scope) -> Result<bool> {
        self.0.evaluate(scope).map(|value| value.as_bool().unwrap_or_default())
    }
}

/// Names and values that may both be templates, to any depth: the CDK's InterpolatedMapping and InterpolatedNestedMapping.
#[derive(Clone, Debug, Default)]
pub struct TemplateMap {
    entries: Vec<(Template, Template)>,
}

impl FromManifest for TemplateMap {
    fn from_manifest(node: &Node<'_>) -> manifest::Result<Self> {
        let entry = |(name, node): (&str, Node<'_>)| Ok((Template::of(name), node.read()?));
        Ok(TemplateMap { entries: node.entries()?.into_iter().map(entry).collect::<manifest::Result<_>>()? })
    }
}

impl TemplateMap {
    pub fn evaluate(&self, scope: &Scope) -> Result<Object> {
        self.entries.iter().map(|(name, value)| Ok((name.text(scope)?, value.evaluate(scope)?))).collect()
    }
}

/// Python's `str` of a value: `None`, `True`, `['a', 1]`, `{'a': 1.0}`; a text as it is.
pub fn python_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
