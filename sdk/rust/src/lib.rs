//! Write Airbyte connectors for Airlock in Rust.
//!
//! A connector implements [`Source`] or [`Destination`], names it in [`export_source!`] or [`export_destination!`], and
//! is built as a `cdylib` for `wasm32-wasip2`. The host keeps the Airbyte protocol; the connector moves data.
//!
//! A whole source:
//!
//! ```
#![doc = include_str!("../examples/counter.rs")]
//! ```

#[doc(hidden)]
pub mod bindings;
mod catalog;
mod connector;
#[doc(hidden)]
pub mod export;
mod failure;
mod host;
pub mod http;
mod input;
mod intent;
mod json_line;
mod logging;
mod pace;
mod platform;
mod schema;
mod specification;
mod state;
mod stream_name;
mod stream_writer;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;
pub mod tls;
mod whole_number;

pub use catalog::{Catalog, ConfiguredCatalog, ConfiguredStream, DestinationSyncMode, Stream, SyncMode};
pub use connector::{Destination, IndependentStreams, Source};
pub use failure::{Failure, FailureKind, Interruption, Result, config_error, system_error, transient_error};
pub use input::{Checkpoint, CheckpointScope, Input, Item, Items, Record, RecordBatch, StreamEnd};
pub use intent::{Generation, Intent};
pub use platform::{analytics, config_changed, time, wait};
pub use specification::Specification;
pub use state::{GlobalState, SavedState};
pub use stream_name::StreamName;
pub use stream_writer::{Annotation, StreamWriter, global_checkpoint};
pub use whole_number::WholeNumber;
