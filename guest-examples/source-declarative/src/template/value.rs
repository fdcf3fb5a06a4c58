//! Values as templates see them: Python's. What comes from JSON is borrowed and never copied as a whole. Knows no syntax and no
//! operators.

use std::borrow::Cow;
use std::cell::RefCell;
use std::rc::Rc;

use serde_json::Value as Json;

use super::evaluate::Fault;
use super::scope::Slice;
use crate::datetime::{DateTime, Duration};
use crate::manifest::Object;

/// How many values a template may put into each other.
pub const MAX_DEPTH: usize = 100;

/// A dict that the template has made itself: its entries in their order.
pub type Dict<'a> = Rc<RefCell<Vec<(Value<'a>, Value<'a>)>>>;

/// A value of a template.
#[derive(Clone, Debug)]
pub enum Value<'a> {
    /// What is not there, and what that is called: Jinja's Undefined.
    Undefined(Rc<str>),
    None,
    Bool(bool),
    Int(i128),
    Float(f64),
    Text(Cow<'a, str>),
    List(Rc<RefCell<Vec<Value<'a>>>>),
    Tuple(Rc<Vec<Value<'a>>>),
    Set(Rc<Vec<Value<'a>>>),
    Dict(Dict<'a>),
    /// A list and an object of the scope.
    JsonList(&'a [Json]),
    JsonDict(&'a Object),
    /// The same with names of any case: a response's headers.
    Headers(&'a Object),
    Slice(&'a Slice),
    DateTime(DateTime),
    Date(chrono::NaiveDate),
    /// A timedelta, and isodate's Duration.
    Span(Duration),
    /// Jinja's namespace().
    Namespace(Rc<RefCell<Vec<(String, Value<'a>)>>>),
    /// A function of the language, by its name.
    Function(&'a str),
    /// A value's method, by its name.
    Method(Rc<(Value<'a>, String)>),
}

impl<'a> Value<'a> {
    pub fn undefined(what: impl Into<Rc<str>>) -> Self {
        Value::Undefined(what.into())
    }

    pub fn text(text: impl Into<Cow<'a, str>>) -> Self {
        Value::Text(text.into())
    }

    pub fn list(elements: Vec<Value<'a>>) -> Self {
        Value::List(Rc::new(RefCell::new(elements)))
    }

    pub fn tuple(elements: Vec<Value<'a>>) -> Self {
        Value::Tuple(Rc::new(elements))
    }

    pub fn dict(entries: Vec<(Value<'a>, Value<'a>)>) -> Self {
        let mut dict = Vec::with_capacity(entries.len());
        for (key, value) in entries {
            insert(&mut dict, key, value);
        }
        Value::Dict(Rc::new(RefCell::new(dict)))
    }

    pub fn of_json(json: &'a Json) -> Self {
        match json {
            Json::Null => Value::None,
            Json::Bool(bool) => Value::Bool(*bool),
            Json::Number(number) => match (number.as_i64(), number.as_u64()) {
                (Some(int), _) => Value::Int(int.into()),
                (_, Some(int)) => Value::Int(int.into()),
                _ => Value::Float(number.as_f64().unwrap_or(f64::NAN)),
            },
            Json::String(text) => Value::Text(Cow::Borrowed(text)),
            Json::Array(elements) => Value::JsonList(elements),
            Json::Object(fields) => Value::JsonDict(fields),
        }
    }

    /// Python's name of its type, as error messages have it.
    pub fn type_name(&self) -> &'static str {
        match self {
            Value::Undefined(_) => "Undefined",
            Value::None => "NoneType",
            Value::Bool(_) => "bool",
            Value::Int(_) => "int",
            Value::Float(_) => "float",
            Value::Text(_) => "str",
            Value::List(_) | Value::JsonList(_) => "list",
            Value::Tuple(_) => "tuple",
            Value::Set(_) => "set",
            Value::Dict(_) | Value::JsonDict(_) | Value::Headers(_) => "dict",
            Value::Slice(_) => "StreamSlice",
            Value::DateTime(_) => "datetime",
            Value::Date(_) => "date",
            Value::Span(span) => span.type_name(),
            Value::Namespace(_) => "Namespace",
            Value::Function(_) | Value::Method(_) => "function",
        }
    }

    /// Python's truth of it.
    pub fn is_true(&self) -> bool {
        match self {
            Value::Undefined(_) | Value::None => false,
            Value::Bool(bool) => *bool,
            Value::Int(int) => *int != 0,
            Value::Float(float) => *float != 0.0,
            Value::Text(text) => !text.is_empty(),
            Value::List(elements) => !elements.borrow().is_empty(),
            Value::Tuple(elements) | Value::Set(elements) => !elements.is_empty(),
            Value::Dict(entries) => !entries.borrow().is_empty(),
            Value::JsonList(elements) => !elements.is_empty(),
            Value::JsonDict(fields) | Value::Headers(fields) => !fields.is_empty(),
            Value::Slice(slice) => !slice.merged.is_empty() || !slice.extra_fields.is_empty(),
            Value::Span(span) => !span.is_zero(),
            Value::DateTime(_) | Value::Date(_) | Value::Namespace(_) | Value::Function(_) | Value::Method(_) => true,
        }
    }

    /// It as a number of whole, as Python takes it where it wants an int: an int or a bool.
    pub fn as_int(&self) -> Option<i128> {
        match self {
            Value::Bool(bool) => Some((*bool).into()),
            Value::Int(int) => Some(*int),
            _ => None,
        }
    }

    /// It as a float, of whatever number it is.
    pub fn as_float(&self) -> Option<f64> {
        match self {
            Value::Float(float) => Some(*float),
            #[expect(clippy::cast_precision_loss, reason = "Python rounds the same way")]
            other => other.as_int().map(|int| int as f64),
        }
    }

    pub fn as_text(&self) -> Option<&str> {
        match self {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    pub fn is_mapping(&self) -> bool {
        matches!(self, Value::Dict(_) | Value::JsonDict(_) | Value::Headers(_) | Value::Slice(_))
    }

    pub fn is_list(&self) -> bool {
        matches!(self, Value::List(_) | Value::JsonList(_))
    }

    /// How many elements, entries or characters it has. None of what has no length.
    pub fn length(&self) -> Option<usize> {
        Some(match self {
            Value::Undefined(_) => 0,
            Value::Text(text) => text.chars().count(),
            Value::List(elements) => elements.borrow().len(),
            Value::Tuple(elements) | Value::Set(elements) => elements.len(),
            Value::Dict(entries) => entries.borrow().len(),
            Value::JsonList(elements) => elements.len(),
            Value::JsonDict(fields) | Value::Headers(fields) => fields.len(),
            Value::Slice(slice) => slice.merged.len(),
            _ => return None,
        })
    }

    /// What a loop over it gives: elements, keys, characters. None of what can not be looped over.
    pub fn iterate(&self) -> Option<Vec<Value<'a>>> {
        Some(match self {
            Value::Undefined(_) => Vec::new(),
            Value::Text(text) => text.chars().map(|character| Value::text(character.to_string())).collect(),
            Value::List(elements) => elements.borrow().clone(),
            Value::Tuple(elements) | Value::Set(elements) => Vec::clone(elements),
            Value::Dict(entries) => entries.borrow().iter().map(|(key, _)| key.clone()).collect(),
            Value::JsonList(elements) => elements.iter().map(Value::of_json).collect(),
            Value::JsonDict(_) | Value::Headers(_) | Value::Slice(_) => {
                self.entries()?.into_iter().map(|(key, _)| key).collect()
            }
            _ => return None,
        })
    }

    /// The elements of a list or a tuple.
    pub fn elements(&self) -> Option<Vec<Value<'a>>> {
        matches!(self, Value::List(_) | Value::Tuple(_) | Value::JsonList(_)).then(|| self.iterate()).flatten()
    }

    /// The entries of a mapping.
    pub fn entries(&self) -> Option<Vec<(Value<'a>, Value<'a>)>> {
        let of_fields = |fields: &'a Object| {
            fields.iter().map(|(name, value)| (Value::text(name.as_str()), Value::of_json(value))).collect()
        };
        match self {
            Value::Dict(entries) => Some(entries.borrow().clone()),
            Value::JsonDict(fields) | Value::Headers(fields) => Some(of_fields(fields)),
            Value::Slice(slice) => Some(of_fields(&slice.merged)),
            _ => None,
        }
    }

    /// The value of a mapping's key. None where it has none, or is no mapping.
    pub fn entry(&self, key: &Value<'a>) -> Option<Value<'a>> {
        match self {
            Value::Dict(entries) => {
                entries.borrow().iter().find(|(known, _)| known.equals(key)).map(|(_, value)| value.clone())
            }
            Value::JsonDict(fields) => fields.get(key.as_text()?).map(Value::of_json),
            Value::Slice(slice) => slice.merged.get(key.as_text()?).map(Value::of_json),
            Value::Headers(fields) => {
                let key = key.as_text()?;
                fields.iter().find(|(name, _)| name.eq_ignore_ascii_case(key)).map(|(_, value)| Value::of_json(value))
            }
            _ => None,
        }
    }

    /// Python's `==`.
    pub fn equals(&self, other: &Value<'a>) -> bool {
        match (self, other) {
            (Value::Undefined(_), Value::Undefined(_)) | (Value::None, Value::None) => true,
            (Value::Text(one), Value::Text(other)) => one == other,
            (Value::Float(one), other) => other.as_float().is_some_and(|other| *one == other),
            (one, Value::Float(other)) => one.as_float().is_some_and(|one| one == *other),
            (Value::DateTime(one), Value::DateTime(other)) => {
                one.is_aware() == other.is_aware() && one.instant() == other.instant()
            }
            (Value::Date(one), Value::Date(other)) => one == other,
            (Value::Span(one), Value::Span(other)) => one == other,
            (Value::Set(one), Value::Set(other)) => {
                one.len() == other.len() && one.iter().all(|value| other.iter().any(|other| value.equals(other)))
            }
            (Value::Tuple(_), Value::Tuple(_)) => equal_elements(self, other),
            (Value::Function(one), Value::Function(other)) => one == other,
            _ if self.is_list() && other.is_list() => equal_elements(self, other),
            _ if self.is_mapping() && other.is_mapping() => match self.entries() {
                Some(entries) => {
                    self.length() == other.length()
                        && entries.iter().all(|(key, value)| other.entry(key).is_some_and(|other| value.equals(&other)))
                }
                None => false,
            },
            _ => matches!((self.as_int(), other.as_int()), (Some(one), Some(other)) if one == other),
        }
    }

    /// Whether Python could take it for a key. What is of the scope's JSON is a list or a dict.
    pub fn is_hashable(&self) -> bool {
        match self {
            Value::Tuple(elements) => elements.iter().all(Value::is_hashable),
            other => !other.is_list() && !matches!(other, Value::Dict(_) | Value::JsonDict(_) | Value::Set(_)),
        }
    }

    /// Whether a template has put so many values into each other, or one of them into itself, that there is no end to it. `own` is where
    /// the value goes.
    pub fn has_no_end(&self, own: *const (), depth: usize) -> bool {
        let below = |value: &Value<'a>| depth == 0 || value.has_no_end(own, depth - 1);
        match self {
            Value::List(elements) => Rc::as_ptr(elements).cast() == own || elements.borrow().iter().any(below),
            Value::Tuple(elements) | Value::Set(elements) => elements.iter().any(below),
            Value::Dict(entries) => {
                Rc::as_ptr(entries).cast() == own || entries.borrow().iter().any(|(_, value)| below(value))
            }
            Value::Namespace(entries) => {
                Rc::as_ptr(entries).cast() == own || entries.borrow().iter().any(|(_, value)| below(value))
            }
            Value::Method(method) => below(&method.0),
            _ => false,
        }
    }

    /// It as JSON: what a record, a request or a state has of it. A text where JSON has nothing for it.
    pub fn to_json(&self) -> std::result::Result<Json, Fault> {
        Ok(match self {
            Value::Undefined(_) | Value::None => Json::Null,
            Value::Bool(bool) => Json::Bool(*bool),
            Value::Int(int) => match (i64::try_from(*int), u64::try_from(*int)) {
                (Ok(int), _) => int.into(),
                (_, Ok(int)) => int.into(),
                _ => Json::String(int.to_string()),
            },
            Value::Float(float) => match serde_json::Number::from_f64(*float) {
                Some(number) => Json::Number(number),
                None => Json::String(self.to_text()?),
            },
            Value::Text(text) => Json::String(text.to_string()),
            Value::List(_) | Value::JsonList(_) | Value::Tuple(_) | Value::Set(_) => {
                self.iterate().unwrap_or_default().iter().map(Value::to_json).collect::<Result<_, _>>()?
            }
            Value::Dict(_) | Value::JsonDict(_) | Value::Headers(_) | Value::Slice(_) => {
                let mut fields = Object::new();
                for (key, value) in self.entries().unwrap_or_default() {
                    fields.insert(key.to_json_key()?, value.to_json()?);
                }
                Json::Object(fields)
            }
            other => Json::String(other.to_text()?),
        })
    }

    /// The text that Python's json makes of a key.
    pub fn to_json_key(&self) -> std::result::Result<String, Fault> {
        Ok(match self {
            Value::None => "null".to_owned(),
            Value::Bool(bool) => bool.to_string(),
            other => other.to_text()?,
        })
    }
}

fn equal_elements<'a>(one: &Value<'a>, other: &Value<'a>) -> bool {
    let (Some(one), Some(other)) = (one.iterate(), other.iterate()) else { return false };
    one.len() == other.len() && one.iter().zip(&other).all(|(one, other)| one.equals(other))
}

/// Sets an entry of a dict, in the place where its key stands already.
pub fn insert<'a>(entries: &mut Vec<(Value<'a>, Value<'a>)>, key: Value<'a>, value: Value<'a>) {
    match entries.iter_mut().find(|(known, _)| known.equals(&key)) {
        Some((_, known)) => *known = value,
        None => entries.push((key, value)),
    }
}
