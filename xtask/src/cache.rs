//! The user's cache directory: what is fetched once a user, outside the checkout, so that the next clone finds it.
//! It must not know what that is.

use std::env;
use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// `airlock/NAME` below `$XDG_CACHE_HOME` or `~/.cache`.
pub fn directory(name: &str) -> Result<PathBuf> {
    directory_of(name, env::var_os("XDG_CACHE_HOME"), env::var_os("HOME"))
        .context("no cache directory: neither XDG_CACHE_HOME nor HOME is set to an absolute path")
}

fn directory_of(name: &str, xdg_cache_home: Option<OsString>, home: Option<OsString>) -> Option<PathBuf> {
    let absolute = |path: OsString| Some(PathBuf::from(path)).filter(|path| path.is_absolute());
    xdg_cache_home
        .and_then(absolute)
        .or_else(|| home.and_then(absolute).map(|home| home.join(".cache")))
        .map(|cache| cache.join("airlock").join(name))
}

/// Makes the directory and locks it: one run fetches, others wait for it. The system frees the lock however the run ends.
pub fn lock(directory: &Path) -> Result<File> {
    fs::create_dir_all(directory).with_context(|| format!("cannot create {}", directory.display()))?;
    let path = directory.join("lock");
    let file = File::create(&path).with_context(|| format!("cannot create {}", path.display()))?;
    if file.try_lock().is_err() {
        eprintln!("Waiting for another run that fetches the same (lock {})", path.display());
        file.lock().with_context(|| format!("cannot lock {}", path.display()))?;
    }
    Ok(file)
}

/// Removes a directory, if it is there.
pub fn remove(directory: &Path) -> Result<()> {
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", directory.display()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cache_is_the_users() {
        let of = |xdg: Option<&str>, home: Option<&str>| directory_of("it", xdg.map(Into::into), home.map(Into::into));
        let path = |text: &str| Some(PathBuf::from(text));
        assert_eq!(of(Some("/c"), Some("/h")), path("/c/airlock/it"));
        assert_eq!(of(None, Some("/h")), path("/h/.cache/airlock/it"));
        assert_eq!(of(Some(""), Some("/h")), path("/h/.cache/airlock/it"));
        assert_eq!(of(Some("relative"), Some("/h")), path("/h/.cache/airlock/it"));
        assert_eq!(of(None, None), None);
    }
}
