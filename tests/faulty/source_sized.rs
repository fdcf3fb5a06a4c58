//! Ready records: as many as were asked for, of the length that was asked for, and all the same.

use serde_json::json;

use super::Guest;

#[test]
fn records_are_as_many_and_as_long_as_asked_for() {
    for (length, count) in [(50, 10_000), (600, 1000), (10_000, 500), (1_000_000, 2)] {
        let config = json!({"record_bytes": length, "records": count});
        let finished = Guest::new("source-sized").into_read(&config, &["sized"]).run().exits(0);
        let records = finished.records("sized");
        assert_eq!(records.len(), count, "{length}");
        // Compact, as the guest writes it: nothing is lost by parsing but the order of the fields.
        assert!(records.iter().all(|record| record.to_string().len() == length), "{length}");
        let states = finished.states();
        let last = states.last().expect("a state");
        assert_eq!(last["stream"]["stream_state"]["records"], count, "{length}");
        assert_eq!(states.len() > 1, length == 10_000, "one for each four MiB");
    }
}

#[test]
fn each_stream_has_them_read_by_one_instance_or_two() {
    for concurrency in ["1", "2"] {
        let config = json!({"record_bytes": 600, "records": 1000, "work": 10});
        let guest = Guest::new("source-sized");
        let finished = guest.read(&config, &["one", "two"]).option("--max-concurrency", concurrency).run().exits(0);
        assert_eq!(["one", "two"].map(|stream| finished.records(stream).len()), [1000; 2], "{concurrency}");
    }
}
