//! What in a config violates the specification, in words that say what to change. Knows no Airbyte message.

use jsonschema::ValidationError;
use jsonschema::error::ValidationErrorKind;
use serde_json::Value;

/// The place and the problem. The config's values are in none: one may be a secret, and it is not yet known which are.
pub fn describe(error: &ValidationError<'_>) -> String {
    match error.kind() {
        ValidationErrorKind::OneOfNotValid { context } | ValidationErrorKind::AnyOf { context } => {
            let within = of_alternatives(context);
            if within.is_empty() { at_place(error, &error.masked().to_string()) } else { within }
        }
        ValidationErrorKind::Enum { options } => at_place(error, &none_of(options.as_array().into_iter().flatten())),
        _ => at_place(error, &error.masked().to_string()),
    }
}

/// The problems of the alternative that is meant; if none is, what keeps it from being known. Empty if nothing does.
fn of_alternatives(alternatives: &[Vec<ValidationError<'static>>]) -> String {
    let described = |problems: &Vec<ValidationError<'_>>| problems.iter().map(describe).collect::<Vec<_>>();
    if let Some(meant) = meant(alternatives) {
        return described(meant).join("; ");
    }
    let Some((first, others)) = alternatives.split_first() else {
        return String::new();
    };
    // One field has another constant in each alternative, and the config has none of them.
    for (problem, _) in first.iter().filter_map(constant) {
        let at_same_place = |problems: &Vec<ValidationError<'static>>| {
            let here = |(other, _): &(&ValidationError<'_>, &Value)| other.instance_path() == problem.instance_path();
            problems.iter().filter_map(constant).find(here).map(|(_, value)| value.clone())
        };
        if let Some(choices) = alternatives.iter().map(at_same_place).collect::<Option<Vec<Value>>>() {
            return at_place(problem, &none_of(&choices));
        }
    }
    // Such a field is missing, which every alternative says.
    let others: Vec<Vec<String>> = others.iter().map(described).collect();
    let in_all = |problem: &String| others.iter().all(|other| other.contains(problem));
    described(first).into_iter().filter(in_all).collect::<Vec<_>>().join("; ")
}

/// The only alternative that does not object to a field whose constant all others object to.
fn meant<'a>(alternatives: &'a [Vec<ValidationError<'static>>]) -> Option<&'a Vec<ValidationError<'static>>> {
    let objects_at = |problems: &Vec<ValidationError<'_>>, place: &ValidationError<'_>| {
        problems.iter().filter_map(constant).any(|(problem, _)| problem.instance_path() == place.instance_path())
    };
    alternatives.iter().flatten().filter_map(constant).find_map(|(place, _)| {
        let mut silent = alternatives.iter().filter(|problems| !objects_at(problems, place));
        let meant = silent.next()?;
        silent.next().is_none().then_some(meant)
    })
}

/// The value that a field must have. Some specifications write it as a choice of one.
fn constant<'a, 'b>(error: &'a ValidationError<'b>) -> Option<(&'a ValidationError<'b>, &'a Value)> {
    match error.kind() {
        ValidationErrorKind::Constant { expected_value } => Some((error, expected_value)),
        ValidationErrorKind::Enum { options } => match options.as_array()?.as_slice() {
            [only] => Some((error, only)),
            _ => None,
        },
        _ => None,
    }
}

fn none_of<'a>(choices: impl IntoIterator<Item = &'a Value>) -> String {
    let choices: Vec<String> = choices.into_iter().map(Value::to_string).collect();
    match choices.split_last() {
        Some((last, others)) if !others.is_empty() => format!("value is not one of {} or {last}", others.join(", ")),
        _ => format!("value is not {}", choices.concat()),
    }
}

fn at_place(error: &ValidationError<'_>, problem: &str) -> String {
    let place = error.instance_path().as_str();
    if place.is_empty() { problem.to_owned() } else { format!("{place}: {problem}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn described(schema: &Value, config: &Value) -> String {
        let validator = jsonschema::options().build(schema).expect("a schema");
        validator.iter_errors(config).map(|error| describe(&error)).collect::<Vec<_>>().join("; ")
    }

    /// Two alternatives below `mode`, told apart by the keyword.
    fn modes(keyword: &str, first: &Value, second: &Value) -> Value {
        let alternative = |constant: &Value, number: &str| {
            json!({"required": ["type", number], "properties":
                {"type": {(keyword): constant}, (number): {"type": "integer"}, "unit": {"enum": ["s"]}}})
        };
        json!({"properties": {"mode": {"type": "object", "oneOf":
            [alternative(first, "every"), alternative(second, "seed")]}}})
    }

    #[test]
    fn of_several_alternatives_the_problem_of_the_meant_one_is_told() {
        let by_const = modes("const", &json!("EVERY"), &json!("RANDOM"));
        let by_enum = modes("enum", &json!(["EVERY"]), &json!(["RANDOM"]));
        for schema in [by_const, by_enum] {
            for (mode, problem) in [
                (json!({"type": "EVERY"}), r#"/mode: "every" is a required property"#),
                (json!({"type": "RANDOM", "seed": "hunter2"}), r#"/mode/seed: value is not of type "integer""#),
                (json!({"type": "RANDOM", "seed": 1, "unit": "m"}), r#"/mode/unit: value is not "s""#),
                (json!({"type": "hunter2"}), r#"/mode/type: value is not one of "EVERY" or "RANDOM""#),
                (json!({}), r#"/mode: "type" is a required property"#),
            ] {
                assert_eq!(described(&schema, &json!({"mode": mode})), problem, "{schema}");
            }
        }
    }

    #[test]
    fn alternatives_inside_alternatives_are_looked_into() {
        let schema = json!({"oneOf": [modes("const", &json!(1), &json!(2)), {"type": "string"}]});
        assert!(!described(&schema, &json!({"mode": {"type": 3}})).is_empty());
        let nested = json!({"oneOf": [{"required": ["kind"], "properties": {"kind": {"const": "a"},
            "mode": modes("const", &json!(1), &json!(2))["properties"]["mode"]}}, {"properties": {"kind": {"const": "b"}}}]});
        let config = json!({"kind": "a", "mode": {"type": 2}});
        assert_eq!(described(&nested, &config), r#"/mode: "seed" is a required property"#);
    }

    #[test]
    fn alternatives_that_nothing_tells_apart_are_only_counted() {
        let schema = json!({"properties": {"n": {"anyOf": [{"type": "string"}, {"minimum": 5}]}}});
        assert_eq!(
            described(&schema, &json!({"n": 1})),
            "/n: value is not valid under any of the schemas listed in the 'anyOf' keyword"
        );
    }

    #[test]
    fn every_choice_is_named_and_the_value_is_not() {
        let schema = json!({"properties": {"delimiter": {"enum": [",", ";", "\t", " ", "|"]}}});
        assert_eq!(
            described(&schema, &json!({"delimiter": "hunter2"})),
            r#"/delimiter: value is not one of ",", ";", "\t", " " or "|""#
        );
    }
}
