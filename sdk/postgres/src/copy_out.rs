//! `COPY … TO STDOUT`: rows as fast as the server sends them, looked at where they arrived.

use postgres_protocol::message::backend::{self, Message};

use crate::connection::Connection;
use crate::error::{Error, Result};
use crate::wire::Frame;

/// What a `COPY … TO STDOUT` sends. Dropped before its end, it tells the server to stop.
#[derive(Debug)]
pub struct CopyOut<'a> {
    connection: &'a mut Connection,
    is_binary: bool,
    progress: Progress,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    Rows,
    /// The server has been told, or says no more.
    Over,
}

impl Connection {
    /// Begins a `COPY … TO STDOUT`.
    pub fn copy_out(&mut self, sql: &str) -> Result<CopyOut<'_>> {
        self.ask_simply(sql)?;
        let frame = self.receive()?;
        match frame.tag {
            backend::COPY_OUT_RESPONSE_TAG => {}
            backend::ERROR_RESPONSE_TAG => return Err(self.fail(frame)),
            _ => {
                self.abandon_answer();
                return Err(Error::Invalid("A query that is no COPY TO STDOUT was to be read as one.".to_owned()));
            }
        }
        let Message::CopyOutResponse(body) = self.wire.message(frame)? else {
            return Err(self.wire.nonsense("the begin of a COPY that is none"));
        };
        let is_binary = body.format() == 1;
        Ok(CopyOut { connection: self, is_binary, progress: Progress::Rows })
    }
}

impl CopyOut<'_> {
    /// The next piece of the data: in practice one row. Its bytes are where they arrived; there is no copy.
    #[allow(clippy::should_implement_trait, reason = "what it gives is borrowed until the next call")]
    pub fn next(&mut self) -> Result<Option<&[u8]>> {
        Ok(self.next_frame()?.map(|frame| self.bytes(frame)))
    }

    /// Whether the rows are in PostgreSQL's binary form.
    pub(crate) fn is_binary(&self) -> bool {
        self.is_binary
    }

    #[inline]
    pub(crate) fn next_frame(&mut self) -> Result<Option<Frame>> {
        if self.progress == Progress::Over {
            return Ok(None);
        }
        match self.connection.receive() {
            Ok(frame) if frame.tag == backend::COPY_DATA_TAG => Ok(Some(frame)),
            Ok(frame) => self.end(frame),
            Err(error) => Err(self.failed(error)),
        }
    }

    #[inline]
    pub(crate) fn bytes(&self, frame: Frame) -> &[u8] {
        self.connection.wire.body(frame)
    }

    pub(crate) fn nonsense(&self, what: &'static str) -> Error {
        self.connection.wire.nonsense(what)
    }

    /// Everything that is no row: the end, or an error.
    #[cold]
    fn end(&mut self, mut frame: Frame) -> Result<Option<Frame>> {
        self.progress = Progress::Over;
        loop {
            match frame.tag {
                backend::COPY_DONE_TAG | backend::COMMAND_COMPLETE_TAG => {}
                backend::READY_FOR_QUERY_TAG => {
                    self.connection.ready(frame)?;
                    return Ok(None);
                }
                backend::ERROR_RESPONSE_TAG => return Err(self.connection.fail(frame)),
                _ => return Err(self.nonsense("something else than rows")),
            }
            frame = self.connection.receive()?;
        }
    }

    #[cold]
    fn failed(&mut self, error: Error) -> Error {
        // Only who waited is interrupted: the server still sends.
        if !matches!(error, Error::Interrupted(_)) {
            self.progress = Progress::Over;
        }
        error
    }
}

impl Drop for CopyOut<'_> {
    fn drop(&mut self) {
        if self.progress == Progress::Rows {
            self.connection.abandon_answer();
        }
    }
}
