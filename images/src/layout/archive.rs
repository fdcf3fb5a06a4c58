//! A layout in an archive. Everything is read once, in the order that it comes in, and nothing is ever written to a disk, so what
//! paths and links an archive has does not matter.

use std::collections::BTreeMap;
use std::io::{self, BufReader, Read};

use flate2::read::MultiGzDecoder;
use tar::{Archive, EntryType};

use super::LayoutError;
use super::error::quoted;
use super::graph::{MAXIMUM_DOCUMENT_BYTES, too_large};

/// What an archive has of a layout.
#[derive(Default)]
pub struct Parts {
    pub layout: Option<Vec<u8>>,
    pub index: Option<Vec<u8>>,
    pub blobs: BTreeMap<String, Vec<u8>>,
    /// Whether there is the list that `docker save` writes, and once wrote alone.
    pub docker_list: bool,
}

/// Takes an archive apart, which may be compressed by gzip, and may have so many bytes when it is not.
pub fn parts(mut reader: impl Read, limit: u64) -> Result<Parts, LayoutError> {
    let mut start = Vec::new();
    reader.by_ref().take(6).read_to_end(&mut start)?;
    let whole = BufReader::new(start.as_slice().chain(reader));
    match *start.as_slice() {
        [] => Err(LayoutError::invalid("is empty", "make or fetch it again")),
        [0x1f, 0x8b, ..] => unpack(MultiGzDecoder::new(whole), limit),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Err(compressed("zstd")),
        [0xfd, b'7', b'z', b'X', b'Z', 0] => Err(compressed("xz")),
        [b'B', b'Z', b'h', ..] => Err(compressed("bzip2")),
        _ => unpack(whole, limit),
    }
}

fn compressed(by: &str) -> LayoutError {
    LayoutError::invalid(
        format!("is compressed by {by}"),
        "unpack it to a plain archive first; of compressions, gzip is known",
    )
}

fn unpack(reader: impl Read, limit: u64) -> Result<Parts, LayoutError> {
    let mut archive = Archive::new(Bounded { reader, left: limit });
    let mut parts = Parts::default();
    // Raw, for nothing of a layout needs a long name or a sparse file, and what carries these would be read into memory.
    let entries = archive.entries().map_err(damaged)?.raw(true);
    let mut first = true;
    for entry in entries {
        let mut entry = entry.map_err(|error| if first { no_archive(error) } else { damaged(error) })?;
        first = false;
        let path = entry.path_bytes();
        let Some(part) = std::str::from_utf8(&path).ok().and_then(Part::of) else {
            continue;
        };
        if entry.header().entry_type() != EntryType::Regular {
            return Err(LayoutError::damaged(format!("has no regular file at {:?}", String::from_utf8_lossy(&path))));
        }
        let is_document = matches!(part, Part::Layout | Part::Index);
        if is_document && entry.size() > MAXIMUM_DOCUMENT_BYTES {
            return Err(LayoutError::damaged(format!("has an index of more than {MAXIMUM_DOCUMENT_BYTES} bytes")));
        }
        // What is cut off shows in front of the next entry.
        let mut content = || {
            let mut content = Vec::new();
            entry.read_to_end(&mut content).map_err(damaged).map(|_| content)
        };
        match part {
            Part::Layout => once(&mut parts.layout, content()?)?,
            Part::Index => once(&mut parts.index, content()?)?,
            Part::DockerList => parts.docker_list = true,
            // A second one is the same, or neither is right.
            Part::Blob(digest) => {
                parts.blobs.entry(digest).or_insert(content()?);
            }
        }
    }
    Ok(parts)
}

enum Part {
    Layout,
    Index,
    DockerList,
    Blob(String),
}

impl Part {
    fn of(path: &str) -> Option<Part> {
        let path = path.strip_prefix("./").unwrap_or(path);
        match path {
            "oci-layout" => Some(Part::Layout),
            "index.json" => Some(Part::Index),
            "manifest.json" => Some(Part::DockerList),
            _ => {
                let name = path.strip_prefix("blobs/sha256/")?;
                (name.len() == 64).then(|| Part::Blob(format!("sha256:{name}")))
            }
        }
    }
}

fn once(place: &mut Option<Vec<u8>>, content: Vec<u8>) -> Result<(), LayoutError> {
    match place.replace(content) {
        None => Ok(()),
        Some(_) => Err(LayoutError::damaged("has an index or a mark of its format twice")),
    }
}

fn no_archive(error: io::Error) -> LayoutError {
    match error.kind() {
        io::ErrorKind::FileTooLarge => too_large(),
        _ => LayoutError::invalid(
            "is not an archive",
            "name an OCI layout: a directory, or an archive of one, as `airlock image build` makes",
        ),
    }
}

fn damaged(error: io::Error) -> LayoutError {
    match error.kind() {
        io::ErrorKind::FileTooLarge => too_large(),
        _ => LayoutError::invalid(
            format!("is cut off, or damaged: {}", quoted(&error.to_string())),
            "make or fetch it again",
        ),
    }
}

/// Fails behind so many bytes.
struct Bounded<R> {
    reader: R,
    left: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.reader.read(buffer)?;
        self.left = self.left.checked_sub(length as u64).ok_or(io::ErrorKind::FileTooLarge)?;
        Ok(length)
    }
}
