//! Memory does not grow with a table. `AIRLOCK_MANY_ROWS` says how many rows the larger table has: 10,000,000 for a long look.

use super::Source;
use crate::harness::postgres::{Database, Server};
use crate::harness::process::peak_memory;

/// In kB: what a read may take, however long it is.
const MOST_MEMORY: u64 = 48 * 1024;
/// In kB: how much more a long one may take than a short one.
const MORE_MEMORY: u64 = 8 * 1024;

#[track_caller]
fn peak(database: &Database, table: &str, rows: i64) -> u64 {
    let source = Source::of(database);
    // This compiles the component, too, which takes more memory than any read.
    let catalog = super::catalog([super::configured(source.stream(table), None)]);
    let mut peak = 0;
    let watched = source.start(&catalog, None).watch(|reading, records, _| {
        // More is left than a pipe holds: it can not have ended before it was looked at.
        if records as i64 == rows - 4000 {
            peak = peak_memory(reading.id());
        }
    });
    assert!(watched.status.success(), "{:?}", watched.errors);
    assert_eq!(watched.ids.len() as i64, rows);
    assert!(peak < MOST_MEMORY, "{table}: {peak} kB");
    peak
}

#[test]
fn a_long_read_takes_no_more_memory_than_a_short_one() {
    let many: i64 = std::env::var("AIRLOCK_MANY_ROWS").map_or(300_000, |rows| rows.parse().unwrap());
    let database = Server::shared().database();
    for (table, rows, key) in [("short", 50_000, ""), ("by_key", many, "PRIMARY KEY"), ("by_place", many, "")] {
        database.sql(&format!(
            "CREATE UNLOGGED TABLE {table} (id bigint {key}, at timestamptz, amount numeric, note text);
             INSERT INTO {table} SELECT g, now(), g / 7.0, 'a note of some length ' || g FROM generate_series(1, {rows}) g; ANALYZE {table}"
        ));
    }
    let short = peak(&database, "short", 50_000);
    for table in ["by_key", "by_place"] {
        let long = peak(&database, table, many);
        println!("{table}: {short} kB for 50,000 rows, {long} kB for {many}");
        assert!(long < short + MORE_MEMORY, "{table}: {short} kB, {long} kB");
    }
}
