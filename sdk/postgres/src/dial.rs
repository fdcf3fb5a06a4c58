//! The way to a server: addresses, a socket, and the agreement on TLS. Knows nothing of users and queries.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use airlock_sdk::tls::{TlsError, TlsOptions, TlsStream, Trust};
use bytes::BytesMut;
use postgres_protocol::message::frontend;

use crate::error::{Error, Result, UnreachableReason};
use crate::options::{ConnectOptions, Encryption};
use crate::wire::{PATIENCE, Transport, is_patience_over};

/// A way to a server.
pub(crate) struct Line {
    /// What goes over it.
    pub(crate) transport: Box<dyn Transport>,
    /// Whether it is encrypted.
    pub(crate) is_encrypted: bool,
}

/// Which way a connection is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Attempt {
    /// Without TLS.
    Plain,
    /// With TLS, or without if the server has none.
    Opportunistic,
    /// With TLS.
    Encrypted,
}

impl Attempt {
    /// What is tried first, and what after a refusal.
    pub(crate) fn of(encryption: &Encryption) -> (Attempt, Option<Attempt>) {
        match encryption {
            Encryption::Disable => (Attempt::Plain, None),
            Encryption::Allow => (Attempt::Plain, Some(Attempt::Encrypted)),
            Encryption::Prefer => (Attempt::Opportunistic, Some(Attempt::Plain)),
            Encryption::Require { .. } | Encryption::Verify { .. } => (Attempt::Encrypted, None),
        }
    }
}

/// Opens a way to the server. If it is not attentive, an interruption of the sync does not end it: so a server can be told to stop
/// after one.
pub(crate) fn dial(options: &ConnectOptions, attempt: Attempt, deadline: Instant, attentive: bool) -> Result<Line> {
    let mut socket = open(options, deadline, attentive)?;
    if attempt == Attempt::Plain {
        return Ok(Line { transport: Box::new(socket), is_encrypted: false });
    }
    if !server_encrypts(&mut socket, options, deadline, attentive)? {
        if attempt == Attempt::Opportunistic {
            return Ok(Line { transport: Box::new(socket), is_encrypted: false });
        }
        return Err(Error::TlsRefused { server: options.server() });
    }
    let tls = |error| Error::Tls { server: options.server(), error };
    // Until both agree there is nothing to hear of an interruption with, so the whole time is one wait.
    let rest = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
    set_patience(&socket, rest).map_err(|error| tls(TlsError::Connection(error)))?;
    let stream = TlsStream::connect(socket, &tls_options(options)).map_err(|error| match error {
        TlsError::Connection(error) if is_patience_over(&error) => Error::Timeout { server: options.server() },
        error => tls(error),
    })?;
    set_patience(stream.get_ref(), PATIENCE).map_err(|error| tls(TlsError::Connection(error)))?;
    Ok(Line { transport: Box::new(stream), is_encrypted: true })
}

fn tls_options(options: &ConnectOptions) -> TlsOptions {
    let (trust, verify_name, identity) = match &options.encryption {
        Encryption::Disable | Encryption::Allow | Encryption::Prefer => (Trust::Anyone, false, None),
        Encryption::Require { identity } => (Trust::Anyone, false, identity.clone()),
        Encryption::Verify { authorities, name, identity } => {
            let trust = match authorities {
                Some(authorities) => Trust::Authorities(authorities.clone()),
                None => Trust::System,
            };
            (trust, *name, identity.clone())
        }
    };
    TlsOptions {
        server_name: options.host().to_owned(),
        trust,
        verify_name,
        identity,
        // PostgreSQL 17 asks for it where TLS comes first, and takes it elsewhere.
        application_protocols: vec!["postgresql".to_owned()],
    }
}

/// Connects to one of the host's addresses.
fn open(options: &ConnectOptions, deadline: Instant, attentive: bool) -> Result<TcpStream> {
    let unreachable = |reason| Error::Unreachable { server: options.server(), reason };
    let timeout = || Error::Timeout { server: options.server() };
    let host = options.host();
    if host.is_empty() || host.starts_with('/') {
        return Err(Error::Invalid(
            "The host has to be a name or an address; sockets in the file system can not be used.".to_owned(),
        ));
    }
    let addresses: Vec<SocketAddr> = match (host, options.port).to_socket_addrs() {
        Ok(addresses) => addresses.collect(),
        Err(error) => return Err(unreachable(reason_of_lookup(&error))),
    };
    let mut failure = unreachable(UnreachableReason::NameNotFound);
    for (index, address) in addresses.iter().enumerate() {
        attend(attentive)?;
        let rest = deadline.saturating_duration_since(Instant::now());
        if rest.is_zero() {
            return Err(timeout());
        }
        // An address that does not answer leaves some time for the next one.
        let left = u32::try_from(addresses.len() - index).unwrap_or(u32::MAX);
        let connected = TcpStream::connect_timeout(address, (rest / left).max(Duration::from_millis(1)));
        // In a component, std gives a socket that was refused as if it were connected, and keeps the error in it.
        match connected.and_then(|socket| socket.take_error()?.map_or(Ok(socket), Err)) {
            Ok(socket) => {
                let prepared = socket.set_nodelay(true).and_then(|()| set_patience(&socket, PATIENCE));
                prepared.map_err(|error| unreachable(UnreachableReason::Other(error.to_string())))?;
                return Ok(socket);
            }
            Err(error) if is_patience_over(&error) => failure = timeout(),
            Err(error) => failure = unreachable(reason_of_connect(&error)),
        }
    }
    Err(failure)
}

/// Hears of an interruption.
fn attend(attentive: bool) -> Result<()> {
    if attentive { airlock_sdk::wait(Duration::ZERO).map_err(Error::Interrupted) } else { Ok(()) }
}

fn reason_of_lookup(error: &io::Error) -> UnreachableReason {
    let text = error.to_string();
    if error.kind() == ErrorKind::PermissionDenied {
        UnreachableReason::Denied
    } else if text.contains("emporary") || text.contains("ry again") {
        UnreachableReason::NameUnknown(text)
    } else {
        UnreachableReason::NameNotFound
    }
}

fn reason_of_connect(error: &io::Error) -> UnreachableReason {
    match error.kind() {
        ErrorKind::ConnectionRefused => UnreachableReason::Refused,
        ErrorKind::PermissionDenied => UnreachableReason::Denied,
        _ => UnreachableReason::Other(error.to_string()),
    }
}

fn set_patience(socket: &TcpStream, patience: Duration) -> io::Result<()> {
    socket.set_read_timeout(Some(patience))?;
    socket.set_write_timeout(Some(patience))
}

/// Asks whether the server speaks TLS. Its answer is one byte; what comes after it belongs to TLS already, so nothing that
/// was slipped in before the encryption is taken for the server's word.
fn server_encrypts(
    socket: &mut TcpStream,
    options: &ConnectOptions,
    deadline: Instant,
    attentive: bool,
) -> Result<bool> {
    let server = || options.server();
    let lost = |error: io::Error| Error::Lost { server: server(), reason: error.to_string() };
    let mut request = BytesMut::new();
    frontend::ssl_request(&mut request);
    socket.write_all(&request).map_err(lost)?;
    let mut answer = [0];
    loop {
        match socket.read(&mut answer) {
            Ok(0) => return Err(Error::Lost { server: server(), reason: "the server closed it".to_owned() }),
            Ok(_) => break,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if is_patience_over(&error) => {
                attend(attentive)?;
                if Instant::now() >= deadline {
                    return Err(Error::Timeout { server: server() });
                }
            }
            Err(error) => return Err(lost(error)),
        }
    }
    match answer[0] {
        b'S' => Ok(true),
        b'N' => Ok(false),
        _ => Err(Error::Protocol { server: server(), during_login: true, what: "no answer to the request for TLS" }),
    }
}
