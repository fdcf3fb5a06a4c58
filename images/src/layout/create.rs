//! A layout of images that were made here. Must not know how a layout is written.

use std::collections::{BTreeMap, HashMap};
use std::io;

use oci_spec::distribution::Reference;
use oci_spec::image::{
    Descriptor, ImageIndex, ImageManifestBuilder, MediaType, PlatformBuilder, RootFsBuilder, SCHEMA_VERSION,
};
use serde::Serialize;

use super::graph::Graph;
use super::{Layout, PlatformImage};
use crate::canonical;
use crate::platform::Platform;

impl Layout {
    /// A layout with an image index over these images, which are for different platforms. The index and the manifests get the
    /// annotations. A reference needs a tag, and no digest: that is only known afterwards.
    pub fn of(
        images: &[PlatformImage],
        annotations: &BTreeMap<String, String>,
        reference: Option<&Reference>,
    ) -> io::Result<Layout> {
        let by_platform: BTreeMap<Platform, &PlatformImage> =
            images.iter().map(|image| (image.platform, image)).collect();
        if by_platform.is_empty() || by_platform.len() < images.len() {
            return Err(refused("an image index has one image for each of its platforms"));
        }
        let annotations = (!annotations.is_empty()).then(|| annotations.clone().into_iter().collect::<HashMap<_, _>>());
        let mut blobs = Blobs::default();
        let manifests: io::Result<_> = by_platform.values().map(|image| blobs.image(image, &annotations)).collect();
        let mut index = ImageIndex::default();
        index.set_media_type(Some(MediaType::ImageIndex)).set_manifests(manifests?).set_annotations(annotations);
        let root = blobs.document(MediaType::ImageIndex, &index)?;
        let graph = Graph::of(&root, &mut blobs.0).map_err(io::Error::other)?;
        Ok(Layout { graph, root, reference: reference.map(named).transpose()? })
    }
}

#[derive(Default)]
struct Blobs(BTreeMap<String, Vec<u8>>);

impl Blobs {
    fn image(
        &mut self,
        image: &PlatformImage,
        annotations: &Option<HashMap<String, String>>,
    ) -> io::Result<Descriptor> {
        let platform = PlatformBuilder::default().os("linux").architecture(image.platform.architecture());
        let platform = platform.build().map_err(io::Error::other)?;
        let diff_ids: Vec<String> = image.layers.iter().map(|layer| layer.diff_id.clone()).collect();
        let mut config = image.config.clone();
        config.set_os(platform.os().clone()).set_architecture(platform.architecture().clone()).set_variant(None);
        config.set_rootfs(RootFsBuilder::default().diff_ids(diff_ids).build().map_err(io::Error::other)?);

        let config = self.document(MediaType::ImageConfig, &config)?;
        for layer in &image.layers {
            self.0.insert(layer.descriptor.digest().to_string(), layer.bytes.clone());
        }
        let mut manifest = ImageManifestBuilder::default()
            .schema_version(SCHEMA_VERSION)
            .media_type(MediaType::ImageManifest)
            .config(config)
            .layers(image.layers.iter().map(|layer| layer.descriptor.clone()).collect::<Vec<_>>())
            .build()
            .map_err(io::Error::other)?;
        manifest.set_annotations(annotations.clone());
        let mut manifest = self.document(MediaType::ImageManifest, &manifest)?;
        manifest.set_platform(Some(platform));
        Ok(manifest)
    }

    fn document(&mut self, media_type: MediaType, document: &impl Serialize) -> io::Result<Descriptor> {
        let bytes = canonical::json(document)?;
        let descriptor = Descriptor::new(media_type, bytes.len() as u64, canonical::digest(&bytes));
        self.0.insert(descriptor.digest().to_string(), bytes);
        Ok(descriptor)
    }
}

/// The reference in the one form that it is read back in.
fn named(reference: &Reference) -> io::Result<Reference> {
    if reference.tag().is_none() || reference.digest().is_some() {
        return Err(refused("an image is named by a tag, and not by a digest"));
    }
    reference.whole().parse().map_err(io::Error::other)
}

fn refused(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, why)
}
