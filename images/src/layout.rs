//! An OCI image layout, in memory: blobs by their digests, and an index that leads to an image for each platform. Read from a
//! directory or an archive, written as an archive that `docker load`, `podman load` and `skopeo` take.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use oci_spec::image::{Descriptor, ImageConfiguration, ImageManifest};

use crate::layer::Layer;
use crate::platform::Platform;

/// Why a layout can not be read.
#[derive(Debug, thiserror::Error)]
pub enum LayoutError {
    /// It is not there, or the system does not give it.
    #[error("{path} can not be read: {error}")]
    Unreadable {
        /// The file or the directory.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// It is something else, or damaged. The text is a whole sentence's rest, with what to do about it.
    #[error("{0}")]
    Invalid(String),
}

/// The image of one platform.
#[derive(Debug, Clone, PartialEq)]
pub struct PlatformImage {
    /// What it runs on.
    pub platform: Platform,
    /// Its environment, entry point, labels and so on.
    pub config: ImageConfiguration,
    /// Its layers from the bottom up, each with a diff ID in `config`.
    pub layers: Vec<Layer>,
}

/// The content of a layout.
#[derive(Debug, Clone, PartialEq)]
pub struct Layout {
    /// Everything that the index leads to, by digest (`sha256:…`). Each blob has the digest that it is found by.
    blobs: BTreeMap<String, Vec<u8>>,
    /// What is to be run or pushed: an image index, or the manifest of a single image.
    root: Descriptor,
    /// The name that the archive gives to the image, as in `airbyte/source-faker:0.1.0`.
    reference: Option<String>,
}

impl Layout {
    /// A layout with an image index over these images, which are for different platforms.
    pub fn of(
        images: &[PlatformImage],
        annotations: &BTreeMap<String, String>,
        reference: Option<&str>,
    ) -> io::Result<Layout> {
        let _ = (images, annotations, reference);
        unimplemented!()
    }

    /// From blobs that were fetched. Refuses what is missing or has another digest.
    pub fn from_blobs(root: Descriptor, blobs: Vec<Vec<u8>>, reference: Option<&str>) -> Result<Layout, LayoutError> {
        let _ = (root, blobs, reference);
        unimplemented!()
    }

    /// Reads a directory or an archive (which may be compressed by gzip), and checks every digest.
    pub fn read(path: &Path) -> Result<Layout, LayoutError> {
        let _ = path;
        unimplemented!()
    }

    /// What the index of the layout leads to: an image index, or the manifest of a single image.
    pub fn root(&self) -> &Descriptor {
        &self.root
    }

    /// The name that the image has in the layout.
    pub fn reference(&self) -> Option<&str> {
        self.reference.as_deref()
    }

    /// A blob of the layout.
    pub fn blob(&self, digest: &str) -> Option<&[u8]> {
        self.blobs.get(digest).map(Vec::as_slice)
    }

    /// The manifests below the root (or the root itself), whatever they are for, each with its blob.
    pub fn manifests(&self) -> Result<Vec<(Descriptor, ImageManifest)>, LayoutError> {
        unimplemented!()
    }

    /// The images for the platforms that are known here; others are left out.
    pub fn images(&self) -> Result<Vec<PlatformImage>, LayoutError> {
        unimplemented!()
    }

    /// Writes it as an archive.
    pub fn write_archive(&self, to: impl Write) -> io::Result<()> {
        let _ = to;
        unimplemented!()
    }
}
