//! Files that are there whole or not at all.

use std::fs::Permissions;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Puts `parts` into the file at `path` in one step: nobody sees half of it, whoever is killed leaves at most a hidden file that
/// nobody reads, and a process that has the old file mapped keeps it whole.
pub fn write_whole(path: &Path, parts: &[&[u8]]) -> io::Result<()> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(directory)?;
    for part in parts {
        file.write_all(part)?;
    }
    file.as_file().set_permissions(Permissions::from_mode(0o644))?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

/// The same for a file that a person named: follows a link, and replaces nothing that is no file (/dev/null).
pub fn write_named(path: &Path, parts: &[&[u8]]) -> io::Result<()> {
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    if path.exists() && !path.is_file() {
        return Err(io::Error::other("it is there and is no file"));
    }
    write_whole(&path, parts)
}
