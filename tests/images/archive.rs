//! An image's archive, read by the letter of OCI's specification: with none of the code that wrote it.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use flate2::read::GzDecoder;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// What lies in an archive, by its path.
pub struct Archive(BTreeMap<String, Vec<u8>>);

/// The image of one platform.
pub struct Image {
    pub manifest: Value,
    pub config: Value,
    /// From the bottom up, each with its entries in order.
    pub layers: Vec<Vec<Entry>>,
}

/// What a layer puts into an image.
#[derive(Debug, PartialEq, Eq)]
pub struct Entry {
    pub path: String,
    pub kind: tar::EntryType,
    pub mode: u32,
    pub owner: (u64, u64),
    pub modified: u64,
    pub content: Vec<u8>,
}

pub fn digest(bytes: &[u8]) -> String {
    let hash: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hash}")
}

impl Archive {
    #[track_caller]
    pub fn read(path: &Path) -> Archive {
        Archive::of(&std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
    }

    pub fn of(bytes: &[u8]) -> Archive {
        let mut files = BTreeMap::new();
        for entry in entries(bytes).into_iter().filter(|entry| entry.kind.is_file()) {
            assert!(files.insert(entry.path.clone(), entry.content).is_none(), "{} is there twice", entry.path);
        }
        Archive(files)
    }

    fn json(&self, path: &str) -> Value {
        serde_json::from_slice(self.0.get(path).unwrap_or_else(|| panic!("{path} is not there"))).expect("it is JSON")
    }

    /// What a descriptor leads to.
    #[track_caller]
    pub fn blob(&self, descriptor: &Value) -> &[u8] {
        let name = descriptor["digest"].as_str().expect("a descriptor has a digest");
        let blob = &self.0[&format!("blobs/{}", name.replace(':', "/"))];
        assert_eq!((digest(blob).as_str(), blob.len() as u64), (name, descriptor["size"].as_u64().unwrap()));
        blob
    }

    #[track_caller]
    fn document(&self, descriptor: &Value) -> Value {
        serde_json::from_slice(self.blob(descriptor)).expect("it is JSON")
    }

    /// The one descriptor in `index.json`.
    #[track_caller]
    pub fn root(&self) -> Value {
        let layout = self.json("index.json");
        assert_eq!(layout["manifests"].as_array().unwrap().len(), 1, "{layout}");
        layout["manifests"][0].clone()
    }

    /// The image index.
    #[track_caller]
    pub fn index(&self) -> Value {
        let index = self.document(&self.root());
        assert_eq!(index["mediaType"], "application/vnd.oci.image.index.v1+json");
        index
    }

    /// `linux/amd64` and so on, in the order of the index.
    pub fn platforms(&self) -> Vec<String> {
        let index = self.index();
        let platforms = index["manifests"].as_array().unwrap().iter().map(|manifest| manifest["platform"].clone());
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        platforms.map(|platform| format!("{}/{}", text(&platform["os"]), text(&platform["architecture"]))).collect()
    }

    /// The image for a platform, with each layer held against its diff ID.
    #[track_caller]
    pub fn image(&self, platform: &str) -> Image {
        let place = self.platforms().iter().position(|found| found == platform).expect("the image is for it");
        let manifest = self.document(&self.index()["manifests"][place]);
        let config = self.document(&manifest["config"]);
        assert_eq!(
            format!("{}/{}", config["os"].as_str().unwrap(), config["architecture"].as_str().unwrap()),
            platform
        );
        let mut layers = Vec::new();
        let mut diff_ids = Vec::new();
        for layer in manifest["layers"].as_array().unwrap() {
            let mut bytes = Vec::new();
            GzDecoder::new(self.blob(layer)).read_to_end(&mut bytes).expect("it is gzip");
            diff_ids.push(Value::from(digest(&bytes)));
            layers.push(entries(&bytes));
        }
        assert_eq!(config["rootfs"]["diff_ids"], Value::from(diff_ids));
        Image { manifest, config, layers }
    }

    /// The connector for a platform.
    #[track_caller]
    pub fn connector(&self, platform: &str) -> Vec<u8> {
        let layer = self.image(platform).layers.pop().expect("an image has layers");
        let connector = layer.into_iter().find(|entry| entry.path == "connector/connector.cwasm");
        connector.expect("the connector's layer has the connector").content
    }
}

fn entries(archive: &[u8]) -> Vec<Entry> {
    let mut archive = tar::Archive::new(archive);
    let entries = archive.entries().expect("it is an archive").map(|entry| {
        let mut entry = entry.expect("the archive is whole");
        let mut content = Vec::new();
        entry.read_to_end(&mut content).expect("the archive is whole");
        let header = entry.header();
        Entry {
            path: entry.path().unwrap().to_str().unwrap().trim_end_matches('/').to_owned(),
            kind: header.entry_type(),
            mode: header.mode().unwrap(),
            owner: (header.uid().unwrap(), header.gid().unwrap()),
            modified: header.mtime().unwrap(),
            content,
        }
    });
    entries.collect()
}
