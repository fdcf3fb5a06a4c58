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

/// A longer line is cut into pieces of this size.
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

/// Takes a line that a guest printed.
type LineReceiver = dyn Fn(Channel, &str) + Send + Sync;

/// Takes what a guest prints and gives it on by lines.
pub struct Printed {
    lines: [Mutex<Vec<u8>>; 2],
    last_errors: Mutex<VecDeque<u8>>,
    receiver: Box<LineReceiver>,
}

impl Printed {
    /// Gives each line to `receiver`.
    pub fn new(receiver: impl Fn(Channel, &str) + Send + Sync + 'static) -> Arc<Printed> {
        Arc::new(Printed { lines: Default::default(), last_errors: Mutex::default(), receiver: Box::new(receiver) })
    }

    pub(super) fn stream(self: &Arc<Self>, channel: Channel) -> PrintedStream {
        PrintedStream { printed: self.clone(), channel }
    }

    fn print(&self, channel: Channel, bytes: &[u8]) {
        if channel == Channel::Stderr {
            let mut last = self.last_errors.lock().unwrap_or_else(PoisonError::into_inner);
            last.extend(bytes);
            let surplus = last.len().saturating_sub(REMEMBERED_BYTES);
            last.drain(..surplus);
        }
        let mut line = self.lines[channel as usize].lock().unwrap_or_else(PoisonError::into_inner);
        for byte in bytes {
            if *byte == b'\n' || line.len() >= LINE_BYTES {
                self.give(channel, &line);
                line.clear();
            }
            if *byte != b'\n' {
                line.push(*byte);
            }
        }
    }

    fn give(&self, channel: Channel, line: &[u8]) {
        let text = String::from_utf8_lossy(line);
        let text = text.trim_end_matches('\r');
        if !text.trim().is_empty() {
            (self.receiver)(channel, text);
        }
    }

    /// Gives on what was printed without a line break at its end.
    pub fn flush(&self) {
        for channel in [Channel::Stdout, Channel::Stderr] {
            let line =
                std::mem::take(&mut *self.lines[channel as usize].lock().unwrap_or_else(PoisonError::into_inner));
            self.give(channel, &line);
        }
    }

    /// The last that was printed to stderr: where most languages say why they crashed.
    pub fn last_errors(&self) -> String {
        let mut last = self.last_errors.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(last.make_contiguous()).trim().to_owned()
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

    #[test]
    fn lines_are_whole_bounded_and_readable() {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let received = lines.clone();
        let printed = Printed::new(move |channel, line| received.lock().unwrap().push((channel, line.to_owned())));
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
}
