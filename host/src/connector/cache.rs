//! Code that was compiled once, kept for the user who compiled it, so that the second start is instant.
//!
//! What lies in the cache is native code: it is read only from a directory that the user owns and nobody else may write to.
//! Code is named by its component's content. Links beside it are named by what the system says of a component's file, so that a file
//! that has been seen before need not even be read.

use std::fs::{self, DirBuilder};
use std::hash::{Hash, Hasher};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, symlink};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use wasmtime::Engine;
use wasmtime::component::Component;

use super::carried_files::CarriedFiles;
use super::compile::not_compiled;
use super::compiled_file::{self, Label, Labelled};
use super::component::{Loaded, Told, connector_name, open_to_all};
use super::component_file::ComponentFile;
use super::engine::TARGET;
use super::file_identity::FileIdentity;
use super::metadata::{Carried, Metadata, MetadataOrigin};
use super::whole_file::write_whole;
use crate::protocol::failure::Failure;
use crate::protocol::log_level::LogLevel;

/// Part of every name, for what lies under it: since 3, code has the files that the component carries behind it.
const LAYOUT: u8 = 3;

/// The component in the `.wasm` file at `path` and what it carries, from the cache or compiled and put there. A cache that can not be used
/// costs time only.
pub fn load_or_compile(path: &Path, airbyte_directory: &Path, engine: &Engine, told: &Told) -> Result<Loaded, Failure> {
    let log = told.log;
    let not_kept = |problem: &str| {
        log(LogLevel::Warn, &format!("The compiled connector is not kept for the next start: {problem}."));
    };
    let directory = directory(airbyte_directory).map_err(|problem| not_kept(&problem)).ok();
    // Opened once: at the same path there may be another a moment later.
    let opened = ComponentFile::open(path)?;
    let identity = FileIdentity::of(&opened);
    let link = directory
        .as_ref()
        .zip(identity.as_ref())
        .map(|(directory, identity)| directory.join(name(&identity.bytes(), engine, "link")));
    if let Some((component, labelled)) = link.as_deref().and_then(|link| cached(link, engine, log)) {
        return Ok(Loaded::new(component, labelled));
    }
    let file = ComponentFile::read_opened(&opened, path)?;
    let files = file.files(path)?;
    let place = directory.map(|directory| directory.join(code_name(&file, engine)));
    let found = place.as_deref().and_then(|place| cached(place, engine, log));
    let component = match found {
        Some((component, _)) => component,
        None => {
            let code = compile(&file, path, engine, told)?;
            if let Some(place) = &place
                && let Err(error) = keep(&code, &file, files.as_ref(), place)
            {
                not_kept(&format!("{} can not be written: {error}", place.display()));
            }
            // SAFETY: the code comes from the compiler, some lines above.
            unsafe { Component::deserialize(engine, &code) }.map_err(|error| not_compiled(path, &error))?
        }
    };
    // What was written to while it was read is not what it was.
    if let (Some(link), Some(place)) = (link, place)
        && FileIdentity::of(&opened) == identity
        && let Err(error) = point_to(&link, &place, &file)
    {
        log(LogLevel::Debug, &format!("{} can not be made: {error}.", link.display()));
    }
    let metadata = file.metadata().map(|text| Carried::Text(text.to_vec()));
    let manifest = files.as_ref().and_then(CarriedFiles::manifest_hosts);
    Ok(Loaded { component, interfaces: file.interfaces().clone(), metadata, files, manifest })
}

/// What lies at a place of the cache, if it is there and whole.
fn cached(place: &Path, engine: &Engine, log: &dyn Fn(LogLevel, &str)) -> Option<(Component, Labelled)> {
    if !place.exists() {
        return None;
    }
    let labelled = compiled_file::read_label(place)
        .and_then(|labelled| labelled.label.require_ours().map(|()| labelled))
        .map_err(|problem| log(LogLevel::Debug, &format!("{} {problem}.", place.display())))
        .ok()?;
    // SAFETY: neither guests nor strangers can write to the directory or put another in its place (`directory` looked). What is
    // there was put there whole, under a name that holds the hash of the component and of the compiler, and the checksum says that
    // it still is what it was. A link leads to such a name.
    let component = unsafe { Component::deserialize_file(engine, place) }
        .map_err(|error| log(LogLevel::Debug, &format!("{} is of no use: {error:#}", place.display())))
        .ok()?;
    Some((component, labelled))
}

fn compile(file: &ComponentFile, path: &Path, engine: &Engine, told: &Told) -> Result<Vec<u8>, Failure> {
    (told.log)(LogLevel::Debug, &format!("Compiling {} …", path.display()));
    let megabytes = file.bytes().len() as f64 / 1e6;
    (told.waiting)(Some(&format!("Compiling {} ({megabytes:.1} MB), once …", connector_name(path))));
    let code = engine.precompile_component(file.bytes());
    (told.waiting)(None);
    code.map_err(|error| not_compiled(path, &error))
}

/// Whether the code of `file` is in the cache, whole.
pub fn holds(file: &ComponentFile, engine: &Engine) -> bool {
    let usable = |directory: &PathBuf| trust(directory).is_ok();
    let place = place().ok().filter(usable).map(|directory| directory.join(code_name(file, engine)));
    place.is_some_and(|cached| compiled_file::read_label(&cached).is_ok())
}

/// Puts code into the cache.
fn keep(code: &[u8], file: &ComponentFile, files: Option<&CarriedFiles>, place: &Path) -> io::Result<()> {
    let label = Label::new(TARGET, file.interfaces().clone(), readable_metadata(file));
    write_whole(place, &[code, &label.behind(code, files)?])
}

/// The metadata as the label can have it. What can not be read is none there: it is told each time, of the file itself.
fn readable_metadata(file: &ComponentFile) -> Option<Metadata> {
    Metadata::parse(file.metadata()?, MetadataOrigin::Connector).ok()
}

/// Makes a file's identity lead to its code. A link is there whole or not at all.
fn point_to(link: &Path, place: &Path, file: &ComponentFile) -> io::Result<()> {
    if file.metadata().is_some() && readable_metadata(file).is_none() {
        // The label does not have it, so the file itself must be read.
        return Ok(());
    }
    match symlink(place.file_name().unwrap_or_default(), link) {
        // It leads to code that was taken away, or damaged, and has just been put there again.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        result => result,
    }
}

/// The user's own directory for this.
fn place() -> Result<PathBuf, String> {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = absolute("XDG_CACHE_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".cache")))
        .ok_or("neither XDG_CACHE_HOME nor HOME names a directory")?;
    Ok(base.join("airlock").join("components"))
}

/// The same, made if it is not there, and safe to use.
fn directory(airbyte_directory: &Path) -> Result<PathBuf, String> {
    let directory = place()?;
    let made = DirBuilder::new().recursive(true).mode(0o700).create(&directory).and_then(|()| directory.canonicalize());
    let directory = made.map_err(|error| format!("{} can not be made: {error}", directory.display()))?;
    if let Ok(guests) = airbyte_directory.canonicalize()
        && (directory.starts_with(&guests) || guests.starts_with(&directory))
    {
        return Err(format!("{} is where the connector may write", directory.display()));
    }
    trust(&directory)?;
    Ok(directory)
}

/// Refuses a directory in which, or in the place of which, others could put code of theirs.
fn trust(directory: &Path) -> Result<(), String> {
    let (user, root) = (rustix::process::geteuid().as_raw(), 0);
    for place in directory.ancestors() {
        let owner = fs::metadata(place).map_err(|error| format!("{}: {error}", place.display()))?.uid();
        if owner != user && owner != root {
            return Err(format!("{} belongs to another user", place.display()));
        }
        if let Some(problem) = open_to_all(place)? {
            return Err(problem);
        }
    }
    Ok(())
}

/// Names the code of a component as this engine compiles it.
fn code_name(file: &ComponentFile, engine: &Engine) -> String {
    name(file.bytes(), engine, "cwasm")
}

fn name(bytes: &[u8], engine: &Engine, extension: &str) -> String {
    struct Sha256Hasher(Sha256);
    impl Hasher for Sha256Hasher {
        fn write(&mut self, bytes: &[u8]) {
            self.0.update(bytes);
        }
        fn finish(&self) -> u64 {
            0
        }
    }
    let mut hasher = Sha256Hasher(Sha256::new());
    hasher.write(&[LAYOUT]);
    engine.precompile_compatibility_hash().hash(&mut hasher);
    // The compatibility hash has its own version strategy in it; wasmtime's full version is part of that.
    hasher.write(bytes);
    let hash: String = hasher.0.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{hash}.{extension}")
}
