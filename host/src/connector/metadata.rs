//! A connector's metadata: Airbyte's `metadata.yaml`, which says what the connector is called and which hosts it needs.
//! Its author wrote it: what it asks for is a wish. Knows nothing of what is granted.

use std::fmt;
use std::path::PathBuf;

/// What is read of a `metadata.yaml`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metadata {
    /// `name`: the connector's name for people.
    pub name: Option<String>,
    /// `dockerRepository`, as in `airbyte/source-faker`.
    pub repository: Option<String>,
    /// `dockerImageTag`: the connector's version.
    pub version: Option<String>,
    /// `allowedHosts.hosts` as it is written, placeholders and all. None where there is no `allowedHosts`.
    pub allowed_hosts: Option<Vec<String>>,
    /// Where it was found.
    pub origin: MetadataOrigin,
}

/// Where metadata was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MetadataOrigin {
    /// In the connector's own file.
    Connector,
    /// In a file beside it, or in the one that was named.
    File(PathBuf),
}

impl fmt::Display for MetadataOrigin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MetadataOrigin::Connector => formatter.write_str("the connector's own file"),
            MetadataOrigin::File(path) => write!(formatter, "{}", path.display()),
        }
    }
}
