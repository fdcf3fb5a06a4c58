//! A page: JSON with records in it. What is asked for is cut out of the body, and nothing is written anew.
//!
//! A path names fields from the outermost on, with dots between them; the empty path is the whole body.

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::response::{Response, without_mark};
use crate::failure::{Failure, Result, system_error};

/// A response that is JSON, to find records in.
///
/// ```no_run
/// # fn read(api: &airlock_sdk::http::Client, writer: &mut airlock_sdk::StreamWriter) -> airlock_sdk::Result<()> {
/// let page = api.get("orders").page()?; // {"data": {"items": [{"id": 1}, {"id": 2}]}, "next": null}
/// for order in page.records("data.items")? {
///     writer.write_json(order.get().as_bytes())?;
/// }
/// let next = page.text("next")?;
/// # Ok(())
/// # }
/// ```
pub struct Page {
    response: Response,
    /// Where the fields of the body are in it, if it is an object: so that what is asked for is all that is read again.
    fields: Option<HashMap<String, Range<usize>>>,
}

impl Page {
    pub(super) fn new(response: Response) -> Result<Self> {
        let body = response.bytes();
        let start = body.len() - without_mark(body).len();
        let text = response.text()?.get(start..).unwrap_or_default();
        let parsed = match kind(text) {
            Kind::Object => serde_json::from_str::<HashMap<String, &RawValue>>(text).map(Some),
            Kind::Array | Kind::Other => serde_json::from_str::<&RawValue>(text).map(|_| None),
        };
        let parsed = parsed.map_err(|error| response.not_json(&error))?;
        let fields = parsed.map(|fields| {
            let span = |value: &RawValue| {
                let from = value.get().as_ptr() as usize - body.as_ptr() as usize;
                from..from + value.get().len()
            };
            fields.into_iter().map(|(name, value)| (name, span(value))).collect()
        });
        Ok(Page { response, fields })
    }

    /// The records in the array at this path: `results`, or `data.items`. The empty path is the body itself.
    ///
    /// A `*` takes each element of an array, or the value of each field of an object; what the rest of the path leads to from there
    /// is a record or an array of them: `orders.*.lines`.
    ///
    /// It is a system error where there is nothing at the path, or what is there is no array. Null is none either, for a sync would
    /// end well with nothing in it; only what a `*` leads to may lack its records.
    pub fn records(&self, path: &str) -> Result<Vec<&RawValue>> {
        let mut records = Vec::new();
        match self.collect(path, &mut records) {
            true => Ok(records),
            false => {
                let name = self.response.name();
                Err(system_error(match path {
                    "" => format!("{name} was answered with JSON that is no array of records."),
                    _ => format!("{name} was answered with JSON that has no array of records at {path:?}."),
                }))
            }
        }
    }

    /// The same for an API that says null where it has no records.
    pub fn records_or_null(&self, path: &str) -> Result<Vec<&RawValue>> {
        match self.value(path) {
            Some(value) if value.get() == "null" => Ok(Vec::new()),
            _ => self.records(path),
        }
    }

    /// The record at this path: an object. The empty path is the body itself. It is a system error where there is none.
    pub fn record(&self, path: &str) -> Result<&RawValue> {
        let record = self.value(path).filter(|value| matches!(kind(value.get()), Kind::Object));
        record.ok_or_else(|| {
            let name = self.response.name();
            system_error(match path {
                "" => format!("{name} was answered with JSON that is no object."),
                _ => format!("{name} was answered with JSON that has no object at {path:?}."),
            })
        })
    }

    /// Reads a part of the page, such as one of its records. It is a system error where that is of another shape; the
    /// content is not told.
    pub fn parse<'p, T: Deserialize<'p>>(&'p self, part: &'p RawValue) -> Result<T> {
        // What serde says of it may quote it.
        serde_json::from_str(part.get()).map_err(|_| {
            let name = self.response.name();
            system_error(format!("{name} was answered with JSON that is of another shape than the connector expects."))
        })
    }

    /// The text at this path: a string, or a number as it stands there. None where there is nothing, or null.
    pub fn text(&self, path: &str) -> Result<Option<String>> {
        let Some(value) = self.value(path) else { return Ok(None) };
        match value.get().as_bytes().first() {
            Some(b'"') => Ok(Some(serde_json::from_str(value.get()).map_err(|_| self.no_text(path))?)),
            Some(b'-' | b'0'..=b'9') => Ok(Some(value.get().to_owned())),
            Some(b'n') => Ok(None),
            _ => Err(self.no_text(path)),
        }
    }

    /// The link at this path: a string. None where there is nothing, or null.
    pub(super) fn link(&self, path: &str) -> Result<Option<String>> {
        match self.value(path) {
            Some(value) if matches!(value.get().as_bytes().first(), Some(b'-' | b'0'..=b'9')) => {
                let name = self.response.name();
                Err(system_error(format!(
                    "{name} was answered with JSON that has a number instead of a link at {path:?}."
                )))
            }
            _ => self.text(path),
        }
    }

    /// What is at this path, as JSON. None where there is nothing.
    pub fn value(&self, path: &str) -> Option<&RawValue> {
        let (text, rest) = self.enter(path)?;
        let mut value = raw(text)?;
        for field in rest {
            value = fields(value.get())?.remove(field)?;
        }
        Some(value)
    }

    /// The response that the page came in: its status and headers.
    pub fn response(&self) -> &Response {
        &self.response
    }

    /// What the first part of a path leads to, and what is left of the path.
    fn enter<'p>(&self, path: &'p str) -> Option<(&str, impl Iterator<Item = &'p str>)> {
        let body = self.response.text().ok()?;
        let mut parts = path.split('.').filter(move |_| !path.is_empty());
        let text = match (&self.fields, parts.clone().next()) {
            (Some(fields), Some(name)) if name != "*" => {
                parts.next();
                body.get(fields.get(name)?.clone())?
            }
            _ => body.trim_start_matches('\u{feff}'),
        };
        Some((text, parts))
    }

    /// Whether there is an array at the path.
    fn collect<'p>(&'p self, path: &str, records: &mut Vec<&'p RawValue>) -> bool {
        let Some((text, rest)) = self.enter(path) else { return false };
        let rest: Vec<&str> = rest.collect();
        collect(text, &rest, false, records)
    }

    fn no_text(&self, path: &str) -> Failure {
        let name = self.response.name();
        system_error(format!("{name} was answered with JSON that has neither a string nor a number at {path:?}."))
    }
}

impl fmt::Debug for Page {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Page({:?})", self.response)
    }
}

/// `each` says that the text is one of many, which may lack what others have and may be a record itself.
fn collect<'p>(text: &'p str, path: &[&str], each: bool, records: &mut Vec<&'p RawValue>) -> bool {
    let Some((name, rest)) = path.split_first() else {
        let found = match elements(text) {
            Some(elements) => elements,
            None if each && text.trim_ascii() == "null" => Vec::new(),
            None if each => raw(text).into_iter().collect(),
            None => return false,
        };
        records.extend(found);
        return true;
    };
    if *name == "*" {
        return match elements(text).or_else(|| values(text)) {
            Some(values) => values.into_iter().all(|value| collect(value.get(), rest, true, records)),
            None => each,
        };
    }
    match fields(text).and_then(|mut fields| fields.remove(*name)) {
        Some(value) => collect(value.get(), rest, each, records),
        None => each,
    }
}

enum Kind {
    Object,
    Array,
    Other,
}

fn kind(text: &str) -> Kind {
    match text.trim_ascii_start().as_bytes().first() {
        Some(b'{') => Kind::Object,
        Some(b'[') => Kind::Array,
        _ => Kind::Other,
    }
}

// All of these are given what was checked when the page came.

fn raw(text: &str) -> Option<&RawValue> {
    serde_json::from_str(text).ok()
}

fn fields(text: &str) -> Option<HashMap<String, &RawValue>> {
    matches!(kind(text), Kind::Object).then(|| serde_json::from_str(text).ok())?
}

fn elements(text: &str) -> Option<Vec<&RawValue>> {
    matches!(kind(text), Kind::Array).then(|| serde_json::from_str(text).ok())?
}

/// The values of an object, in the order of the text.
fn values(text: &str) -> Option<Vec<&RawValue>> {
    let mut values: Vec<&RawValue> = fields(text)?.into_values().collect();
    values.sort_by_key(|value| value.get().as_ptr());
    Some(values)
}
