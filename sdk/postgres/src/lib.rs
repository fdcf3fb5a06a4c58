//! PostgreSQL for connectors: a connection, queries as text, and COPY in both directions, over a socket of the standard
//! library. Synchronous, for a component has one thread; TLS is the host's ([`airlock_sdk::tls`]).
//!
//! From the outside in: `options` say whom to speak to, `ssl_mode` how Airbyte's users say how safely, `dial` opens the socket and agrees on TLS, `wire` cuts the bytes into
//! messages, `authentication` logs in, `connection` holds what is known of the server; `query`, `copy_out`, `binary_rows` and
//! `copy_in` are what can be asked; `error` says what went wrong and `failure` whose fault that is.
//!
//! A server is not trusted: whatever it sends ends in rows or in an error, and memory grows with what came, never with what
//! was announced. While a server is waited for, an interruption of the sync is heard within half a second.
//!
//! Knows nothing of streams, catalogs and records.

mod authentication;
mod binary_rows;
mod connection;
mod copy_in;
mod copy_out;
mod dial;
mod error;
mod failure;
mod options;
mod query;
mod quote;
mod socket;
mod ssl_mode;
#[cfg(test)]
mod tests;
mod wire;

pub use binary_rows::{BinaryRow, BinaryRows};
pub use connection::Connection;
pub use copy_in::CopyIn;
pub use copy_out::CopyOut;
pub use error::{Error, Result, ServerError, UnreachableReason};
pub use options::{ConnectOptions, Encryption};
pub use query::{Row, Rows};
pub use quote::{quote_identifier, quote_literal};
pub use ssl_mode::SslMode;
