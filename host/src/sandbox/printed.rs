//! What a guest prints: it never reaches the process's own stdout or stderr, whole lines of it become log messages.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::AsyncWrite;
use wasmtime_wasi::async_trait;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

/// A longer line is cut into pieces of about this size.
const LINE_BYTES: usize = 64 * 1024;

/// How much of what went to stderr is kept for the report of a crash.
const REMEMBERED_BYTES: usize = 8 * 1024;

/// How much a guest may write at once.
const WRITE_BYTES: usize = 1024 * 1024;

/// Where a guest printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Channel {
    /// Its stdout.
    Stdout,
    /// Its stderr.
    Stderr,
}

/// What a receiver took of a line.
#[derive(Debug)]
pub struct Taken {
    /// How many bytes. The rest comes again, with what comes after it.
    pub bytes: usize,
    /// The same as people may read it.
    pub text: String,
}

/// Takes a line that a guest printed, without its line break. With `true` the line goes on, and the receiver need not take all
/// of it: who masks words can not tell whether the end is half a word.
type LineReceiver = dyn Fn(Channel, &[u8], bool) -> Taken + Send + Sync;

/// Takes what a guest prints and gives it on by lines.
pub struct Printed {
    lines: [Mutex<Line>; 2],
    last_errors: Mutex<VecDeque<String>>,
    receiver: Box<LineReceiver>,
}

/// A line whose end has not come.
#[derive(Default)]
struct Line {
    bytes: Vec<u8>,
    /// How much of it the receiver did not take when it could have.
    left: usize,
}

impl Printed {
    /// Gives each line to `receiver`.
    pub fn new(receiver: impl Fn(Channel, &[u8], bool) -> Taken + Send + Sync + 'static) -> Arc<Printed> {
        Arc::new(Printed { lines: Default::default(), last_errors: Mutex::default(), receiver: Box::new(receiver) })
    }

    pub(super) fn stream(self: &Arc<Self>, channel: Channel) -> PrintedStream {
        PrintedStream { printed: self.clone(), channel }
    }

    fn print(&self, channel: Channel, bytes: &[u8]) {
        let mut line = self.lines[channel as usize].lock().unwrap_or_else(PoisonError::into_inner);
        for byte in bytes {
            if *byte == b'\n' {
                self.give(channel, &line.bytes);
                *line = Line::default();
                continue;
            }
            if line.bytes.len() >= line.left + LINE_BYTES {
                let taken = (self.receiver)(channel, &line.bytes, true);
                line.bytes.drain(..taken.bytes);
                line.left = line.bytes.len();
                self.remember(channel, taken.text);
            }
            line.bytes.push(*byte);
        }
    }

    /// A line to its end. White space alone says nothing.
    fn give(&self, channel: Channel, line: &[u8]) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if !line.trim_ascii().is_empty() {
            let taken = (self.receiver)(channel, line, false);
            self.remember(channel, taken.text);
        }
    }

    /// What came from the receiver, and not what was printed: to cut that might leave half a word that must not be seen.
    fn remember(&self, channel: Channel, text: String) {
        if channel != Channel::Stderr {
            return;
        }
        let mut last = self.last_errors.lock().unwrap_or_else(PoisonError::into_inner);
        last.push_back(text);
        let mut length: usize = last.iter().map(String::len).sum();
        while let Some(first) = last.front_mut()
            && length > REMEMBERED_BYTES
        {
            let surplus = first.ceil_char_boundary(first.len().min(length - REMEMBERED_BYTES));
            length -= surplus;
            first.drain(..surplus);
            if first.is_empty() {
                last.pop_front();
            }
        }
    }

    /// Gives on what was printed without a line break at its end.
    pub fn flush(&self) {
        for channel in [Channel::Stdout, Channel::Stderr] {
            let line =
                std::mem::take(&mut *self.lines[channel as usize].lock().unwrap_or_else(PoisonError::into_inner));
            self.give(channel, &line.bytes);
        }
    }

    /// The last that was printed to stderr: where most languages say why they crashed.
    pub fn last_errors(&self) -> String {
        let last = self.last_errors.lock().unwrap_or_else(PoisonError::into_inner);
        last.iter().map(String::as_str).collect::<Vec<_>>().join("\n").trim().to_owned()
    }
}

/// One of a guest's two streams.
#[derive(Clone)]
pub(super) struct PrintedStream {
    printed: Arc<Printed>,
    channel: Channel,
}

impl IsTerminal for PrintedStream {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for PrintedStream {
    fn p2_stream(&self) -> Box<dyn OutputStream> {
        // At once, on the guest's own thread: the order of prints and of calls to the host stays as it was.
        Box::new(self.clone())
    }

    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }
}

impl OutputStream for PrintedStream {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.printed.print(self.channel, &bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(WRITE_BYTES)
    }
}

#[async_trait]
impl Pollable for PrintedStream {
    async fn ready(&mut self) {}
}

impl AsyncWrite for PrintedStream {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        self.printed.print(self.channel, bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Lines = Arc<Mutex<Vec<(Channel, String)>>>;

    /// Keeps what it is given. Of a line that goes on it takes all but `held` bytes.
    fn kept(held: usize) -> (Arc<Printed>, Lines) {
        let lines = Lines::default();
        let received = lines.clone();
        let printed = Printed::new(move |channel, line, goes_on| {
            let bytes = if goes_on { line.len().saturating_sub(held) } else { line.len() };
            let text = String::from_utf8_lossy(&line[..bytes]).into_owned();
            received.lock().unwrap().push((channel, text.clone()));
            Taken { bytes, text }
        });
        (printed, lines)
    }

    #[test]
    fn lines_are_whole_bounded_and_readable() {
        let (printed, lines) = kept(0);
        printed.print(Channel::Stdout, b"one\r\ntw");
        printed.print(Channel::Stderr, b"\n  \nbad \xff");
        printed.print(Channel::Stdout, b"o\n");
        printed.print(Channel::Stdout, &vec![b'x'; LINE_BYTES + 1]);
        printed.flush();
        let lines = lines.lock().unwrap();
        let texts: Vec<&str> = lines.iter().map(|(_, line)| line.as_str()).collect();
        assert_eq!(texts[..2], ["one", "two"]);
        assert_eq!((texts[2].len(), texts[3]), (LINE_BYTES, "x"));
        assert_eq!(lines[4], (Channel::Stderr, "bad \u{fffd}".to_owned()));
        assert_eq!(printed.last_errors(), "bad \u{fffd}");
    }

    #[test]
    fn what_a_receiver_leaves_comes_again_with_what_comes_after_it() {
        for held in [1, 100, LINE_BYTES, 3 * LINE_BYTES] {
            let (printed, lines) = kept(held);
            let text: Vec<u8> = (b'a'..=b'z').cycle().take(5 * LINE_BYTES + 7).collect();
            for piece in text.chunks(1000) {
                printed.print(Channel::Stderr, piece);
            }
            printed.print(Channel::Stderr, b"\nnext\n");
            let lines = lines.lock().unwrap();
            let (last, pieces) = lines.split_last().unwrap();
            assert_eq!(last.1, "next");
            let whole: String = pieces.iter().map(|(_, piece)| piece.as_str()).collect();
            assert_eq!(whole.as_bytes(), text, "{held}");
            assert!(pieces.len() < 8, "asked {} times", pieces.len());
            let errors = printed.last_errors();
            assert!(errors.ends_with("\nnext") && errors.len() <= REMEMBERED_BYTES + 2, "{}", errors.len());
        }
    }
}
