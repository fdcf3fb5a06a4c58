//! YAML as PyYAML's `safe_load` reads it: version 1.1, where `yes` is true and the last of equal keys counts. Knows nothing of what
//! a manifest says.

mod scalar;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::HashMap;

use granit_parser::{Event, Marker, Parser, ScalarStyle, Span, Tag};
use serde_json::Value;

use super::{MAX_VALUES, Object};

/// A text that is no YAML, or none that can be used: the rest of a sentence that begins with what was read.
pub type Result<T> = std::result::Result<T, String>;

/// A field that an object has had already: only the last one counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repeated {
    pub field: String,
    pub line: usize,
}

/// Reads a document.
pub fn parse(text: &str) -> Result<Value> {
    parse_by_hand(text).map(|(document, _)| document)
}

/// Reads a document that somebody wrote, who may have written a field twice.
pub fn parse_by_hand(text: &str) -> Result<(Value, Vec<Repeated>)> {
    let options = granit_parser::options! {
        emit_comments: false,
        bom_inside_document_as_content: true,
        block_scalar_eof_without_line_feed: true,
        flow_nesting_limit: super::MAX_DEPTH,
        block_nesting_limit: super::MAX_DEPTH,
    };
    let mut composer = Composer::default();
    for next in Parser::new_from_str_with_options(text, options) {
        let (event, span) = next.map_err(|error| syntax_problem(text, error.marker(), &error.info()))?;
        composer.take(event, &span)?;
    }
    Ok((composer.document.unwrap_or(Value::Null), composer.repeated))
}

/// What the parser says, and what it mostly comes from.
fn syntax_problem(text: &str, at: &Marker, what: &str) -> String {
    let told = problem(at, what);
    let from_here = || text.lines().enumerate().skip(at.line().saturating_sub(1));
    if what.contains("tab") {
        let indentation = |line: &str| line.len() - line.trim_start().len();
        let is_tabbed = |line: &str| line.get(..indentation(line)).is_some_and(|before| before.contains('\t'));
        if let Some((index, _)) = from_here().take(2).find(|(_, line)| is_tabbed(line)) {
            return format!("{told}; line {} begins with a tab, and only spaces may stand there", index + 1);
        }
    }
    match from_here().next() {
        Some((_, line)) if has_bare_template(line) => format!("{told}; {QUOTE_TEMPLATES}"),
        _ => match CAUSES.iter().find(|(said, _)| what.contains(said)) {
            Some((_, cause)) => format!("{told}; {cause}"),
            None => told,
        },
    }
}

/// What the parser says of mistakes that are often made, and what they come from.
const CAUSES: [(&str, &str); 7] = [
    (
        "mapping values are not allowed",
        "the fields of an object begin in one column, and a value with a colon and a space in it must be in quotes",
    ),
    (
        "did not find expected key",
        "the fields of an object begin in one column, and each element of a list with a dash",
    ),
    (
        "after double-quoted scalar",
        "a quote before that may not be closed, and a value that begins with one must end with it",
    ),
    (
        "after single-quoted scalar",
        "a quote before that may not be closed, and a value that begins with one must end with it",
    ),
    ("did not find expected '-' indicator", "the elements of a list begin in one column, each with a dash"),
    ("unexpected character", "a value that begins with it must be in quotes"),
    ("unknown escape character", "between double quotes a backslash is written twice, and between single quotes once"),
];

const QUOTE_TEMPLATES: &str = "a value that begins with a template must be in quotes, as in \"{{ config['key'] }}\"";

/// Whether a value of the line begins with `{{` or `{%`: that is an object in YAML.
fn has_bare_template(line: &str) -> bool {
    let begins = |value: &str| ["{{", "{%"].iter().any(|tag| value.trim_start().starts_with(tag));
    line.split_once(": ").is_some_and(|(_, value)| begins(value))
        || line.trim_start().strip_prefix("- ").is_some_and(begins)
}

fn problem(at: &Marker, what: &str) -> String {
    format!("is no YAML that can be read: {what}, in line {}, column {}", at.line(), at.col() + 1)
}

/// Puts a document together from what the parser sees, without a call for each level.
#[derive(Default)]
struct Composer {
    document: Option<Value>,
    open: Vec<Open>,
    anchors: HashMap<usize, Value>,
    values: usize,
    repeated: Vec<Repeated>,
}

/// A list or an object that has not ended yet.
struct Open {
    anchor: usize,
    collection: Collection,
}

enum Collection {
    List(Vec<Value>),
    Object { merged: Object, own: Object, key: Option<Key> },
}

/// A key of an object that waits for its value.
enum Key {
    Name {
        name: String,
        line: usize,
    },
    /// `<<`: the value's fields are the object's, where it has none of its own.
    Merge,
}

impl Composer {
    fn take(&mut self, event: Event<'_>, span: &Span) -> Result<()> {
        let at = span.start;
        match event {
            Event::DocumentStart(..) if self.document.is_some() => {
                Err(problem(&at, "there is more than one document in it"))
            }
            Event::Scalar(text, style, anchor, tag) => self.scalar(text, style, anchor, tag, &at),
            Event::SequenceStart(_, anchor, tag) => {
                require_tag(tag.as_deref(), "seq", &at)?;
                self.begin(anchor, Collection::List(Vec::new()))
            }
            Event::MappingStart(_, anchor, tag) => {
                require_tag(tag.as_deref(), "map", &at)?;
                self.begin(anchor, Collection::Object { merged: Object::new(), own: Object::new(), key: None })
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(&at),
            Event::Alias(anchor) => {
                let Some(value) = self.anchors.get(&anchor).cloned() else {
                    return Err(problem(&at, "an alias stands inside of what it means"));
                };
                self.count(super::size(&value), &at)?;
                self.place(value, None, &at)
            }
            _ => Ok(()),
        }
    }

    fn scalar(
        &mut self,
        text: Cow<'_, str>,
        style: ScalarStyle,
        anchor: usize,
        tag: Option<Cow<'_, Tag>>,
        at: &Marker,
    ) -> Result<()> {
        self.count(1, at)?;
        let plain = style == ScalarStyle::Plain;
        // `!` says nothing, as libyaml has it.
        let kind = match tag.as_deref().map(tag_name).filter(|name| name != "!") {
            None if plain => scalar::kind_of(&text),
            None => scalar::Kind::Text,
            Some(name) => scalar::Kind::of_tag(&name)
                .ok_or_else(|| problem(at, &format!("the tag {name:?} is none that can be used here")))?,
        };
        let merge = kind == scalar::Kind::Merge;
        let value = scalar::value(kind, &text).map_err(|what| problem(at, &what))?;
        if anchor > 0 {
            self.anchors.insert(anchor, value.clone());
        }
        self.place(value, merge.then_some(Key::Merge), at)
    }

    fn begin(&mut self, anchor: usize, collection: Collection) -> Result<()> {
        self.open.push(Open { anchor, collection });
        Ok(())
    }

    fn end(&mut self, at: &Marker) -> Result<()> {
        let Some(Open { anchor, collection }) = self.open.pop() else { return Ok(()) };
        self.count(1, at)?;
        let value = match collection {
            Collection::List(elements) => Value::Array(elements),
            Collection::Object { merged, own, .. } if merged.is_empty() => Value::Object(own),
            Collection::Object { mut merged, own, .. } => {
                merged.extend(own);
                Value::Object(merged)
            }
        };
        if anchor > 0 {
            self.anchors.insert(anchor, value.clone());
        }
        self.place(value, None, at)
    }

    /// Puts a value where the document has come to. `as_key` is what it is as a key, if that is no matter of its value.
    fn place(&mut self, value: Value, as_key: Option<Key>, at: &Marker) -> Result<()> {
        match self.open.last_mut().map(|open| &mut open.collection) {
            None => self.document = Some(value),
            Some(Collection::List(elements)) => elements.push(value),
            Some(Collection::Object { merged, own, key }) => match key.take() {
                None => *key = Some(as_key.map_or_else(|| key_of(&value, at), Ok)?),
                Some(Key::Name { name, line }) => {
                    if own.contains_key(&name) {
                        self.repeated.push(Repeated { field: name.clone(), line });
                    }
                    own.insert(name, value);
                }
                Some(Key::Merge) => merge(merged, value, at)?,
            },
        }
        Ok(())
    }

    /// Aliases that multiply each other must not fill the memory.
    fn count(&mut self, values: usize, at: &Marker) -> Result<()> {
        self.values = self.values.saturating_add(values);
        if self.values > MAX_VALUES {
            return Err(problem(at, &format!("it has more than {MAX_VALUES} values, aliases included")));
        }
        Ok(())
    }
}

/// Adds what `<<` brings: of several, the first says what a field is.
fn merge(merged: &mut Object, value: Value, at: &Marker) -> Result<()> {
    let objects = match value {
        Value::Array(objects) => objects,
        object => vec![object],
    };
    let mut all = Object::new();
    for object in objects.into_iter().rev() {
        let Value::Object(fields) = object else {
            return Err(problem(at, "<< wants an object, or a list of objects"));
        };
        all.extend(fields);
    }
    // PyYAML puts what a later `<<` brings behind, and so over, what an earlier one brought.
    merged.extend(all);
    Ok(())
}

/// A key as JSON has it: Python's `json` writes other keys than texts like this.
fn key_of(value: &Value, at: &Marker) -> Result<Key> {
    match value {
        Value::String(name) => Ok(Key::Name { name: name.clone(), line: at.line() }),
        Value::Array(_) | Value::Object(_) => {
            Err(problem(at, &format!("a key is a list or an object; {QUOTE_TEMPLATES}")))
        }
        other => Ok(Key::Name { name: other.to_string(), line: at.line() }),
    }
}

fn tag_name(tag: &Tag) -> String {
    format!("{}{}", tag.handle(), tag.suffix())
}

fn require_tag(tag: Option<&Tag>, kind: &str, at: &Marker) -> Result<()> {
    match tag.map(tag_name) {
        Some(name) if name != format!("tag:yaml.org,2002:{kind}") && name != "!" => {
            Err(problem(at, &format!("the tag {name:?} is none that can be used here")))
        }
        _ => Ok(()),
    }
}
