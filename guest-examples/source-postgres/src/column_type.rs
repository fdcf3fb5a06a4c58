//! What a column is to Airbyte, and how its values are asked of the server: from PostgreSQL's own table of types.
//!
//! A type is known by the function that sends it, for that is what decides which bytes come: so domains, enums and whatever an
//! extension builds on another type need no rule of their own. What is not known is asked for as text.

use std::collections::HashMap;

use serde_json::{Value, json};

use crate::values::BinaryForm;

/// What is known of the database's types.
#[derive(Clone, Debug, Default)]
pub struct TypeCatalogue {
    types: HashMap<u32, PostgresType>,
}

#[derive(Clone, Debug)]
struct PostgresType {
    /// The function that sends its values in binary; none for a few.
    send_function: Option<String>,
    /// For an array: what its elements are. 0 for all others.
    element: u32,
    /// For a domain: what it restricts. 0 for all others.
    base: u32,
    /// For a domain: the modifier that it gives its base, or -1.
    base_modifier: i32,
}

impl TypeCatalogue {
    /// Gives the rows for [`from_rows`](Self::from_rows). Row types are left out: there is one for each table.
    pub const QUERY: &'static str = "SELECT t.oid, p.proname, \
        CASE WHEN p.proname = 'array_send' THEN t.typelem ELSE 0 END, t.typbasetype, t.typtypmod \
        FROM pg_catalog.pg_type t LEFT JOIN pg_catalog.pg_proc p ON p.oid = t.typsend \
        WHERE t.typtype <> 'c' AND t.typisdefined";

    /// Takes what the query gave, as text.
    pub fn from_rows<'a>(rows: impl Iterator<Item = Vec<Option<&'a str>>>) -> Result<Self, String> {
        let types = rows.map(|row| {
            let [Some(oid), send_function, Some(element), Some(base), Some(base_modifier)] = *row.as_slice() else {
                return Err("a row of the server's types has not the columns that were asked for".to_owned());
            };
            let known = PostgresType {
                send_function: send_function.map(str::to_owned),
                element: number(element)?,
                base: number(base)?,
                base_modifier: number(base_modifier)?,
            };
            Ok((number(oid)?, known))
        });
        Ok(TypeCatalogue { types: types.collect::<Result<_, _>>()? })
    }
}

fn number<N: std::str::FromStr>(text: &str) -> Result<N, String> {
    text.parse().map_err(|_| "a number of the server's types is none".to_owned())
}

/// What there is to know of a column's type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnType {
    form: BinaryForm,
    /// The type that the server is to make of it, if its own is not understood.
    cast: Option<&'static str>,
    /// Whether a numeric has whole numbers only.
    is_whole: bool,
    can_be_cursor: bool,
}

/// Deeper no type is built of others: only a broken table of types goes around in circles.
const MOST_DEPTH: u32 = 32;

impl ColumnType {
    /// The type of a column, by `pg_attribute`'s `atttypid` and `atttypmod`. What is not known is read as text.
    pub fn resolve(type_oid: u32, modifier: i32, types: &TypeCatalogue) -> ColumnType {
        Self::resolve_at(type_oid, modifier, types, 0)
    }

    fn resolve_at(type_oid: u32, modifier: i32, types: &TypeCatalogue, depth: u32) -> ColumnType {
        let Some(known) = types.types.get(&type_oid).filter(|_| depth < MOST_DEPTH) else {
            return Self::cast_to_text(false);
        };
        if known.base != 0 {
            return Self::resolve_at(known.base, known.base_modifier, types, depth + 1);
        }
        if known.element != 0 {
            return Self::resolve_at(known.element, modifier, types, depth + 1).array();
        }
        Self::of_send_function(known.send_function.as_deref().unwrap_or_default(), modifier)
    }

    fn of_send_function(name: &str, modifier: i32) -> ColumnType {
        match name {
            "boolsend" => Self::plain(BinaryForm::Boolean, false),
            "int2send" => Self::plain(BinaryForm::Int2, true),
            "int4send" => Self::plain(BinaryForm::Int4, true),
            "int8send" => Self::plain(BinaryForm::Int8, true),
            "oidsend" => Self::plain(BinaryForm::Oid, true),
            "float4send" => Self::plain(BinaryForm::Float4, true),
            "float8send" => Self::plain(BinaryForm::Float8, true),
            "numeric_send" => {
                ColumnType { is_whole: is_whole_numeric(modifier), ..Self::plain(BinaryForm::Numeric, true) }
            }
            "textsend" | "varcharsend" | "bpcharsend" | "namesend" | "citextsend" | "enum_send" => {
                Self::plain(BinaryForm::Text, true)
            }
            "json_send" | "xml_send" => Self::plain(BinaryForm::Text, false),
            "jsonb_send" => Self::plain(BinaryForm::Jsonb, false),
            "hstore_send" => Self::plain(BinaryForm::Hstore, false),
            "byteasend" => Self::plain(BinaryForm::Bytea, true),
            "uuid_send" => Self::plain(BinaryForm::Uuid, true),
            "date_send" => Self::plain(BinaryForm::Date, true),
            "time_send" => Self::plain(BinaryForm::Time, true),
            "timetz_send" => Self::plain(BinaryForm::TimeTz, true),
            "timestamp_send" => Self::plain(BinaryForm::Timestamp, true),
            "timestamptz_send" => Self::plain(BinaryForm::TimestampTz, true),
            // How money is written depends on the server's language, and so it can not be a cursor either.
            "cash_send" => ColumnType { cast: Some("numeric"), ..Self::plain(BinaryForm::Numeric, false) },
            // A cast to text adds the length of the network where there is none. One to name does not.
            "inet_send" => ColumnType { cast: Some("name"), ..Self::plain(BinaryForm::Text, true) },
            "interval_send" | "cidr_send" | "macaddr_send" | "macaddr8_send" | "pg_lsn_send" | "xid8send"
            | "bit_send" | "varbit_send" => Self::cast_to_text(true),
            _ => Self::cast_to_text(false),
        }
    }

    fn plain(form: BinaryForm, can_be_cursor: bool) -> ColumnType {
        ColumnType { form, cast: None, is_whole: false, can_be_cursor }
    }

    fn cast_to_text(can_be_cursor: bool) -> ColumnType {
        ColumnType { cast: Some("text"), ..Self::plain(BinaryForm::Text, can_be_cursor) }
    }

    /// An array of these.
    fn array(self) -> ColumnType {
        let array = ColumnType { form: BinaryForm::Array(Box::new(self.form)), can_be_cursor: false, ..self };
        match (array.cast, &array.form) {
            // An array of domains over arrays of what must be cast: no cast reaches through both.
            (Some(_), BinaryForm::Array(inner)) if matches!(**inner, BinaryForm::Array(_)) => ColumnType {
                form: BinaryForm::Array(Box::new(BinaryForm::Text)),
                cast: Some("text"),
                is_whole: false,
                can_be_cursor: false,
            },
            _ => array,
        }
    }

    /// The JSON Schema of its values, as Airbyte's sources of databases have it: each may be null besides.
    pub fn json_schema(&self) -> Value {
        self.schema_of(&self.form)
    }

    fn schema_of(&self, form: &BinaryForm) -> Value {
        let with_type = |format: &str, airbyte_type: &str| json!({"type": "string", "format": format, "airbyte_type": airbyte_type});
        match form {
            BinaryForm::Boolean => json!({"type": "boolean"}),
            BinaryForm::Int2 | BinaryForm::Int4 | BinaryForm::Int8 | BinaryForm::Oid => whole_number(),
            BinaryForm::Numeric if self.is_whole => whole_number(),
            BinaryForm::Float4 | BinaryForm::Float8 | BinaryForm::Numeric => json!({"type": "number"}),
            BinaryForm::Text | BinaryForm::Jsonb | BinaryForm::Hstore | BinaryForm::Bytea | BinaryForm::Uuid => {
                json!({"type": "string"})
            }
            BinaryForm::Date => json!({"type": "string", "format": "date"}),
            BinaryForm::Time => with_type("time", "time_without_timezone"),
            BinaryForm::TimeTz => with_type("time", "time_with_timezone"),
            BinaryForm::Timestamp => with_type("date-time", "timestamp_without_timezone"),
            BinaryForm::TimestampTz => with_type("date-time", "timestamp_with_timezone"),
            BinaryForm::Array(element) => json!({"type": "array", "items": self.schema_of(element)}),
        }
    }

    /// How the column stands in the list of a `SELECT`, so that its bytes have its [`binary_form`](Self::binary_form).
    /// The name is given in quotes.
    pub fn select_expression(&self, quoted_column: &str) -> String {
        match (self.cast, &self.form) {
            (None, _) => quoted_column.to_owned(),
            (Some(cast), BinaryForm::Array(_)) => format!("{quoted_column}::pg_catalog.{cast}[]"),
            (Some(cast), _) => format!("{quoted_column}::pg_catalog.{cast}"),
        }
    }

    /// Whether values have an order that tells new rows from old ones, and a text that stands for the same value tomorrow.
    pub fn can_be_cursor(&self) -> bool {
        self.can_be_cursor
    }

    /// How the bytes of its values are to be understood.
    pub fn binary_form(&self) -> &BinaryForm {
        &self.form
    }
}

fn whole_number() -> Value {
    json!({"type": "number", "airbyte_type": "integer"})
}

/// Whether a numeric is declared without digits behind its point, and with few enough before it for a destination's integers:
/// 38 are what most databases have at most.
fn is_whole_numeric(modifier: i32) -> bool {
    // Four is the size of a header that is no longer there. The scale has eleven bits with a sign since PostgreSQL 15.
    let Some(declared) = modifier.checked_sub(4).filter(|declared| *declared >= 0) else {
        return false;
    };
    let precision = (declared >> 16) & 0xFFFF;
    let scale = ((declared & 0x7FF) ^ 1024) - 1024;
    scale <= 0 && precision - scale <= 38
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Types as the server has them, and some that a user might have made.
    fn types() -> TypeCatalogue {
        const ROWS: [&str; 30] = [
            "16 boolsend 0 0 -1",
            "20 int8send 0 0 -1",
            "23 int4send 0 0 -1",
            "26 oidsend 0 0 -1",
            "25 textsend 0 0 -1",
            "114 json_send 0 0 -1",
            "701 float8send 0 0 -1",
            "790 cash_send 0 0 -1",
            "791 array_send 790 0 -1",
            "869 inet_send 0 0 -1",
            "1041 array_send 869 0 -1",
            "1007 array_send 23 0 -1",
            "1082 date_send 0 0 -1",
            "1114 timestamp_send 0 0 -1",
            "1184 timestamptz_send 0 0 -1",
            "1186 interval_send 0 0 -1",
            "1187 array_send 1186 0 -1",
            "1231 array_send 1700 0 -1",
            "1266 timetz_send 0 0 -1",
            "1700 numeric_send 0 0 -1",
            "3802 jsonb_send 0 0 -1",
            "1033 - 0 0 -1",
            // A domain over numeric(20,0), one over that, and arrays of it.
            "90001 numeric_send 0 1700 1310724",
            "90002 numeric_send 0 90001 -1",
            "90003 array_send 90002 0 -1",
            // A domain over integer[], and an array of it; the same with inet.
            "90011 array_send 0 1007 -1",
            "90012 array_send 90011 0 -1",
            "90021 array_send 0 1041 -1",
            "90022 array_send 90021 0 -1",
            // A domain over itself.
            "90031 int4send 0 90031 -1",
        ];
        let rows = ROWS.iter().map(|row| row.split(' ').map(|field| (field != "-").then_some(field)).collect());
        TypeCatalogue::from_rows(rows).unwrap()
    }

    fn resolve(oid: u32, modifier: i32) -> ColumnType {
        ColumnType::resolve(oid, modifier, &types())
    }

    #[test]
    fn schemas_are_airbytes() {
        let whole = || json!({"type": "number", "airbyte_type": "integer"});
        for (oid, schema) in [
            (16, json!({"type": "boolean"})),
            (20, whole()),
            (26, whole()),
            (25, json!({"type": "string"})),
            (114, json!({"type": "string"})),
            (3802, json!({"type": "string"})),
            (701, json!({"type": "number"})),
            (790, json!({"type": "number"})),
            (1700, json!({"type": "number"})),
            (869, json!({"type": "string"})),
            (1186, json!({"type": "string"})),
            (1082, json!({"type": "string", "format": "date"})),
            (1266, json!({"type": "string", "format": "time", "airbyte_type": "time_with_timezone"})),
            (1114, json!({"type": "string", "format": "date-time", "airbyte_type": "timestamp_without_timezone"})),
            (1184, json!({"type": "string", "format": "date-time", "airbyte_type": "timestamp_with_timezone"})),
            (1007, json!({"type": "array", "items": whole()})),
            (1041, json!({"type": "array", "items": {"type": "string"}})),
            (90002, whole()),
            (90003, json!({"type": "array", "items": whole()})),
            (90012, json!({"type": "array", "items": {"type": "array", "items": whole()}})),
            (4_000_000_000, json!({"type": "string"})),
        ] {
            assert_eq!(resolve(oid, -1).json_schema(), schema, "{oid}");
        }
    }

    #[test]
    fn a_numeric_without_digits_behind_its_point_is_whole() {
        let modifier = |precision: i32, scale: i32| ((precision << 16) | (scale & 0x7FF)) + 4;
        for (precision, scale, is_whole) in [
            (20, 0, true),
            (38, 0, true),
            (39, 0, false),
            (20, 2, false),
            (3, -2, true),
            (37, -2, false),
            (2, 1000, false),
        ] {
            let column = resolve(1700, modifier(precision, scale));
            assert_eq!(column.json_schema().get("airbyte_type").is_some(), is_whole, "numeric({precision},{scale})");
            let column = resolve(1231, modifier(precision, scale));
            assert_eq!(column.json_schema()["items"].get("airbyte_type").is_some(), is_whole);
        }
    }

    #[test]
    fn what_is_not_understood_is_cast() {
        for (oid, expression) in [
            (23, r#""c""#),
            (25, r#""c""#),
            (1007, r#""c""#),
            (90003, r#""c""#),
            (90012, r#""c""#),
            (790, r#""c"::pg_catalog.numeric"#),
            (791, r#""c"::pg_catalog.numeric[]"#),
            (869, r#""c"::pg_catalog.name"#),
            (1041, r#""c"::pg_catalog.name[]"#),
            (1186, r#""c"::pg_catalog.text"#),
            (1187, r#""c"::pg_catalog.text[]"#),
            (90021, r#""c"::pg_catalog.name[]"#),
            (90022, r#""c"::pg_catalog.text[]"#),
            // Without a function to send it, not in the table at all, and in a circle.
            (1033, r#""c"::pg_catalog.text"#),
            (4_000_000_000, r#""c"::pg_catalog.text"#),
            (90031, r#""c"::pg_catalog.text"#),
        ] {
            assert_eq!(resolve(oid, -1).select_expression("\"c\""), expression, "{oid}");
        }
    }

    #[test]
    fn a_cursor_has_an_order_and_a_lasting_text() {
        for oid in [20, 23, 25, 26, 701, 1082, 1114, 1184, 1186, 1700, 90002] {
            assert!(resolve(oid, -1).can_be_cursor(), "{oid}");
        }
        for oid in [16, 114, 3802, 790, 1007, 1041, 90012, 90031, 4_000_000_000] {
            assert!(!resolve(oid, -1).can_be_cursor(), "{oid}");
        }
    }

    #[test]
    fn a_table_of_types_that_is_none_is_told() {
        let of = |row: Vec<Option<&'static str>>| TypeCatalogue::from_rows(std::iter::once(row)).map(|_| ());
        assert!(of(vec![Some("23"), None, Some("0"), Some("0"), Some("-1")]).is_ok());
        assert!(of(vec![Some("23"), None, Some("0"), Some("0")]).unwrap_err().contains("columns"));
        assert!(of(vec![Some("23"), None, Some("0"), None, Some("-1")]).unwrap_err().contains("columns"));
        assert!(of(vec![Some("x"), None, Some("0"), Some("0"), Some("-1")]).unwrap_err().contains("number"));
    }
}
