//! Base images of the tests' own: they say what airlock's says, and their program is none.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use airlock_images::{LayerBuilder, Layout, Platform, PlatformImage};
use serde_json::{Value, json};

use crate::harness::Workspace;

/// A base image that fits this airlock, for both platforms.
pub fn base(workspace: &Workspace) -> PathBuf {
    let path = workspace.path().join("base.tar");
    write(&path, &Platform::ALL, |_| {});
    path
}

/// A base image for some platforms, whose configurations were changed.
pub fn write(path: &Path, platforms: &[Platform], change: impl Fn(&mut Value)) {
    let image = |platform: &Platform| {
        let layer = LayerBuilder::new().file("/usr/bin/airlock", 0o755, b"the host".to_vec()).build().unwrap();
        let mut config = configuration(*platform);
        change(&mut config);
        let config = serde_json::from_value(config).expect("it is a configuration");
        PlatformImage { platform: *platform, config, layers: vec![layer] }
    };
    let images: Vec<PlatformImage> = platforms.iter().map(image).collect();
    let reference = "airlock/base:0.1.0".parse().unwrap();
    let layout = Layout::of(&images, &BTreeMap::new(), Some(&reference)).unwrap();
    layout.write_archive(File::create(path).unwrap()).unwrap();
}

fn configuration(platform: Platform) -> Value {
    json!({
        "architecture": platform.architecture(),
        "os": "linux",
        "config": {
            "User": "airbyte",
            "WorkingDir": "/airbyte",
            "Entrypoint": ["/usr/bin/airlock"],
            "Env": [
                "PATH=/usr/bin:/bin",
                "AIRBYTE_ENTRYPOINT=/usr/bin/airlock",
                "AIRLOCK_AIRBYTE_DIR=/airbyte",
                "AIRLOCK_CONNECTOR=/connector/connector.cwasm",
            ],
            "Labels": {
                "airlock.version": env!("CARGO_PKG_VERSION"),
                "airlock.wasmtime": wasmtime_version(),
                "org.opencontainers.image.title": "The base",
                "org.opencontainers.image.source": "https://base.example",
            },
        },
        "rootfs": {"type": "layers", "diff_ids": []},
        "history": [{"created": "1970-01-01T00:00:00Z", "created_by": "the base"}],
    })
}

/// That of the binary, which has a test that holds it against the same file.
fn wasmtime_version() -> &'static str {
    let lock = include_str!("../../Cargo.lock");
    let (_, package) = lock.split_once("name = \"wasmtime\"\nversion = \"").expect("it is locked");
    package.split('"').next().unwrap()
}
