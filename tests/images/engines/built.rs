//! Images of connectors, each made once by `airlock image build` for all tests, and unpacked where a test looks into one.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use tempfile::TempDir;

use super::programs::{printed, program};
use super::shared::Shared;
use crate::harness::Airlock;

/// The images that have been asked for, in a directory that goes with the last test.
pub struct Images {
    directory: TempDir,
    made: Mutex<BTreeMap<String, Arc<OnceLock<Made>>>>,
}

#[derive(Debug, Clone)]
struct Made {
    archive: PathBuf,
    reference: String,
}

/// An image for both platforms, in an archive.
pub struct Image {
    pub archive: PathBuf,
    /// As in `airlock/source-faker:0.1.0`.
    pub reference: String,
    _images: Arc<Images>,
}

/// All images of the tests that run now.
pub fn images() -> Arc<Images> {
    static IMAGES: Shared<Images> = Shared::new();
    IMAGES.get(|| Images { directory: TempDir::new().expect("a temporary directory"), made: Mutex::default() })
}

/// The image of a component.
pub fn image(component: &Path) -> Image {
    let images = images();
    let name = component.file_stem().expect("a file").to_str().expect("text").to_owned();
    // Made outside the lock: other images are made meanwhile.
    let place = images.made.lock().expect("nobody panics here").entry(name.clone()).or_default().clone();
    let Made { archive, reference } = place.get_or_init(|| images.build(&name, component)).clone();
    Image { archive, reference, _images: images }
}

/// What an engine has made of each image that it was asked to run.
pub struct OfEach<T> {
    of_each: Mutex<BTreeMap<PathBuf, T>>,
    /// So that an image is made once while the engine lasts.
    _images: Arc<Images>,
}

impl<T: Clone> OfEach<T> {
    pub fn new() -> OfEach<T> {
        OfEach { of_each: Mutex::default(), _images: images() }
    }

    /// What there is for a component, or what `make` makes.
    pub fn get(&self, component: &Path, make: impl FnOnce() -> T) -> T {
        // Where making it failed, nothing was put here.
        let mut of_each = self.of_each.lock().unwrap_or_else(PoisonError::into_inner);
        of_each.entry(component.to_owned()).or_insert_with(make).clone()
    }
}

impl Images {
    fn build(&self, name: &str, component: &Path) -> Made {
        let directory = self.directory.path().join(name);
        fs::create_dir_all(&directory).expect("a directory");
        let archive = directory.join("image.tar");
        let mut build = Airlock::new(["image", "build"]).arg(component).option("--output", &archive);
        // Those with metadata are named by it, with the version of all.
        let reference = if component.starts_with(crate::harness::dist().join("connectors").canonicalize().unwrap()) {
            format!("airlock/{name}:{}", env!("CARGO_PKG_VERSION"))
        } else {
            build = build.option("--tag", format!("airlock/{name}:test"));
            format!("airlock/{name}:test")
        };
        build.run_tool().exits(0);
        Made { archive, reference }
    }
}

impl Image {
    /// The part of the reference behind the colon.
    pub fn tag(&self) -> &str {
        self.reference.rsplit_once(':').expect("a tag").1
    }

    /// For skopeo, which asks for the tag again.
    pub fn oci_archive(&self) -> String {
        format!("oci-archive:{}:{}", self.archive.display(), self.tag())
    }

    /// Unpacks the image of a processor (`amd64`) by skopeo and umoci: gives the bundle that umoci made, which has the files
    /// in `rootfs` and, in `config.json`, what umoci makes of the image's configuration.
    pub fn unpack(&self, architecture: &str, to: &Path) -> PathBuf {
        let layout = to.join("layout");
        printed(
            program("skopeo", to)
                .args(["--insecure-policy", "--override-arch", architecture, "copy", "--quiet", &self.oci_archive()])
                .arg(format!("oci:{}:one", layout.display())),
        );
        let bundle = to.join("bundle");
        let image = format!("{}:one", layout.display());
        printed(program("umoci", to).args(["unpack", "--image", &image]).arg(&bundle));
        bundle
    }
}
