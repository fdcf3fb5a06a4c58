//! From a component to native code.

use std::fs::{self, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use wasmtime::Engine;

use super::contract::{self, Role};
use super::engine;
use crate::protocol::failure::Failure;

/// What `compile` makes code for: this machine's architecture, without what only some of its processors can do, so that the
/// file runs on all of them.
pub const PORTABLE_TARGET: &str =
    if cfg!(target_arch = "aarch64") { "aarch64-unknown-linux-gnu" } else { "x86_64-unknown-linux-gnu" };

/// Reads a file and makes sure that it is a component.
pub fn read_component(path: &Path) -> Result<Vec<u8>, Failure> {
    let problem =
        |text: &str| Failure::config_error(format!("The connector {} can not be loaded: it {text}.", path.display()));
    let bytes = fs::read(path).map_err(|error| problem(&format!("can not be read: {error}")))?;
    // The preamble: a magic word, a version, and whether it is a core module (0) or a component (1).
    match bytes.get(..8) {
        Some([0, b'a', b's', b'm', _, _, 1, 0]) => Ok(bytes),
        Some([0, b'a', b's', b'm', ..]) => Err(problem(
            "is a core WebAssembly module, and a connector is a component. In Rust, build it for the target wasm32-wasip2",
        )),
        _ => Err(problem("is no WebAssembly component")),
    }
}

/// Compiles the component at `path` for every machine of this architecture. Gives its code and role.
pub fn compile(path: &Path) -> Result<(Vec<u8>, Role), Failure> {
    let bytes = read_component(path)?;
    let engine = engine::config(Some(PORTABLE_TARGET)).and_then(|config| Engine::new(&config)).map_err(|error| {
        Failure::system_error(format!("The compiler can not be started for {PORTABLE_TARGET}: {error:#}."))
    })?;
    let code = engine.precompile_component(&bytes).map_err(|error| not_compiled(path, &error))?;
    // SAFETY: the code comes from the compiler, one line above, and nobody else has had it.
    let component = unsafe { wasmtime::component::Component::deserialize(&engine, &code) }
        .map_err(|error| not_compiled(path, &error))?;
    let role = contract::role_of(&component, &engine)
        .map_err(|text| Failure::config_error(format!("The component {} {text}.", path.display())))?;
    Ok((code, role))
}

/// Puts code into a file in one step: nobody sees half of it, whoever is killed leaves at most a hidden file that nobody reads,
/// and a process that has the old file mapped keeps it whole.
pub fn write_code(code: &[u8], path: &Path) -> io::Result<()> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(directory)?;
    file.write_all(code)?;
    file.as_file().set_permissions(Permissions::from_mode(0o644))?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

/// The failure to compile a component.
pub fn not_compiled(path: &Path, error: &wasmtime::Error) -> Failure {
    Failure::config_error(format!(
        "The connector {} can not be compiled: it is damaged, or uses what this airlock does not know ({error:#}).",
        path.display()
    ))
}
