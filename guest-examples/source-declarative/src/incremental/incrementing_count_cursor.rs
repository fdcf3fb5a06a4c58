//! The language's IncrementingCountCursor as a manifest declares it. Knows nothing of state.

use airlock_sdk::{Result, system_error};
use serde_json::{Number, Value};

use crate::manifest::{self, FromManifest, Node};
use crate::request_options::{RequestOption, RequestOptions};
use crate::stream_slice::StreamSlice;
use crate::template::{Scope, Template};

use super::count_cursor::START;

#[derive(Debug)]
pub struct IncrementingCountCursor {
    pub cursor_field: Template,
    pub allow_catalog_defined_cursor_field: bool,
    start_value: Option<Template>,
    start_value_option: Option<RequestOption>,
}

impl FromManifest for IncrementingCountCursor {
    fn from_manifest(node: &Node<'_>) -> manifest::Result<Self> {
        let component = node.component()?;
        let cursor = IncrementingCountCursor {
            cursor_field: component.required("cursor_field")?,
            allow_catalog_defined_cursor_field: component
                .optional("allow_catalog_defined_cursor_field")?
                .unwrap_or_default(),
            start_value: component.optional("start_value")?,
            start_value_option: component.optional("start_value_option")?,
        };
        component.finish();
        Ok(cursor)
    }
}

impl IncrementingCountCursor {
    /// The count at which a first read begins.
    pub fn start(&self, scope: &Scope) -> Result<Number> {
        let Some(start) = &self.start_value else { return Ok(0.into()) };
        let text = start.text(scope)?;
        text.trim().parse::<i64>().map(Number::from).map_err(|_| {
            system_error(format!("The cursor's start_value comes to {text:?}, and must be a whole number."))
        })
    }

    pub fn request_options(&self, slice: &StreamSlice, scope: &Scope) -> Result<RequestOptions> {
        let mut options = RequestOptions::default();
        if let Some(option) = &self.start_value_option {
            options.inject(option, slice.get(START).cloned().unwrap_or(Value::Null), scope)?;
        }
        Ok(options)
    }
}
