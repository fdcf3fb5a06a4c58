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
        let node =
            Node { path: "x".to_owned(), parameters: std::rc::Rc::clone(&parameters), ..Node::root(&source, &remarks) };
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
            (Err(_), None) if matches!(case.error.as_deref(), Some("other" | "undefined" | "invalid")) => {}
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

#[test]
fn failures_name_the_template_and_what_is_missing_and_no_secret() {
    let source = json!("{{ config['secret'].key.deep }}");
    let remarks = Remarks::default();
    let node = Node { path: "streams[0].x".to_owned(), ..Node::root(&source, &remarks) };
    let scope = Scope::of_config(&object(&json!({"secret": "hush", "list": []})));
    let message = node.read::<Template>().unwrap().evaluate(&scope).unwrap_err().message;
    assert_eq!(
        message,
        "streams[0].x: the template \"{{ config['secret'].key.deep }}\" can not be evaluated: the str has no attribute key."
    );
    for source in [
        "{{ str_to_datetime(config.secret) }}",
        "{{ duration(config.secret) }}",
        "{{ config.secret.index(config.secret ~ 'x') }}",
        "{{ 1 / 0 }}{{ config.secret }}",
    ] {
        let message = Template::of(source).evaluate(&scope).unwrap_err().message;
        assert!(!message.contains("hush"), "{message}");
    }
    let message = Template::of("{{ stream_state['x'] }}").evaluate(&scope).unwrap_err();
    assert!(message.message.contains("stream_interval"), "{message:?}");
}

#[test]
fn templates_without_an_end_are_refused() {
    let scope = Scope::of_config(&object(&json!({"list": vec![1; 5000]})));
    for source in [
        "{% set a = [] %}{% set b = [a] %}{{ a.append(b) }}{{ a }}",
        "{% set a = {} %}{{ a.update({'a': a}) }}{{ a }}",
        "{% set n = namespace(x=[]) %}{% for i in config.list %}{% set n.x = [n.x] %}{% endfor %}{{ n.x }}",
        "{{ 'a' * 1000000000000 }}",
        "{{ [1] * 1000000000000 }}",
        "{{ 9 ** 9999999 }}",
        "{{ '%1000000000d' % 5 ~ 1 / 0 }}",
        "{{ ('a' * 100000).replace('a', 'b' * 100000) }}",
        "{{ ('a' * 100000) | replace('', 'b' * 100000) }}",
        "{{ ('a' * 100000).join(('b,' * 100000).split(',')) }}",
        "{{ ('b,' * 100000).split(',') | join('a' * 100000) }}",
        "{{ ('b\n' * 100000) | indent('a' * 100000) }}",
        "{{ '5'.zfill(1000000000000) }}",
    ] {
        Template::of(source).evaluate(&scope).unwrap_err();
    }
    let deep = format!("{{{{ {}1{} }}}}", "(".repeat(5000), ")".repeat(5000));
    let remarks = Remarks::default();
    assert!(
        Node::root(&json!(deep), &remarks).read::<Template>().unwrap_err().to_string().contains("within each other")
    );
    let literal = "[".repeat(100_000);
    assert_eq!(Template::of(&literal).evaluate(&scope).unwrap(), json!(literal));
}

#[test]
fn names_and_values_are_those_of_mappings() {
    let scope = Scope::of_config(&object(&json!({"n": 5, "list": ["a"], "empty": ""})));
    let remarks = Remarks::default();
    let map = json!({"a{{ config.n }}": "{{ config.n }}", "b": "{{ config.zip }}", "c": "{{ config.zip.zap }}", "d": 7, "e": "", "5": "{{ config.list }}"});
    let map: super::TemplateMap = Node::root(&map, &remarks).read().unwrap();
    // What the CDK's InterpolatedMapping gives.
    assert_eq!(
        Json::Object(map.evaluate(&scope).unwrap()),
        json!({"a5": 5, "b": null, "c": null, "d": 7, "e": null, "5": ["a"]})
    );
    assert_eq!(map.evaluate_of(&scope, super::ValidTypes::TextOrList).unwrap()["a5"], "5");
    let nested =
        json!({"a": {"b": ["{{ config.n }}", "{{ config.zip }}"], "c": "{{ config.zip }}", "d": null}, "n": 1.5});
    let nested: super::NestedTemplate = Node::root(&nested, &remarks).read().unwrap();
    // What its InterpolatedNestedMapping gives.
    assert_eq!(nested.evaluate(&scope).unwrap(), json!({"a": {"b": [5, null]}, "n": 1.5}));
}
