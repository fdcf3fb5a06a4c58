//! `/connector`: the files that a connector carries, where its guest may read them. They lie beside the connector, as in images, or are written
//! out for each run, where no guest writes, and go with it. Knows nothing of what they are and of how they were carried.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::private_directory::PrivateDirectory;

/// Where a guest finds the files.
pub const CONNECTOR_DIRECTORY: &str = "/connector";

/// Memory that nearly every container has for files, also where its root file system is read-only and nothing else is mounted.
const SHARED_MEMORY: &str = "/dev/shm";

/// Whether these files, and no others, lie in `directory`, out of the reach of guests: then they need not be written out.
pub fn lie_in<'a>(directory: &Path, files: impl Iterator<Item = (&'a str, &'a [u8])>, guests: &Path) -> bool {
    let inside = |guests: PathBuf| directory.canonicalize().is_ok_and(|directory| directory.starts_with(guests));
    if !directory.is_dir() || guests.canonicalize().is_ok_and(inside) {
        return false;
    }
    // How many entries each directory must have.
    let mut entries: BTreeMap<PathBuf, usize> = BTreeMap::new();
    for (name, content) in files {
        let path = directory.join(name);
        let same_length =
            path.symlink_metadata().is_ok_and(|found| found.is_file() && found.len() == content.len() as u64);
        if !same_length || !fs::read(&path).is_ok_and(|found| found == content) {
            return false;
        }
        let mut entry = path.as_path();
        while let Some(parent) = entry.parent().filter(|_| entry != directory) {
            let known = entries.contains_key(parent);
            *entries.entry(parent.to_owned()).or_default() += 1;
            if known {
                break;
            }
            entry = parent;
        }
    }
    entries.iter().all(|(directory, expected)| fs::read_dir(directory).is_ok_and(|found| found.count() == *expected))
}

/// Writes `files` (relative names that lead nowhere else, and contents) into a directory of their own, in the first place that takes them
/// and that is not in `guests`, where connectors may write.
pub fn unpack<'a>(
    files: impl Iterator<Item = (&'a str, &'a [u8])> + Clone,
    guests: &Path,
) -> Result<PrivateDirectory, String> {
    let places = [std::env::temp_dir(), PathBuf::from(SHARED_MEMORY)];
    let mut problems = Vec::new();
    for place in places {
        match unpack_in(&place, files.clone(), guests) {
            Ok(directory) => return Ok(directory),
            Err(problem) => problems.push(format!("{}: {problem}", place.display())),
        }
    }
    Err(format!(
        "The files that the connector carries can not be unpacked ({}). Name a directory with TMPDIR that can be written to and is not in \
         the connector's /airbyte.",
        problems.join("; ")
    ))
}

fn unpack_in<'a>(
    place: &Path,
    files: impl Iterator<Item = (&'a str, &'a [u8])>,
    guests: &Path,
) -> Result<PrivateDirectory, String> {
    let found = |path: &Path| path.canonicalize().map_err(|error| error.to_string());
    let place = found(place)?;
    if place.starts_with(found(guests)?) {
        return Err("connectors may write there".to_owned());
    }
    // What has been written when it fails goes with it.
    let directory = PrivateDirectory::below(&place).map_err(|error| error.to_string())?;
    for (name, content) in files {
        write(&directory.path().join(name), content).map_err(|error| format!("{name}: {error}"))?;
    }
    Ok(directory)
}

fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    let create = || OpenOptions::new().write(true).create_new(true).mode(0o400).open(path);
    let mut file = match create() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            DirBuilder::new().recursive(true).mode(0o700).create(path.parent().unwrap_or(path))?;
            create()?
        }
        file => file?,
    };
    file.write_all(content)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const FILES: [(&str, &[u8]); 3] = [("a/b/c.json", b"{}"), ("a/d", b""), ("manifest.yaml", b"a: b")];

    #[test]
    fn files_are_written_for_their_owner_to_read_and_go_with_the_directory() {
        let guests = PrivateDirectory::new().unwrap();
        let directory = unpack(FILES.into_iter(), guests.path()).unwrap();
        let path = directory.path().to_owned();
        for (name, content) in FILES {
            assert_eq!(fs::read(path.join(name)).unwrap(), content, "{name}");
            assert_eq!(fs::metadata(path.join(name)).unwrap().permissions().mode() & 0o777, 0o400, "{name}");
        }
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        let other = unpack(FILES.into_iter(), guests.path()).unwrap();
        assert_ne!(other.path(), path, "each run has its own");
        drop(directory);
        assert!(!path.exists() && other.path().exists());
    }

    #[test]
    fn files_that_lie_there_already_are_told_from_others() {
        let guests = PrivateDirectory::new().unwrap();
        let directory = unpack(FILES.into_iter(), guests.path()).unwrap();
        let path = directory.path();
        let lie = || lie_in(path, FILES.into_iter(), guests.path());
        assert!(lie());
        assert!(
            !lie_in(path, FILES.into_iter(), path) && !lie_in(&path.join("none"), FILES.into_iter(), guests.path())
        );
        assert!(!lie_in(path, FILES.into_iter().skip(1), guests.path()), "one more is there");
        for (name, before) in FILES {
            let file = path.join(name);
            fs::remove_file(&file).unwrap();
            assert!(!lie(), "{name} is not there");
            fs::write(&file, b"ot").unwrap();
            assert!(!lie(), "{name} is another");
            fs::remove_file(&file).unwrap();
            let elsewhere = guests.path().join("elsewhere");
            fs::write(&elsewhere, before).unwrap();
            std::os::unix::fs::symlink(&elsewhere, &file).unwrap();
            assert!(!lie(), "{name} is a link");
            fs::remove_file(&file).unwrap();
            fs::write(&file, before).unwrap();
            assert!(lie());
        }
        for more in ["more", "a/more", "a/b/more"] {
            fs::write(path.join(more), "").unwrap();
            assert!(!lie(), "{more}");
            fs::remove_file(path.join(more)).unwrap();
        }
    }

    #[test]
    fn where_guests_write_nothing_is_unpacked_and_nothing_is_left_where_it_fails() {
        let place = PrivateDirectory::new().unwrap();
        let guests = place.path().join("airbyte");
        fs::create_dir_all(guests.join("tmp")).unwrap();
        for place in [guests.clone(), guests.join("tmp")] {
            let problem = unpack_in(&place, FILES.into_iter(), &guests).err().unwrap();
            assert_eq!(problem, "connectors may write there");
        }
        let twice = [("a", &b"one"[..]), ("a", b"two")];
        let problem = unpack_in(place.path(), twice.into_iter(), &guests).err().unwrap();
        assert!(problem.starts_with("a: "), "{problem}");
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 1, "what guests have, and nothing else");
        assert!(unpack_in(Path::new("/missing"), FILES.into_iter(), &guests).is_err());
    }
}
