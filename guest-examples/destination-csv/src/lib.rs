//! Airbyte's destination-csv: each stream becomes a CSV file in a directory.
//!
//! Here is what is particular to it: its configuration and how a record becomes a row. The directory, the files and
//! everything that keeps them safe are `airlock-local-files`.

mod config;
mod csv_rows;
mod destination;
