//! A part of a page: one of the values in it, of whatever kind, and what is below it. Nothing is copied or parsed before somebody asks
//! for it. Knows nothing of paths.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use super::json_text::JsonText;
use super::page::Page;
use crate::failure::Result;
use crate::stream_writer::StreamWriter;

/// A value in a [`Page`], where it stands.
///
/// ```no_run
/// # fn read(page: &airlock_sdk::http::Page) {
/// // {"orders": [{"id": 1}], "next": null}
/// for (name, value) in page.root().fields().into_iter().flatten() {
///     println!("{name} is {}", value.text());
/// }
/// # }
/// ```
#[derive(Clone)]
pub struct Part<'p> {
    page: &'p Page,
    place: Range<usize>,
}

/// What a value of JSON is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Null,
    Boolean,
    Number,
    String,
    Array,
    Object,
}

impl<'p> Part<'p> {
    pub(super) fn new(page: &'p Page, place: Range<usize>) -> Self {
        Part { page, place }
    }

    /// Its JSON, as it stands in the page.
    pub fn text(&self) -> &'p str {
        // It is UTF-8, or the page would be none.
        std::str::from_utf8(self.bytes()).unwrap_or_default()
    }

    /// What it is.
    pub fn kind(&self) -> Kind {
        match self.page.json().first(&self.place) {
            b'{' => Kind::Object,
            b'[' => Kind::Array,
            b'"' => Kind::String,
            b't' | b'f' => Kind::Boolean,
            b'n' => Kind::Null,
            _ => Kind::Number,
        }
    }

    /// The value of a field: the last, if there are several of this name, as parsers have it. None where there is none, or this is
    /// no object.
    pub fn get(&self, name: &str) -> Option<Part<'p>> {
        field(self.page.json(), &self.place, name).map(|place| Part::new(self.page, place))
    }

    /// The names and values of an object. None, if this is none.
    pub fn fields(&self) -> Option<impl Iterator<Item = (Cow<'p, str>, Part<'p>)> + use<'p>> {
        let page = self.page;
        let fields = page.json().fields(&self.place)?;
        Some(fields.map(move |(quoted, value)| (decoded(quoted), Part::new(page, value))))
    }

    /// The elements of an array. None, if this is none.
    pub fn elements(&self) -> Option<impl Iterator<Item = Part<'p>> + use<'p>> {
        let page = self.page;
        let elements = page.json().elements(&self.place)?;
        Some(elements.map(move |element| Part::new(page, element)))
    }

    /// Writes it as a record. It is the host that checks it.
    pub fn write_to(&self, writer: &mut StreamWriter) -> Result<()> {
        match self.page.json().has_line_breaks() {
            true => writer.write_json(self.bytes()),
            false => writer.write_line(self.bytes()),
        }
    }

    pub(super) fn bytes(&self) -> &'p [u8] {
        self.page.json().get(self.place.clone())
    }

    pub(super) fn text_around(&self) -> JsonText<'p> {
        self.page.json()
    }

    pub(super) fn page(&self) -> &'p Page {
        self.page
    }

    pub(super) fn place(&self) -> &Range<usize> {
        &self.place
    }
}

impl fmt::Debug for Part<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Part({:?}, {} bytes)", self.kind(), self.place.len())
    }
}

/// The field of this name: the last, if there are several, as parsers have it.
pub(super) fn field(json: JsonText<'_>, object: &Range<usize>, name: &str) -> Option<Range<usize>> {
    let fields = json.fields(object)?;
    fields.filter(|(quoted, _)| is_called(quoted, name)).last().map(|(_, value)| value)
}

fn is_called(quoted: &[u8], name: &str) -> bool {
    match quoted.contains(&b'\\') {
        true => decoded(quoted) == name,
        false => unquoted(quoted) == name.as_bytes(),
    }
}

/// A name without its quotes and escapes.
fn decoded(quoted: &[u8]) -> Cow<'_, str> {
    match quoted.contains(&b'\\') {
        // An escaped half of a letter is the one thing that has no text.
        true => serde_json::from_slice::<String>(quoted).map_or_else(|_| String::from_utf8_lossy(quoted), Cow::Owned),
        false => String::from_utf8_lossy(unquoted(quoted)),
    }
}

fn unquoted(quoted: &[u8]) -> &[u8] {
    quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default()
}
