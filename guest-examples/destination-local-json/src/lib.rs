//! Airbyte's destination-local-json: each stream becomes a file of JSON lines in a directory.
//!
//! From the outside in: `destination` joins the SDK to the rest, `sync` decides when a checkpoint may be committed,
//! `stream_storage` knows the files of one stream and their generations, `stream_file` one open file, and `disk` is the
//! only one that changes files. Only `destination` knows the host; the rest is plain code over a directory.

mod config;
mod destination;
mod disk;
mod generation;
mod names;
mod raw_record;
mod stream_file;
mod stream_storage;
mod sync;
