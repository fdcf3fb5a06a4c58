//! busybox, the shell of small images: the machine's own, or Debian's from the user's cache directory.
//! It must not know what is run in it.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

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
    let prefix = cache::once(&cache::directory(CACHE)?, debian::TRIXIE.suite, unpacked_works, unpack).context(
        "there is no busybox, and Debian's can not be had.\nhint: install busybox; AIRLOCK_CLIENTS=none leaves the \
         tests out that need it",
    )?;
    Ok(unpacked(&prefix))
}

fn installed() -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|directory| directory.join("busybox")).find(|busybox| works(busybox))
}

fn works(busybox: &Path) -> bool {
    command::output(Command::new(busybox).args(["sh", "-c", "exit 0"])).is_ok()
}

fn unpacked(prefix: &Path) -> PathBuf {
    prefix.join("usr/bin/busybox")
}

fn unpacked_works(prefix: &Path) -> Result<()> {
    let busybox = unpacked(prefix);
    if !works(&busybox) {
        bail!("{} does not start", busybox.display());
    }
    Ok(())
}

fn unpack(prefix: &Path) -> Result<()> {
    debian::require()?;
    eprintln!("Fetching busybox from Debian {}", debian::TRIXIE.suite);
    debian::unpack(&debian::TRIXIE, &PACKAGES, prefix)
}
