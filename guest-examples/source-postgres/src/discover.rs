//! `discover`: each relation as a stream.

use airlock_postgres::Connection;
use airlock_sdk::{Catalog, Result, Stream, SyncMode};
use serde_json::{Map, json};

use crate::config::Database;
use crate::relation::{Column, Order, Relation};
use crate::system_catalog::{self, Which};

/// Lists what there is to read.
pub fn discover(database: &Database) -> Result<Catalog> {
    let mut connection = Connection::connect(&database.connect)?;
    let relations = system_catalog::relations(&mut connection, Which::of(&database.schemas))?;
    Ok(Catalog::new(relations.iter().map(stream)))
}

fn stream(relation: &Relation) -> Stream {
    let properties: Map<_, _> =
        relation.columns.iter().map(|column| (column.name.clone(), column.column_type.json_schema())).collect();
    let schema = json!({"type": "object", "properties": properties});
    let mut stream = Stream::with_schema(relation.stream_name(), schema)
        .primary_key(relation.primary_key.iter().map(String::as_str));
    if relation.columns.iter().any(Column::can_be_cursor) {
        // Which column it is, the user says.
        stream.supported_sync_modes.push(SyncMode::Incremental);
    }
    stream.is_resumable = Some(relation.order() != Order::None);
    stream
}
