//! A call of a guest that did not return: a trap, an exit, too little memory, made into a failure that says so.

use std::error::Error;
use std::fmt;

use wasmtime::component::ResourceTableError;
use wasmtime::{Trap, WasmBacktrace};
use wasmtime_wasi::I32Exit;

use crate::protocol::failure::Failure;
use crate::sandbox::{MemoryBudget, MemoryExceeded, is_out_of_memory, machine_has_none};

/// A call carries more than a call may.
#[derive(Debug)]
pub struct CallTooLarge;

impl fmt::Display for CallTooLarge {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a call carries more than a call may")
    }
}

impl Error for CallTooLarge {}

/// What is known of a guest when a call of it did not return.
pub struct Circumstances<'a> {
    /// The connector.
    pub connector: &'a str,
    /// The function that was called.
    pub function: &'a str,
    /// The memory that it may take.
    pub memory: &'a MemoryBudget,
    /// The last that it printed to stderr.
    pub last_errors: &'a str,
}

/// What is told of `error`, which ended a call.
pub fn failure(error: &wasmtime::Error, circumstances: &Circumstances) -> Failure {
    let Circumstances { connector, function, memory, last_errors } = circumstances;
    // Rust's very last line is a note on how to see more.
    let last_line = last_errors.lines().rev().find(|line| !line.is_empty() && !line.starts_with("note: "));
    let said = last_line.map(|line| format!(" It last said: {line}")).unwrap_or_default();
    let message = if let Some(exceeded) = error.downcast_ref::<MemoryExceeded>() {
        exceeded.limit.exceeded(connector)
    } else if is_out_of_memory(error) {
        format!("{}{said}", machine_has_none(connector))
    } else {
        let what = what_happened(error);
        // Most languages crash where they get no memory, and say nothing.
        let memory = memory.refused_growth().map(|text| format!(" Of its memory: {text}.")).unwrap_or_default();
        format!(
            "The connector {connector} {what} in {function}.{memory} This is a defect of the connector: report it to its publisher \
             with the log.{said}"
        )
    };
    let mut failure = Failure::system_error(message);
    let mut internal_message = format!("{:#}", error.root_cause());
    if !last_errors.is_empty() {
        internal_message.push_str("\nIts last words on stderr:\n");
        internal_message.push_str(last_errors);
    }
    failure.internal_message = Some(internal_message);
    failure.stack_trace = error.downcast_ref::<WasmBacktrace>().map(ToString::to_string);
    failure
}

fn what_happened(error: &wasmtime::Error) -> String {
    if let Some(exit) = error.downcast_ref::<I32Exit>() {
        format!("ended its process with exit code {} instead of returning", exit.0)
    } else if let Some(trap) = error.downcast_ref::<Trap>() {
        format!("crashed ({trap})")
    } else if matches!(error.downcast_ref(), Some(ResourceTableError::Full))
        || error.root_cause().to_string().contains("handle limit exceeded")
    {
        format!("has more than {} files, streams and other resources open", super::guest::MAX_RESOURCES)
    } else if error.root_cause().to_string().starts_with("resource limit exceeded") {
        "is made of more instances, tables or memories than a connector may have".to_owned()
    } else if error.is::<CallTooLarge>() || error.root_cause().to_string().contains("fuel allocated for hostcalls") {
        // wasmtime keeps the type of this error to itself.
        "passed more in one call than a record and its batch, or a quarter of its memory, may have (--max-record-bytes and \
         --max-memory raise that)"
            .to_owned()
    } else {
        "broke the contract with its host".to_owned()
    }
}
