//! From a decoded body to what is taken for records: the language's DpathExtractor and CombinedExtractor. Knows nothing of filters and
//! of what becomes of a record.

use airlock_sdk::http::{Found, Kind, Part, Records};
use airlock_sdk::{Failure, Result, system_error};
use serde_json::Value;

use super::expander::{PreparedExpander, RecordExpander};
use crate::decoders::{Bodies, Decoded};
use crate::field_path::{self, Search, SearchPath};
use crate::manifest::{self, FromManifest, Node, is_true};
use crate::session::Session;

/// The language's extractors.
#[derive(Debug)]
pub enum RecordExtractor {
    Dpath(DpathExtractor),
    Combined(CombinedExtractor),
}

/// The language's DpathExtractor.
#[derive(Debug)]
pub struct DpathExtractor {
    field_path: SearchPath,
    record_expander: Option<RecordExpander>,
}

/// The language's CombinedExtractor.
#[derive(Debug)]
pub struct CombinedExtractor {
    extractors: Vec<RecordExtractor>,
    /// Whether the first that finds anything is the only one.
    first_match: bool,
    skip_empty_records: bool,
}

impl FromManifest for RecordExtractor {
    fn from_manifest(node: &Node<'_>) -> manifest::Result<Self> {
        let component = node.component()?;
        let extractor = match component.kind() {
            "DpathExtractor" => RecordExtractor::Dpath(DpathExtractor {
                field_path: component.required("field_path")?,
                record_expander: component.optional("record_expander")?,
            }),
            "CombinedExtractor" => RecordExtractor::Combined(CombinedExtractor {
                extractors: component.required("extractors")?,
                first_match: match component.optional::<String>("mode")?.as_deref() {
                    None | Some("union") => false,
                    Some("first_match") => true,
                    Some(_) => return Err(node.invalid("has a mode that is neither union nor first_match")),
                },
                skip_empty_records: component.optional("skip_empty_records")?.unwrap_or_default(),
            }),
            _ => return Err(component.other_kind(&["DpathExtractor", "CombinedExtractor"], &[])),
        };
        component.finish();
        Ok(extractor)
    }
}

/// What is taken for records.
pub enum Extracted<'d> {
    /// They stand in a page.
    Page(Vec<Found<'d>>),
    Each(Box<dyn Iterator<Item = Result<Item<'d>>> + 'd>),
}

pub enum Item<'d> {
    Part(Part<'d>),
    Value(Value),
    /// The server gave it, and nobody wants it.
    Dropped,
}

impl<'d> Extracted<'d> {
    pub fn items(self) -> Box<dyn Iterator<Item = Result<Item<'d>>> + 'd> {
        match self {
            Extracted::Page(found) => {
                Box::new(found.into_iter().collect::<Records<'d>>().parts().map(|part| Ok(Item::Part(part))))
            }
            Extracted::Each(items) => items,
        }
    }
}

/// An extractor whose paths are evaluated.
#[derive(Debug)]
pub enum PreparedExtractor<'s> {
    Dpath { path: Search, expander: Option<PreparedExpander<'s>> },
    Combined { extractors: Vec<PreparedExtractor<'s>>, combined: &'s CombinedExtractor },
}

impl RecordExtractor {
    pub fn prepare<'s>(&'s self, session: &'s Session) -> Result<PreparedExtractor<'s>> {
        match self {
            RecordExtractor::Dpath(extractor) => Ok(PreparedExtractor::Dpath {
                path: extractor.field_path.evaluate(&session.scope)?,
                expander: extractor.record_expander.as_ref().map(|expander| expander.prepare(session)).transpose()?,
            }),
            RecordExtractor::Combined(combined) => {
                let extractors = combined.extractors.iter().map(|extractor| extractor.prepare(session));
                Ok(PreparedExtractor::Combined { extractors: extractors.collect::<Result<_>>()?, combined })
            }
        }
    }

    /// What takes a body for a record, or its elements for records.
    pub fn of_whole_bodies() -> Self {
        RecordExtractor::Dpath(DpathExtractor { field_path: SearchPath::default(), record_expander: None })
    }

    /// Whether it looks at a body more than once.
    pub fn is_combined(&self) -> bool {
        matches!(self, RecordExtractor::Combined(_))
    }

    /// Whether it finds more than the server counts.
    pub fn is_union(&self) -> bool {
        match self {
            RecordExtractor::Dpath(_) => false,
            RecordExtractor::Combined(combined) => {
                !combined.first_match || combined.extractors.iter().any(RecordExtractor::is_union)
            }
        }
    }
}

impl PreparedExtractor<'_> {
    pub fn extract<'d>(&'d self, decoded: &'d Decoded<'_>) -> Result<Extracted<'d>> {
        match self {
            PreparedExtractor::Dpath { path, expander } => extract(path, expander.as_ref(), decoded),
            PreparedExtractor::Combined { extractors, combined } => match combined.first_match {
                true => first_match(extractors, combined, decoded),
                false => union(extractors, combined, decoded),
            },
        }
    }
}

fn extract<'d>(
    path: &'d Search,
    expander: Option<&'d PreparedExpander<'_>>,
    decoded: &'d Decoded<'_>,
) -> Result<Extracted<'d>> {
    match decoded {
        Decoded::Page(page) => {
            let root = page.root();
            let mut found = Vec::new();
            match root.elements() {
                // A list at the top is a list of bodies.
                Some(bodies) => bodies.into_iter().try_for_each(|body| find(path, body, &mut found))?,
                None => find(path, root, &mut found)?,
            }
            match expander {
                None => Ok(Extracted::Page(found)),
                Some(expander) if expander.leaves_items() => {
                    let records: Records<'_> = found.into_iter().collect();
                    let mut items = Vec::new();
                    records.parts().for_each(|record| expander.expand_part(record, &mut items));
                    Ok(Extracted::Page(items))
                }
                Some(expander) => {
                    let records: Records<'_> = found.into_iter().collect();
                    let values =
                        records.parts().map(|record| serde_json::from_str(record.text()).map_err(Failure::from));
                    Ok(expanded(Box::new(values), Some(expander)))
                }
            }
        }
        Decoded::Values(bodies) => {
            let mut found = Vec::new();
            bodies.iter().try_for_each(|body| find(path, body, &mut found))?;
            Ok(expanded(Box::new(found.into_iter().cloned().map(Ok)), expander))
        }
        Decoded::Streamed(bodies) => {
            let found = bodies.bodies()?.flat_map(|body| match body.and_then(|body| take(path, body)) {
                Ok(values) => values.into_iter().map(Ok).collect(),
                Err(failure) => vec![Err(failure)],
            });
            Ok(expanded(Box::new(found), expander))
        }
    }
}

fn expanded<'d>(values: Bodies<'d>, expander: Option<&'d PreparedExpander<'_>>) -> Extracted<'d> {
    let Some(expander) = expander else {
        return Extracted::Each(Box::new(values.map(|value| value.map(Item::Value))));
    };
    let items = values.flat_map(|value| match value.and_then(|value| expander.expand(value)) {
        Ok(items) => items.into_iter().map(|item| Ok(Item::Value(item))).collect(),
        Err(failure) => vec![Err(failure)],
    });
    Extracted::Each(Box::new(items))
}

fn union<'d>(
    extractors: &'d [PreparedExtractor<'_>],
    combined: &'d CombinedExtractor,
    decoded: &'d Decoded<'_>,
) -> Result<Extracted<'d>> {
    let mut pages = Vec::new();
    let mut items: Vec<Box<dyn Iterator<Item = Result<Item<'d>>> + 'd>> = Vec::new();
    for extractor in extractors {
        match extractor.extract(decoded)? {
            Extracted::Page(found) if items.is_empty() && !combined.skip_empty_records => pages.extend(found),
            extracted => {
                if !pages.is_empty() {
                    items.push(Extracted::Page(std::mem::take(&mut pages)).items());
                }
                items.push(without_empty(extracted, combined));
            }
        }
    }
    match items.is_empty() {
        true => Ok(Extracted::Page(pages)),
        false => Ok(Extracted::Each(Box::new(items.into_iter().flatten()))),
    }
}

fn first_match<'d>(
    extractors: &'d [PreparedExtractor<'_>],
    combined: &'d CombinedExtractor,
    decoded: &'d Decoded<'_>,
) -> Result<Extracted<'d>> {
    for extractor in extractors {
        let mut items = without_empty(extractor.extract(decoded)?, combined);
        // What comes before the first record counts as well.
        let mut before = Vec::new();
        for item in items.by_ref() {
            let is_record = !matches!(item, Ok(Item::Dropped));
            before.push(item);
            if is_record {
                return Ok(Extracted::Each(Box::new(before.into_iter().chain(items))));
            }
        }
    }
    Ok(Extracted::Page(Vec::new()))
}

/// The items without those that Python takes for false, if that is wanted.
fn without_empty<'d>(
    extracted: Extracted<'d>,
    combined: &'d CombinedExtractor,
) -> Box<dyn Iterator<Item = Result<Item<'d>>> + 'd> {
    if !combined.skip_empty_records {
        return extracted.items();
    }
    Box::new(extracted.items().map(|item| {
        item.map(|item| match &item {
            Item::Part(part) if is_falsy(part) => Item::Dropped,
            Item::Value(value) if !is_true(value) => Item::Dropped,
            _ => item,
        })
    }))
}

/// What is found in a body that is for nobody else.
fn take(path: &Search, body: Value) -> Result<Vec<Value>> {
    if path.is_empty() && body.is_object() {
        return Ok(if is_true(&body) { vec![body] } else { Vec::new() });
    }
    let mut found = Vec::new();
    find(path, &body, &mut found)?;
    Ok(found.into_iter().cloned().collect())
}

fn find<B: Body>(path: &Search, body: B, found: &mut Vec<B::Found>) -> Result<()> {
    let mut values = path.find(body)?;
    match (path.has_star(), values.len()) {
        (true, _) => values.into_iter().for_each(|value| value.one(found)),
        (false, 0 | 1) => values.pop().into_iter().for_each(|value| value.all(found)),
        // As the CDK has it.
        (false, _) => {
            return Err(system_error("The extractor's field_path leads to several values, and must lead to one."));
        }
    }
    Ok(())
}

/// A body, and what is found in it.
trait Body: field_path::Json {
    type Found;

    /// A record of its own, whatever it is.
    fn one(self, found: &mut Vec<Self::Found>);

    /// A list of records, or a record that is not empty.
    fn all(self, found: &mut Vec<Self::Found>);
}

impl<'p> Body for Part<'p> {
    type Found = Found<'p>;

    fn one(self, found: &mut Vec<Found<'p>>) {
        found.push(Found::Record(self));
    }

    fn all(self, found: &mut Vec<Found<'p>>) {
        match self.kind() {
            Kind::Array => found.push(Found::Array(self)),
            _ if is_falsy(&self) => {}
            _ => found.push(Found::Record(self)),
        }
    }
}

impl<'v> Body for &'v Value {
    type Found = &'v Value;

    fn one(self, found: &mut Vec<&'v Value>) {
        found.push(self);
    }

    fn all(self, found: &mut Vec<&'v Value>) {
        match self {
            Value::Array(elements) => found.extend(elements),
            value if !is_true(value) => {}
            _ => found.push(self),
        }
    }
}

/// Whether Python takes it for false.
fn is_falsy(part: &Part<'_>) -> bool {
    match part.kind() {
        Kind::Null => true,
        Kind::Boolean => part.text() == "false",
        Kind::Number => part.text().parse() == Ok(0.0),
        Kind::String => part.text() == "\"\"",
        Kind::Array => part.elements().is_none_or(|mut elements| elements.next().is_none()),
        Kind::Object => part.fields().is_none_or(|mut fields| fields.next().is_none()),
    }
}
