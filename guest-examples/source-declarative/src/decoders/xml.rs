//! XML as JSON, in the shape that Python's `xmltodict` gives it: attributes are `@name`, text beside them is `#text`, elements of one
//! name are a list. Knows nothing of responses.

use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::{Reader, escape};
use serde_json::Value;

use crate::manifest::Object;

/// Deeper elements are none: the CDK could not write them, either.
const MAX_DEPTH: usize = 250;

/// An element that has begun.
struct Element {
    name: String,
    fields: Option<Object>,
    text: String,
}

/// The document's element by its name. The error says what is wrong.
pub fn parse(text: &str) -> Result<Value, String> {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let mut reader = Reader::from_str(&text);
    reader.config_mut().expand_empty_elements = true;
    let mut open: Vec<Element> = Vec::new();
    let mut document: Option<Object> = None;
    let mut has_document_type = false;
    loop {
        let event = reader.read_event().map_err(|error| error.to_string())?;
        match event {
            Event::Start(_) if open.is_empty() && document.is_some() => {
                return Err("there is more than one element".into());
            }
            Event::Start(_) if open.len() >= MAX_DEPTH => return Err("its elements are too deep".into()),
            Event::Start(start) => open.push(element(&start)?),
            Event::End(_) => {
                let Some(Element { name, fields, text }) = open.pop() else {
                    return Err("an element ends before it begins".into());
                };
                let text = text.trim();
                let value = match fields {
                    None if text.is_empty() => Value::Null,
                    None => Value::from(text),
                    Some(mut fields) => {
                        if !text.is_empty() {
                            push(&mut fields, "#text".to_owned(), Value::from(text));
                        }
                        Value::Object(fields)
                    }
                };
                let around = open.last_mut().map_or(&mut document, |element| &mut element.fields);
                push(around.get_or_insert_default(), name, value);
            }
            Event::Text(part) => add_text(&mut open, &part.decode().map_err(|error| error.to_string())?)?,
            Event::CData(part) => add_text(&mut open, &part.decode().map_err(|error| error.to_string())?)?,
            Event::GeneralRef(reference) => match resolve(&reference)? {
                Some(letter) => add_text(&mut open, letter.encode_utf8(&mut [0; 4]))?,
                // As expat has it, which passes over what a document type may have declared.
                None if has_document_type => {}
                None => return Err("it has an entity that is not declared".into()),
            },
            Event::DocType(_) => has_document_type = true,
            Event::Empty(_) | Event::Decl(_) | Event::PI(_) | Event::Comment(_) => {}
            Event::Eof if !open.is_empty() => return Err("it ends within an element".into()),
            Event::Eof => return document.map(Value::Object).ok_or_else(|| "it has no element".into()),
        }
    }
}

fn element(start: &BytesStart<'_>) -> Result<Element, String> {
    let mut fields = Object::new();
    for attribute in start.attributes() {
        let attribute = attribute.map_err(|error| error.to_string())?;
        let name = name(attribute.key.as_ref())?;
        let value = std::str::from_utf8(&attribute.value).map_err(|error| error.to_string())?;
        let value = value.replace(['\n', '\t'], " ");
        let value = escape::unescape(&value).map_err(|error| error.to_string())?;
        fields.insert(format!("@{name}"), Value::from(value.as_ref()));
    }
    let fields = Some(fields).filter(|fields| !fields.is_empty());
    Ok(Element { name: name(start.name().as_ref())?.to_owned(), fields, text: String::new() })
}

fn name(bytes: &[u8]) -> Result<&str, String> {
    std::str::from_utf8(bytes).map_err(|error| error.to_string())
}

fn add_text(open: &mut [Element], text: &str) -> Result<(), String> {
    match open.last_mut() {
        Some(element) => element.text.push_str(text),
        None if text.trim().is_empty() || text == "\u{feff}" => {}
        None => return Err("it has text outside of its element".into()),
    }
    Ok(())
}

fn resolve(reference: &BytesRef<'_>) -> Result<Option<char>, String> {
    if let Some(letter) = reference.resolve_char_ref().map_err(|error| error.to_string())? {
        return Ok(Some(letter));
    }
    Ok(match &**reference {
        b"amp" => Some('&'),
        b"lt" => Some('<'),
        b"gt" => Some('>'),
        b"apos" => Some('\''),
        b"quot" => Some('"'),
        _ => None,
    })
}

/// Sets a field. What comes again makes a list of it.
fn push(fields: &mut Object, name: String, value: Value) {
    match fields.get_mut(&name) {
        None => {
            fields.insert(name, value);
        }
        Some(Value::Array(values)) => values.push(value),
        Some(one) => *one = Value::Array(vec![one.take(), value]),
    }
}
