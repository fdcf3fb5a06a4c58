//! Layouts of images that strangers made. An archive of any bytes is nearly never one, so these are put together: each line is a
//! blob, and may name those before it.

use std::io::Write;

use airlock_images::{Layout, PlatformImage};
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};

/// A digit stands for one of these lines.
const MAXIMUM_LINES: usize = 10;

/// What is read is whole: it can be written, is the same when it is read again, and its images can be made anew.
pub fn image_layout(data: &[u8]) {
    let _ = Layout::read_archive(data);
    let Ok(layout) = Layout::read_archive(archive(data).as_slice()) else {
        return;
    };
    assert!(layout.blob(layout.root().digest().as_ref()).is_some(), "the root is here");
    for (_, manifest) in layout.manifests().unwrap_or_default() {
        for part in manifest.layers().iter().chain([manifest.config()]) {
            let blob = layout.blob(part.digest().as_ref()).expect("what a manifest names is here");
            assert_eq!((blob.len() as u64, digest(blob)), (part.size(), part.digest().to_string()));
        }
    }
    let Ok(images) = layout.images() else {
        return;
    };
    let mut written = Vec::new();
    layout.write_archive(&mut written).expect("what has images can be written");
    assert_eq!(Layout::read_archive(written.as_slice()).expect("what is written is read"), layout);
    if images.is_empty() {
        return;
    }
    let anew = Layout::of(&images, &Default::default(), layout.reference()).expect("images can be made anew");
    let again = anew.images().expect("what was made is read");
    let content = |images: &[PlatformImage]| -> Vec<_> {
        images.iter().map(|image| (image.platform, image.layers.clone())).collect()
    };
    assert_eq!(content(&again), content(&images));
}

/// The last line is the index of the layout, the others are blobs. `@3` is the digest and the length of the fourth line's blob, as
/// fields of a descriptor; `#3` is its digest as a string. A line behind `~` is compressed, and `#` is its digest before that.
fn archive(data: &[u8]) -> Vec<u8> {
    let mut lines: Vec<&[u8]> = data.splitn(MAXIMUM_LINES + 1, |byte| *byte == b'\n').collect();
    let index = lines.pop().unwrap_or_default();
    let mut descriptors: Vec<[String; 2]> = Vec::new();
    let mut archive = tar::Builder::new(Vec::new());
    put(&mut archive, "oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#);
    for line in lines {
        let (plain, blob) = match line.strip_prefix(b"~") {
            Some(plain) => (plain.to_vec(), compressed(plain)),
            None => {
                let named = with_descriptors(line, &descriptors);
                (named.clone(), named)
            }
        };
        let digest_of_blob = digest(&blob);
        put(&mut archive, &digest_of_blob.replace("sha256:", "blobs/sha256/"), &blob);
        let fields = format!(r#""digest":"{digest_of_blob}","size":{}"#, blob.len());
        descriptors.push([fields, format!(r#""{}""#, digest(&plain))]);
    }
    put(&mut archive, "index.json", &with_descriptors(index, &descriptors));
    archive.into_inner().expect("memory takes everything")
}

fn with_descriptors(line: &[u8], descriptors: &[[String; 2]]) -> Vec<u8> {
    let mut whole = Vec::new();
    let mut rest = line;
    while let [byte, tail @ ..] = rest {
        rest = tail;
        let form = b"@#".iter().position(|mark| mark == byte);
        let number = tail.first().and_then(|digit| char::from(*digit).to_digit(10));
        let named = number.and_then(|number| descriptors.get(number as usize));
        match form.zip(named) {
            Some((form, forms)) => {
                whole.extend(forms[form].as_bytes());
                rest = &tail[1..];
            }
            None => whole.push(*byte),
        }
    }
    whole
}

fn put(archive: &mut tar::Builder<Vec<u8>>, path: &str, content: &[u8]) {
    let mut header = tar::Header::new_ustar();
    header.set_size(content.len() as u64);
    archive.append_data(&mut header, path, content).expect("memory takes everything");
}

fn compressed(plain: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(plain).and_then(|()| encoder.finish()).expect("memory takes everything")
}

fn digest(bytes: &[u8]) -> String {
    format!("sha256:{:x}", Sha256::digest(bytes))
}
