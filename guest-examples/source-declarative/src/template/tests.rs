//! Templates as the Python CDK evaluates them: `golden.json` is what it said.

use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::{Condition, Scope, Template};
use crate::datetime::{DateTime, set_now};
use crate::manifest::{Node, Object, Remarks};
use crate::stream_slice::StreamSlice;

#[derive(Deserialize)]
struct Golden {
    now: String,
    scope: Object,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    template: String,
    /// What the CDK's InterpolatedString gives, and Python's `str` of that.
    #[serde(default, deserialize_with = "some")]
    value: Option<Json>,
    text: Option<String>,
    /// `undefined`, `other` or `invalid`, where it raises an error.
    error: Option<String>,
    /// What its InterpolatedBoolean gives. None where it raises an error.
    holds: Option<bool>,
}

fn some<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Json>, D::Error> {
    Json::deserialize(deserializer).map(Some)
}

fn object(value: &Json) -> Object {
    value.as_object().cloned().unwrap()
}

fn scope(golden: &Object) -> Scope {
    let mut scope = Scope::of_config(&object(&golden["config"]));
    for name in ["next_page_token", "response", "record", "last_record", "last_page_size", "value"] {
        scope = scope.with_json(name, &golden[name]);
    }
    let slice = &golden["slice"];
    let slice = StreamSlice {
        partition: object(&slice["partition"]),
        cursor_slice: object(&slice["cursor_slice"]),
        extra_fields: object(&slice["extra_fields"]),
    };
    scope.with_headers("headers", object(&golden["headers"])).with_slice(&slice)
}

/// What differs, one line a case.
fn differences(golden: &str) -> Vec<String> {
    let golden: Golden = serde_json::from_str(golden).unwrap();
    set_now(DateTime::parse_iso8601(&golden.now).unwrap());
    let scope = scope(&golden.scope);
    let parameters = std::rc::Rc::new(object(&golden.scope["parameters"]));
    let remarks = Remarks::default();
    let mut differences = Vec::new();
    for case in &golden.cases {
        let source = json!(case.template);
        let node = Node {
            value: &source,
            path: "x".to_owned(),
            parameters: std::rc::Rc::clone(&parameters),
            remarks: &remarks,
        };
        let template = match node.read::<Template>() {
            Ok(template) => template,
            Err(problem) => {
                if case.error.as_deref() != Some("invalid") {
                    differences.push(format!("{}: {problem}", case.template));
                }
                continue;
            }
        };
        let found = template.evaluate(&scope).map_err(|failure| failure.to_string());
        match (&found, &case.value) {
            (Ok(found), Some(value)) if found == value => {
                let text = template.text(&scope).unwrap();
                if Some(&text) != case.text.as_ref() {
                    differences.push(format!("{}: {text:?} for {:?}", case.template, case.text));
                }
            }
            (Err(_), None) if matches!(case.error.as_deref(), Some("other" | "undefined")) => {}
            _ => differences.push(format!("{}: {found:?} for {:?} {:?}", case.template, case.value, case.error)),
        }
        let holds = node.read::<Condition>().unwrap().holds(&scope).ok();
        if holds != case.holds {
            differences.push(format!("{} holds: {holds:?} for {:?}", case.template, case.holds));
        }
    }
    differences
}

#[test]
fn templates_come_to_what_the_python_cdk_makes_of_them() {
    let golden = std::env::var("GOLDEN").ok().map(|path| std::fs::read_to_string(path).unwrap());
    let differences = differences(golden.as_deref().unwrap_or(include_str!("golden.json")));
    assert!(differences.is_empty(), "{} differ:\n{}", differences.len(), differences.join("\n"));
}
