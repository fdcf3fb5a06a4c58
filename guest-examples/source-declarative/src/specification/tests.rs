use serde_json::json;

use super::*;
use crate::manifest::{Remarks, with_files};

fn spec(value: &Value) -> manifest::Result<Spec> {
    Node::root(value, &Remarks::default()).read()
}

#[test]
fn the_specification_is_what_the_cdk_writes() {
    let spec = spec(&json!({
        "type": "Spec",
        "connection_specification": {"type": "object", "$schema": "x", "properties": {"cf": {"type": "string", "default": null}}},
        "documentation_url": "http://x",
        "advanced_auth": {
            "auth_flow_type": "oauth2.0", "predicate_key": ["a"], "predicate_value": "b",
            "oauth_config_specification": {
                "complete_oauth_output_specification": {"type": "object", "properties": {"x": {"type": "string"}}},
                "extra": 1,
                "oauth_connector_input_specification": {
                    "consent_url": "u", "access_token_url": "v", "extract_output": ["a"], "scopes_join_strategy": "comma", "other": 3,
                },
            },
        },
    }))
    .unwrap();
    let cdk = json!({"connectionSpecification":{"type":"object","$schema":"x","properties":{"cf":{"type":"string","default":null}}},"documentationUrl":"http://x","supportsNormalization":false,"supportsDBT":false,"advanced_auth":{"auth_flow_type":"oauth2.0","predicate_key":["a"],"predicate_value":"b","oauth_config_specification":{"oauth_connector_input_specification":{"consent_url":"u","access_token_url":"v","scopes_join_strategy":"comma","extract_output":["a"]},"complete_oauth_output_specification":{"type":"object","properties":{"x":{"type":"string"}}}}}});
    assert_eq!(Value::Object(spec.document()), cdk);
}

#[test]
fn a_file_beside_the_manifest_is_the_specification() {
    let yaml = "documentationUrl: http://x\nconnectionSpecification:\n  type: object\n  properties:\n    start: {examples: [2021-01-01T00:00:00Z]}\n";
    with_files(&[("spec.yaml", yaml.to_owned())], || {
        let document = Value::Object(of_file().unwrap());
        assert_eq!(
            document,
            json!({
                "connectionSpecification": {"type": "object", "properties": {"start": {"examples": ["2021-01-01T00:00:00+00:00"]}}},
                "documentationUrl": "http://x", "supportsNormalization": false, "supportsDBT": false,
            })
        );
    });
    with_files(
        &[("spec.json", r#"{"connectionSpecification":{}}"#.to_owned()), ("spec.yml", "a: 1".to_owned())],
        || {
            assert!(of_file().unwrap_err().message.contains("two specifications"));
        },
    );
    with_files(&[("manifest.yaml", String::new())], || {
        assert!(of_file().unwrap_err().message.contains("no spec.yaml"));
    });
}

#[test]
fn a_validation_is_remarked_and_a_class_of_python_is_a_problem() {
    let custom = json!([{"type": "ConfigMigration", "transformations": [{"type": "CustomConfigTransformation", "class_name": "components.Mine"}]}]);
    let value = json!({"type": "Spec", "connection_specification": {}, "config_normalization_rules": {"type": "ConfigNormalizationRules", "config_migrations": custom}});
    let problem = spec(&value).unwrap_err();
    assert_eq!(problem.reason, manifest::Reason::NeedsPython);
    assert_eq!(problem.path, "config_normalization_rules.config_migrations[0].transformations[0]");
}

#[test]
fn a_config_is_changed_as_by_the_cdk() {
    let field = |path: Value, value: &str| json!({"type": "AddedFieldDefinition", "path": path, "value": value});
    let mut typed = field(json!(["y"]), "{{ 5 }}");
    typed["value_type"] = "string".into();
    let map = json!({"one": "1", "two": 2});
    let cases = [
        (
            json!({"type": "ConfigAddFields", "fields": [field(json!(["a", "b"]), "{{ config['x'] }}1"), field(json!(["n"]), "{{ 2 * 2 }}")]}),
            json!({"x": "5"}),
            json!({"x": "5", "a": {"b": 51}, "n": 4}),
        ),
        (
            json!({"type": "ConfigAddFields", "fields": [field(json!(["y"]), "v")], "condition": "{{ config['x'] == 6 }}"}),
            json!({"x": 5}),
            json!({"x": 5}),
        ),
        (json!({"type": "ConfigAddFields", "fields": [typed]}), json!({"x": 5}), json!({"x": 5, "y": "5"})),
        (
            json!({"type": "ConfigRemoveFields", "field_pointers": [["x"], ["a", "b"], ["l", "0"]]}),
            json!({"x": 5, "a": {"b": 1, "c": 2}, "l": [1, 2]}),
            json!({"a": {"c": 2}, "l": [null, 2]}),
        ),
        (
            json!({"type": "ConfigRemapField", "map": map, "field_path": ["a", "k"]}),
            json!({"a": {"k": "one"}}),
            json!({"a": {"k": 1}}),
        ),
        (
            json!({"type": "ConfigRemapField", "map": map, "field_path": ["a", "k"]}),
            json!({"a": {"k": "three"}}),
            json!({"a": {"k": "three"}}),
        ),
    ];
    for (transformation, config, expected) in cases {
        let rules = json!({"type": "ConfigNormalizationRules", "transformations": [transformation]});
        let spec = spec(&json!({"type": "Spec", "connection_specification": {}, "config_normalization_rules": rules}))
            .unwrap();
        let config = config.as_object().cloned().unwrap();
        assert_eq!(Value::Object(spec.transformed(config.clone()).unwrap()), expected);
        // The platform is only told of migrations.
        assert_eq!(spec.migrated(&config).unwrap(), None);
    }
}

fn validating(validator: Value) -> Value {
    let rules = json!({"type": "ConfigNormalizationRules", "validations": [validator]});
    json!({"type": "Spec", "connection_specification": {}, "config_normalization_rules": rules})
}

fn adhering(path: Value, schema: Value) -> Value {
    let strategy = json!({"type": "ValidateAdheresToSchema", "base_schema": schema});
    validating(json!({"type": "DpathValidator", "field_path": path, "validation_strategy": strategy}))
}

/// What DpathValidator of the CDK takes, and what it refuses.
#[test]
fn a_config_is_validated_as_by_the_cdk() {
    let integer = json!({"type": "integer"});
    for (path, schema, config, expected) in [
        (json!(["a"]), &integer, json!({"a": 1}), true),
        (json!(["a"]), &integer, json!({"a": 1.5}), false),
        (json!(["a"]), &integer, json!({}), true),
        // A text is JSON.
        (json!(["a"]), &integer, json!({"a": "1"}), true),
        (json!(["a"]), &integer, json!({"a": "one"}), false),
        (json!(["l", "*"]), &integer, json!({"l": [1, 2]}), true),
        (json!(["l", "*"]), &integer, json!({"l": [1, null]}), false),
        (json!(["l", "*"]), &integer, json!({"l": []}), true),
        (json!(["l", "1"]), &integer, json!({"l": [null, 2]}), true),
        (json!(["a*"]), &integer, json!({"ab": 1, "ac": 1}), false),
        // Of the config, a path knows nothing.
        (json!(["{{ 'a' }}"]), &integer, json!({"a": null}), false),
        (json!(["{{ config['name'] }}"]), &integer, json!({"name": "a", "a": null}), true),
    ] {
        let spec = spec(&adhering(path.clone(), schema.clone())).unwrap();
        let found = spec.validate(config.as_object().unwrap());
        assert_eq!(found.is_ok(), expected, "{path} {config}: {found:?}");
    }
}

#[test]
fn a_validation_that_can_not_be_made_is_told() {
    let custom = json!({"type": "CustomValidationStrategy", "class_name": "components.Mine"});
    for (validator, told) in [
        (
            adhering(json!(["a"]), json!({"unevaluatedItems": false})),
            "the keyword unevaluatedItems, which is not supported",
        ),
        (adhering(json!(["a"]), json!("{}")), "is a text"),
        (
            validating(json!({"type": "DpathValidator", "field_path": ["a"], "validation_strategy": custom})),
            "components.Mine",
        ),
        (
            validating(json!({"type": "PredicateValidator", "value": 1, "validation_strategy": {}})),
            "PredicateValidator",
        ),
    ] {
        let remarks = Remarks::default();
        let spec = Node::root(&validator, &remarks).read::<Spec>().unwrap();
        let remarks = remarks.take();
        assert!(remarks.len() == 1 && remarks[0].contains(told), "{remarks:?}");
        assert!(spec.validate(&Object::from_iter([("a".to_owned(), json!("x"))])).is_ok());
    }
    for validator in [adhering(json!([]), json!({})), adhering(json!(["a"]), json!({"type": "text"}))] {
        assert_eq!(spec(&validator).unwrap_err().reason, manifest::Reason::Invalid);
    }
}

#[test]
fn a_map_may_be_a_template() {
    let remapped = |map: &str, config: Value| {
        let transformation = json!({"type": "ConfigRemapField", "map": map, "field_path": ["k"]});
        let rules = json!({"type": "ConfigNormalizationRules", "transformations": [transformation]});
        let spec = spec(&json!({"type": "Spec", "connection_specification": {}, "config_normalization_rules": rules}))
            .unwrap();
        spec.transformed(config.as_object().cloned().unwrap()).map(Value::Object)
    };
    let config = json!({"k": "one", "map": {"one": 1}});
    assert_eq!(remapped("{{ config['map'] }}", config.clone()).unwrap(), json!({"k": 1, "map": {"one": 1}}));
    assert!(remapped("{{ config['k'] }}", config).unwrap_err().message.contains("must come to an object"));
}
