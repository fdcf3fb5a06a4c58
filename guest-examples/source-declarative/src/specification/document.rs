//! Airbyte's ConnectorSpecification as the CDK writes it: of a Spec, of a file beside the manifest, and where there is no manifest.

use airlock_sdk::{Result, config_error};
use serde_json::{Value, json};

use crate::manifest::{self, INJECTED, Node, Object};

const MAX_BYTES: usize = 4 * 1024 * 1024;

/// The fields that the platform knows, of each object that `advanced_auth` is made of.
const ADVANCED_AUTH: [&str; 4] = ["auth_flow_type", "predicate_key", "predicate_value", "oauth_config_specification"];
const OAUTH_CONFIG: [&str; 5] = [
    "oauth_user_input_from_connector_config_specification",
    "oauth_connector_input_specification",
    "complete_oauth_output_specification",
    "complete_oauth_server_input_specification",
    "complete_oauth_server_output_specification",
];
const OAUTH_CONNECTOR_INPUT: [&str; 16] = [
    "consent_url",
    "scope",
    "scopes",
    "optional_scopes",
    "scopes_join_strategy",
    "access_token_url",
    "access_token_headers",
    "access_token_params",
    "extract_output",
    "state",
    "client_id_key",
    "client_secret_key",
    "scope_key",
    "state_key",
    "auth_code_key",
    "redirect_uri_key",
];

/// A specification with what all of them have.
pub fn begin(connection_specification: Value) -> Object {
    Object::from_iter([
        ("connectionSpecification".to_owned(), connection_specification),
        ("supportsNormalization".to_owned(), false.into()),
        ("supportsDBT".to_owned(), false.into()),
    ])
}

/// What the connector says without a manifest: that it wants one in the config.
pub fn of_a_manifest_in_the_config() -> Object {
    let mut document = begin(json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Low-code source spec",
        "type": "object",
        "required": [INJECTED],
        "additionalProperties": true,
        "properties": {
            INJECTED: {
                "title": "Low-code manifest",
                "type": "object",
                "description": "The low-code manifest that defines the components of the source.",
            },
        },
    }));
    document.insert("documentationUrl".to_owned(), "https://docs.airbyte.com/integrations/sources/low-code".into());
    document
}

/// The specification in a file beside the manifest.
pub fn of_file() -> Result<Object> {
    let mut found = Vec::new();
    for name in ["spec.yaml", "spec.yml", "spec.json"] {
        if let Some(text) = manifest::read_file(name, MAX_BYTES)? {
            found.push((name, text));
        }
    }
    let (name, text) = match (found.pop(), found.pop()) {
        (Some(file), None) => file,
        (None, _) => {
            return Err(config_error(
                "The manifest has no spec, and there is no spec.yaml or spec.json beside it: one of them must be there.",
            ));
        }
        (Some((one, _)), Some((other, _))) => {
            return Err(config_error(format!(
                "There are two specifications beside the manifest, {other} and {one}: leave one."
            )));
        }
    };
    let document =
        manifest::parse_yaml(&text).map_err(|problem| config_error(format!("The file {name} {problem}.")))?;
    match document {
        Value::Object(fields) if fields.get("connectionSpecification").is_some_and(Value::is_object) => {
            let mut document = begin(Value::Null);
            document.extend(fields.into_iter().filter(|(_, value)| !value.is_null()));
            Ok(document)
        }
        _ => Err(config_error(format!("The file {name} has no connectionSpecification, which must be an object."))),
    }
}

/// A Spec's `advanced_auth`, with the fields that the platform knows.
pub fn advanced_auth(node: &Node<'_>) -> manifest::Result<Value> {
    let mut advanced_auth = known(node, &ADVANCED_AUTH)?;
    if !advanced_auth.contains_key("auth_flow_type") {
        return Err(node.invalid("lacks the field auth_flow_type: oauth2.0 or oauth1.0"));
    }
    let nested = node.entries()?.into_iter().find(|(name, _)| *name == "oauth_config_specification");
    if let Some((_, oauth)) = nested.filter(|(_, oauth)| !oauth.value.is_null()) {
        let mut config = known(&oauth, &OAUTH_CONFIG)?;
        let nested = oauth.entries()?.into_iter().find(|(name, _)| *name == "oauth_connector_input_specification");
        if let Some((name, input)) = nested.filter(|(_, input)| !input.value.is_null()) {
            config.insert(name.to_owned(), Value::Object(known(&input, &OAUTH_CONNECTOR_INPUT)?));
        }
        advanced_auth.insert("oauth_config_specification".to_owned(), Value::Object(config));
    }
    Ok(Value::Object(advanced_auth))
}

fn known(node: &Node<'_>, names: &[&str]) -> manifest::Result<Object> {
    let entries = node.entries()?.into_iter();
    let kept = entries.filter(|(name, node)| names.contains(name) && !node.value.is_null());
    Ok(kept.map(|(name, node)| (name.to_owned(), node.value.clone())).collect())
}
