//! Queries whose answers fit into memory, with values as text.

use std::fmt;

use bytes::{BufMut, BytesMut};
use fallible_iterator::FallibleIterator;
use postgres_protocol::IsNull;
use postgres_protocol::message::backend::{self, Message};
use postgres_protocol::message::frontend;

use crate::connection::Connection;
use crate::error::{Error, Result};
use crate::wire::Frame;

/// How much memory an answer may take.
const MOST_BYTES: usize = 256 * 1024 * 1024;

/// The answer to a query.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Rows {
    columns: Vec<String>,
    rows: Vec<Row>,
    affected: u64,
}

impl Rows {
    /// The columns' names.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The rows, one after the other.
    pub fn iter(&self) -> std::slice::Iter<'_, Row> {
        self.rows.iter()
    }

    /// The first row.
    pub fn first(&self) -> Option<&Row> {
        self.rows.first()
    }

    /// The first value of the first row: the answer of a query that asks for one value.
    pub fn value(&self) -> Option<&str> {
        self.first()?.get(0)
    }
}

impl<'a> IntoIterator for &'a Rows {
    type Item = &'a Row;
    type IntoIter = std::slice::Iter<'a, Row>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl IntoIterator for Rows {
    type Item = Row;
    type IntoIter = std::vec::IntoIter<Row>;

    fn into_iter(self) -> Self::IntoIter {
        self.rows.into_iter()
    }
}

/// A row: its values as PostgreSQL writes them, with U+FFFD for what is no UTF-8.
#[derive(Clone, PartialEq, Eq)]
pub struct Row {
    text: String,
    // Where each value is; none is NULL.
    values: Vec<Option<std::ops::Range<usize>>>,
}

impl Row {
    /// A value. None if it is NULL, or if there is no such column.
    pub fn get(&self, column: usize) -> Option<&str> {
        self.text.get(self.values.get(column)?.clone()?)
    }

    /// How many columns there are.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether there is no column.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// About how much memory it takes.
    fn bytes(&self) -> usize {
        size_of::<Row>() + self.text.capacity() + self.values.capacity() * size_of::<Option<std::ops::Range<usize>>>()
    }
}

// By hand: what is in rows does not belong in a log.
impl fmt::Debug for Rows {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} rows of {} columns", self.rows.len(), self.columns.len())
    }
}

impl fmt::Debug for Row {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "a row of {} values", self.values.len())
    }
}

impl Connection {
    /// Asks one query, or several with semicolons between (then the last answer is given).
    pub fn query(&mut self, sql: &str) -> Result<Rows> {
        self.ask_simply(sql)?;
        self.rows(MOST_BYTES)
    }

    /// Asks one query with parameters, `$1` and so on. They are given as text; their types are what the query makes of them.
    pub fn query_with(&mut self, sql: &str, parameters: &[Option<&str>]) -> Result<Rows> {
        if let Err(error) = queue(sql, parameters, &mut self.wire.outgoing) {
            self.wire.outgoing.clear();
            return Err(error);
        }
        self.ask()?;
        self.rows(MOST_BYTES)
    }

    /// Runs a command (or several), and says how many rows the last one changed.
    pub fn execute(&mut self, sql: &str) -> Result<u64> {
        Ok(self.query(sql)?.affected)
    }

    /// As [`execute`](Connection::execute), of one command with parameters.
    pub fn execute_with(&mut self, sql: &str, parameters: &[Option<&str>]) -> Result<u64> {
        Ok(self.query_with(sql, parameters)?.affected)
    }

    /// Sends a query as text, by the simple protocol.
    pub(crate) fn ask_simply(&mut self, sql: &str) -> Result<()> {
        if frontend::query(sql, &mut self.wire.outgoing).is_err() {
            self.wire.outgoing.clear();
            return Err(nul_in_query());
        }
        self.ask()
    }

    /// The rows that come, if they take no more memory than this.
    pub(crate) fn rows(&mut self, most_bytes: usize) -> Result<Rows> {
        let mut rows = Rows::default();
        let mut bytes = 0;
        loop {
            let frame = self.receive()?;
            match frame.tag {
                backend::ROW_DESCRIPTION_TAG => rows = Rows { columns: self.columns(frame)?, ..Rows::default() },
                backend::DATA_ROW_TAG => {
                    let row = self.row(frame)?;
                    bytes += row.bytes();
                    if bytes > most_bytes {
                        self.abandon_answer();
                        return Err(Error::Unsupported {
                            server: self.wire.server().to_owned(),
                            what: format!(
                                "answers a query with more than {} MiB, for which it is not made",
                                most_bytes >> 20
                            ),
                        });
                    }
                    rows.rows.push(row);
                }
                backend::COMMAND_COMPLETE_TAG => rows.affected = self.affected(frame)?,
                backend::READY_FOR_QUERY_TAG => {
                    self.ready(frame)?;
                    return Ok(rows);
                }
                backend::ERROR_RESPONSE_TAG => return Err(self.fail(frame)),
                backend::COPY_IN_RESPONSE_TAG => return Err(self.refuse_copy_in()),
                backend::COPY_OUT_RESPONSE_TAG => {
                    self.abandon_answer();
                    return Err(copy_is_no_query());
                }
                backend::PARSE_COMPLETE_TAG
                | backend::BIND_COMPLETE_TAG
                | backend::NO_DATA_TAG
                | backend::EMPTY_QUERY_RESPONSE_TAG => {}
                _ => return Err(self.wire.nonsense("something else than the answer to a query")),
            }
        }
    }

    /// The server waits for rows that nobody has.
    fn refuse_copy_in(&mut self) -> Error {
        let refused = frontend::copy_fail("no rows were to come", &mut self.wire.outgoing);
        match refused.map_err(|_| nul_in_query()).and_then(|()| self.wire.send()).and_then(|()| self.skip_to_ready()) {
            Ok(()) => copy_is_no_query(),
            Err(error) => error,
        }
    }

    fn columns(&self, frame: Frame) -> Result<Vec<String>> {
        let Message::RowDescription(body) = self.wire.message(frame)? else {
            return Err(self.wire.nonsense("columns that are none"));
        };
        let names = body.fields().map(|field| Ok(field.name().to_owned())).collect();
        names.map_err(|_| self.wire.nonsense("columns that can not be read"))
    }

    fn row(&self, frame: Frame) -> Result<Row> {
        let Message::DataRow(body) = self.wire.message(frame)? else {
            return Err(self.wire.nonsense("a row that is none"));
        };
        let unreadable = || self.wire.nonsense("a row that can not be read");
        let mut row = Row { text: String::new(), values: Vec::new() };
        let mut ranges = body.ranges();
        while let Some(range) = ranges.next().map_err(|_| unreadable())? {
            let value = match range {
                None => None,
                Some(range) => {
                    let bytes = body.buffer().get(range).ok_or_else(unreadable)?;
                    let start = row.text.len();
                    // Only a database without an encoding has what is no UTF-8.
                    row.text.push_str(&String::from_utf8_lossy(bytes));
                    Some(start..row.text.len())
                }
            };
            row.values.push(value);
        }
        Ok(row)
    }

    /// `INSERT 0 5`, `COPY 5` and the like end with how many rows it was.
    pub(crate) fn affected(&self, frame: Frame) -> Result<u64> {
        let Message::CommandComplete(body) = self.wire.message(frame)? else {
            return Err(self.wire.nonsense("the end of a command that is none"));
        };
        let tag = body.tag().map_err(|_| self.wire.nonsense("the end of a command that can not be read"))?;
        Ok(tag.rsplit(' ').next().and_then(|count| count.parse().ok()).unwrap_or(0))
    }
}

/// Unnamed statement and portal, everything as text.
fn queue(sql: &str, parameters: &[Option<&str>], outgoing: &mut BytesMut) -> Result<()> {
    frontend::parse("", sql, [], outgoing).map_err(|_| nul_in_query())?;
    let bound = frontend::bind(
        "",
        "",
        [],
        parameters,
        |parameter, buffer| {
            Ok(match parameter {
                Some(text) => {
                    buffer.put_slice(text.as_bytes());
                    IsNull::No
                }
                None => IsNull::Yes,
            })
        },
        [],
        outgoing,
    );
    bound.map_err(|_| Error::Invalid("A query can not be sent: it has too many or too long parameters.".to_owned()))?;
    let described = frontend::describe(b'P', "", outgoing).and_then(|()| frontend::execute("", 0, outgoing));
    described.map_err(|_| nul_in_query())?;
    frontend::sync(outgoing);
    Ok(())
}

fn copy_is_no_query() -> Error {
    Error::Invalid("COPY is no query: it has functions of its own.".to_owned())
}

fn nul_in_query() -> Error {
    Error::Invalid(
        "A query can not be sent: it is too long or has a NUL character, which PostgreSQL has in no text.".into(),
    )
}
