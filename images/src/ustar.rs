//! Entries of an archive in the format `ustar`, which say nothing of the machine and the moment that they were made at.
//! Must not know what the archive is for.

use std::io::{self, Write};

use tar::{Builder, EntryType, Header};

/// Who owns a file, and what may be done with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Permissions {
    pub mode: u32,
    pub user: u64,
    pub group: u64,
}

impl Permissions {
    /// root's.
    pub const fn root(mode: u32) -> Permissions {
        Permissions { mode, user: 0, group: 0 }
    }
}

/// Adds a directory. The path is relative, and does not end with a slash.
pub fn directory(archive: &mut Builder<impl Write>, path: &str, permissions: Permissions) -> io::Result<()> {
    let mut header = header(EntryType::Directory, permissions, 0);
    header.set_path(format!("{path}/"))?;
    finish(archive, header, &[])
}

/// Adds a regular file.
pub fn file(archive: &mut Builder<impl Write>, path: &str, permissions: Permissions, content: &[u8]) -> io::Result<()> {
    let mut header = header(EntryType::Regular, permissions, content.len() as u64);
    header.set_path(path)?;
    finish(archive, header, content)
}

/// Adds a symbolic link of root's.
pub fn link(archive: &mut Builder<impl Write>, path: &str, target: &str) -> io::Result<()> {
    let mut header = header(EntryType::Symlink, Permissions::root(0o777), 0);
    header.set_path(path)?;
    header.set_link_name_literal(target)?;
    finish(archive, header, &[])
}

fn header(kind: EntryType, permissions: Permissions, size: u64) -> Header {
    let mut header = Header::new_ustar();
    header.set_entry_type(kind);
    header.set_mode(permissions.mode);
    header.set_uid(permissions.user);
    header.set_gid(permissions.group);
    header.set_mtime(0);
    header.set_size(size);
    header
}

fn finish(archive: &mut Builder<impl Write>, mut header: Header, content: &[u8]) -> io::Result<()> {
    header.set_cksum();
    archive.append(&header, content)
}
