//! What documents of a layout say, and what is not as they say.

use super::*;

#[test]
fn a_manifest_may_be_the_root() {
    let mut files = Files::new();
    let image = files.image("hello");
    files.index(vec![called(image.clone(), "0.1.0")]);
    let layout = files.read().unwrap();
    assert_eq!(layout.root().digest().as_ref(), image["digest"].as_str().unwrap());
    assert_eq!(layout.indexes(), []);
    assert_eq!(layout.manifests().unwrap().len(), 1);
    assert_eq!(layout.images().unwrap().len(), 1);
    assert_eq!(layout.reference(), None, "a tag alone is no name");
    assert_eq!(Layout::read_archive(archive(&layout).as_slice()).unwrap(), layout);
}

#[test]
fn a_name_is_read_wherever_it_is_whole() {
    let names = [
        (json!({"org.opencontainers.image.ref.name": "hello:1"}), Some("docker.io/library/hello:1")),
        (json!({"org.opencontainers.image.ref.name": "localhost/hello"}), Some("localhost/hello:latest")),
        (json!({"org.opencontainers.image.ref.name": "latest"}), None),
        (json!({"org.opencontainers.image.ref.name": "No Name: at/all"}), None),
        (
            json!({"org.opencontainers.image.ref.name": "1", "io.containerd.image.name": "ghcr.io/a/b:1"}),
            Some("ghcr.io/a/b:1"),
        ),
        (json!({"io.containerd.image.name": format!("a/b@sha256:{}", "0".repeat(64))}), None),
        (json!({"io.containerd.image.name": format!("a/b:1@sha256:{}", "0".repeat(64))}), Some("docker.io/a/b:1")),
        (json!({}), None),
    ];
    for (annotations, expected) in names {
        let mut files = Files::new();
        let image = files.image("hello");
        let layout = files.index(vec![with(image, json!({"annotations": annotations}))]).read().unwrap();
        assert_eq!(layout.reference().map(Reference::whole).as_deref(), expected, "{annotations}");
    }
}

#[test]
fn several_names_may_be_of_one_image() {
    let mut files = Files::new();
    let image = files.image("hello");
    files.index(vec![called(image.clone(), "hello:1"), called(image, "hello:latest")]);
    assert_eq!(files.read().unwrap().reference().unwrap().whole(), "docker.io/library/hello:1");
}

#[test]
fn several_images_are_told_by_their_names() {
    let mut files = Files::new();
    let (one, other, third) = (files.image("one"), files.image("other"), files.image("third"));
    files.index(vec![called(one, "one:1"), called(other, "other:1"), third.clone()]);
    let error = files.read().unwrap_err();
    let digest = third["digest"].as_str().unwrap();
    assert_eq!(error.to_string(), format!(r#"has several images: "one:1", "other:1", {digest}"#));
    assert!(error.hint().contains("docker save IMAGE"), "{}", error.hint());
    let many = (0..100)
        .map(|number| {
            let image = files.image(&number.to_string());
            called(image, &number.to_string())
        })
        .collect();
    assert!(files.index(many).error().ends_with(r#", "9" and 90 more"#));
}

#[test]
fn the_index_of_a_layout_may_be_that_of_an_image() {
    for name in [None, Some("hello:1")] {
        let mut files = Files::new();
        let entries = ["amd64", "arm64"].map(|architecture| {
            let image = on(files.image_of(architecture, architecture), "linux", architecture);
            name.map_or(image.clone(), |name| called(image, name))
        });
        let layout = files.index(entries.to_vec()).read().unwrap();
        assert_eq!(layout.root().media_type().as_ref(), INDEX);
        assert_eq!(layout.blob(layout.root().digest().as_ref()).unwrap(), files.0["index.json"]);
        assert_eq!(layout.images().unwrap().len(), 2);
        assert_eq!(layout.reference().is_some(), name.is_some());
        assert_eq!(Layout::read_archive(archive(&layout).as_slice()).unwrap(), layout);
    }
}

#[test]
fn only_what_the_root_leads_to_is_kept() {
    let mut files = Files::new();
    let image = files.image("hello");
    let alone = files.index(vec![image]).read().unwrap();
    files.image("other");
    files.blob("text/plain", "hello");
    assert_eq!(files.read().unwrap(), alone);
}

#[test]
fn an_index_may_lead_to_an_index_and_no_further() {
    let mut files = Files::new();
    let image = files.image("hello");
    let inner = files.index_of(INDEX, vec![image.clone()]);
    let outer = files.index_of(INDEX, vec![inner.clone(), inner, image]);
    let layout = files.index(vec![outer.clone()]).read().unwrap();
    assert_eq!(layout.indexes().len(), 2);
    assert_eq!(layout.indexes().last(), Some(layout.root()));
    assert_eq!(layout.manifests().unwrap().len(), 1);
    assert_eq!(layout.images().unwrap().len(), 1);
    let too_far = files.index_of(INDEX, vec![outer]);
    // The outer one leads to the image on a short way as well.
    assert_eq!(files.index(vec![too_far]).error(), "has an image index in an index in an index");
}

#[test]
fn what_an_index_names_and_nobody_knows_is_passed_over() {
    let mut files = Files::new();
    let image = files.image("hello");
    let unknown = files.blob("application/vnd.example", "hello");
    let index = files.index_of(INDEX, vec![unknown.clone(), image.clone()]);
    assert_eq!(files.index(vec![index]).read().unwrap().manifests().unwrap().len(), 1);
    assert_eq!(files.index(vec![unknown.clone(), image]).read().unwrap().manifests().unwrap().len(), 1);
    assert_eq!(files.index(vec![unknown]).error(), "is an OCI layout without an image");
    assert_eq!(files.index(vec![]).error(), "is an OCI layout without an image");
}

#[test]
fn a_manifest_may_be_missing_and_nothing_else() {
    let mut files = Files::new();
    let (here, there) = (files.image("here"), files.image_of("arm64", "there"));
    let index = files.index_of(INDEX, vec![on(here, "linux", "amd64"), on(there.clone(), "linux", "arm64")]);
    let manifest = there["digest"].as_str().unwrap().replace("sha256:", "blobs/sha256/");
    files.index(vec![index.clone()]);
    let whole = files.clone();
    files.0.remove(&manifest);
    let layout = files.read().unwrap();
    assert_eq!(layout.images().unwrap().len(), 1);
    let error = layout.manifests().unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(r#"lacks the manifest for "linux/arm64" {}"#, there["digest"].as_str().unwrap())
    );
    assert!(error.hint().contains("--all"));

    for missing in whole.0.keys().filter(|name| name.starts_with("blobs/") && **name != manifest) {
        let mut files = whole.clone();
        files.0.remove(missing);
        let read = files.read();
        let is_other_manifest = read.as_ref().is_ok_and(|layout| layout.manifests().is_err());
        let expected = missing.replace("blobs/sha256/", "lacks sha256:");
        assert!(is_other_manifest || read.unwrap_err().to_string() == expected, "{missing}");
    }
    let root = index["digest"].as_str().unwrap();
    files.0.remove(&root.replace("sha256:", "blobs/sha256/"));
    assert_eq!(files.error(), format!("lacks {root}"));
}

#[test]
fn content_that_is_not_as_it_is_said_to_be_is_told() {
    let mut files = Files::new();
    let image = files.image("hello");
    files.index(vec![image.clone()]);
    for name in files.0.keys().filter(|name| name.starts_with("blobs/")) {
        let digest = name.replace("blobs/sha256/", "sha256:");
        let mut other = files.clone();
        other.0.get_mut(name).unwrap()[0] ^= 1;
        assert_eq!(other.error(), format!("has content whose digest is not {digest}, as it should be"));
        let mut longer = files.clone();
        longer.0.get_mut(name).unwrap().push(b' ');
        assert_eq!(longer.error(), format!("has content that is longer or shorter than it should be: {digest}"));
        let mut shorter = files.clone();
        shorter.0.get_mut(name).unwrap().pop();
        assert_eq!(shorter.error(), format!("has content whose digest is not {digest}, as it should be"));
    }
    for wrong in [0, 1, 4_000_000] {
        files.index(vec![with(image.clone(), json!({"size": wrong}))]);
        let error = files.error();
        assert!(error.starts_with("has content that is longer or shorter than it should be"), "{error}");
    }
    files.index(vec![with(image.clone(), json!({"size": u64::MAX}))]);
    assert_eq!(files.error(), "has manifests of more than 4194304 bytes");
    files.index(vec![with(image, json!({"digest": format!("sha512:{}", "0".repeat(128))}))]);
    assert!(
        files.error().starts_with(r#"names content by another digest than SHA-256: "sha512:000"#),
        "{}",
        files.error()
    );
}

#[test]
fn a_length_counts_wherever_a_blob_is_named() {
    let mut files = Files::new();
    let config = files.blob(CONFIG, "{}");
    let wrong = with(config.clone(), json!({"size": 3}));
    let manifest = files.manifest(MANIFEST, config, vec![wrong.clone()]);
    files.index(vec![manifest]);
    assert!(files.error().starts_with("has content that is longer or shorter"), "{}", files.error());
    let enormous = with(wrong, json!({"size": 1u64 << 40}));
    let manifest = files.manifest(MANIFEST, enormous, vec![]);
    files.index(vec![manifest]);
    assert_eq!(files.error(), "has more than 1073741824 bytes");
}

#[test]
fn paths_can_not_stand_for_digests() {
    for digest in ["sha256:../../../../etc/passwd", "../../index.json", "sha256", ""] {
        let mut files = Files::new();
        let image = files.image("hello");
        files.index(vec![with(image, json!({"digest": digest}))]);
        assert!(files.error().contains("has not the fields that it should have: index.json"), "{}", files.error());
    }
}

#[test]
fn a_document_is_one_thing() {
    let mut files = Files::new();
    let image = files.image("hello");
    let manifest: Value = {
        let layout = files.index(vec![image.clone()]).read().unwrap();
        serde_json::from_slice(layout.blob(image["digest"].as_str().unwrap()).unwrap()).unwrap()
    };
    let mut both = manifest.clone();
    both["manifests"] = json!([image]);
    for (media_type, document) in [(MANIFEST, &both), (INDEX, &both), (INDEX, &manifest)] {
        let descriptor = files.blob(media_type, document.to_string());
        files.index(vec![descriptor]);
        assert!(
            files.error().starts_with("has an index or a manifest that is said to be the other"),
            "{}",
            files.error()
        );
    }
    let mut other = manifest.clone();
    other["mediaType"] = json!(INDEX);
    let descriptor = files.blob(MANIFEST, other.to_string());
    files.index(vec![descriptor]);
    assert!(files.error().starts_with("has an index or a manifest that is said to be the other"), "{}", files.error());
    // Without a type in the document, the descriptor's counts.
    let mut untyped = manifest;
    untyped.as_object_mut().unwrap().remove("mediaType");
    let descriptor = files.blob(MANIFEST, untyped.to_string());
    assert!(files.index(vec![descriptor]).read().is_ok());
}

#[test]
fn what_is_no_document_is_told() {
    for (content, what) in
        [("hello", "is not JSON"), ("{}", "has not the fields"), ("[]", "has not the fields"), ("", "is not JSON")]
    {
        let mut files = Files::new();
        for name in ["index.json", "oci-layout"] {
            let mut files = files.clone();
            let image = files.image("hello");
            files.index(vec![image]).0.insert(name.to_owned(), content.into());
            assert!(files.error().starts_with(&format!("has a document that {what}")), "{}", files.error());
        }
        let descriptor = files.blob(MANIFEST, content);
        files.index(vec![descriptor]);
        assert!(files.error().starts_with(&format!("has a document that {what}")), "{}", files.error());
    }
    let mut deep = Files::new();
    let descriptor = deep.blob(MANIFEST, format!(r#"{{"layers":{}"#, "[".repeat(1_000_000)));
    assert!(deep.index(vec![descriptor]).error().starts_with("has a document that is not JSON"));
}

#[test]
fn a_layout_of_another_version_is_told() {
    let mut files = Files::new();
    let image = files.image("hello");
    files.index(vec![image]).put("oci-layout", &json!({"imageLayoutVersion": "2.0.0"}));
    assert_eq!(files.error(), r#"is an OCI layout of version "2.0.0", and 1.0.0 is known"#);
}

#[test]
fn what_was_fetched_is_checked_too() {
    let layout = named(&both(), "hello:1");
    let blobs: Vec<Vec<u8>> = layout.graph.blobs.values().cloned().collect();
    for missing in 0..blobs.len() {
        let mut some = blobs.clone();
        let digest = canonical::digest(&some.remove(missing)).to_string();
        let some = Layout::from_blobs(layout.root().clone(), some, None);
        let complete = some.and_then(|layout| layout.manifests().map(<[_]>::len));
        let error = complete.unwrap_err().to_string();
        assert!(error.starts_with("lacks ") && error.ends_with(&digest), "{error}");
    }
    let other = Descriptor::new("text/html\n".into(), 3, canonical::digest(b"hey"));
    let error = Layout::from_blobs(other, vec![b"hey".to_vec()], None).unwrap_err().to_string();
    assert_eq!(error, r#"is no image, but "text/html\n""#);
}
