//! Records as the Python CDK transforms them: `transformed.json` is what it made of them.

use serde::Deserialize;
use serde_json::{Value, json};

use super::Transformation;
use crate::manifest::{Node, Object, Remarks};
use crate::record::Record;
use crate::stream_slice::StreamSlice;
use crate::template::Scope;

#[derive(Deserialize)]
struct Transformed {
    config: Object,
    slice: Slice,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Slice {
    partition: Object,
    cursor_slice: Object,
    extra_fields: Object,
}

#[derive(Deserialize)]
struct Case {
    transformation: Value,
    record: Value,
    /// None where it raises an error.
    result: Option<Value>,
}

#[test]
fn records_are_transformed_as_by_the_python_cdk() {
    let transformed: Transformed = serde_json::from_str(include_str!("transformed.json")).unwrap();
    let Slice { partition, cursor_slice, extra_fields } = transformed.slice;
    let scope =
        Scope::of_config(&transformed.config).with_slice(&StreamSlice { partition, cursor_slice, extra_fields });
    let remarks = Remarks::default();
    let mut differences = Vec::new();
    for case in transformed.cases {
        let text = case.record.to_string();
        let transformation: Transformation = Node::root(&case.transformation, &remarks).read().unwrap();
        let mut record = Record::of_text(&text);
        let result = transformation.apply(&mut record, &scope).map(|()| Value::Object(record.into_object().unwrap()));
        let is_same = match (&result, &case.result) {
            (Ok(result), Some(expected)) => result == expected,
            (Err(_), None) => true,
            _ => false,
        };
        if !is_same {
            differences.push(format!("{} of {text}: {result:?} for {:?}", case.transformation, case.result));
        }
    }
    assert!(differences.is_empty(), "{} differ:\n{}", differences.len(), differences.join("\n"));
}

#[test]
fn what_a_manifest_has_wrong_is_told_with_its_path() {
    let problem =
        |value: Value| Node::root(&value, &Remarks::default()).read::<Transformation>().unwrap_err().to_string();
    let remarks = Remarks::default();
    let add = json!({"type": "AddFields", "fields": [{"path": ["a"], "value": "{{ a b }}"}]});
    Node::root(&add, &remarks).read::<Transformation>().unwrap();
    assert_eq!(
        remarks.take(),
        [
            "fields[0].value is no template that can be read, and what needs it fails: a tag goes on where it should end before b."
        ]
    );
    assert_eq!(
        problem(json!({"type": "AddFields", "fields": [{"path": ["a"], "value": "{{ a | xmlattr }}"}]})),
        "fields[0].value is a template that can not be used: the filter xmlattr is not supported"
    );
    assert!(problem(json!({"type": "Nothing"})).contains("must be one of AddFields"));
}
