//! One layer of an image: files in a compressed archive, whose bytes depend on nothing but the files.

use std::collections::BTreeMap;
use std::io::{self, Write};

use flate2::{Compression, GzBuilder};
use oci_spec::image::{Descriptor, MediaType};
use tar::Builder;

use crate::canonical;
use crate::ustar::{self, Permissions};

/// The operating system in a gzip header: none is named.
const UNKNOWN_OPERATING_SYSTEM: u8 = 255;

/// Who owns a file in an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner {
    /// The user's number.
    pub user: u64,
    /// The group's number.
    pub group: u64,
}

impl Owner {
    /// root, 0:0.
    pub const ROOT: Owner = Owner { user: 0, group: 0 };
    /// `airbyte`, 1000:1000, as in Airbyte's own images.
    pub const AIRBYTE: Owner = Owner { user: 1000, group: 1000 };
}

/// A layer as it lies in an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// What a manifest says of it: media type, digest and length of the compressed archive.
    pub descriptor: Descriptor,
    /// The digest of the archive before it was compressed, as a configuration's `rootfs` has it.
    pub diff_id: String,
    /// The compressed archive.
    pub bytes: Vec<u8>,
}

/// Files for a layer. Their order does not matter; a directory that is not named is root's, with mode 755.
#[derive(Debug, Default)]
pub struct LayerBuilder {
    entries: Vec<(String, Entry)>,
}

#[derive(Debug)]
enum Entry {
    Directory(Permissions),
    File(Permissions, Vec<u8>),
    Link(String),
}

const PARENT: Entry = Entry::Directory(Permissions::root(0o755));

impl LayerBuilder {
    /// Without files.
    pub fn new() -> LayerBuilder {
        LayerBuilder::default()
    }

    /// A directory, by its absolute path.
    pub fn directory(&mut self, path: &str, mode: u32, owner: Owner) -> &mut Self {
        let permissions = Permissions { mode, user: owner.user, group: owner.group };
        self.entry(path, Entry::Directory(permissions))
    }

    /// A file of root's.
    pub fn file(&mut self, path: &str, mode: u32, content: Vec<u8>) -> &mut Self {
        self.entry(path, Entry::File(Permissions::root(mode), content))
    }

    /// A symbolic link of root's.
    pub fn link(&mut self, path: &str, target: &str) -> &mut Self {
        self.entry(path, Entry::Link(target.to_owned()))
    }

    fn entry(&mut self, path: &str, entry: Entry) -> &mut Self {
        self.entries.push((path.to_owned(), entry));
        self
    }

    /// The archive, not compressed: `ustar`, sorted, all times zero. Fails where a path is not absolute and normal, is there twice,
    /// or is longer than `ustar` takes.
    pub fn archive(&self) -> io::Result<Vec<u8>> {
        let mut archive = Builder::new(Vec::new());
        for (path, entry) in self.tree()? {
            match entry {
                Entry::Directory(permissions) => ustar::directory(&mut archive, path, *permissions),
                Entry::File(permissions, content) => ustar::file(&mut archive, path, *permissions, content),
                Entry::Link(target) => ustar::link(&mut archive, path, target),
            }?;
        }
        archive.into_inner()
    }

    /// The layer.
    pub fn build(&self) -> io::Result<Layer> {
        let archive = self.archive()?;
        // Fixed, as everything else that the bytes depend on.
        let mut compressed =
            GzBuilder::new().mtime(0).operating_system(UNKNOWN_OPERATING_SYSTEM).write(Vec::new(), Compression::best());
        compressed.write_all(&archive)?;
        let bytes = compressed.finish()?;
        let descriptor = Descriptor::new(MediaType::ImageLayerGzip, bytes.len() as u64, canonical::digest(&bytes));
        Ok(Layer { descriptor, diff_id: canonical::digest(&archive).to_string(), bytes })
    }

    /// All entries by their relative paths, and the directories that they are in. A path sorts behind those that it begins with.
    fn tree(&self) -> io::Result<BTreeMap<&str, &Entry>> {
        let mut tree = BTreeMap::new();
        for (path, entry) in &self.entries {
            let relative = relative(path)?;
            if tree.insert(relative, entry).is_some() {
                return Err(refused(path, "is in the layer twice"));
            }
        }
        for (path, _) in &self.entries {
            let relative = relative(path)?;
            for (end, _) in relative.match_indices('/') {
                if !matches!(tree.entry(&relative[..end]).or_insert(&PARENT), Entry::Directory(_)) {
                    return Err(refused(path, "lies in what is no directory"));
                }
            }
        }
        Ok(tree)
    }
}

fn relative(path: &str) -> io::Result<&str> {
    let relative = path.strip_prefix('/').ok_or_else(|| refused(path, "is not absolute"))?;
    if relative.split('/').any(|name| matches!(name, "" | "." | "..") || name.contains('\0')) {
        return Err(refused(path, "is not the normal form of a path"));
    }
    Ok(relative)
}

fn refused(path: &str, why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, format!("{path:?} {why}"))
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::GzDecoder;

    use super::*;

    /// Type, path, mode, user, group, modification time, user's name, target, content of each entry.
    fn listing(archive: &[u8]) -> Vec<String> {
        let mut archive = tar::Archive::new(archive);
        let entries = archive.entries().unwrap().raw(true);
        entries
            .map(|entry| {
                let mut entry = entry.unwrap();
                let mut content = String::new();
                entry.read_to_string(&mut content).unwrap();
                let header = entry.header();
                assert_eq!(header.mtime().unwrap(), 0);
                assert_eq!(header.as_bytes()[257..265], *b"ustar\x0000");
                assert!(
                    header.as_bytes()[265..329].iter().all(|byte| *byte == 0),
                    "there is a name of a user or a group"
                );
                format!(
                    "{} {} {:o} {}:{} {:?} {content:?}",
                    char::from(header.entry_type().as_byte()),
                    String::from_utf8_lossy(&entry.path_bytes()),
                    header.mode().unwrap(),
                    header.uid().unwrap(),
                    header.gid().unwrap(),
                    entry.link_name_bytes().map(|target| String::from_utf8_lossy(&target).into_owned()),
                )
            })
            .collect()
    }

    #[test]
    fn an_archive_is_sorted_and_whole() {
        let mut layer = LayerBuilder::new();
        layer
            .file("/usr/bin/airlock", 0o755, b"binary".to_vec())
            .directory("/tmp", 0o1777, Owner::ROOT)
            .link("/bin/sh", "/bin/busybox")
            .directory("/airbyte", 0o755, Owner::AIRBYTE)
            .file("/bin/busybox", 0o755, Vec::new());
        let expected = [
            r#"5 airbyte/ 755 1000:1000 None """#,
            r#"5 bin/ 755 0:0 None """#,
            r#"0 bin/busybox 755 0:0 None """#,
            r#"2 bin/sh 777 0:0 Some("/bin/busybox") """#,
            r#"5 tmp/ 1777 0:0 None """#,
            r#"5 usr/ 755 0:0 None """#,
            r#"5 usr/bin/ 755 0:0 None """#,
            r#"0 usr/bin/airlock 755 0:0 None "binary""#,
        ];
        assert_eq!(listing(&layer.archive().unwrap()), expected);
    }

    #[test]
    fn the_order_of_the_calls_does_not_matter() {
        let mut one = LayerBuilder::new();
        one.directory("/a", 0o700, Owner::AIRBYTE).file("/a/b", 0o644, vec![1]).file("/a-c", 0o644, vec![2]);
        let mut other = LayerBuilder::new();
        other.file("/a-c", 0o644, vec![2]).file("/a/b", 0o644, vec![1]).directory("/a", 0o700, Owner::AIRBYTE);
        assert_eq!(one.build().unwrap(), other.build().unwrap());
    }

    #[test]
    fn a_layer_says_what_it_is() {
        let mut builder = LayerBuilder::new();
        builder.file("/connector/connector.cwasm", 0o644, vec![7; 100_000]);
        let layer = builder.build().unwrap();
        let archive = builder.archive().unwrap();
        let mut unpacked = Vec::new();
        GzDecoder::new(layer.bytes.as_slice()).read_to_end(&mut unpacked).unwrap();
        assert!(unpacked == archive);
        assert_eq!(layer.diff_id, canonical::digest(&archive).to_string());
        assert_eq!(layer.descriptor.digest(), &canonical::digest(&layer.bytes));
        assert_eq!(layer.descriptor.size(), layer.bytes.len() as u64);
        assert_eq!(layer.descriptor.media_type().as_ref(), "application/vnd.oci.image.layer.v1.tar+gzip");
        // Magic, deflate, no flags, no time, best compression, no operating system.
        assert_eq!(layer.bytes[..10], [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 255]);
    }

    #[test]
    fn a_path_has_one_form() {
        for path in ["a", "", "/", "/a/", "//a", "/a/./b", "/a/../b", "/..", "/a\0b"] {
            let error = LayerBuilder::new().file(path, 0o644, Vec::new()).archive().unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{path:?}");
        }
        assert!(LayerBuilder::new().file(&format!("/{}", "long".repeat(100)), 0o644, Vec::new()).archive().is_err());
    }

    #[test]
    fn what_can_not_be_unpacked_is_refused() {
        let mut twice = LayerBuilder::new();
        twice.file("/a", 0o644, Vec::new()).directory("/a", 0o755, Owner::ROOT);
        assert_eq!(twice.archive().unwrap_err().to_string(), r#""/a" is in the layer twice"#);
        let mut inside = LayerBuilder::new();
        inside.file("/a/b/c", 0o644, Vec::new()).link("/a", "/tmp");
        assert_eq!(inside.archive().unwrap_err().to_string(), r#""/a/b/c" lies in what is no directory"#);
    }
}
