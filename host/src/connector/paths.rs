//! The files that a connector is made of on this machine: its own, and what was named to take the place of what it carries. Knows nothing of
//! what is in them.

use std::path::{Path, PathBuf};

/// The component that runs low-code manifests.
const DECLARATIVE: &str = "source-declarative";

/// Where connectors lie beside the binary, as in a checkout.
const CONNECTORS: &str = "connectors";

/// A connector, as it was named.
#[derive(Debug, Clone)]
pub struct ConnectorPaths {
    /// Its file.
    pub connector: PathBuf,
    /// Its metadata; none for what it carries or what lies beside it.
    pub metadata: Option<PathBuf>,
    /// A manifest that is tried in the place of the one that it carries.
    pub manifest: Option<PathBuf>,
}

impl ConnectorPaths {
    /// The metadata that was named, or that lies beside the manifest that was.
    pub(super) fn named_metadata(&self) -> Option<PathBuf> {
        self.metadata.clone().or_else(|| self.manifest.as_deref().and_then(metadata_of_manifest))
    }
}

/// Where the files that a connector carries may lie as such, so that they need not be unpacked: `NAME.files` beside it. Images have them.
pub fn laid_out(connector: &Path) -> PathBuf {
    connector.with_extension("files")
}

/// The `metadata.yaml` beside a manifest. A link that leads nowhere is there as well, and wrong.
pub fn metadata_of_manifest(manifest: &Path) -> Option<PathBuf> {
    let metadata = manifest.with_file_name("metadata.yaml");
    metadata.symlink_metadata().is_ok().then_some(metadata)
}

/// The component that runs low-code manifests, beside this binary. The error is where it was looked for.
pub fn declarative_component() -> Result<PathBuf, String> {
    let binary = std::env::current_exe().and_then(|binary| binary.canonicalize()).map_err(|error| error.to_string())?;
    let directory = binary.parent().unwrap_or(Path::new("/"));
    // What was not compiled is of no use where there is no compiler.
    let endings: &[&str] = if cfg!(feature = "compiler") { &["wasm", "cwasm"] } else { &["cwasm"] };
    let places = [directory.to_owned(), directory.join(CONNECTORS)];
    let mut files =
        places.iter().flat_map(|place| endings.iter().map(move |ending| place.join(format!("{DECLARATIVE}.{ending}"))));
    let found = files.find(|file| file.is_file());
    found.ok_or_else(|| {
        format!("there is no {DECLARATIVE}.{} in {} or {}", endings[0], places[0].display(), places[1].display())
    })
}
