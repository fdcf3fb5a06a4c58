//! The bytes of a connection, cut into messages. They are read into one buffer and looked at in place.
//!
//! Knows nothing of what messages mean, but for those that may come at any time.

use std::io::{self, ErrorKind, Read, Write};
use std::time::{Duration, Instant};

use airlock_sdk::tls::TlsError;
use bytes::BytesMut;
use postgres_protocol::message::backend::{self, Header, Message};

use crate::error::{Error, Result};

/// How long a read or a write waits before it is asked whether the sync goes on.
pub(crate) const PATIENCE: Duration = Duration::from_millis(500);

/// How much is read at a time.
const BUFFER_BYTES: usize = 256 * 1024;
/// Below this much room, what is left of a message moves to the front of the buffer.
const ROOM_BYTES: usize = 64 * 1024;
/// A read that gives this much may have left something.
const MUCH_BYTES: usize = 16 * 1024;
/// How long a message may be that holds no rows, texts or names: libpq's measure.
const SHORT_MESSAGE_BYTES: usize = 30_000;

/// What a connection is made of: a socket, or TLS over one. Reads and writes give up after [`PATIENCE`], with
/// `WouldBlock` or `TimedOut`, and can be tried again.
pub(crate) trait Transport: Read + Write {}

impl<T: Read + Write> Transport for T {}

/// A message in the buffer, until the next one is received.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frame {
    /// What it is.
    pub(crate) tag: u8,
    start: usize,
    body: usize,
    end: usize,
}

/// The bytes of a connection, cut into messages.
pub(crate) struct Wire {
    transport: Box<dyn Transport>,
    server: String,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// Messages to the server that wait for [`Wire::send`].
    pub(crate) outgoing: BytesMut,
    deadline: Option<Instant>,
    asked: Instant,
    during_login: bool,
    /// Whether an interruption is heard. Not while tidying up after one.
    attentive: bool,
    /// Whether one was heard.
    pub(crate) was_interrupted: bool,
    /// Whether a message was sent in part: nothing can be sent after it.
    is_torn: bool,
}

impl Wire {
    /// A wire to a server, for a login that ends by the deadline.
    pub(crate) fn new(transport: Box<dyn Transport>, server: String, deadline: Instant) -> Self {
        Wire {
            transport,
            server,
            buffer: vec![0; BUFFER_BYTES],
            start: 0,
            end: 0,
            outgoing: BytesMut::new(),
            deadline: Some(deadline),
            asked: Instant::now(),
            during_login: true,
            attentive: true,
            was_interrupted: false,
            is_torn: false,
        }
    }

    /// The server has let the user in. The deadline stays.
    pub(crate) fn login_is_over(&mut self) {
        self.during_login = false;
    }

    /// What follows tidies up: it ends by the deadline, and an interruption does not end it.
    pub(crate) fn tidy_up_until(&mut self, deadline: Instant) {
        self.deadline = Some(deadline);
        self.attentive = false;
    }

    /// What had a deadline is done: a server may think as long as it likes from here on.
    pub(crate) fn has_time(&mut self) {
        self.deadline = None;
        self.attentive = true;
    }

    /// `host:port`.
    pub(crate) fn server(&self) -> &str {
        &self.server
    }

    /// What came is not what PostgreSQL says.
    pub(crate) fn nonsense(&self, what: &'static str) -> Error {
        Error::Protocol { server: self.server.clone(), during_login: self.during_login, what }
    }

    /// Waits for the next message.
    pub(crate) fn receive(&mut self) -> Result<Frame> {
        loop {
            if let Some(frame) = self.cut()? {
                return Ok(frame);
            }
            self.fill()?;
        }
    }

    /// A message's content.
    #[inline]
    pub(crate) fn body(&self, frame: Frame) -> &[u8] {
        &self.buffer[frame.body..frame.end]
    }

    /// A message as a type. For what is rare: it is copied.
    pub(crate) fn message(&self, frame: Frame) -> Result<Message> {
        let mut bytes = BytesMut::from(&self.buffer[frame.start..frame.end]);
        match Message::parse(&mut bytes) {
            Ok(Some(message)) => Ok(message),
            Ok(None) => Err(self.nonsense("a message that ends early")),
            Err(_) => Err(self.nonsense("a message that can not be read")),
        }
    }

    /// Takes a whole message out of the buffer, if there is one.
    #[inline]
    fn cut(&mut self) -> Result<Option<Frame>> {
        let unread = &self.buffer[self.start..self.end];
        let header = match Header::parse(unread) {
            Ok(Some(header)) => header,
            Ok(None) => return Ok(None),
            Err(_) => return Err(self.nonsense("a message without a length")),
        };
        // Not negative: the parser has seen to it.
        let length = header.len() as usize + 1;
        if length > SHORT_MESSAGE_BYTES && (self.during_login || !may_be_long(header.tag())) {
            return Err(self.nonsense("a message that is too long"));
        }
        if self.during_login && !may_come_at_login(header.tag()) {
            return Err(self.nonsense("a message that has no place in a login"));
        }
        if unread.len() < length {
            return Ok(None);
        }
        let frame = Frame { tag: header.tag(), start: self.start, body: self.start + 5, end: self.start + length };
        self.start = frame.end;
        Ok(Some(frame))
    }

    /// Makes room to read into. The buffer grows with what came, by a message that does not fit.
    fn make_room(&mut self) {
        if self.start == self.end {
            self.start = 0;
            self.end = 0;
            if self.buffer.len() > BUFFER_BYTES {
                self.buffer = vec![0; BUFFER_BYTES];
            }
        }
        if self.buffer.len() - self.end < ROOM_BYTES {
            if self.start > 0 {
                self.buffer.copy_within(self.start..self.end, 0);
                self.end -= self.start;
                self.start = 0;
            }
            if self.buffer.len() - self.end < ROOM_BYTES {
                self.buffer.resize(self.buffer.len() * 2, 0);
            }
        }
    }

    /// Reads some more.
    fn fill(&mut self) -> Result<()> {
        self.make_room();
        loop {
            self.attend()?;
            match self.transport.read(&mut self.buffer[self.end..]) {
                Ok(0) => return Err(self.lost("the server closed it")),
                Ok(count) => {
                    self.end += count;
                    return Ok(());
                }
                Err(error) if error.kind() == ErrorKind::Interrupted || is_patience_over(&error) => {}
                Err(error) => return Err(self.broken(error)),
            }
        }
    }

    /// Sends what is in `outgoing`.
    pub(crate) fn send(&mut self) -> Result<()> {
        if self.is_torn {
            return Err(self.lost("a message could be sent in part only"));
        }
        self.is_torn = true;
        let outgoing = std::mem::take(&mut self.outgoing);
        let mut rest: &[u8] = &outgoing;
        while !rest.is_empty() {
            match self.transport.write(rest) {
                Ok(0) => return Err(self.lost("it takes nothing more")),
                Ok(count) => rest = rest.get(count..).unwrap_or_default(),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if is_patience_over(&error) => {
                    self.attend()?;
                    self.listen()?;
                }
                Err(error) => return Err(self.broken(error)),
            }
        }
        loop {
            match self.transport.flush() {
                Ok(()) => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if is_patience_over(&error) => {
                    self.attend()?;
                    self.listen()?;
                }
                Err(error) => return Err(self.broken(error)),
            }
        }
        self.is_torn = false;
        // The memory is used again.
        self.outgoing = outgoing;
        self.outgoing.clear();
        Ok(())
    }

    /// The server takes nothing: perhaps because it waits until its notices are taken. What else came stays in the buffer.
    fn listen(&mut self) -> Result<()> {
        loop {
            self.make_room();
            let count = match self.transport.read(&mut self.buffer[self.end..]) {
                Ok(0) => return Err(self.lost("the server closed it")),
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::Interrupted || is_patience_over(&error) => return Ok(()),
                Err(error) => return Err(self.broken(error)),
            };
            self.end += count;
            self.pass_notices()?;
            // A server that had said little can go on, and takes something. Each write that it does not take costs our patience.
            if count < MUCH_BYTES {
                return Ok(());
            }
            self.attend()?;
        }
    }

    /// Notices are passed over, so that a flood of them takes no memory.
    fn pass_notices(&mut self) -> Result<()> {
        loop {
            let before = self.start;
            match self.cut()? {
                Some(frame) if frame.tag == backend::NOTICE_RESPONSE_TAG => {}
                _ => {
                    self.start = before;
                    return Ok(());
                }
            }
        }
    }

    /// Hears of an interruption and of the end of the time. A server that always says a little is no way around.
    fn attend(&mut self) -> Result<()> {
        let now = Instant::now();
        if self.deadline.is_some_and(|deadline| now >= deadline) {
            return Err(Error::Timeout { server: self.server.clone() });
        }
        if self.attentive && now.duration_since(self.asked) >= PATIENCE {
            self.asked = now;
            let goes_on = airlock_sdk::wait(Duration::ZERO).map_err(Error::Interrupted);
            self.was_interrupted |= goes_on.is_err();
            goes_on?;
        }
        Ok(())
    }

    /// A server may refuse the client's certificate after the handshake, instead of an answer to the login.
    fn broken(&self, error: io::Error) -> Error {
        match TlsError::from(error) {
            TlsError::Connection(error) => self.lost(error),
            error if self.during_login => Error::Tls { server: self.server.clone(), error },
            error => self.lost(error),
        }
    }

    fn lost(&self, reason: impl ToString) -> Error {
        Error::Lost { server: self.server.clone(), reason: reason.to_string() }
    }
}

/// Nothing was lost, only time.
pub(crate) fn is_patience_over(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

fn may_be_long(tag: u8) -> bool {
    matches!(
        tag,
        backend::COPY_DATA_TAG
            | backend::DATA_ROW_TAG
            | backend::ROW_DESCRIPTION_TAG
            | backend::ERROR_RESPONSE_TAG
            | backend::NOTICE_RESPONSE_TAG
            | backend::NOTIFICATION_RESPONSE_TAG
    )
}

/// Other programs' answers are recognized by this before their first bytes are taken for a length and waited for.
fn may_come_at_login(tag: u8) -> bool {
    matches!(
        tag,
        backend::AUTHENTICATION_TAG
            | backend::ERROR_RESPONSE_TAG
            | backend::NOTICE_RESPONSE_TAG
            | backend::PARAMETER_STATUS_TAG
            | backend::BACKEND_KEY_DATA_TAG
            | backend::READY_FOR_QUERY_TAG
    )
}
