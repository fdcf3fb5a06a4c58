//! From a page to records: the language's RecordSelector, its extractors and filters, and the normalisation by schema. Knows
//! nothing of pages' order.

mod expander;
mod extractor;

mod filter;
mod normalisation;

use airlock_sdk::http::{Kind, Part, Records};
use airlock_sdk::{Result, system_error};
use serde_json::Value;

use crate::decoders::Decoded;
use crate::manifest::{self, FromManifest, Node};
use crate::record::Record;
use crate::schemas::SchemaLoader;
use crate::session::Session;
use crate::template::Scope;
use crate::transformations::Transformation;
pub use extractor::PreparedExtractor;
pub use extractor::RecordExtractor;
use extractor::{Extracted, Item};
use filter::RecordFilter;
use normalisation::Normalisation;

/// The language's RecordSelector.
#[derive(Debug)]
pub struct RecordSelector {
    extractor: RecordExtractor,
    record_filter: Option<RecordFilter>,
    normalises: bool,
    transform_before_filtering: Option<bool>,
}

impl FromManifest for RecordSelector {
    fn from_manifest(node: &Node<'_>) -> manifest::Result<Self> {
        let component = node.component()?;
        if !matches!(component.kind(), "RecordSelector" | "") {
            return Err(component.other_kind(&["RecordSelector"], &[]));
        }
        let normalises = match component.field("schema_normalization") {
            None => false,
            Some(field) => match field.value.as_str() {
                Some("None") => false,
                Some("Default") => true,
                Some(_) => return Err(field.invalid("must be Default or None")),
                None => return Err(field.component().err().unwrap_or_else(|| field.not("Default or None"))),
            },
        };
        let selector = RecordSelector {
            extractor: component.required("extractor")?,
            record_filter: component.optional("record_filter")?,
            normalises,
            transform_before_filtering: component.optional("transform_before_filtering")?,
        };
        component.finish();
        Ok(selector)
    }
}

/// What a stream says of the records that its retriever reads.
#[derive(Clone, Copy, Debug, Default)]
pub struct RecordRules<'s> {
    /// Empty where there is no stream around.
    pub stream_name: &'s str,
    pub transformations: &'s [Transformation],
    /// None where there is nothing to normalise by.
    pub schema_loader: Option<&'s SchemaLoader>,
    /// Whether records before the state are filtered here and not by the server.
    pub is_client_side_incremental: bool,
    /// Whether pages are read until one ends with a record before the state.
    pub is_data_feed: bool,
    /// Whether there is a state from which the stream goes on.
    pub has_state: bool,
}

/// A RecordSelector made ready for a stream: what does not change from page to page is worked out.
#[derive(Debug)]
pub struct PreparedSelector<'s> {
    extractor: PreparedExtractor<'s>,
    record_filter: Option<&'s RecordFilter>,
    transformations: &'s [Transformation],
    schema: Option<Value>,
    transforms_first: bool,
    /// Whether the cursor has a say in which records are kept.
    filters_by_cursor: bool,
}

impl RecordSelector {
    /// One that leaves records as they are found.
    pub fn of_extractor(extractor: RecordExtractor) -> Self {
        RecordSelector { extractor, record_filter: None, normalises: false, transform_before_filtering: None }
    }

    pub fn has_record_filter(&self) -> bool {
        self.record_filter.is_some()
    }

    pub fn extractor(&self) -> &RecordExtractor {
        &self.extractor
    }

    pub fn prepare<'s>(&'s self, session: &'s Session, rules: &RecordRules<'s>) -> Result<PreparedSelector<'s>> {
        let schema = match (self.normalises, rules.schema_loader) {
            (true, Some(loader)) => Some(loader.schema(session)?),
            _ => None,
        };
        Ok(PreparedSelector {
            extractor: self.extractor.prepare(session)?,
            record_filter: self.record_filter.as_ref(),
            transformations: rules.transformations,
            schema,
            transforms_first: self.transform_before_filtering.unwrap_or(rules.is_client_side_incremental),
            // Of a data feed, the paginator must see what the cursor does not want.
            filters_by_cursor: rules.is_client_side_incremental && !rules.is_data_feed,
        })
    }
}

impl PreparedExtractor<'_> {
    /// The values that it finds, whatever they are.
    pub fn values(&self, decoded: &Decoded<'_>) -> Result<Vec<Value>> {
        let mut values = Vec::new();
        for item in self.extract(decoded)?.items() {
            match item? {
                Item::Part(part) => values.push(serde_json::from_str(part.text())?),
                Item::Value(value) => values.push(value),
                Item::Dropped => {}
            }
        }
        Ok(values)
    }
}

/// What is found in a page.
pub struct Found<'d> {
    extracted: Extracted<'d>,
}

impl<'s> PreparedSelector<'s> {
    pub fn find<'d>(&'d self, decoded: &'d Decoded<'_>) -> Result<Found<'d>> {
        Ok(Found { extracted: self.extractor.extract(decoded)? })
    }

    /// Whether records are as the server sent them.
    pub fn leaves_records(&self) -> bool {
        self.record_filter.is_none()
            && self.transformations.is_empty()
            && self.schema.is_none()
            && !self.filters_by_cursor
    }

    /// The record that is made of one that was found. None where it is filtered out. `is_wanted` is what the cursor says.
    pub fn select<'d>(
        &self,
        mut record: Record<'d>,
        scope: &Scope,
        is_wanted: &mut dyn FnMut(&Record<'_>) -> Result<bool>,
    ) -> Result<Option<Record<'d>>> {
        if self.transforms_first {
            self.transform(&mut record, scope)?;
        }
        if let Some(filter) = self.record_filter {
            if !filter.keeps(&record, scope)? {
                return Ok(None);
            }
        }
        if self.filters_by_cursor && !is_wanted(&record)? {
            return Ok(None);
        }
        if !self.transforms_first {
            self.transform(&mut record, scope)?;
        }
        if let Some(schema) = &self.schema {
            Normalisation.apply(&mut record, schema)?;
        }
        Ok(Some(record))
    }

    fn transform(&self, record: &mut Record<'_>, scope: &Scope) -> Result<()> {
        self.transformations.iter().try_for_each(|transformation| transformation.apply(record, scope))
    }
}

impl<'d> Found<'d> {
    /// The records as they stand in a page, if they do and all are objects.
    pub fn in_page(&self) -> Option<Records<'d>> {
        let Extracted::Page(found) = &self.extracted else { return None };
        let records: Records<'d> = found.iter().cloned().collect();
        let are_objects = records.clone().parts().all(|part| part.kind() == Kind::Object);
        are_objects.then_some(records)
    }

    /// The records one by one. What is no object can be none; None is one that the server gave and that is dropped.
    pub fn records(self) -> impl Iterator<Item = Result<Option<Record<'d>>>> {
        self.extracted.items().map(|item| match item? {
            Item::Part(part) => of_part(part).map(Some),
            Item::Value(value) => of_value(value).map(Some),
            Item::Dropped => Ok(None),
        })
    }
}

fn of_part(part: Part<'_>) -> Result<Record<'_>> {
    let kind = match part.kind() {
        Kind::Object => return Ok(Record::of_part(part)),
        Kind::Null => "null",
        Kind::Boolean => "a boolean",
        Kind::Number => "a number",
        Kind::String => "a string",
        Kind::Array => "a list",
    };
    Err(no_record(kind))
}

fn of_value<'d>(value: Value) -> Result<Record<'d>> {
    let kind = match value {
        Value::Object(object) => return Ok(Record::of_object(object)),
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
    };
    Err(no_record(kind))
}

fn no_record(kind: &str) -> airlock_sdk::Failure {
    system_error(format!(
        "The extractor found {kind} where a record should be, and records are objects. Check the field_path of the record selector's extractor."
    ))
}

#[cfg(test)]
mod tests;
