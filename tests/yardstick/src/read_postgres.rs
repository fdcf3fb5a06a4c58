//! `read` of one table of a PostgreSQL database: source-postgres's own code for types and values, with the usual client for
//! Rust in place of the sandbox and the host.

use std::io::{BufRead, Read};

use anyhow::{Context, Result, anyhow, bail, ensure};
use postgres::{Client, NoTls, SimpleQueryMessage};
use serde_json::json;

use crate::column_type::{ColumnType, TypeCatalogue};
use crate::lines::Lines;
use crate::messages::{check, milliseconds, status};
use crate::values::RecordWriter;

/// How many records one look at the clock serves.
const RECORDS_A_LOOK: u64 = 256;
/// What binary COPY begins with: a signature, and two numbers that have been zero ever since.
const HEADER: &[u8; 19] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";

struct Column {
    name: String,
    column_type: ColumnType,
}

/// Writes what the host writes for a full refresh, but the states. The connection is libpq's `host=… user=…`, the order a column.
pub fn run(connection: &str, schema: &str, table: &str, order: &str) -> Result<()> {
    let mut client = Client::connect(connection, NoTls).context("cannot connect")?;
    let types = types(&mut client)?;
    let table_name = format!("{}.{}", quoted(schema), quoted(table));
    let columns = columns(&mut client, &table_name, &types)?;
    let expressions: Vec<String> =
        columns.iter().map(|column| column.column_type.select_expression(&quoted(&column.name))).collect();
    let copy = format!(
        "COPY (SELECT {} FROM {table_name} ORDER BY {}) TO STDOUT (FORMAT binary)",
        expressions.join(", "),
        quoted(order)
    );

    let mut lines = Lines::new();
    let descriptor = json!({"name": table, "namespace": schema}).to_string();
    status(&mut lines, &descriptor, "STARTED")?;
    status(&mut lines, &descriptor, "RUNNING")?;
    let mut writer = RecordWriter::new(
        columns.iter().map(|column| (column.name.as_str(), column.column_type.binary_form().clone())),
    );
    let begin_of_line =
        format!(r#"{{"type":"RECORD","record":{{"namespace":{},"stream":{},"data":"#, json!(schema), json!(table))
            .into_bytes();
    let mut end_of_line = Vec::new();
    let mut rows = client.copy_out(&copy)?;
    let mut header = [0; HEADER.len()];
    rows.read_exact(&mut header)?;
    ensure!(&header == HEADER, "the server does not send binary COPY");
    let mut records = 0;
    loop {
        // The server sends a message a row.
        let row = rows.fill_buf()?;
        let length = row.len();
        if row == (-1_i16).to_be_bytes() {
            break;
        }
        ensure!(length > 2, "a row is cut off");
        if records % RECORDS_A_LOOK == 0 {
            end_of_line = format!(",\"emitted_at\":{}}}}}\n", milliseconds()).into_bytes();
        }
        records += 1;
        lines.text.extend_from_slice(&begin_of_line);
        let start = lines.text.len();
        writer.append(Fields { rest: &row[2..] }, &mut lines.text)?;
        check(&lines.text[start..])?;
        lines.text.extend_from_slice(&end_of_line);
        lines.write_if_full()?;
        rows.consume(length);
    }
    status(&mut lines, &descriptor, "COMPLETE")?;
    lines.write()?;
    Ok(())
}

/// The fields of a row. What is cut off ends them, and then there are too few.
struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Fields<'a> {
    type Item = Option<&'a [u8]>;

    fn next(&mut self) -> Option<Self::Item> {
        let (length, rest) = self.rest.split_first_chunk::<4>()?;
        let Ok(length) = usize::try_from(i32::from_be_bytes(*length)) else {
            self.rest = rest;
            return Some(None);
        };
        let (field, rest) = rest.split_at_checked(length)?;
        self.rest = rest;
        Some(Some(field))
    }
}

fn types(client: &mut Client) -> Result<TypeCatalogue> {
    let messages = client.simple_query(TypeCatalogue::QUERY)?;
    let rows = messages.iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some((0..row.len()).map(|index| row.get(index)).collect()),
        _ => None,
    });
    TypeCatalogue::from_rows(rows).map_err(|error| anyhow!(error))
}

fn columns(client: &mut Client, table_name: &str, types: &TypeCatalogue) -> Result<Vec<Column>> {
    let query = format!(
        "SELECT attname, atttypid, atttypmod FROM pg_catalog.pg_attribute \
         WHERE attrelid = '{}'::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
        table_name.replace('\'', "''")
    );
    let mut columns = Vec::new();
    for message in client.simple_query(&query)? {
        let SimpleQueryMessage::Row(row) = message else {
            continue;
        };
        let (Some(name), Some(oid), Some(modifier)) = (row.get(0), row.get(1), row.get(2)) else {
            bail!("the server does not say which columns there are");
        };
        let column_type = ColumnType::resolve(oid.parse()?, modifier.parse()?, types);
        columns.push(Column { name: name.to_owned(), column_type });
    }
    Ok(columns)
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
