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
    /// What came before has been given, and next comes what the encoding does not have.
    malformed: bool,
}

impl<R: Read> Decoded<R> {
    /// The text of these bytes.
    pub fn new(inner: R, encoding: &'static Encoding) -> Self {
        // A byte order mark is surer than what the user says.
        let decoder = encoding.new_decoder();
        Decoded {
            inner,
            decoder,
            encoding,
            raw: vec![0; 64 * 1024],
            start: 0,
            end: 0,
            ended: false,
            finished: false,
            malformed: false,
        }
    }
}

impl<R: Read> Read for Decoded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while !self.finished {
            if self.malformed {
                let problem = format!(
                    "the text is not {}: name its encoding in reader_options, as in {{\"encoding\": \"utf-8\"}}",
                    self.encoding.name()
                );
                return Err(io::Error::new(io::ErrorKind::InvalidData, problem));
            }
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
                DecoderResult::Malformed(..) => self.malformed = true,
            }
            if written > 0 {
                return Ok(written);
            }
        }
        Ok(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_before_a_malformed_character_is_given() {
        let mut decoded = Decoded::new(&b"a\n\x81\x40\n\x81\xff\nb"[..], encoding_rs::SHIFT_JIS);
        let mut text = Vec::new();
        let error = decoded.read_to_end(&mut text).unwrap_err();
        assert_eq!(String::from_utf8(text).unwrap(), "a\n\u{3000}\n");
        assert!(error.to_string().contains("not Shift_JIS"), "{error}");
        assert!(decoded.read(&mut [0; 64]).is_err(), "it stays so");
    }
}
