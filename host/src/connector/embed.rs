//! Metadata becomes a part of a component, so that a connector stays one file.

use std::path::Path;

use super::component_file::ComponentFile;
use super::metadata;
use crate::protocol::failure::Failure;

/// The component at `path` with the `metadata.yaml` at `metadata` in it, in the place of what it carries. Both must be right,
/// and for each other.
pub fn embed(path: &Path, metadata: &Path) -> Result<Vec<u8>, Failure> {
    let file = ComponentFile::read(path)?;
    let role = file
        .interfaces()
        .role()
        .map_err(|text| Failure::config_error(format!("The component {} {text}.", path.display())))?;
    let found = metadata::find(path, role, Some(metadata), None, None)?;
    Ok(found.map_or_else(|| file.bytes().to_vec(), |metadata| file.with_metadata(metadata.text.as_bytes())))
}
