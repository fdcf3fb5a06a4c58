//! Asks PostgreSQL's own tables which relations there are, what of them the user may read, and by which keys: four queries,
//! however many relations there are. Knows no stream.

use std::collections::HashMap;
use std::str::FromStr;

use airlock_postgres::{Connection, Row, quote_literal};
use airlock_sdk::{Result, StreamName, system_error};

use crate::column_type::{ColumnType, TypeCatalogue};
use crate::relation::{Column, Relation, RelationKind};

/// Which relations are asked for.
#[derive(Clone, Copy, Debug)]
pub enum Which<'a> {
    /// All, but for those of PostgreSQL and of Airbyte themselves.
    All,
    /// Those of these schemas.
    InSchemas(&'a [String]),
    /// These.
    Named(&'a [StreamName]),
}

/// Views of extensions that are often to be found among the user's own, and tell of the server.
const NOT_THE_USERS: &str = "'pg_stat_statements', 'pg_stat_statements_info', 'pg_buffercache'";

impl<'a> Which<'a> {
    /// Those of these schemas; of none, all.
    pub fn of(schemas: &'a [String]) -> Which<'a> {
        if schemas.is_empty() { Which::All } else { Which::InSchemas(schemas) }
    }

    /// The condition for `pg_class` as `c` and `pg_namespace` as `n`.
    fn condition(&self) -> String {
        match self {
            Which::All => format!(
                "n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_internal', 'catalog_history', \
                 'airbyte_internal') AND n.nspname !~ '^pg_(toast|temp)' AND c.relname NOT IN ({NOT_THE_USERS})"
            ),
            Which::InSchemas(schemas) => format!(
                "n.nspname IN ({}) AND c.relname NOT IN ({NOT_THE_USERS})",
                literals(schemas.iter().map(String::as_str))
            ),
            Which::Named([]) => "false".to_owned(),
            Which::Named(streams) => {
                let names: Vec<String> = streams
                    .iter()
                    .map(|stream| {
                        let schema = stream.namespace.as_deref().unwrap_or_default();
                        format!("({}, {})", quote_literal(schema), quote_literal(&stream.name))
                    })
                    .collect();
                // Not a list of rows, of which the server takes only some thousand.
                format!("(n.nspname, c.relname) IN (VALUES {})", names.join(", "))
            }
        }
    }

    /// The relations that the user may read something of, as `c` in the schema `n`.
    fn relations(&self) -> String {
        format!(
            "FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
             WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition AND {} \
             AND pg_catalog.has_schema_privilege(n.oid, 'USAGE') \
             AND pg_catalog.has_any_column_privilege(c.oid, 'SELECT')",
            self.condition()
        )
    }
}

/// Texts in a list of SQL.
fn literals<'a>(texts: impl Iterator<Item = &'a str>) -> String {
    texts.map(quote_literal).collect::<Vec<_>>().join(", ")
}

/// Which of these schemas there are, and whether the user may look for something in each.
pub fn schemas(connection: &mut Connection, names: &[String]) -> Result<HashMap<String, bool>> {
    if names.is_empty() {
        return Ok(HashMap::new());
    }
    let rows = connection.query(&format!(
        "SELECT nspname, pg_catalog.has_schema_privilege(oid, 'USAGE') FROM pg_catalog.pg_namespace WHERE nspname IN ({})",
        literals(names.iter().map(String::as_str))
    ))?;
    rows.iter().map(|row| Ok((text(row, 0)?.to_owned(), text(row, 1)? == "t"))).collect()
}

/// Whether there is anything that the user may read.
pub fn has_any(connection: &mut Connection, which: Which<'_>) -> Result<bool> {
    let rows = connection.query(&format!("SELECT EXISTS (SELECT {})", which.relations()))?;
    Ok(rows.value() == Some("t"))
}

/// The relations that the user may read, ordered by schema and name.
pub fn relations(connection: &mut Connection, which: Which<'_>) -> Result<Vec<Relation>> {
    let types = connection.query(TypeCatalogue::QUERY)?;
    let types =
        TypeCatalogue::from_rows(types.iter().map(|row| (0..row.len()).map(|column| row.get(column)).collect()))
            .map_err(|why| not_understood(&why))?;

    let relations = which.relations();
    // From PostgreSQL 12 on, 2 is the method by which tables are stored that have no other.
    let found = connection.query(&format!(
        "SELECT c.oid, n.nspname, c.relname, c.relkind, c.relam IN (0, 2), \
         EXISTS (SELECT FROM pg_catalog.pg_inherits WHERE inhparent = c.oid), \
         pg_catalog.has_table_privilege(c.oid, 'SELECT') {relations} ORDER BY n.nspname, c.relname"
    ))?;
    let mut columns = columns(connection, &relations, &types)?;
    let mut keys = keys(connection, &relations)?;
    let mut list = Vec::with_capacity(found.len());
    for row in found.iter() {
        let oid = number(row, 0)?;
        let kind = kind(text(row, 3)?)?;
        let mut relation = Relation {
            oid,
            schema: text(row, 1)?.to_owned(),
            name: text(row, 2)?.to_owned(),
            kind,
            is_heap: text(row, 4)? == "t",
            has_children: text(row, 5)? == "t" && kind != RelationKind::PartitionedTable,
            is_readable_whole: row.get(6) == Some("t"),
            columns: columns.remove(&oid).unwrap_or_default(),
            primary_key: Vec::new(),
            unique_key: Vec::new(),
        };
        // It may have been removed between two of the queries.
        if relation.columns.is_empty() {
            continue;
        }
        // A key counts in its own table only, and not among the rows of those that inherit from it.
        if !relation.has_children {
            for key in keys.remove(&oid).unwrap_or_default() {
                key.apply(&mut relation);
            }
        }
        list.push(relation);
    }
    Ok(list)
}

fn columns(connection: &mut Connection, relations: &str, types: &TypeCatalogue) -> Result<HashMap<u32, Vec<Column>>> {
    // Types that are equal exactly if their texts are: boolean, whole numbers, dates and times, uuid, and texts unless their
    // collation is one of its own (100, 950 and 951 are the database's, C and POSIX).
    // A domain is compared as what it is based on, which may be another domain's: what is below is looked up once for each.
    let rows = connection.query(&format!(
        "WITH RECURSIVE below AS (\
         SELECT t.oid AS domain, t.typbasetype AS base FROM pg_catalog.pg_type t WHERE t.typbasetype <> 0 \
         UNION SELECT below.domain, t.typbasetype FROM below JOIN pg_catalog.pg_type t ON t.oid = below.base \
         WHERE t.typbasetype <> 0) \
         SELECT a.attrelid, a.attname, a.atttypid, a.atttypmod, pg_catalog.format_type(b.oid, -1), tn.nspname, \
         NOT a.attnotnull, b.oid IN (16, 17, 20, 21, 23, 26, 1082, 1083, 1114, 1184, 2950) \
         OR b.oid IN (19, 25, 1043) AND a.attcollation IN (100, 950, 951), b.oid <> a.atttypid, \
         pg_catalog.has_schema_privilege(tn.oid, 'USAGE') \
         FROM pg_catalog.pg_attribute a LEFT JOIN (\
         SELECT below.domain, below.base FROM below JOIN pg_catalog.pg_type t ON t.oid = below.base \
         WHERE t.typbasetype = 0) d ON d.domain = a.atttypid \
         JOIN pg_catalog.pg_type b ON b.oid = COALESCE(d.base, a.atttypid) \
         JOIN pg_catalog.pg_namespace tn ON tn.oid = b.typnamespace \
         WHERE a.attrelid IN (SELECT c.oid {relations}) AND a.attnum > 0 AND NOT a.attisdropped \
         AND pg_catalog.has_column_privilege(a.attrelid, a.attnum, 'SELECT') \
         ORDER BY a.attrelid, a.attnum"
    ))?;
    let mut columns: HashMap<u32, Vec<Column>> = HashMap::new();
    for row in rows.iter() {
        let modifier = text(row, 3)?.parse().unwrap_or(-1);
        columns.entry(number(row, 0)?).or_default().push(Column {
            name: text(row, 1)?.to_owned(),
            column_type: ColumnType::resolve(number(row, 2)?, modifier, types),
            sql_type: text(row, 4)?.to_owned(),
            type_schema: text(row, 5)?.to_owned(),
            is_nullable: text(row, 6)? == "t",
            is_equal_by_text: text(row, 7)? == "t",
            is_domain: text(row, 8)? == "t",
            can_name_type: text(row, 9)? == "t",
        });
    }
    Ok(columns)
}

/// A unique index.
struct Key {
    is_primary: bool,
    columns: Vec<String>,
}

impl Key {
    /// Takes it for the relation's, if it is better than what there is: the primary key comes first, then those of few columns.
    fn apply(self, relation: &mut Relation) {
        let columns: Vec<&Column> = self.columns.iter().filter_map(|name| relation.column(name)).collect();
        if columns.len() != self.columns.len() {
            return;
        }
        // Or else a key can be read, and not be gone on from.
        let can_be_compared = columns.iter().all(|column| column.can_name_type);
        let is_complete = columns.iter().all(|column| !column.is_nullable);
        if self.is_primary {
            relation.primary_key.clone_from(&self.columns);
        }
        if can_be_compared && (self.is_primary || relation.unique_key.is_empty() && is_complete) {
            relation.unique_key = self.columns;
        }
    }
}

/// The keys of each relation, the best first.
fn keys(connection: &mut Connection, relations: &str) -> Result<HashMap<u32, Vec<Key>>> {
    // Columns that an index only carries along came with PostgreSQL 11.
    let key_columns = if connection.server_version() >= 110_000 { "i.indnkeyatts" } else { "i.indnatts" };
    // An index helps if it compares as the columns do: with their collation, and as their type does by itself.
    let rows = connection.query(&format!(
        "SELECT i.indrelid, i.indexrelid, i.indisprimary, a.attname \
         FROM pg_catalog.pg_index i \
         JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid \
         JOIN pg_catalog.pg_am m ON m.oid = x.relam AND m.amname = 'btree' \
         CROSS JOIN LATERAL pg_catalog.generate_series(0, {key_columns} - 1) AS place \
         JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[place] \
         WHERE i.indrelid IN (SELECT c.oid {relations}) \
         AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL \
         AND (i.indisprimary OR NOT EXISTS (SELECT FROM pg_catalog.generate_series(0, {key_columns} - 1) AS other \
              JOIN pg_catalog.pg_opclass o ON o.oid = i.indclass[other] \
              JOIN pg_catalog.pg_attribute b ON b.attrelid = i.indrelid AND b.attnum = i.indkey[other] \
              WHERE NOT o.opcdefault OR i.indcollation[other] <> b.attcollation)) \
         ORDER BY i.indrelid, i.indisprimary DESC, {key_columns}, x.relname, i.indexrelid, place"
    ))?;
    let mut keys: HashMap<u32, Vec<Key>> = HashMap::new();
    let mut index_before = None;
    for row in rows.iter() {
        let index = text(row, 1)?;
        let keys = keys.entry(number(row, 0)?).or_default();
        if index_before != Some(index) {
            keys.push(Key { is_primary: text(row, 2)? == "t", columns: Vec::new() });
            index_before = Some(index);
        }
        if let Some(key) = keys.last_mut() {
            key.columns.push(text(row, 3)?.to_owned());
        }
    }
    Ok(keys)
}

fn kind(relkind: &str) -> Result<RelationKind> {
    Ok(match relkind {
        "r" => RelationKind::Table,
        "p" => RelationKind::PartitionedTable,
        "v" => RelationKind::View,
        "m" => RelationKind::MaterializedView,
        "f" => RelationKind::ForeignTable,
        _ => return Err(not_understood("a kind of relation that was not asked for")),
    })
}

fn text(row: &Row, column: usize) -> Result<&str> {
    row.get(column).ok_or_else(|| not_understood("a NULL where there should be none"))
}

fn number<N: FromStr>(row: &Row, column: usize) -> Result<N> {
    text(row, column)?.parse().map_err(|_| not_understood("a number that is none"))
}

fn not_understood(what: &str) -> airlock_sdk::Failure {
    system_error(
        "The server's own tables could not be understood: this is a defect of the connector, or the server is no PostgreSQL.",
    )
    .with_internal(what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_names() {
        let schemas = ["public".to_owned(), "it's".to_owned()];
        assert!(Which::of(&schemas).condition().starts_with("n.nspname IN ('public', 'it''s') AND "));
        assert!(Which::of(&[]).condition().contains("'information_schema'"));
        let streams = [StreamName::in_namespace("public", "us'ers"), StreamName::new("orders")];
        assert_eq!(
            Which::Named(&streams).condition(),
            "(n.nspname, c.relname) IN (VALUES ('public', 'us''ers'), ('', 'orders'))"
        );
        assert_eq!(Which::Named(&[]).condition(), "false");
    }
}
