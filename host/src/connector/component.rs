//! From a file to a component that can be run.

use std::fs;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use wasmtime::Engine;
use wasmtime::component::Component;

use super::carried::{Carries, Carrying};
use super::carried_files::CarriedFiles;
use super::compiled_file::{self, Labelled};
use super::contract::{Interfaces, Role};
use super::engine;
use super::manifest::ManifestHosts;
use super::metadata::{Carried, Metadata};
use super::paths::ConnectorPaths;
use crate::protocol::failure::Failure;
use crate::protocol::log_level::LogLevel;

/// Whom the loading of a connector tells what happens. What is compiled before has nothing to tell.
#[cfg_attr(not(feature = "compiler"), expect(dead_code))]
pub struct Told<'a> {
    /// For the log.
    pub log: &'a dyn Fn(LogLevel, &str),
    /// What a person now waits for, and none when it is over.
    pub waiting: &'a dyn Fn(Option<&str>),
}

/// A connector that can be started.
pub struct Connector {
    pub(super) name: String,
    pub(super) engine: Engine,
    pub(super) component: Component,
    pub(super) interfaces: Interfaces,
    role: Role,
    metadata: Option<Metadata>,
    files: Option<CarriedFiles>,
    manifest: Option<ManifestHosts>,
}

/// What a connector's file holds.
pub(super) struct Loaded {
    pub component: Component,
    pub interfaces: Interfaces,
    pub metadata: Option<Carried>,
    pub files: Option<CarriedFiles>,
    /// The hosts that the manifest among the files calls.
    pub manifest: Option<ManifestHosts>,
}

impl Loaded {
    /// From a compiled file.
    pub fn new(component: Component, Labelled { label, files }: Labelled) -> Loaded {
        let metadata = label.metadata.map(Carried::Read);
        Loaded { component, interfaces: label.interfaces, metadata, files, manifest: label.manifest }
    }
}

impl Connector {
    /// Loads a component: `.wasm` (compiled, and the code kept for the next time) or `.cwasm` (compiled before). `airbyte_directory` is where
    /// guests may write: nothing in it is ever run as native code, or taken for metadata or a manifest that asks for hosts.
    pub fn load(paths: &ConnectorPaths, airbyte_directory: &Path, told: &Told) -> Result<Connector, Failure> {
        let path = paths.connector.as_path();
        let problem = |text: String| {
            Failure::config_error(format!("The connector {} can not be loaded: it {text}.", path.display()))
        };
        require_file(path)?;
        let engine = engine::engine()?;
        let loaded = if is_native_code(path)? {
            from_native_code(path, Some(airbyte_directory), &engine).map_err(problem)?
        } else {
            from_wasm(path, airbyte_directory, &engine, told)?
        };
        let Loaded { component, interfaces, metadata, files, manifest } = loaded;
        let role = interfaces.role().map_err(problem)?;
        let carried = Carries { metadata, files, manifest };
        let Carrying { metadata, files, manifest } = carried.with_named(paths, role, Some(airbyte_directory))?;
        Ok(Connector { name: connector_name(path), engine, component, interfaces, role, metadata, files, manifest })
    }

    /// The hosts that its manifest calls, where it carries one or was given one.
    pub fn manifest(&self) -> Option<&ManifestHosts> {
        self.manifest.as_ref()
    }

    /// The files that it carries, which its guest finds below `/connector`. Given once: they are not kept during a sync.
    pub fn take_files(&mut self) -> Option<CarriedFiles> {
        self.files.take()
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

    /// Whether it says that its streams can be read at once, by several instances.
    pub fn independent_streams(&self) -> bool {
        self.interfaces.independent_streams()
    }
}

/// Refuses what is no file. (A directory or a pipe would give a strange error later, or none.)
pub(super) fn require_file(path: &Path) -> Result<(), Failure> {
    if path.is_file() {
        return Ok(());
    }
    let text = if path.exists() { "is not a file" } else { "does not exist" };
    Err(Failure::config_error(format!(
        "The connector {} can not be loaded: it {text}. --connector (or AIRLOCK_CONNECTOR) names a .wasm or .cwasm file.",
        path.display()
    )))
}

/// The name of a connector in messages: that of its file.
pub fn connector_name(path: &Path) -> String {
    path.file_stem().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

/// Whether the file is ELF, as compiled components are.
pub(super) fn is_native_code(path: &Path) -> Result<bool, Failure> {
    let mut beginning = Vec::new();
    fs::File::open(path).and_then(|file| file.take(4).read_to_end(&mut beginning)).map_err(|error| {
        Failure::config_error(format!(
            "The connector {} can not be loaded: it can not be read: {error}.",
            path.display()
        ))
    })?;
    Ok(beginning == b"\x7fELF")
}

/// Loads a compiled file that is whole, of this airlock, and where no guest could have written it. The error is the rest of a
/// sentence.
fn from_native_code(path: &Path, airbyte_directory: Option<&Path>, engine: &Engine) -> Result<Loaded, String> {
    trust(path, airbyte_directory)?;
    let labelled = compiled_file::read_label(path)?;
    labelled.label.require_ours()?;
    // SAFETY: wasmtime runs what is in the file as native code. `trust` has refused the files that a guest, or anybody on this
    // machine, could have written, and the checksum those that are damaged; beyond that the user chose the file, as with any
    // program.
    let component = unsafe { Component::deserialize_file(engine, path) }.map_err(|error| {
        format!(
            "was compiled by another airlock or for another machine. Compile it anew with `airlock compile`, or use the .wasm \
             file ({error:#})"
        )
    })?;
    Ok(Loaded::new(component, labelled))
}

/// Refuses files that a guest, or anybody on this machine, could have written or put in the place of what was there.
pub(super) fn trust(path: &Path, airbyte_directory: Option<&Path>) -> Result<(), String> {
    let found = |path: &Path| path.canonicalize().map_err(|error| format!("can not be found: {error}"));
    let real = found(path)?;
    if let Some(guests) = airbyte_directory
        && real.starts_with(found(guests)?)
    {
        return Err(format!(
            "is native code in {}, where connectors may write. Keep it elsewhere, or use the .wasm file",
            guests.display()
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
fn from_wasm(path: &Path, airbyte_directory: &Path, engine: &Engine, told: &Told) -> Result<Loaded, Failure> {
    super::cache::load_or_compile(path, airbyte_directory, engine, told)
}

#[cfg(not(feature = "compiler"))]
fn from_wasm(path: &Path, _: &Path, _: &Engine, _: &Told) -> Result<Loaded, Failure> {
    Err(Failure::config_error(format!(
        "The connector {} can not be loaded: it is not compiled, and this airlock was built without its compiler. Compile it \
         with the full one: airlock compile {0}.",
        path.display()
    )))
}
