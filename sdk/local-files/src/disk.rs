//! Every change of a file or directory, one function each: so that every failure names the file and says what to do,
//! and so that tests can cut a sync off after any of them.
//!
//! Knows nothing of streams and records.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::path::Path;

use airlock_sdk::{Failure, FailureKind, Result};
use rustix::io::Errno;

/// Makes a directory, with those above it, and syncs their entries up to `root`.
pub fn create_directory(root: &Path, directory: &Path) -> Result<()> {
    step("create directory", directory)?;
    fs::create_dir_all(directory).map_err(|error| failure("create", directory, error))?;
    for above in directory.ancestors().skip(1) {
        if !above.starts_with(root) {
            break;
        }
        sync_directory(above)?;
    }
    Ok(())
}

/// Syncs a directory: files that were created, renamed or removed in it stay so.
pub fn sync_directory(directory: &Path) -> Result<()> {
    step("sync directory", directory)?;
    match platform::sync_directory(directory) {
        // Some filesystems (network, FUSE) have nothing to sync in a directory, and say so.
        Err(error) if matches!(Errno::from_io_error(&error), Some(Errno::INVAL | Errno::NOTSUP)) => Ok(()),
        result => result.map_err(|error| failure("sync the directory", directory, error)),
    }
}

/// Opens a file to read and write it; makes it if there is none.
pub fn open(path: &Path) -> Result<File> {
    step("open", path)?;
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .map_err(|error| failure("open", path, error))
}

/// Writes bytes at a place of a file.
pub fn write_at(file: &File, path: &Path, bytes: &[u8], offset: u64) -> Result<()> {
    #[cfg(test)]
    write_all_at(file, path, crash::torn_part(bytes), offset)?;
    step("write", path)?;
    write_all_at(file, path, bytes, offset)
}

fn write_all_at(file: &File, path: &Path, bytes: &[u8], offset: u64) -> Result<()> {
    let mut rest = bytes;
    let mut offset = offset;
    while !rest.is_empty() {
        // Not the standard library's `write`: on WASI that is a call of the host for every 4 KiB.
        match rustix::io::pwrite(file, rest, offset) {
            Ok(0) => return Err(failure("write", path, ErrorKind::WriteZero.into())),
            Ok(count) => {
                rest = &rest[count..];
                offset += count as u64;
            }
            Err(Errno::INTR) => {}
            Err(error) => return Err(failure("write", path, error.into())),
        }
    }
    Ok(())
}

/// Syncs the content of a file.
pub fn sync(file: &File, path: &Path) -> Result<()> {
    step("sync", path)?;
    file.sync_data().map_err(|error| failure("sync", path, error))
}

/// Cuts a file off at a length.
pub fn cut(file: &File, path: &Path, length: u64) -> Result<()> {
    step("cut", path)?;
    file.set_len(length).map_err(|error| failure("shorten", path, error))
}

/// Gives a file another name in its directory; a file that has this name is replaced.
pub fn rename(from: &Path, to: &Path) -> Result<()> {
    step("rename", to)?;
    fs::rename(from, to).map_err(|error| failure("replace", to, error))
}

/// Removes a file, if there is one.
pub fn remove(path: &Path) -> Result<()> {
    step("remove", path)?;
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(failure("remove", path, error)),
        _ => Ok(()),
    }
}

/// What could not be done with which file, and what to do about it.
pub fn failure(action: &str, path: &Path, error: io::Error) -> Failure {
    let (kind, advice) = match Errno::from_io_error(&error) {
        Some(Errno::NOSPC | Errno::DQUOT) => {
            (FailureKind::TransientError, "there is no space left: free some, then sync again")
        }
        Some(Errno::ACCESS | Errno::PERM) => (
            FailureKind::ConfigError,
            "it is not permitted: let the user that runs the connector write there, or choose another destination_path",
        ),
        Some(Errno::ROFS) => (
            FailureKind::ConfigError,
            "it is on a read-only filesystem: choose another destination_path, or mount it writable",
        ),
        Some(Errno::ISDIR) => (
            FailureKind::ConfigError,
            "a directory stands where a file should be: move it away, or choose another destination_path",
        ),
        Some(Errno::NOTDIR | Errno::EXIST) => (
            FailureKind::ConfigError,
            "a file stands where a directory should be: move it away, or choose another destination_path",
        ),
        Some(Errno::NAMETOOLONG) => (
            FailureKind::ConfigError,
            "the name is too long for the filesystem: choose a shorter destination_path, or leave the stream out",
        ),
        Some(Errno::LOOP) => {
            (FailureKind::ConfigError, "its symbolic links lead round in a circle: choose another destination_path")
        }
        Some(Errno::MFILE | Errno::NFILE) => (
            FailureKind::ConfigError,
            "too many files are open: raise the limit of open files, or choose fewer streams",
        ),
        Some(Errno::FBIG) => {
            (FailureKind::ConfigError, "it would become too large for the filesystem or for the limit of the process")
        }
        // WASI has no word for too many open files, and calls it an I/O error.
        _ => (
            FailureKind::SystemError,
            "look at the filesystem that it is on, and, where there are many hundred streams, at the limit of open files",
        ),
    };
    Failure::new(kind, format!("Can not {action} {}: {advice}.", path.display())).with_internal(error)
}

#[cfg(target_os = "wasi")]
mod platform {
    //! WASI can sync a directory, but its C library, and so the standard library, can not.

    use std::io;
    use std::path::Path;

    use wasip2::filesystem::preopens::get_directories;
    use wasip2::filesystem::types::{Descriptor, DescriptorFlags, ErrorCode, OpenFlags, PathFlags};

    use super::Errno;

    pub fn sync_directory(directory: &Path) -> io::Result<()> {
        for (preopened, root) in get_directories() {
            if let Ok(below) = directory.strip_prefix(&root) {
                return sync_below(&preopened, below).map_err(io_error);
            }
        }
        Err(io::ErrorKind::NotFound.into())
    }

    fn sync_below(preopened: &Descriptor, below: &Path) -> Result<(), ErrorCode> {
        let below = below.to_str().ok_or(ErrorCode::IllegalByteSequence)?;
        if below.is_empty() {
            return preopened.sync();
        }
        let flags = (PathFlags::SYMLINK_FOLLOW, OpenFlags::DIRECTORY, DescriptorFlags::READ);
        preopened.open_at(flags.0, below, flags.1, flags.2)?.sync()
    }

    fn io_error(code: ErrorCode) -> io::Error {
        match code {
            ErrorCode::InsufficientSpace => Errno::NOSPC.into(),
            ErrorCode::Quota => Errno::DQUOT.into(),
            ErrorCode::Access | ErrorCode::NotPermitted => Errno::ACCESS.into(),
            ErrorCode::ReadOnly => Errno::ROFS.into(),
            ErrorCode::Invalid => Errno::INVAL.into(),
            ErrorCode::Unsupported => Errno::NOTSUP.into(),
            ErrorCode::NoEntry => Errno::NOENT.into(),
            ErrorCode::NotDirectory => Errno::NOTDIR.into(),
            code => io::Error::other(code),
        }
    }
}

#[cfg(not(target_os = "wasi"))]
mod platform {
    use std::fs::File;
    use std::io;
    use std::path::Path;

    pub fn sync_directory(directory: &Path) -> io::Result<()> {
        File::open(directory)?.sync_all()
    }
}

#[cfg(not(test))]
#[inline]
fn step(_action: &'static str, _path: &Path) -> Result<()> {
    Ok(())
}

#[cfg(test)]
use crash::step;

/// For tests: what was done, and a power cut after any number of steps.
#[cfg(test)]
pub mod crash {
    use std::cell::RefCell;
    use std::path::Path;

    use airlock_sdk::{Result, transient_error};

    #[derive(Default)]
    struct Run {
        steps: Vec<String>,
        cut_off_after: Option<usize>,
        tears: bool,
    }

    thread_local! {
        static RUN: RefCell<Run> = RefCell::default();
    }

    /// From here on `count` steps are done, and then none: as in a power cut, the clean-up after it included. If it
    /// `tears` and the step is a write, half of it is done.
    pub fn cut_off_after(count: usize, tears: bool) {
        RUN.with_borrow_mut(|run| *run = Run { steps: Vec::new(), cut_off_after: Some(count), tears });
    }

    /// From here on every step is done. Returns those that were done before.
    pub fn start_again() -> Vec<String> {
        RUN.with_borrow_mut(|run| {
            run.cut_off_after = None;
            std::mem::take(&mut run.steps)
        })
    }

    /// What of a write is done although its step is not.
    pub(super) fn torn_part(bytes: &[u8]) -> &[u8] {
        RUN.with_borrow_mut(|run| {
            let is_torn = run.cut_off_after == Some(run.steps.len()) && std::mem::take(&mut run.tears);
            if is_torn { &bytes[..bytes.len() / 2] } else { &[] }
        })
    }

    pub(super) fn step(action: &'static str, path: &Path) -> Result<()> {
        RUN.with_borrow_mut(|run| {
            if run.cut_off_after == Some(run.steps.len()) {
                run.tears = false;
                return Err(transient_error("The power is off."));
            }
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            run.steps.push(format!("{action} {name}"));
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::tempdir;

    #[test]
    fn failures_name_the_file_and_say_whose_fault_it_is() {
        let path = Path::new("/airbyte/local/x.jsonl");
        for (errno, kind, words) in [
            (Errno::NOSPC, FailureKind::TransientError, "no space left"),
            (Errno::DQUOT, FailureKind::TransientError, "no space left"),
            (Errno::ACCESS, FailureKind::ConfigError, "not permitted"),
            (Errno::ROFS, FailureKind::ConfigError, "read-only"),
            (Errno::IO, FailureKind::SystemError, "filesystem"),
        ] {
            let failure = failure("write", path, errno.into());
            assert_eq!(failure.kind, kind);
            assert!(failure.message.contains("/airbyte/local/x.jsonl"), "{failure}");
            assert!(failure.message.contains(words), "{failure}");
            assert!(failure.internal_message().is_some());
        }
    }

    #[test]
    fn what_stands_in_the_way_is_named() {
        let root = tempdir().unwrap();
        let file = root.path().join("file");
        fs::write(&file, "").unwrap();

        let in_a_file = create_directory(root.path(), &file.join("a/b")).unwrap_err();
        let as_a_file = create_directory(root.path(), &file).unwrap_err();
        let a_directory = open(root.path()).unwrap_err();
        let too_long = open(&root.path().join("n".repeat(300))).unwrap_err();
        for (failure, words) in [
            (in_a_file, "a file stands where a directory should be"),
            (as_a_file, "a file stands where a directory should be"),
            (a_directory, "a directory stands where a file should be"),
            (too_long, "too long"),
        ] {
            assert_eq!(failure.kind, FailureKind::ConfigError);
            assert!(failure.message.contains(words), "{failure}");
        }
    }

    #[test]
    fn new_directories_are_synced_up_to_the_root() {
        let root = tempdir().unwrap();
        let root = root.path().join("airbyte");
        fs::create_dir(&root).unwrap();
        crash::start_again();
        create_directory(&root, &root.join("local/a/b")).unwrap();
        assert_eq!(
            crash::start_again(),
            ["create directory b", "sync directory a", "sync directory local", "sync directory airbyte",]
        );
        assert!(root.join("local/a/b").is_dir());
    }
}
