//! Debian's rustc with its wasm32-wasip2 standard library, unpacked into the user's cache: for machines that reach a
//! Debian mirror and not rustup's servers. It must not know when that is wanted.
//!
//! Libraries must match their compiler exactly, so a standard library cannot be given to rustup's compiler; Debian's
//! compiler comes with it. It wants a newer C library than older systems have, so that is unpacked too, and a wrapper
//! starts the compiler through it. Nothing is installed on the system.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::debian::{self, TRIXIE};
use crate::{cache, command, guest_toolchain, rust_target};

/// Below the user's cache directory.
const CACHE: &str = "guest-toolchain";
/// In there.
const PREFIX: &str = "debian-trixie";

/// The compiler, the standard library for guests and for build scripts, and what the compiler itself is linked to.
const PACKAGES: [&str; 17] = [
    "rustc",
    "libstd-rust-1.85",
    "libstd-rust-dev",
    "libstd-rust-dev-wasm32",
    "libllvm19",
    "libc6",
    "libgcc-s1",
    "libstdc++6",
    "zlib1g",
    "libzstd1",
    "libxml2",
    "libedit2",
    "libtinfo6",
    "libffi8",
    "liblzma5",
    "libbsd0",
    "libmd0",
];

const WRAPPER: &str = r#"#!/bin/sh
# Runs this folder's rustc with this folder's own C library, whatever the system's is.
prefix=${0%/*}/../usr
exec "$prefix/lib64/ld-linux-x86-64.so.2" --library-path "$prefix/lib/x86_64-linux-gnu" "$prefix/bin/rustc" --sysroot "$prefix" "$@"
"#;

/// The compiler in an unpacked prefix.
pub fn rustc(prefix: &Path) -> PathBuf {
    prefix.join("bin/rustc")
}

/// The prefix of an earlier run, if it is there and works.
pub fn unpacked() -> Option<PathBuf> {
    let prefix = cache::directory(CACHE).ok()?.join(PREFIX);
    works(&prefix).ok().map(|()| prefix)
}

/// Fetches and unpacks the compiler for a host triple, and returns its prefix.
pub fn unpack(host: &str) -> Result<PathBuf> {
    require(host)?;
    cache::once(&cache::directory(CACHE)?, PREFIX, works, fetch_and_unpack).context("no compiler of Debian's")
}

fn fetch_and_unpack(prefix: &Path) -> Result<()> {
    eprintln!("Fetching a Rust compiler for guests from Debian {} (180 MB, once a user)", TRIXIE.suite);
    debian::unpack(&TRIXIE, &PACKAGES, prefix)?;
    fs::create_dir(prefix.join("bin"))?;
    fs::write(rustc(prefix), WRAPPER)?;
    Ok(fs::set_permissions(rustc(prefix), fs::Permissions::from_mode(0o755))?)
}

/// The compiler starts, and it has a standard library for guests.
fn works(prefix: &Path) -> Result<()> {
    command::output(Command::new(rustc(prefix)).arg("--version"))?;
    let libraries = prefix.join(format!("usr/lib/rustlib/{}/lib", guest_toolchain::TARGET));
    if !rust_target::has_standard_library(&libraries) {
        bail!("there is no standard library in {}", libraries.display());
    }
    Ok(())
}

/// Says what is missing before anything is downloaded.
fn require(host: &str) -> Result<()> {
    if host != "x86_64-unknown-linux-gnu" {
        bail!("Debian's compiler is used on x86_64-unknown-linux-gnu only, and this machine is {host}");
    }
    debian::require()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_that_cannot_run_it_is_refused_before_a_download() {
        let error = require("aarch64-apple-darwin").expect_err("refused");
        assert!(error.to_string().contains("aarch64-apple-darwin"), "{error}");
    }

    #[test]
    fn a_prefix_without_a_compiler_does_not_work() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        assert!(works(directory.path()).is_err());
    }

    #[test]
    fn a_compiler_without_the_standard_library_for_guests_does_not_work() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        fs::create_dir(directory.path().join("bin")).expect("bin");
        std::os::unix::fs::symlink("/bin/true", rustc(directory.path())).expect("a compiler that only starts");
        let error = works(directory.path()).expect_err("no standard library");
        assert!(error.to_string().contains("no standard library"), "{error}");
        let libraries = directory.path().join("usr/lib/rustlib/wasm32-wasip2/lib");
        fs::create_dir_all(&libraries).expect("libraries");
        fs::write(libraries.join("libstd-0.rlib"), "").expect("a library");
        works(directory.path()).expect("now it does");
    }
}
