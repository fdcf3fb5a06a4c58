//! Bodies that are read piece by piece: the language's CsvDecoder, JsonlDecoder, JsonItemsDecoder and GzipDecoder. Knows nothing of
//! pages.

use std::io::{BufRead, BufReader, Read};

use airlock_sdk::{Failure, Result, system_error};
use flate2::read::MultiGzDecoder;
use serde_json::{Value, json};

use super::csv::CsvFormat;
use super::text::Encoding;
use super::{Bodies, json as python_json};
use crate::field_path::{Path, Segment, follow};
use crate::manifest::{self, FromManifest, Node};
use crate::requester::{Body, HttpResponse};

/// What a compressed body may become: the rest of memory belongs to others.
pub const MAX_DECOMPRESSED_BYTES: u64 = 1 << 30;

/// A format, in the language's words.
#[derive(Clone, Debug)]
pub enum Parser {
    Json,
    Jsonl,
    /// The elements of the list at a path.
    JsonItems {
        path: Path,
        encoding: Encoding,
    },
    Csv(CsvFormat),
    /// What is compressed, or is not.
    Gzip(Box<Parser>),
}

impl FromManifest for Parser {
    fn from_manifest(node: &Node<'_>) -> manifest::Result<Self> {
        let component = node.component()?;
        let parser = match component.kind() {
            "JsonDecoder" => Parser::Json,
            "JsonlDecoder" => Parser::Jsonl,
            "CsvDecoder" => return node.read().map(Parser::Csv),
            "GzipDecoder" => Parser::Gzip(component.required("decoder")?),
            "JsonItemsDecoder" => {
                let path = component.required::<String>("items_path")?;
                if path.is_empty() {
                    return Err(node.invalid("has an empty items_path"));
                }
                // In the words of the CDK's parser, `item` is each of a list.
                let segment = |name: &str| if name == "item" { Segment::All } else { Segment::Name(name.to_owned()) };
                let path = path.split('.').map(segment).collect();
                Parser::JsonItems { path, encoding: component.optional("encoding")?.unwrap_or_default() }
            }
            _ => {
                let supported = ["JsonDecoder", "JsonItemsDecoder", "CsvDecoder", "JsonlDecoder", "GzipDecoder"];
                return Err(component.other_kind(&supported, &[]));
            }
        };
        component.finish();
        Ok(parser)
    }
}

impl Parser {
    /// Whether a paginator may stand beside it: so the CDK has it.
    pub fn is_for_pagination(&self) -> bool {
        match self {
            Parser::Json => true,
            Parser::Gzip(inner) => matches!(**inner, Parser::Json),
            _ => false,
        }
    }

    pub fn parse<'r>(&self, response: &'r HttpResponse) -> Result<Bodies<'r>> {
        match (self, &response.body) {
            // It is known already where its parts are.
            (Parser::JsonItems { path, encoding: Encoding::Utf8 }, Body::Json(page)) => {
                let lists = follow(page.root(), path);
                let items = lists.into_iter().filter_map(|list| list.elements()).flatten();
                Ok(Box::new(items.map(|item| serde_json::from_str(item.text()).map_err(Failure::from))))
            }
            _ => self.bodies(Box::new(response.bytes())),
        }
    }

    /// What a reader has in it.
    pub fn bodies<'r>(&self, mut bytes: Box<dyn Read + 'r>) -> Result<Bodies<'r>> {
        match self {
            Parser::Gzip(inner) => inner.bodies(decompressed(bytes)?),
            Parser::Jsonl => Ok(json_lines(bytes)),
            Parser::Csv(format) => Ok(Box::new(format.rows(&whole(&mut bytes)?)?)),
            Parser::Json => match python_json::parse(&whole(&mut bytes)?) {
                Some(Value::Array(bodies)) => Ok(Box::new(bodies.into_iter().map(Ok))),
                Some(body) if !body.is_null() => Ok(Box::new(std::iter::once(Ok(body)))),
                _ => Err(no_json()),
            },
            Parser::JsonItems { path, encoding } => {
                let bytes = whole(&mut bytes)?;
                let body = match encoding {
                    Encoding::Utf8 => python_json::parse(&bytes),
                    encoding => encoding.decode(&bytes).and_then(|text| python_json::parse(text.as_bytes())),
                };
                let body = body.ok_or_else(no_json)?;
                let lists = follow(&body, path);
                let items: Vec<Value> = lists.into_iter().filter_map(Value::as_array).flatten().cloned().collect();
                Ok(Box::new(items.into_iter().map(Ok)))
            }
        }
    }
}

fn no_json() -> Failure {
    system_error("Response JSON data failed to be parsed.")
}

fn whole(bytes: &mut dyn Read) -> Result<Vec<u8>> {
    let mut whole = Vec::new();
    bytes.read_to_end(&mut whole).map_err(undecodable)?;
    Ok(whole)
}

fn undecodable(error: std::io::Error) -> Failure {
    system_error(format!("A response's body can not be decompressed: {error}."))
}

/// What comes out of a reader if that is compressed, else the same.
fn decompressed<'r>(mut bytes: Box<dyn Read + 'r>) -> Result<Box<dyn Read + 'r>> {
    let mut magic = Vec::new();
    (&mut bytes).take(2).read_to_end(&mut magic).map_err(undecodable)?;
    let is_compressed = magic == [0x1f, 0x8b];
    let all = std::io::Cursor::new(magic).chain(bytes);
    match is_compressed {
        true => Ok(Box::new(Bounded { bytes: MultiGzDecoder::new(all), left: MAX_DECOMPRESSED_BYTES })),
        false => Ok(Box::new(all)),
    }
}

/// The whole of a body that is compressed, or is not.
pub fn inflated(bytes: &[u8]) -> Result<Vec<u8>> {
    whole(&mut decompressed(Box::new(bytes))?)
}

/// A reader that fails instead of giving too much.
struct Bounded<R> {
    bytes: R,
    left: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.bytes.read(buffer)?;
        self.left = self.left.checked_sub(read as u64).ok_or_else(|| {
            std::io::Error::other(format!("it is longer than the {MAX_DECOMPRESSED_BYTES} bytes that are allowed"))
        })?;
        Ok(read)
    }
}

/// A body a line. Lines that are no JSON are passed over, and that is said.
fn json_lines<'r>(bytes: Box<dyn Read + 'r>) -> Bodies<'r> {
    let mut lines = BufReader::new(bytes);
    let mut number = 0_u64;
    let mut failed = false;
    Box::new(std::iter::from_fn(move || {
        while !failed {
            let mut line = Vec::new();
            number += 1;
            match lines.read_until(b'\n', &mut line) {
                Ok(0) => return None,
                Ok(_) if std::str::from_utf8(&line).is_err() => {
                    failed = true;
                    return Some(Err(system_error(format!("Line {number} of a response's body is no UTF-8."))));
                }
                Ok(_) => match python_json::parse(&line) {
                    Some(body) => return Some(Ok(body)),
                    None => log::warn!("Line {number} of a response's body is no JSON, and is passed over."),
                },
                Err(error) => {
                    failed = true;
                    return Some(Err(undecodable(error)));
                }
            }
        }
        None
    }))
}

/// The lines of a body, each in a field `record`.
pub fn lines(bytes: &[u8]) -> Bodies<'_> {
    let mut rest = bytes;
    Box::new(std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let end = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')).unwrap_or(rest.len());
        let (line, after) = rest.split_at_checked(end).unwrap_or((rest, &[]));
        rest = after.strip_prefix(b"\r\n").or_else(|| after.get(1..)).unwrap_or_default();
        Some(match std::str::from_utf8(line) {
            Ok(line) => Ok(json!({"record": line})),
            Err(_) => {
                rest = &[];
                Err(system_error("A line of a response's body is no UTF-8."))
            }
        })
    }))
}
