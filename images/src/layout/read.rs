//! Reading a layout, and which of the images in it is meant. Must not know how archives are made.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read;
use std::path::Path;

use oci_spec::distribution::Reference;
use oci_spec::image::{ANNOTATION_REF_NAME, Descriptor, ImageIndex, MediaType, OciLayout};

use super::directory::Directory;
use super::error::quoted;
use super::graph::{Blobs, Graph, MAXIMUM_BYTES, is_document, json};
use super::{ANNOTATION_IMAGE_NAME, Layout, LayoutError, archive};
use crate::canonical;

/// An error names as many images of a layout.
const NAMES_SHOWN: usize = 10;

impl Layout {
    /// Reads a directory or an archive (which may be compressed by gzip), and checks every digest.
    pub fn read(path: &Path) -> Result<Layout, LayoutError> {
        let file = File::open(path)?;
        if !file.metadata()?.is_dir() {
            return Layout::read_archive(file);
        }
        let mut directory = Directory::new(path);
        match (directory.document("oci-layout")?, directory.document("index.json")?) {
            (Some(layout), Some(index)) => read(&layout, index, &mut directory),
            _ => Err(LayoutError::invalid(
                "is a directory without the files oci-layout and index.json",
                "name an OCI layout: a directory, or an archive of one, as `airlock image build` makes",
            )),
        }
    }

    /// Reads an archive.
    pub fn read_archive(archive: impl Read) -> Result<Layout, LayoutError> {
        let mut parts = archive::parts(archive, MAXIMUM_BYTES)?;
        match (parts.layout, parts.index) {
            (Some(layout), Some(index)) => read(&layout, index, &mut parts.blobs),
            (None, None) if parts.docker_list => Err(LayoutError::invalid(
                "is an archive in Docker's own format, without an OCI layout",
                "turn it into one by `skopeo copy docker-archive:OLD.tar oci-archive:NEW.tar`; Docker writes one itself since version 25",
            )),
            _ => Err(LayoutError::invalid(
                "is an archive without the files oci-layout and index.json",
                "name an OCI layout: a directory, or an archive of one, as `airlock image build` makes",
            )),
        }
    }

    /// From blobs that were fetched. Refuses what is missing or has another digest.
    pub fn from_blobs(
        root: Descriptor,
        blobs: Vec<Vec<u8>>,
        reference: Option<Reference>,
    ) -> Result<Layout, LayoutError> {
        let mut blobs: BTreeMap<_, _> =
            blobs.into_iter().map(|blob| (canonical::digest(&blob).to_string(), blob)).collect();
        Layout::below(root, reference, &mut blobs)
    }

    fn below(root: Descriptor, reference: Option<Reference>, blobs: &mut dyn Blobs) -> Result<Layout, LayoutError> {
        let mut plain = Descriptor::new(root.media_type().clone(), root.size(), root.digest().clone());
        plain.set_platform(root.platform().clone());
        Ok(Layout { graph: Graph::of(&plain, blobs)?, root: plain, reference })
    }
}

fn read(layout: &[u8], index: Vec<u8>, blobs: &mut dyn Blobs) -> Result<Layout, LayoutError> {
    let layout: OciLayout = json(layout, "oci-layout")?;
    let version = layout.image_layout_version();
    if !version.starts_with("1.") {
        return Err(LayoutError::invalid(
            format!("is an OCI layout of version {}, and 1.0.0 is known", quoted(version)),
            "make it with a tool that writes version 1.0.0, as all do today",
        ));
    }
    let parsed: ImageIndex = json(&index, "index.json")?;
    let (entry, reference) = root(&parsed)?;
    match entry {
        Some(root) => Layout::below(root, reference, blobs),
        None => {
            let root = Descriptor::new(MediaType::ImageIndex, index.len() as u64, canonical::digest(&index));
            let mut blobs = With { digest: root.digest().to_string(), bytes: Some(index), others: blobs };
            Layout::below(root, reference, &mut blobs)
        }
    }
}

/// The entry that the index of a layout is about, and the name of the image. Without an entry it is about all of them, each for a
/// platform, as some tools write.
fn root(index: &ImageIndex) -> Result<(Option<Descriptor>, Option<Reference>), LayoutError> {
    let entries: Vec<&Descriptor> =
        index.manifests().iter().filter(|descriptor| is_document(descriptor.media_type())).collect();
    let Some(first) = entries.first() else {
        return Err(LayoutError::invalid("is an OCI layout without an image", "put an image into it first"));
    };
    let reference = entries.iter().find_map(|entry| reference(entry));
    if entries.iter().all(|entry| entry.digest() == first.digest()) {
        return Ok((Some((*first).clone()), reference));
    }
    // One image has the same name for each of its platforms, or none.
    let names: BTreeSet<Option<&str>> = entries.iter().map(|entry| name(entry)).collect();
    if names.len() == 1 {
        return Ok((None, reference));
    }
    let mut names: Vec<String> =
        entries.iter().map(|entry| name(entry).map_or_else(|| entry.digest().to_string(), quoted)).collect();
    names.dedup();
    let more = names.len().saturating_sub(NAMES_SHOWN);
    names.truncate(NAMES_SHOWN);
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    Err(LayoutError::invalid(
        format!("has several images: {}{more}", names.join(", ")),
        "save or copy one image alone, as with `docker save IMAGE` or `skopeo copy`",
    ))
}

/// What a tool calls an entry: by its whole name, or by its tag alone.
fn name(entry: &Descriptor) -> Option<&str> {
    let annotations = entry.annotations().as_ref()?;
    annotations.get(ANNOTATION_IMAGE_NAME).or_else(|| annotations.get(ANNOTATION_REF_NAME)).map(String::as_str)
}

/// A name that has more than a tag: `0.1.0` alone would be an image of that name.
fn reference(entry: &Descriptor) -> Option<Reference> {
    let reference: Reference = name(entry).filter(|name| name.contains(['/', ':']))?.parse().ok()?;
    let tag = reference.tag()?.to_owned();
    Some(Reference::with_tag(reference.registry().to_owned(), reference.repository().to_owned(), tag))
}

/// Blobs, and one that lies elsewhere.
struct With<'a> {
    digest: String,
    bytes: Option<Vec<u8>>,
    others: &'a mut dyn Blobs,
}

impl Blobs for With<'_> {
    fn take(&mut self, digest: &str, limit: u64) -> Result<Option<Vec<u8>>, LayoutError> {
        if digest == self.digest { Ok(self.bytes.take()) } else { self.others.take(digest, limit) }
    }
}
