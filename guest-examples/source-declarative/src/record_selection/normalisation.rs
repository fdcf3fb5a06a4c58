//! Values of records made what the schema says of them: the language's `schema_normalization`. Knows nothing of where records come
//! from.

use airlock_sdk::{Result, config_error};
use serde_json::Value;

use crate::record::Record;

/// The language's `schema_normalization: Default`.
#[derive(Debug)]
pub struct Normalisation;

impl Normalisation {
    /// Changes a record's values to the types of the schema.
    pub fn apply(&self, _record: &mut Record<'_>, _schema: &Value) -> Result<()> {
        Err(config_error("schema_normalization is not there yet"))
    }
}
