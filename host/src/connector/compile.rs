//! From a component to native code.

use std::path::{Path, PathBuf};

use wasmtime::Engine;

use super::carried_files::CarriedFiles;
use super::compiled_file::Label;
use super::component_file::ComponentFile;
use super::contract::Role;
use super::engine;
use super::manifest::ManifestHosts;
use super::metadata::{self, Carried, Metadata};
use crate::protocol::failure::Failure;

/// A component that was read and checked, and can be compiled for one platform or for several.
pub struct UncompiledConnector {
    path: PathBuf,
    file: ComponentFile,
    role: Role,
    metadata: Option<Metadata>,
    files: Option<CarriedFiles>,
    manifest: Option<ManifestHosts>,
}

/// A `.cwasm`: native code, and what belongs behind it.
pub type CompiledCode = [Vec<u8>; 2];

impl UncompiledConnector {
    /// Reads the component at `path`. Its metadata is what it would run with: what was named, what it carries, or what lies
    /// beside it, but nothing out of `airbyte_directory`, where guests may write.
    pub fn read(
        path: &Path,
        named_metadata: Option<&Path>,
        airbyte_directory: Option<&Path>,
    ) -> Result<UncompiledConnector, Failure> {
        let file = ComponentFile::read(path)?;
        let role = file
            .interfaces()
            .role()
            .map_err(|text| Failure::config_error(format!("The component {} {text}.", path.display())))?;
        let carried = file.metadata().map(|text| Carried::Text(text.to_vec()));
        let metadata = metadata::find(path, role, named_metadata, carried, airbyte_directory)?;
        let files = file.files(path)?;
        let manifest = files.as_ref().and_then(CarriedFiles::manifest_hosts);
        Ok(UncompiledConnector { path: path.to_owned(), file, role, metadata, files, manifest })
    }

    /// What the connector does.
    pub fn role(&self) -> Role {
        self.role
    }

    /// What the compiled file will carry.
    pub fn metadata(&self) -> Option<&Metadata> {
        self.metadata.as_ref()
    }

    /// The files that the compiled file will carry.
    pub fn files(&self) -> Option<&CarriedFiles> {
        self.files.as_ref()
    }

    /// The hosts that the manifest that it carries calls, where it carries one and no metadata says which hosts it needs.
    pub fn hosts_of_manifest(&self) -> Option<&[String]> {
        let said = self.metadata.as_ref().is_some_and(|metadata| metadata.allowed_hosts.is_some());
        self.manifest.as_ref().filter(|_| !said).map(|manifest| manifest.hosts.as_slice())
    }

    /// Its code for every machine of `target`, as in `x86_64-unknown-linux-gnu`.
    pub fn compile(&self, target: &str) -> Result<CompiledCode, Failure> {
        let engine = engine::config(Some(target)).and_then(|config| Engine::new(&config)).map_err(|error| {
            Failure::system_error(format!("The compiler can not be started for {target}: {error:#}."))
        })?;
        let code = engine.precompile_component(self.file.bytes()).map_err(|error| not_compiled(&self.path, &error))?;
        let label = Label::new(target, self.file.interfaces().clone(), self.metadata.clone());
        let behind = label.behind(&code, self.files.as_ref()).map_err(|error| {
            Failure::system_error(format!(
                "The compiled connector {} can not be labelled: {error}.",
                self.path.display()
            ))
        })?;
        Ok([code, behind])
    }
}

/// The failure to compile a component.
pub fn not_compiled(path: &Path, error: &wasmtime::Error) -> Failure {
    Failure::config_error(format!(
        "The connector {} can not be compiled: it is damaged, or uses what this airlock does not know ({error:#}).",
        path.display()
    ))
}
