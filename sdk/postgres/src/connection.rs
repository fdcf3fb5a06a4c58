//! A connection that is logged in: what is known of the server, and the way back to a server that is ready.

use std::collections::HashMap;
use std::fmt;
use std::io::Read;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use postgres_protocol::message::backend::{self, ErrorFields, Message};
use postgres_protocol::message::frontend;

use crate::authentication;
use crate::dial::{Attempt, Line, dial};
use crate::error::{Error, Result, ServerError};
use crate::options::ConnectOptions;
use crate::wire::{Frame, Wire};

/// How long a server is waited for that is told to stop.
pub(crate) const STOP_TIME: Duration = Duration::from_secs(1);

/// How values look, whatever the server and the role have configured. As text, and not at the start of the session: what
/// pools connections (PgBouncer) takes only some parameters there. No notices: a trigger may raise one for each row of a COPY.
const SETTINGS: &str = "SET IntervalStyle = 'postgres'; SET extra_float_digits = 3; SET bytea_output = 'hex'; \
                        SET array_nulls = on; SET client_min_messages = error";

/// A connection to a server, logged in. Dropped, it says goodbye.
pub struct Connection {
    pub(crate) wire: Wire,
    pub(crate) options: ConnectOptions,
    is_encrypted: bool,
    parameters: HashMap<String, String>,
    key: Option<(i32, i32)>,
    in_transaction: bool,
    /// Whether the server's next message is not what an answer begins with: nothing can be asked any more.
    is_broken: bool,
}

impl Connection {
    /// Connects and logs in. Values come in ISO's forms, in UTC and UTF-8 from here on; of a database without an encoding
    /// (`SQL_ASCII`), texts come as the bytes that they are.
    pub fn connect(options: &ConnectOptions) -> Result<Connection> {
        let deadline = Instant::now().checked_add(options.connect_timeout);
        let deadline = deadline.unwrap_or_else(|| Instant::now() + Duration::from_secs(24 * 3600));
        let (first, second) = Attempt::of(&options.encryption);
        let tried = Connection::attempt(options, first, deadline);
        match (tried, second) {
            // As libpq does: a server may let this user in with TLS only, or without it only.
            (Err(error), Some(second)) if error.is_not_admitted() || matches!(error, Error::Tls { .. }) => {
                match Connection::attempt(options, second, deadline) {
                    Ok(connection) => Ok(connection),
                    // That there is no TLS either is not what the user has to know.
                    Err(Error::TlsRefused { .. }) => Err(error),
                    Err(second_error) => Err(second_error),
                }
            }
            (tried, _) => tried,
        }
    }

    fn attempt(options: &ConnectOptions, attempt: Attempt, deadline: Instant) -> Result<Connection> {
        let line = dial(options, attempt, deadline, true)?;
        Connection::over(line, options, deadline)
    }

    /// Logs in over a way that is open.
    pub(crate) fn over(line: Line, options: &ConnectOptions, deadline: Instant) -> Result<Connection> {
        let mut wire = Wire::new(line.transport, options.server(), deadline);
        let parameters = [
            ("user", options.username.as_str()),
            ("database", &options.database),
            ("application_name", &options.application_name),
            ("client_encoding", "UTF8"),
            ("DateStyle", "ISO, MDY"),
            ("TimeZone", "UTC"),
        ];
        frontend::startup_message(parameters, &mut wire.outgoing).map_err(|_| {
            Error::Invalid(
                "The name of the user or of the database has a NUL character, which no name can have.".into(),
            )
        })?;
        wire.send()?;
        authentication::log_in(&mut wire, options, line.is_encrypted)?;

        let mut connection = Connection {
            wire,
            options: options.clone(),
            is_encrypted: line.is_encrypted,
            parameters: HashMap::new(),
            key: None,
            in_transaction: false,
            is_broken: true,
        };
        connection.wait_until_ready()?;
        connection.wire.login_is_over();
        connection.query(SETTINGS)?;
        if connection.parameter("server_encoding") == Some("SQL_ASCII") {
            // Such a database has any bytes. As UTF-8 the server would refuse them, row and all; so they come as they are.
            connection.query("SET client_encoding = 'SQL_ASCII'")?;
        }
        connection.wire.has_time();
        log::debug!(
            "Connected to {} (PostgreSQL {}, {}).",
            connection.wire.server(),
            connection.parameter("server_version").unwrap_or("of unknown version"),
            if connection.is_encrypted { "encrypted" } else { "not encrypted" }
        );
        Ok(connection)
    }

    fn wait_until_ready(&mut self) -> Result<()> {
        loop {
            let frame = self.receive()?;
            match self.wire.message(frame)? {
                Message::BackendKeyData(body) => self.key = Some((body.process_id(), body.secret_key())),
                Message::ReadyForQuery(_) => return self.ready(frame),
                Message::ErrorResponse(body) => return Err(server_error(&self.wire, &self.options, body.fields())),
                _ => return Err(self.wire.nonsense("something else than the end of the login")),
            }
        }
    }

    /// The server's version as one number: 150018 is 15.18, 90624 is 9.6.24. 0 if it does not say.
    pub fn server_version(&self) -> u32 {
        self.parameter("server_version").map_or(0, version_number)
    }

    /// What the server says of itself and of the session, such as `server_version`, `is_superuser` or `TimeZone`.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.get(name).map(String::as_str)
    }

    /// Whether the connection is encrypted.
    pub fn is_encrypted(&self) -> bool {
        self.is_encrypted
    }

    /// Whether a transaction was begun and has not ended, a failed one included.
    pub fn is_in_transaction(&self) -> bool {
        self.in_transaction
    }

    /// Whether something can still be asked. Not after the connection was lost or given up.
    pub fn is_usable(&self) -> bool {
        !self.is_broken
    }

    /// Sends what is in `outgoing` to a server that is ready. Until its answer has ended it is not.
    pub(crate) fn ask(&mut self) -> Result<()> {
        if self.is_broken {
            self.wire.outgoing.clear();
            return Err(Error::Lost {
                server: self.wire.server().to_owned(),
                reason: "it was given up after an earlier failure".to_owned(),
            });
        }
        self.is_broken = true;
        self.wire.send()
    }

    /// The next message, but for those that may come at any time.
    #[inline]
    pub(crate) fn receive(&mut self) -> Result<Frame> {
        loop {
            let frame = self.wire.receive()?;
            match frame.tag {
                backend::NOTICE_RESPONSE_TAG | backend::PARAMETER_STATUS_TAG | backend::NOTIFICATION_RESPONSE_TAG => {
                    self.hear(frame)?;
                }
                _ => return Ok(frame),
            }
        }
    }

    fn hear(&mut self, frame: Frame) -> Result<()> {
        match self.wire.message(frame)? {
            Message::NoticeResponse(body) if log::log_enabled!(log::Level::Debug) => {
                log::debug!("{} says: {:?}", self.wire.server(), ServerError::read(body.fields()));
            }
            Message::ParameterStatus(body) => {
                // PostgreSQL has some twenty of them.
                const MOST: usize = 1000;
                if let (Ok(name), Ok(value)) = (body.name(), body.value()) {
                    if self.parameters.len() < MOST {
                        self.parameters.insert(name.to_owned(), value.to_owned());
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// A ReadyForQuery came: the answer is over.
    pub(crate) fn ready(&mut self, frame: Frame) -> Result<()> {
        let Message::ReadyForQuery(body) = self.wire.message(frame)? else {
            return Err(self.wire.nonsense("an answer that does not end"));
        };
        self.in_transaction = match body.status() {
            b'I' => false,
            b'T' | b'E' => true,
            _ => return Err(self.wire.nonsense("an unknown state of the session")),
        };
        self.is_broken = false;
        Ok(())
    }

    /// An ErrorResponse came within an answer: waits for the end of the answer.
    pub(crate) fn fail(&mut self, frame: Frame) -> Error {
        let error = match self.wire.message(frame) {
            Ok(Message::ErrorResponse(body)) => server_error(&self.wire, &self.options, body.fields()),
            Ok(_) => self.wire.nonsense("an error that is none"),
            Err(error) => error,
        };
        if error.ends_connection() {
            return error;
        }
        match self.skip_to_ready() {
            // The first failure says more than what came of it.
            Ok(()) | Err(Error::Lost { .. }) => error,
            Err(second) => second,
        }
    }

    pub(crate) fn skip_to_ready(&mut self) -> Result<()> {
        loop {
            let frame = self.receive()?;
            if frame.tag == backend::READY_FOR_QUERY_TAG {
                return self.ready(frame);
            }
        }
    }

    /// An answer is not wanted any more: tells the server to stop, and waits a little until it has. If it takes longer, the
    /// connection is given up.
    pub(crate) fn abandon_answer(&mut self) {
        let deadline = Instant::now() + STOP_TIME;
        if self.cancel(deadline).is_err() {
            return;
        }
        self.wire.tidy_up_until(deadline);
        if self.skip_to_ready().is_ok() {
            self.wire.has_time();
        }
    }

    /// Asks the server, over a connection of its own, to stop what this one does. Returns once it has been told.
    fn cancel(&self, deadline: Instant) -> Result<()> {
        let Some((process_id, secret_key)) = self.key else {
            return Err(Error::Unsupported { server: self.options.server(), what: "can not be told to stop".into() });
        };
        // Whoever could read the key could stop other queries of this session.
        let attempt = if self.is_encrypted { Attempt::Encrypted } else { Attempt::Plain };
        // Most often it is an interruption that this follows.
        let mut line = dial(&self.options, attempt, deadline, false)?;
        let mut request = BytesMut::new();
        frontend::cancel_request(process_id, secret_key, &mut request);
        let lost = |error: std::io::Error| Error::Lost { server: self.options.server(), reason: error.to_string() };
        line.transport.write_all(&request).and_then(|()| line.transport.flush()).map_err(lost)?;
        // The server closes it when the signal is sent. A cancellation that came later would stop the next query.
        let _ = line.transport.read(&mut [0]);
        Ok(())
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let deadline = Instant::now() + STOP_TIME;
        if self.is_broken && self.wire.was_interrupted {
            // In the middle of an answer: the server may work on it for hours.
            let _ = self.cancel(deadline);
        }
        self.wire.outgoing.clear();
        frontend::terminate(&mut self.wire.outgoing);
        self.wire.tidy_up_until(deadline);
        // Best effort: a server notices a closed connection as well.
        let _ = self.wire.send();
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Connection").field("options", &self.options).finish_non_exhaustive()
    }
}

/// An error of the server, with whom it came from.
pub(crate) fn server_error(wire: &Wire, options: &ConnectOptions, fields: ErrorFields<'_>) -> Error {
    Error::Server(Box::new(ServerError {
        server: wire.server().to_owned(),
        database: options.database.clone(),
        username: options.username.clone(),
        ..ServerError::read(fields)
    }))
}

/// `15.18 (Debian 15.18-1)`, `9.6.24`, `17beta1` as one number.
fn version_number(version: &str) -> u32 {
    let mut numbers = version
        .split(|character: char| !character.is_ascii_digit() && character != '.')
        .next()
        .unwrap_or_default()
        .split('.')
        .map(|number| number.parse::<u32>().unwrap_or(0).min(9999));
    let mut next = || numbers.next().unwrap_or(0);
    let major = next();
    if major >= 10 { major * 10_000 + next() } else { major * 10_000 + next() * 100 + next() }
}

#[cfg(test)]
mod tests {
    use super::version_number;

    #[test]
    fn a_version_is_one_number() {
        for (version, number) in [
            ("15.18 (Debian 15.18-0+deb12u1)", 150_018),
            ("9.6.24", 90_624),
            ("17beta1", 170_000),
            ("18devel", 180_000),
            ("", 0),
            ("new", 0),
            ("99999999999.1", 100),
        ] {
            assert_eq!(version_number(version), number, "{version}");
        }
    }
}
