//! From a component to native code.

use std::path::Path;

use wasmtime::Engine;

use super::compiled_file::Label;
use super::component_file::ComponentFile;
use super::contract::Role;
use super::engine;
use super::metadata::{self, Metadata};
use crate::protocol::failure::Failure;

/// A component that was compiled for every machine of an architecture.
pub struct Compiled {
    /// Its native code, and what belongs behind it in the file.
    pub file: [Vec<u8>; 2],
    /// What the connector does.
    pub role: Role,
    /// What the compiled file carries.
    pub metadata: Option<Metadata>,
}

/// Compiles the component at `path` for `target`, as in `x86_64-unknown-linux-gnu`. Its metadata is what it would run with: what was named, what it carries, or what lies
/// beside it, but nothing out of `airbyte_directory`, where guests may write.
pub fn compile(
    path: &Path,
    named_metadata: Option<&Path>,
    airbyte_directory: Option<&Path>,
    target: &str,
) -> Result<Compiled, Failure> {
    let component_file = ComponentFile::read(path)?;
    let interfaces = component_file.interfaces().clone();
    let role =
        interfaces.role().map_err(|text| Failure::config_error(format!("The component {} {text}.", path.display())))?;
    let metadata = metadata::find(path, role, named_metadata, component_file.metadata(), airbyte_directory)?;
    let engine = engine::config(Some(target))
        .and_then(|config| Engine::new(&config))
        .map_err(|error| Failure::system_error(format!("The compiler can not be started for {target}: {error:#}.")))?;
    let code = engine.precompile_component(component_file.bytes()).map_err(|error| not_compiled(path, &error))?;
    let label = Label::new(target, interfaces, metadata.as_ref().map(|metadata| metadata.text.clone()));
    let behind = label.behind(&code).map_err(|error| {
        Failure::system_error(format!("The compiled connector {} can not be labelled: {error}.", path.display()))
    })?;
    Ok(Compiled { file: [code, behind], role, metadata })
}

/// The failure to compile a component.
pub fn not_compiled(path: &Path, error: &wasmtime::Error) -> Failure {
    Failure::config_error(format!(
        "The connector {} can not be compiled: it is damaged, or uses what this airlock does not know ({error:#}).",
        path.display()
    ))
}
