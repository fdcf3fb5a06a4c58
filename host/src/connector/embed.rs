//! Metadata and files become a part of a component, so that a connector stays one file.

use std::path::Path;

use super::carried_files::CarriedFiles;
use super::component_file::ComponentFile;
#[cfg(feature = "compiler")]
use super::contract::Role;
#[cfg(feature = "compiler")]
use super::manifest::ManifestHosts;
use super::metadata;
#[cfg(feature = "compiler")]
use super::metadata::Metadata;
use crate::protocol::failure::Failure;

/// The component at `path` with the `metadata.yaml` at `metadata` and these files in it, each in the place of what it carries; what is not
/// given stays as it is, and no files take those away that are there. All must be right, and for each other.
pub fn embed(path: &Path, metadata: Option<&Path>, files: Option<&CarriedFiles>) -> Result<Vec<u8>, Failure> {
    let file = ComponentFile::read(path)?;
    let role = file
        .interfaces()
        .role()
        .map_err(|text| Failure::config_error(format!("The component {} {text}.", path.display())))?;
    let found = match metadata {
        Some(metadata) => metadata::find(path, role, Some(metadata), None, None)?,
        None => None,
    };
    let metadata = found.as_ref().map(|metadata| metadata.text.as_bytes()).or(file.metadata());
    let section = match files {
        Some(files) if files.is_empty() => None,
        Some(files) => Some(files.to_bytes().map_err(|error| {
            Failure::system_error(format!("The files can not be put into {}: {error}.", path.display()))
        })?),
        None => file.files_section().map(<[u8]>::to_vec),
    };
    Ok(file.with(metadata, section.as_deref()))
}

/// A component that runs manifests, with one of them.
#[cfg(feature = "compiler")]
pub struct WithManifest {
    /// The component.
    pub bytes: Vec<u8>,
    /// Its metadata: what was named, and none of the component's own, which is another connector.
    pub metadata: Option<Metadata>,
    /// The files that it carries.
    pub files: CarriedFiles,
    manifest: ManifestHosts,
}

#[cfg(feature = "compiler")]
impl WithManifest {
    /// The hosts that it asks for, and who says so.
    pub fn hosts(&self) -> (&'static str, &[String]) {
        match self.said() {
            Some(hosts) => ("its metadata", hosts),
            None => ("its manifest", &self.manifest.hosts),
        }
    }

    /// What can not be told of the hosts that it calls, where that matters.
    pub fn warnings(&self) -> &[String] {
        if self.said().is_some() { &[] } else { &self.manifest.warnings }
    }

    fn said(&self) -> Option<&[String]> {
        self.metadata.as_ref()?.allowed_hosts.as_deref()
    }
}

/// The component at `path`, a source that runs manifests, with these files of a manifest and this metadata.
#[cfg(feature = "compiler")]
pub fn embed_manifest(path: &Path, metadata: Option<&Path>, manifest: &CarriedFiles) -> Result<WithManifest, Failure> {
    let problem = |text: String| Failure::config_error(format!("The component {} {text}.", path.display()));
    let file = ComponentFile::read(path)?;
    if file.interfaces().role().map_err(problem)? != Role::Source {
        return Err(problem("is a destination: manifests are run by a source".to_owned()));
    }
    let metadata = match metadata {
        Some(metadata) => metadata::find(path, Role::Source, Some(metadata), None, None)?,
        None => None,
    };
    let carried = file.files(path)?.unwrap_or_default();
    let files = carried
        .with_manifest(manifest)
        .map_err(|text| problem(format!("carries files that, with the manifest, {text}")))?;
    let section = files.to_bytes().map_err(|error| problem(format!("can not carry the manifest: {error}")))?;
    let bytes = file.with(metadata.as_ref().map(|metadata| metadata.text.as_bytes()), Some(&section));
    let manifest = files.manifest_hosts().unwrap_or_default();
    Ok(WithManifest { bytes, metadata, files, manifest })
}
