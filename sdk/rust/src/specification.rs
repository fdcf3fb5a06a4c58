//! What a connector says of itself: Airbyte's ConnectorSpecification.

use schemars::JsonSchema;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value, json};

use crate::catalog::DestinationSyncMode;
use crate::failure::{Failure, Result, system_error};
use crate::schema;

/// What the connector is, and which configuration it takes.
///
/// ```
/// # #[derive(serde::Deserialize, schemars::JsonSchema)] struct Config {}
/// use airlock_sdk::{DestinationSyncMode, Specification};
///
/// Specification::of::<Config>()
///     .documentation_url("https://example.com/connector")
///     .supported_destination_sync_modes([DestinationSyncMode::Append, DestinationSyncMode::Overwrite]);
/// ```
#[derive(Clone, Debug)]
pub struct Specification {
    connection_specification: ConnectionSpecification,
    fields: Map<String, Value>,
}

#[derive(Clone, Debug)]
enum ConnectionSpecification {
    Schema(Value),
    Text(String),
    /// There is none, because of this.
    Failed(Failure),
}

impl Specification {
    /// The specification of a connector whose configuration is a `C`: the schema is derived from the type.
    ///
    /// What forms are made of can be added to a field of it: a doc comment becomes its description,
    /// `#[schemars(title = "…")]` its title, `#[schemars(extend("order" = 0))]` its place and
    /// `#[schemars(extend("airbyte_secret" = true))]` makes it a secret.
    pub fn of<C: JsonSchema>() -> Self {
        Self::with_schema(schema::of_configuration::<C>())
    }

    /// A specification whose connection specification is this JSON Schema.
    pub fn with_schema(connection_specification: Value) -> Self {
        Specification {
            connection_specification: ConnectionSpecification::Schema(connection_specification),
            fields: Map::new(),
        }
    }

    /// A specification whose connection specification is this JSON text, kept as it is. For a connector whose
    /// specification must be equal to an existing one. Text that is no JSON object is told when the specification is
    /// asked for.
    pub fn with_schema_text(connection_specification: impl Into<String>) -> Self {
        Specification {
            connection_specification: ConnectionSpecification::Text(connection_specification.into()),
            fields: Map::new(),
        }
    }

    /// A whole ConnectorSpecification, as another program has it.
    pub fn of_document(document: Map<String, Value>) -> Self {
        let (connection_specification, fields): (Map<_, _>, Map<_, _>) =
            document.into_iter().partition(|(name, _)| name == "connectionSpecification");
        let schema = connection_specification.into_iter().next().map_or(Value::Null, |(_, schema)| schema);
        Specification { fields, ..Self::with_schema(schema) }
    }

    /// What a connector says that can not say what it is, for this reason: the command `spec` fails with it.
    pub fn failed(failure: Failure) -> Self {
        Specification { connection_specification: ConnectionSpecification::Failed(failure), fields: Map::new() }
    }

    /// Where the connector is documented.
    #[must_use]
    pub fn documentation_url(self, url: impl Into<String>) -> Self {
        self.field("documentationUrl", url.into())
    }

    /// Where the connector's changes are listed.
    #[must_use]
    pub fn changelog_url(self, url: impl Into<String>) -> Self {
        self.field("changelogUrl", url.into())
    }

    /// Whether a destination takes incremental streams.
    #[must_use]
    pub fn supports_incremental(self, supports: bool) -> Self {
        self.field("supportsIncremental", supports)
    }

    /// How a destination can write a stream.
    #[must_use]
    pub fn supported_destination_sync_modes(self, modes: impl IntoIterator<Item = DestinationSyncMode>) -> Self {
        let modes: Vec<_> = modes.into_iter().collect();
        self.field("supported_destination_sync_modes", json!(modes))
    }

    /// Any other field of Airbyte's ConnectorSpecification, by its name there (`advanced_auth`, for example).
    #[must_use]
    pub fn field(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.fields.insert(name.to_owned(), value.into());
        self
    }

    /// Airbyte's ConnectorSpecification.
    pub fn to_json(&self) -> Result<String> {
        let connection_specification: Box<RawValue> = match &self.connection_specification {
            ConnectionSpecification::Schema(schema) => to_raw_value(schema)?,
            ConnectionSpecification::Text(text) => serde_json::from_str(text.trim()).map_err(|error| {
                system_error("The connector's specification is not JSON: this is a defect of the connector.")
                    .with_internal(error)
            })?,
            ConnectionSpecification::Failed(failure) => return Err(failure.clone()),
        };
        if !connection_specification.get().starts_with('{') {
            return Err(system_error(
                "The connector's specification is not a JSON object: this is a defect of the connector.",
            ));
        }
        let mut json = format!(r#"{{"connectionSpecification":{connection_specification}"#);
        for (name, value) in &self.fields {
            json.push_str(&format!(",{}:{value}", Value::from(name.as_str())));
        }
        json.push('}');
        Ok(json)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(serde::Deserialize, JsonSchema)]
    #[allow(dead_code)]
    struct Config {
        destination_path: String,
    }

    #[test]
    fn fields_have_airbytes_names() {
        let json = Specification::of::<Config>()
            .documentation_url("https://example.com")
            .supports_incremental(true)
            .supported_destination_sync_modes([DestinationSyncMode::Append, DestinationSyncMode::AppendDedup])
            .field("supportsDBT", false)
            .to_json()
            .unwrap();
        let value: Value = serde_json::from_str(&json).unwrap();
        assert_eq!(value["connectionSpecification"]["required"], json!(["destination_path"]));
        assert_eq!(value["documentationUrl"], "https://example.com");
        assert_eq!(value["supportsIncremental"], true);
        assert_eq!(value["supported_destination_sync_modes"], json!(["append", "append_dedup"]));
        assert_eq!(value["supportsDBT"], false);
    }

    #[test]
    fn a_document_is_what_it_is_and_a_failure_is_told() {
        let Value::Object(document) = json!({"documentationUrl": "u", "connectionSpecification": {"type": "object"}})
        else {
            panic!("an object");
        };
        let written = Specification::of_document(document).to_json().unwrap();
        assert_eq!(written, r#"{"connectionSpecification":{"type":"object"},"documentationUrl":"u"}"#);
        assert!(Specification::of_document(Map::new()).to_json().is_err());
        let failure = crate::config_error("no manifest");
        assert_eq!(Specification::failed(failure.clone()).to_json(), Err(failure));
    }

    #[test]
    fn text_is_kept_in_its_order() {
        let json = Specification::with_schema_text("{\"type\":\"object\",\n\"properties\":{}}\n");
        assert_eq!(json.to_json().unwrap(), "{\"connectionSpecification\":{\"type\":\"object\",\n\"properties\":{}}}");
        assert!(Specification::with_schema_text("{").to_json().is_err());
        assert!(Specification::with_schema_text("[]").to_json().is_err());
    }
}
