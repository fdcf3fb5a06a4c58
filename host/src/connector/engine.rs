//! The engine that compiles and runs guests. One function decides its settings, for every build and for the compiler: code
//! that was compiled with others would be refused, or worse.

use wasmtime::{Config, Engine, ModuleVersionStrategy, WasmBacktraceDetails};

use crate::protocol::failure::Failure;

/// The version of wasmtime in this binary; a test holds it against Cargo.lock.
pub const WASMTIME_VERSION: &str = "48.0.8";

/// What `compile` makes code for: this machine's architecture, without what only some of its processors can do, so that the
/// file runs on all of them.
pub const TARGET: &str =
    if cfg!(target_arch = "aarch64") { "aarch64-unknown-linux-gnu" } else { "x86_64-unknown-linux-gnu" };

/// The settings. `target` is the platform to compile for; none is this machine with all its abilities.
pub fn config(target: Option<&str>) -> wasmtime::Result<Config> {
    let mut config = Config::new();
    // wasmtime itself looks at its major version only, and a patch release may mend the code that it generates.
    let version = format!("airlock {} wasmtime {WASMTIME_VERSION}", env!("CARGO_PKG_VERSION"));
    config.module_version(ModuleVersionStrategy::Custom(version))?;
    // A crash names file and line where the component says them. They are kept in compiled code as well.
    config.wasm_backtrace_details(WasmBacktraceDetails::Enable);
    if let Some(target) = target {
        config.target(target)?;
    }
    Ok(config)
}

/// The engine that runs guests on this machine.
pub fn engine() -> Result<Engine, Failure> {
    config(None).and_then(|config| Engine::new(&config)).map_err(|error| {
        Failure::system_error(format!("The WebAssembly engine can not be started on this machine: {error:#}."))
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_version_is_that_of_the_lock_file() {
        let lock = include_str!("../../../Cargo.lock");
        let (_, package) = lock.split_once("name = \"wasmtime\"\n").unwrap();
        assert!(package.starts_with(&format!("version = \"{}\"", super::WASMTIME_VERSION)));
    }
}
