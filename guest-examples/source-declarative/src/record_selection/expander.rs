//! Records that stand in lists of other records: the language's RecordExpander. Knows nothing of where the outer records come from.

use std::cell::Cell;

use airlock_sdk::http::{Found, Kind, Part};
use airlock_sdk::{Result, config_error};
use serde_json::{Value, json};

use crate::field_path::{self, FieldPath, Path, Segment, follow};
use crate::manifest::{self, FromManifest, Node, Object};
use crate::record::Record;
use crate::request_options::RequestOptions;
use crate::retriever::{Going, SimpleRetriever, SliceReader};
use crate::session::Session;
use crate::stream_slice::StreamSlice;

/// The language's RecordExpander.
#[derive(Debug)]
pub struct RecordExpander {
    expand_records_from_field: FieldPath,
    remain_original_record: bool,
    parent_fields: Vec<ParentFieldPath>,
    merge_parent: bool,
    emits_parent: bool,
    truncation_indicator_path: Option<FieldPath>,
    truncated_list_retriever: Option<Box<SimpleRetriever>>,
}

/// What each item gets of the record that it stands in.
#[derive(Debug)]
struct ParentFieldPath {
    parent_path: FieldPath,
    record_path: FieldPath,
}

impl FromManifest for RecordExpander {
    fn from_manifest(node: &Node<'_>) -> manifest::Result<Self> {
        let component = node.component()?;
        let emits_parent = match component.optional::<String>("on_no_records")?.as_deref() {
            None | Some("skip") => false,
            Some("emit_parent") => true,
            Some(_) => return Err(node.invalid("has an on_no_records that is neither skip nor emit_parent")),
        };
        let expander = RecordExpander {
            expand_records_from_field: component.required("expand_records_from_field")?,
            remain_original_record: component.optional("remain_original_record")?.unwrap_or_default(),
            parent_fields: component.optional("parent_fields")?.unwrap_or_default(),
            merge_parent: component.optional("merge_parent")?.unwrap_or_default(),
            emits_parent,
            truncation_indicator_path: component.optional("truncation_indicator_path")?,
            truncated_list_retriever: component.optional("truncated_list_retriever")?,
        };
        if let Some(retriever) = &expander.truncated_list_retriever {
            if expander.truncation_indicator_path.as_ref().is_none_or(FieldPath::is_empty) {
                return Err(node.invalid("has a truncated_list_retriever, and no truncation_indicator_path"));
            }
            if retriever.partition_router.is_some() {
                return Err(node.invalid("has a truncated_list_retriever with a partition_router"));
            }
        }
        component.finish();
        Ok(expander)
    }
}

impl FromManifest for ParentFieldPath {
    fn from_manifest(node: &Node<'_>) -> manifest::Result<Self> {
        let component = node.component()?;
        let path = ParentFieldPath {
            parent_path: component.required("parent_path")?,
            record_path: component.required("record_path")?,
        };
        if path.parent_path.is_empty() || path.record_path.is_empty() {
            return Err(node.invalid("has an empty path"));
        }
        component.finish();
        Ok(path)
    }
}

/// An expander whose paths are evaluated.
#[derive(Debug)]
pub struct PreparedExpander<'s> {
    expander: &'s RecordExpander,
    session: &'s Session,
    path: Path,
    indicator: Option<Path>,
    parent_fields: Vec<(Path, Path)>,
    /// Whether the stream's log has been told of a list that is not whole.
    told: Cell<bool>,
}

impl RecordExpander {
    pub fn prepare<'s>(&'s self, session: &'s Session) -> Result<PreparedExpander<'s>> {
        let single = |path: &FieldPath| path.evaluate(&session.scope).and_then(field_path::without_patterns);
        let path = self.expand_records_from_field.evaluate(&session.scope)?;
        let path = if self.truncated_list_retriever.is_some() { field_path::without_patterns(path)? } else { path };
        let parent_fields =
            self.parent_fields.iter().map(|field| Ok((single(&field.parent_path)?, single(&field.record_path)?)));
        Ok(PreparedExpander {
            expander: self,
            session,
            path,
            indicator: self
                .truncation_indicator_path
                .as_ref()
                .filter(|path| !path.is_empty())
                .map(single)
                .transpose()?,
            parent_fields: parent_fields.collect::<Result<_>>()?,
            told: Cell::new(false),
        })
    }
}

impl PreparedExpander<'_> {
    /// Whether items are as they stand in the page.
    pub fn leaves_items(&self) -> bool {
        !self.carries_parent() && self.indicator.is_none()
    }

    /// The items of a record that stands in a page, if [`leaves_items`](Self::leaves_items).
    pub fn expand_part<'p>(&self, record: Part<'p>, found: &mut Vec<Found<'p>>) {
        if record.kind() != Kind::Object || self.path.is_empty() {
            return found.push(Found::Record(record));
        }
        let lists: Vec<Part<'p>> = follow(record.clone(), &self.path);
        let mut is_empty = true;
        for list in lists.into_iter().filter(|list| list.kind() == Kind::Array) {
            is_empty &= list.elements().is_none_or(|mut items| items.next().is_none());
            found.push(Found::Array(list));
        }
        if is_empty && self.expander.emits_parent {
            found.push(Found::Record(record));
        }
    }

    /// The items of a record.
    pub fn expand(&self, record: Value) -> Result<Vec<Value>> {
        let Value::Object(parent) = &record else { return Ok(vec![record]) };
        if self.path.is_empty() {
            return Ok(vec![record]);
        }
        let base = self.expander.merge_parent.then(|| {
            let mut base = record.clone();
            remove_lists(&mut base, &self.path);
            base
        });
        let base = base.as_ref().and_then(Value::as_object);
        let is_truncated = self.indicator.as_ref().is_some_and(|path| is_true(&record, path));
        if let (true, Some(retriever)) = (is_truncated, &self.expander.truncated_list_retriever) {
            let fetched = self.fetch(retriever, &record)?;
            self.tell_if_fewer(&record, fetched.len());
            if !fetched.is_empty() {
                return fetched.into_iter().map(|item| self.item(item, parent, base)).collect();
            }
        }
        let lists = follow(&record, &self.path).into_iter().filter_map(Value::as_array);
        let items: Vec<&Value> = lists.flatten().collect();
        if is_truncated && self.expander.truncated_list_retriever.is_none() && !self.told.replace(true) {
            log::warn!(
                "A list that records are expanded from is marked as truncated, and there is no truncated_list_retriever: \
                 its {} items are taken, and the rest is left out. This is said once.",
                items.len()
            );
        }
        if items.is_empty() && self.expander.emits_parent {
            return Ok(vec![record]);
        }
        items.into_iter().map(|item| self.item(item.clone(), parent, base)).collect()
    }

    fn carries_parent(&self) -> bool {
        self.expander.remain_original_record || self.expander.merge_parent || !self.parent_fields.is_empty()
    }

    /// An item with what it gets of the record that it stands in.
    fn item(&self, item: Value, parent: &Object, base: Option<&Object>) -> Result<Value> {
        let mut fields = match item {
            Value::Object(fields) => fields,
            item if !self.carries_parent() => return Ok(item),
            item => Object::from_iter([("value".to_owned(), item)]),
        };
        if let Some(base) = base {
            let mut merged = base.clone();
            merged.extend(fields);
            fields = merged;
        }
        let whole = Value::Object(parent.clone());
        for (parent_path, record_path) in &self.parent_fields {
            let value = follow(&whole, parent_path).first().map(|value| (*value).clone()).unwrap_or_default();
            set(&mut fields, record_path, value)?;
        }
        if self.expander.remain_original_record {
            fields.insert("original_record".to_owned(), whole);
        }
        Ok(Value::Object(fields))
    }

    fn fetch(&self, retriever: &SimpleRetriever, record: &Value) -> Result<Vec<Value>> {
        let partition = Object::from_iter([("parent_record".to_owned(), record.clone())]);
        let slice = StreamSlice { partition, ..StreamSlice::default() };
        let mut items = Items(Vec::new());
        retriever.read_slice(self.session, &slice, &mut items)?;
        Ok(items.0)
    }

    fn tell_if_fewer(&self, record: &Value, fetched: usize) {
        let Some((_, around)) = self.indicator.as_ref().and_then(|path| path.split_last()) else { return };
        let total = follow(record, around).first().and_then(|around| around.get("total_count")).and_then(Value::as_u64);
        if total.is_some_and(|total| (fetched as u64) < total) && !self.told.replace(true) {
            log::warn!(
                "A truncated_list_retriever gave {fetched} records, and there should be more: check its paginator. This is said once."
            );
        }
    }
}

/// The records of a list that is fetched.
struct Items(Vec<Value>);

impl SliceReader for Items {
    fn request_options(&self, _slice: &StreamSlice) -> Result<RequestOptions> {
        Ok(RequestOptions::default())
    }

    fn should_be_synced(&self, _record: &Record<'_>) -> Result<bool> {
        Ok(true)
    }

    fn take(&mut self, record: Record<'_>) -> Result<Going> {
        self.0.push(Value::Object(record.into_object()?));
        Ok(Going::On)
    }
}

fn is_true(record: &Value, path: &[Segment]) -> bool {
    follow(record, path).first().is_some_and(|value| manifest::is_true(value))
}

fn set(fields: &mut Object, path: &[Segment], value: Value) -> Result<()> {
    let blocked = || {
        config_error(
            "A field of the parent can not be written to its record_path: an item has there already what is no object.",
        )
    };
    let Some((last, around)) = path.split_last() else { return Ok(()) };
    let mut fields = fields;
    for segment in around {
        let below = fields.entry(segment.name().ok_or_else(blocked)?).or_insert_with(|| json!({}));
        fields = below.as_object_mut().ok_or_else(blocked)?;
    }
    fields.insert(last.name().ok_or_else(blocked)?, value);
    Ok(())
}

/// Takes out every list that the path leads to.
fn remove_lists(value: &mut Value, path: &[Segment]) {
    let Some((segment, rest)) = path.split_first() else { return };
    let keep = |value: &mut Value| {
        if !rest.is_empty() {
            remove_lists(value, rest);
        }
        !rest.is_empty() || !value.is_array()
    };
    match value {
        Value::Object(fields) => fields.retain(|name, value| !segment.matches_name(name) || keep(value)),
        Value::Array(elements) => {
            let count = elements.len();
            let mut index = 0;
            elements.retain_mut(|value| {
                index += 1;
                !segment.matches_index(index - 1, count) || keep(value)
            });
        }
        _ => {}
    }
}
