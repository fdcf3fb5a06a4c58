//! What there is to read: tables, views and the like, with their columns and keys. Knows no SQL and no server.

use std::fmt;

use airlock_sdk::StreamName;

use crate::column_type::ColumnType;

/// Something that can stand after `FROM`, as far as the user may read it.
#[derive(Clone, Debug)]
pub struct Relation {
    /// Its number in the server's own tables.
    pub oid: u32,
    /// The schema that it is in.
    pub schema: String,
    /// Its name there.
    pub name: String,
    /// What it is.
    pub kind: RelationKind,
    /// Whether it is stored as PostgreSQL stores tables, by place (`ctid`).
    pub is_heap: bool,
    /// Whether other tables inherit from it, whose rows are then among its own. (Partitions are not meant.)
    pub has_children: bool,
    /// Whether the user may read all of it, and not only some columns.
    pub is_readable_whole: bool,
    /// The columns that the user may read, in their order.
    pub columns: Vec<Column>,
    /// The columns of the primary key, in the key's order; empty if there is none that the user may read.
    pub primary_key: Vec<String>,
    /// Columns without NULL that identify a row and have an index in this order: the primary key, or those of a unique index.
    /// Empty if there are none that the user may read and compare.
    pub unique_key: Vec<String>,
}

/// What a relation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RelationKind {
    /// An ordinary table.
    Table,
    /// A table in partitions, which are not relations of their own here.
    PartitionedTable,
    /// A query with a name.
    View,
    /// A query with a name whose rows are stored.
    MaterializedView,
    /// A table on another server.
    ForeignTable,
}

/// A column of a relation.
#[derive(Clone, Debug)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// What its values are to Airbyte.
    pub column_type: ColumnType,
    /// Its type in SQL, without a length, of a domain what it is based on: what a text is cast to that stands for one of its
    /// values.
    pub sql_type: String,
    /// The schema in which this type, and what compares it, is defined.
    pub type_schema: String,
    /// Whether the user may name this type: whether a text can be cast to it.
    pub can_name_type: bool,
    /// Whether its own type is a domain: what compares may not be found for it, and old rows may violate its checks.
    pub is_domain: bool,
    /// Whether it may be NULL.
    pub is_nullable: bool,
    /// Whether two of its values are equal exactly if their texts are: of numbers with a point or texts in some collations
    /// that is not so.
    pub is_equal_by_text: bool,
}

impl Column {
    /// Whether an incremental read can go along it.
    pub fn can_be_cursor(&self) -> bool {
        self.column_type.can_be_cursor() && self.can_name_type
    }
}

impl Relation {
    /// The name of the stream.
    pub fn stream_name(&self) -> StreamName {
        StreamName::in_namespace(self.schema.as_str(), self.name.as_str())
    }

    /// The column of this name.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// What gives its rows an order in which a read can go on.
    pub fn order(&self) -> Order {
        if !self.unique_key.is_empty() {
            return Order::Key;
        }
        let has_places = matches!(self.kind, RelationKind::Table | RelationKind::MaterializedView);
        if has_places && self.is_heap && !self.has_children && self.is_readable_whole {
            return Order::Place;
        }
        Order::None
    }
}

/// What gives the rows of a relation an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// A key with an index.
    Key,
    /// Where the rows lie in the table.
    Place,
    /// Nothing.
    None,
}

/// `schema.name`, for messages.
impl fmt::Display for Relation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}", self.schema, self.name)
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::column_type::TypeCatalogue;

    /// A table `shop.items` with these columns: name, type, and whether it may be NULL. `id` is its primary key, if it has one.
    pub fn table(columns: &[(&str, &str, bool)]) -> Relation {
        let types = [("bigint", 20, "int8send"), ("text", 25, "textsend"), ("numeric", 1700, "numeric_send")];
        let catalogue = types.map(|(_, oid, send)| (oid.to_string(), send));
        let rows =
            catalogue.iter().map(|(oid, send)| vec![Some(oid.as_str()), Some(send), Some("0"), Some("0"), Some("-1")]);
        let catalogue = TypeCatalogue::from_rows(rows).unwrap();
        let columns: Vec<Column> = columns
            .iter()
            .map(|(name, sql_type, is_nullable)| {
                let oid = types.iter().find(|(known, ..)| known == sql_type).map_or(114, |(_, oid, _)| *oid);
                Column {
                    name: (*name).to_owned(),
                    column_type: ColumnType::resolve(oid, -1, &catalogue),
                    sql_type: (*sql_type).to_owned(),
                    type_schema: "pg_catalog".to_owned(),
                    can_name_type: true,
                    is_domain: false,
                    is_nullable: *is_nullable,
                    is_equal_by_text: *sql_type != "numeric",
                }
            })
            .collect();
        let key: Vec<String> = columns.iter().map(|column| column.name.clone()).filter(|name| name == "id").collect();
        Relation {
            oid: 16385,
            schema: "shop".to_owned(),
            name: "items".to_owned(),
            kind: RelationKind::Table,
            is_heap: true,
            has_children: false,
            is_readable_whole: true,
            columns,
            primary_key: key.clone(),
            unique_key: key,
        }
    }

    #[test]
    fn a_read_can_go_on_by_a_key_or_by_place() {
        let with_key = table(&[("id", "bigint", false)]);
        assert_eq!(with_key.order(), Order::Key);
        let without = table(&[("name", "text", true)]);
        assert_eq!(without.order(), Order::Place);
        assert_eq!(Relation { kind: RelationKind::MaterializedView, ..without.clone() }.order(), Order::Place);
        for relation in [
            Relation { kind: RelationKind::View, ..without.clone() },
            Relation { kind: RelationKind::ForeignTable, ..without.clone() },
            Relation { kind: RelationKind::PartitionedTable, ..without.clone() },
            Relation { has_children: true, ..without.clone() },
            Relation { is_heap: false, ..without.clone() },
            Relation { is_readable_whole: false, ..without },
        ] {
            assert_eq!(relation.order(), Order::None, "{relation:?}");
        }
    }
}
