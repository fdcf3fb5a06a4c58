//! A call of a guest that did not return: a trap, an exit, an out-of-memory, made into a failure that says so.

use wasmtime::{Trap, WasmBacktrace};
use wasmtime_wasi::I32Exit;

use crate::protocol::failure::Failure;

/// What is told of `error`, which ended the call of `function` of `connector`. `last_errors` is what it printed before.
pub fn failure(connector: &str, function: &str, error: &wasmtime::Error, last_errors: &str) -> Failure {
    let what = if let Some(exit) = error.downcast_ref::<I32Exit>() {
        format!("ended its process with exit code {} instead of returning", exit.0)
    } else if let Some(trap) = error.downcast_ref::<Trap>() {
        format!("crashed ({trap})")
    } else if error.root_cause().to_string().contains("fuel allocated for hostcalls") {
        // wasmtime keeps the type of this error to itself.
        "passed more in one call than a record and its batch may have (--max-record-bytes raises that)".to_owned()
    } else {
        "broke the contract with its host".to_owned()
    };
    // Rust's very last line is a note on how to see more.
    let last_line = last_errors.lines().rev().find(|line| !line.is_empty() && !line.starts_with("note: "));
    let said = last_line.map(|line| format!(" It last said: {line}")).unwrap_or_default();
    let mut failure = Failure::system_error(format!(
        "The connector {connector} {what} in {function}. This is a defect of the connector: report it to its publisher with \
         the log.{said}"
    ));
    let mut internal_message = format!("{:#}", error.root_cause());
    if !last_errors.is_empty() {
        internal_message.push_str("\nIts last words on stderr:\n");
        internal_message.push_str(last_errors);
    }
    failure.internal_message = Some(internal_message);
    failure.stack_trace = error.downcast_ref::<WasmBacktrace>().map(ToString::to_string);
    failure
}
