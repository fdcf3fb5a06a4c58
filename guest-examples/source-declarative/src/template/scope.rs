//! The variables that a template may name. Knows what they are, and nothing of templates.

use std::rc::Rc;

use serde_json::Value as Json;

use super::value::Value;
use crate::manifest::Object;
use crate::stream_slice::StreamSlice;

/// The variables that a template may name, as they are at one point of a read: `config`, `stream_slice` (which is also
/// `stream_interval` and `stream_partition`), `next_page_token`, `response`, `headers`, `record`, `last_record` and others.
#[derive(Clone, Debug)]
pub struct Scope {
    variables: Rc<Vec<(&'static str, Variable)>>,
    /// Whether what a slice has beside its partition and interval are variables of their own.
    has_extra_fields: bool,
}

#[derive(Clone, Debug)]
enum Variable {
    Json(Rc<Json>),
    Headers(Rc<Object>),
    Slice(Rc<Slice>),
}

/// A slice as a template sees it: its fields, those of its parts, and its parts.
#[derive(Debug)]
pub struct Slice {
    pub merged: Object,
    pub partition: Object,
    pub cursor_slice: Object,
    pub extra_fields: Object,
}

impl Scope {
    /// The scope of what knows the config and nothing else.
    pub fn of_config(config: &Object) -> Self {
        let config = Variable::Json(Rc::new(Json::Object(config.clone())));
        Scope { variables: Rc::new(vec![("config", config)]), has_extra_fields: false }
    }

    fn with(&self, name: &'static str, variable: Variable) -> Self {
        let mut variables = Vec::with_capacity(self.variables.len() + 1);
        variables.extend(self.variables.iter().filter(|(known, _)| *known != name).cloned());
        variables.push((name, variable));
        Scope { variables: Rc::new(variables), has_extra_fields: self.has_extra_fields }
    }

    /// The same with one more variable that is JSON, or with another value of one.
    #[must_use]
    pub fn with_json(&self, name: &'static str, value: &Json) -> Self {
        self.with_shared(name, Rc::new(value.clone()))
    }

    /// The same of JSON that is not copied: a response.
    #[must_use]
    pub fn with_shared(&self, name: &'static str, value: Rc<Json>) -> Self {
        self.with(name, Variable::Json(value))
    }

    /// The same with an object whose names are of any case: a response's headers.
    #[must_use]
    pub fn with_headers(&self, name: &'static str, headers: Object) -> Self {
        self.with(name, Variable::Headers(Rc::new(headers)))
    }

    /// The same with a slice as `stream_slice`.
    #[must_use]
    pub fn with_slice(&self, slice: &StreamSlice) -> Self {
        let mut merged = slice.partition.clone();
        merged.extend(slice.cursor_slice.clone());
        let slice = Slice {
            merged,
            partition: slice.partition.clone(),
            cursor_slice: slice.cursor_slice.clone(),
            extra_fields: slice.extra_fields.clone(),
        };
        self.with("stream_slice", Variable::Slice(Rc::new(slice)))
    }

    /// The same for an URL: what the slice has beside its partition and interval are variables of their own.
    #[must_use]
    pub fn with_extra_fields(&self) -> Self {
        Scope { has_extra_fields: true, ..self.clone() }
    }

    /// What the slice has beside its partition and interval.
    pub fn extra_field(&self, name: &str) -> Option<&Json> {
        self.variables.iter().find_map(|(_, variable)| match variable {
            Variable::Slice(slice) => slice.extra_fields.get(name),
            _ => None,
        })
    }

    /// The value of a variable. None where the scope has none of that name.
    pub fn get<'a>(&'a self, name: &str) -> Option<Value<'a>> {
        if let Some(field) = self.has_extra_fields.then(|| self.extra_field(name)).flatten() {
            return Some(Value::of_json(field));
        }
        let name = match name {
            "stream_interval" | "stream_partition" => "stream_slice",
            name => name,
        };
        self.variables.iter().find(|(known, _)| *known == name).map(|(_, variable)| match variable {
            Variable::Json(json) => Value::of_json(json),
            Variable::Headers(headers) => Value::Headers(headers),
            Variable::Slice(slice) => Value::Slice(slice),
        })
    }
}
