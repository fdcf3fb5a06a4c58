//! A directory that lives no longer than the process. A guest writes to it as it likes, so it is removed without trust in its
//! depth, its size or its stillness. Knows nothing of what it is for.

use std::ffi::{CStr, CString};
use std::fs::Permissions;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use rustix::fs::{AtFlags, CWD, Dir, Mode, OFlags, openat, renameat, unlinkat};
use rustix::io::Errno;
use rustix::path::Arg;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// A directory of its owner alone, removed when this is dropped.
pub struct PrivateDirectory {
    path: PathBuf,
}

impl PrivateDirectory {
    /// A new one in the system's directory for temporary files.
    pub fn new() -> io::Result<PrivateDirectory> {
        let mut builder = tempfile::Builder::new();
        let directory = builder.prefix("airlock-").permissions(Permissions::from_mode(0o700)).tempdir()?;
        Ok(PrivateDirectory { path: directory.keep() })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for PrivateDirectory {
    fn drop(&mut self) {
        // It is among the system's temporary files: what can not be removed here goes with them.
        let _ = remove(&self.path, None);
    }
}

/// Removes a directory and all that is in it. Links are removed and never followed. Where a guest still runs it may add as fast
/// as this removes: then it has to end at a time.
///
/// The standard library's way calls itself for each level and keeps a file open for each, so a guest that digs deep enough would
/// crash the host at its end. Here the directories below are first brought to the top, one after the other.
pub fn remove(directory: &Path, until: Option<Instant>) -> io::Result<()> {
    // To remove is to open, and a guest may have opened all that it may.
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
    let top = open(CWD, directory)?;
    let mut number = 0_u64;
    loop {
        let mut waiting = names(&top)?;
        while let Some(name) = waiting.pop() {
            if until.is_some_and(|until| Instant::now() >= until) {
                return Err(Errno::TIMEDOUT.into());
            }
            remove_entry(&top, &name, &mut waiting, &mut number)?;
        }
        match unlinkat(CWD, directory, AtFlags::REMOVEDIR) {
            Err(Errno::NOTEMPTY | Errno::EXIST) => {}
            done => return Ok(done?),
        }
    }
}

/// Removes a file, or a directory after its own directories have come to the top, where they wait under numbers.
fn remove_entry(top: &OwnedFd, name: &CStr, waiting: &mut Vec<CString>, number: &mut u64) -> io::Result<()> {
    if remove_file(top, name)? {
        return Ok(());
    }
    let below = open(top, name)?;
    for inner in names(&below)? {
        while !remove_file(&below, &inner)? {
            *number += 1;
            let new = CString::new(format!("airlock-{number}")).unwrap_or_default();
            match renameat(&below, inner.as_c_str(), top, new.as_c_str()) {
                Ok(()) => {
                    waiting.push(new);
                    break;
                }
                // What a guest has given this name stays in its place.
                Err(Errno::NOTEMPTY | Errno::EXIST | Errno::NOTDIR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    match unlinkat(top, name, AtFlags::REMOVEDIR) {
        // A guest that still runs may have added to it, or taken it away: what is left is seen in the next round.
        Ok(()) | Err(Errno::NOTEMPTY | Errno::EXIST | Errno::NOENT | Errno::NOTDIR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// False for a directory. What is not there any more has been removed.
fn remove_file(directory: &OwnedFd, name: &CStr) -> io::Result<bool> {
    match unlinkat(directory, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(true),
        // Linux says the one, POSIX the other.
        Err(Errno::ISDIR | Errno::PERM) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn open(directory: impl AsFd, path: impl Arg) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(openat(directory, path, flags, Mode::empty())?)
}

fn names(directory: &OwnedFd) -> io::Result<Vec<CString>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
            names.push(entry.file_name().to_owned());
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::time::Duration;

    use super::*;

    #[test]
    fn it_goes_with_what_is_in_it_and_nothing_else_does() {
        let outside = PrivateDirectory::new().unwrap();
        fs::write(outside.path().join("kept"), "").unwrap();
        let directory = PrivateDirectory::new().unwrap();
        let path = directory.path().to_owned();
        // Names that removal itself gives.
        fs::create_dir_all(path.join("airlock-1/airlock-2/airlock-3")).unwrap();
        fs::create_dir_all(path.join("airlock-3/b/c/d")).unwrap();
        fs::write(path.join("airlock-2"), "").unwrap();
        let closed = path.join("airlock-3/closed");
        fs::write(&closed, "").unwrap();
        fs::set_permissions(&closed, Permissions::from_mode(0o000)).unwrap();
        symlink(outside.path(), path.join("link")).unwrap();
        symlink(outside.path(), path.join("airlock-3/b/link")).unwrap();
        drop(directory);
        assert!(!path.exists());
        assert!(outside.path().join("kept").exists());
    }

    #[test]
    fn removal_that_has_a_time_ends_at_it() {
        let directory = PrivateDirectory::new().unwrap();
        fs::create_dir_all(directory.path().join("a/b/c")).unwrap();
        let error = remove(directory.path(), Some(Instant::now())).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(directory.path().exists());
        remove(directory.path(), Some(Instant::now() + Duration::from_secs(60))).unwrap();
        assert!(!directory.path().exists());
    }
}
