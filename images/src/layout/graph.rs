//! What leads to what in a layout: from the root over indexes and manifests to configurations and layers. All of it is checked
//! on the way: digests, lengths, and that documents are what they are said to be. Must not know where blobs come from.

use std::collections::{BTreeMap, BTreeSet};
use std::iter;

use oci_spec::image::{Descriptor, ImageIndex, ImageManifest, MediaType};
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};

use super::LayoutError;
use super::error::quoted;
use crate::canonical;
use crate::media_type::oci;

/// A layout may take as much memory as this: its images are small, and whoever made it need not be trusted.
pub const MAXIMUM_BYTES: u64 = 1 << 30;

/// All indexes and manifests together, or one configuration, may have as much as registries take of one.
pub const MAXIMUM_DOCUMENT_BYTES: u64 = 4 << 20;

/// Tools write an index of manifests. An index of indexes is allowed, and rare.
const MAXIMUM_DEPTH: usize = 3;

/// Where the blobs of a layout come from.
pub trait Blobs {
    /// The content that is said to have this digest, if it is there. Fails if it is longer than `limit`. What was given is not
    /// asked for again.
    fn take(&mut self, digest: &str, limit: u64) -> Result<Option<Vec<u8>>, LayoutError>;
}

impl Blobs for BTreeMap<String, Vec<u8>> {
    fn take(&mut self, digest: &str, limit: u64) -> Result<Option<Vec<u8>>, LayoutError> {
        match self.remove(digest) {
            Some(blob) if blob.len() as u64 > limit => Err(wrong_length(digest)),
            blob => Ok(blob),
        }
    }
}

/// All that a root leads to.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Graph {
    /// By digest. Each has the digest that it is found by.
    pub blobs: BTreeMap<String, Vec<u8>>,
    /// Each behind those that it leads to.
    pub indexes: Vec<Descriptor>,
    /// Those that are here, in the order of the indexes.
    pub manifests: Vec<(Descriptor, ImageManifest)>,
    /// What an index names and is not here: tools fetch the platforms that they need. What a manifest names is always here.
    pub missing: Vec<Descriptor>,
}

impl Graph {
    /// From the root on.
    pub fn of(root: &Descriptor, source: &mut dyn Blobs) -> Result<Graph, LayoutError> {
        if !is_document(root.media_type()) {
            let problem = format!("is no image, but {}", quoted(root.media_type().as_ref()));
            return Err(LayoutError::invalid(
                problem,
                "name an image; other things that are stored beside images can not be run",
            ));
        }
        let mut walk =
            Walk { source, graph: Graph::default(), bytes: 0, document_bytes: 0, documents: BTreeSet::new() };
        walk.document(root, 0)?;
        match walk.graph.missing.iter().any(|descriptor| descriptor.digest() == root.digest()) {
            true => Err(missing(root)),
            false => Ok(walk.graph),
        }
    }
}

struct Walk<'a> {
    source: &'a mut dyn Blobs,
    graph: Graph,
    bytes: u64,
    document_bytes: u64,
    documents: BTreeSet<String>,
}

impl Walk<'_> {
    fn document(&mut self, descriptor: &Descriptor, depth: usize) -> Result<(), LayoutError> {
        // Of another kind there may be anything, and the specification asks to pass it over.
        if !is_document(descriptor.media_type()) || !self.documents.insert(descriptor.digest().to_string()) {
            return Ok(());
        }
        if depth == MAXIMUM_DEPTH {
            return Err(LayoutError::damaged("has an image index in an index in an index"));
        }
        self.document_bytes = self.document_bytes.saturating_add(descriptor.size());
        if self.document_bytes > MAXIMUM_DOCUMENT_BYTES {
            return Err(LayoutError::damaged(format!("has manifests of more than {MAXIMUM_DOCUMENT_BYTES} bytes")));
        }
        let Some(bytes) = self.blob(descriptor)? else {
            self.graph.missing.push(descriptor.clone());
            return Ok(());
        };
        let name = descriptor.digest().as_ref();
        one_kind(bytes, descriptor)?;
        if oci(descriptor.media_type()) == MediaType::ImageIndex {
            let index: ImageIndex = json(bytes, name)?;
            for manifest in index.manifests() {
                self.document(manifest, depth + 1)?;
            }
            self.graph.indexes.push(descriptor.clone());
        } else {
            let manifest: ImageManifest = json(bytes, name)?;
            for part in iter::once(manifest.config()).chain(manifest.layers()) {
                self.blob(part)?.ok_or_else(|| missing(part))?;
            }
            self.graph.manifests.push((descriptor.clone(), manifest));
        }
        Ok(())
    }

    /// A blob, which is taken unless it is here already.
    fn blob(&mut self, descriptor: &Descriptor) -> Result<Option<&[u8]>, LayoutError> {
        let digest = descriptor.digest().as_ref();
        if descriptor.as_digest_sha256().is_none() {
            let problem = format!("names content by another digest than SHA-256: {}", quoted(digest));
            return Err(LayoutError::invalid(problem, "make it with digests of SHA-256, which all tools know"));
        }
        if !self.graph.blobs.contains_key(digest) {
            if descriptor.size() > MAXIMUM_BYTES - self.bytes {
                return Err(too_large());
            }
            let Some(bytes) = self.source.take(digest, descriptor.size())? else {
                return Ok(None);
            };
            if canonical::digest(&bytes) != *descriptor.digest() {
                return Err(LayoutError::damaged(format!("has content whose digest is not {digest}, as it should be")));
            }
            self.bytes += bytes.len() as u64;
            self.graph.blobs.insert(digest.to_owned(), bytes);
        }
        match self.graph.blobs.get(digest) {
            Some(bytes) if bytes.len() as u64 != descriptor.size() => Err(wrong_length(digest)),
            bytes => Ok(bytes.map(Vec::as_slice)),
        }
    }
}

/// Whether it is an index or a manifest.
pub fn is_document(media_type: &MediaType) -> bool {
    matches!(oci(media_type), MediaType::ImageIndex | MediaType::ImageManifest)
}

/// A document must not be an index to one tool and a manifest to another, so it has the fields of one of them, and no other type
/// than its descriptor says.
fn one_kind(bytes: &[u8], descriptor: &Descriptor) -> Result<(), LayoutError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Fields {
        media_type: Option<MediaType>,
        manifests: Option<IgnoredAny>,
        config: Option<IgnoredAny>,
        layers: Option<IgnoredAny>,
    }
    let what = descriptor.digest().as_ref();
    let fields: Fields = json(bytes, what)?;
    let same_type = fields.media_type.is_none_or(|media_type| media_type == *descriptor.media_type());
    let is_index = oci(descriptor.media_type()) == MediaType::ImageIndex;
    let same_fields =
        if is_index { fields.config.is_none() && fields.layers.is_none() } else { fields.manifests.is_none() };
    if same_type && same_fields {
        Ok(())
    } else {
        Err(LayoutError::damaged(format!("has an index or a manifest that is said to be the other: {what}")))
    }
}

/// Reads a document, which an error calls by this name.
pub fn json<T: DeserializeOwned>(bytes: &[u8], name: &str) -> Result<T, LayoutError> {
    serde_json::from_slice(bytes).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        let what = if error.is_data() { "has not the fields that it should have" } else { "is not JSON" };
        LayoutError::damaged(format!("has a document that {what}: {name}, line {line}, column {column}"))
    })
}

pub fn too_large() -> LayoutError {
    LayoutError::invalid(
        format!("has more than {MAXIMUM_BYTES} bytes"),
        "airlock reads images into memory, and none for a connector is that large; is it the right one?",
    )
}

pub fn wrong_length(digest: &str) -> LayoutError {
    LayoutError::damaged(format!("has content that is longer or shorter than it should be: {digest}"))
}

fn missing(descriptor: &Descriptor) -> LayoutError {
    LayoutError::invalid(
        format!("lacks {}", descriptor.digest()),
        "it is cut off, or was copied in part; make or fetch it again",
    )
}
