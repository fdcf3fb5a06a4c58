//! Attributes, items and slices of values, as Jinja finds them: an attribute may be an item, and an item an attribute.

use super::evaluate::{Fault, Result};
use super::methods;
use super::value::Value;
use chrono::{Datelike, Timelike};

/// `value.name`: a method or an attribute, else an item.
pub fn attribute<'a>(value: &Value<'a>, name: &str) -> Result<Value<'a>> {
    if let Value::Undefined(what) = value {
        return Err(Fault::Undefined(what.to_string()));
    }
    Ok(own_attribute(value, name)
        .or_else(|| value.entry(&Value::text(name.to_owned())))
        .unwrap_or_else(|| lacking(value, name)))
}

/// `value[key]`: an item, else a method or an attribute.
pub fn item<'a>(value: &Value<'a>, key: &Value<'a>) -> Result<Value<'a>> {
    if let Value::Undefined(what) = value {
        return Err(Fault::Undefined(what.to_string()));
    }
    if let Some(found) = value.entry(key) {
        return Ok(found);
    }
    if let (Some(index), Some(length)) = (key.as_int(), value.length()) {
        let length = i128::try_from(length).unwrap_or_default();
        let index = usize::try_from(if index < 0 { index + length } else { index });
        let found = index.ok().and_then(|index| element(value, index));
        return Ok(found.unwrap_or_else(|| Value::undefined(format!("the {} has no such element", value.type_name()))));
    }
    Ok(match key {
        Value::Text(name) => own_attribute(value, name).unwrap_or_else(|| lacking(value, name)),
        key => Value::undefined(format!("the {} has no item of a {}", value.type_name(), key.type_name())),
    })
}

fn lacking<'a>(value: &Value<'a>, name: &str) -> Value<'a> {
    Value::undefined(format!("the {} has no attribute {name}", value.type_name()))
}

fn element<'a>(value: &Value<'a>, index: usize) -> Option<Value<'a>> {
    match value {
        Value::JsonList(elements) => elements.get(index).map(Value::of_json),
        Value::List(elements) => elements.borrow().get(index).cloned(),
        Value::Tuple(elements) => elements.get(index).cloned(),
        Value::Text(text) => text.chars().nth(index).map(|character| Value::text(character.to_string())),
        _ => None,
    }
}

/// What a value has of itself, and not for its entries.
fn own_attribute<'a>(value: &Value<'a>, name: &str) -> Option<Value<'a>> {
    if methods::is_method(value, name) {
        return Some(Value::Method(std::rc::Rc::new((value.clone(), name.to_owned()))));
    }
    let int = |int: i64| Some(Value::Int(int.into()));
    match (value, name) {
        (Value::Slice(slice), "partition" | "_partition") => Some(Value::JsonDict(&slice.partition)),
        (Value::Slice(slice), "cursor_slice") => Some(Value::JsonDict(&slice.cursor_slice)),
        (Value::Slice(slice), "extra_fields") => Some(Value::JsonDict(&slice.extra_fields)),
        (Value::Namespace(entries), name) => {
            entries.borrow().iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
        }
        (Value::DateTime(datetime), name) => match name {
            "hour" => int(datetime.local.hour().into()),
            "minute" => int(datetime.local.minute().into()),
            "second" => int(datetime.local.second().into()),
            "microsecond" => int(datetime.microsecond().into()),
            name => date_attribute(datetime.local.date(), name),
        },
        (Value::Date(date), name) => date_attribute(*date, name),
        (Value::Span(span), name) => {
            let (days, seconds, microseconds) = span.parts();
            match name {
                "days" => int(days),
                "seconds" => int(seconds),
                "microseconds" => int(microseconds),
                _ => None,
            }
        }
        _ => None,
    }
}

fn date_attribute<'a>(date: chrono::NaiveDate, name: &str) -> Option<Value<'a>> {
    match name {
        "year" => Some(Value::Int(date.year().into())),
        "month" => Some(Value::Int(date.month().into())),
        "day" => Some(Value::Int(date.day().into())),
        _ => None,
    }
}

/// `value[start:stop:step]`
pub fn slice<'a>(value: &Value<'a>, bounds: [Option<Value<'a>>; 3]) -> Result<Value<'a>> {
    let elements = match value {
        Value::Text(_) => value.iterate(),
        value => value.elements(),
    };
    let Some(elements) = elements else { return Err(Fault::type_of(value, "a list or a str")) };
    let bound = |bound: &Option<Value<'a>>| match bound {
        None | Some(Value::None) => Ok(None),
        Some(bound) => super::operators::index(bound).map(Some),
    };
    let [start, stop, step] = &bounds;
    let step = bound(step)?.unwrap_or(1);
    if step == 0 {
        return Err(Fault::Other("the step of a slice is zero".to_owned()));
    }
    let length = i128::try_from(elements.len()).unwrap_or_default();
    // Where a slice can begin and end, from its left and from its right.
    let (least, most) = if step > 0 { (0, length) } else { (-1, length - 1) };
    let place = |bound: Option<i128>, default: i128| match bound {
        None => default,
        Some(bound) if bound < 0 => bound.saturating_add(length).max(least),
        Some(bound) => bound.min(most),
    };
    let (first, last) = if step > 0 { (0, length) } else { (length - 1, -1) };
    let mut at = place(bound(start)?, first);
    let end = place(bound(stop)?, last);
    let mut taken = Vec::new();
    while (step > 0 && at < end) || (step < 0 && at > end) {
        taken.extend(usize::try_from(at).ok().and_then(|at| elements.get(at)).cloned());
        at = at.saturating_add(step);
    }
    Ok(match value {
        Value::Text(_) => Value::text(taken.iter().filter_map(Value::as_text).collect::<String>()),
        Value::Tuple(_) => Value::tuple(taken),
        _ => Value::list(taken),
    })
}
