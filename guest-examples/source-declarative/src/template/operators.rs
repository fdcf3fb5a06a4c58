//! Python's operators. What does not go together is a TypeError, what is not there an UndefinedError.

use std::cmp::Ordering;

use super::evaluate::{Fault, MAX_TEXT, Result};
use super::formatting;
use super::syntax::{Comparison, Operator};
use super::value::Value;
use crate::datetime::{DateTime, Duration};

fn too_large() -> Fault {
    Fault::Other("a number is too large".to_owned())
}

fn other(what: String) -> Fault {
    Fault::Other(what)
}

/// The fault of operands that do not go together.
fn mismatch(one: &Value<'_>, operator: &str, other: &Value<'_>) -> Fault {
    match (one, other) {
        (Value::Undefined(what), _) | (_, Value::Undefined(what)) => Fault::Undefined(what.to_string()),
        _ => Fault::Type(format!("{} and {} do not go with {operator}", one.type_name(), other.type_name())),
    }
}

pub fn sign(is_minus: bool, of: Value<'_>) -> Result<Value<'_>> {
    Ok(match of {
        Value::Float(float) => Value::Float(if is_minus { -float } else { float }),
        Value::Span(span) => Value::Span(if is_minus { span.negated() } else { span }),
        of => match of.as_int() {
            Some(int) => Value::Int(if is_minus { -int } else { int }),
            None => return Err(Fault::type_of(&of, "a number")),
        },
    })
}

pub fn arithmetic<'a>(one: Value<'a>, operator: Operator, other: Value<'a>) -> Result<Value<'a>> {
    if let (Some(one), Some(other)) = (one.as_int(), other.as_int()) {
        return ints(one, operator, other);
    }
    if let (Some(one), Some(other)) = (one.as_float(), other.as_float()) {
        return floats(one, operator, other).map(Value::Float);
    }
    match operator {
        Operator::Plus => add(&one, &other),
        Operator::Minus => subtract(&one, &other),
        Operator::Times => times(&one, &other),
        Operator::Remainder => match &one {
            Value::Text(format) => formatting::percent(format, &other).map(Value::text),
            _ => Err(mismatch(&one, "%", &other)),
        },
        Operator::Divide | Operator::FloorDivide => divide(&one, operator, &other),
        Operator::Power => Err(mismatch(&one, "**", &other)),
    }
}

fn ints<'a>(one: i128, operator: Operator, other: i128) -> Result<Value<'a>> {
    let divided_by_zero = || Fault::Other("a number is divided by zero".to_owned());
    #[expect(clippy::cast_precision_loss, reason = "Python rounds the same way")]
    let result = match operator {
        Operator::Plus => one.checked_add(other),
        Operator::Minus => one.checked_sub(other),
        Operator::Times => one.checked_mul(other),
        Operator::Divide if other == 0 => return Err(divided_by_zero()),
        Operator::Divide => return Ok(Value::Float(one as f64 / other as f64)),
        Operator::FloorDivide | Operator::Remainder if other == 0 => return Err(divided_by_zero()),
        // Python rounds to the lesser, and a remainder has the divisor's sign.
        Operator::FloorDivide => {
            let quotient = one.checked_div(other);
            let is_below = one.checked_rem(other).is_some_and(|rest| rest != 0 && (rest < 0) != (other < 0));
            quotient.map(|quotient| if is_below { quotient - 1 } else { quotient })
        }
        Operator::Remainder => {
            let rest = one.checked_rem(other);
            rest.map(|rest| if rest != 0 && (rest < 0) != (other < 0) { rest + other } else { rest })
        }
        Operator::Power if other < 0 => return floats(one as f64, operator, other as f64).map(Value::Float),
        Operator::Power => u32::try_from(other).ok().and_then(|other| one.checked_pow(other)),
    };
    result.map(Value::Int).ok_or_else(too_large)
}

fn floats(one: f64, operator: Operator, other: f64) -> Result<f64> {
    let is_division = matches!(operator, Operator::Divide | Operator::FloorDivide | Operator::Remainder);
    if is_division && other == 0.0 {
        return Err(Fault::Other("a number is divided by zero".to_owned()));
    }
    Ok(match operator {
        Operator::Plus => one + other,
        Operator::Minus => one - other,
        Operator::Times => one * other,
        Operator::Divide => one / other,
        Operator::FloorDivide => ((one - remainder(one, other)) / other).round(),
        Operator::Remainder => remainder(one, other),
        Operator::Power if one == 0.0 && other < 0.0 => {
            return Err(Fault::Other("zero is raised to a power below zero".to_owned()));
        }
        Operator::Power => one.powf(other),
    })
}

fn remainder(one: f64, other: f64) -> f64 {
    let rest = one % other;
    if rest != 0.0 && (rest < 0.0) != (other < 0.0) { rest + other } else { rest }
}

fn add<'a>(one: &Value<'a>, other: &Value<'a>) -> Result<Value<'a>> {
    Ok(match (one, other) {
        (Value::Text(one), Value::Text(other)) => Value::text(format!("{one}{other}")),
        (Value::Tuple(one), Value::Tuple(other)) => Value::tuple(one.iter().chain(other.iter()).cloned().collect()),
        (Value::DateTime(one), Value::Span(other)) | (Value::Span(other), Value::DateTime(one)) => {
            Value::DateTime(one.plus(other).map_err(self::other)?)
        }
        (Value::Date(one), Value::Span(other)) | (Value::Span(other), Value::Date(one)) => date_plus(*one, other)?,
        (Value::Span(one), Value::Span(other)) => Value::Span(one.plus(other)),
        _ if one.is_list() && other.is_list() => {
            Value::list(one.iterate().into_iter().chain(other.iterate()).flatten().collect())
        }
        _ => return Err(mismatch(one, "+", other)),
    })
}

/// A date has whole days only.
fn date_plus<'a>(date: chrono::NaiveDate, duration: &Duration) -> Result<Value<'a>> {
    let days = duration.whole_days();
    let datetime = DateTime::of_date(date).plus(&days).map_err(other)?;
    Ok(Value::Date(datetime.local.date()))
}

fn subtract<'a>(one: &Value<'a>, other: &Value<'a>) -> Result<Value<'a>> {
    Ok(match (one, other) {
        (Value::DateTime(one), Value::Span(other)) => Value::DateTime(one.minus(other).map_err(self::other)?),
        (Value::DateTime(one), Value::DateTime(other)) if one.is_aware() == other.is_aware() => {
            Value::Span(one.since(other))
        }
        (Value::Date(one), Value::Span(other)) => date_plus(*one, &other.negated())?,
        (Value::Date(one), Value::Date(other)) => {
            Value::Span(DateTime::of_date(*one).since(&DateTime::of_date(*other)))
        }
        (Value::Span(one), Value::Span(other)) => Value::Span(one.plus(&other.negated())),
        (Value::Set(one), Value::Set(other)) => {
            let rest = one.iter().filter(|value| !other.iter().any(|other| other.equals(value)));
            Value::Set(std::rc::Rc::new(rest.cloned().collect()))
        }
        _ => return Err(mismatch(one, "-", other)),
    })
}

fn times<'a>(one: &Value<'a>, other: &Value<'a>) -> Result<Value<'a>> {
    let (of, count) = match (one.as_int(), other.as_int()) {
        (None, Some(count)) => (one, count),
        (Some(count), None) => (other, count),
        _ => match (one, other.as_float(), other, one.as_float()) {
            (Value::Span(span), Some(factor), ..) | (.., Value::Span(span), Some(factor)) if !span.has_months() => {
                let product = Duration::of_seconds(span.total_seconds() * factor);
                return product.map(Value::Span).map_err(self::other);
            }
            _ => return Err(mismatch(one, "*", other)),
        },
    };
    let count = usize::try_from(count.max(0)).unwrap_or(usize::MAX);
    let is_too_long = |length: usize| length.checked_mul(count).is_none_or(|length| length > MAX_TEXT);
    let too_long = || Fault::Other("what is multiplied grows too long".to_owned());
    match of {
        Value::Text(text) if is_too_long(text.len()) => Err(too_long()),
        Value::Text(text) => Ok(Value::text(text.repeat(count))),
        Value::Span(span) => {
            let product = i64::try_from(count).ok().and_then(|count| span.microseconds().checked_mul(count));
            let is_negative = one.as_int().or(other.as_int()).is_some_and(|count| count < 0);
            match product {
                Some(product) if !span.has_months() && !is_negative => {
                    Ok(Value::Span(Duration::of_microseconds(product)))
                }
                _ => {
                    let factor = one.as_float().or(other.as_float()).unwrap_or_default();
                    let product = Duration::of_seconds(span.total_seconds() * factor);
                    product.map(Value::Span).map_err(self::other)
                }
            }
        }
        of => {
            let Some(elements) = of.elements() else { return Err(mismatch(one, "*", other)) };
            if is_too_long(elements.len().saturating_mul(32)) {
                return Err(too_long());
            }
            let repeated = std::iter::repeat_n(elements, count).flatten().collect();
            Ok(if matches!(of, Value::Tuple(_)) { Value::tuple(repeated) } else { Value::list(repeated) })
        }
    }
}

/// A timedelta by a number, or by another timedelta.
fn divide<'a>(one: &Value<'a>, operator: Operator, other: &Value<'a>) -> Result<Value<'a>> {
    let symbol = if operator == Operator::Divide { "/" } else { "//" };
    let Value::Span(span) = one else { return Err(mismatch(one, symbol, other)) };
    if let Value::Span(other) = other {
        if operator == Operator::FloorDivide {
            return ints(span.microseconds().into(), operator, other.microseconds().into());
        }
        return floats(span.total_seconds(), operator, other.total_seconds()).map(Value::Float);
    }
    let Some(by) = other.as_float() else { return Err(mismatch(one, symbol, other)) };
    let seconds = floats(span.total_seconds(), Operator::Divide, by)?;
    Duration::of_seconds(seconds).map(Value::Span).map_err(self::other)
}

pub fn compare<'a>(one: &Value<'a>, comparison: Comparison, other: &Value<'a>) -> Result<bool> {
    let order = || order(one, other);
    Ok(match comparison {
        Comparison::Equal => one.equals(other),
        Comparison::NotEqual => !one.equals(other),
        Comparison::Less => order()?.is_some_and(Ordering::is_lt),
        Comparison::LessOrEqual => order()?.is_some_and(Ordering::is_le),
        Comparison::Greater => order()?.is_some_and(Ordering::is_gt),
        Comparison::GreaterOrEqual => order()?.is_some_and(Ordering::is_ge),
        Comparison::In => contains(other, one)?,
        Comparison::NotIn => !contains(other, one)?,
    })
}

/// Which of two values is the lesser. None of what is no number, which is neither.
pub fn order<'a>(one: &Value<'a>, other: &Value<'a>) -> Result<Option<Ordering>> {
    Ok(match (one, other) {
        (Value::Text(one), Value::Text(other)) => Some(one.cmp(other)),
        (Value::DateTime(one), Value::DateTime(other)) if one.is_aware() == other.is_aware() => Some(one.cmp(other)),
        (Value::Date(one), Value::Date(other)) => Some(one.cmp(other)),
        (Value::Span(one), Value::Span(other)) if !one.has_months() && !other.has_months() => {
            Some(one.microseconds().cmp(&other.microseconds()))
        }
        (Value::Tuple(_), Value::Tuple(_)) => order_of_elements(one, other)?,
        _ if one.is_list() && other.is_list() => order_of_elements(one, other)?,
        _ => match (one.as_int(), other.as_int(), one.as_float(), other.as_float()) {
            (Some(one), Some(other), ..) => Some(one.cmp(&other)),
            (.., Some(one), Some(other)) => one.partial_cmp(&other),
            _ => return Err(mismatch(one, "<", other)),
        },
    })
}

fn order_of_elements<'a>(one: &Value<'a>, other: &Value<'a>) -> Result<Option<Ordering>> {
    let (one, other) = (one.iterate().unwrap_or_default(), other.iterate().unwrap_or_default());
    for (one, other) in one.iter().zip(&other) {
        if !one.equals(other) {
            return order(one, other);
        }
    }
    Ok(Some(one.len().cmp(&other.len())))
}

/// Python's `in`.
pub fn contains<'a>(container: &Value<'a>, value: &Value<'a>) -> Result<bool> {
    if let Value::Text(text) = container {
        return match value {
            Value::Text(part) => Ok(text.contains(part.as_ref())),
            other => Err(Fault::Type(format!("{} is searched in a str", other.type_name()))),
        };
    }
    if container.is_mapping() {
        return if value.is_hashable() {
            Ok(container.entry(value).is_some())
        } else {
            Err(Fault::Type(format!("a {} can not be a key", value.type_name())))
        };
    }
    match container.iterate() {
        Some(elements) => Ok(elements.iter().any(|element| element.equals(value))),
        None => Err(Fault::Type(format!("nothing is in a {}", container.type_name()))),
    }
}

/// Sorts as Python does: an error where two values have no order.
pub fn sort<'a, T>(values: &mut [T], key: impl Fn(&T) -> &Value<'a>) -> Result<()> {
    let mut fault = None;
    values.sort_by(|one, other| match order(key(one), key(other)) {
        Ok(order) => order.unwrap_or(Ordering::Equal),
        Err(found) => {
            fault.get_or_insert(found);
            Ordering::Equal
        }
    });
    fault.map_or(Ok(()), Err)
}

/// The greatest or the least of values; the first of equal ones.
pub fn extreme<'a>(values: Vec<Value<'a>>, wanted: Ordering) -> Result<Option<Value<'a>>> {
    let mut best: Option<Value<'a>> = None;
    for value in values {
        match &best {
            Some(known) if order(&value, known)? != Some(wanted) => {}
            _ => best = Some(value),
        }
    }
    Ok(best)
}

/// The whole number that a value is, where Python wants one.
pub fn index(value: &Value<'_>) -> Result<i128> {
    value.as_int().ok_or_else(|| Fault::type_of(value, "an int"))
}

/// The text that a value is, where Python wants one.
pub fn text<'v>(value: &'v Value<'_>) -> Result<&'v str> {
    value.as_text().ok_or_else(|| Fault::type_of(value, "a str"))
}

/// A whole number as a count of elements or characters: nothing below zero.
pub fn count(value: &Value<'_>) -> Result<usize> {
    Ok(usize::try_from(index(value)?.max(0)).unwrap_or(usize::MAX))
}
