//! A record on its way from a response to the stream: text of the response as long as nobody changes it. Knows nothing of where it
//! comes from.

use std::cell::OnceCell;

use airlock_sdk::http::{Kind, Part};
use airlock_sdk::{Result, StreamWriter, system_error};
use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::manifest::Object;

/// A record. What is only read of it is parsed and kept beside its text; what is changed takes the text's place.
#[derive(Clone, Debug)]
pub struct Record<'p> {
    text: Text<'p>,
    parsed: OnceCell<Object>,
}

/// The record as the server sent it.
#[derive(Clone, Debug)]
enum Text<'p> {
    /// Where its fields are is known.
    Part(Part<'p>),
    #[cfg(test)]
    Line(&'p str),
    /// There is none, or no more.
    None,
}

impl<'p> Record<'p> {
    /// A record as it stands in a page: a JSON object.
    pub fn of_part(part: Part<'p>) -> Self {
        Record { text: Text::Part(part), parsed: OnceCell::new() }
    }

    /// A record without a page around it.
    #[cfg(test)]
    pub fn of_text(text: &'p str) -> Self {
        Record { text: Text::Line(text), parsed: OnceCell::new() }
    }

    pub fn of_object(object: Object) -> Self {
        Record { text: Text::None, parsed: OnceCell::from(object) }
    }

    /// Its text, if nobody has changed it.
    pub fn text(&self) -> Option<&'p str> {
        match &self.text {
            Text::Part(part) => Some(part.text()),
            #[cfg(test)]
            Text::Line(text) => Some(text),
            Text::None => None,
        }
    }

    /// Where it stands in a page, if it is from there and nobody has changed it.
    pub fn part(&self) -> Option<&Part<'p>> {
        match &self.text {
            Text::Part(part) => Some(part),
            _ => None,
        }
    }

    /// Its fields.
    pub fn object(&self) -> Result<&Object> {
        if let Some(object) = self.parsed.get() {
            return Ok(object);
        }
        let object = serde_json::from_str(self.text().unwrap_or("{}"))
            .map_err(|error| system_error("A record is no JSON object.").with_internal(error))?;
        Ok(self.parsed.get_or_init(|| object))
    }

    /// Its fields, to be changed.
    pub fn object_mut(&mut self) -> Result<&mut Object> {
        self.object()?;
        self.text = Text::None;
        self.parsed.get_mut().ok_or_else(|| system_error("A record is no JSON object."))
    }

    /// Its fields, to be kept.
    pub fn into_object(self) -> Result<Object> {
        self.object()?;
        self.parsed.into_inner().ok_or_else(|| system_error("A record is no JSON object."))
    }

    /// The value of one of its fields, without a parse of the others where there is none yet.
    pub fn field(&self, name: &str) -> Result<Option<Value>> {
        match (self.parsed.get(), self.part()) {
            (None, Some(part)) => {
                let value = part.get(name).map(|value| serde_json::from_str(value.text()));
                value.transpose().map_err(|error| {
                    system_error(format!("The field {name:?} of a record can not be read.")).with_internal(error)
                })
            }
            _ => Ok(self.object()?.get(name).cloned()),
        }
    }

    /// Writes it to its stream, in its own text if there is one. A field of it that is null is left out, as the CDK does where it
    /// prints a record; what is null below stays.
    pub fn write_to(&self, writer: &mut StreamWriter) -> Result<()> {
        match &self.text {
            Text::Part(part) => match without_nulls(part) {
                Some(record) => writer.write_json(record.as_bytes()),
                None => part.write_to(writer),
            },
            #[cfg(test)]
            Text::Line(text) => writer.write_json(text.as_bytes()),
            Text::None => {
                let object = self.object()?;
                match object.values().any(Value::is_null) {
                    true => writer.write(&WithoutNulls(object)),
                    false => writer.write(object),
                }
            }
        }
    }
}

/// The fields of a record that are not null.
struct WithoutNulls<'r>(&'r Object);

impl Serialize for WithoutNulls<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().filter(|(_, value)| !value.is_null()))
    }
}

/// Whether there may be fields of records that are null in a text: most have none, and this takes next to no time.
pub fn may_have_nulls(text: &[u8]) -> bool {
    memchr::memmem::find(text, b"null").is_some()
}

/// The record without the fields that are null. None where it has no such field.
fn without_nulls(record: &Part<'_>) -> Option<String> {
    if !may_have_nulls(record.text().as_bytes()) || !record.fields()?.any(|(_, value)| value.kind() == Kind::Null) {
        return None;
    }
    let kept = record.fields()?.filter(|(_, value)| value.kind() != Kind::Null);
    let kept = kept.map(|(name, value)| format!("{}:{}", Value::from(name), value.text()));
    Some(format!("{{{}}}", kept.collect::<Vec<_>>().join(",")))
}
