//! Paths into JSON as the CDK's `dpath` follows them: names, indexes of lists, and patterns. Works on text of a page and on parsed
//! values alike, and knows nothing of records.

use std::borrow::Cow;

use airlock_sdk::http::Part;
use airlock_sdk::{Result, config_error, system_error};
use regex_lite::Regex;
use serde_json::Value;

use crate::manifest::{self, FromManifest, Node};
use crate::template::{Scope, Template};

/// A path as the manifest has it.
#[derive(Clone, Debug, Default)]
pub struct FieldPath(Vec<Template>);

impl FromManifest for FieldPath {
    fn from_manifest(node: &Node<'_>) -> manifest::Result<Self> {
        let elements = node.elements()?;
        for element in &elements {
            if element.value.as_str() == Some("**") {
                return Err(element.unsupported("is **, which is not supported in a path"));
            }
        }
        Ok(FieldPath(elements.iter().map(Node::read).collect::<manifest::Result<_>>()?))
    }
}

impl FieldPath {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The path with its templates evaluated.
    pub fn evaluate(&self, scope: &Scope) -> Result<Path> {
        self.0.iter().map(|segment| segment.evaluate(scope).and_then(|value| Segment::of(&value))).collect()
    }
}

/// A path as it is followed.
pub type Path = Vec<Segment>;

#[derive(Clone, Debug)]
pub enum Segment {
    Name(String),
    /// Of a list; below zero from its end.
    Index(i64),
    /// `*`: every element or field.
    All,
    /// A pattern with `*`, `?` or `[…]` in it.
    Pattern(Regex),
}

impl Segment {
    /// The name of the field that it leads to, if it is one.
    pub fn name(&self) -> Option<String> {
        match self {
            Segment::Name(name) => Some(name.clone()),
            Segment::Index(index) => Some(index.to_string()),
            Segment::All | Segment::Pattern(_) => None,
        }
    }

    pub fn matches_name(&self, name: &str) -> bool {
        match self {
            Segment::Name(own) => own == name,
            Segment::Index(_) => false,
            Segment::All => true,
            Segment::Pattern(pattern) => pattern.is_match(name),
        }
    }

    /// Whether it leads to this element of so many.
    pub fn matches_index(&self, index: usize, count: usize) -> bool {
        match self {
            Segment::Name(_) => false,
            Segment::Index(own) => at(*own, count) == Some(index),
            Segment::All => true,
            Segment::Pattern(pattern) => pattern.is_match(&index.to_string()),
        }
    }

    pub fn of(value: &Value) -> Result<Segment> {
        match value {
            Value::String(name) if name == "*" => Ok(Segment::All),
            Value::String(name) if name == "**" => {
                Err(config_error("A path of fields has ** in it, which is not supported."))
            }
            Value::String(name) if name.contains(['*', '?', '[']) => {
                Ok(pattern(name).map_or_else(|| Segment::Name(name.clone()), Segment::Pattern))
            }
            Value::String(name) => Ok(Segment::Name(name.clone())),
            Value::Number(number) if number.as_i64().is_some() => {
                Ok(Segment::Index(number.as_i64().unwrap_or_default()))
            }
            other => Err(config_error(format!("A path of fields has {other} in it, and must have names only."))),
        }
    }
}

/// JSON that a path can be followed in.
pub trait Json: Sized + Clone {
    fn get(&self, name: &str) -> Option<Self>;
    fn elements(&self) -> Option<impl Iterator<Item = Self>>;
    fn fields(&self) -> Option<impl Iterator<Item = (Cow<'_, str>, Self)>>;
}

impl<'p> Json for Part<'p> {
    fn get(&self, name: &str) -> Option<Self> {
        Part::get(self, name)
    }

    fn elements(&self) -> Option<impl Iterator<Item = Self>> {
        Part::elements(self)
    }

    fn fields(&self) -> Option<impl Iterator<Item = (Cow<'_, str>, Self)>> {
        // The names live as long as the page, and here as long as the part.
        let shorter = |(name, value): (Cow<'p, str>, Self)| -> (Cow<'_, str>, Self) { (name, value) };
        Part::fields(self).map(|fields| fields.map(shorter))
    }
}

impl Json for &Value {
    fn get(&self, name: &str) -> Option<Self> {
        self.as_object()?.get(name)
    }

    fn elements(&self) -> Option<impl Iterator<Item = Self>> {
        Some(self.as_array()?.iter())
    }

    fn fields(&self) -> Option<impl Iterator<Item = (Cow<'_, str>, Self)>> {
        Some(self.as_object()?.iter().map(|(name, value)| (Cow::Borrowed(name.as_str()), value)))
    }
}

/// What the path leads to: several values where it has patterns.
pub fn follow<J: Json>(json: J, path: &[Segment]) -> Vec<J> {
    let mut found = vec![json];
    for segment in path {
        found = found.iter().flat_map(|json| step(json, segment)).collect();
    }
    found
}

fn step<J: Json>(json: &J, segment: &Segment) -> Vec<J> {
    match segment {
        Segment::Name(name) => json.get(name).into_iter().collect(),
        Segment::Index(index) => element(json, *index).into_iter().collect(),
        Segment::All => match json.elements() {
            Some(elements) => elements.collect(),
            None => json.fields().into_iter().flatten().map(|(_, value)| value).collect(),
        },
        Segment::Pattern(pattern) => match json.elements() {
            Some(elements) => {
                let indexed = elements.enumerate().filter(|(index, _)| pattern.is_match(&index.to_string()));
                indexed.map(|(_, element)| element).collect()
            }
            None => {
                let fields = json.fields().into_iter().flatten();
                fields.filter(|(name, _)| pattern.is_match(name)).map(|(_, value)| value).collect()
            }
        },
    }
}

fn element<J: Json>(json: &J, index: i64) -> Option<J> {
    let count = if index < 0 { json.elements()?.count() } else { 0 };
    json.elements()?.nth(at(index, count)?)
}

/// An index as Python has it: below zero it counts from the end.
fn at(index: i64, count: usize) -> Option<usize> {
    match usize::try_from(index) {
        Ok(index) => Some(index),
        Err(_) => count.checked_sub(usize::try_from(index.unsigned_abs()).ok()?),
    }
}

/// The path, if it leads to one place only.
pub fn without_patterns(path: Path) -> Result<Path> {
    match path.iter().any(|segment| matches!(segment, Segment::All | Segment::Pattern(_))) {
        true => Err(system_error("A path of a RecordExpander has a pattern in it, and must lead to one field.")),
        false => Ok(path),
    }
}

/// Python's `fnmatch` pattern. None where it is none: a bracket that does not close is a bracket.
fn pattern(text: &str) -> Option<Regex> {
    let mut expression = String::from("(?s)^");
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        rest = rest.get(letter.len_utf8()..).unwrap_or_default();
        match letter {
            '*' => expression.push_str(".*"),
            '?' => expression.push('.'),
            '[' => {
                let inverted = rest.starts_with('!');
                let from = usize::from(inverted);
                // A closing bracket at the begin is a letter of the set.
                let end = rest.get(from + 1..).and_then(|set| set.find(']')).map(|end| end + from + 1);
                match end.and_then(|end| Some((rest.get(from..end)?, rest.get(end + 1..)?))) {
                    Some((set, after)) => {
                        expression.push_str(if inverted { "[^" } else { "[" });
                        for letter in set.chars() {
                            if matches!(letter, '\\' | '[' | ']' | '^' | '&' | '~') {
                                expression.push('\\');
                            }
                            expression.push(letter);
                        }
                        expression.push(']');
                        rest = after;
                    }
                    None => expression.push_str("\\["),
                }
            }
            _ => expression.push_str(&regex_lite::escape(letter.encode_utf8(&mut [0; 4]))),
        }
    }
    expression.push('$');
    Regex::new(&expression).ok()
}
