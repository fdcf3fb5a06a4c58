//! How many streams may be read at once: the language's ConcurrencyLevel. Knows nothing of streams.

use airlock_sdk::{Result, config_error};
use serde_json::Value;

use crate::manifest::{self, FromManifest, Node};
use crate::session::Session;
use crate::template::Template;

/// The language's ConcurrencyLevel.
#[derive(Debug)]
pub struct ConcurrencyLevel {
    default_concurrency: Template,
    max_concurrency: Option<u64>,
}

impl FromManifest for ConcurrencyLevel {
    fn from_manifest(node: &Node<'_>) -> manifest::Result<Self> {
        let component = node.component()?;
        let default_concurrency: Template = component.required("default_concurrency")?;
        let max_concurrency: Option<u64> = component.optional("max_concurrency")?;
        let is_the_users = default_concurrency.source().as_str().is_some_and(|source| source.contains("config"));
        if is_the_users && max_concurrency.is_none_or(|max| max == 0) {
            return Err(node.invalid("has a default_concurrency of the config's, and must have a max_concurrency too"));
        }
        component.finish();
        Ok(ConcurrencyLevel { default_concurrency, max_concurrency })
    }
}

impl ConcurrencyLevel {
    /// The number for this config.
    pub fn streams(&self, session: &Session) -> Result<u32> {
        let told = match self.default_concurrency.source() {
            Value::Number(number) => return Ok(number.as_u64().map_or(1, at_least_one)),
            _ => self.default_concurrency.evaluate(&session.scope)?,
        };
        let level = told.as_u64().or_else(|| told.as_bool().map(u64::from)).ok_or_else(|| {
            config_error(format!("default_concurrency did not evaluate to an integer: it is {told}."))
        })?;
        Ok(at_least_one(self.max_concurrency.filter(|max| *max > 0).map_or(level, |max| level.min(max))))
    }
}

fn at_least_one(level: u64) -> u32 {
    u32::try_from(level).unwrap_or(u32::MAX).max(1)
}
