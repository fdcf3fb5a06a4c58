//! What a guest may touch. Everything is denied but what is granted here: one file a capability.
//!
//! Knows nothing of the protocol's order or of commands.

mod filesystem;
mod printed;

use std::sync::Arc;

use wasmtime_wasi::WasiCtx;

pub use filesystem::{Filesystem, Mount};
pub use printed::{Channel, Printed};

/// Builds what WASI gives to a guest: the directories of `filesystem`, clocks, random numbers, and streams for what it
/// prints. No network, no environment, no arguments, no stdin.
pub fn wasi_context(filesystem: &Filesystem, printed: &Arc<Printed>) -> Result<WasiCtx, String> {
    let mut builder = WasiCtx::builder();
    builder
        .stdout(printed.stream(Channel::Stdout))
        .stderr(printed.stream(Channel::Stderr))
        // The thread that runs the guest has nothing else to do, so its file operations need no second thread.
        .allow_blocking_current_thread(true);
    filesystem.grant(&mut builder)?;
    Ok(builder.build())
}
