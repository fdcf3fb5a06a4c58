//! `COPY … FROM STDIN`: rows to the server, in large messages.

use std::time::Instant;

use postgres_protocol::message::backend;
use postgres_protocol::message::frontend::{self, CopyData};

use crate::connection::{Connection, STOP_TIME};
use crate::error::{Error, Result};

/// How much is gathered before it is sent.
const MESSAGE_BYTES: usize = 64 * 1024;

/// A `COPY … FROM STDIN` that takes rows. Dropped before [`finish`](CopyIn::finish), it has written nothing.
#[derive(Debug)]
pub struct CopyIn<'a> {
    connection: &'a mut Connection,
    gathered: Vec<u8>,
    is_over: bool,
}

impl Connection {
    /// Begins a `COPY … FROM STDIN`. Before it there may be other commands, `BEGIN; COPY …`, which saves a way to the server.
    pub fn copy_in(&mut self, sql: &str) -> Result<CopyIn<'_>> {
        self.ask_simply(sql)?;
        loop {
            let frame = self.receive()?;
            match frame.tag {
                backend::COPY_IN_RESPONSE_TAG => {
                    return Ok(CopyIn {
                        connection: self,
                        gathered: Vec::with_capacity(MESSAGE_BYTES),
                        is_over: false,
                    });
                }
                backend::COMMAND_COMPLETE_TAG => {}
                backend::ERROR_RESPONSE_TAG => return Err(self.fail(frame)),
                tag => {
                    if tag == backend::READY_FOR_QUERY_TAG {
                        self.ready(frame)?;
                    } else {
                        self.abandon_answer();
                    }
                    return Err(Error::Invalid(
                        "A query that is no COPY FROM STDIN was to be written to as one.".to_owned(),
                    ));
                }
            }
        }
    }
}

impl CopyIn<'_> {
    /// Writes some bytes of the rows. They may end anywhere.
    pub fn write(&mut self, mut bytes: &[u8]) -> Result<()> {
        while self.gathered.len() + bytes.len() >= MESSAGE_BYTES {
            let (now, later) = bytes.split_at(MESSAGE_BYTES - self.gathered.len());
            self.gathered.extend_from_slice(now);
            bytes = later;
            self.pack()?;
            self.connection.wire.send()?;
        }
        self.gathered.extend_from_slice(bytes);
        Ok(())
    }

    /// Makes a message of what was gathered.
    fn pack(&mut self) -> Result<()> {
        if self.gathered.is_empty() {
            return Ok(());
        }
        let message = CopyData::new(&self.gathered[..])
            .map_err(|_| Error::Invalid("A message of a COPY is too long.".to_owned()))?;
        message.write(&mut self.connection.wire.outgoing);
        self.gathered.clear();
        Ok(())
    }

    /// All rows were given. Says how many the server took; inside of a transaction they are safe when that is committed.
    pub fn finish(mut self) -> Result<u64> {
        // The last rows and the end in one piece: where a socket can not be told to send at once (WASI), a second small piece
        // would wait for the first one to be acknowledged, some 40 ms.
        self.pack()?;
        self.is_over = true;
        frontend::copy_done(&mut self.connection.wire.outgoing);
        self.connection.wire.send()?;
        let mut rows = 0;
        loop {
            let frame = self.connection.receive()?;
            match frame.tag {
                backend::COMMAND_COMPLETE_TAG => rows = self.connection.affected(frame)?,
                backend::READY_FOR_QUERY_TAG => {
                    self.connection.ready(frame)?;
                    return Ok(rows);
                }
                backend::ERROR_RESPONSE_TAG => return Err(self.connection.fail(frame)),
                _ => return Err(self.connection.wire.nonsense("something else than the end of a COPY")),
            }
        }
    }

    /// The rows are not to be written after all. The connection can be used again.
    pub fn abort(mut self, reason: &str) -> Result<()> {
        self.give_up(reason)
    }

    fn give_up(&mut self, reason: &str) -> Result<()> {
        self.is_over = true;
        self.connection.wire.outgoing.clear();
        frontend::copy_fail(&reason.replace('\0', " "), &mut self.connection.wire.outgoing)
            .map_err(|_| Error::Invalid("The reason to end a COPY can not be sent.".to_owned()))?;
        self.connection.wire.send()?;
        loop {
            let frame = self.connection.receive()?;
            match frame.tag {
                // 57014, the server's echo of the reason; or what had failed before.
                backend::ERROR_RESPONSE_TAG => {
                    return match self.connection.fail(frame) {
                        Error::Server(error) if error.severity == "ERROR" => Ok(()),
                        error => Err(error),
                    };
                }
                backend::READY_FOR_QUERY_TAG => return self.connection.ready(frame),
                _ => {}
            }
        }
    }
}

impl Drop for CopyIn<'_> {
    fn drop(&mut self) {
        if !self.is_over {
            self.connection.wire.tidy_up_until(Instant::now() + STOP_TIME);
            if self.give_up("the rows were given up").is_ok() {
                self.connection.wire.has_time();
            }
        }
    }
}
