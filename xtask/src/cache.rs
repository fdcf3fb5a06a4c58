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

/// The directory `name` in a cache, as `make` filled it once: by this run or an earlier one, on condition that it works.
/// Nobody ever sees half of it.
pub fn once(
    cache: &Path,
    name: &str,
    works: impl Fn(&Path) -> Result<()>,
    make: impl FnOnce(&Path) -> Result<()>,
) -> Result<PathBuf> {
    let made = cache.join(name);
    if works(&made).is_ok() {
        return Ok(made);
    }
    let _lock = lock(cache)?;
    // Another run may have finished while this one waited.
    if works(&made).is_ok() {
        return Ok(made);
    }
    let partial = cache.join("partial");
    remove(&partial)?; // of a run that was broken off
    let new = partial.join(name);
    let result = fs::create_dir_all(&new)
        .with_context(|| format!("cannot create {}", new.display()))
        .and_then(|()| make(&new))
        .and_then(|()| works(&new).context("it was fetched, and does not work"))
        .and_then(|()| remove(&made)) // of one that does not work
        .and_then(|()| fs::rename(&new, &made).with_context(|| format!("cannot move it to {}", made.display())));
    remove(&partial)?;
    result.map(|()| made)
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

    #[test]
    fn a_thing_is_made_once_and_again_when_it_does_not_work() {
        let cache = tempfile::tempdir().expect("a temporary directory");
        let works = |made: &Path| Ok(fs::read_to_string(made.join("it")).map(drop)?);
        let make = |text: &'static str| move |new: &Path| Ok(fs::write(new.join("it"), text)?);
        let get = |text| once(cache.path(), "thing", works, make(text));

        let made = get("first").expect("made");
        assert_eq!(get("second").expect("there"), made);
        assert_eq!(fs::read_to_string(made.join("it")).expect("there"), "first");

        fs::remove_file(made.join("it")).expect("broken");
        get("third").expect("made again");
        assert_eq!(fs::read_to_string(made.join("it")).expect("there"), "third");
    }

    #[test]
    fn what_fails_or_does_not_work_leaves_nothing() {
        let cache = tempfile::tempdir().expect("a temporary directory");
        let never = |_: &Path| anyhow::bail!("broken");
        let error = once(cache.path(), "thing", never, |_| Ok(())).expect_err("it does not work");
        assert_eq!(format!("{error:#}"), "it was fetched, and does not work: broken");
        let error = once(cache.path(), "thing", never, |_| anyhow::bail!("no network")).expect_err("not made");
        assert_eq!(format!("{error:#}"), "no network");
        let left: Vec<_> = fs::read_dir(cache.path()).expect("a directory").flatten().map(|e| e.file_name()).collect();
        assert_eq!(left, ["lock"]);
    }
}
