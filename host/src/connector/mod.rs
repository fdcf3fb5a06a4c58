//! A connector: loading, compiling, instantiating and calling a component.
//!
//! Gives what a guest says to `protocol` and knows nothing of stdin, stdout or commands.

mod bindings;
mod carried;
mod carried_files;
mod compiled_file;
mod component;
mod component_file;
mod contract;
mod crash;
mod denials;
mod description;
mod embed;
mod engine;
mod guest;
mod input;
mod instance;
mod manifest;
mod metadata;
mod network_log;
mod output;
mod paths;
mod talk;
mod tls;
mod whole_file;

#[cfg(feature = "compiler")]
mod cache;
#[cfg(feature = "compiler")]
mod compile;
#[cfg(feature = "compiler")]
mod file_identity;

pub use carried_files::{CarriedFile, CarriedFiles};
#[cfg(feature = "compiler")]
pub use compile::UncompiledConnector;
pub use component::{Connector, Told, connector_name};
pub use contract::{PACKAGE, Role};
pub use description::{Code, Description, describe};
pub use embed::embed;
#[cfg(feature = "compiler")]
pub use embed::{WithManifest, embed_manifest};
#[cfg(feature = "compiler")]
pub use engine::{TARGET, WASMTIME_VERSION};
pub use guest::CurrentConfig;
pub use instance::{CheckResult, DestinationInstance, Instance, ReadOutcome, SourceInstance};
pub use manifest::ManifestHosts;
pub use metadata::{Metadata, MetadataOrigin};
#[cfg(feature = "compiler")]
pub use paths::metadata_of_manifest;
pub use paths::{ConnectorPaths, declarative_component, laid_out};
pub use whole_file::write_named;
