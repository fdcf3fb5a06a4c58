//! Airbyte's destination-local-json: each stream becomes a file of JSON lines in a directory.
//!
//! Here is what is particular to it: its configuration and how a record becomes a line. The directory, the files and
//! everything that keeps them safe are `airlock-local-files`.

mod config;
mod destination;
mod json_lines;
