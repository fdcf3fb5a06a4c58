//! A directory that lives no longer than the process. A guest writes to it as it likes, so it is removed without trust in its
//! depth, its size or its stillness. Knows nothing of what it is for.

use std::ffi::CStr;
use std::fs::Permissions;
use std::io::{self, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use rustix::fs::{AtFlags, CWD, Mode, OFlags, RawDir, openat, renameat, unlinkat};
use rustix::io::Errno;
use rustix::path::Arg;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// So many bytes of a directory's entries are read at a time. The longest name has 255.
const ENTRIES_BYTES: usize = 4096;

/// The longest number of 64 bits, and what stands before and behind it.
const NUMBER_BYTES: usize = 32;

/// A directory of its owner alone, removed when this is dropped.
pub struct PrivateDirectory {
    path: PathBuf,
}

impl PrivateDirectory {
    /// A new one in the system's directory for temporary files.
    pub fn new() -> io::Result<PrivateDirectory> {
        PrivateDirectory::below(&std::env::temp_dir())
    }

    /// A new one in this directory.
    pub fn below(place: &Path) -> io::Result<PrivateDirectory> {
        let mut builder = tempfile::Builder::new();
        let directory = builder.prefix("airlock-").permissions(Permissions::from_mode(0o700)).tempdir_in(place)?;
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
        let _ = remove(self.path.as_path(), None);
    }
}

/// Removes a directory and all that is in it. Links are removed and never followed. Where a guest still runs it may add as fast
/// as this removes: then it has to end at a time. Allocates nothing where the path is a C string, so that a signal may call it.
///
/// The standard library's way calls itself for each level and keeps a file open for each, so a guest that digs deep enough would
/// crash the host at its end. Here the directories below are brought to the top, one level in each round.
pub fn remove(directory: impl Arg + Copy, until: Option<Instant>) -> io::Result<()> {
    // To remove is to open, and a guest may have opened all that it may.
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
    let mut raised = 0;
    loop {
        let top = open(CWD, directory)?;
        let mut buffer = [MaybeUninit::uninit(); ENTRIES_BYTES];
        let mut entries = RawDir::new(&top, &mut buffer);
        while let Some(entry) = entries.next() {
            if until.is_some_and(|until| Instant::now() >= until) {
                return Err(Errno::TIMEDOUT.into());
            }
            remove_entry(&top, entry?.file_name(), &mut raised)?;
        }
        match unlinkat(CWD, directory, AtFlags::REMOVEDIR) {
            Err(Errno::NOTEMPTY | Errno::EXIST) => {}
            done => return Ok(done?),
        }
    }
}

/// Removes a file, or a directory after its own directories have come to the top, where they are seen in this round or the next.
fn remove_entry(top: &OwnedFd, name: &CStr, raised: &mut u64) -> io::Result<()> {
    if is_itself_or_above(name) || remove_file(top, name)? {
        return Ok(());
    }
    let below = open(top, name)?;
    let mut buffer = [MaybeUninit::uninit(); ENTRIES_BYTES];
    let mut entries = RawDir::new(&below, &mut buffer);
    while let Some(entry) = entries.next() {
        let entry = entry?;
        while !is_itself_or_above(entry.file_name()) && !remove_file(&below, entry.file_name())? {
            *raised += 1;
            let mut place = [0; NUMBER_BYTES];
            match renameat(&below, entry.file_name(), top, numbered(*raised, &mut place)) {
                Ok(()) => break,
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

fn is_itself_or_above(name: &CStr) -> bool {
    matches!(name.to_bytes(), b"." | b"..")
}

/// `airlock-1` and so on.
fn numbered(number: u64, place: &mut [u8; NUMBER_BYTES]) -> &CStr {
    // There is room for the longest number, and zeros end it.
    let _ = write!(place.as_mut_slice(), "airlock-{number}");
    CStr::from_bytes_until_nul(place).unwrap_or_default()
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
