//! Whole lines to the process's stdout in large writes. Knows nothing of what the lines say.

use std::io::{self, Write};
use std::os::fd::AsFd;
use std::thread;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

/// How many bytes are gathered before they are written: one pipe's worth. Larger writes cost more, not less.
pub const WRITE_SIZE: usize = 64 * 1024;

/// How much memory a buffer keeps after a huge line has gone through it.
const KEPT_CAPACITY: usize = 4 * WRITE_SIZE;

/// Where lines go.
pub trait LineSink {
    /// Writes whole lines, given in parts. Nothing of anybody else comes between them.
    fn write_lines(&mut self, parts: &[&[u8]]) -> io::Result<()>;
}

impl<W: Write> LineSink for W {
    fn write_lines(&mut self, parts: &[&[u8]]) -> io::Result<()> {
        parts.iter().try_for_each(|part| self.write_all(part))
    }
}

/// Gathers lines and writes them. Only whole lines are ever given to the sink.
pub struct LineBuffer<W> {
    lines: Vec<u8>,
    sink: W,
}

impl<W: LineSink> LineBuffer<W> {
    /// An empty buffer.
    pub fn new(sink: W) -> LineBuffer<W> {
        LineBuffer { lines: Vec::with_capacity(2 * WRITE_SIZE), sink }
    }

    /// Adds whole lines, each with its line break.
    pub fn push(&mut self, lines: &[u8]) {
        self.lines.extend_from_slice(lines);
    }

    /// Where a line is put together: what is added is whole again before anything is written.
    pub fn line(&mut self) -> &mut Vec<u8> {
        &mut self.lines
    }

    /// Writes if enough has been gathered.
    pub fn write_if_full(&mut self) -> io::Result<()> {
        if self.lines.len() >= WRITE_SIZE { self.flush() } else { Ok(()) }
    }

    /// Writes a line that is given in its parts, after all there is. For one that is so large that gathering it would only copy it.
    pub fn write_line(&mut self, parts: &[&[u8]]) -> io::Result<()> {
        self.flush()?;
        self.sink.write_lines(parts)
    }

    /// Writes all there is. After an error the rest is lost: nobody is there to read it.
    pub fn flush(&mut self) -> io::Result<()> {
        if self.lines.is_empty() {
            return Ok(());
        }
        let result = self.sink.write_lines(&[&self.lines]);
        self.lines.clear();
        self.lines.shrink_to(KEPT_CAPACITY);
        result
    }
}

/// Waits for so long, less if whoever reads stdout goes away: then true. Of a file or a terminal nobody goes away.
pub fn reader_goes_away_within(time: Duration) -> bool {
    let stdout = io::stdout();
    let Ok(timeout) = Timespec::try_from(time) else { return false };
    // No event is asked for: errors and hang-ups are told unasked.
    let mut stdout = [PollFd::new(&stdout, PollFlags::empty())];
    match poll(&mut stdout, Some(&timeout)) {
        Ok(0) => false,
        Ok(_) if stdout[0].revents().intersects(PollFlags::ERR | PollFlags::HUP) => true,
        // Whatever is wrong with the question, whoever asks wants to wait.
        _ => {
            thread::sleep(time);
            false
        }
    }
}

/// The process's stdout, without the standard library's buffer, which looks through every byte for line breaks.
pub struct Stdout;

impl Write for Stdout {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let stdout = io::stdout();
        loop {
            match rustix::io::write(stdout.as_fd(), bytes) {
                // Whoever opened the pipe may have made it non-blocking (Node.js does): wait until it takes more.
                Err(Errno::AGAIN) => match poll(&mut [PollFd::new(&stdout, PollFlags::OUT)], None) {
                    Ok(_) | Err(Errno::INTR) => {}
                    Err(error) => return Err(error.into()),
                },
                written => return Ok(written?),
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
