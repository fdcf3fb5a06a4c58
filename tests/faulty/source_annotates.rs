//! What is said of a record beside its data.

use serde_json::{Value, json};

use super::{Guest, numbers};

#[test]
fn annotations_reach_their_records() {
    let finished = Guest::new("source-annotates").read(&json!({}), &["one"]).run().exits(0);
    let records: Vec<&Value> = finished.of_type("RECORD").into_iter().map(|message| &message["record"]).collect();
    assert_eq!(numbers(&finished.records("one")), [1, 2, 3, 4]);
    assert_eq!(records[1]["emitted_at"], 1_700_000_000_000_i64);
    let change = json!({"field": "n", "change": "NULLED", "reason": "SOURCE_FIELD_SIZE_LIMITATION"});
    assert_eq!(records[1]["meta"], json!({"changes": [change]}));
    assert_eq!(records[3]["file_reference"], json!({"file_size_bytes": 7}));
    for index in [0, 2, 3] {
        assert!(records[index].get("meta").is_none(), "{index}");
        assert!(records[index]["emitted_at"].as_i64().unwrap() > 1_700_000_000_000, "{index}: the time of the batch");
    }
    assert!(records[..3].iter().all(|record| record.get("file_reference").is_none()));
}

#[test]
fn an_annotation_of_no_record_and_annotations_out_of_order_are_refused() {
    for index in [4_u32, 7, u32::MAX, 0, 1] {
        let finished = Guest::new("source-annotates").read(&json!({"index": index}), &["one"]).run().exits(1);
        let (kind, message) = finished.error();
        assert_eq!(kind, "system_error");
        assert!(message.contains("of stream one has an annotation"), "{index}: {message}");
        assert!(finished.states().is_empty(), "{index}");
        assert_eq!(finished.statuses("one").last(), Some(&"INCOMPLETE"), "{index}");
    }
}
