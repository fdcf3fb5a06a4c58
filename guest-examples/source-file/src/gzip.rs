//! What gzip compressed, decompressed as gzip itself does it. Knows nothing of text.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};

use flate2::bufread::GzDecoder;

/// What a member begins with.
pub const MAGIC: [u8; 2] = [0x1f, 0x8b];

/// The content of gzip's members, of which there may be several. Zeros between and behind them are padding, as gzip
/// itself takes them.
pub struct Gzip {
    /// None at the end.
    member: Option<GzDecoder<BufReader<File>>>,
}

impl Gzip {
    /// The content of a file that begins with [`MAGIC`].
    pub fn new(file: File) -> Gzip {
        Gzip { member: Some(GzDecoder::new(BufReader::with_capacity(64 * 1024, file))) }
    }
}

impl Read for Gzip {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(member) = &mut self.member {
            let read = member.read(buffer)?;
            if read > 0 || buffer.is_empty() {
                return Ok(read);
            }
            let next = first_but_zeros(member.get_mut())?;
            if next.is_some_and(|byte| byte != MAGIC[0]) {
                let problem = "there is something behind the end of the compressed data: copy the file again";
                return Err(io::Error::new(io::ErrorKind::InvalidData, problem));
            }
            let ended = self.member.take().filter(|_| next.is_some());
            self.member = ended.map(|member| GzDecoder::new(member.into_inner()));
        }
        Ok(0)
    }
}

/// Passes over zeros. Returns what comes behind them, without taking it.
fn first_but_zeros(reader: &mut impl BufRead) -> io::Result<Option<u8>> {
    loop {
        let data = reader.fill_buf()?;
        let zeros = data.iter().take_while(|byte| **byte == 0).count();
        let (next, is_end) = (data.get(zeros).copied(), data.is_empty());
        reader.consume(zeros);
        if next.is_some() || is_end {
            return Ok(next);
        }
    }
}
