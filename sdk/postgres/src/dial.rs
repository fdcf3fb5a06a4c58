//! The way to a server: addresses, a socket, and the agreement on TLS. Knows nothing of users and queries.

use std::cell::RefCell;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::rc::Rc;
use std::time::{Duration, Instant};

use airlock_sdk::tls::{TlsError, TlsOptions, TlsStream, Trust};
use bytes::BytesMut;
use postgres_protocol::message::frontend;

use crate::error::{Error, Result, UnreachableReason};
use crate::options::{ConnectOptions, Encryption};
use crate::socket::Socket;
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
    let interrupted = Rc::new(RefCell::new(None));
    let agreeing = Agreeing { socket, deadline, attentive, interrupted: Rc::clone(&interrupted), is_over: false };
    let tls = |error| match error {
        TlsError::Connection(error) if is_patience_over(&error) => {
            interrupted.take().unwrap_or(Error::Timeout { server: options.server() })
        }
        error => Error::Tls { server: options.server(), error },
    };
    let mut stream = TlsStream::connect(agreeing, &tls_options(options)).map_err(tls)?;
    stream.get_mut().is_over = true;
    stream.get_mut().socket.set_patience(PATIENCE);
    Ok(Line { transport: Box::new(stream), is_encrypted: true })
}

/// A socket that both sides agree on TLS over: until that is over, its reads and writes end by the deadline only, however little
/// the server says at a time, or at an interruption.
struct Agreeing {
    socket: Socket,
    deadline: Instant,
    attentive: bool,
    /// What ended it, if it was an interruption: an error of a socket can not hold that.
    interrupted: Rc<RefCell<Option<Error>>>,
    is_over: bool,
}

impl Agreeing {
    fn patiently<T>(&mut self, mut attempt: impl FnMut(&mut Socket) -> io::Result<T>) -> io::Result<T> {
        while !self.is_over {
            if let Err(error) = attend(self.attentive) {
                self.interrupted.replace(Some(error));
                return Err(ErrorKind::TimedOut.into());
            }
            let rest = self.deadline.saturating_duration_since(Instant::now());
            if rest.is_zero() {
                return Err(ErrorKind::TimedOut.into());
            }
            self.socket.set_patience(rest.clamp(Duration::from_millis(1), PATIENCE));
            match attempt(&mut self.socket) {
                Err(error) if is_patience_over(&error) => {}
                attempted => return attempted,
            }
        }
        attempt(&mut self.socket)
    }
}

impl Read for Agreeing {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.patiently(|socket| socket.read(buffer))
    }
}

impl Write for Agreeing {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.patiently(|socket| socket.write(data))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.patiently(Socket::flush)
    }
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
fn open(options: &ConnectOptions, deadline: Instant, attentive: bool) -> Result<Socket> {
    let unreachable = |reason| Error::Unreachable { server: options.server(), reason };
    let timeout = || Error::Timeout { server: options.server() };
    let host = options.host();
    if host.is_empty() || host.starts_with('/') {
        return Err(Error::Invalid(
            "The host has to be a name or an address; sockets in the file system can not be used.".to_owned(),
        ));
    }
    let addresses = look_up(host, options.port).map_err(|error| unreachable(reason_of_lookup(&error)))?;
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
                let socket = Socket::new(socket, PATIENCE);
                return socket.map_err(|error| unreachable(UnreachableReason::Other(error.to_string())));
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

/// A name may end in a dot, which says that it is whole. Files of names, where `localhost` may be, have none.
fn look_up(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    let found = (host, port).to_socket_addrs();
    let found = match (found, host.strip_suffix('.')) {
        (Err(_), Some(host)) => (host, port).to_socket_addrs(),
        (found, _) => found,
    };
    Ok(found?.collect())
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

/// Asks whether the server speaks TLS. Its answer is one byte; what comes after it belongs to TLS already, so nothing that
/// was slipped in before the encryption is taken for the server's word.
fn server_encrypts(socket: &mut Socket, options: &ConnectOptions, deadline: Instant, attentive: bool) -> Result<bool> {
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
        // A server that could not begin to serve, for want of memory say. What it says is not believed before the encryption.
        b'E' => Err(Error::Lost { server: server(), reason: "it refused before TLS".to_owned() }),
        _ => Err(Error::Protocol { server: server(), during_login: true, what: "no answer to the request for TLS" }),
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;
    use airlock_sdk::{Failure, FailureKind};

    fn pair() -> (Socket, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (Socket::new(client, PATIENCE).unwrap(), listener.accept().unwrap().0)
    }

    fn options(host: &str, port: u16) -> ConnectOptions {
        ConnectOptions {
            host: host.to_owned(),
            port,
            database: "shop".to_owned(),
            username: "reader".to_owned(),
            password: None,
            encryption: Encryption::Require { identity: None },
            application_name: "test".to_owned(),
            connect_timeout: Duration::from_secs(60),
        }
    }

    #[test]
    fn a_server_that_says_a_little_at_a_time_is_not_waited_for_without_end() {
        let (socket, mut server) = pair();
        let deadline = Instant::now() + Duration::from_millis(700);
        // More often than the patience of a single read ends, until the client is gone.
        let drips = thread::spawn(move || {
            while server.write_all(b"x").is_ok() {
                thread::sleep(Duration::from_millis(20));
            }
        });
        let mut agreeing = Agreeing { socket, deadline, attentive: false, interrupted: Rc::default(), is_over: false };
        let error = loop {
            if let Err(error) = agreeing.read(&mut [0]) {
                break error;
            }
            assert!(Instant::now() < deadline + Duration::from_secs(20), "it is still listened to");
        };
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        // Afterwards the session's own waits count, which are as long as `connect` makes them.
        agreeing.is_over = true;
        agreeing.socket.set_patience(PATIENCE);
        assert_eq!(agreeing.read(&mut [0]).unwrap(), 1);
        drop(agreeing);
        drips.join().unwrap();
    }

    #[test]
    fn a_silent_server_is_waited_for_until_the_deadline() {
        let (socket, _server) = pair();
        let deadline = Instant::now() + PATIENCE + Duration::from_millis(200);
        let mut agreeing = Agreeing { socket, deadline, attentive: false, interrupted: Rc::default(), is_over: false };
        assert_eq!(agreeing.read(&mut [0]).unwrap_err().kind(), ErrorKind::TimedOut);
        assert!(Instant::now() >= deadline);
    }

    #[test]
    fn a_server_that_can_not_begin_to_serve_may_be_tried_again() {
        let (mut socket, mut server) = pair();
        server.write_all(b"Ecould not fork new process for connection: Alice\n\0").unwrap();
        let deadline = Instant::now() + Duration::from_secs(60);
        let error = server_encrypts(&mut socket, &options("db", 5432), deadline, false).unwrap_err();
        let failure = Failure::from(error);
        assert_eq!(failure.kind, FailureKind::TransientError);
        let told = format!("{failure:?}");
        assert!(told.contains("refused before TLS") && !told.contains("Alice"), "{told}");
    }

    #[test]
    fn a_name_may_end_in_a_dot() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let deadline = Instant::now() + Duration::from_secs(60);
        dial(&options("localhost.", port), Attempt::Plain, deadline, false).map(|_| ()).unwrap();
        let error = dial(&options("nowhere.invalid.", port), Attempt::Plain, deadline, false).map(|_| ()).unwrap_err();
        assert!(matches!(error, Error::Unreachable { .. }), "{error}");
    }
}
