//! The tables of one stream: the one that users read, and a replacement while it is written. All SQL is here.
//!
//! Knows nothing of records and states. Every function leaves the tables as they were or as it says: what takes several
//! statements is one transaction.

use airlock_postgres::{Connection, Error, Rows, quote_identifier, quote_literal};
use airlock_sdk::{Failure, Intent, Result, StreamName, config_error, transient_error};

use crate::decision::{Deduplication, Leftover, Note, Target, decide};
use crate::names::TableNames;
use crate::rows::COLUMNS;

/// The columns of a raw table, as Airbyte's connector makes it.
const DEFINITION: &str = "(_airbyte_raw_id varchar NOT NULL, _airbyte_data jsonb NOT NULL, _airbyte_extracted_at timestamptz \
                          NOT NULL, _airbyte_loaded_at timestamptz, _airbyte_meta jsonb, _airbyte_generation_id bigint)";

/// Those that an earlier version of Airbyte's connector did not have.
const LATER_COLUMNS: [(&str, &str); 2] = [("_airbyte_meta", "jsonb"), ("_airbyte_generation_id", "bigint")];

/// Those that have always been there, and their types.
const COLUMN_TYPES: [(&str, &[&str]); 5] = [
    ("_airbyte_raw_id", &["character varying", "text"]),
    ("_airbyte_data", &["jsonb"]),
    ("_airbyte_extracted_at", &["timestamp with time zone"]),
    ("_airbyte_meta", &["jsonb"]),
    ("_airbyte_generation_id", &["bigint"]),
];

/// What is the same for all streams.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The schema of all tables.
    pub schema: String,
    /// Whether what depends on a table that is replaced goes with it.
    pub drops_dependents: bool,
    /// Whether a record that its source has deleted goes, where streams are deduplicated.
    pub deletes: bool,
}

/// The tables of one stream.
#[derive(Debug)]
pub struct Tables {
    stream: StreamName,
    names: TableNames,
    settings: Settings,
    target: Target,
    deduplication: Option<Deduplication>,
    /// The table that records go to, by what PostgreSQL knows it by: its name may come to be another table's.
    identity: String,
    has_records: bool,
    /// Whether the open transaction has changed the table.
    is_changed: bool,
    is_complete: bool,
}

/// What is known of a table that is there.
struct Found {
    note: Note,
}

/// Makes the schema of all tables, if it is not there.
pub fn make_schema(connection: &mut Connection, schema: &str) -> Result<()> {
    // Asked first: a user that may not make schemas may use one.
    let there = connection.query_with("SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = $1", &[Some(schema)])?;
    if there.is_empty() {
        connection.execute(&format!("CREATE SCHEMA IF NOT EXISTS {}", quote_identifier(schema)))?;
    }
    Ok(())
}

/// Makes a table and writes to it, and leaves nothing of it.
pub fn try_to_make_one(connection: &mut Connection, schema: &str) -> Result<()> {
    connection.execute("BEGIN")?;
    make_schema(connection, schema)?;
    let process = connection.query("SELECT pg_catalog.pg_backend_pid()")?;
    let name = format!("_airbyte_connection_test_{}", process.value().unwrap_or_default());
    let table = format!("{}.{}", quote_identifier(schema), quote_identifier(&name));
    connection.execute(&format!("CREATE TABLE {table} {DEFINITION}"))?;
    connection.execute(&format!("INSERT INTO {table} ({COLUMNS}) VALUES ('test', '{{}}', now(), '{{}}', 0)"))?;
    connection.execute("ROLLBACK")?;
    Ok(())
}

impl Tables {
    /// Looks at what is there and makes it ready for the records of a sync. Their schema is there.
    pub fn open(
        connection: &mut Connection,
        settings: &Settings,
        stream: StreamName,
        names: TableNames,
        intent: Intent,
        deduplication: Option<Deduplication>,
    ) -> Result<Self> {
        let mut tables = Tables {
            stream,
            names,
            settings: settings.clone(),
            target: Target::Table,
            deduplication,
            identity: String::new(),
            has_records: false,
            is_changed: false,
            is_complete: false,
        };
        let table = tables.find(connection, &tables.names.table)?;
        let leftover = tables.find(connection, &tables.names.temporary)?;
        let note = |found: &Option<Found>| found.as_ref().map(|found| found.note).unwrap_or_default();
        let (target, fate) = decide(intent, note(&table), note(&leftover));
        tables.target = target;

        let mut sql = String::new();
        if target == Target::Table && table.is_none() {
            sql.push_str(&tables.creation(&tables.names.table, None));
        }
        if leftover.is_some() {
            match fate {
                Leftover::Keep => {}
                Leftover::Merge => {
                    log::info!("A refresh of the stream {} was not completed: what it wrote is added.", tables.stream);
                    sql.push_str(&format!(
                        "INSERT INTO {} ({COLUMNS}) SELECT {COLUMNS} FROM {};",
                        tables.quoted(&tables.names.table),
                        tables.quoted(&tables.names.temporary)
                    ));
                    sql.push_str(&tables.drop_temporary());
                }
                Leftover::Drop => sql.push_str(&tables.drop_temporary()),
            }
        }
        if let Target::Replacement { note, is_gone_on_with } = target {
            if leftover.is_none() || fate != Leftover::Keep {
                // A note without a generation: nothing goes on with it.
                let note = if is_gone_on_with { Note { sync_id: None, ..note } } else { Note::default() };
                sql.push_str(&tables.creation(&tables.names.temporary, Some(note)));
            }
        }
        if !sql.is_empty() {
            connection.execute(&sql)?;
        }
        tables.identity = tables.find_identity(connection)?.ok_or_else(|| tables.taken())?;
        Ok(tables)
    }

    /// The stream.
    pub fn stream(&self) -> &StreamName {
        &self.stream
    }

    /// Whether what is committed is not lost, however the sync ends.
    pub fn keeps_what_is_committed(&self) -> bool {
        self.is_complete
            || match self.target {
                Target::Table => true,
                Target::Replacement { is_gone_on_with, .. } => is_gone_on_with,
            }
    }

    /// The command that takes records.
    pub fn copy(&mut self) -> String {
        self.has_records = true;
        self.is_changed = true;
        format!("COPY {} ({COLUMNS}) FROM STDIN (FORMAT binary)", self.quoted(self.target_name()))
    }

    /// The name of the table that records go to.
    fn target_name(&self) -> &str {
        match self.target {
            Target::Replacement { .. } if !self.is_complete => &self.names.temporary,
            _ => &self.names.table,
        }
    }

    fn find_identity(&self, connection: &mut Connection) -> Result<Option<String>> {
        let name = quote_literal(&self.quoted(self.target_name()));
        let rows = connection.query(&format!("SELECT pg_catalog.to_regclass({name})::oid"))?;
        Ok(rows.value().map(str::to_owned))
    }

    /// Before a commit: whether what was changed is the table that the sync began with. Another sync may have put its own in the
    /// place. From the change on it can not: the transaction holds a lock.
    pub fn assure(&mut self, connection: &mut Connection) -> Result<()> {
        if std::mem::take(&mut self.is_changed) && self.find_identity(connection)?.as_ref() != Some(&self.identity) {
            return Err(self.taken());
        }
        Ok(())
    }

    /// What a failed change means.
    pub fn not_changed(&self, error: Error) -> Failure {
        // It was there when the sync began.
        if error.is_missing_table() { self.taken().with_internal(error) } else { error.into() }
    }

    fn taken(&self) -> Failure {
        transient_error(format!(
            "Another sync writes the table {} of the stream {}: it has replaced what this one wrote to. Nothing that came since \
             the last acknowledged state is kept. Let one sync at a time write a table, and run this one again.",
            self.names.table, self.stream
        ))
        .for_stream(&self.stream)
    }

    /// Everything has come: deduplicates, and puts a replacement in its place. Within a transaction, which the caller commits.
    pub fn complete(&mut self, connection: &mut Connection) -> Result<()> {
        if let Some(deduplication) = &self.deduplication {
            let sql = deduplicating(&self.quoted(self.target_name()), deduplication, self.settings.deletes);
            self.is_changed = true;
            let gone = connection.execute(&sql).map_err(|error| self.not_changed(error))?;
            log::debug!("{gone} records of the stream {} were older than others of the same key.", self.stream);
        }
        let Target::Replacement { note, is_gone_on_with } = self.target else {
            self.is_complete = true;
            return Ok(());
        };
        if !is_gone_on_with && note.generation_id.is_some() && !self.has_records {
            log::warn!(
                "No record of the stream {} came, and its table is of this generation already: it stays as it is.",
                self.stream
            );
            self.drop_own_temporary(connection)?;
            self.is_changed = false;
            self.is_complete = true;
            return Ok(());
        }
        self.is_changed = true;
        let swapped = connection.execute(&format!(
            "DROP TABLE IF EXISTS {table}{cascade}; ALTER TABLE {temporary} RENAME TO {name}; \
             COMMENT ON TABLE {table} IS {comment}",
            table = self.quoted(&self.names.table),
            cascade = if self.settings.drops_dependents { " CASCADE" } else { "" },
            temporary = self.quoted(&self.names.temporary),
            name = quote_identifier(&self.names.table),
            comment = quote_literal(&note.to_comment()),
        ));
        swapped.map_err(|error| self.not_swapped(error))?;
        self.is_complete = true;
        Ok(())
    }

    fn not_swapped(&self, error: Error) -> Failure {
        // dependent_objects_still_exist
        if error.code() == Some("2BP01") {
            return config_error(format!(
                "The table {} can not be replaced, because views or other objects depend on it: drop them, or turn \
                 drop_cascade on, which drops them with it.",
                self.names.table
            ))
            .with_internal(error);
        }
        self.not_changed(error)
    }

    /// The sync ends without this stream being complete: removes what nothing goes on with.
    pub fn abandon(&self, connection: &mut Connection) -> Result<()> {
        if !self.keeps_what_is_committed() {
            self.drop_own_temporary(connection)?;
        }
        Ok(())
    }

    /// Another sync's stays.
    fn drop_own_temporary(&self, connection: &mut Connection) -> Result<()> {
        if self.find_identity(connection)?.as_ref() == Some(&self.identity) {
            connection.execute(&self.drop_temporary())?;
        }
        Ok(())
    }

    /// Looks for a table. One that is there and can not take records is refused.
    fn find(&self, connection: &mut Connection, name: &str) -> Result<Option<Found>> {
        let rows = connection.query_with(
            "SELECT c.relkind, a.attname, pg_catalog.format_type(a.atttypid, NULL), \
             pg_catalog.obj_description(c.oid, 'pg_class') \
             FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
             LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped \
             WHERE n.nspname = $1 AND c.relname = $2",
            &[Some(&self.settings.schema), Some(name)],
        )?;
        let Some(first) = rows.first() else {
            return Ok(None);
        };
        let refused = |why: &str| {
            config_error(format!(
                "{}.{name} is there and is no raw table of Airbyte's: {why}. Move it away, or choose another \
                 raw_data_schema.",
                self.settings.schema
            ))
        };
        if first.get(0) != Some("r") {
            return Err(refused("it is no ordinary table"));
        }
        let kind_of = |rows: &Rows, column: &str| {
            rows.iter().find(|row| row.get(1) == Some(column)).and_then(|row| row.get(2)).map(str::to_owned)
        };
        let mut additions = Vec::new();
        for (column, kinds) in COLUMN_TYPES {
            match kind_of(&rows, column) {
                Some(kind) if kinds.contains(&kind.as_str()) => {}
                Some(kind) => return Err(refused(&format!("its column {column} is {kind}, not {}", kinds[0]))),
                None => match LATER_COLUMNS.iter().find(|(later, _)| *later == column) {
                    Some((_, kind)) => additions.push(format!("ADD COLUMN {column} {kind}")),
                    None => return Err(refused(&format!("it has no column {column}"))),
                },
            }
        }
        let own_note = first.get(3).and_then(Note::from_comment);
        if !additions.is_empty() {
            connection.execute(&format!("ALTER TABLE {} {}", self.quoted(name), additions.join(", ")))?;
        }
        let note = match own_note {
            Some(note) => note,
            // Airbyte's connector tells it by any of the rows.
            None => {
                let sql = format!("SELECT _airbyte_generation_id FROM {} LIMIT 1", self.quoted(name));
                let rows = connection.query(&sql)?;
                Note { generation_id: rows.value().and_then(|id| id.parse().ok()).filter(|id| *id > 0), sync_id: None }
            }
        };
        Ok(Some(Found { note }))
    }

    fn quoted(&self, name: &str) -> String {
        format!("{}.{}", quote_identifier(&self.settings.schema), quote_identifier(name))
    }

    fn creation(&self, name: &str, note: Option<Note>) -> String {
        let table = self.quoted(name);
        let mut sql = format!("CREATE TABLE {table} {DEFINITION}; CREATE INDEX ON {table} (_airbyte_extracted_at);");
        if let Some(note) = note {
            sql.push_str(&format!("COMMENT ON TABLE {table} IS {};", quote_literal(&note.to_comment())));
        }
        sql
    }

    fn drop_temporary(&self) -> String {
        format!("DROP TABLE IF EXISTS {};", self.quoted(&self.names.temporary))
    }
}

/// Removes what is older than another record of the same key. A record without a whole key is like no other.
fn deduplicating(table: &str, deduplication: &Deduplication, deletes: bool) -> String {
    let path = |path: &[String]| {
        let parts: Vec<String> = path.iter().map(|part| quote_literal(part)).collect();
        format!("ARRAY[{}]::text[]", parts.join(", "))
    };
    let keys: Vec<String> =
        deduplication.primary_key.iter().map(|key| format!("_airbyte_data #> {}", path(key))).collect();
    let whole: Vec<String> =
        deduplication.primary_key.iter().map(|key| format!("_airbyte_data #>> {} IS NOT NULL", path(key))).collect();
    let mut order = String::new();
    if !deduplication.cursor.is_empty() {
        order = format!("NULLIF(_airbyte_data #> {}, 'null') DESC NULLS LAST, ", path(&deduplication.cursor));
    }
    let deleted = if deletes { " OR _airbyte_data ->> '_ab_cdc_deleted_at' IS NOT NULL" } else { "" };
    // Ids grow within a sync: of two records that were read at the same time, the later one is the newer one.
    format!(
        "DELETE FROM {table} USING (SELECT ctid AS place, row_number() OVER (PARTITION BY {} ORDER BY {order}\
         _airbyte_extracted_at DESC, _airbyte_raw_id COLLATE \"C\" DESC) AS age FROM {table} WHERE {}) AS ranked \
         WHERE ctid = place AND (age > 1{deleted})",
        keys.join(", "),
        whole.join(" AND "),
    )
}
