//! The name of a stream. Knows nothing of catalogs.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Airbyte's StreamDescriptor: a name, and a namespace where there is one. An absent and a null namespace are the same.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct StreamName {
    /// The stream's name.
    pub name: String,
    /// The stream's namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
}

impl fmt::Display for StreamName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(formatter, "{namespace}.{}", self.name),
            None => formatter.write_str(&self.name),
        }
    }
}
