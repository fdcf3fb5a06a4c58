//! What a guest may touch. Everything is denied but what is granted here: one file a capability.
//!
//! Knows nothing of the protocol's order or of commands.

pub mod capability;
mod carried_directory;
mod environment;
mod filesystem;
mod in_force;
mod interfaces;
mod memory;
mod network;
mod policy;
mod printed;
mod private_directory;
mod time_limit;

use std::sync::Arc;

use wasmtime_wasi::WasiCtx;

pub use environment::Environment;
pub use filesystem::{Filesystem, Mount};
pub use interfaces::add_to_linker;
pub use memory::{
    CountedHeap, ForeignMemory, GuestMemory, LimitOrigin, MemoryBudget, MemoryExceeded, MemoryLimit, MemorySize,
    is_out_of_memory, machine_has_none,
};
pub use network::{
    HttpState, Identity, Network, NetworkEvent, NetworkView, Received, Refusal, TlsError, TlsOptions, TlsSession, Trust,
};
pub use policy::{Author, Ceilings, HostPattern, INJECTED_MANIFEST, NetworkPolicy, PolicyFile, Wishes};
pub use printed::{Channel, Printed, Taken};
pub use private_directory::remove as remove_private_directory;
pub use time_limit::TimeLimit;

/// Everything that one guest may touch.
pub struct Sandbox {
    /// The directories it sees.
    pub filesystem: Filesystem,
    /// The variables it sees.
    pub environment: Environment,
    /// The hosts it reaches.
    pub network: NetworkPolicy,
    /// The memory it may take.
    pub memory: MemoryBudget,
}

/// Builds what WASI gives to a guest: what `sandbox` grants, clocks, random numbers, and streams for what it prints. No
/// arguments, no stdin.
pub fn wasi_context(sandbox: &Sandbox, printed: &Arc<Printed>, network: &Arc<Network>) -> Result<WasiCtx, String> {
    let mut builder = WasiCtx::builder();
    builder
        .stdout(printed.stream(Channel::Stdout))
        .stderr(printed.stream(Channel::Stderr))
        // The thread that runs the guest has nothing else to do, so its file operations need no second thread.
        .allow_blocking_current_thread(true);
    sandbox.environment.grant(&mut builder);
    network.grant(&mut builder);
    sandbox.filesystem.grant(&mut builder)?;
    Ok(builder.build())
}
