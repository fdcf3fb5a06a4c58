//! What destinations share that write each stream to a file in a local directory, whatever the file's format is.
//!
//! A destination brings its specification and a [`RecordFormat`]; [`check()`] and [`write()`] do the rest: where the
//! directory is, how the files are called, append, overwrite and refresh by generation, and that nothing that was
//! acknowledged is lost in a crash.
//!
//! From the outside in: `destination` joins the SDK to the rest, `sync` decides when a checkpoint may be committed,
//! `stream_storage` knows the files of one stream and their generations, `stream_file` one open file, and `disk` is the
//! only one that changes files. Only `destination` knows the host; the rest is plain code over a directory. None knows
//! what a record looks like in a file: that is the format's.

mod destination;
mod destination_path;
mod disk;
mod format;
mod generation;
mod names;
mod record_lines;
mod stream_file;
mod stream_storage;
mod sync;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;

pub use destination::{check, specification, write};
pub use format::{RawRecord, RecordFormat};
