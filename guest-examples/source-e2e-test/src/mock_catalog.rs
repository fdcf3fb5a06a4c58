//! The streams that the user describes for a continuous feed: texts of JSON Schemas in, a catalog out.

use airlock_sdk::{Catalog, Result, Stream, WholeNumber, config_error};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::shape::Shape;

/// The streams.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum MockCatalog {
    /// One schema, for one stream or for many that differ by a number at the end of their name.
    SingleStream {
        /// The stream's name.
        stream_name: String,
        /// Its schema, as JSON text.
        stream_schema: String,
        /// How many such streams there are.
        stream_duplication: Option<WholeNumber>,
    },
    /// A schema a stream.
    MultiStream {
        /// A JSON object as text: schemas by the names of their streams.
        stream_schemas: String,
    },
}

impl MockCatalog {
    /// The catalog, if every schema can be used.
    pub fn catalog(self) -> Result<Catalog> {
        match self {
            MockCatalog::SingleStream { stream_name, stream_schema, stream_duplication } => {
                let copies = match stream_duplication {
                    Some(copies) => copies.within("stream_duplication", 1, 10_000)?,
                    None => 1,
                };
                let schema = parse("stream_schema", &stream_schema)?;
                require_usable(&stream_name, &schema)?;
                if copies == 1 {
                    return Ok(Catalog::new([Stream::with_schema(stream_name, schema)]));
                }
                let numbered = |number| Stream::with_schema(format!("{stream_name}_{number}"), schema.clone());
                Ok(Catalog::new((0..copies).map(numbered)))
            }
            MockCatalog::MultiStream { stream_schemas } => {
                let schemas: Map<String, Value> = parse("stream_schemas", &stream_schemas)?;
                for (name, schema) in &schemas {
                    require_usable(name, schema)?;
                }
                Ok(Catalog::new(schemas.into_iter().map(|(name, schema)| Stream::with_schema(name, schema))))
            }
        }
    }
}

fn parse<T: for<'de> Deserialize<'de>>(option: &str, text: &str) -> Result<T> {
    serde_json::from_str(text)
        .map_err(|error| config_error(format!("{option} is not the JSON that it should be: {error}.")))
}

fn require_usable(stream: &str, schema: &Value) -> Result<()> {
    match Shape::of_record(schema) {
        Ok(_) => Ok(()),
        Err(problem) => Err(config_error(format!("The schema of stream {stream} can not be used: {problem}."))),
    }
}
