//! Whole lines to the process's stdout in large writes. Knows nothing of what the lines say.

use std::io;
use std::os::fd::AsFd;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

/// How many bytes are gathered before they are written: one pipe's worth. Larger writes cost more, not less.
const WRITE_SIZE: usize = 64 * 1024;

/// How much memory a buffer keeps after a huge line has gone through it.
const KEPT_CAPACITY: usize = 4 * WRITE_SIZE;

/// Gathers lines and writes them. Only whole lines are ever given to the operating system.
pub struct LineBuffer {
    lines: Vec<u8>,
}

impl LineBuffer {
    /// An empty buffer.
    pub fn new() -> LineBuffer {
        LineBuffer { lines: Vec::with_capacity(2 * WRITE_SIZE) }
    }

    /// Where lines are added: each with its line break.
    pub fn lines(&mut self) -> &mut Vec<u8> {
        &mut self.lines
    }

    /// Writes if enough has been gathered.
    pub fn write_if_full(&mut self) -> io::Result<()> {
        if self.lines.len() >= WRITE_SIZE { self.flush() } else { Ok(()) }
    }

    /// Writes all there is. After an error the rest is lost: nobody is there to read it.
    pub fn flush(&mut self) -> io::Result<()> {
        let result = write_all(&self.lines);
        self.lines.clear();
        self.lines.shrink_to(KEPT_CAPACITY);
        result
    }
}

fn write_all(mut bytes: &[u8]) -> io::Result<()> {
    let stdout = io::stdout();
    // Straight to the descriptor: the standard library's Stdout looks through every byte for line breaks.
    while !bytes.is_empty() {
        match rustix::io::write(stdout.as_fd(), bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => bytes = &bytes[written..],
            Err(Errno::INTR) => {}
            // Whoever opened the pipe may have made it non-blocking (Node.js does): wait until it takes more.
            Err(Errno::AGAIN) => {
                let mut descriptors = [PollFd::new(&stdout, PollFlags::OUT)];
                match poll(&mut descriptors, None) {
                    Ok(_) | Err(Errno::INTR) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
