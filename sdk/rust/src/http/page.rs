//! A page: JSON with records in it. What is asked for is cut out of the body, and nothing is written anew.
//!
//! A path names fields from the outermost on, with dots between them; the empty path is the whole body.

use std::fmt;
use std::ops::Range;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::json_text::{JsonText, Outline};
use super::part::{Part, field};
use super::records::{Found, Records};
use super::response::{Response, without_mark};
use crate::failure::{Failure, Result, system_error};

/// A response that is JSON, to find records in.
///
/// ```no_run
/// # fn read(api: &airlock_sdk::http::Client, writer: &mut airlock_sdk::StreamWriter) -> airlock_sdk::Result<()> {
/// let page = api.get("orders").page()?; // {"data": {"items": [{"id": 1}, {"id": 2}]}, "next": null}
/// page.records("data.items")?.write_to(writer)?;
/// let next = page.text("next")?;
/// # Ok(())
/// # }
/// ```
pub struct Page {
    response: Response,
    outline: Outline,
}

impl Page {
    pub(super) fn new(response: Response) -> Result<Self> {
        Page::of(response).map_err(|response| refusal(&response))
    }

    /// The page in a response, which is given back where it is not JSON.
    pub fn of(response: Response) -> std::result::Result<Self, Response> {
        let body = response.bytes();
        let start = body.len() - without_mark(body).len();
        match Outline::of(body, start) {
            Some(outline) => Ok(Page { response, outline }),
            None => Err(response),
        }
    }

    /// The records in the array at this path: `results`, or `data.items`. The empty path is the body itself.
    ///
    /// A `*` takes each element of an array, or the value of each field of an object; what the rest of the path leads to from there
    /// is a record or an array of them: `orders.*.lines`.
    ///
    /// It is a system error where there is nothing at the path, or what is there is no array. Null is none either, for a sync would
    /// end well with nothing in it; only what a `*` leads to may lack its records.
    pub fn records(&self, path: &str) -> Result<Records<'_>> {
        let (json, names) = (self.json(), names(path));
        let mut found = Vec::new();
        match collect(json, json.root(), &names, false, &mut found) {
            true => Ok(found.into_iter().map(|found| found.on(self)).collect()),
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
    pub fn records_or_null(&self, path: &str) -> Result<Records<'_>> {
        match self.value(path) {
            Some("null") => Ok(Records::default()),
            _ => self.records(path),
        }
    }

    /// The record at this path: an object. The empty path is the body itself. It is a system error where there is none.
    pub fn record(&self, path: &str) -> Result<&str> {
        let record = self.value(path).filter(|value| value.starts_with('{'));
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
    pub fn parse<'p, T: Deserialize<'p>>(&'p self, part: &'p str) -> Result<T> {
        // What serde says of it may quote it.
        serde_json::from_str(part).map_err(|_| {
            let name = self.response.name();
            system_error(format!("{name} was answered with JSON that is of another shape than the connector expects."))
        })
    }

    /// The text at this path: a string, or a number as it stands there. None where there is nothing, or null.
    pub fn text(&self, path: &str) -> Result<Option<String>> {
        let Some(value) = self.value(path) else { return Ok(None) };
        match value.as_bytes().first() {
            Some(b'"') => Ok(Some(serde_json::from_str(value).map_err(|_| self.no_text(path))?)),
            Some(b'-' | b'0'..=b'9') => Ok(Some(value.to_owned())),
            Some(b'n') => Ok(None),
            _ => Err(self.no_text(path)),
        }
    }

    /// The link at this path: a string. None where there is nothing, or null.
    pub(super) fn link(&self, path: &str) -> Result<Option<String>> {
        match self.value(path) {
            Some(value) if matches!(value.as_bytes().first(), Some(b'-' | b'0'..=b'9')) => {
                let name = self.response.name();
                Err(system_error(format!(
                    "{name} was answered with JSON that has a number instead of a link at {path:?}."
                )))
            }
            _ => self.text(path),
        }
    }

    /// What is at this path, as JSON. None where there is nothing.
    pub fn value(&self, path: &str) -> Option<&str> {
        let json = self.json();
        let value = names(path).into_iter().try_fold(json.root(), |value, name| field(json, &value, name))?;
        // It is UTF-8, or this would be no page.
        std::str::from_utf8(json.get(value)).ok()
    }

    /// The whole page as a part of itself, to go on from.
    pub fn root(&self) -> Part<'_> {
        Part::new(self, self.json().root())
    }

    /// The response that the page came in: its status and headers.
    pub fn response(&self) -> &Response {
        &self.response
    }

    pub(super) fn json(&self) -> JsonText<'_> {
        JsonText::new(self.response.bytes(), &self.outline)
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

/// What is wrong with a body that is no page.
fn refusal(response: &Response) -> Failure {
    match response.text().and_then(|_| response.json::<IgnoredAny>()) {
        Err(failure) => failure,
        Ok(_) => system_error(format!("{} was answered with what is not valid JSON.", response.name())),
    }
}

/// The names that a path is made of.
fn names(path: &str) -> Vec<&str> {
    if path.is_empty() { Vec::new() } else { path.split('.').collect() }
}

/// Where records are.
enum Place {
    Array(Range<usize>),
    Record(Range<usize>),
}

impl Place {
    fn on(self, page: &Page) -> Found<'_> {
        match self {
            Place::Array(array) => Found::Array(Part::new(page, array)),
            Place::Record(record) => Found::Record(Part::new(page, record)),
        }
    }
}

/// Finds what a path leads to. False, if that is no array, or there is nothing. `each` says that the value is one of many, which may
/// lack what others have and may be a record itself.
fn collect(json: JsonText<'_>, value: Range<usize>, path: &[&str], each: bool, found: &mut Vec<Place>) -> bool {
    let Some((name, rest)) = path.split_first() else {
        match json.first(&value) {
            b'[' => found.push(Place::Array(value)),
            b'n' if each => {}
            _ if each => found.push(Place::Record(value)),
            _ => return false,
        }
        return true;
    };
    if *name == "*" {
        let mut all = |value| collect(json, value, rest, true, found);
        return match (json.elements(&value), json.fields(&value)) {
            (Some(mut elements), _) => elements.all(all),
            (None, Some(mut fields)) => fields.all(|(_, value)| all(value)),
            (None, None) => each,
        };
    }
    match field(json, &value, name) {
        Some(value) => collect(json, value, rest, each, found),
        None => each,
    }
}
