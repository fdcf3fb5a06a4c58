//! What is written is what loaders look for, is the same every time, and is read again.

use proptest::prelude::*;

use super::*;

fn document(files: &Files, name: &str) -> Value {
    serde_json::from_slice(&files.0[name]).unwrap()
}

/// What a descriptor names.
fn named_by(files: &Files, descriptor: &Value) -> Value {
    document(files, &place(descriptor))
}

fn place(descriptor: &Value) -> String {
    format!("blobs/{}", descriptor["digest"].as_str().unwrap().replace(':', "/"))
}

#[test]
fn one_entry_leads_to_an_index_of_the_platforms() {
    let layout = named(&both(), "airbyte/source-hello:0.1.0");
    let files = Files::of(&archive(&layout));
    assert_eq!(document(&files, "oci-layout"), json!({"imageLayoutVersion": "1.0.0"}));

    let top = document(&files, "index.json");
    assert_eq!(top["schemaVersion"], 2);
    let [entry] = top["manifests"].as_array().unwrap().as_slice() else { panic!("{top}") };
    assert_eq!(entry["mediaType"], INDEX);
    assert_eq!(entry["annotations"]["org.opencontainers.image.ref.name"], "0.1.0");
    assert_eq!(entry["annotations"]["io.containerd.image.name"], "docker.io/airbyte/source-hello:0.1.0");

    let index = named_by(&files, entry);
    assert_eq!(index["mediaType"], INDEX);
    assert_eq!(index["annotations"], json!({"org.opencontainers.image.title": "Hello"}));
    let manifests = index["manifests"].as_array().unwrap();
    let platforms: Vec<_> = manifests.iter().map(|manifest| manifest["platform"].clone()).collect();
    assert_eq!(platforms, ["amd64", "arm64"].map(|name| json!({"os": "linux", "architecture": name})));

    for (descriptor, image) in manifests.iter().zip(both()) {
        assert_eq!(descriptor["mediaType"], MANIFEST);
        let manifest = named_by(&files, descriptor);
        assert_eq!(manifest["mediaType"], MANIFEST);
        assert_eq!(manifest["annotations"], json!({"org.opencontainers.image.title": "Hello"}));
        let config = named_by(&files, &manifest["config"]);
        assert_eq!(config["os"], "linux");
        assert_eq!(config["architecture"], image.platform.architecture());
        assert_eq!(config["config"]["User"], "airbyte");
        let layers = manifest["layers"].as_array().unwrap();
        assert_eq!(layers.len(), 2);
        for (number, layer) in image.layers.iter().enumerate() {
            assert_eq!(layers[number]["mediaType"], GZIP);
            assert_eq!(files.0[&place(&layers[number])], layer.bytes);
            assert_eq!(config["rootfs"]["diff_ids"][number], layer.diff_id.as_str());
        }
    }
    // Three documents and two configurations, two layers and the one that both platforms have.
    assert_eq!(files.0.keys().filter(|name| name.starts_with("blobs/")).count(), 8);
}

#[test]
fn docker_finds_an_image_for_each_platform() {
    let layout = named(&both(), "airbyte/source-hello:0.1.0");
    let files = Files::of(&archive(&layout));
    let list = document(&files, "manifest.json");
    let [amd64, arm64] = list.as_array().unwrap().as_slice() else { panic!("{list}") };
    assert_eq!(amd64["RepoTags"], json!(["docker.io/airbyte/source-hello:0.1.0"]));
    assert_eq!(arm64["RepoTags"], json!(["docker.io/airbyte/source-hello:0.1.0-arm64"]));
    for (entry, architecture) in [(amd64, "amd64"), (arm64, "arm64")] {
        assert_eq!(document(&files, entry["Config"].as_str().unwrap())["architecture"], architecture);
        let layers = entry["Layers"].as_array().unwrap();
        assert_eq!(layers.len(), 2);
        assert!(layers.iter().all(|layer| files.0.contains_key(layer.as_str().unwrap())), "{entry}");
    }
}

#[test]
fn an_image_for_one_platform_has_the_plain_name() {
    let layout = named(&[image(Platform::LinuxArm64)], "registry.example:5000/hello:1");
    let files = Files::of(&archive(&layout));
    assert_eq!(document(&files, "manifest.json")[0]["RepoTags"], json!(["registry.example:5000/hello:1"]));
}

#[test]
fn a_name_that_docker_would_refuse_is_left_out() {
    let layout = named(&both(), &format!("hello:{}", "1".repeat(128)));
    let list = document(&Files::of(&archive(&layout)), "manifest.json");
    assert_eq!(list[0]["RepoTags"].as_array().unwrap().len(), 1);
    assert_eq!(list[1]["RepoTags"], json!([]));
}

#[test]
fn a_name_is_written_as_it_is_read() {
    let of = |reference: Reference| Layout::of(&both(), &BTreeMap::new(), Some(&reference));
    let hello = Reference::with_tag("docker.io".to_owned(), "hello".to_owned(), "1".to_owned());
    let layout = of(hello).unwrap();
    assert_eq!(layout.reference().unwrap().whole(), "docker.io/library/hello:1");
    assert_eq!(Layout::read_archive(archive(&layout).as_slice()).unwrap(), layout);
    assert!(of(Reference::with_tag(String::new(), "No Name".to_owned(), "1".to_owned())).is_err());
}

#[test]
fn an_image_may_have_no_name() {
    let layout = Layout::of(&both(), &BTreeMap::new(), None).unwrap();
    let files = Files::of(&archive(&layout));
    assert_eq!(document(&files, "index.json")["manifests"][0].get("annotations"), None);
    assert_eq!(document(&files, "manifest.json")[0]["RepoTags"], json!([]));
    assert_eq!(files.read().unwrap().reference(), None);
}

#[test]
fn the_same_images_are_the_same_bytes() {
    // Each of these has maps of its own, and they come in another order.
    let first = archive(&named(&both(), "airbyte/source-hello:0.1.0"));
    for _ in 0..5 {
        let mut images = both();
        images.reverse();
        assert!(archive(&named(&images, "docker.io/airbyte/source-hello:0.1.0")) == first);
    }
}

#[test]
fn the_platform_and_the_layers_are_the_images() {
    let mut wrong = image(Platform::LinuxArm64);
    wrong.config.set_os("windows".into()).set_architecture("amd64".into()).set_variant(Some("v3".to_owned()));
    wrong.config.rootfs_mut().diff_ids_mut().push("sha256:nothing".to_owned());
    assert_eq!(named(&[wrong], "hello:1"), named(&[image(Platform::LinuxArm64)], "hello:1"));
}

#[test]
fn what_can_not_be_an_image_is_refused() {
    let of = |images: &[PlatformImage], reference: Option<&str>| {
        let reference = reference.map(|text| text.parse().unwrap());
        Layout::of(images, &BTreeMap::new(), reference.as_ref()).map(|_| ()).unwrap_err().to_string()
    };
    let platform = image(Platform::LinuxAmd64);
    assert_eq!(of(&[], None), "an image index has one image for each of its platforms");
    assert_eq!(
        of(&[platform.clone(), platform.clone()], None),
        "an image index has one image for each of its platforms"
    );
    let digest = format!("hello@sha256:{}", "0".repeat(64));
    assert_eq!(of(&[platform], Some(&digest)), "an image is named by a tag, and not by a digest");
}

#[test]
fn a_push_finds_everything() {
    let layout = named(&both(), "airbyte/source-hello:0.1.0");
    assert_eq!(layout.indexes(), [layout.root().clone()]);
    let mut blobs: Vec<_> = vec![layout.root().digest().to_string()];
    for (descriptor, manifest) in layout.manifests().unwrap() {
        blobs.push(descriptor.digest().to_string());
        blobs.push(manifest.config().digest().to_string());
        blobs.extend(manifest.layers().iter().map(|layer| layer.digest().to_string()));
    }
    blobs.sort();
    blobs.dedup();
    assert_eq!(blobs.len(), 8);
    let content = blobs.iter().map(|digest| layout.blob(digest).unwrap().to_vec()).collect();
    assert_eq!(Layout::from_blobs(layout.root().clone(), content, layout.reference().cloned()).unwrap(), layout);
}

#[test]
fn a_layout_in_a_directory_is_the_same() {
    let layout = named(&both(), "airbyte/source-hello:0.1.0");
    let directory = tempfile::tempdir().unwrap();
    let files = archive(&layout);
    tar::Archive::new(files.as_slice()).unpack(directory.path()).unwrap();
    assert_eq!(Layout::read(directory.path()).unwrap(), layout);
    let file = directory.path().join("image.tar");
    std::fs::write(&file, files).unwrap();
    assert_eq!(Layout::read(&file).unwrap(), layout);
}

fn any_image(platform: Platform) -> impl Strategy<Value = PlatformImage> {
    let files = prop::collection::btree_map("/[a-z]{1,3}", prop::collection::vec(any::<u8>(), 0..600), 0..4);
    let layers = prop::collection::vec(files, 0..4);
    let labels = prop::collection::hash_map(".{0,8}", ".{0,8}", 0..8);
    (layers, labels, prop::collection::vec(".{0,8}", 0..4)).prop_map(move |(layers, labels, environment)| {
        let layers = layers.into_iter().map(|files| {
            let mut layer = LayerBuilder::new();
            for (path, content) in files {
                layer.file(&path, 0o644, content);
            }
            layer.build().unwrap()
        });
        let config = ConfigBuilder::default().labels(labels).env(environment).build().unwrap();
        let mut config = ImageConfigurationBuilder::default().config(config).build().unwrap();
        let layers: Vec<_> = layers.collect();
        config.set_os("linux".into()).set_architecture(platform.architecture().into());
        config.rootfs_mut().set_diff_ids(layers.iter().map(|layer| layer.diff_id.clone()).collect());
        PlatformImage { platform, config, layers }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_read(
        amd64 in any_image(Platform::LinuxAmd64),
        arm64 in prop::option::of(any_image(Platform::LinuxArm64)),
        annotations in prop::collection::btree_map(".{0,8}", ".{0,8}", 0..4),
        reference in prop::option::of("([a-z]{1,8}(\\.[a-z]{1,3})?(:[0-9]{1,4})?/)?[a-z]{1,8}(/[a-z]{1,8})?:[a-zA-Z0-9_][a-zA-Z0-9._-]{0,9}"),
    ) {
        let images: Vec<_> = [Some(amd64), arm64].into_iter().flatten().collect();
        let reference = reference.map(|text| text.parse().unwrap());
        let layout = Layout::of(&images, &annotations, reference.as_ref()).unwrap();
        let read = Layout::read_archive(archive(&layout).as_slice()).unwrap();
        prop_assert_eq!(&read, &layout);
        prop_assert_eq!(read.images().unwrap(), images);
    }
}
