//! What can go wrong between a connector and its server. Whose fault that is, and what to do, is `failure`'s.

use std::fmt;

use airlock_sdk::Failure;
use airlock_sdk::tls::TlsError;
use postgres_protocol::message::backend::ErrorFields;

/// What the functions of this crate return.
pub type Result<T> = std::result::Result<T, Error>;

/// What went wrong. `?` makes an [`airlock_sdk::Failure`] of it, which says whose fault it is and what to do.
///
/// It is no [`std::error::Error`]: that is what allows this `?` (each of those becomes a system error).
pub enum Error {
    /// There is no connection, for there is no way to the server.
    Unreachable {
        /// The server: `host:port`.
        server: String,
        /// Why.
        reason: UnreachableReason,
    },
    /// It took too long to connect or to log in.
    Timeout {
        /// The server: `host:port`.
        server: String,
    },
    /// The server speaks no TLS, which was asked for.
    TlsRefused {
        /// The server: `host:port`.
        server: String,
    },
    /// The two could not agree on TLS, or the server is not believed.
    Tls {
        /// The server: `host:port`.
        server: String,
        /// Why.
        error: TlsError,
    },
    /// The server asks for a password, and there is none.
    PasswordMissing {
        /// The server: `host:port`.
        server: String,
        /// The user.
        username: String,
    },
    /// The server says that something failed.
    Server(Box<ServerError>),
    /// Something that the server wants is not there: the rest of a sentence that begins with the server.
    Unsupported {
        /// The server: `host:port`.
        server: String,
        /// What it does, such as "asks for Kerberos".
        what: String,
    },
    /// What came is not what PostgreSQL says.
    Protocol {
        /// The server: `host:port`.
        server: String,
        /// Whether this was before the login was over: then it may be no PostgreSQL at all.
        during_login: bool,
        /// What was wrong with it.
        what: &'static str,
    },
    /// The connection ended, without a word.
    Lost {
        /// The server: `host:port`.
        server: String,
        /// The operating system's reason.
        reason: String,
    },
    /// What was asked for can not be sent: a whole sentence.
    Invalid(String),
    /// The sync was interrupted while the server was waited for.
    Interrupted(Failure),
}

/// Why there is no way to a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UnreachableReason {
    /// There is no such name.
    NameNotFound,
    /// The name could not be looked up.
    NameUnknown(String),
    /// Nobody listens there.
    Refused,
    /// The sandbox does not let the connector go there.
    Denied,
    /// Something else: the operating system's words.
    Other(String),
}

/// What a server says of a failure.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ServerError {
    /// `ERROR`, `FATAL` or `PANIC`.
    pub severity: String,
    /// The SQLSTATE: five letters and digits.
    pub code: String,
    /// What failed. In some classes it quotes values: [`ServerError::public_message`] is for logs.
    pub message: String,
    /// More of it. Often quotes rows: not for logs.
    pub detail: Option<String>,
    /// What may help.
    pub hint: Option<String>,
    /// The schema that it is about.
    pub schema: Option<String>,
    /// The table that it is about.
    pub table: Option<String>,
    /// The column that it is about.
    pub column: Option<String>,
    /// The constraint that it is about.
    pub constraint: Option<String>,
    /// The server: `host:port`.
    pub(crate) server: String,
    /// The database.
    pub(crate) database: String,
    /// The user.
    pub(crate) username: String,
}

impl ServerError {
    /// The server's message, where it is known not to quote values.
    pub fn public_message(&self) -> Option<&str> {
        // Data exceptions quote the value; what a trigger raises may say anything.
        let quotes_values = self.code.starts_with("22") || self.code.starts_with("P0");
        (!quotes_values).then_some(self.message.as_str())
    }

    /// Reads the fields of an ErrorResponse or a NoticeResponse. What can not be read is left out.
    pub(crate) fn read(mut fields: ErrorFields<'_>) -> Self {
        use fallible_iterator::FallibleIterator;

        let mut error = ServerError::default();
        while let Ok(Some(field)) = fields.next() {
            let value = shortened(field.value_bytes());
            match field.type_() {
                // V is S in English.
                b'S' if error.severity.is_empty() => error.severity = value,
                b'V' => error.severity = value,
                b'C' => error.code = value,
                b'M' => error.message = value,
                b'D' => error.detail = Some(value),
                b'H' => error.hint = Some(value),
                b's' => error.schema = Some(value),
                b't' => error.table = Some(value),
                b'c' => error.column = Some(value),
                b'n' => error.constraint = Some(value),
                _ => {}
            }
        }
        error
    }
}

/// A text of the server as one line of a message. Nobody reads more than this of it.
fn shortened(text: &[u8]) -> String {
    const MOST: usize = 2000;
    let text = String::from_utf8_lossy(&text[..text.len().min(MOST)]);
    text.chars().map(|character| if character.is_control() { ' ' } else { character }).collect()
}

// By hand: `detail` may quote rows.
impl fmt::Debug for ServerError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.severity, self.code)?;
        if let Some(message) = self.public_message() {
            write!(formatter, ": {message}")?;
        }
        for (what, name) in [
            ("schema", &self.schema),
            ("table", &self.table),
            ("column", &self.column),
            ("constraint", &self.constraint),
        ] {
            if let Some(name) = name {
                write!(formatter, ", {what} {name}")?;
            }
        }
        Ok(())
    }
}

impl Error {
    /// The five letters and digits with which the server says what failed.
    pub fn code(&self) -> Option<&str> {
        match self {
            Error::Server(error) => Some(&error.code),
            _ => None,
        }
    }

    fn has_code(&self, code: &str) -> bool {
        self.code() == Some(code)
    }

    /// The user or the password is wrong. Servers do not say which.
    pub fn is_wrong_password(&self) -> bool {
        self.has_code("28P01") || matches!(self, Error::PasswordMissing { .. })
    }

    /// The server lets this user not in: from here, without TLS, into this database, or at all.
    pub fn is_not_admitted(&self) -> bool {
        self.has_code("28000")
    }

    /// There is no such database.
    pub fn is_missing_database(&self) -> bool {
        self.has_code("3D000")
    }

    /// There is no such schema.
    pub fn is_missing_schema(&self) -> bool {
        self.has_code("3F000")
    }

    /// There is no such table.
    pub fn is_missing_table(&self) -> bool {
        self.has_code("42P01")
    }

    /// There is no such column.
    pub fn is_missing_column(&self) -> bool {
        self.has_code("42703")
    }

    /// The user may not do this.
    pub fn is_permission_denied(&self) -> bool {
        self.has_code("42501")
    }

    /// The server takes no more connections.
    pub fn is_too_many_connections(&self) -> bool {
        self.has_code("53300")
    }

    /// The server is starting, stopping or recovering.
    pub fn is_not_ready(&self) -> bool {
        self.has_code("57P03") || self.has_code("57P01") || self.has_code("57P02")
    }

    /// The connection can not be used any more.
    pub fn ends_connection(&self) -> bool {
        match self {
            Error::Server(error) => error.severity != "ERROR",
            Error::Invalid(_) => false,
            _ => true,
        }
    }
}
