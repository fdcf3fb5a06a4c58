//! CSV: `rows` finds rows and fields, `header` names the columns, `records` makes JSON of them.

mod header;
mod records;
mod rows;

pub use header::{Columns, Header};
pub use records::{CsvRecords, Nulls, value_kind};
pub use rows::{Dialect, Rows};
