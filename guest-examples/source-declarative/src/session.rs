//! What one command shares among all its streams and requests: the config, the stream that is being written to, responses that are
//! kept, tokens. Knows nothing of the manifest.

use std::cell::RefCell;
use std::time::SystemTime;

use airlock_sdk::{Result, StreamWriter};

use crate::manifest::Object;
use crate::record::Record;
use crate::template::Scope;

/// A command, from its begin to its end.
#[derive(Debug)]
pub struct Session {
    pub config: Object,
    /// The scope that knows the config and nothing else.
    pub scope: Scope,
    /// The stream that is being read. None in `check` and `discover`.
    writer: RefCell<Option<StreamWriter>>,
}

impl Session {
    pub fn new(config: Object) -> Self {
        Session { scope: Scope::of_config(&config), config, writer: RefCell::default() }
    }

    /// Sets the stream that is written to from now on.
    pub fn begin_stream(&self, writer: StreamWriter) {
        self.writer.replace(Some(writer));
    }

    /// Takes the stream's writer back, to end it.
    pub fn end_stream(&self) -> Option<StreamWriter> {
        self.writer.take()
    }

    /// Writes a record of the stream.
    pub fn write(&self, record: &Record<'_>) -> Result<()> {
        match (&mut *self.writer.borrow_mut(), record.text()) {
            (Some(writer), Some(text)) => writer.write_json(text.as_bytes()),
            (Some(writer), None) => writer.write(record.object()?),
            (None, _) => Ok(()),
        }
    }

    /// Saves the stream's state.
    pub fn checkpoint(&self, state: &Object) -> Result<()> {
        self.writer.borrow_mut().as_mut().map_or(Ok(()), |writer| writer.checkpoint(state))
    }

    /// Says that the stream waits for a quota.
    pub fn rate_limited(&self, until: Option<SystemTime>) -> Result<()> {
        self.writer.borrow_mut().as_mut().map_or(Ok(()), |writer| writer.rate_limited(until))
    }
}
