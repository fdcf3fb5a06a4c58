//! The language's FlattenFields and DpathFlattenFields: fields of objects become fields of the record.

use airlock_sdk::Result;
use serde_json::Value;

use crate::dpath;
use crate::manifest::{self, Component, Object};
use crate::record::Record;
use crate::template::{Scope, Template, python_text};

/// A record of one level. A name that is there already, and every name after a list, gets that of its parent before it.
pub fn flatten(record: Object, flatten_lists: bool) -> Object {
    let mut flat = Object::new();
    let mut with_parent = false;
    let mut open = vec![(Value::Object(record), "_".to_owned())];
    // The last first: that decides which of two fields of one name has its own, as in the CDK.
    while let Some((value, parent)) = open.pop() {
        match value {
            Value::Object(fields) => {
                for (name, value) in fields {
                    let name = if with_parent || flat.contains_key(&name) { format!("{parent}.{name}") } else { name };
                    open.push((value, name));
                }
            }
            Value::Array(elements) if flatten_lists => {
                for (index, element) in elements.into_iter().enumerate() {
                    with_parent = true;
                    open.push((element, format!("{parent}.{index}")));
                }
            }
            value => {
                flat.insert(parent, value);
            }
        }
    }
    flat
}

/// The language's DpathFlattenFields.
#[derive(Clone, Debug)]
pub struct DpathFlattenFields {
    field_path: Vec<Template>,
    delete_origin_value: bool,
    replace_record: bool,
    prefix: Option<Template>,
    suffix: Option<Template>,
}

impl DpathFlattenFields {
    pub fn of(component: &Component<'_>) -> manifest::Result<Self> {
        let (prefix, suffix) = match component.field("key_transformation") {
            None => (None, None),
            Some(keys) => {
                let keys = keys.component()?;
                let found = (keys.optional("prefix")?, keys.optional("suffix")?);
                keys.finish();
                found
            }
        };
        Ok(DpathFlattenFields {
            field_path: component.required("field_path")?,
            delete_origin_value: component.optional("delete_origin_value")?.unwrap_or_default(),
            replace_record: component.optional("replace_record")?.unwrap_or_default(),
            prefix,
            suffix,
        })
    }

    pub fn apply(&self, record: &mut Record<'_>, scope: &Scope) -> Result<()> {
        let path = self.field_path.iter().map(|segment| segment.evaluate(scope)).collect::<Result<Vec<Value>>>()?;
        let object = record.object()?;
        let Some(extracted) = extracted(object, &path)? else { return Ok(()) };
        let prefix = affix(self.prefix.as_ref(), scope)?;
        let suffix = affix(self.suffix.as_ref(), scope)?;
        let extracted: Object =
            extracted.into_iter().map(|(name, value)| (format!("{prefix}{name}{suffix}"), value)).collect();
        if self.replace_record && !extracted.is_empty() {
            // The CDK empties the record first, which is what was found where the path is empty.
            let is_itself = path.is_empty() && prefix.is_empty() && suffix.is_empty();
            *record.object_mut()? = if is_itself { Object::new() } else { extracted };
            return Ok(());
        }
        // Where a name is there already, the CDK leaves the record as it is.
        if extracted.keys().any(|name| object.contains_key(name)) {
            return Ok(());
        }
        let object = record.object_mut()?;
        if self.delete_origin_value {
            let mut whole = Value::Object(std::mem::take(object));
            dpath::delete(&mut whole, &path);
            if let Value::Object(whole) = whole {
                *object = whole;
            }
        }
        object.extend(extracted);
        Ok(())
    }
}

/// The object at a path: the first of several where the path has a `*`.
fn extracted(object: &Object, path: &[Value]) -> Result<Option<Object>> {
    if path.is_empty() {
        return Ok(Some(object.clone()));
    }
    let whole = Value::Object(object.clone());
    let found = if path.iter().any(|segment| segment == "*") {
        dpath::matching(&whole, path)?.first().copied()
    } else {
        dpath::get(&whole, path)?
    };
    Ok(found.and_then(Value::as_object).cloned())
}

/// A prefix or suffix. Nothing where its template comes to what Python takes for false.
fn affix(template: Option<&Template>, scope: &Scope) -> Result<String> {
    let Some(template) = template else { return Ok(String::new()) };
    let value = template.evaluate(scope)?;
    let is_false = match &value {
        Value::Null => true,
        Value::Bool(is_true) => !is_true,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(elements) => elements.is_empty(),
        Value::Object(fields) => fields.is_empty(),
    };
    Ok(if is_false { String::new() } else { python_text(&value) })
}
