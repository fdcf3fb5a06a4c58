//! The name of a stream, with the namespace that it may have.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::bindings::source::airlock::connector::types as wit;

/// The name of a stream. No namespace means the same as Airbyte's `null` and as the field being absent.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct StreamName {
    /// The stream's name, as in the catalog.
    pub name: String,
    /// The stream's namespace (a schema of a database, for example), where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
}

impl StreamName {
    /// A name without a namespace.
    pub fn new(name: impl Into<String>) -> Self {
        StreamName { name: name.into(), namespace: None }
    }

    /// A name in a namespace.
    pub fn in_namespace(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        StreamName { name: name.into(), namespace: Some(namespace.into()) }
    }

    pub(crate) fn into_wit(self) -> wit::StreamName {
        wit::StreamName { name: self.name, namespace: self.namespace }
    }
}

/// `namespace.name`, or the name alone.
impl fmt::Display for StreamName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(namespace) = &self.namespace {
            write!(formatter, "{namespace}.")?;
        }
        formatter.write_str(&self.name)
    }
}

impl From<&str> for StreamName {
    fn from(name: &str) -> Self {
        StreamName::new(name)
    }
}

impl From<String> for StreamName {
    fn from(name: String) -> Self {
        StreamName::new(name)
    }
}

impl From<&StreamName> for StreamName {
    fn from(name: &StreamName) -> Self {
        name.clone()
    }
}

impl From<wit::StreamName> for StreamName {
    fn from(name: wit::StreamName) -> Self {
        StreamName { name: name.name, namespace: name.namespace }
    }
}
