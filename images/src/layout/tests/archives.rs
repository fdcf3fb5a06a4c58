//! Files and directories that hold no layout, or hold it in another way than it is written here.

use std::io::{Cursor, Write};
use std::sync::LazyLock;

use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;
use tar::{EntryType, Header};

use super::super::archive::parts;
use super::*;

fn hello() -> Files {
    let mut files = Files::new();
    let image = files.image("hello");
    files.index(vec![called(image, "hello:1")]);
    files
}

fn error(archive: &[u8]) -> String {
    Layout::read_archive(archive).unwrap_err().to_string()
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

/// One more entry in front of the others.
fn with_entry(header: &mut Header, content: &[u8], others: &Files) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    header.set_size(content.len() as u64);
    header.set_cksum();
    archive.append(header, content).unwrap();
    let mut archive = archive.into_inner().unwrap();
    // Without the two blocks of its end.
    archive.truncate(archive.len() - 1024);
    archive.extend(others.archive());
    archive
}

fn header(name: &str, kind: EntryType) -> Header {
    let mut header = Header::new_gnu();
    // Not by the function for it, which refuses some.
    header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
    header.set_entry_type(kind);
    header.set_mode(0o644);
    header
}

#[test]
fn an_archive_may_be_compressed() {
    let plain = hello().read().unwrap();
    assert_eq!(Layout::read_archive(gzip(&hello().archive()).as_slice()).unwrap(), plain);
    // As parallel compressors write: several streams, one behind the other.
    let archive = hello().archive();
    let (front, back) = archive.split_at(1000);
    assert_eq!(Layout::read_archive([gzip(front), gzip(back)].concat().as_slice()).unwrap(), plain);
}

#[test]
fn paths_may_begin_with_a_dot() {
    let dotted: BTreeMap<_, _> = hello().0.into_iter().map(|(name, content)| (format!("./{name}"), content)).collect();
    let mut archive = tar::Builder::new(Vec::new());
    for (name, content) in &dotted {
        let mut header = header(name, EntryType::Regular);
        header.set_size(content.len() as u64);
        header.set_cksum();
        archive.append(&header, content.as_slice()).unwrap();
    }
    let read = Layout::read_archive(archive.into_inner().unwrap().as_slice()).unwrap();
    assert_eq!(read, hello().read().unwrap());
}

#[test]
fn what_is_not_asked_for_does_not_matter() {
    let others = [
        (header("x/../../etc/passwd", EntryType::Regular), &b"root"[..]),
        (header("/etc/hello", EntryType::Symlink), b""),
        (header("hello", EntryType::GNULongName), &[b'x'; 5000]),
        (header("pax", EntryType::XHeader), b"not a PAX header"),
        (header("sparse", EntryType::GNUSparse), b"sparse"),
        (header("device", EntryType::Char), b""),
        (header("blobs/sha256/short", EntryType::Symlink), b""),
    ];
    for (mut header, content) in others {
        let read = Layout::read_archive(with_entry(&mut header, content, &hello()).as_slice()).unwrap();
        assert_eq!(read, hello().read().unwrap());
    }
}

#[test]
fn what_is_no_archive_is_told() {
    assert_eq!(error(b""), "is empty");
    assert_eq!(error(b"hello"), "is not an archive");
    assert_eq!(error(&[b'x'; 10_000]), "is not an archive");
    assert_eq!(error(b"\0asm\x0d\0\x01\0"), "is not an archive");
    assert_eq!(error(&gzip(b"hello")), "is not an archive");
    assert_eq!(error(&[0x1f, 0x8b]), "is not an archive");
    assert_eq!(error(b"\x28\xb5\x2f\xfd\0\0\0"), "is compressed by zstd");
    assert_eq!(error(b"\xfd7zXZ\0\0"), "is compressed by xz");
    assert_eq!(error(b"BZh91AY"), "is compressed by bzip2");
    let nothing = "is an archive without the files oci-layout and index.json";
    assert_eq!(error(&[0; 10_240]), nothing);
    let mut other = Files::default();
    other.put("README.md", &json!("hello"));
    assert_eq!(error(&other.archive()), nothing);
    for one in ["oci-layout", "index.json"] {
        let mut files = hello();
        files.0.remove(one);
        assert_eq!(files.error(), nothing);
    }
}

#[test]
fn an_archive_of_docker_before_25_is_told() {
    let mut files = Files::default();
    files.put("manifest.json", &json!([{"Config": "abc.json", "RepoTags": ["hello:1"], "Layers": ["def/layer.tar"]}]));
    let error = files.read().unwrap_err();
    assert_eq!(error.to_string(), "is an archive in Docker's own format, without an OCI layout");
    assert!(error.hint().contains("skopeo copy docker-archive:"), "{}", error.hint());
}

#[test]
fn a_directory_without_a_layout_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let read = || Layout::read(directory.path()).unwrap_err().to_string();
    let nothing = "is a directory without the files oci-layout and index.json";
    assert_eq!(read(), nothing);
    let index = directory.path().join("index.json");
    std::fs::write(&index, b"{}").unwrap();
    assert_eq!(read(), nothing);
    std::fs::write(directory.path().join("oci-layout"), br#"{"imageLayoutVersion": "1.0.0"}"#).unwrap();
    assert!(read().starts_with("has a document that has not the fields that it should have: index.json"), "{}", read());
    std::fs::remove_file(&index).unwrap();
    std::fs::create_dir(&index).unwrap();
    assert_eq!(read(), format!("has no regular file at {}", index.display()));
    assert!(Layout::read(&directory.path().join("none")).unwrap_err().to_string().starts_with("can not be read: "));
}

#[test]
fn a_directory_may_have_links_to_blobs_that_are_elsewhere() {
    let (directory, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    std::fs::create_dir_all(directory.path().join("blobs/sha256")).unwrap();
    for (name, content) in &hello().0 {
        let place = elsewhere.path().join(name.replace('/', "-"));
        std::fs::write(&place, content).unwrap();
        std::os::unix::fs::symlink(place, directory.path().join(name)).unwrap();
    }
    assert_eq!(Layout::read(directory.path()).unwrap(), hello().read().unwrap());
}

#[test]
fn a_blob_in_a_directory_is_read_no_further_than_its_length() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(directory.path().join("blobs/sha256")).unwrap();
    for (name, content) in &hello().0 {
        std::fs::write(directory.path().join(name), content).unwrap();
    }
    let blob = hello().0.keys().find(|name| name.starts_with("blobs/")).unwrap().clone();
    std::fs::File::options().write(true).open(directory.path().join(&blob)).unwrap().set_len(1 << 40).unwrap();
    let error = Layout::read(directory.path()).unwrap_err().to_string();
    assert!(error.starts_with("has content that is longer or shorter than it should be"), "{error}");
    std::fs::remove_file(directory.path().join(&blob)).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(directory.path().join(&blob)).unwrap();
    let error = Layout::read(directory.path()).unwrap_err().to_string();
    assert!(error.starts_with("has no regular file at "), "{error}");
}

#[test]
fn a_place_of_the_layout_has_a_regular_file_once() {
    let blob = hello().0.keys().find(|name| name.starts_with("blobs/")).unwrap().clone();
    for name in ["oci-layout", "index.json", "manifest.json", blob.as_str()] {
        for kind in [EntryType::Symlink, EntryType::Link, EntryType::GNUSparse, EntryType::Fifo, EntryType::Directory] {
            let archive = with_entry(&mut header(name, kind), b"", &hello());
            assert_eq!(error(&archive), format!("has no regular file at {name:?}"), "{kind:?}");
        }
    }
    for name in ["oci-layout", "index.json"] {
        let archive = with_entry(&mut header(name, EntryType::Regular), b"{}", &hello());
        assert_eq!(error(&archive), "has an index or a mark of its format twice");
    }
    let same = with_entry(&mut header(&blob, EntryType::Regular), &hello().0[&blob], &hello());
    assert_eq!(Layout::read_archive(same.as_slice()).unwrap(), hello().read().unwrap());
    let other = with_entry(&mut header(&blob, EntryType::Regular), b"other", &hello());
    assert!(error(&other).starts_with("has content "), "{}", error(&other));
}

#[test]
fn an_archive_that_is_cut_off_is_told() {
    let archive = hello().archive();
    let whole = hello().read().unwrap();
    // The two blocks at its end may be missing.
    for length in (0..archive.len() - 1024).step_by(64) {
        let error = error(&archive[..length]);
        let expected = match length {
            0 => "is empty",
            1..512 => "is not an archive",
            // Between two entries, where nothing shows that there was another.
            _ if length % 512 == 0 => "",
            _ => "is cut off, or damaged",
        };
        assert!(error.starts_with(expected), "{length}: {error}");
    }
    assert_eq!(Layout::read_archive(&archive[..archive.len() - 1024]).unwrap(), whole);
}

#[test]
fn an_archive_takes_no_more_memory_than_it_may() {
    let archive = hello().archive();
    let length = archive.len() as u64;
    assert!(parts(archive.as_slice(), length).is_ok());
    let short = |content: &[u8]| parts(content, length / 2).err().unwrap().to_string();
    assert!(short(&archive).starts_with("has more than "));
    assert!(short(&gzip(&archive)).starts_with("has more than "));
    let bomb = with_entry(&mut header("bomb", EntryType::GNULongName), &[0; 1_000_000], &hello());
    assert!(short(&gzip(&bomb)).starts_with("has more than "));
    let claims = with_entry(&mut header("index.json", EntryType::Regular), &[b' '; (4 << 20) + 1], &Files::default());
    assert_eq!(error(&claims), "has an index of more than 4194304 bytes");
}

#[test]
fn sizes_that_can_not_be_are_told() {
    for size in [u64::MAX, u64::MAX - 511, 1 << 62] {
        for name in ["oci-layout", &format!("blobs/sha256/{}", "0".repeat(64)), "other"] {
            let mut header = header(name, EntryType::Regular);
            header.set_size(size);
            header.set_cksum();
            let archive = header.as_bytes().iter().copied().chain([b'x'; 2000]).collect::<Vec<_>>();
            assert!(Layout::read_archive(archive.as_slice()).is_err());
        }
    }
}

/// Gives its content one byte at a time, and then fails.
struct Failing(Cursor<Vec<u8>>);

impl Read for Failing {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let length = buffer.len().min(1);
        match self.0.read(&mut buffer[..length])? {
            0 => Err(std::io::Error::other("the disk is gone")),
            length => Ok(length),
        }
    }
}

#[test]
fn a_reader_may_be_slow_and_may_fail() {
    let archive = hello().archive();
    assert_eq!(Layout::read_archive(Failing(Cursor::new(archive.clone()))).unwrap(), hello().read().unwrap());
    let cut = Layout::read_archive(Failing(Cursor::new(archive[..2000].to_vec()))).unwrap_err().to_string();
    assert_eq!(cut, "is cut off, or damaged: \"the disk is gone\"");
    let nothing = Layout::read_archive(Failing(Cursor::new(Vec::new()))).unwrap_err().to_string();
    assert_eq!(nothing, "can not be read: the disk is gone");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever byte of an archive is another, the layout is the same or there is none.
    #[test]
    fn no_damage_is_overlooked(place in any::<prop::sample::Index>(), bits in 1..=255u8, plain in any::<bool>()) {
        static LAYOUT: LazyLock<Layout> = LazyLock::new(|| named(&both(), "hello:1"));
        static ARCHIVES: LazyLock<[Vec<u8>; 2]> = LazyLock::new(|| {
            let archive = archive(&LAYOUT);
            [gzip(&archive), archive]
        });
        let mut archive = ARCHIVES[usize::from(plain)].clone();
        let place = place.index(archive.len());
        archive[place] ^= bits;
        if let Ok(mut read) = Layout::read_archive(archive.as_slice()) {
            // The name has no digest.
            read.reference = LAYOUT.reference.clone();
            prop_assert_eq!(&read, &*LAYOUT);
        }
    }

    #[test]
    fn bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        let _ = Layout::read_archive(bytes.as_slice());
    }
}
