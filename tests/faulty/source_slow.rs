//! A source that waits between its records: each leaves at once.

use std::fs;

use serde_json::json;

use super::live::Live;
use super::{Guest, numbers};

#[test]
fn a_record_leaves_while_the_source_waits() {
    let guest = Guest::new("source-slow");
    let mut live = Live::start(guest.read(&json!({}), &["one"]));
    for number in 1..=3 {
        // For as long as it takes: the source goes on only after this record has been seen here.
        let message = live.wait_for(|message| message["type"] == "RECORD");
        assert_eq!(message["record"]["data"]["n"], number);
        fs::write(guest.airbyte().join(format!("next-{}", number + 1)), "").unwrap();
    }
    let finished = live.finish().exits(0);
    assert_eq!(numbers(&finished.records("one")), [1, 2, 3]);
    assert_eq!(finished.statuses("one"), ["STARTED", "RUNNING", "COMPLETE"]);
}
