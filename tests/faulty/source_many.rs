//! A hundred streams that take turns: each has its records, its states and its statuses.

use super::Guest;

#[test]
fn placeholder() {
    let _ = Guest::new("source-many");
}
