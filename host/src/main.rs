//! `airlock` runs Airbyte connectors that are WebAssembly components.
//!
//! The way of a command: `cli` reads the command line, `command` runs one of Airbyte's commands, `tool` one of the author's;
//! `protocol` speaks Airbyte, `connector` runs the component, `sandbox` decides what it may touch.

mod cli;
mod command;
mod connector;
mod exit_code;
mod protocol;
mod sandbox;
mod tool;

use std::process::ExitCode;

/// Counted, because the memory limit is over the guest and what the host keeps for it.
#[global_allocator]
static HEAP: sandbox::CountedHeap = sandbox::CountedHeap;

fn main() -> ExitCode {
    match cli::parse() {
        cli::Request::Airbyte(invocation) => command::run(*invocation),
        cli::Request::Tool(request) => tool::run(request),
    }
}
