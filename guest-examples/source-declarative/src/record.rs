//! A record on its way from a response to the stream: text of the response as long as nobody changes it. Knows nothing of where it
//! comes from.

use std::cell::OnceCell;

use airlock_sdk::{Result, system_error};
use serde_json::Value;

use crate::manifest::Object;

/// A record. What is only read of it is parsed and kept beside its text; what is changed takes the text's place.
#[derive(Clone, Debug)]
pub struct Record<'p> {
    /// The record as the server sent it. None after it was changed.
    text: Option<&'p str>,
    parsed: OnceCell<Object>,
}

impl<'p> Record<'p> {
    /// A record as it stands in a response: a JSON object.
    pub fn of_text(text: &'p str) -> Self {
        Record { text: Some(text), parsed: OnceCell::new() }
    }

    pub fn of_object(object: Object) -> Self {
        Record { text: None, parsed: OnceCell::from(object) }
    }

    /// Its text, if nobody has changed it.
    pub fn text(&self) -> Option<&'p str> {
        self.text
    }

    /// Its fields.
    pub fn object(&self) -> Result<&Object> {
        if let Some(object) = self.parsed.get() {
            return Ok(object);
        }
        let object = serde_json::from_str(self.text.unwrap_or("{}"))
            .map_err(|error| system_error("A record is no JSON object.").with_internal(error))?;
        Ok(self.parsed.get_or_init(|| object))
    }

    /// Its fields, to be changed.
    pub fn object_mut(&mut self) -> Result<&mut Object> {
        self.object()?;
        self.text = None;
        self.parsed.get_mut().ok_or_else(|| system_error("A record is no JSON object."))
    }

    /// The value of one of its fields, without a parse of the others where there is none yet.
    pub fn field(&self, name: &str) -> Result<Option<Value>> {
        Ok(self.object()?.get(name).cloned())
    }
}
