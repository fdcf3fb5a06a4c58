//! A connector: loading, compiling, instantiating and calling a component.
//!
//! Gives what a guest says to `protocol` and knows nothing of stdin, stdout or commands.

mod bindings;
mod component;
mod contract;
mod crash;
mod engine;
mod guest;
mod input;
mod instance;
mod metadata;
mod output;
mod talk;

#[cfg(feature = "compiler")]
mod cache;
#[cfg(feature = "compiler")]
mod compile;

#[cfg(feature = "compiler")]
pub use compile::{PORTABLE_TARGET, compile, write_code};
pub use component::Connector;
pub use contract::Role;
pub use instance::{CheckResult, DestinationInstance, Instance, ReadOutcome, SourceInstance};
pub use metadata::{Metadata, MetadataOrigin};
