//! Bodies that came compressed, decoded as they are read: native code is faster at it than a guest's.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use async_compression::tokio::bufread::{BrotliDecoder, GzipDecoder, ZlibDecoder, ZstdDecoder};
use async_compression::zstd::DParameter;
use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use http_body_util::{BodyDataStream, BodyExt};
use hyper::body::{Body, Frame};
use tokio::io::AsyncRead;
use tokio_util::io::{StreamReader, poll_read_buf};
use wasmtime_wasi_http::{Error, WasiBody};

use super::timeouts::Receiving;
use crate::sandbox::ForeignMemory;

/// What a server is told.
pub const ACCEPTED: &str = "gzip, deflate, br, zstd";

/// So much is decoded at once, however much a compressed part becomes.
const CHUNK_BYTES: usize = 64 * 1024;

/// The window that HTTP allows (RFC 9659), 8 MiB: a server decides how much memory a decoder takes.
const ZSTD_WINDOW_LOG: u32 = 23;

/// What libzstd may take for one body: the window, and its buffers and tables. It is C, so nobody else counts it.
const ZSTD_BYTES: usize = (1 << ZSTD_WINDOW_LOG) + 512 * 1024;

/// The body decoded, where it came in one of the codings that were accepted. The headers speak of the decoded body then.
pub fn decoded(headers: &mut HeaderMap, body: Receiving) -> WasiBody {
    let mut codings = headers.get_all(CONTENT_ENCODING).iter();
    let coding = match (codings.next(), codings.next()) {
        (Some(coding), None) => coding.to_str().unwrap_or_default().to_ascii_lowercase(),
        _ => String::new(),
    };
    let coding = match coding.as_str() {
        "gzip" | "x-gzip" => "gzip",
        "deflate" => "deflate",
        "br" => "br",
        "zstd" => "zstd",
        _ => return body.boxed_unsync(),
    };
    headers.remove(CONTENT_ENCODING);
    if body.is_end_stream() {
        // Nothing came, and nothing is no compressed body either.
        return body.boxed_unsync();
    }
    headers.remove(CONTENT_LENGTH);
    let body = body.map_err(io::Error::other).boxed_unsync();
    let compressed = StreamReader::new(BodyDataStream::new(body));
    let reader: Decoder = match coding {
        "gzip" => {
            let mut decoder = GzipDecoder::new(compressed);
            decoder.multiple_members(true);
            Box::pin(decoder)
        }
        "deflate" => Box::pin(ZlibDecoder::new(compressed)),
        "br" => Box::pin(BrotliDecoder::new(compressed)),
        _ => Box::pin(ZstdDecoder::with_params(compressed, &[DParameter::window_log_max(ZSTD_WINDOW_LOG)])),
    };
    let uncounted = (coding == "zstd").then(|| ForeignMemory::taken(ZSTD_BYTES));
    Decoded { reader: Some((reader, uncounted)), coding }.boxed_unsync()
}

type Decoder = Pin<Box<dyn AsyncRead + Send>>;

struct Decoded {
    /// Until the body has ended: a guest may be late to drop it, and decoders are large.
    reader: Option<(Decoder, Option<ForeignMemory>)>,
    coding: &'static str,
}

impl Body for Decoded {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let Some((reader, _)) = &mut self.reader else {
            return Poll::Ready(None);
        };
        let mut chunk = BytesMut::with_capacity(CHUNK_BYTES);
        match ready!(poll_read_buf(reader.as_mut(), context, &mut chunk)) {
            Ok(0) => {
                self.reader = None;
                Poll::Ready(None)
            }
            Ok(_) => Poll::Ready(Some(Ok(Frame::data(chunk.freeze())))),
            Err(error) => {
                self.reader = None;
                Poll::Ready(Some(Err(failure(error, self.coding))))
            }
        }
    }
}

/// What came of the network itself, or else the decoder's.
fn failure(error: io::Error, coding: &str) -> Error {
    if error.get_ref().is_some_and(|inner| inner.is::<Error>()) {
        let inner = error.into_inner().and_then(|inner| inner.downcast::<Error>().ok());
        return inner.map_or(Error::HttpResponseIncomplete, |inner| *inner);
    }
    Error::HttpResponseContentCoding(Some(format!("{coding}: {error}")))
}
