//! A client's side of a connection that a guest opened itself: a buffer with TLS inside. No socket is touched here, and nothing
//! waits.

use std::io::{BufRead, Write};
use std::sync::Arc;

use rustls::ClientConnection;
use url::Host;

use super::{Network, TlsError, TlsOptions, Trust};
use crate::sandbox::network::parse_host;

/// What TLS adds to so many bytes, which are the most that one of its records has.
const RECORD_BYTES: usize = 16 * 1024;
const RECORD_OVERHEAD: usize = 64;

/// A client's side of a connection.
pub struct TlsSession {
    connection: ClientConnection,
    /// Why it can not go on.
    failure: Option<TlsError>,
    /// The client has said that it says nothing more.
    closed: bool,
    /// The server has said so.
    ended: bool,
    /// Whose certificate the user may do something about.
    told_of: Option<Host>,
}

/// What came of bytes that were received.
pub struct Received {
    /// What the server said.
    pub data: Vec<u8>,
    /// What must be sent to it now.
    pub to_send: Vec<u8>,
    /// Both sides have agreed.
    pub established: bool,
    /// The server says nothing more.
    pub ended: bool,
}

impl TlsSession {
    /// Begins. The second is what must be sent to the server.
    pub fn connect(options: TlsOptions, network: &Network) -> Result<(TlsSession, Vec<u8>), TlsError> {
        let name = options.name()?;
        let told_of = if matches!(options.trust, Trust::System) { parse_host(&name.to_str()) } else { None };
        let config = options.config(network)?;
        let connection = ClientConnection::new(Arc::new(config), name).map_err(|error| TlsError::from(&error))?;
        let mut session = TlsSession { connection, failure: None, closed: false, ended: false, told_of };
        let to_send = session.outgoing();
        Ok((session, to_send))
    }

    /// Takes what came from the server.
    pub fn receive(&mut self, bytes: &[u8], network: &Network) -> Result<Received, TlsError> {
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        let mut data = Vec::new();
        if let Err(failure) = self.decrypt(bytes, &mut data) {
            if let (TlsError::Untrusted(why), Some(host)) = (&failure, &self.told_of) {
                network.untrusted(host, why.clone());
            }
            self.failure = Some(failure.clone());
            // What came whole before it is not lost: the failure is told at the next call.
            if data.is_empty() {
                return Err(failure);
            }
        }
        Ok(Received {
            data,
            to_send: self.outgoing(),
            established: !self.connection.is_handshaking(),
            ended: self.ended,
        })
    }

    fn decrypt(&mut self, mut bytes: &[u8], data: &mut Vec<u8>) -> Result<(), TlsError> {
        if !self.connection.is_handshaking() {
            data.reserve(bytes.len());
        }
        while !bytes.is_empty() && !self.ended {
            let stuck = |_| TlsError::Failed("what the server sent is no TLS".to_owned());
            let before = bytes.len();
            self.connection.read_tls(&mut bytes).map_err(stuck)?;
            let state = self.connection.process_new_packets();
            let mut reader = self.connection.reader();
            while let Ok(chunk) = reader.fill_buf() {
                let length = chunk.len();
                if length == 0 {
                    // The end; where there is only nothing more yet, it is an error.
                    break;
                }
                data.extend_from_slice(chunk);
                reader.consume(length);
            }
            let state = state.map_err(|error| TlsError::from(&error))?;
            self.ended = state.peer_has_closed();
            if bytes.len() == before && !self.ended {
                return Err(TlsError::Failed("what the server sent is no TLS".to_owned()));
            }
        }
        Ok(())
    }

    /// Encrypts what the client says. Gives what must be sent.
    pub fn encrypt(&mut self, mut data: &[u8]) -> Result<Vec<u8>, TlsError> {
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        let failed = |why: &str| TlsError::Failed(why.to_owned());
        if self.connection.is_handshaking() {
            return Err(failed("nothing can be said before both sides have agreed"));
        }
        if self.closed {
            return Err(failed("nothing can be said after the session was closed"));
        }
        let mut encrypted = Vec::with_capacity(data.len() + (data.len() / RECORD_BYTES + 1) * RECORD_OVERHEAD);
        while !data.is_empty() {
            let taken = self.connection.writer().write(data).unwrap_or(0);
            data = &data[taken..];
            let before = encrypted.len();
            self.take_outgoing(&mut encrypted);
            if taken == 0 && encrypted.len() == before {
                let failure = failed("no more can be encrypted with the keys of this session");
                self.failure = Some(failure.clone());
                return Err(failure);
            }
        }
        Ok(encrypted)
    }

    /// Says that the client says nothing more; after a failure, what tells the server of it. Gives what must be sent.
    pub fn close(&mut self) -> Vec<u8> {
        self.closed = true;
        self.connection.send_close_notify();
        self.outgoing()
    }

    /// The protocol that the server chose of those that were offered.
    pub fn application_protocol(&self) -> Option<String> {
        let chosen = self.connection.alpn_protocol().filter(|_| !self.connection.is_handshaking())?;
        Some(String::from_utf8_lossy(chosen).into_owned())
    }

    fn outgoing(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.take_outgoing(&mut bytes);
        bytes
    }

    fn take_outgoing(&mut self, bytes: &mut Vec<u8>) {
        // A Vec takes everything.
        while self.connection.wants_write() && self.connection.write_tls(bytes).is_ok() {}
    }
}
