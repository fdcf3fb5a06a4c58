//! The tables of docs/declarative.md: the tests write them, and hold them against what they see. `AIRLOCK_RECORD=1` writes
//! them anew.

use std::fs;

use super::case::is_recording;
use crate::harness::documents::{read, root};

const DOCUMENT: &str = "docs/declarative.md";

/// Whether a table of the document has this row.
pub fn has(name: &str, row: &str) -> bool {
    let document = read(DOCUMENT);
    let table = document.split_once(&format!("<!-- {name}: begin -->\n"));
    let table = table.and_then(|(_, rest)| rest.split_once(&format!("<!-- {name}: end -->\n")));
    table.is_some_and(|(table, _)| table.lines().any(|line| line == row))
}

/// A table of the document is this one, or becomes it.
#[track_caller]
pub fn holds(name: &str, head: &str, rows: &[String]) {
    let columns = head.matches('|').count() - 1;
    let table = format!("{head}\n|{}\n{}\n", " --- |".repeat(columns), rows.join("\n"));
    let document = read(DOCUMENT);
    let [begin, end] = ["begin", "end"].map(|word| format!("<!-- {name}: {word} -->\n"));
    let (before, rest) = document.split_once(&begin).unwrap_or_else(|| panic!("{DOCUMENT} has no {begin}"));
    let (was, after) = rest.split_once(&end).unwrap_or_else(|| panic!("{DOCUMENT} has no {end}"));
    if is_recording() {
        fs::write(root().join(DOCUMENT), format!("{before}{begin}{table}{end}{after}")).expect("it is ours");
        return;
    }
    let only = |one: &str, other: &str| -> String {
        one.lines().filter(|line| !other.lines().any(|known| known == *line)).map(|line| format!("{line}\n")).collect()
    };
    let (gone, new) = (only(was, &table), only(&table, was));
    assert!(was == table, "{DOCUMENT} says\n{gone}and the tests see\n{new}AIRLOCK_RECORD=1 writes it anew");
}
