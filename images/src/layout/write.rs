//! A layout as an archive. Beside the layout it has the `manifest.json` of `docker save`, for loaders that know nothing else.

use std::collections::HashMap;
use std::io::{self, Write};

use oci_spec::distribution::Reference;
use oci_spec::image::{ANNOTATION_REF_NAME, ImageIndex, MediaType, OciLayoutBuilder};
use serde::Serialize;
use tar::Builder;

use super::images::Found;
use super::{ANNOTATION_IMAGE_NAME, Layout};
use crate::canonical;
use crate::ustar::{self, Permissions};

/// The version of the format, which has been the same since there is one.
const LAYOUT_VERSION: &str = "1.0.0";

/// What Docker knows of an image in an archive: where its parts are.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct DockerImage {
    config: String,
    repo_tags: Vec<String>,
    layers: Vec<String>,
}

impl Layout {
    /// Writes it as an archive, with the same bytes every time.
    pub fn write_archive(&self, to: impl Write) -> io::Result<()> {
        let layout =
            OciLayoutBuilder::default().image_layout_version(LAYOUT_VERSION).build().map_err(io::Error::other)?;
        let mut archive = Builder::new(to);
        let documents = [
            ("oci-layout", canonical::json(&layout)?),
            ("index.json", canonical::json(&self.index())?),
            ("manifest.json", canonical::json(&self.docker_images()?)?),
        ];
        for (name, content) in documents {
            ustar::file(&mut archive, name, Permissions::root(0o644), &content)?;
        }
        for directory in ["blobs", "blobs/sha256"] {
            ustar::directory(&mut archive, directory, Permissions::root(0o755))?;
        }
        for (digest, content) in &self.graph.blobs {
            ustar::file(&mut archive, &place(digest), Permissions::root(0o644), content)?;
        }
        archive.into_inner()?.flush()
    }

    /// The index of the layout has one entry. The manifests of the platforms are not in it, for loaders take each for an image.
    fn index(&self) -> ImageIndex {
        let mut root = self.root.clone();
        if let Some(reference) = &self.reference {
            let mut annotations = HashMap::from([(ANNOTATION_IMAGE_NAME.to_owned(), reference.whole())]);
            annotations.extend(reference.tag().map(|tag| (ANNOTATION_REF_NAME.to_owned(), tag.to_owned())));
            root.set_annotations(Some(annotations));
        }
        let mut index = ImageIndex::default();
        index.set_media_type(Some(MediaType::ImageIndex)).set_manifests(vec![root]);
        index
    }

    /// Docker gives a name to one image, so the first platform's has the plain tag.
    fn docker_images(&self) -> io::Result<Vec<DockerImage>> {
        let found = self.found().map_err(io::Error::other)?;
        let images = found.into_iter().enumerate().map(|(number, Found { platform, manifest, .. })| {
            let suffix = if number == 0 { String::new() } else { format!("-{}", platform.architecture()) };
            DockerImage {
                config: place(manifest.config().digest().as_ref()),
                repo_tags: self.reference.iter().filter_map(|reference| with_suffix(reference, &suffix)).collect(),
                layers: manifest.layers().iter().map(|layer| place(layer.digest().as_ref())).collect(),
            }
        });
        Ok(images.collect())
    }
}

/// None if the tag is too long for it.
fn with_suffix(reference: &Reference, suffix: &str) -> Option<String> {
    let name = format!("{}{suffix}", reference.whole());
    name.parse::<Reference>().is_ok().then_some(name)
}

/// Where a blob is in a layout.
fn place(digest: &str) -> String {
    format!("blobs/{}", digest.replace(':', "/"))
}
