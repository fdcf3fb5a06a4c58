//! How a stream is read: what is asked of the server, in which order, from where on, and what a state says of it. Touches no
//! server.
//!
//! A read goes on safely if the order of its rows is the server's own: values are compared by the server, in `ORDER BY` and in
//! `WHERE`, and by nobody else, for collations and types of extensions are known to it alone.

use airlock_postgres::{quote_identifier, quote_literal};
use airlock_sdk::{ConfiguredStream, DestinationSyncMode, Failure, Result, SyncMode, config_error};

use crate::relation::{Column, Order, Relation, RelationKind};
use crate::state::{CursorPosition, Position};
use crate::values::BinaryForm;

/// How a stream is read.
#[derive(Debug)]
pub struct Plan<'a> {
    relation: &'a Relation,
    /// What becomes of a record.
    columns: Vec<&'a Column>,
    walk: Walk<'a>,
}

/// In which order the rows come, and from where on.
#[derive(Debug)]
enum Walk<'a> {
    /// A full refresh along a key.
    Key { columns: Vec<&'a Column>, after: Option<Vec<String>> },
    /// A full refresh in the order in which the rows lie in the table.
    Place { after: Option<String>, relation_filenode: u32 },
    /// An incremental read along the cursor.
    Cursor { column: &'a Column, done: CursorPosition, reads: CursorRows },
    /// A full refresh in any order.
    Whole,
}

/// Which rows an incremental read wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct CursorRows {
    /// Those with the last cursor, too: they have become more.
    with_last: bool,
    /// Those without a cursor.
    without: bool,
}

/// Where a read is: the values of the last row's position, as the server wrote them.
pub type Values = Vec<Vec<u8>>;

impl<'a> Plan<'a> {
    /// The plan for a stream, and what of the saved position can be used.
    pub fn new(relation: &'a Relation, configured: &ConfiguredStream, saved: Option<Position>) -> Result<Plan<'a>> {
        let columns = columns(relation, configured)?;
        let walk = match cursor_field(configured)? {
            Some(field) => incremental(relation, field, saved)?,
            None => full_refresh(relation, saved),
        };
        Ok(Plan { relation, columns, walk })
    }

    /// What becomes of a record, in this order. Behind it, a row has the values of its position.
    pub fn columns(&self) -> &[&'a Column] {
        &self.columns
    }

    /// Whether each row has a position of its own: so it has been read up to a row as soon as that was written.
    pub fn has_unique_positions(&self) -> bool {
        matches!(self.walk, Walk::Key { .. } | Walk::Place { .. })
    }

    /// What is said to the server before, of this transaction only.
    pub fn settings(&self, server_version: u32) -> Vec<String> {
        let mut settings = Vec::new();
        if server_version >= 110_000 {
            // To compile a query takes longer than to find out that it was not worth it.
            settings.push("SET LOCAL jit = off".to_owned());
        }
        let is_stored = !matches!(self.relation.kind, RelationKind::View | RelationKind::ForeignTable);
        match &self.walk {
            Walk::Key { .. } | Walk::Cursor { .. } if is_stored => {
                // Along the index, if there is one: the first row comes at once, and nothing is sorted on the server's disk.
                settings.push("SET LOCAL enable_sort = off".to_owned());
            }
            Walk::Place { .. } => {
                // From the first page to the last, not from where another query is at the moment, and by one process. A
                // policy for rows could make the server use an index.
                for setting in ["synchronize_seqscans", "enable_indexscan", "enable_indexonlyscan"] {
                    settings.push(format!("SET LOCAL {setting} = off"));
                }
                settings.push("SET LOCAL max_parallel_workers_per_gather = 0".to_owned());
            }
            _ => {}
        }
        let elsewhere: Vec<String> = self
            .position_columns()
            .map(|column| column.type_schema.as_str())
            .filter(|schema| *schema != "pg_catalog")
            .map(quote_identifier)
            .collect();
        if !elsewhere.is_empty() {
            // `<` must be the type's own, which is where the type is.
            settings.push(format!(
                "SELECT pg_catalog.set_config('search_path', \
                 pg_catalog.concat_ws(', ', NULLIF(pg_catalog.current_setting('search_path'), ''), {}), true)",
                quote_literal(&elsewhere.join(", "))
            ));
        }
        settings
    }

    /// What has to be known of the table before it is read, in the same transaction. The answer is for
    /// [`adjust`](Self::adjust).
    pub fn question(&self) -> Option<String> {
        match &self.walk {
            Walk::Place { .. } => Some(format!(
                // The table is locked by being asked first: its file stays the same from here on.
                "SELECT FROM ONLY {} LIMIT 0; SELECT pg_catalog.pg_relation_filenode({})",
                self.table(),
                self.relation.oid
            )),
            Walk::Cursor { column, done, .. } if done.cursor.is_some() || done.null_cursor_record_count > 0 => {
                let with_last = match &done.cursor {
                    Some(cursor) => {
                        format!(
                            "(SELECT count(*) FROM {} AS t WHERE {} = {})",
                            self.table(),
                            compared(column),
                            literal(cursor, column)
                        )
                    }
                    None => "0".to_owned(),
                };
                let without = if column.is_nullable {
                    format!("(SELECT count(*) FROM {} AS t WHERE {} IS NULL)", self.table(), qualified(column))
                } else {
                    "0".to_owned()
                };
                Some(format!("SELECT {with_last}, {without}"))
            }
            _ => None,
        }
    }

    /// Takes the answer to the question.
    pub fn adjust(&mut self, answer: (u64, u64)) {
        match &mut self.walk {
            Walk::Place { after, relation_filenode } => {
                let now = u32::try_from(answer.0).unwrap_or_default();
                if after.is_some() && *relation_filenode != now {
                    log::warn!(
                        "The rows of {} have other places than in the read that was interrupted: the full refresh begins \
                         anew.",
                        self.relation
                    );
                    *after = None;
                }
                *relation_filenode = now;
            }
            Walk::Cursor { done, reads, .. } => {
                let (with_last, without) = answer;
                // Of a state that does not say how many there were, they come again.
                reads.with_last = done.cursor_record_count != Some(with_last);
                reads.without = done.null_cursor_record_count != without;
            }
            Walk::Key { .. } | Walk::Whole => {}
        }
    }

    /// The command that gives the rows.
    pub fn copy(&self) -> String {
        let mut select: Vec<String> =
            self.columns.iter().map(|column| column.column_type.select_expression(&qualified(column))).collect();
        let mut conditions = Vec::new();
        let mut order = String::new();
        let mut only = "";
        match &self.walk {
            Walk::Key { columns, after } => {
                if self.relation.kind == RelationKind::Table {
                    only = "ONLY ";
                }
                select.extend(columns.iter().map(|column| format!("{}::text", qualified(column))));
                if let Some(after) = after {
                    let compared: Vec<String> = columns.iter().map(|column| compared(column)).collect();
                    let values: Vec<String> =
                        after.iter().zip(columns).map(|(value, column)| literal(value, column)).collect();
                    conditions.push(format!("({}) > ({})", compared.join(", "), values.join(", ")));
                }
                let names: Vec<String> = columns.iter().map(|column| qualified(column)).collect();
                order = format!(" ORDER BY {}", names.join(", "));
            }
            Walk::Place { after, .. } => {
                only = "ONLY ";
                select.push("t.ctid::text".to_owned());
                if let Some(after) = after {
                    conditions.push(format!("t.ctid > {}::tid", quote_literal(after)));
                }
            }
            Walk::Cursor { column, done, reads } => {
                let name = qualified(column);
                select.push(format!("{name}::text"));
                let newer = done.cursor.as_ref().map(|cursor| {
                    let operator = if reads.with_last { ">=" } else { ">" };
                    format!("{} {operator} {}", compared(column), literal(cursor, column))
                });
                match (newer, reads.without) {
                    (Some(newer), true) => conditions.push(format!("({newer} OR {name} IS NULL)")),
                    (Some(newer), false) => conditions.push(newer),
                    (None, true) => {}
                    (None, false) if column.is_nullable => conditions.push(format!("{name} IS NOT NULL")),
                    (None, false) => {}
                }
                order = format!(" ORDER BY {name} NULLS LAST");
            }
            Walk::Whole => {}
        }
        let condition =
            if conditions.is_empty() { String::new() } else { format!(" WHERE {}", conditions.join(" AND ")) };
        format!(
            "COPY (SELECT {} FROM {only}{} AS t{condition}{order}) TO STDOUT (FORMAT binary)",
            select.join(", "),
            self.table()
        )
    }

    /// Where an incremental read begins: the cursor up to which rows have been read, and how many of those with this very cursor.
    pub fn beginning(&self) -> Option<(Values, u64)> {
        let Walk::Cursor { done, reads, .. } = &self.walk else {
            return None;
        };
        let cursor = done.cursor.as_ref()?;
        let count = if reads.with_last { 0 } else { done.cursor_record_count.unwrap_or_default() };
        Some((vec![cursor.clone().into_bytes()], count))
    }

    /// The position after a row that had these values: rows that come before have all been read, and `count` with the very
    /// same texts. None where there is nothing to go on from.
    pub fn position(&self, values: &Values, count: u64) -> Option<Position> {
        let texts: Option<Vec<String>> = values.iter().map(|value| String::from_utf8(value.clone()).ok()).collect();
        let mut texts = texts?;
        match &self.walk {
            Walk::Key { columns, .. } => Some(Position::KeyBased {
                key_field: columns.iter().map(|column| column.name.clone()).collect(),
                key: texts,
            }),
            Walk::Place { relation_filenode, .. } => {
                Some(Position::Ctid { ctid: texts.pop()?, relation_filenode: *relation_filenode })
            }
            Walk::Cursor { column, done, reads } => Some(Position::CursorBased(CursorPosition {
                cursor_field: vec![column.name.clone()],
                cursor: Some(texts.pop()?),
                // Rows with another text of the same value may still be to come, and it is values that are counted next time.
                cursor_record_count: Some(count).filter(|count| *count > 0 && column.is_equal_by_text),
                // Those that are still to come are not counted.
                null_cursor_record_count: if reads.without { 0 } else { done.null_cursor_record_count },
            })),
            Walk::Whole => None,
        }
    }

    /// The position after the last row: its values and how many rows have equal ones, and how many rows had no cursor.
    pub fn end(&self, last: Option<(&Values, u64)>, without_cursor: u64) -> Position {
        let Walk::Cursor { column, done, reads } = &self.walk else {
            return Position::FullRefreshComplete;
        };
        let position = match last.and_then(|(values, count)| Some((self.position(values, count)?, count))) {
            Some((Position::CursorBased(position), count)) => {
                CursorPosition { cursor_record_count: Some(count).filter(|count| *count > 0), ..position }
            }
            _ => CursorPosition { cursor_field: vec![column.name.clone()], ..CursorPosition::default() },
        };
        let null_cursor_record_count = if reads.without { without_cursor } else { done.null_cursor_record_count };
        Position::CursorBased(CursorPosition { null_cursor_record_count, ..position })
    }

    /// How to ask for the number of rows with a cursor, where that can not be told from texts alone.
    pub fn count_of(&self, values: &Values) -> Option<String> {
        match &self.walk {
            Walk::Cursor { column, .. } if !column.is_equal_by_text => {
                let cursor = String::from_utf8(values.first()?.clone()).ok()?;
                let (table, compared, cursor) = (self.table(), compared(column), literal(&cursor, column));
                Some(format!("SELECT count(*) FROM {table} AS t WHERE {compared} = {cursor}"))
            }
            _ => None,
        }
    }

    /// How many values the position of a row has.
    pub fn position_length(&self) -> usize {
        match &self.walk {
            Walk::Key { columns, .. } => columns.len(),
            Walk::Place { .. } | Walk::Cursor { .. } => 1,
            Walk::Whole => 0,
        }
    }

    /// Whether the read goes on where an earlier one stopped.
    pub fn goes_on(&self) -> bool {
        match &self.walk {
            Walk::Key { after, .. } => after.is_some(),
            Walk::Place { after, .. } => after.is_some(),
            Walk::Cursor { done, .. } => done.cursor.is_some(),
            Walk::Whole => false,
        }
    }

    fn position_columns(&self) -> impl Iterator<Item = &'a Column> + '_ {
        let columns: &[&'a Column] = match &self.walk {
            Walk::Key { columns, .. } => columns,
            Walk::Cursor { column, .. } => std::slice::from_ref(column),
            Walk::Place { .. } | Walk::Whole => &[],
        };
        columns.iter().copied()
    }

    fn table(&self) -> String {
        format!("{}.{}", quote_identifier(&self.relation.schema), quote_identifier(&self.relation.name))
    }
}

/// The columns of the catalog that the relation has, in the relation's order.
fn columns<'a>(relation: &'a Relation, configured: &ConfiguredStream) -> Result<Vec<&'a Column>> {
    let Some(properties) =
        configured.stream.json_schema.get("properties").and_then(|properties| properties.as_object())
    else {
        return Ok(relation.columns.iter().collect());
    };
    let missing: Vec<String> =
        properties.keys().filter(|name| relation.column(name).is_none()).map(|name| format!("\"{name}\"")).collect();
    if !missing.is_empty() {
        log::warn!(
            "{relation} does not have these columns any more, or the user may not read them: {}. They are left out. Refresh the \
             schema of the connection.",
            missing.join(", ")
        );
    }
    let columns: Vec<&Column> =
        relation.columns.iter().filter(|column| properties.contains_key(&column.name)).collect();
    if columns.is_empty() {
        return Err(config_error(format!(
            "{relation} has none of the columns that are to be synced, or the user may not read them: refresh the schema of \
             the connection."
        )));
    }
    Ok(columns)
}

/// The cursor of an incremental read; None if all is to be read.
fn cursor_field(configured: &ConfiguredStream) -> Result<Option<&str>> {
    if configured.sync_mode != SyncMode::Incremental {
        return Ok(None);
    }
    match configured.cursor_field.as_slice() {
        [field] => Ok(Some(field)),
        // PyAirbyte asks for incremental syncs that overwrite, and knows no cursor.
        [] if configured.destination_sync_mode == DestinationSyncMode::Overwrite => {
            log::info!("{} has no cursor and is to be overwritten: all of it is read.", configured.name());
            Ok(None)
        }
        [] => Err(config_error(format!(
            "{} is to be synced incrementally and has no cursor: choose a column as its cursor field, such as one that says when \
             a row was changed, or sync it as a full refresh.",
            configured.name()
        ))),
        _ => Err(config_error(format!(
            "The cursor field of {} is no column but something within one: choose a column.",
            configured.name()
        ))),
    }
}

fn incremental<'a>(relation: &'a Relation, field: &str, saved: Option<Position>) -> Result<Walk<'a>> {
    let Some(column) = relation.column(field) else {
        return Err(config_error(format!(
            "{relation} has no column \"{field}\", which is its cursor field, or the user may not read it: refresh the schema of \
             the connection and choose another cursor field."
        )));
    };
    if !column.can_name_type {
        return Err(config_error(format!(
            "The column \"{field}\" of {relation} can not be a cursor, for its type {} is in a schema that the user may not use: \
             grant USAGE on the schema \"{}\", or choose another cursor field.",
            column.sql_type, column.type_schema
        )));
    }
    if !column.can_be_cursor() {
        return Err(config_error(format!(
            "The column \"{field}\" of {relation} can not be a cursor, for values of the type {} have no order that tells new rows \
             from old ones: choose another cursor field.",
            column.sql_type
        )));
    }
    let done = match saved {
        Some(Position::CursorBased(done)) if done.cursor_field == [field] => Some(done),
        Some(Position::CursorBased(done)) => {
            log::warn!(
                "The state of {relation} is of the cursor field \"{}\", and it is \"{field}\" now: everything is read anew.",
                done.cursor_field.join(".")
            );
            None
        }
        Some(_) => {
            log::info!("{relation} was synced as a full refresh before: everything is read anew.");
            None
        }
        None => None,
    };
    // PostgreSQL takes every text for some bytes.
    if let Some(cursor) = done.as_ref().and_then(|done| done.cursor.as_ref()) {
        if *column.column_type.binary_form() == BinaryForm::Bytea && !cursor.starts_with("\\x") {
            return Err(state_does_not_fit(relation));
        }
    }
    let done =
        done.unwrap_or_else(|| CursorPosition { cursor_field: vec![field.to_owned()], ..CursorPosition::default() });
    Ok(Walk::Cursor { column, done, reads: CursorRows { with_last: false, without: true } })
}

/// A value of the state is none of its column's.
pub fn state_does_not_fit(relation: &Relation) -> Failure {
    config_error(format!(
        "The saved state of {relation} does not fit its columns any more: clear the stream's data and sync it again."
    ))
}

fn full_refresh(relation: &Relation, saved: Option<Position>) -> Walk<'_> {
    match relation.order() {
        Order::Key => {
            let columns: Vec<&Column> = relation.unique_key.iter().filter_map(|name| relation.column(name)).collect();
            let after = match saved {
                Some(Position::KeyBased { key_field, key })
                    if key_field == relation.unique_key && key.len() == columns.len() =>
                {
                    Some(key)
                }
                saved => anew(relation, saved.as_ref()),
            };
            Walk::Key { columns, after }
        }
        Order::Place => match saved {
            Some(Position::Ctid { ctid, relation_filenode }) => Walk::Place { after: Some(ctid), relation_filenode },
            saved => Walk::Place { after: anew(relation, saved.as_ref()), relation_filenode: 0 },
        },
        Order::None => {
            let _: Option<()> = anew(relation, saved.as_ref());
            Walk::Whole
        }
    }
}

/// Nothing to go on from; of a read that was interrupted, this is told.
fn anew<T>(relation: &Relation, saved: Option<&Position>) -> Option<T> {
    if matches!(saved, Some(Position::KeyBased { .. } | Position::Ctid { .. })) {
        log::warn!(
            "The full refresh of {relation} that was interrupted went along another key than there is now: it begins anew."
        );
    }
    None
}

/// The column's name, so that it can not be taken for one of the list behind `SELECT`.
fn qualified(column: &Column) -> String {
    format!("t.{}", quote_identifier(&column.name))
}

/// The column as what it is compared as: a domain may have no operators, so it is what it is based on.
fn compared(column: &Column) -> String {
    let name = qualified(column);
    if column.is_domain { format!("{name}::{}", column.sql_type) } else { name }
}

/// A value of the column, exactly, and as what the column is compared as: a domain's checks may be newer than its rows.
fn literal(value: &str, column: &Column) -> String {
    format!("{}::{}", quote_literal(value), column.sql_type)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relation::tests::table;
    use airlock_sdk::{ConfiguredCatalog, FailureKind};
    use serde_json::{Value, json};

    fn configured(change: Value) -> ConfiguredStream {
        let mut stream = json!({"stream": {"name": "items", "namespace": "shop", "json_schema": {}},
            "sync_mode": "full_refresh", "destination_sync_mode": "append"});
        for (name, value) in change.as_object().unwrap() {
            stream[name] = value.clone();
        }
        let catalog: ConfiguredCatalog = serde_json::from_value(json!({"streams": [stream]})).unwrap();
        catalog.streams.into_iter().next().unwrap()
    }

    fn incremental(cursor: &str) -> ConfiguredStream {
        configured(json!({"sync_mode": "incremental", "cursor_field": [cursor]}))
    }

    fn cursor(field: &str, cursor: Option<&str>, count: Option<u64>, without: u64) -> Option<Position> {
        Some(Position::CursorBased(CursorPosition {
            cursor_field: vec![field.to_owned()],
            cursor: cursor.map(str::to_owned),
            cursor_record_count: count,
            null_cursor_record_count: without,
        }))
    }

    fn key(values: &[&str]) -> Option<Position> {
        let key = values.iter().map(|value| (*value).to_owned()).collect();
        Some(Position::KeyBased { key_field: vec!["id".to_owned()], key })
    }

    fn values(values: &[&str]) -> Values {
        values.iter().map(|value| value.as_bytes().to_vec()).collect()
    }

    #[test]
    fn a_full_refresh_goes_along_the_key() {
        let relation = table(&[("id", "bigint", false), ("na\"me", "text", true)]);
        let begun = Plan::new(&relation, &configured(json!({})), None).unwrap();
        assert_eq!(
            begun.copy(),
            r#"COPY (SELECT t."id", t."na""me", t."id"::text FROM ONLY "shop"."items" AS t ORDER BY t."id") TO STDOUT (FORMAT binary)"#
        );
        assert!(!begun.goes_on() && begun.has_unique_positions() && begun.question().is_none());
        assert_eq!(begun.position(&values(&["41"]), 1), key(&["41"]));
        assert_eq!(begun.end(None, 0), Position::FullRefreshComplete);

        let resumed = Plan::new(&relation, &configured(json!({})), key(&["4'1"])).unwrap();
        assert!(resumed.copy().contains(r#"AS t WHERE (t."id") > ('4''1'::bigint) ORDER BY"#), "{}", resumed.copy());
        for other in [Some(Position::FullRefreshComplete), cursor("id", Some("4"), None, 0), key(&["1", "2"])] {
            assert!(!Plan::new(&relation, &configured(json!({})), other).unwrap().goes_on());
        }
    }

    #[test]
    fn a_full_refresh_without_a_key_goes_by_place_while_the_table_is_the_same() {
        let relation = table(&[("name", "text", true)]);
        let saved = || Some(Position::Ctid { ctid: "(1,2)".to_owned(), relation_filenode: 7 });
        let mut plan = Plan::new(&relation, &configured(json!({})), saved()).unwrap();
        assert!(plan.question().unwrap().contains("pg_relation_filenode(16385)"));
        plan.adjust((7, 0));
        assert!(plan.copy().contains(r#"t.ctid::text FROM ONLY "shop"."items" AS t WHERE t.ctid > '(1,2)'::tid)"#));
        assert_eq!(
            plan.position(&values(&["(3,4)"]), 1),
            Some(Position::Ctid { ctid: "(3,4)".to_owned(), relation_filenode: 7 })
        );
        let mut rewritten = Plan::new(&relation, &configured(json!({})), saved()).unwrap();
        rewritten.adjust((8, 0));
        assert!(!rewritten.goes_on() && !rewritten.copy().contains("WHERE"));
        let settings = rewritten.settings(150_000).join(";");
        assert!(settings.contains("synchronize_seqscans = off") && settings.contains("jit = off"), "{settings}");
    }

    #[test]
    fn views_are_read_whole() {
        let relation = Relation { kind: RelationKind::View, ..table(&[("name", "text", true)]) };
        let plan = Plan::new(&relation, &configured(json!({})), key(&["1"])).unwrap();
        assert_eq!(plan.copy(), r#"COPY (SELECT t."name" FROM "shop"."items" AS t) TO STDOUT (FORMAT binary)"#);
        assert_eq!((plan.position_length(), plan.question()), (0, None));
        assert!(plan.settings(90_600).is_empty());
    }

    /// The condition of an incremental read, after the server has answered how many rows there are.
    fn condition(saved: Option<Position>, answer: Option<(u64, u64)>) -> String {
        let relation = table(&[("id", "bigint", false), ("at", "text", true)]);
        let mut plan = Plan::new(&relation, &incremental("at"), saved).unwrap();
        assert_eq!(plan.question().is_some(), answer.is_some());
        if let Some(answer) = answer {
            plan.adjust(answer);
        }
        let copy = plan.copy();
        assert!(copy.contains(r#" ORDER BY t."at" NULLS LAST)"#), "{copy}");
        let behind = copy.split("AS t").nth(1).unwrap();
        behind.split(" ORDER BY").next().unwrap().trim().to_owned()
    }

    #[test]
    fn an_incremental_read_takes_what_is_new_and_what_has_become_more() {
        let saved = |count, without| cursor("at", Some("b"), count, without);
        assert_eq!(condition(None, None), "");
        assert_eq!(condition(cursor("at", None, None, 0), None), "");
        assert_eq!(condition(saved(Some(2), 1), Some((2, 1))), r#"WHERE t."at" > 'b'::text"#);
        assert_eq!(condition(saved(Some(2), 1), Some((3, 1))), r#"WHERE t."at" >= 'b'::text"#);
        assert_eq!(condition(saved(None, 0), Some((0, 0))), r#"WHERE t."at" >= 'b'::text"#);
        assert_eq!(condition(saved(Some(2), 1), Some((2, 3))), r#"WHERE (t."at" > 'b'::text OR t."at" IS NULL)"#);
        assert_eq!(condition(cursor("at", None, None, 4), Some((0, 4))), r#"WHERE t."at" IS NOT NULL"#);
        // Of another cursor, nothing is gone on from.
        assert_eq!(condition(cursor("id", Some("7"), Some(1), 0), None), "");
    }

    #[test]
    fn the_state_of_an_incremental_read_says_how_many_there_were() {
        let relation = table(&[("id", "bigint", false), ("at", "text", true)]);
        let mut plan = Plan::new(&relation, &incremental("at"), cursor("at", Some("b"), Some(2), 1)).unwrap();
        plan.adjust((2, 1));
        assert_eq!(plan.beginning(), Some((values(&["b"]), 2)));
        assert_eq!(Some(plan.end(Some((&values(&["b"]), 2)), 0)), cursor("at", Some("b"), Some(2), 1));
        assert_eq!(plan.position(&values(&["c"]), 3), cursor("at", Some("c"), Some(3), 1));
        // More have come with both: what has not been read again yet is not counted.
        plan.adjust((3, 2));
        assert_eq!(plan.beginning(), Some((values(&["b"]), 0)));
        assert_eq!(plan.position(&values(&["c"]), 3), cursor("at", Some("c"), Some(3), 0));
        assert_eq!(Some(plan.end(Some((&values(&["c"]), 3)), 2)), cursor("at", Some("c"), Some(3), 2));
        assert_eq!(
            Some(Plan::new(&relation, &incremental("at"), None).unwrap().end(None, 0)),
            cursor("at", None, None, 0)
        );
    }

    #[test]
    fn only_the_server_can_count_where_texts_differ_and_values_do_not() {
        let relation = table(&[("price", "numeric", false), ("name", "text", false)]);
        let plan = Plan::new(&relation, &incremental("price"), None).unwrap();
        assert_eq!(
            plan.count_of(&values(&["1.0"])).unwrap(),
            r#"SELECT count(*) FROM "shop"."items" AS t WHERE t."price" = '1.0'::numeric"#
        );
        // On the way nobody knows; at the end the server has said it.
        assert_eq!(plan.position(&values(&["1.0"]), 1), cursor("price", Some("1.0"), None, 0));
        assert_eq!(Some(plan.end(Some((&values(&["1.0"]), 2)), 0)), cursor("price", Some("1.0"), Some(2), 0));
        assert_eq!(Plan::new(&relation, &incremental("name"), None).unwrap().count_of(&values(&["a"])), None);
    }

    #[test]
    fn the_operators_of_a_type_are_where_the_type_is() {
        let mut relation = table(&[("id", "bigint", false), ("name", "text", false)]);
        relation.columns[1].type_schema = "ext".to_owned();
        let settings = |cursor| Plan::new(&relation, &incremental(cursor), None).unwrap().settings(150_000).join(";");
        assert!(settings("name").contains(r#"'"ext"'"#), "{}", settings("name"));
        assert!(!settings("id").contains("search_path"));
    }

    #[test]
    fn columns_are_those_of_the_catalog_that_are_there() {
        let relation = table(&[("id", "bigint", false), ("a", "text", true), ("b", "text", true)]);
        let named = |names: Value| {
            configured(json!({"stream": {"name": "items", "namespace": "shop", "json_schema": {"properties": names}}}))
        };
        let some = named(json!({"b": {}, "gone": {}}));
        let plan = Plan::new(&relation, &some, None).unwrap();
        // The key is asked for all the same.
        assert!(plan.copy().contains(r#"SELECT t."b", t."id"::text FROM"#), "{}", plan.copy());
        let failure = Plan::new(&relation, &named(json!({"gone": {}})), None).unwrap_err();
        assert!(failure.message.contains("refresh the schema"), "{failure}");
    }

    #[test]
    fn a_cursor_that_can_be_none_is_named() {
        let relation = table(&[("id", "bigint", false), ("document", "json", true)]);
        let incremental = |cursor: Value| configured(json!({"sync_mode": "incremental", "cursor_field": cursor}));
        for (cursor, words) in [
            (json!(["gone"]), ["gone", "refresh the schema"]),
            (json!(["document"]), ["document", "another cursor"]),
            (json!([]), ["no cursor", "choose a column"]),
            (json!(["document", "at"]), ["within one", "choose a column"]),
        ] {
            let failure = Plan::new(&relation, &incremental(cursor), None).unwrap_err();
            assert_eq!(failure.kind, FailureKind::ConfigError);
            assert!(words.iter().all(|word| failure.message.contains(word)), "{failure}");
        }
        let overwrites = json!({"sync_mode": "incremental", "destination_sync_mode": "overwrite"});
        let plan = Plan::new(&relation, &configured(overwrites), None).unwrap();
        assert_eq!(plan.end(None, 0), Position::FullRefreshComplete);
    }
}
