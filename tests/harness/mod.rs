//! How the tests run the built `airlock` binary, and what they look at afterwards. Every line that an Airbyte command prints
//! is held against the schema of the protocol, in every test.

pub mod certificates;
pub mod documents;
pub mod golden;
pub mod lines;
pub mod postgres;
pub mod process;
pub mod protocol;
pub mod registry;
pub mod server;
pub mod workspace;

pub use process::{Airlock, Finished};
pub use workspace::Workspace;

use std::path::PathBuf;

/// What `cargo xtask build` made: `AIRLOCK_DIST`, or `dist/` of this checkout.
pub fn dist() -> PathBuf {
    let dist = std::env::var_os("AIRLOCK_DIST").map(PathBuf::from);
    dist.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../dist"))
}

fn built(path: &str) -> PathBuf {
    let path = dist().join(path);
    assert!(path.exists(), "{} is not there: run `cargo xtask build` first", path.display());
    path.canonicalize().unwrap()
}

/// The binary.
pub fn airlock_binary() -> PathBuf {
    built("airlock")
}

/// A connector of `guest-examples/`.
pub fn connector(name: &str) -> PathBuf {
    built(&format!("connectors/{name}.wasm"))
}

/// A guest of `tests/guests/`, made to do what no connector should.
pub fn test_guest(name: &str) -> PathBuf {
    built(&format!("test-guests/{name}.wasm"))
}
