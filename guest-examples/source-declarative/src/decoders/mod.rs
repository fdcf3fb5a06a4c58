//! From a response's body to JSON: the language's decoders. Knows nothing of records.

mod csv;
mod csv_file;
pub mod json;
mod parser;
mod text;
mod xml;
mod zip_file;

use airlock_sdk::Result;
use airlock_sdk::http::{Page, Part};
use serde_json::{Value, json};

use crate::manifest::{self, FromManifest, Node};
use crate::requester::{Body, HttpResponse};
pub use csv_file::CsvFile;
use parser::Parser;
use text::Encoding;
use zip_file::ZipFile;

/// The language's decoders.
#[derive(Clone, Debug, Default)]
pub enum Decoder {
    #[default]
    Json,
    Xml,
    /// Each line is an object with the one field `record`.
    Iterable,
    /// What the CDK reads as it comes.
    Parsed(Parser),
    Zip(ZipFile),
    /// No decoder of the language's, but what its ResponseToFileExtractor does.
    CsvFile(CsvFile),
}

const KINDS: &[&str] = &[
    "JsonDecoder",
    "XmlDecoder",
    "CsvDecoder",
    "JsonlDecoder",
    "JsonItemsDecoder",
    "GzipDecoder",
    "ZipfileDecoder",
    "IterableDecoder",
];

impl FromManifest for Decoder {
    fn from_manifest(node: &Node<'_>) -> manifest::Result<Self> {
        let component = node.component()?;
        let decoder = match component.kind() {
            "JsonDecoder" => Decoder::Json,
            "XmlDecoder" => Decoder::Xml,
            "IterableDecoder" => Decoder::Iterable,
            "CsvDecoder" | "JsonlDecoder" | "JsonItemsDecoder" | "GzipDecoder" => {
                return node.read().map(Decoder::Parsed);
            }
            "ZipfileDecoder" => return node.read().map(Decoder::Zip),
            _ => return Err(component.other_kind(KINDS, &[])),
        };
        component.finish();
        Ok(decoder)
    }
}

/// A body as JSON.
#[derive(Debug)]
pub enum Decoded<'r> {
    /// The whole of it, as it came. A list at the top is several bodies.
    Page(&'r Page),
    /// What was made of it, one body after the other.
    Values(Vec<Value>),
    /// The same, made one by one.
    Streamed(Streamed<'r>),
}

/// Bodies that are made when they are wanted.
#[derive(Debug)]
pub struct Streamed<'r> {
    decoder: &'r Decoder,
    response: &'r HttpResponse,
}

pub type Bodies<'r> = Box<dyn Iterator<Item = Result<Value>> + 'r>;

impl<'r> Streamed<'r> {
    pub fn bodies(&self) -> Result<Bodies<'r>> {
        match self.decoder {
            Decoder::Parsed(parser) => parser.parse(self.response),
            Decoder::Zip(file) => file.bodies(self.response.bytes()),
            Decoder::CsvFile(file) => Ok(Box::new(file.rows(parser::inflated(self.response.bytes())?)?)),
            _ => Ok(parser::lines(self.response.bytes())),
        }
    }
}

impl Decoder {
    /// Whether the CDK reads the body as it comes, so that a paginator knows nothing of it.
    pub fn is_streamed(&self) -> bool {
        matches!(self, Decoder::Iterable | Decoder::Parsed(_) | Decoder::CsvFile(_))
    }

    /// Whether a paginator may stand beside it.
    pub fn is_for_pagination(&self) -> bool {
        match self {
            Decoder::Json | Decoder::Xml => true,
            Decoder::Iterable | Decoder::Zip(_) | Decoder::CsvFile(_) => false,
            Decoder::Parsed(parser) => parser.is_for_pagination(),
        }
    }

    pub fn decode<'r>(&'r self, response: &'r HttpResponse) -> Decoded<'r> {
        match (self, &response.body) {
            (Decoder::Json, Body::Json(page)) => Decoded::Page(page),
            (Decoder::Json, Body::Other(_)) => Decoded::Values(match json::parse(response.bytes()) {
                Some(body) => bodies_of(body),
                None => {
                    log::error!("{} was answered with what is no JSON: there are no records in it.", response.name());
                    vec![json!({})]
                }
            }),
            (Decoder::Xml, _) => Decoded::Values(vec![xml::parse(&text_of(response)).unwrap_or_else(|why| {
                log::warn!("{} was answered with what is no XML ({why}): there are no records in it.", response.name());
                json!({})
            })]),
            (Decoder::Iterable | Decoder::Parsed(_) | Decoder::Zip(_) | Decoder::CsvFile(_), _) => {
                Decoded::Streamed(Streamed { decoder: self, response })
            }
        }
    }
}

/// A list is several bodies, and nothing is an empty one.
fn bodies_of(body: Value) -> Vec<Value> {
    match body {
        Value::Array(bodies) if !bodies.is_empty() => bodies,
        Value::Array(_) | Value::Null => vec![json!({})],
        body => vec![body],
    }
}

/// A body in the encoding that its type or its first line names. What is none in it is replaced.
fn text_of(response: &HttpResponse) -> String {
    let bytes = response.bytes();
    let media_type = response.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-type"));
    let charset = media_type.and_then(|(_, value)| parameter(value, "charset="));
    let beginning = String::from_utf8_lossy(bytes.get(..200).unwrap_or(bytes)).into_owned();
    let declared = beginning.split("?>").next().and_then(|declaration| parameter(declaration, "encoding="));
    let encoding = charset.or(declared).and_then(|name| Encoding::named(&name)).unwrap_or_default();
    encoding.decode(bytes).unwrap_or_else(|| String::from_utf8_lossy(bytes).into_owned())
}

/// The value behind `charset=` or `encoding=`.
fn parameter(text: &str, name: &str) -> Option<String> {
    let start = text.to_ascii_lowercase().find(name)? + name.len();
    let value = text.get(start..)?.trim_start_matches(['"', '\'']);
    let end = value.find(|letter: char| matches!(letter, '"' | '\'' | ';') || letter.is_whitespace());
    value.get(..end.unwrap_or(value.len())).map(str::to_owned)
}

impl<'r> Decoded<'r> {
    /// A body that came as a part of another.
    pub fn of_json(body: Value) -> Self {
        Decoded::Values(bodies_of(body))
    }

    /// The first body, as a paginator sees it. None where it has none to see.
    pub fn first(&self) -> Option<First<'_>> {
        match self {
            Decoded::Page(page) => {
                let root = page.root();
                match root.elements() {
                    None => Some(First::Part(root)),
                    Some(mut bodies) => bodies.next().map(First::Part),
                }
            }
            Decoded::Values(bodies) => bodies.first().map(First::Value),
            Decoded::Streamed(_) => None,
        }
    }
}

/// A body, wherever it is.
#[derive(Clone, Debug)]
pub enum First<'b> {
    Part(Part<'b>),
    Value(&'b Value),
}

#[cfg(test)]
mod tests;
