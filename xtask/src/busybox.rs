//! busybox, the shell of small images: the machine's own, or Debian's from the user's cache directory.
//! It must not know what is run in it.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::{cache, command, debian};

/// Below the user's cache directory.
const CACHE: &str = "busybox";

/// Statically linked: it runs wherever it is unpacked.
const PACKAGES: [&str; 1] = ["busybox-static"];

/// Finds busybox, or gets it.
pub fn ensure() -> Result<PathBuf> {
    if let Some(installed) = installed() {
        return Ok(installed);
    }
    let cache = cache::directory(CACHE)?;
    let busybox = cache.join("busybox");
    if works(&busybox) {
        return Ok(busybox);
    }
    let _lock = cache::lock(&cache)?;
    // Another run may have finished while this one waited.
    if !works(&busybox) {
        fetch(&cache, &busybox).context(
            "there is no busybox, and Debian's can not be had.\nhint: install busybox; AIRLOCK_CLIENTS=none leaves the \
             tests out that need it",
        )?;
    }
    Ok(busybox)
}

fn installed() -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|directory| directory.join("busybox")).find(|busybox| works(busybox))
}

fn works(busybox: &Path) -> bool {
    command::output(Command::new(busybox).args(["sh", "-c", "exit 0"])).is_ok()
}

fn fetch(cache: &Path, busybox: &Path) -> Result<()> {
    debian::require()?;
    eprintln!("Fetching busybox from Debian {}", debian::SUITE);
    let partial = cache.join("partial");
    cache::remove(&partial)?; // of a run that was broken off
    let prefix = partial.join("prefix");
    debian::unpack(&PACKAGES, &partial.join("packages"), &prefix)?;
    let unpacked = ["usr/bin/busybox", "bin/busybox"].map(|path| prefix.join(path));
    let unpacked =
        unpacked.iter().find(|path| works(path)).context("Debian's busybox was unpacked and does not work")?;
    fs::rename(unpacked, busybox).with_context(|| format!("cannot move busybox to {}", busybox.display()))?;
    cache::remove(&partial)
}
