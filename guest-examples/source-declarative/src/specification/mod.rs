//! What the connector says of itself, and what it does to a config before it uses it: the language's Spec. Knows nothing of streams.

mod config_transformation;
mod config_validation;
mod document;
mod json_schema;
#[cfg(test)]
mod tests;

use airlock_sdk::Result;
use serde_json::Value;

use crate::manifest::{self, FromManifest, Node, Object};
use config_transformation::ConfigTransformation;
use config_validation::Validator;
pub use document::{of_a_manifest_in_the_config, of_file};

/// The language's Spec.
#[derive(Debug)]
pub struct Spec {
    document: Object,
    config_migrations: Vec<ConfigTransformation>,
    config_transformations: Vec<ConfigTransformation>,
    config_validations: Vec<Validator>,
}

/// A Spec's `config_normalization_rules`.
#[derive(Debug, Default)]
struct ConfigNormalizationRules {
    config_migrations: Vec<ConfigMigration>,
    transformations: Vec<ConfigTransformation>,
    validations: Vec<Validator>,
}

/// Changes of a config that are kept.
#[derive(Debug)]
struct ConfigMigration(Vec<ConfigTransformation>);

impl FromManifest for Spec {
    fn from_manifest(node: &Node<'_>) -> manifest::Result<Self> {
        let component = node.component()?;
        if component.kind() != "Spec" {
            return Err(component.other_kind(&["Spec"], &[]));
        }
        let mut document = document::begin(Value::Object(component.required("connection_specification")?));
        if let Some(url) = component.optional::<String>("documentation_url")?.filter(|url| !url.is_empty()) {
            document.insert("documentationUrl".to_owned(), url.into());
        }
        if let Some(advanced_auth) = component.field("advanced_auth") {
            document.insert("advanced_auth".to_owned(), document::advanced_auth(&advanced_auth)?);
        }
        let rules: ConfigNormalizationRules = component.optional("config_normalization_rules")?.unwrap_or_default();
        component.finish();
        Ok(Spec {
            document,
            config_migrations: rules.config_migrations.into_iter().flat_map(|migration| migration.0).collect(),
            config_transformations: rules.transformations,
            config_validations: rules.validations,
        })
    }
}

impl FromManifest for ConfigNormalizationRules {
    fn from_manifest(node: &Node<'_>) -> manifest::Result<Self> {
        let component = node.component()?;
        let rules = ConfigNormalizationRules {
            config_migrations: component.optional("config_migrations")?.unwrap_or_default(),
            transformations: component.optional("transformations")?.unwrap_or_default(),
            validations: component.optional("validations")?.unwrap_or_default(),
        };
        component.finish();
        Ok(rules)
    }
}

impl FromManifest for ConfigMigration {
    fn from_manifest(node: &Node<'_>) -> manifest::Result<Self> {
        let component = node.component()?;
        let migration = ConfigMigration(component.required("transformations")?);
        component.skip_fields(&["description"]);
        component.finish();
        Ok(migration)
    }
}

impl Spec {
    /// Airbyte's ConnectorSpecification.
    pub fn document(&self) -> Object {
        self.document.clone()
    }

    /// The fields that a config may have. None where the specification does not tell them all.
    pub fn config_keys(&self) -> Option<Vec<&str>> {
        let schema = self.document.get("connectionSpecification")?;
        let is_told = self.config_migrations.is_empty()
            && self.config_transformations.is_empty()
            && ["oneOf", "anyOf", "allOf", "$ref"].iter().all(|field| schema.get(field).is_none());
        is_told
            .then(|| schema.get("properties")?.as_object().map(|fields| fields.keys().map(String::as_str).collect()))?
    }

    /// The config as this version of the connector wants it, if that is another one: the platform is to keep it.
    pub fn migrated(&self, config: &Object) -> Result<Option<Object>> {
        let migrated = transformed(&self.config_migrations, config.clone())?;
        Ok((migrated != *config).then_some(migrated))
    }

    /// The config as the components want it.
    pub fn transformed(&self, config: Object) -> Result<Object> {
        transformed(&self.config_transformations, config)
    }

    /// Whether a transformed config is as the manifest wants it.
    pub fn validate(&self, config: &Object) -> Result<()> {
        self.config_validations.iter().try_for_each(|validator| validator.validate(config))
    }
}

fn transformed(transformations: &[ConfigTransformation], mut config: Object) -> Result<Object> {
    for transformation in transformations {
        config = transformation.apply(config)?;
    }
    Ok(config)
}
