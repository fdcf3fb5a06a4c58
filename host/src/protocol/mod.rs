//! Airbyte's protocol: what comes in on stdin and in files, what goes out on stdout.
//!
//! Knows the messages, their order and their rules. Knows nothing of WebAssembly, of commands or of how a connector is
//! run. The protocol's definition is `airbyte_protocol.yaml` in Airbyte's airbyte-protocol repository.

pub mod catalog;
pub mod config;
pub mod document;
pub mod failure;
pub mod input;
pub mod log_level;
pub mod message;
pub mod output;
pub mod secret_forms;
pub mod state;
pub mod stream_name;

mod batches;
mod checkpoints;
mod input_message;
mod interruption;
mod lane;
mod queue;
mod record_beginnings;
mod record_lines;
mod secrets;
mod stdout;
mod violation;
mod writer;

pub use interruption::Interruption;
pub use stdout::Stdout;
