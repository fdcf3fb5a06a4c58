//! A socket whose reads and writes wait for so long and no longer. Knows nothing of what goes over it.
//!
//! The timeouts of std's sockets would do, but on WASI the standard library of Rust 1.85 can not set them. So the socket never
//! blocks, and is waited for by `poll`.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

/// A connected socket. What takes longer than its patience fails with `TimedOut`, and can be tried again.
pub(crate) struct Socket {
    stream: TcpStream,
    patience: Duration,
}

impl Socket {
    /// Takes a connected socket.
    pub(crate) fn new(stream: TcpStream, patience: Duration) -> io::Result<Socket> {
        stream.set_nonblocking(true)?;
        // Each write is a whole message. Where there is no such option (in a component), small writes may wait for each other.
        let _ = stream.set_nodelay(true);
        Ok(Socket { stream, patience })
    }

    /// From now on, how long a read or write waits.
    pub(crate) fn set_patience(&mut self, patience: Duration) {
        self.patience = patience;
    }

    fn patiently<T>(
        &mut self,
        event: PollFlags,
        mut attempt: impl FnMut(&mut TcpStream) -> io::Result<T>,
    ) -> io::Result<T> {
        match attempt(&mut self.stream) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            attempted => return attempted,
        }
        let patience = Timespec::try_from(self.patience).map_err(|_| io::Error::from(ErrorKind::InvalidInput))?;
        match poll(&mut [PollFd::new(&self.stream, event)], Some(&patience)) {
            Ok(0) | Err(Errno::INTR) => Err(ErrorKind::TimedOut.into()),
            Ok(_) => attempt(&mut self.stream),
            Err(error) => Err(error.into()),
        }
    }
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.patiently(PollFlags::IN, |stream| stream.read(buffer))
    }
}

impl Write for Socket {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.patiently(PollFlags::OUT, |stream| stream.write(data))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.patiently(PollFlags::OUT, TcpStream::flush)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use std::time::Instant;

    #[test]
    fn nothing_is_waited_for_longer_than_the_patience_and_nothing_is_lost_by_it() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut far, _) = listener.accept().unwrap();
        let patience = Duration::from_millis(20);
        let mut near = Socket::new(near, patience).unwrap();
        let mut buffer = [0; 8];
        let begun = Instant::now();
        assert_eq!(near.read(&mut buffer).unwrap_err().kind(), ErrorKind::TimedOut);
        assert!(begun.elapsed() >= patience);
        far.write_all(b"hello").unwrap();
        near.set_patience(Duration::from_secs(60));
        assert_eq!(near.read(&mut buffer).unwrap(), 5);

        // The other side takes nothing: its buffer and ours fill up.
        near.set_patience(patience);
        let mut written = 0;
        let error = loop {
            match near.write(&[b'x'; 65536]) {
                Ok(bytes) => written += bytes,
                Err(error) => break error,
            }
        };
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        drop(near);
        assert_eq!(io::copy(&mut far, &mut io::sink()).unwrap(), written as u64);
    }
}
