//! What a server answers: a response with its whole body, and one whose body is still to come.

use std::fmt;
use std::io::{self, Read};
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::error::Category;
use url::Url;

use super::page::Page;
use super::problem;
use super::request::{Method, Request};
use super::request_name::excerpt;
use super::retry::{self, Problem};
use super::transport::{Incoming, Trouble};
use crate::failure::{Failure, Result, system_error};
use crate::host;
use crate::platform;

/// So much is asked for at once.
const READ_BYTES: u64 = 256 * 1024;

/// So much of what a body is said to be is shown.
const MEDIA_TYPE_CHARACTERS: usize = 100;

/// What stands before the body.
#[derive(Debug)]
struct Head {
    /// What the request is called.
    name: String,
    method: Method,
    url: Url,
    status: u16,
    headers: Vec<(String, String)>,
    /// What the body is said to be, as it may be shown.
    media_type: Option<String>,
}

impl Head {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// A response with its whole body.
pub struct Response {
    head: Head,
    body: Vec<u8>,
}

impl Response {
    /// The status: from 200 to 299, or one that the request accepts.
    pub fn status(&self) -> u16 {
        self.head.status
    }

    /// The value of a header: the first, where there are several.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.header(name)
    }

    /// Every value of a header.
    pub fn headers<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let named = self.head.headers.iter().filter(move |(known, _)| known.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.as_str())
    }

    /// Every header in the order in which they came, names in lower case.
    pub fn all_headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.head.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Where the response came from, after redirects; without secrets.
    pub fn url(&self) -> &Url {
        &self.head.url
    }

    /// What the request is called in messages: `GET https://api.example.com/orders?limit=100`.
    pub fn name(&self) -> &str {
        &self.head.name
    }

    /// The body.
    pub fn bytes(&self) -> &[u8] {
        &self.body
    }

    /// The body, which is UTF-8.
    pub fn text(&self) -> Result<&str> {
        std::str::from_utf8(&self.body)
            .map_err(|_| system_error(format!("{} was answered with what is not UTF-8.", self.name())))
    }

    /// The body, which is JSON.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_slice(without_mark(&self.body)).map_err(|error| self.not_json(&error))
    }

    /// The body, which is JSON with records in it.
    pub fn page(self) -> Result<Page> {
        Page::new(self)
    }

    /// What is wrong with the body. Of what it says, nothing is told.
    pub(super) fn not_json(&self, error: &serde_json::Error) -> Failure {
        let name = self.name();
        let (line, column) = (error.line(), error.column());
        let what = match error.classify() {
            _ if self.body.is_empty() => "nothing instead of JSON".to_owned(),
            Category::Data => {
                format!("JSON of another shape than the connector expects (line {line}, column {column})")
            }
            _ => format!("what is not valid JSON (line {line}, column {column})"),
        };
        let media_type = match &self.head.media_type {
            Some(media_type) if !media_type.contains("json") => format!(" It says that it is {media_type:?}."),
            _ => String::new(),
        };
        system_error(format!("{name} was answered with {what}.{media_type}"))
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Response({}: {}, {} bytes)", self.name(), self.status(), self.body.len())
    }
}

/// JSON without the mark that some servers put before it.
pub(super) fn without_mark(body: &[u8]) -> &[u8] {
    body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body)
}

/// The next part of a body. However small the parts are that it comes in, no stream holds its records back for all of it.
fn read(body: &mut host::IncomingBody, most: u64) -> Result<Option<Vec<u8>>, Trouble> {
    platform::flush_within_a_wait().map_err(Trouble::Interrupted)?;
    body.read(most)
}

/// A response whose body has not come yet.
pub struct OpenResponse {
    head: Head,
    body: host::IncomingBody,
    max_body_bytes: u64,
}

impl OpenResponse {
    /// `name` is what the request was called, on its way to this URL by this method.
    pub(super) fn new(request: &Request, name: String, method: Method, url: Url, incoming: Incoming) -> Self {
        let Incoming { status, headers, body } = incoming;
        let mut head = Head { name, method, url, status, headers, media_type: None };
        head.media_type = head.header("content-type").map(|text| excerpt(request, text, MEDIA_TYPE_CHARACTERS));
        OpenResponse { head, body, max_body_bytes: request.settings.max_body_bytes }
    }

    /// The status: from 200 to 299, or one that the request accepts.
    pub fn status(&self) -> u16 {
        self.head.status
    }

    /// The value of a header: the first, where there are several.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.header(name)
    }

    /// Where the response comes from, after redirects; without secrets.
    pub fn url(&self) -> &Url {
        &self.head.url
    }

    /// What the request is called in messages.
    pub fn name(&self) -> &str {
        &self.head.name
    }

    /// The body as it comes, however long it is.
    pub fn reader(self) -> Reader {
        Reader { name: self.head.name, body: self.body, piece: Vec::new(), used: 0 }
    }

    /// The lines of the body as it comes, however many there are: JSON lines, for example.
    pub fn lines(self) -> Lines {
        let longest = usize::try_from(self.max_body_bytes).unwrap_or(usize::MAX);
        Lines { reader: self.reader(), line: Vec::new(), longest }
    }

    /// The body up to here, as far as it comes; what comes after this time is not waited for.
    pub(super) fn beginning(mut self, most: u64, time: Duration) -> Vec<u8> {
        let mut beginning = Vec::new();
        let began = host::now();
        while let Ok(Some(piece)) = read(&mut self.body, most.saturating_sub(beginning.len() as u64)) {
            beginning.extend_from_slice(&piece);
            if beginning.len() as u64 >= most || host::now().saturating_duration_since(began) >= time {
                break;
            }
        }
        beginning
    }

    pub(super) fn read_whole(mut self) -> Result<Response, Problem> {
        let most = self.max_body_bytes;
        let announced = match self.head.method {
            // The length of what is not sent.
            Method::Head => None,
            _ => self.header("content-length").and_then(|length| length.trim().parse::<u64>().ok()),
        };
        let mut body = Vec::new();
        let mut too_long = announced.is_some_and(|length| length > most);
        while !too_long {
            match read(&mut self.body, READ_BYTES) {
                // The whole of it, as it often is.
                Ok(Some(piece)) if body.is_empty() && announced == Some(piece.len() as u64) => body = piece,
                Ok(Some(piece)) => {
                    // A server may announce what it does not send: it is believed when some of it has come.
                    let rest = announced.map_or(0, |length| length.saturating_sub(body.len() as u64));
                    if body.capacity() - body.len() < piece.len() && rest >= piece.len() as u64 {
                        body.reserve_exact(usize::try_from(rest).unwrap_or(piece.len()));
                    }
                    body.extend_from_slice(&piece);
                }
                Ok(None) => return Ok(Response { head: self.head, body }),
                Err(trouble) => return Err(problem::of_trouble(&self.head.name, trouble)),
            }
            too_long = body.len() as u64 > most;
        }
        let name = self.name();
        Err(Problem::lasting(system_error(format!(
            "{name} was answered with more than the {most} bytes that are allowed."
        ))))
    }
}

impl fmt::Debug for OpenResponse {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "OpenResponse({}: {})", self.name(), self.status())
    }
}

/// A body as it comes.
///
/// An error carries the [`Failure`]: `?` gives it.
pub struct Reader {
    name: String,
    body: host::IncomingBody,
    piece: Vec<u8>,
    used: usize,
}

impl Reader {
    /// What has come and was not read yet. Empty at the end.
    fn available(&mut self) -> Result<&[u8]> {
        if self.used == self.piece.len() {
            let piece = read(&mut self.body, READ_BYTES)
                .map_err(|trouble| retry::unless_interrupted(problem::of_trouble(&self.name, trouble).failure))?;
            self.piece = piece.unwrap_or_default();
            self.used = 0;
        }
        Ok(&self.piece[self.used..])
    }
}

impl Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut available = self.available().map_err(Failure::into_io_error)?;
        let read = available.read(buffer)?;
        self.used += read;
        Ok(read)
    }
}

impl io::BufRead for Reader {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.available().map_err(Failure::into_io_error)
    }

    fn consume(&mut self, amount: usize) {
        self.used = self.piece.len().min(self.used + amount);
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Reader({})", self.name)
    }
}

/// The lines of a body as it comes.
#[derive(Debug)]
pub struct Lines {
    reader: Reader,
    line: Vec<u8>,
    longest: usize,
}

impl Lines {
    /// The next line with anything in it, without its line break. None at the end.
    pub fn next_line(&mut self) -> Result<Option<&[u8]>> {
        loop {
            self.line.clear();
            let more = self.read_line()?;
            if !self.line.trim_ascii().is_empty() {
                return Ok(Some(self.line.trim_ascii()));
            }
            if !more {
                return Ok(None);
            }
        }
    }

    /// Whether there was a line break: without it, it is the end.
    fn read_line(&mut self) -> Result<bool> {
        loop {
            let available = self.reader.available()?;
            if available.is_empty() {
                return Ok(false);
            }
            let (part, taken, ended) = match memchr::memchr(b'\n', available) {
                Some(end) => (&available[..end], end + 1, true),
                None => (available, available.len(), false),
            };
            if self.line.len() + part.len() > self.longest {
                let (name, longest) = (&self.reader.name, self.longest);
                return Err(system_error(format!(
                    "{name} was answered with a line of more than the {longest} bytes that are allowed."
                )));
            }
            self.line.extend_from_slice(part);
            self.reader.used += taken;
            if ended {
                return Ok(true);
            }
        }
    }
}
