//! What a connector is run with beside its code: metadata, files, and the hosts of a manifest; of its own file, or named in their place.
//! Knows nothing of how a file carries it.

use std::path::Path;

use super::carried_files::CarriedFiles;
use super::contract::Role;
use super::manifest::ManifestHosts;
use super::metadata::{self, Carried, Metadata};
use super::paths::ConnectorPaths;
use crate::protocol::failure::Failure;

/// What a connector's file carries.
pub struct Carries {
    pub metadata: Option<Carried>,
    pub files: Option<CarriedFiles>,
    /// The hosts that the manifest among the files calls.
    pub manifest: Option<ManifestHosts>,
}

/// What a connector is run with.
pub struct Carrying {
    pub metadata: Option<Metadata>,
    pub files: Option<CarriedFiles>,
    pub manifest: Option<ManifestHosts>,
}

impl Carries {
    /// The same with what was named in the place of what is carried. Nothing counts that asks for hosts and that a guest could have
    /// written: what lies in `guests`.
    pub fn with_named(self, paths: &ConnectorPaths, role: Role, guests: Option<&Path>) -> Result<Carrying, Failure> {
        let Carries { metadata, mut files, mut manifest } = self;
        let named = paths.named_metadata();
        let metadata = metadata::find(&paths.connector, role, named.as_deref(), metadata, guests)?;
        if let Some(path) = &paths.manifest {
            let problem = |problem: String| {
                Failure::config_error(format!("The files of the manifest {} {problem}.", path.display()))
            };
            let tried = CarriedFiles::of_manifest(path).map_err(problem)?;
            manifest = tried.manifest_hosts();
            files = Some(files.unwrap_or_default().with_manifest(&tried).map_err(problem)?);
        }
        let is_said = metadata.as_ref().is_some_and(|metadata| metadata.allowed_hosts.is_some());
        if !is_said && manifest.as_ref().is_some_and(|manifest| !manifest.hosts.is_empty()) {
            let (file, shown) = match &paths.manifest {
                Some(path) => (path.as_path(), path.display().to_string()),
                None => (paths.connector.as_path(), "its own file".to_owned()),
            };
            metadata::require_out_of_reach(file, guests, &shown, "Keep it elsewhere").map_err(|problem| {
                let connector = paths.connector.display();
                Failure::config_error(format!("The connector {connector} has a manifest that {problem}."))
            })?;
        }
        Ok(Carrying { metadata, files, manifest })
    }
}
