//! The content of one file as UTF-8 bytes in pieces: decompressed, decoded, without a byte order mark.
//!
//! Knows nothing of records. Offsets count what comes out of here, so that they mean the same in every read.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use encoding_rs::Encoding;

use crate::decoded::Decoded;
use crate::gzip::{self, Gzip};

/// What is asked for at a time, unless a test wants less.
const PIECE: usize = 256 * 1024;
/// A record may not be longer: it is the host's limit, too, unless the user says otherwise. In tests, less is enough.
const MOST_RECORD_BYTES: usize = if cfg!(test) { 1 << 20 } else { 128 << 20 };

/// A decoder wants room for a few characters.
const LEAST_ROOM: usize = 64;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// What has been read of a file and not been taken yet.
pub struct Bytes {
    source: Source,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// Where `start` is in the content.
    offset: u64,
    /// What is asked for at a time.
    piece: usize,
    ended: bool,
    /// What ended it, if it was not the end of the content.
    failed: Option<io::Error>,
}

enum Source {
    /// As it lies on the disk: any place of it can be gone to.
    Plain(File),
    /// Decompressed or decoded.
    Made(Box<dyn Read>),
}

impl Source {
    /// Where a file ends that somebody has cut off just now, half a row may lie that looks like a whole one.
    fn require_its_end(&mut self) -> io::Result<()> {
        let Source::Plain(file) = self else {
            return Ok(());
        };
        if file.metadata()?.len() < file.stream_position()? {
            return Err(io::ErrorKind::ResourceBusy.into());
        }
        Ok(())
    }
}

impl Read for Source {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Source::Plain(file) => file.read(buffer),
            Source::Made(reader) => reader.read(buffer),
        }
    }
}

impl Bytes {
    /// The content of an open file, whose name may say that it is compressed.
    pub fn open(mut file: File, path: &Path, encoding: Option<&'static Encoding>) -> io::Result<Bytes> {
        let first = first_bytes(&mut file)?;
        file.seek(SeekFrom::Start(0))?;
        let is_gzip = first == gzip::MAGIC;
        if !is_gzip && path.extension().is_some_and(|extension| extension == "gz") {
            let problem = "its name ends in .gz and its content is not gzip: rename it, or copy it again";
            return Err(io::Error::new(io::ErrorKind::InvalidData, problem));
        }
        let source = if is_gzip {
            let mut decompressed = Gzip::new(file);
            let first = first_bytes(&mut decompressed)?;
            let encoding = encoding.or(marked_encoding(&first));
            let decompressed = io::Cursor::new(first).chain(decompressed);
            match encoding {
                None => Source::Made(Box::new(decompressed)),
                Some(encoding) => Source::Made(Box::new(Decoded::new(decompressed, encoding))),
            }
        } else {
            match encoding.or(marked_encoding(&first)) {
                None => Source::Plain(file),
                Some(encoding) => Source::Made(Box::new(Decoded::new(file, encoding))),
            }
        };
        let mut bytes = Bytes::of(source);
        while bytes.data().len() < BYTE_ORDER_MARK.len() && bytes.fill()? {}
        if bytes.data().starts_with(BYTE_ORDER_MARK) {
            bytes.consume(BYTE_ORDER_MARK.len());
        }
        Ok(bytes)
    }

    fn of(source: Source) -> Bytes {
        Bytes { source, buffer: Vec::new(), start: 0, end: 0, offset: 0, piece: PIECE, ended: false, failed: None }
    }

    /// What is there already.
    pub fn data(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Whether `data` goes up to the end of the content.
    pub fn is_whole(&self) -> bool {
        self.ended
    }

    /// Where `data` begins.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Takes so many bytes off the start of `data`.
    pub fn consume(&mut self, count: usize) {
        self.start += count;
        self.offset += count as u64;
    }

    /// Reads on, behind what is there. False at the end.
    pub fn fill(&mut self) -> io::Result<bool> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        if self.ended {
            return Ok(false);
        }
        let kept = self.end - self.start;
        if kept > MOST_RECORD_BYTES {
            let problem = format!(
                "one record is longer than {} MiB: check the format, and that every quote is closed",
                MOST_RECORD_BYTES >> 20
            );
            return Err(io::Error::new(io::ErrorKind::InvalidData, problem));
        }
        self.buffer.copy_within(self.start..self.end, 0);
        (self.start, self.end) = (0, kept);
        // Doubled, so that a long record is not looked at from its start too often.
        let doubled = kept + kept.max(self.piece);
        // Hardly beyond the limit, for the memory of a component never shrinks.
        let wanted = if doubled > MOST_RECORD_BYTES / 4 * 3 { MOST_RECORD_BYTES + self.piece } else { doubled };
        if self.buffer.len() < wanted {
            self.buffer.resize(wanted, 0);
        } else if self.buffer.len() > 16 * PIECE && wanted <= 2 * PIECE {
            self.buffer.truncate(2 * PIECE);
            self.buffer.shrink_to_fit();
        }
        loop {
            match self.source.read(&mut self.buffer[self.end..wanted]) {
                Ok(0) => {
                    self.source.require_its_end()?;
                    self.ended = true;
                    break;
                }
                Ok(read) => self.end += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if self.end == kept => return Err(error),
                Err(error) => {
                    // What came before the damage counts; the next call tells of it.
                    self.failed = Some(error);
                    break;
                }
            }
            if self.end + LEAST_ROOM > wanted {
                break;
            }
        }
        Ok(self.end > kept)
    }

    /// Goes on to a later place. False if the content ends before it.
    pub fn skip_to(&mut self, offset: u64) -> io::Result<bool> {
        while self.offset < offset {
            let missing = offset - self.offset;
            let there = self.data().len() as u64;
            if missing <= there {
                self.consume(usize::try_from(missing).unwrap_or(usize::MAX));
            } else if let Source::Plain(file) = &mut self.source {
                if file.metadata()?.len() < offset {
                    return Ok(false);
                }
                file.seek(SeekFrom::Start(offset))?;
                (self.start, self.end, self.offset) = (0, 0, offset);
            } else {
                self.consume(self.data().len());
                if !self.fill()? {
                    return Ok(false);
                }
            }
        }
        Ok(self.offset == offset)
    }

    /// Content that comes in pieces of this size, for tests.
    #[cfg(test)]
    pub fn in_pieces(content: &[u8], piece: usize) -> Bytes {
        let reader = io::Cursor::new(content.to_vec());
        Bytes { piece, ..Bytes::of(Source::Made(Box::new(reader))) }
    }
}

/// The first two bytes, or fewer if there are no more.
fn first_bytes(reader: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut first = Vec::with_capacity(2);
    reader.take(2).read_to_end(&mut first)?;
    Ok(first)
}

/// UTF-16, if the byte order mark says so. That of UTF-8 is three bytes long and says nothing new.
fn marked_encoding(first: &[u8]) -> Option<&'static Encoding> {
    Encoding::for_bom(first).map(|(encoding, _)| encoding)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_becomes_shorter_has_no_end() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.csv");
        std::fs::write(&path, "id\n".repeat(PIECE)).unwrap();
        let mut bytes = Bytes::open(File::open(&path).unwrap(), &path, None).unwrap();
        let read = bytes.data().len();
        bytes.consume(read);
        File::options().write(true).open(&path).unwrap().set_len(10).unwrap();
        assert_eq!(bytes.fill().unwrap_err().kind(), io::ErrorKind::ResourceBusy);
        assert!(!bytes.is_whole());
    }
}
