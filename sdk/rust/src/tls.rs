//! TLS over a connection that the connector opened itself: to a database, for example. HTTPS needs none of this.

use std::fmt;
use std::io::{self, Read, Write};

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

/// A connection with TLS in it. The TLS is the host's.
#[derive(Debug)]
pub struct TlsStream<S> {
    connection: S,
}

impl<S: Read + Write> TlsStream<S> {
    /// Agrees with the server at the other end of the connection.
    pub fn connect(connection: S, options: &TlsOptions) -> Result<Self, TlsError> {
        let _ = (connection, options);
        Err(TlsError::Failed("not yet".to_owned()))
    }

    /// The connection below: to set its timeouts, for example.
    pub fn get_ref(&self) -> &S {
        &self.connection
    }
}

impl<S: Read + Write> Read for TlsStream<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.connection.read(buffer)
    }
}

impl<S: Read + Write> Write for TlsStream<S> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.connection.write(data)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.connection.flush()
    }
}
