//! From a file to a component that can be run.

use std::fs;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use wasmtime::component::Component;
use wasmtime::{Engine, Precompiled};

use super::contract::{self, Role};
use super::engine;
use super::metadata::Metadata;
use crate::protocol::failure::Failure;
use crate::protocol::log_level::LogLevel;

/// A connector that can be started.
pub struct Connector {
    pub(super) name: String,
    pub(super) engine: Engine,
    pub(super) component: Component,
    role: Role,
    metadata: Option<Metadata>,
}

impl Connector {
    /// Loads the component at `path`: `.wasm` (compiled, and the code kept for the next time) or `.cwasm` (compiled before).
    /// `airbyte_directory` is where guests may write: nothing in it is ever run as native code.
    pub fn load(path: &Path, airbyte_directory: &Path, log: &dyn Fn(LogLevel, &str)) -> Result<Connector, Failure> {
        let problem = |text: String| {
            Failure::config_error(format!("The connector {} can not be loaded: it {text}.", path.display()))
        };
        if !path.is_file() {
            let text = if path.exists() { "is not a file" } else { "does not exist" };
            return Err(problem(format!("{text}. --connector (or AIRLOCK_CONNECTOR) names a .wasm or .cwasm file")));
        }
        let engine = engine::engine()?;
        let component = if is_native_code(path).map_err(|error| problem(format!("can not be read: {error}")))? {
            from_native_code(path, airbyte_directory, &engine).map_err(problem)?
        } else {
            from_wasm(path, airbyte_directory, &engine, log)?
        };
        let role = contract::role_of(&component, &engine).map_err(problem)?;
        let name = path.file_stem().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        Ok(Connector { name, engine, component, role, metadata: None })
    }

    /// What its metadata says, where it has any.
    pub fn metadata(&self) -> Option<&Metadata> {
        self.metadata.as_ref()
    }

    /// What people call it: by its metadata, with the version, or else by its file.
    pub fn title(&self) -> String {
        let named = self.metadata.as_ref().and_then(|metadata| Some((metadata.name.as_ref()?, &metadata.version)));
        match named {
            Some((name, Some(version))) => format!("{name} {version}"),
            Some((name, None)) => name.clone(),
            None => self.name.clone(),
        }
    }

    /// What it does.
    pub fn role(&self) -> Role {
        self.role
    }
}

/// Whether the file is ELF, as compiled components are.
fn is_native_code(path: &Path) -> std::io::Result<bool> {
    let mut beginning = Vec::new();
    fs::File::open(path)?.take(4).read_to_end(&mut beginning)?;
    Ok(beginning == b"\x7fELF")
}

fn from_native_code(path: &Path, airbyte_directory: &Path, engine: &Engine) -> Result<Component, String> {
    trust(path, airbyte_directory)?;
    if !matches!(Engine::detect_precompiled_file(path), Ok(Some(Precompiled::Component))) {
        return Err("is native code, but not of a component that `airlock compile` compiled".to_owned());
    }
    // SAFETY: wasmtime runs what is in the file as native code. `trust` has refused the files that a guest, or anybody on this
    // machine, could have written; beyond that the user chose the file, as with any program.
    unsafe { Component::deserialize_file(engine, path) }.map_err(|error| {
        format!(
            "was compiled by another airlock or for another machine. Compile it anew with `airlock compile`, or use the .wasm \
             file ({error:#})"
        )
    })
}

/// Refuses files that a guest, or anybody on this machine, could have written or put in the place of what was there.
fn trust(path: &Path, airbyte_directory: &Path) -> Result<(), String> {
    let real = path.canonicalize().map_err(|error| format!("can not be found: {error}"))?;
    let guests = airbyte_directory.canonicalize().map_err(|error| format!("can not be found: {error}"))?;
    if real.starts_with(guests) {
        return Err(format!(
            "is native code in {}, where connectors may write. Keep it elsewhere, or use the .wasm file",
            airbyte_directory.display()
        ));
    }
    for place in real.ancestors() {
        if let Some(problem) = open_to_all(place)? {
            return Err(format!("is native code, and {problem}. Take that right away: chmod o-w {}", place.display()));
        }
    }
    Ok(())
}

/// What is wrong with a file or a directory that everybody may change. In a sticky directory (/tmp) everybody may make files
/// and only owners remove them.
pub(super) fn open_to_all(path: &Path) -> Result<Option<String>, String> {
    let metadata = fs::metadata(path).map_err(|error| format!("{} can not be looked at: {error}", path.display()))?;
    let (writable, sticky) = (metadata.mode() & 0o002 != 0, metadata.is_dir() && metadata.mode() & 0o1000 != 0);
    Ok((writable && !sticky).then(|| format!("{} can be changed by everybody on this machine", path.display())))
}

#[cfg(feature = "compiler")]
fn from_wasm(
    path: &Path,
    airbyte_directory: &Path,
    engine: &Engine,
    log: &dyn Fn(LogLevel, &str),
) -> Result<Component, Failure> {
    let bytes = super::compile::read_component(path)?;
    super::cache::load_or_compile(&bytes, path, airbyte_directory, engine, log)
}

#[cfg(not(feature = "compiler"))]
fn from_wasm(path: &Path, _: &Path, _: &Engine, _: &dyn Fn(LogLevel, &str)) -> Result<Component, Failure> {
    Err(Failure::config_error(format!(
        "The connector {} can not be loaded: it is not compiled, and this airlock was built without its compiler. Compile it \
         with the full one: airlock compile {0}.",
        path.display()
    )))
}
