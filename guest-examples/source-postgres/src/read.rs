//! `read`: one connection, one stream after the other, each in a transaction of its own that sees the table as it was at its
//! beginning.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::time::{Duration, Instant};

use airlock_postgres::{Connection, Error};
use airlock_sdk::{
    Annotation, ConfiguredCatalog, ConfiguredStream, Failure, FailureKind, Result, SavedState, StreamName,
    StreamWriter, config_error, system_error,
};
use serde_json::json;
use serde_json::value::RawValue;

use crate::config::Database;
use crate::plan::{self, Plan, Values};
use crate::relation::{Column, Relation};
use crate::state::{Position, SavedPosition, State};
use crate::system_catalog::{self, Which};
use crate::values::{Kept, RecordWriter};

/// A state comes after so many rows, …
const ROWS_A_STATE: u64 = 100_000;
/// … or so many bytes of records, …
const BYTES_A_STATE: usize = 64 * 1024 * 1024;
/// … or so much time, whichever is first. …
const TIME_A_STATE: Duration = Duration::from_secs(10);
/// … That is looked at after so many bytes, or so many rows.
const BYTES_A_LOOK: usize = 256 * 1024;
const ROWS_A_LOOK: u64 = 1024;
/// A buffer that one huge row made larger than this is given back.
const MOST_KEPT_BYTES: usize = 1024 * 1024;

/// Why a stream ended early.
enum Stop {
    /// The others go on.
    Stream(Failure),
    /// The others can not go on either: the connection is lost, or the sync was interrupted.
    All(Failure),
}

impl Stop {
    /// What an error of the server means to the stream that is read.
    fn at(stream: &StreamName, error: Error) -> Stop {
        if error.ends_connection() {
            return Stop::All(error.into());
        }
        let failure = Failure::from(error);
        let named = Failure::new(failure.kind, format!("{stream} can not be read. {}", failure.message));
        Stop::Stream(match failure.internal_message() {
            Some(internal) => named.with_internal(internal),
            None => named,
        })
    }
}

/// Reads the streams of the catalog.
pub fn read(database: &Database, catalog: &ConfiguredCatalog, state: &SavedState) -> Result<()> {
    let mut connection = Connection::connect(&database.connect)?;
    let names: Vec<StreamName> = catalog.streams.iter().map(ConfiguredStream::name).collect();
    let relations = system_catalog::relations(&mut connection, Which::Named(&names))?;
    let relations: HashMap<StreamName, &Relation> =
        relations.iter().map(|relation| (relation.stream_name(), relation)).collect();
    for configured in &catalog.streams {
        let name = configured.name();
        let mut writer = StreamWriter::open(configured)?;
        let outcome = match relations.get(&name) {
            Some(relation) => plan(relation, configured, state)
                .and_then(|plan| Stream { relation, plan, name: &name, writer: &mut writer }.read(&mut connection)),
            None => Err(Stop::Stream(config_error(format!(
                "The database \"{}\" has no table or view {name} that the user \"{}\" may read: it may have been removed or renamed, \
                 or lack the privilege SELECT. Refresh the schema of the connection, or grant SELECT on it and USAGE on its \
                 schema.",
                database.connect.database, database.connect.username
            )))),
        };
        match outcome {
            Ok(()) => writer.complete()?,
            Err(Stop::All(failure)) => return Err(failure.for_stream(name)),
            Err(Stop::Stream(failure)) => {
                writer.fail(failure)?;
                if connection.is_in_transaction() {
                    connection.execute("ROLLBACK")?;
                }
            }
        }
    }
    Ok(())
}

fn plan<'a>(relation: &'a Relation, configured: &ConfiguredStream, state: &SavedState) -> Result<Plan<'a>, Stop> {
    let plan = || {
        let saved: Option<SavedPosition> = state.stream(configured)?;
        let is_there = saved.is_some();
        let position = saved.and_then(SavedPosition::position);
        if is_there && position.is_none() {
            log::warn!("The state of {relation} is of another kind than this connector's: everything is read anew.");
        }
        Plan::new(relation, configured, position)
    };
    plan().map_err(Stop::Stream)
}

struct Stream<'a> {
    relation: &'a Relation,
    plan: Plan<'a>,
    name: &'a StreamName,
    writer: &'a mut StreamWriter,
}

impl Stream<'_> {
    fn read(mut self, connection: &mut Connection) -> Result<(), Stop> {
        let name = self.name;
        let at_stream = |error| Stop::at(name, error);
        connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").map_err(at_stream)?;
        let settings = self.plan.settings(connection.server_version());
        if !settings.is_empty() {
            connection.execute(&settings.join("; ")).map_err(at_stream)?;
        }
        if let Some(question) = self.plan.question() {
            let answer = connection.query(&question).map_err(|error| self.of_state(error))?;
            let number = |column| {
                let number = answer.first().and_then(|row| row.get(column));
                number.and_then(|number| number.parse().ok()).unwrap_or_default()
            };
            self.plan.adjust((number(0), number(1)));
        }
        let mut progress = Progress::new(&self.plan);
        if let Err(stop) = self.rows(connection, &mut progress) {
            // The next read goes on from here, unless nobody takes a state any more.
            if !matches!(&stop, Stop::All(failure) if failure.interruption().is_some()) {
                if let Some(position) = progress.safe(&self.plan) {
                    self.checkpoint(position).map_err(Stop::All)?;
                }
            }
            return Err(stop);
        }
        if let Some((values, count)) = &mut progress.last {
            if let Some(query) = self.plan.count_of(values) {
                let answer = connection.query(&query).map_err(at_stream)?;
                *count = answer.value().and_then(|count| count.parse().ok()).unwrap_or(*count);
            }
        }
        connection.execute("COMMIT").map_err(at_stream)?;
        log::info!("{} rows of {} were read.", progress.rows, self.relation);
        let last = progress.last.as_ref().map(|(values, count)| (values, *count));
        let end = self.plan.end(last, progress.without_cursor);
        self.checkpoint(end).map_err(Stop::All)
    }

    fn rows(&mut self, connection: &mut Connection, progress: &mut Progress) -> Result<(), Stop> {
        let columns = self.plan.columns().to_vec();
        let forms = columns.iter().map(|column| (column.name.as_str(), column.column_type.binary_form().clone()));
        let mut records = RecordWriter::new(forms);
        let mut record = Vec::new();
        let mut rows = connection.copy_out_binary(&self.plan.copy()).map_err(|error| self.of_state(error))?;
        while let Some(mut row) = rows.next().map_err(|error| self.of_rows(error))? {
            has_all_fields(row.len(), columns.len() + self.plan.position_length())
                .map_err(|what| Stop::Stream(self.malformed(None, what)))?;
            record.clear();
            if record.capacity() > MOST_KEPT_BYTES {
                record = Vec::new();
            }
            let changed = records.append(row.by_ref().take(columns.len()), &mut record).map_err(|malformed| {
                let column = malformed.column.and_then(|column| columns.get(column));
                Stop::Stream(self.malformed(column.copied(), &malformed.malformed.to_string()))
            })?;
            // A state is for the rows before, and can be told now that this one is another.
            if let Some(position) = progress.step(&self.plan, row, record.len()) {
                let state = State::new(self.name.clone(), position);
                self.writer.checkpoint(&state).map_err(Stop::All)?;
            }
            let written = if changed.is_empty() {
                self.writer.write_json(&record)
            } else {
                write_changed(self.writer, &record, changed, &columns)
            };
            written.map_err(Stop::All)?;
            progress.written();
        }
        Ok(())
    }

    fn checkpoint(&mut self, position: Position) -> Result<()> {
        self.writer.checkpoint(&State::new(self.name.clone(), position))
    }

    /// An error of a query that has values of the state in it.
    fn of_state(&self, error: Error) -> Stop {
        let is_about_a_value = error.code().is_some_and(|code| code.starts_with("22"));
        if is_about_a_value && self.plan.goes_on() {
            return Stop::Stream(plan::state_does_not_fit(self.relation).with_internal(format!("{error:?}")));
        }
        self.of_rows(error)
    }

    /// An error that came while the server made the rows: a view, a function or a policy of the database may fail, or miss what
    /// it is made of.
    fn of_rows(&self, error: Error) -> Stop {
        let is_the_databases =
            error.code().is_some_and(|code| code.starts_with("22") || matches!(code, "42704" | "42883"));
        match Stop::at(self.name, error) {
            Stop::Stream(mut failure) if is_the_databases => {
                failure.kind = FailureKind::ConfigError;
                failure.message += " A view, a function or a policy fails for what is in the database: correct it, or leave the \
                                    stream or the column out.";
                Stop::Stream(failure)
            }
            stop => stop,
        }
    }

    fn malformed(&self, column: Option<&Column>, what: &str) -> Failure {
        let place = match column {
            Some(column) => format!("The column \"{}\" of {}", column.name, self.relation),
            None => format!("A row of {}", self.relation),
        };
        system_error(format!(
            "{place} came in another form than PostgreSQL's: this is a defect of the connector, or the column was changed at \
             this moment. Sync again."
        ))
        .with_internal(what)
    }
}

/// Whether a row has what was asked for: its columns, and behind them its position.
fn has_all_fields(fields: usize, asked: usize) -> Result<(), &'static str> {
    match fields.cmp(&asked) {
        Ordering::Less => Err("a row has fewer fields than were asked for"),
        Ordering::Equal => Ok(()),
        Ordering::Greater => Err("a row has more fields than were asked for"),
    }
}

/// Writes a record, and what of it is not as it was in the database.
fn write_changed(
    writer: &mut StreamWriter,
    record: &[u8],
    changed: &[(usize, Kept)],
    columns: &[&Column],
) -> Result<()> {
    let changes: Vec<_> = changed
        .iter()
        .map(|(column, kept)| {
            let change = if *kept == Kept::Nulled { "NULLED" } else { "TRUNCATED" };
            let field = columns.get(*column).map_or("", |column| column.name.as_str());
            json!({"field": field, "change": change, "reason": "SOURCE_RETRIEVAL_ERROR"})
        })
        .collect();
    let meta = json!({ "changes": changes }).to_string();
    let record: &RawValue = serde_json::from_slice(record)?;
    writer.write_annotated(&record, Annotation { meta: Some(meta), ..Annotation::default() })
}

/// How far a stream has been read, and when the next state is due.
struct Progress {
    rows: u64,
    rows_since_state: u64,
    bytes_since_state: usize,
    bytes_since_look: usize,
    last_state: Instant,
    /// The position of the last row, and how many rows had this very one.
    last: Option<(Values, u64)>,
    /// The one before.
    before: Option<(Values, u64)>,
    without_cursor: u64,
    /// How many values a position has.
    length: usize,
    are_unique: bool,
}

impl Progress {
    fn new(plan: &Plan<'_>) -> Progress {
        Progress {
            rows: 0,
            rows_since_state: 0,
            bytes_since_state: 0,
            bytes_since_look: 0,
            last_state: Instant::now(),
            last: plan.beginning(),
            before: None,
            without_cursor: 0,
            length: plan.position_length(),
            are_unique: plan.has_unique_positions(),
        }
    }

    /// Takes the position of the next row. If it is another than before and a state is due, gives the position up to which
    /// everything was written.
    fn step<'a>(
        &mut self,
        plan: &Plan<'_>,
        position: impl Iterator<Item = Option<&'a [u8]>> + Clone,
        bytes: usize,
    ) -> Option<Position> {
        self.bytes_since_state += bytes;
        self.bytes_since_look += bytes;
        if self.length == 0 {
            return None;
        }
        if position.clone().any(|value| value.is_none()) {
            // Only a cursor may be NULL, and these rows are the last ones.
            self.without_cursor += 1;
            return None;
        }
        if let Some((values, count)) = &mut self.last {
            if position.clone().flatten().eq(values.iter().map(Vec::as_slice)) {
                *count += 1;
                return None;
            }
        }
        let state = if self.is_due() { self.last.as_ref() } else { None };
        let state = state.and_then(|(values, count)| plan.position(values, *count));
        if state.is_some() {
            self.rows_since_state = 0;
            self.bytes_since_state = 0;
            self.last_state = Instant::now();
        }
        // The older of the two gives its room to the new one.
        let mut values = self.before.take().map_or_else(|| vec![Vec::new(); self.length], |(values, _)| values);
        for (value, new) in values.iter_mut().zip(position.flatten()) {
            value.clear();
            value.extend_from_slice(new);
        }
        self.before = self.last.replace((values, 1));
        state
    }

    /// The row has been written.
    fn written(&mut self) {
        self.rows += 1;
        self.rows_since_state += 1;
    }

    fn is_due(&mut self) -> bool {
        if self.rows_since_state >= ROWS_A_STATE || self.bytes_since_state >= BYTES_A_STATE {
            return true;
        }
        if self.bytes_since_look < BYTES_A_LOOK && self.rows_since_state % ROWS_A_LOOK != 0 {
            return false;
        }
        self.bytes_since_look = 0;
        self.rows_since_state > 0 && self.last_state.elapsed() >= TIME_A_STATE
    }

    /// The position up to which everything was written, where the read was broken off.
    fn safe(&self, plan: &Plan<'_>) -> Option<Position> {
        // More rows with the last cursor may have been to come.
        let is_last_whole = self.are_unique || self.without_cursor > 0;
        let (values, count) = if is_last_whole { self.last.as_ref() } else { self.before.as_ref() }?;
        plan.position(values, *count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relation::tests::table;
    use serde_json::Value;

    /// Goes through rows with these cursors (or keys) with a state as often as can be, and gives the texts of the states' cursors
    /// with their counts, and what would be saved after a failure.
    fn walk(sync_mode: &str, rows: &[Option<&str>]) -> (Vec<(String, u64)>, Option<String>) {
        let relation = table(&[("id", "bigint", false), ("at", "text", true)]);
        let stream = json!({"streams": [{"stream": {"name": "items", "namespace": "shop"}, "sync_mode": sync_mode,
            "cursor_field": ["at"]}]});
        let catalog: ConfiguredCatalog = serde_json::from_value(stream).unwrap();
        let plan = Plan::new(&relation, &catalog.streams[0], None).unwrap();
        let mut progress = Progress::new(&plan);
        let text = |position: Position| -> (String, u64) {
            let state = serde_json::to_value(State::new(relation.stream_name(), position)).unwrap();
            let text = [&state["cursor"], &state["key"][0]].into_iter().find_map(Value::as_str).unwrap();
            (text.to_owned(), state["cursor_record_count"].as_u64().unwrap_or_default())
        };
        let mut states = Vec::new();
        for row in rows {
            let value = row.map(str::as_bytes);
            states.extend(progress.step(&plan, std::iter::once(value), BYTES_A_STATE).map(text));
            progress.written();
        }
        (states, progress.safe(&plan).map(text).map(|(text, _)| text))
    }

    #[test]
    fn a_state_comes_only_after_all_rows_with_its_cursor() {
        let (states, safe) = walk("incremental", &[Some("a"), Some("a"), Some("b"), Some("c"), Some("c")]);
        assert_eq!(states, [("a".to_owned(), 2), ("b".to_owned(), 1)]);
        assert_eq!(safe.as_deref(), Some("b"));
        let (states, safe) = walk("incremental", &[Some("a"), None, None]);
        assert_eq!((states.len(), safe.as_deref()), (0, Some("a")));
        assert_eq!(walk("incremental", &[Some("a"), Some("a")]).1, None);
        assert_eq!(walk("incremental", &[None]).1, None);
    }

    #[test]
    fn another_text_may_be_of_an_equal_value() {
        // As numerics would be, of which both a and b are the same: no state says that its rows are complete.
        let mut relation = table(&[("id", "bigint", false), ("at", "text", true)]);
        relation.columns[1].is_equal_by_text = false;
        let stream = json!({"streams": [{"stream": {"name": "items", "namespace": "shop"}, "sync_mode": "incremental",
            "cursor_field": ["at"]}]});
        let catalog: ConfiguredCatalog = serde_json::from_value(stream).unwrap();
        let plan = Plan::new(&relation, &catalog.streams[0], None).unwrap();
        let mut progress = Progress::new(&plan);
        let mut positions = Vec::new();
        for row in ["a", "b"] {
            positions.extend(progress.step(&plan, std::iter::once(Some(row.as_bytes())), BYTES_A_STATE));
            progress.written();
        }
        positions.extend(progress.safe(&plan));
        for position in &positions {
            assert!(
                matches!(position, Position::CursorBased(position) if position.cursor_record_count.is_none()),
                "{position:?}"
            );
        }
        assert_eq!(positions.len(), 2);
    }

    #[test]
    fn a_row_has_what_was_asked_for() {
        assert_eq!(has_all_fields(3, 3), Ok(()));
        assert!(has_all_fields(2, 3).is_err() && has_all_fields(4, 3).is_err());
    }

    #[test]
    fn a_key_is_done_with_its_row() {
        let (states, safe) = walk("full_refresh", &[Some("1"), Some("2"), Some("3")]);
        assert_eq!(states.iter().map(|(key, _)| key.as_str()).collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!(safe.as_deref(), Some("3"));
    }
}
