//! Which images are found in a layout, and whether their layers are theirs.

use oci_spec::image::MediaType;

use super::super::images::unpacked_digest;
use super::*;

fn platforms(files: &Files) -> Vec<Platform> {
    files.read().unwrap().images().unwrap().iter().map(|image| image.platform).collect()
}

/// A layout whose image index has these.
fn indexed(mut files: Files, manifests: Vec<Value>) -> Files {
    let index = files.index_of(INDEX, manifests);
    files.index(vec![index]);
    files
}

#[test]
fn other_platforms_and_attestations_are_passed_over() {
    let mut files = Files::new();
    let amd64 = on(files.image("amd64"), "linux", "amd64");
    let s390x = on(files.image_of("s390x", "s390x"), "linux", "s390x");
    let windows = on(files.image("windows"), "windows", "amd64");
    let newer = with(files.image("v3"), json!({"platform": {"os": "linux", "architecture": "amd64", "variant": "v3"}}));
    // As buildx makes it: what it attests is no layer.
    let (config, statement) = (files.blob(CONFIG, "{}"), files.blob("application/vnd.in-toto+json", "{}"));
    let attestation = on(files.manifest(MANIFEST, config, vec![statement]), "unknown", "unknown");
    // As ORAS makes it: it has no configuration.
    let (empty, file) = (files.blob("application/vnd.oci.empty.v1+json", "{}"), files.blob("text/plain", "hello"));
    let artifact = files.manifest(MANIFEST, empty, vec![file]);
    let files = indexed(files, vec![s390x, windows, newer, attestation, artifact, amd64]);
    assert_eq!(platforms(&files), [Platform::LinuxAmd64]);
    let layout = files.read().unwrap();
    assert_eq!(layout.manifests().unwrap().len(), 6, "a push has all of them");
    assert_eq!(Layout::read_archive(archive(&layout).as_slice()).unwrap(), layout);
}

#[test]
fn a_platform_may_be_in_the_configuration_alone() {
    let mut files = Files::new();
    let (arm64, amd64) = (files.image_of("arm64", "arm64"), files.image("amd64"));
    let s390x = files.image_of("s390x", "s390x");
    assert_eq!(platforms(&indexed(files, vec![arm64, s390x, amd64])), Platform::ALL);
}

#[test]
fn two_words_on_a_platform_agree() {
    let mut files = Files::new();
    let amd64 = on(files.image("amd64"), "linux", "arm64");
    let unknown = on(files.image_of("pdp-11", "pdp-11"), "linux", "amd64");
    let layout = indexed(files.clone(), vec![amd64]);
    assert_eq!(layout.error(), r#"has an image for linux/arm64 whose configuration is for "linux/amd64""#);
    let layout = indexed(files, vec![unknown]);
    assert_eq!(layout.error(), r#"has an image for linux/amd64 whose configuration is for "linux/pdp-11""#);
}

#[test]
fn a_platform_has_one_image() {
    let mut files = Files::new();
    let (one, other) = (files.image("one"), files.image("other"));
    let twice = indexed(files.clone(), vec![one.clone(), one.clone()]);
    assert_eq!(platforms(&twice), [Platform::LinuxAmd64]);
    assert_eq!(indexed(files.clone(), vec![one.clone(), other.clone()]).error(), "has two images for linux/amd64");
    // Of which the index of the layout does not tell that they are two.
    assert_eq!(files.index(vec![one, other]).error(), "has two images for linux/amd64");
}

#[test]
fn names_of_docker_become_names_of_oci() {
    let layer = LayerBuilder::new().file("/hello", 0o644, b"hello".to_vec()).build().unwrap();
    let unpacked = LayerBuilder::new().file("/other", 0o644, b"other".to_vec()).archive().unwrap();
    let diff_ids = json!([layer.diff_id, canonical::digest(&unpacked).as_ref()]);
    // With what Docker has beside the fields of OCI.
    let config = json!({
        "os": "linux", "architecture": "amd64", "rootfs": {"type": "layers", "diff_ids": diff_ids},
        "docker_version": "24", "container_config": {"Cmd": ["sh"]},
        "config": {"Env": null, "Labels": null, "ExposedPorts": {"2/tcp": {}, "1/tcp": {}}, "Volumes": null, "Healthcheck": {}},
    });
    let mut files = Files::new();
    let config = files.blob("application/vnd.docker.container.image.v1+json", config.to_string());
    let layers = vec![
        files.blob("application/vnd.docker.image.rootfs.diff.tar.gzip", layer.bytes.clone()),
        files.blob("application/vnd.docker.image.rootfs.diff.tar", unpacked),
    ];
    let manifest = files.manifest("application/vnd.docker.distribution.manifest.v2+json", config, layers);
    let list = "application/vnd.docker.distribution.manifest.list.v2+json";
    let index = files.index_of(list, vec![on(manifest, "linux", "amd64")]);
    let layout = files.index(vec![index]).read().unwrap();
    assert_eq!(layout.root().media_type().as_ref(), list, "what is pushed stays");

    let [image] = layout.images().unwrap().try_into().unwrap();
    assert_eq!(image.layers[0], layer);
    assert_eq!(image.layers[1].descriptor.media_type(), &MediaType::ImageLayer);
    let config = image.config.config().clone().unwrap();
    assert_eq!(config.exposed_ports().clone().unwrap(), ["1/tcp", "2/tcp"]);
    let again = Layout::of(std::slice::from_ref(&image), &BTreeMap::new(), None).unwrap();
    assert_eq!(again.images().unwrap(), [image]);
}

/// An image with one layer that is said to be of this kind, and to be this when it is unpacked.
fn of_layer(media_type: &str, content: &[u8], diff_ids: Value) -> Files {
    let mut files = Files::new();
    let config = json!({"os": "linux", "architecture": "amd64", "rootfs": {"type": "layers", "diff_ids": diff_ids}});
    let (config, layer) = (files.blob(CONFIG, config.to_string()), files.blob(media_type, content));
    let manifest = files.manifest(MANIFEST, config, vec![layer]);
    files.index(vec![manifest]);
    files
}

#[test]
fn layers_stay_as_they_are() {
    let (plain, zstd) = ("application/vnd.oci.image.layer.v1.tar", "application/vnd.oci.image.layer.v1.tar+zstd");
    // Nobody unpacks what zstd compressed, so anything may be in it.
    for (media_type, diff_id) in [(plain, canonical::digest(b"content")), (zstd, canonical::digest(b"other"))] {
        let files = of_layer(media_type, b"content", json!([diff_id.as_ref()]));
        let [image] = files.read().unwrap().images().unwrap().try_into().unwrap();
        let [layer] = image.layers.try_into().unwrap();
        assert_eq!(layer.bytes, b"content");
        assert_eq!(layer.diff_id, diff_id.as_ref());
        assert_eq!(layer.descriptor.media_type().as_ref(), media_type);
    }
    let unknown = of_layer("application/vnd.example", b"", json!([canonical::digest(b"").as_ref()]));
    assert_eq!(
        unknown.error(),
        r#"has a layer for linux/amd64 of a kind that is not known: "application/vnd.example""#
    );
}

#[test]
fn layers_are_those_of_the_configuration() {
    let layer = LayerBuilder::new().file("/hello", 0o644, b"hello".to_vec()).build().unwrap();
    assert!(of_layer(GZIP, &layer.bytes, json!([layer.diff_id])).read().unwrap().images().is_ok());
    let none = of_layer(GZIP, &layer.bytes, json!([]));
    assert_eq!(
        none.error(),
        "has an image for linux/amd64 with 1 layers, of which its configuration (rootfs.diff_ids) knows 0"
    );
    let other = canonical::digest(b"other").to_string();
    let plain = "application/vnd.oci.image.layer.v1.tar";
    let zstd = "application/vnd.oci.image.layer.v1.tar+zstd";
    for (media_type, diff_id) in [(GZIP, other.as_str()), (plain, &other), (zstd, "hello"), (GZIP, "")] {
        let error = of_layer(media_type, &layer.bytes, json!([diff_id])).error();
        assert!(error.starts_with("has a layer for linux/amd64 that is not the one in its configuration"), "{error}");
    }
    for broken in [&b"hello"[..], b"", &layer.bytes[..layer.bytes.len() - 1]] {
        let error = of_layer(GZIP, broken, json!([layer.diff_id])).error();
        assert!(error.starts_with("has a layer that can not be unpacked"), "{error}");
    }
}

#[test]
fn layers_are_unpacked_to_a_bound() {
    let layer = LayerBuilder::new().file("/hello", 0o644, vec![0; 100_000]).build().unwrap();
    let digest = layer.descriptor.digest();
    let mut left = 250_000;
    for _ in 0..2 {
        assert_eq!(unpacked_digest(&layer.bytes, digest, &mut left).unwrap().as_ref(), layer.diff_id);
    }
    let error = unpacked_digest(&layer.bytes, digest, &mut left).unwrap_err().to_string();
    assert!(error.starts_with("has layers of more than "), "{error}");
}

#[test]
fn a_configuration_is_a_document() {
    let mut files = Files::new();
    for (content, expected) in [
        ("hello".to_owned(), "has a document that is not JSON"),
        ("{}".to_owned(), "has a document that has not the fields"),
        (" ".repeat((4 << 20) + 1), "has a configuration of more than 4194304 bytes"),
    ] {
        let config = files.blob(CONFIG, content);
        let manifest = files.manifest(MANIFEST, config, vec![]);
        assert!(files.index(vec![manifest]).error().starts_with(expected), "{}", files.error());
    }
}
