//! Images of connectors, made by the binary and run as Airbyte runs them: in podman, in runc, in Docker's engine, from a
//! registry, and for the other processor. None of these programs is this repository's: what they take and refuse is not its own
//! reading of the specifications.
//!
//! They need what `cargo xtask clients` fetches and a machine that can run containers, and are left out together:
//! `--skip images::engines::`.

mod airbyte_clients;
mod arm64;
mod built;
mod checks;
mod container;
mod daemon;
mod docker;
mod dockerfiles;
mod files;
mod guide;
mod podman;
mod pods;
mod programs;
mod registry;
mod runc;
mod shared;
mod skopeo;
