//! An OCI image layout, in memory: blobs by their digests, and an index that leads to an image for each platform. Read from a
//! directory or an archive, written as an archive that `docker load`, `podman load` and `skopeo` take.

mod archive;
mod create;
mod directory;
mod error;
mod graph;
mod images;
mod read;
#[cfg(test)]
mod tests;
mod write;

use oci_spec::distribution::Reference;
use oci_spec::image::{Descriptor, ImageConfiguration, ImageManifest};

use self::error::quoted;
use self::graph::Graph;
use crate::layer::Layer;
use crate::platform::Platform;

pub use self::error::LayoutError;

/// The whole name of an image in a layout, as containerd and Docker have it. (OCI's own annotation is for the tag alone.)
const ANNOTATION_IMAGE_NAME: &str = "io.containerd.image.name";

/// The image of one platform.
#[derive(Debug, Clone, PartialEq)]
pub struct PlatformImage {
    /// What it runs on.
    pub platform: Platform,
    /// Its environment, entry point, labels and so on. In a layout its platform and its diff IDs are those of the other fields.
    pub config: ImageConfiguration,
    /// Its layers from the bottom up.
    pub layers: Vec<Layer>,
}

/// The content of a layout. It has no more than the root leads to, and all of it has the digest and the length that it should.
#[derive(Debug, Clone, PartialEq)]
pub struct Layout {
    graph: Graph,
    /// What is to be run or pushed: an image index, or the manifest of a single image.
    root: Descriptor,
    /// The name that the layout gives to the image, with its registry and its tag.
    reference: Option<Reference>,
}

impl Layout {
    /// What the index of the layout leads to: an image index, or the manifest of a single image.
    pub fn root(&self) -> &Descriptor {
        &self.root
    }

    /// The name that the image has in the layout, as in `docker.io/airbyte/source-faker:0.1.0`.
    pub fn reference(&self) -> Option<&Reference> {
        self.reference.as_ref()
    }

    /// A blob of the layout, by its digest (`sha256:…`).
    pub fn blob(&self, digest: &str) -> Option<&[u8]> {
        self.graph.blobs.get(digest).map(Vec::as_slice)
    }

    /// The image indexes, each behind those that it leads to. The last is the root; there is none where the root is a manifest.
    pub fn indexes(&self) -> &[Descriptor] {
        &self.graph.indexes
    }

    /// All manifests below the root (or the root itself), whatever they are for. Fails where an index names one that is not here.
    pub fn manifests(&self) -> Result<&[(Descriptor, ImageManifest)], LayoutError> {
        match self.graph.missing.first() {
            None => Ok(&self.graph.manifests),
            Some(missing) => {
                let platform = missing.platform().as_ref();
                let platform = platform.map(|platform| format!("{}/{}", platform.os(), platform.architecture()));
                let platform = platform.map_or_else(String::new, |platform| format!(" for {}", quoted(&platform)));
                let problem = format!("lacks the manifest{platform} {}", missing.digest());
                Err(LayoutError::invalid(
                    problem,
                    "copy the image with all its platforms (`skopeo copy --all`), or one of them alone",
                ))
            }
        }
    }
}
