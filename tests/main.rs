//! Airlock through the door its users use: the built binary, real components, real files and pipes.

mod airbyte_clients;
mod commands;
mod compile_cache;
mod connector_files;
mod contract;
mod crash_safety;
mod data_channel;
mod declarative;
mod destination_csv;
mod destination_dev_null;
mod destination_local_json;
mod destination_postgres;
mod documents;
mod faulty;
mod files;
mod harness;
mod images;
mod manifest;
mod metadata;
mod network;
mod pods;
mod policy;
mod scale;
mod source_e2e_test;
mod source_faker;
mod source_file;
mod source_pokeapi;
mod source_postgres;
mod table;
mod text_format;
mod write_input;

// The tests of the guest source-declarative.
use declarative as source_declarative;
