//! One layer of an image: files in a compressed archive, whose bytes depend on nothing but the files.

use std::io;

use oci_spec::image::Descriptor;

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
pub struct LayerBuilder {}

impl LayerBuilder {
    /// Without files.
    pub fn new() -> LayerBuilder {
        LayerBuilder::default()
    }

    /// A directory, by its absolute path.
    pub fn directory(&mut self, path: &str, mode: u32, owner: Owner) -> &mut Self {
        let _ = (path, mode, owner);
        self
    }

    /// A file of root's.
    pub fn file(&mut self, path: &str, mode: u32, content: Vec<u8>) -> &mut Self {
        let _ = (path, mode, content);
        self
    }

    /// A symbolic link of root's.
    pub fn link(&mut self, path: &str, target: &str) -> &mut Self {
        let _ = (path, target);
        self
    }

    /// The archive, not compressed: `ustar`, sorted, all times zero.
    pub fn archive(&self) -> io::Result<Vec<u8>> {
        unimplemented!()
    }

    /// The layer.
    pub fn build(&self) -> io::Result<Layer> {
        unimplemented!()
    }
}
