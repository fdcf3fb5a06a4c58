//! skopeo, which reads an image without running it: what it is for each platform.

use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::built::image;
use super::programs::{printed, program};
use crate::harness::connector;

fn json_of(command: &mut Command) -> Value {
    serde_json::from_str(&printed(command)).expect("it is JSON")
}

#[test]
fn it_sees_an_index_and_what_each_platform_runs() {
    let home = TempDir::new().expect("a temporary directory");
    let image = image(&connector("source-faker"));
    let inspect = |options: &[&str], what: &[&str]| {
        let mut skopeo = program("skopeo", home.path());
        json_of(skopeo.args(options).arg("inspect").args(what).arg(image.oci_archive()))
    };
    let index = inspect(&[], &["--raw"]);
    assert_eq!(index["mediaType"], "application/vnd.oci.image.index.v1+json");
    let platforms: Vec<String> = index["manifests"]
        .as_array()
        .expect("an index")
        .iter()
        .map(|manifest| {
            let word = |name: &str| manifest["platform"][name].as_str().unwrap().to_owned();
            format!("{}/{}", word("os"), word("architecture"))
        })
        .collect();
    assert_eq!(platforms, ["linux/amd64", "linux/arm64"]);
    for architecture in ["amd64", "arm64"] {
        let whole = inspect(&["--override-arch", architecture], &["--config"]);
        assert_eq!((&whole["os"], &whole["architecture"]), (&json!("linux"), &json!(architecture)));
        let config = &whole["config"];
        assert_eq!(config["User"], "airbyte");
        assert_eq!(config["WorkingDir"], "/airbyte");
        assert_eq!(config["Entrypoint"], json!(["/usr/bin/airlock"]));
        assert_eq!(config.get("Cmd"), None, "what is after the image's name are airlock's arguments");
        let environment: Vec<&str> =
            config["Env"].as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect();
        for variable in [
            "AIRBYTE_ENTRYPOINT=/usr/bin/airlock",
            "AIRLOCK_AIRBYTE_DIR=/airbyte",
            "AIRLOCK_CONNECTOR=/connector/connector.cwasm",
        ] {
            assert!(environment.contains(&variable), "no {variable}: {environment:?}");
        }
        assert!(environment.iter().any(|word| word.starts_with("PATH=") && word.contains("/bin")), "{environment:?}");
        let labels = &config["Labels"];
        assert_eq!(labels["io.airbyte.name"], "airlock/source-faker");
        assert_eq!(labels["io.airbyte.version"], env!("CARGO_PKG_VERSION"));
        assert_eq!(labels["org.opencontainers.image.version"], env!("CARGO_PKG_VERSION"));
        // Layers as many as the configuration says, under the digests that it has for them.
        let layers = inspect(&["--override-arch", architecture], &[])["Layers"].clone();
        assert_eq!(layers.as_array().unwrap().len(), whole["rootfs"]["diff_ids"].as_array().unwrap().len());
    }
}

/// As Docker's archive and as OCI's it is the same image, and copies keep every byte.
#[test]
fn it_copies_the_whole_and_each_half() {
    let home = TempDir::new().expect("a temporary directory");
    let image = image(&connector("source-faker"));
    let skopeo = || {
        let mut skopeo = program("skopeo", home.path());
        skopeo.args(["--insecure-policy", "--override-arch", "amd64"]);
        skopeo
    };
    let digest = |name: &str| {
        let raw = printed(skopeo().args(["inspect", "--raw", name]));
        let path = home.path().join("manifest");
        std::fs::write(&path, raw).unwrap();
        printed(skopeo().arg("manifest-digest").arg(path))
    };
    let copy = format!("oci:{}:copy", home.path().join("copy").display());
    printed(skopeo().args(["copy", "--quiet", "--all", &image.oci_archive(), &copy]));
    assert_eq!(digest(&copy), digest(&image.oci_archive()));

    let config = |name: &str| json_of(skopeo().args(["inspect", "--config", name]));
    let docker_archive = format!("docker-archive:{}:{}", image.archive.display(), image.reference);
    assert_eq!(config(&docker_archive), config(&image.oci_archive()));
}
