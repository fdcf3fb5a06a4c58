//! Every file of the images, as umoci unpacks them: kind, mode, owner, and where a link leads.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use tempfile::TempDir;

use super::built::image;
use crate::harness::connector;
use crate::images::archive::Archive;

/// What source-faker's image may weigh at most, in bytes.
const UNPACKED_BYTES: usize = 16_000_000;
const COMPRESSED_BYTES: u64 = 6_750_000;

/// One line a file, sorted by path.
pub fn list(root: &Path) -> String {
    let mut lines = Vec::new();
    walk(root, root, &mut lines);
    lines.sort();
    lines.iter().map(|(path, line)| format!("{line} {path}\n")).collect()
}

fn walk(root: &Path, directory: &Path, lines: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        let metadata = fs::symlink_metadata(&path).expect("it is there");
        let kind = metadata.file_type();
        let mut name = format!("/{}", path.strip_prefix(root).expect("below").display());
        let letter = if kind.is_dir() {
            walk(root, &path, lines);
            'd'
        } else if kind.is_symlink() {
            name += &format!(" -> {}", fs::read_link(&path).expect("a link").display());
            'l'
        } else if kind.is_file() {
            '-'
        } else {
            '?'
        };
        let mode = metadata.permissions().mode() & 0o7777;
        lines.push((name, format!("{letter} {mode:04o} {}:{}", metadata.uid(), metadata.gid())));
    }
}

#[test]
fn the_image_has_these_files_and_no_others() {
    let golden = include_str!("../../golden/image.files");
    let image = image(&connector("source-faker"));
    for architecture in ["amd64", "arm64"] {
        let directory = TempDir::new().expect("a temporary directory");
        let files = list(&image.unpack(architecture, directory.path()).join("rootfs"));
        assert_eq!(files, golden, "{architecture}:\n{files}");
    }
}

#[test]
fn an_image_is_small() {
    let archive = Archive::read(&image(&connector("source-faker")).archive);
    for platform in ["linux/amd64", "linux/arm64"] {
        let image = archive.image(platform);
        let unpacked: usize = image.layers.iter().flatten().map(|entry| entry.content.len()).sum();
        let layers = image.manifest["layers"].as_array().expect("it has layers");
        let compressed: u64 = layers.iter().map(|layer| layer["size"].as_u64().expect("a size")).sum();
        assert!(unpacked < UNPACKED_BYTES && compressed < COMPRESSED_BYTES, "{platform}: {unpacked}, {compressed}");
    }
}
