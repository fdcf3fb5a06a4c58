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

use crate::debian::{self, SUITE};
use crate::{cache, command, guest_toolchain};

/// Below the user's cache directory.
const CACHE: &str = "guest-toolchain";

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
    let prefix = prefix(&cache::directory(CACHE).ok()?);
    works(&prefix).ok().map(|()| prefix)
}

/// Fetches and unpacks the compiler for a host triple, and returns its prefix.
pub fn unpack(host: &str) -> Result<PathBuf> {
    require(host)?;
    let cache = cache::directory(CACHE)?;
    let _lock = cache::lock(&cache)?;
    // Another run may have finished while this one waited.
    let prefix = prefix(&cache);
    if works(&prefix).is_ok() {
        return Ok(prefix);
    }

    eprintln!("Fetching a Rust compiler for guests from Debian {SUITE} (180 MB, once a user)");
    let partial = cache.join("partial");
    cache::remove(&partial)?; // of a run that was broken off
    let fetched = fetch_and_unpack(&partial);
    if let Err(error) = fetched {
        cache::remove(&partial)?;
        return Err(error.context(format!("no compiler in {}", prefix.display())));
    }
    cache::remove(&prefix)?; // of a prefix that does not work
    fs::rename(partial.join("prefix"), &prefix)
        .with_context(|| format!("cannot move the compiler to {}", prefix.display()))?;
    cache::remove(&partial)?;
    Ok(prefix)
}

fn fetch_and_unpack(partial: &Path) -> Result<()> {
    let prefix = partial.join("prefix");
    debian::unpack(&PACKAGES, &partial.join("packages"), &prefix)?;
    fs::create_dir(prefix.join("bin"))?;
    fs::write(rustc(&prefix), WRAPPER)?;
    fs::set_permissions(rustc(&prefix), fs::Permissions::from_mode(0o755))?;
    works(&prefix).context("Debian's compiler was unpacked and does not work")
}

/// The compiler starts, and it has a standard library for guests.
fn works(prefix: &Path) -> Result<()> {
    command::output(Command::new(rustc(prefix)).arg("--version"))?;
    let libraries = prefix.join(format!("usr/lib/rustlib/{}/lib", guest_toolchain::TARGET));
    if !guest_toolchain::has_standard_library(&libraries) {
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

fn prefix(cache: &Path) -> PathBuf {
    cache.join(format!("debian-{SUITE}"))
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
