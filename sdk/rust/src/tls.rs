//! TLS over a connection that the connector opened itself: to a database, for example. HTTPS needs none of this.
//!
//! The host encrypts and decrypts; the connection stays the connector's, with its timeouts.
//!
//! ```no_run
//! use std::io::{Read, Write};
//! use std::net::TcpStream;
//!
//! use airlock_sdk::tls::{TlsOptions, TlsStream};
//!
//! # fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let connection = TcpStream::connect("db.example.com:5432")?;
//! let mut stream = TlsStream::connect(connection, &TlsOptions::new("db.example.com"))?;
//! stream.write_all(b"hello")?;
//! stream.flush()?;
//! let mut answer = [0; 5];
//! stream.read_exact(&mut answer)?;
//! # Ok(())
//! # }
//! ```

#[cfg(test)]
mod tests;

use std::fmt;
use std::io::{self, Read, Write};

use crate::bindings::source::airlock::connector::tls as wit;
#[cfg(not(test))]
use crate::host::Session;
#[cfg(test)]
use tests::Session;

/// So much is read from the connection, or encrypted, at once.
const PIECE_BYTES: usize = 64 * 1024;

/// Which servers are believed to be who they say they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Those with a certificate of an authority that the host trusts.
    System,
    /// Those with a certificate of one of these authorities: certificates in PEM.
    Authorities(String),
    /// Any. The connection is encrypted, and an impostor is not noticed.
    Anyone,
}

/// The certificate that the client shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Identity {
    /// Its certificate, and those between it and its authority, in PEM.
    pub certificates: String,
    /// Its private key, in PEM, not encrypted.
    pub private_key: String,
}

impl fmt::Debug for Identity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Identity")
    }
}

/// What a client wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsOptions {
    /// The server's name or IP address.
    pub server_name: String,
    /// Which servers are believed.
    pub trust: Trust,
    /// Whether the certificate has to be for `server_name`. Without meaning where anyone is trusted.
    pub verify_name: bool,
    /// What the client shows, if the server asks.
    pub identity: Option<Identity>,
    /// ALPN: the protocols that the client offers, the best first.
    pub application_protocols: Vec<String>,
}

impl TlsOptions {
    /// To this server, which must show that it is the one, with a certificate of an authority that the host trusts.
    pub fn new(server_name: impl Into<String>) -> Self {
        TlsOptions {
            server_name: server_name.into(),
            trust: Trust::System,
            verify_name: true,
            identity: None,
            application_protocols: Vec::new(),
        }
    }

    fn to_wit(&self) -> wit::ClientOptions {
        wit::ClientOptions {
            server_name: self.server_name.clone(),
            trust: match &self.trust {
                Trust::System => wit::Trust::System,
                Trust::Authorities(certificates) => wit::Trust::Authorities(certificates.clone()),
                Trust::Anyone => wit::Trust::Anyone,
            },
            verify_name: self.verify_name,
            identity: self.identity.as_ref().map(|identity| wit::Identity {
                certificates: identity.certificates.clone(),
                private_key: identity.private_key.clone(),
            }),
            application_protocols: self.application_protocols.clone(),
        }
    }
}

/// Why there is no TLS.
#[derive(Debug)]
pub enum TlsError {
    /// An option can not be used: a certificate that is none, for example.
    Invalid(String),
    /// The server could not show who it is.
    Untrusted(String),
    /// The two do not agree, or what came is no TLS.
    Failed(String),
    /// The connection below failed.
    Connection(io::Error),
}

impl fmt::Display for TlsError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TlsError::Invalid(why) | TlsError::Untrusted(why) | TlsError::Failed(why) => formatter.write_str(why),
            TlsError::Connection(error) => error.fmt(formatter),
        }
    }
}

impl std::error::Error for TlsError {}

impl From<wit::TlsError> for TlsError {
    fn from(error: wit::TlsError) -> Self {
        match error {
            wit::TlsError::Invalid(why) => TlsError::Invalid(why),
            wit::TlsError::Untrusted(why) => TlsError::Untrusted(why),
            wit::TlsError::Failed(why) => TlsError::Failed(why),
        }
    }
}

impl From<io::Error> for TlsError {
    fn from(error: io::Error) -> Self {
        // What went through `Read` and `Write` may be one of these.
        match error.downcast::<TlsError>() {
            Ok(error) => error,
            Err(error) => TlsError::Connection(error),
        }
    }
}

impl From<TlsError> for io::Error {
    fn from(error: TlsError) -> Self {
        match error {
            TlsError::Connection(error) => error,
            error => io::Error::new(io::ErrorKind::InvalidData, error),
        }
    }
}

/// A connection with TLS in it.
///
/// An error of the connection loses nothing: after a timeout, read or write again. What a server did not take in time goes with the
/// next call, also one that reads: so set both timeouts, or none. A connection that ends without the word of the
/// server, who may have been cut off, is the error `UnexpectedEof`.
pub struct TlsStream<S> {
    connection: S,
    session: Session,
    /// What came from the connection, to be decrypted at once.
    piece: Vec<u8>,
    /// What the server said, and how much of it has been read.
    said: Vec<u8>,
    read: usize,
    /// What the connection has not taken yet, and how much of it it has.
    to_send: Vec<u8>,
    sent: usize,
    /// The server says nothing more.
    ended: bool,
}

impl<S> fmt::Debug for TlsStream<S> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("TlsStream").field("ended", &self.ended).finish_non_exhaustive()
    }
}

impl<S: Read + Write> TlsStream<S> {
    /// Agrees with the server at the other end of the connection.
    pub fn connect(connection: S, options: &TlsOptions) -> Result<Self, TlsError> {
        let (session, to_send) = Session::connect(&options.to_wit())?;
        let mut stream = TlsStream {
            connection,
            session,
            piece: vec![0; PIECE_BYTES],
            said: Vec::new(),
            read: 0,
            to_send,
            sent: 0,
            ended: false,
        };
        stream.send()?;
        while !stream.receive()? {
            if stream.ended {
                return Err(TlsError::Connection(cut_off()));
            }
        }
        stream.send()?;
        Ok(stream)
    }

    /// The connection below: to set its timeouts, for example.
    pub fn get_ref(&self) -> &S {
        &self.connection
    }

    /// The connection below. What is read from it or written to it is missing in the TLS.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.connection
    }

    /// ALPN: the protocol that the server chose.
    pub fn application_protocol(&self) -> Option<String> {
        self.session.application_protocol()
    }

    /// Says to the server that nothing more will be written. What it still says can be read.
    pub fn close(&mut self) -> io::Result<()> {
        self.to_send.extend(self.session.close());
        self.flush()
    }

    /// Takes one piece from the connection, which waits for it. Whether both sides have agreed.
    fn receive(&mut self) -> io::Result<bool> {
        let length = loop {
            match self.connection.read(&mut self.piece) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read?,
            }
        };
        // Of no bytes there is still to learn why the session failed, if it did.
        let received = match self.session.receive(&self.piece[..length]) {
            Ok(received) => received,
            Err(error) => {
                // The server is told why. It may be gone.
                self.to_send.extend(self.session.close());
                let _ = self.flush();
                return Err(TlsError::from(error).into());
            }
        };
        self.to_send.extend(received.to_send);
        self.ended = received.ended;
        if self.read == self.said.len() {
            self.said = received.data;
            self.read = 0;
        } else {
            self.said.extend(received.data);
        }
        if length == 0 && !self.ended {
            return Err(cut_off());
        }
        if !received.established {
            self.send()?;
        }
        Ok(received.established)
    }

    /// Sends what has to be.
    fn send(&mut self) -> io::Result<()> {
        while self.sent < self.to_send.len() {
            match self.connection.write(&self.to_send[self.sent..]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(taken) => self.sent += taken,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.to_send.clear();
        self.sent = 0;
        Ok(())
    }
}

/// Whether only time is missing. Systems name a timeout differently.
fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

fn cut_off() -> io::Error {
    let text = "the server closed the connection without ending TLS: something may be missing";
    io::Error::new(io::ErrorKind::UnexpectedEof, text)
}

impl<S: Read + Write> Read for TlsStream<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        while self.read == self.said.len() && !self.ended {
            // A server that takes nothing may be waiting for what it says to be read.
            match self.send() {
                Err(error) if is_timeout(&error) => {}
                sent => sent?,
            }
            self.receive()?;
        }
        let taken = buffer.len().min(self.said.len() - self.read);
        buffer[..taken].copy_from_slice(&self.said[self.read..self.read + taken]);
        self.read += taken;
        Ok(taken)
    }
}

impl<S: Read + Write> Write for TlsStream<S> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.send()?;
        let piece = &data[..data.len().min(PIECE_BYTES)];
        let encrypted = self.session.encrypt(piece).map_err(TlsError::from)?;
        self.to_send.extend(encrypted);
        match self.send() {
            // It is encrypted, and goes with the next write or flush.
            Err(error) if !is_timeout(&error) => Err(error),
            _ => Ok(piece.len()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.send()?;
        self.connection.flush()
    }
}
