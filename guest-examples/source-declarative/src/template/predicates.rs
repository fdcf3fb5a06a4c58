//! Jinja's tests: what may stand after `is`.

use super::evaluate::{Fault, Given, Result};
use super::operators;
use super::syntax::Comparison;
use super::value::Value;

pub const NAMES: &[&str] = &[
    "!=",
    "<",
    "<=",
    "==",
    ">",
    ">=",
    "boolean",
    "callable",
    "defined",
    "divisibleby",
    "eq",
    "equalto",
    "escaped",
    "even",
    "false",
    "filter",
    "float",
    "ge",
    "greaterthan",
    "gt",
    "in",
    "integer",
    "iterable",
    "le",
    "lessthan",
    "lower",
    "lt",
    "mapping",
    "ne",
    "none",
    "number",
    "odd",
    "sameas",
    "sequence",
    "string",
    "test",
    "true",
    "undefined",
    "upper",
];

/// Whether a test holds.
pub fn holds<'a>(name: &str, of: &Value<'a>, given: Given<'a>) -> Result<bool> {
    let is_unary = !matches!(
        name,
        "!=" | "<"
            | "<="
            | "=="
            | ">"
            | ">="
            | "divisibleby"
            | "eq"
            | "equalto"
            | "ge"
            | "greaterthan"
            | "gt"
            | "in"
            | "le"
            | "lessthan"
            | "lt"
            | "ne"
            | "sameas"
    );
    let other = if is_unary {
        given.bind([], 0)?;
        Value::None
    } else {
        let [other] = given.bind(["other"], 1)?;
        other.unwrap_or(Value::None)
    };
    let compare = |comparison| operators::compare(of, comparison, &other);
    Ok(match name {
        "==" | "eq" | "equalto" => compare(Comparison::Equal)?,
        "!=" | "ne" => compare(Comparison::NotEqual)?,
        "<" | "lt" | "lessthan" => compare(Comparison::Less)?,
        "<=" | "le" => compare(Comparison::LessOrEqual)?,
        ">" | "gt" | "greaterthan" => compare(Comparison::Greater)?,
        ">=" | "ge" => compare(Comparison::GreaterOrEqual)?,
        "in" => compare(Comparison::In)?,
        "defined" => !matches!(of, Value::Undefined(_)),
        "undefined" => matches!(of, Value::Undefined(_)),
        "none" => matches!(of, Value::None),
        "boolean" => matches!(of, Value::Bool(_)),
        "true" => matches!(of, Value::Bool(true)),
        "false" => matches!(of, Value::Bool(false)),
        "integer" => matches!(of, Value::Int(_)),
        "float" => matches!(of, Value::Float(_)),
        "number" => matches!(of, Value::Int(_) | Value::Float(_) | Value::Bool(_)),
        "string" => matches!(of, Value::Text(_)),
        "mapping" => of.is_mapping(),
        "sequence" => of.length().is_some() && !matches!(of, Value::Set(_)),
        "iterable" => of.iterate().is_some(),
        "callable" => matches!(of, Value::Function(_) | Value::Method(_) | Value::Undefined(_)),
        "odd" | "even" | "divisibleby" => {
            let by = if is_unary { Value::Int(2) } else { other };
            let rest = operators::arithmetic(of.clone(), super::syntax::Operator::Remainder, by)?;
            if name == "odd" { rest.equals(&Value::Int(1)) } else { rest.equals(&Value::Int(0)) }
        }
        "lower" | "upper" => {
            let text = of.to_text()?;
            let is_wrong = if name == "lower" { char::is_uppercase } else { char::is_lowercase };
            let is_right = if name == "lower" { char::is_lowercase } else { char::is_uppercase };
            text.chars().any(is_right) && !text.chars().any(is_wrong)
        }
        "sameas" => of.type_name() == other.type_name() && of.equals(&other),
        "filter" => super::filters::NAMES.contains(&operators::text(of)?),
        "test" => NAMES.contains(&operators::text(of)?),
        "escaped" => false,
        name => return Err(Fault::Other(format!("there is no test {name}"))),
    })
}
