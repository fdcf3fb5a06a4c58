//! What a connector is, read from its file without starting it, and without compiling it.

use std::fs;
use std::path::Path;

use super::carried::{Carries, Carrying};
use super::carried_files::{CarriedFile, CarriedFiles};
use super::compiled_file::{self, Labelled};
use super::component;
use super::component_file::ComponentFile;
use super::contract::Role;
use super::manifest::ManifestHosts;
use super::metadata::{Carried, Metadata};
use super::paths::ConnectorPaths;
use crate::protocol::failure::Failure;

/// What a connector's file says, and what is to be said of the file.
pub struct Description {
    /// What the connector does.
    pub role: Role,
    /// The version of the contract that it was built for.
    pub contract_version: String,
    /// Whether its streams can be read at once.
    pub independent_streams: bool,
    /// The interfaces that it asks for.
    pub imports: Vec<String>,
    /// Its metadata.
    pub metadata: Option<Metadata>,
    /// The files that it carries.
    pub files: Vec<CarriedFile>,
    /// The hosts that the manifest among them calls, if there is one.
    pub manifest: Option<ManifestHosts>,
    /// The file's length in bytes.
    pub size: u64,
    /// Whether it is compiled.
    pub code: Code,
}

/// How far a connector's file is from running.
pub enum Code {
    /// It is a component.
    Component {
        /// Whether its code for this machine is in the user's cache.
        cached: bool,
    },
    /// It was compiled ahead of time.
    Compiled {
        /// For which platform.
        target: String,
        /// By which airlock.
        airlock: String,
        /// With which wasmtime.
        wasmtime: String,
        /// Why it does not run on this machine; none if it does.
        problem: Option<String>,
    },
}

/// Describes a connector. `airbyte_directory` is the one that it would be run with.
pub fn describe(paths: &ConnectorPaths, airbyte_directory: Option<&Path>) -> Result<Description, Failure> {
    let path = paths.connector.as_path();
    let problem =
        |text: String| Failure::config_error(format!("The connector {} can not be run: it {text}.", path.display()));
    component::require_file(path)?;
    let size = fs::metadata(path).map_err(|error| problem(format!("can not be looked at: {error}")))?.len();
    let (interfaces, carried, files, manifest, code) = if component::is_native_code(path)? {
        let Labelled { label, files } = compiled_file::read_label(path).map_err(problem)?;
        // Its label says it: a stranger's native code is not even loaded in order to be looked at.
        let problem = component::trust(path, airbyte_directory).and_then(|()| label.require_ours()).err();
        let code = Code::Compiled { target: label.target, airlock: label.airlock, wasmtime: label.wasmtime, problem };
        (label.interfaces, label.metadata.map(Carried::Read), files, label.manifest, code)
    } else {
        let file = ComponentFile::read(path)?;
        let carried = file.metadata().map(|text| Carried::Text(text.to_vec()));
        let files = file.files(path)?;
        let manifest = files.as_ref().and_then(CarriedFiles::manifest_hosts);
        (file.interfaces().clone(), carried, files, manifest, Code::Component { cached: is_cached(&file)? })
    };
    let role = interfaces.role().map_err(problem)?;
    let contract_version = interfaces.contract_version(role).unwrap_or_default().to_owned();
    let carried = Carries { metadata: carried, files, manifest };
    let Carrying { metadata, files, manifest } = carried.with_named(paths, role, airbyte_directory)?;
    let independent_streams = interfaces.independent_streams();
    let files = files.map_or_else(Vec::new, |files| files.files().to_vec());
    let imports = interfaces.imports;
    Ok(Description { role, contract_version, independent_streams, imports, metadata, files, manifest, size, code })
}

#[cfg(feature = "compiler")]
fn is_cached(file: &ComponentFile) -> Result<bool, Failure> {
    Ok(super::cache::holds(file, &super::engine::engine()?))
}

/// Without the compiler there is no cache either.
#[cfg(not(feature = "compiler"))]
fn is_cached(_: &ComponentFile) -> Result<bool, Failure> {
    Ok(false)
}
