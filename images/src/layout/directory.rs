//! A layout in a directory. Tools put links in the place of blobs, so these are followed: what is behind one must have the digest.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::LayoutError;
use super::graph::{Blobs, MAXIMUM_DOCUMENT_BYTES, wrong_length};

pub struct Directory(PathBuf);

impl Directory {
    pub fn new(path: &Path) -> Directory {
        Directory(path.to_owned())
    }

    /// A file beside the blobs, if it is there.
    pub fn document(&self, name: &str) -> Result<Option<Vec<u8>>, LayoutError> {
        match read(&self.0.join(name), MAXIMUM_DOCUMENT_BYTES)? {
            Content::TooLong => {
                Err(LayoutError::damaged(format!("has more than {MAXIMUM_DOCUMENT_BYTES} bytes in {name}")))
            }
            Content::None => Ok(None),
            Content::Whole(bytes) => Ok(Some(bytes)),
        }
    }
}

impl Blobs for Directory {
    fn take(&mut self, digest: &str, limit: u64) -> Result<Option<Vec<u8>>, LayoutError> {
        let Some((algorithm, name)) = digest.split_once(':') else {
            return Ok(None);
        };
        match read(&self.0.join("blobs").join(algorithm).join(name), limit)? {
            Content::TooLong => Err(wrong_length(digest)),
            Content::None => Ok(None),
            Content::Whole(bytes) => Ok(Some(bytes)),
        }
    }
}

enum Content {
    None,
    Whole(Vec<u8>),
    TooLong,
}

fn read(path: &Path, limit: u64) -> Result<Content, LayoutError> {
    let metadata = match path.metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Content::None),
        metadata => metadata?,
    };
    // A pipe would never end.
    if !metadata.is_file() {
        return Err(LayoutError::damaged(format!("has no regular file at {}", path.display())));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(limit + 1).read_to_end(&mut bytes)?;
    Ok(if bytes.len() as u64 > limit { Content::TooLong } else { Content::Whole(bytes) })
}
