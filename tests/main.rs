//! Airlock through the door its users use: the built binary, real components, real files and pipes.

mod commands;
mod destination_local_json;
mod files;
mod harness;
mod source_faker;
