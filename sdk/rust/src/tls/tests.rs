//! What the stream does between a connection and a session. The session is a toy with the contract's functions: it frames and
//! encrypts nothing.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;

use super::*;

/// Says `hello` and waits for it; then lines pass, `end` ends and `fail` fails.
#[derive(Default)]
pub(super) struct Session {
    pending: RefCell<Vec<u8>>,
    established: Cell<bool>,
    failed: Cell<bool>,
}

impl Session {
    pub(super) fn connect(options: &wit::ClientOptions) -> Result<(Session, Vec<u8>), wit::TlsError> {
        match options.server_name.as_str() {
            "" => Err(wit::TlsError::Invalid("no name".to_owned())),
            _ => Ok((Session::default(), b"hello\n".to_vec())),
        }
    }

    pub(super) fn receive(&self, bytes: &[u8]) -> Result<wit::Received, wit::TlsError> {
        let failure = || wit::TlsError::Failed("as it was told to".to_owned());
        if self.failed.get() {
            return Err(failure());
        }
        let mut pending = self.pending.borrow_mut();
        pending.extend_from_slice(bytes);
        let mut received = wit::Received { data: Vec::new(), to_send: Vec::new(), established: false, ended: false };
        while let Some(end) = pending.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = pending.drain(..=end).collect();
            match line.as_slice() {
                b"hello\n" => self.established.set(true),
                b"end\n" => received.ended = true,
                b"ping\n" => received.to_send.extend(b"pong\n"),
                b"fail\n" => self.failed.set(true),
                line => received.data.extend(line),
            }
        }
        received.established = self.established.get();
        if self.failed.get() && received.data.is_empty() { Err(failure()) } else { Ok(received) }
    }

    pub(super) fn encrypt(&self, data: &[u8]) -> Result<Vec<u8>, wit::TlsError> {
        Ok(data.to_vec())
    }

    pub(super) fn close(&self) -> Vec<u8> {
        if self.failed.get() { b"alert\n".to_vec() } else { b"end\n".to_vec() }
    }

    pub(super) fn application_protocol(&self) -> Option<String> {
        None
    }
}

/// A connection that gives these parts, one a call, and takes as many bytes a call as it has room for.
struct Script {
    parts: VecDeque<io::Result<&'static [u8]>>,
    room: VecDeque<io::Result<usize>>,
    written: Vec<u8>,
}

impl Script {
    fn new(parts: impl IntoIterator<Item = io::Result<&'static [u8]>>) -> Script {
        Script { parts: parts.into_iter().collect(), room: VecDeque::new(), written: Vec::new() }
    }
}

impl Read for Script {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let part = self.parts.pop_front().unwrap_or(Ok(b""))?;
        buffer[..part.len()].copy_from_slice(part);
        Ok(part.len())
    }
}

impl Write for Script {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let room = self.room.pop_front().unwrap_or(Ok(usize::MAX))?;
        let taken = data.len().min(room);
        self.written.extend_from_slice(&data[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn connected(parts: impl IntoIterator<Item = io::Result<&'static [u8]>>) -> TlsStream<Script> {
    let parts = [Ok(&b"hello\n"[..])].into_iter().chain(parts);
    TlsStream::connect(Script::new(parts), &TlsOptions::new("server")).unwrap()
}

fn timeout<T>() -> io::Result<T> {
    Err(io::ErrorKind::WouldBlock.into())
}

#[test]
fn what_comes_in_pieces_is_read_whole_and_the_end_is_the_servers_word() {
    let mut stream = connected([Ok(&b"o"[..]), Ok(b"ne\nping\n"), Ok(b"two\nend"), Ok(b"\n")]);
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    assert_eq!(text, "one\ntwo\n");
    assert_eq!(stream.get_ref().written, b"hello\npong\n");
    assert_eq!(stream.read(&mut [0; 4]).unwrap(), 0);
}

#[test]
fn what_comes_with_the_handshake_is_not_lost() {
    let script = Script::new([Ok(&b"hel"[..]), Ok(b"lo\nearly\nend\n")]);
    let mut stream = TlsStream::connect(script, &TlsOptions::new("server")).unwrap();
    let mut first = [0; 2];
    stream.read_exact(&mut first).unwrap();
    let mut rest = String::new();
    stream.read_to_string(&mut rest).unwrap();
    assert_eq!((&first, rest.as_str()), (b"ea", "rly\n"));
}

#[test]
fn a_connection_that_is_cut_off_is_no_end() {
    let mut stream = connected([Ok(&b"one\n"[..])]);
    let mut line = [0; 4];
    stream.read_exact(&mut line).unwrap();
    for _ in 0..2 {
        assert_eq!(stream.read(&mut line).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }
    let cut = TlsStream::connect(Script::new([Ok(&b"he"[..])]), &TlsOptions::new("server")).unwrap_err();
    assert!(matches!(&cut, TlsError::Connection(error) if error.kind() == io::ErrorKind::UnexpectedEof), "{cut:?}");
}

#[test]
fn a_timeout_loses_nothing() {
    let mut stream = connected([timeout(), Ok(&b"on"[..]), timeout(), Ok(b"e\nping\n"), timeout(), Ok(b"two\n")]);
    let mut line = [0; 4];
    assert_eq!(stream.read(&mut line).unwrap_err().kind(), io::ErrorKind::WouldBlock);
    assert_eq!(stream.read(&mut line).unwrap_err().kind(), io::ErrorKind::WouldBlock);
    // The answer to the ping can not be sent yet either.
    stream.get_mut().room = VecDeque::from([timeout(), Ok(2), timeout()]);
    assert_eq!(stream.read(&mut line).unwrap(), 4);
    assert_eq!(&line, b"one\n");
    // What was encrypted counts as written, and goes once, in order.
    assert_eq!(stream.write(b"x\n").unwrap_err().kind(), io::ErrorKind::WouldBlock);
    assert_eq!(stream.write(b"x\n").unwrap_err().kind(), io::ErrorKind::WouldBlock);
    stream.get_mut().room = VecDeque::from([Ok(10), timeout()]);
    assert_eq!(stream.write(b"y\n").unwrap(), 2);
    stream.flush().unwrap();
    assert_eq!(stream.get_ref().written, b"hello\npong\ny\n");
    assert_eq!(stream.read(&mut line).unwrap_err().kind(), io::ErrorKind::WouldBlock);
    assert_eq!(stream.read(&mut line).unwrap(), 4);
    assert_eq!(&line, b"two\n");
}

#[test]
fn a_server_that_takes_nothing_is_read_all_the_same() {
    for kind in [io::ErrorKind::WouldBlock, io::ErrorKind::TimedOut] {
        let mut stream = connected([Ok(&b"one\n"[..]), Err(kind.into()), Ok(b"two\n")]);
        stream.get_mut().room = VecDeque::from([Err(kind.into()), Err(kind.into()), Err(kind.into()), Ok(1)]);
        stream.write_all(b"x\n").unwrap();
        let mut line = [0; 4];
        assert_eq!(stream.read(&mut line).unwrap(), 4);
        assert_eq!(&line, b"one\n");
        assert_eq!(stream.read(&mut line).unwrap_err().kind(), kind);
        assert_eq!(stream.get_ref().written, b"hello\n");
        assert_eq!(stream.read(&mut line).unwrap(), 4);
        assert_eq!(stream.get_ref().written, b"hello\nx\n");
    }
    // Another error of the connection is one.
    let mut stream = connected([Ok(&b"one\n"[..])]);
    stream.get_mut().room = VecDeque::from([timeout(), Err(io::ErrorKind::ConnectionReset.into())]);
    stream.write_all(b"x\n").unwrap();
    assert_eq!(stream.read(&mut [0; 4]).unwrap_err().kind(), io::ErrorKind::ConnectionReset);
}

#[test]
fn a_failure_comes_after_what_came_whole_and_the_server_is_told() {
    let mut stream = connected([Ok(&b"one\nfail\n"[..])]);
    let mut line = [0; 4];
    stream.read_exact(&mut line).unwrap();
    let error = TlsError::from(stream.read(&mut line).unwrap_err());
    assert!(matches!(&error, TlsError::Failed(why) if why == "as it was told to"), "{error:?}");
    assert_eq!(stream.get_ref().written, b"hello\nalert\n");
}

#[test]
fn much_is_encrypted_in_pieces() {
    let mut stream = connected([]);
    let much = vec![b'm'; 3 * PIECE_BYTES + 1];
    assert_eq!(stream.write(&much).unwrap(), PIECE_BYTES);
    stream.write_all(&much[PIECE_BYTES..]).unwrap();
    stream.close().unwrap();
    assert_eq!(stream.get_ref().written.len(), b"hello\n".len() + much.len() + b"end\n".len());
}

#[test]
fn what_the_host_refuses_is_told() {
    let error = TlsStream::connect(Script::new([]), &TlsOptions::new("")).unwrap_err();
    assert!(matches!(&error, TlsError::Invalid(why) if why == "no name"), "{error:?}");
}
