//! Code that was compiled once, kept for the user who compiled it, so that the second start is instant.
//!
//! What lies in the cache is native code: it is read only from a directory that the user owns and nobody else may write to.

use std::fs::{self, DirBuilder};
use std::hash::{Hash, Hasher};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use wasmtime::Engine;
use wasmtime::component::Component;

use super::compile::not_compiled;
use super::compiled_file::{self, Label};
use super::component::open_to_all;
use super::component_file::ComponentFile;
use super::engine::TARGET;
use super::whole_file::write_whole;
use crate::protocol::failure::Failure;
use crate::protocol::log_level::LogLevel;

/// The component of `file`, from the cache or compiled and put there. A cache that can not be used costs time only.
pub fn load_or_compile(
    file: &ComponentFile,
    path: &Path,
    airbyte_directory: &Path,
    engine: &Engine,
    log: &dyn Fn(LogLevel, &str),
) -> Result<Component, Failure> {
    let cached = match directory(airbyte_directory) {
        Ok(directory) => Some(directory.join(key(file.bytes(), engine))),
        Err(problem) => {
            log(LogLevel::Warn, &format!("The compiled connector is not kept for the next start: {problem}."));
            None
        }
    };
    if let Some(cached) = cached.as_deref().filter(|cached| cached.exists()) {
        match compiled_file::read_label(cached) {
            // SAFETY: neither guests nor strangers can write to the directory or put another in its place (`directory` looked).
            // What is there was put there whole, under a name that holds the hash of the component and of the compiler, and the
            // checksum says that it still is what it was.
            Ok(_) => match unsafe { Component::deserialize_file(engine, cached) } {
                Ok(component) => return Ok(component),
                Err(error) => log(LogLevel::Debug, &format!("{} is of no use: {error:#}", cached.display())),
            },
            Err(problem) => log(LogLevel::Debug, &format!("{} {problem}.", cached.display())),
        }
    }
    log(LogLevel::Debug, &format!("Compiling {} …", path.display()));
    let code = engine.precompile_component(file.bytes()).map_err(|error| not_compiled(path, &error))?;
    if let Some(cached) = &cached
        && let Err(error) = keep(&code, file, cached)
    {
        log(
            LogLevel::Warn,
            &format!(
                "The compiled connector is not kept for the next start: {} can not be written: {error}.",
                cached.display()
            ),
        );
    }
    // SAFETY: the code comes from the compiler, some lines above.
    unsafe { Component::deserialize(engine, &code) }.map_err(|error| not_compiled(path, &error))
}

/// Whether the code of `file` is in the cache, whole.
pub fn holds(file: &ComponentFile, engine: &Engine) -> bool {
    let usable = |directory: &PathBuf| trust(directory).is_ok();
    let place = place().ok().filter(usable).map(|directory| directory.join(key(file.bytes(), engine)));
    place.is_some_and(|cached| compiled_file::read_label(&cached).is_ok())
}

/// Puts code into the cache.
fn keep(code: &[u8], file: &ComponentFile, place: &Path) -> io::Result<()> {
    // The component is at hand wherever its code is asked for, so the label need not repeat its metadata.
    let label = Label::new(TARGET, file.interfaces().clone(), None);
    write_whole(place, &[code, &label.behind(code)?])
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
fn key(bytes: &[u8], engine: &Engine) -> String {
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
    engine.precompile_compatibility_hash().hash(&mut hasher);
    // The compatibility hash has its own version strategy in it; wasmtime's full version is part of that.
    hasher.write(bytes);
    let hash: String = hasher.0.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{hash}.cwasm")
}
