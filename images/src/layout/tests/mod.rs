//! Layouts that are made, that other tools make, and that nobody should make.

mod archives;
mod documents;
mod platforms;
mod written;

use std::collections::BTreeMap;
use std::io::Read;

use oci_spec::image::{ConfigBuilder, ImageConfigurationBuilder};
use serde_json::{Value, json};

use super::*;
use crate::canonical;
use crate::layer::{LayerBuilder, Owner};
use crate::ustar::{self, Permissions};

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// An image of two layers, the second of which is for the platform alone.
fn image(platform: Platform) -> PlatformImage {
    let mut base = LayerBuilder::new();
    base.file("/usr/bin/airlock", 0o755, b"host".to_vec()).directory("/airbyte", 0o755, Owner::AIRBYTE);
    let mut connector = LayerBuilder::new();
    connector.file("/connector/connector.cwasm", 0o644, platform.target().into());
    let layers = vec![base.build().unwrap(), connector.build().unwrap()];
    let labels: std::collections::HashMap<_, _> =
        (0..20).map(|number| (format!("label-{number}"), number.to_string())).collect();
    let config =
        ConfigBuilder::default().user("airbyte").entrypoint(vec!["/usr/bin/airlock".to_owned()]).labels(labels);
    let config = ImageConfigurationBuilder::default().config(config.build().unwrap()).build().unwrap();
    PlatformImage { platform, config, layers }
}

fn both() -> Vec<PlatformImage> {
    Platform::ALL.map(image).to_vec()
}

fn named(images: &[PlatformImage], reference: &str) -> Layout {
    let reference = reference.parse().unwrap();
    let annotations = BTreeMap::from([("org.opencontainers.image.title".to_owned(), "Hello".to_owned())]);
    Layout::of(images, &annotations, Some(&reference)).unwrap()
}

fn archive(layout: &Layout) -> Vec<u8> {
    let mut archive = Vec::new();
    layout.write_archive(&mut archive).unwrap();
    archive
}

/// The files of a layout by their names.
#[derive(Clone, Default)]
struct Files(BTreeMap<String, Vec<u8>>);

impl Files {
    /// Without an image, which `index` gives it.
    fn new() -> Files {
        let mut files = Files::default();
        files.put("oci-layout", &json!({"imageLayoutVersion": "1.0.0"}));
        files
    }

    /// Of an archive.
    fn of(archive: &[u8]) -> Files {
        let mut files = Files::default();
        for entry in tar::Archive::new(archive).entries().unwrap() {
            let mut entry = entry.unwrap();
            if entry.header().entry_type().is_file() {
                let mut content = Vec::new();
                entry.read_to_end(&mut content).unwrap();
                files.0.insert(entry.path().unwrap().to_str().unwrap().to_owned(), content);
            }
        }
        files
    }

    fn put(&mut self, name: &str, document: &Value) {
        self.0.insert(name.to_owned(), document.to_string().into_bytes());
    }

    /// Adds a blob, and gives its descriptor.
    fn blob(&mut self, media_type: &str, content: impl Into<Vec<u8>>) -> Value {
        let content = content.into();
        let digest = canonical::digest(&content);
        let descriptor = json!({"mediaType": media_type, "digest": digest.as_ref(), "size": content.len()});
        self.0.insert(format!("blobs/sha256/{}", digest.digest()), content);
        descriptor
    }

    /// Adds an image of an amd64 with one layer, and gives the descriptor of its manifest.
    fn image(&mut self, content: &str) -> Value {
        self.image_of("amd64", content)
    }

    fn image_of(&mut self, architecture: &str, content: &str) -> Value {
        let mut layer = LayerBuilder::new();
        let layer = layer.file("/content", 0o644, content.into()).build().unwrap();
        let rootfs = json!({"type": "layers", "diff_ids": [layer.diff_id]});
        let config = json!({"os": "linux", "architecture": architecture, "rootfs": rootfs});
        let config = self.blob(CONFIG, config.to_string());
        let layer = self.blob(GZIP, layer.bytes);
        self.manifest(MANIFEST, config, vec![layer])
    }

    fn manifest(&mut self, media_type: &str, config: Value, layers: Vec<Value>) -> Value {
        let manifest = json!({"schemaVersion": 2, "mediaType": media_type, "config": config, "layers": layers});
        self.blob(media_type, manifest.to_string())
    }

    fn index_of(&mut self, media_type: &str, manifests: Vec<Value>) -> Value {
        let index = json!({"schemaVersion": 2, "mediaType": media_type, "manifests": manifests});
        self.blob(media_type, index.to_string())
    }

    /// The index of the layout.
    fn index(&mut self, entries: Vec<Value>) -> &mut Files {
        self.put("index.json", &json!({"schemaVersion": 2, "manifests": entries}));
        self
    }

    fn archive(&self) -> Vec<u8> {
        let mut archive = tar::Builder::new(Vec::new());
        for (name, content) in &self.0 {
            ustar::file(&mut archive, name, Permissions::root(0o644), content).unwrap();
        }
        archive.into_inner().unwrap()
    }

    fn read(&self) -> Result<Layout, LayoutError> {
        Layout::read_archive(self.archive().as_slice())
    }

    /// What is said of it.
    fn error(&self) -> String {
        self.read().and_then(|layout| layout.images()).unwrap_err().to_string()
    }
}

/// The descriptor with more fields.
fn with(mut descriptor: Value, fields: Value) -> Value {
    descriptor.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    descriptor
}

fn on(descriptor: Value, os: &str, architecture: &str) -> Value {
    with(descriptor, json!({"platform": {"os": os, "architecture": architecture}}))
}

fn called(descriptor: Value, tag: &str) -> Value {
    with(descriptor, json!({"annotations": {"org.opencontainers.image.ref.name": tag}}))
}
