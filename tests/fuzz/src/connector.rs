//! Of what the host knows of connectors, how it reads manifests.

#[path = "../../../host/src/connector/manifest/mod.rs"]
mod manifest;

pub use manifest::ManifestHosts;
