//! What is wrong with the content of a file, and where in it. Never says what the content is.

use std::fmt;
use std::io;
use std::path::Path;

use airlock_sdk::{Failure, config_error, system_error, transient_error};

/// Why a file can not be read any further.
#[derive(Debug)]
pub struct Problem {
    what: String,
    line: u64,
    column: Option<Column>,
    cause: Option<io::Error>,
}

/// Where in a line.
#[derive(Debug, PartialEq, Eq)]
pub enum Column {
    /// The column of a CSV file.
    Named(String),
    /// So many bytes from the start of the line, from 1.
    Byte(u64),
}

impl Problem {
    /// What is wrong in a line, counted from 1, and what to do about it.
    pub fn new(line: u64, what: impl Into<String>) -> Self {
        Problem { what: what.into(), line, column: None, cause: None }
    }

    /// The file itself could not be read at this line: torn compression, a wrong encoding, a broken disk.
    pub fn unreadable(line: u64, error: io::Error) -> Self {
        let what = match error.kind() {
            io::ErrorKind::UnexpectedEof => {
                "the compressed data end early: the file is cut off. Copy it again.".to_owned()
            }
            io::ErrorKind::InvalidInput => "the compressed data are damaged. Copy the file again.".to_owned(),
            io::ErrorKind::InvalidData => format!("{error}."),
            io::ErrorKind::ResourceBusy => {
                "the file became shorter while it was read. Sync again when nobody writes to it.".to_owned()
            }
            kind => format!("the file can not be read any further: {kind}."),
        };
        Problem { what, line, column: None, cause: Some(error) }
    }

    /// Says where in the line.
    #[must_use]
    pub fn at(mut self, column: Column) -> Self {
        self.column = Some(column);
        self
    }

    /// The failure that names the file.
    pub fn in_file(self, path: &Path) -> Failure {
        let message = format!("{}, line {}{}: {}", path.display(), self.line, Place(&self.column), self.what);
        match self.cause {
            Some(error) if error.kind() == io::ErrorKind::ResourceBusy => transient_error(message),
            Some(error) if !is_about_content(&error) => system_error(message).with_internal(error),
            Some(error) => config_error(message).with_internal(error),
            None => config_error(message),
        }
    }
}

fn is_about_content(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData)
}

struct Place<'a>(&'a Option<Column>);

impl fmt::Display for Place<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            None => Ok(()),
            Some(Column::Named(name)) => write!(formatter, ", column \"{name}\""),
            Some(Column::Byte(byte)) => write!(formatter, ", column {byte}"),
        }
    }
}
