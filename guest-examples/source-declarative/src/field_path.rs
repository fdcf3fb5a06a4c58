//! Paths into JSON as the CDK's `dpath` follows them: names, indexes of lists, and patterns. Works on text of a page and on parsed
//! values alike, and knows nothing of records.

use std::borrow::Cow;

use airlock_sdk::http::Part;
use airlock_sdk::{Result, config_error, system_error};
use serde_json::Value;

use crate::dpath::{is_match, is_pattern};
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
    Pattern(String),
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
            Segment::Pattern(pattern) => is_match(pattern, name),
        }
    }

    /// Whether it leads to this element of so many.
    pub fn matches_index(&self, index: usize, count: usize) -> bool {
        match self {
            Segment::Name(_) => false,
            Segment::Index(own) => at(*own, count) == Some(index),
            Segment::All => true,
            Segment::Pattern(pattern) => is_match(pattern, &index.to_string()),
        }
    }

    pub fn of(value: &Value) -> Result<Segment> {
        match value {
            Value::String(name) if name == "*" => Ok(Segment::All),
            Value::String(name) if name == "**" => {
                Err(config_error("A path of fields has ** in it, which is not supported."))
            }
            Value::String(name) if is_pattern(name) => Ok(Segment::Pattern(name.clone())),
            Value::String(name) => Ok(Segment::Name(name.clone())),
            Value::Number(number) if number.as_i64().is_some() => {
                Ok(Segment::Index(number.as_i64().unwrap_or_default()))
            }
            other => Err(config_error(format!("A path of fields has {other} in it, and must have names only."))),
        }
    }
}

/// A path as the manifest has it, that may have a `**` in it: any way down, or none.
#[derive(Debug, Default)]
pub struct SearchPath(Vec<Template>);

impl FromManifest for SearchPath {
    fn from_manifest(node: &Node<'_>) -> manifest::Result<Self> {
        Ok(SearchPath(node.read()?))
    }
}

impl SearchPath {
    /// The path with its templates evaluated.
    pub fn evaluate(&self, scope: &Scope) -> Result<Search> {
        Search::of(self.0.iter().map(|segment| segment.evaluate(scope)))
    }
}

/// A path as it is searched for.
#[derive(Debug, Default)]
pub struct Search {
    path: Path,
    /// What comes behind a `**`.
    below: Option<Path>,
}

/// How deep a `**` goes.
const MAX_DEPTH: usize = 200;

impl Search {
    pub fn of(segments: impl Iterator<Item = Result<Value>>) -> Result<Self> {
        let mut search = Search::default();
        for segment in segments {
            let segment = segment?;
            match (&mut search.below, segment == "**") {
                (None, true) => search.below = Some(Path::new()),
                // dpath has one for each path.
                (Some(_), true) => {
                    return Err(system_error("A field_path has more than one ** in it, and may have one."));
                }
                (None, false) => search.path.push(Segment::of(&segment)?),
                (Some(below), false) => below.push(Segment::of(&segment)?),
            }
        }
        Ok(search)
    }

    pub fn is_empty(&self) -> bool {
        self.path.is_empty() && self.below.is_none()
    }

    /// Whether it has a `*` in it, and so is for several values.
    pub fn has_star(&self) -> bool {
        self.path.iter().chain(self.below.iter().flatten()).any(|segment| matches!(segment, Segment::All))
    }

    /// What it leads to, in dpath's order: what stands in a value comes before what stands deeper.
    pub fn find<J: Json>(&self, json: J) -> Result<Vec<J>> {
        let Some(below) = &self.below else { return Ok(follow(json, &self.path)) };
        let mut found = Vec::new();
        self.walk(&json, below, &mut Vec::new(), &mut found)?;
        Ok(found)
    }

    fn walk<J: Json>(&self, json: &J, below: &[Segment], keys: &mut Vec<Key>, found: &mut Vec<J>) -> Result<()> {
        if keys.len() > MAX_DEPTH {
            return Err(system_error(format!(
                "A response is nested deeper than the {MAX_DEPTH} levels in which ** of a field_path is searched for."
            )));
        }
        let children = children(json);
        for (key, child) in &children {
            keys.push(key.clone());
            let are_enough = keys.len() >= self.path.len() + below.len();
            let end = keys.get(keys.len().saturating_sub(below.len())..).unwrap_or_default();
            if are_enough && are_meant(keys, &self.path) && are_meant(end, below) {
                found.push(child.clone());
            }
            keys.pop();
        }
        for (key, child) in children {
            keys.push(key);
            if are_meant(keys, &self.path) {
                self.walk(&child, below, keys, found)?;
            }
            keys.pop();
        }
        Ok(())
    }
}

/// What leads from a value to one that stands in it.
#[derive(Clone)]
enum Key {
    Name(String),
    Index { index: usize, count: usize },
}

fn children<J: Json>(json: &J) -> Vec<(Key, J)> {
    if let Some(elements) = json.elements() {
        let elements: Vec<J> = elements.collect();
        let count = elements.len();
        return elements
            .into_iter()
            .enumerate()
            .map(|(index, element)| (Key::Index { index, count }, element))
            .collect();
    }
    let fields = json.fields().into_iter().flatten();
    fields.map(|(name, value)| (Key::Name(name.into_owned()), value)).collect()
}

/// Whether keys are what the segments mean, as far as there are any of both.
fn are_meant(keys: &[Key], segments: &[Segment]) -> bool {
    keys.iter().zip(segments).all(|(key, segment)| match key {
        Key::Name(name) => segment.matches_name(name),
        Key::Index { index, count } => segment.matches_index(*index, *count),
    })
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
                let indexed = elements.enumerate().filter(|(index, _)| is_match(pattern, &index.to_string()));
                indexed.map(|(_, element)| element).collect()
            }
            None => {
                let fields = json.fields().into_iter().flatten();
                fields.filter(|(name, _)| is_match(pattern, name)).map(|(_, value)| value).collect()
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
