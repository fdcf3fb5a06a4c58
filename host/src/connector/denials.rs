//! A guest that fails after the sandbox refused it something: the failure says so, for that is most often why.

use crate::protocol::failure::{Failure, FailureKind};
use crate::sandbox::Refusal;

/// A guest's own failure, with what it was refused last.
pub fn explain_failure(mut failure: Failure, refusal: Option<&Refusal>) -> Failure {
    failure.message = explain(failure.message, refusal);
    failure
}

/// A crash, with what the guest was refused last: a guest that knows no better than to crash does it for that, and the user can
/// change it. Where it was the memory that did not suffice, that was it.
pub fn explain_crash(failure: Failure, error: &wasmtime::Error, refusal: Option<&Refusal>) -> Failure {
    let by_itself = error.is::<wasmtime::Trap>() || error.is::<wasmtime_wasi::I32Exit>();
    let kind = if by_itself && refusal.is_some() { FailureKind::Config } else { failure.kind };
    Failure { kind, ..explain_failure(failure, refusal) }
}

/// What a guest says of its failure, with what it was refused last.
pub fn explain(message: String, refusal: Option<&Refusal>) -> String {
    match refusal {
        Some(refusal) => format!("{message} The sandbox refused it {refusal}"),
        None => message,
    }
}
