//! Text of another encoding than UTF-8. Knows nothing of files.

use std::io::{self, Read};

use encoding_rs::{Decoder, DecoderResult, Encoding};

/// Content of another encoding, as UTF-8. What the encoding does not have is an error.
pub struct Decoded<R> {
    inner: R,
    decoder: Decoder,
    encoding: &'static Encoding,
    raw: Vec<u8>,
    start: usize,
    end: usize,
    ended: bool,
    finished: bool,
}

impl<R: Read> Decoded<R> {
    /// The text of these bytes.
    pub fn new(inner: R, encoding: &'static Encoding) -> Self {
        // A byte order mark is surer than what the user says.
        let decoder = encoding.new_decoder();
        Decoded { inner, decoder, encoding, raw: vec![0; 64 * 1024], start: 0, end: 0, ended: false, finished: false }
    }
}

impl<R: Read> Read for Decoded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while !self.finished {
            if self.start == self.end && !self.ended {
                self.start = 0;
                self.end = self.inner.read(&mut self.raw)?;
                self.ended = self.end == 0;
            }
            let raw = &self.raw[self.start..self.end];
            let (result, read, written) = self.decoder.decode_to_utf8_without_replacement(raw, buffer, self.ended);
            self.start += read;
            match result {
                DecoderResult::InputEmpty => self.finished = self.ended,
                DecoderResult::OutputFull if written == 0 => return Err(io::ErrorKind::InvalidInput.into()),
                DecoderResult::OutputFull => {}
                DecoderResult::Malformed(..) => {
                    let problem = format!(
                        "the text is not {}: name its encoding in reader_options, as in {{\"encoding\": \"utf-8\"}}",
                        self.encoding.name()
                    );
                    return Err(io::Error::new(io::ErrorKind::InvalidData, problem));
                }
            }
            if written > 0 {
                return Ok(written);
            }
        }
        Ok(0)
    }
}
