//! Whether a file is the one that was seen before, without reading it. Knows nothing of what is in it.

use std::fs::{File, Metadata};
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A file that was changed later than this before it is looked at could be changed again within the same tick of its filesystem's
/// clock, and look the same. Some of them tick every two seconds.
const SETTLES_AFTER: Duration = Duration::from_secs(3);

/// What the system says of a file that has settled. No content changes without a change of this, for the time of the last change of
/// status can not be set by a program; only one that has the file mapped into its memory may write to it unnoticed.
#[derive(PartialEq, Eq)]
pub struct FileIdentity {
    device: u64,
    inode: u64,
    size: u64,
    /// Seconds and nanoseconds since 1970.
    modified: (i64, i64),
    changed: (i64, i64),
}

impl FileIdentity {
    /// Of a file that is open. None if it can not be looked at, or was changed only now.
    pub fn of(file: &File) -> Option<FileIdentity> {
        FileIdentity::at(&file.metadata().ok()?, SystemTime::now())
    }

    fn at(metadata: &Metadata, now: SystemTime) -> Option<FileIdentity> {
        let seconds = u64::try_from(metadata.ctime()).ok()?;
        let changed = UNIX_EPOCH + Duration::new(seconds, u32::try_from(metadata.ctime_nsec()).ok()?);
        if now.duration_since(changed).ok()? < SETTLES_AFTER {
            return None;
        }
        Some(FileIdentity {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        })
    }

    /// The same for the same file only.
    pub fn bytes(&self) -> Vec<u8> {
        let FileIdentity { device, inode, size, modified, changed } = self;
        let numbers = [*device, *inode, *size].map(u64::to_le_bytes);
        let times = [modified.0, modified.1, changed.0, changed.1].map(i64::to_le_bytes);
        [numbers.as_flattened(), times.as_flattened()].concat()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_file_that_was_changed_only_now_has_none_and_every_change_makes_another() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        let later = SystemTime::now() + Duration::from_secs(60);
        let identity = |now| FileIdentity::at(&fs::metadata(&path).unwrap(), now).map(|identity| identity.bytes());
        fs::write(&path, "one").unwrap();
        let first = identity(later).unwrap();
        assert!(FileIdentity::of(&File::open(&path).unwrap()).is_none() && identity(UNIX_EPOCH).is_none());
        assert_eq!(identity(later).as_ref(), Some(&first));
        fs::write(&path, "three").unwrap();
        let second = identity(later).unwrap();
        assert_ne!(first, second, "the size");
        fs::rename(&path, directory.path().join("old")).unwrap();
        fs::copy(directory.path().join("old"), &path).unwrap();
        assert_ne!(identity(later).unwrap(), second, "the inode");
        let third = identity(later).unwrap();
        fs::File::options().write(true).open(&path).unwrap().set_modified(UNIX_EPOCH).unwrap();
        assert_ne!(identity(later).unwrap(), third, "the time of modification");
    }
}
