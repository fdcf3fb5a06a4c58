//! The images in a layout, for the platforms that are known here. Attestations, artifacts and other platforms lie beside them.

use std::io::{self, Read};

use flate2::read::MultiGzDecoder;
use oci_spec::image::{Digest, ImageConfiguration, ImageManifest, MediaType};
use sha2::{Digest as _, Sha256};

use super::error::quoted;
use super::graph::{MAXIMUM_DOCUMENT_BYTES, json};
use super::{Layout, LayoutError, PlatformImage};
use crate::canonical;
use crate::layer::Layer;
use crate::media_type::oci;
use crate::platform::Platform;

/// All layers of an image may have as much when they are unpacked. They are not kept, so this bounds time and not memory.
const MAXIMUM_UNPACKED_BYTES: u64 = 4 << 30;

/// An image of a known platform, whose layers were not looked at.
pub struct Found<'a> {
    pub platform: Platform,
    pub manifest: &'a ImageManifest,
    config: ImageConfiguration,
}

impl Layout {
    /// The images for the platforms that are known here, in their order; others are left out. All that they have of Docker's
    /// media types is OCI's in them.
    pub fn images(&self) -> Result<Vec<PlatformImage>, LayoutError> {
        self.found()?.into_iter().map(|found| self.image(found)).collect()
    }

    /// The images for the platforms that are known here, in their order.
    pub(super) fn found(&self) -> Result<Vec<Found<'_>>, LayoutError> {
        let mut images: Vec<Found> = Vec::new();
        for (descriptor, manifest) in &self.graph.manifests {
            let said = descriptor.platform().as_ref();
            let said = said.map(|said| known(said.os(), said.architecture(), said.variant()));
            let is_image = oci(manifest.config().media_type()) == MediaType::ImageConfig;
            if !is_image || said == Some(None) {
                continue;
            }
            let config = self.config(manifest)?;
            let Some(platform) = known(config.os(), config.architecture(), config.variant()) else {
                if let Some(Some(said)) = said {
                    return Err(other_platform(said, &config));
                }
                continue;
            };
            match said {
                Some(Some(said)) if said != platform => return Err(other_platform(said, &config)),
                _ => images.push(Found { platform, manifest, config }),
            }
        }
        images.sort_by_key(|image| image.platform);
        match images.windows(2).find(|pair| pair[0].platform == pair[1].platform) {
            None => Ok(images),
            Some(pair) => Err(LayoutError::invalid(
                format!("has two images for {}", pair[0].platform),
                "make it with one image for each platform",
            )),
        }
    }

    fn config(&self, manifest: &ImageManifest) -> Result<ImageConfiguration, LayoutError> {
        let descriptor = manifest.config();
        let bytes = self.blob(descriptor.digest().as_ref()).unwrap_or_default();
        if bytes.len() as u64 > MAXIMUM_DOCUMENT_BYTES {
            return Err(LayoutError::damaged(format!(
                "has a configuration of more than {MAXIMUM_DOCUMENT_BYTES} bytes"
            )));
        }
        let mut config: ImageConfiguration = json(bytes, descriptor.digest().as_ref())?;
        // These come out of a map, in no order.
        if let Some(mut inner) = config.config().clone() {
            inner.set_exposed_ports(inner.exposed_ports().clone().map(sorted));
            inner.set_volumes(inner.volumes().clone().map(sorted));
            config.set_config(Some(inner));
        }
        Ok(config)
    }

    fn image(&self, found: Found) -> Result<PlatformImage, LayoutError> {
        let Found { platform, manifest, config } = found;
        let diff_ids = config.rootfs().diff_ids();
        if diff_ids.len() != manifest.layers().len() {
            return Err(LayoutError::damaged(format!(
                "has an image for {platform} with {} layers, of which its configuration (rootfs.diff_ids) knows {}",
                manifest.layers().len(),
                diff_ids.len()
            )));
        }
        let mut unpacked = MAXIMUM_UNPACKED_BYTES;
        let mut layers = Vec::new();
        for (descriptor, diff_id) in manifest.layers().iter().zip(diff_ids) {
            let digest = descriptor.digest();
            let bytes = self.blob(digest.as_ref()).unwrap_or_default().to_vec();
            let media_type = oci(descriptor.media_type());
            let actual = match media_type {
                MediaType::ImageLayer => Some(digest.clone()),
                MediaType::ImageLayerGzip => Some(unpacked_digest(&bytes, digest, &mut unpacked)?),
                // Nothing here reads it, so it is for the engine to find out.
                MediaType::ImageLayerZstd => None,
                other => {
                    return Err(LayoutError::invalid(
                        format!("has a layer for {platform} of a kind that is not known: {}", quoted(other.as_ref())),
                        "make it with layers that are tar archives, plain or compressed by gzip or zstd",
                    ));
                }
            };
            if diff_id.parse::<Digest>().is_err() || actual.is_some_and(|actual| actual.as_ref() != diff_id) {
                return Err(LayoutError::damaged(format!(
                    "has a layer for {platform} that is not the one in its configuration (rootfs.diff_ids): {digest}"
                )));
            }
            let mut descriptor = descriptor.clone();
            descriptor.set_media_type(media_type);
            layers.push(Layer { descriptor, diff_id: diff_id.clone(), bytes });
        }
        Ok(PlatformImage { platform, config, layers })
    }
}

fn known(os: &impl ToString, architecture: &impl ToString, variant: &Option<String>) -> Option<Platform> {
    Platform::of(&os.to_string(), &architecture.to_string(), variant.as_deref())
}

fn other_platform(said: Platform, config: &ImageConfiguration) -> LayoutError {
    let (os, architecture) = (config.os().to_string(), config.architecture().to_string());
    LayoutError::damaged(format!(
        "has an image for {said} whose configuration is for {:?}",
        format!("{os}/{architecture}")
    ))
}

fn sorted(mut names: Vec<String>) -> Vec<String> {
    names.sort();
    names
}

/// The digest of what was compressed, of which there may be so many bytes that are left.
pub(super) fn unpacked_digest(compressed: &[u8], digest: &Digest, left: &mut u64) -> Result<Digest, LayoutError> {
    let mut hasher = Sha256::new();
    let mut archive = MultiGzDecoder::new(compressed).take(*left);
    let bytes = io::copy(&mut archive, &mut hasher)
        .map_err(|error| LayoutError::damaged(format!("has a layer that can not be unpacked ({error}): {digest}")))?;
    *left -= bytes;
    match *left {
        0 => Err(LayoutError::damaged(format!(
            "has layers of more than {MAXIMUM_UNPACKED_BYTES} bytes when they are unpacked"
        ))),
        _ => Ok(canonical::finish(hasher)),
    }
}
