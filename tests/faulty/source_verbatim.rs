//! Records that are none, in every way: what came before them leaves, nothing after them does.

use serde_json::json;

use super::{Guest, numbers, saved};

const CONTENT: &str = "PRIVATE";

/// What stands where a record should, and what the error says of it.
const BROKEN: [(&str, &[u8], &str); 15] = [
    ("text", b"PRIVATE is no JSON", "is not a JSON object"),
    ("an array", br#"[{"n":6,"a":"PRIVATE"}]"#, "is not a JSON object"),
    ("a string", br#""PRIVATE""#, "is not a JSON object"),
    ("null", b"null", "is not a JSON object"),
    ("cut in two lines", b"{\"n\":6,\"a\":\n\"PRIVATE\"}", "ends early, at byte 11"),
    ("a line break in a string", b"{\"n\":6,\"a\":\"PRI\nVATE\"}", "ends early"),
    ("cut off", br#"{"n":6,"a":"PRIVATE"#, "ends early"),
    ("two in one line", br#"{"n":6,"a":"PRIVATE"}{"n":6}"#, "goes wrong at byte"),
    ("more after it", br#"{"n":6,"a":"PRIVATE"},"#, "goes wrong at byte"),
    ("a control character", b"{\"n\":6,\"a\":\"PRIVATE\x01\"}", "goes wrong at byte"),
    ("JSON of JavaScript", br#"{n:6,a:"PRIVATE"}"#, "goes wrong at byte 2"),
    ("not a number", br#"{"n":NaN,"a":"PRIVATE"}"#, "goes wrong at byte"),
    ("not UTF-8", b"{\"n\":6,\"a\":\"PRIVATE\xff\"}", "is not UTF-8: byte 19"),
    ("not text", &[0, 159, 146, 150], "is not UTF-8"),
    ("a byte order mark", b"\xef\xbb\xbf{\"n\":6,\"a\":\"PRIVATE\"}", "is not a JSON object"),
];

#[test]
fn what_is_no_record_is_refused_and_nothing_after_it_leaves() {
    for (case, broken, problem) in BROKEN {
        // In the middle of a batch, after the three records that came before it.
        let batch = [b"{\"n\":4}\n{\"n\":5}\n", broken, b"\n{\"n\":7}\n"].concat();
        refused(case, &batch, 6, problem, &[1, 2, 3, 4, 5]);
    }
}

#[test]
fn the_ordinal_counts_all_that_the_source_wrote() {
    refused("the first of a batch", b"PRIVATE\n", 4, "is not a JSON object", &[1, 2, 3]);
    refused("after an empty record", b"{}\n{\"n\":4}\nPRIVATE", 6, "is not a JSON object", &[1, 2, 3, 4]);
}

/// Reads with this second batch, whose record `ordinal` of the stream is refused; only the records of `expected` leave.
#[track_caller]
fn refused(case: &str, batch: &[u8], ordinal: u64, problem: &str, expected: &[u64]) {
    let finished = Guest::new("source-verbatim").with_file("records", batch).read(&json!({}), &["one"]).run().exits(1);
    let (kind, message) = finished.error();
    assert_eq!(kind, "system_error", "{case}");
    assert!(message.starts_with(&format!("Record {ordinal} of stream one ")), "{case}: {message}");
    assert!(message.contains(problem), "{case}: {message}");
    assert_eq!(finished.errors()[0]["stream_descriptor"], json!({"name": "one"}), "{case}");
    assert!(!String::from_utf8_lossy(&finished.stdout).contains(CONTENT), "{case}: content in the output");
    assert!(!finished.stderr.contains(CONTENT), "{case}: content on stderr");
    assert_eq!(numbers(&finished.records("one")), expected, "{case}");
    assert_eq!(saved(&finished.states()), [3], "{case}");
    assert_eq!(finished.statuses("one"), ["STARTED", "RUNNING", "INCOMPLETE"], "{case}");
    let outline = finished.outline();
    assert_eq!(outline[outline.len() - 2..], ["ERROR", "INCOMPLETE"], "{case}");
}

#[test]
fn forms_of_good_records_pass() {
    for (case, batch, numbers_of_batch) in [
        ("no last line break", b"{\"n\":4}\n{\"n\":5}".to_vec(), vec![4, 5]),
        ("empty lines", b"\n\n{\"n\":4}\n  \n{\"n\":5}\n\n".to_vec(), vec![4, 5]),
        ("carriage returns", b"{\"n\":4}\r\n{\"n\":\r5}\r\n\r\n".to_vec(), vec![4, 5]),
        ("white space", b"  {\"n\": 4 }\t\n\t{ \"n\":5}".to_vec(), vec![4, 5]),
        ("nothing", Vec::new(), vec![]),
    ] {
        let finished =
            Guest::new("source-verbatim").with_file("records", batch).read(&json!({}), &["one"]).run().exits(0);
        let expected: Vec<u64> = (1..=3).chain(numbers_of_batch.clone()).chain(101..=103).collect();
        assert_eq!(numbers(&finished.records("one")), expected, "{case}");
        assert_eq!(saved(&finished.states()), [3, 100, 103], "{case}");
        assert_eq!(finished.states()[1]["sourceStats"]["recordCount"], numbers_of_batch.len() as f64, "{case}");
        assert_eq!(finished.statuses("one"), ["STARTED", "RUNNING", "COMPLETE"], "{case}");
    }
}

#[test]
fn numbers_and_keys_pass_digit_by_digit() {
    let record = r#"{"n":4,"big":123456789012345678901234567890.10,"n":4,"e":1E400,"\u00e9":"\u0000 \/ \ud83d\ude00"}"#;
    let finished = Guest::new("source-verbatim").with_file("records", record).read(&json!({}), &["one"]).run_tool();
    let stdout = String::from_utf8(finished.stdout).unwrap();
    assert!(stdout.contains(&format!(",\"data\":{record},\"emitted_at\":")), "{stdout}");
}

#[test]
fn empty_records_are_dropped_with_one_warning_and_not_counted() {
    let batch = b"{}\n{\"n\":4}\n{ }\n{\t}\n{\"n\":5}\n{}".to_vec();
    let finished = Guest::new("source-verbatim").with_file("records", batch).read(&json!({}), &["one"]).run().exits(0);
    assert_eq!(numbers(&finished.records("one")), [1, 2, 3, 4, 5, 101, 102, 103]);
    let counts: Vec<f64> =
        finished.states().iter().map(|state| state["sourceStats"]["recordCount"].as_f64().unwrap()).collect();
    assert_eq!(counts, [3.0, 2.0, 3.0]);
    let warnings = finished.logs("WARN");
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(warnings[0].contains("Stream one") && warnings[0].contains("{}"), "{warnings:?}");
    assert!(warnings[1].contains("4 empty records"), "{warnings:?}");
}

#[test]
fn the_limit_of_a_record_is_that_of_its_bytes() {
    // {"n":4,"a":"…"} has 14 bytes without what is in the string.
    let record = |bytes: usize| format!("{{\"n\":4,\"a\":\"{}\"}}\n", "x".repeat(bytes - 14));
    let read = |bytes: usize| {
        let guest = Guest::new("source-verbatim").with_file("records", record(bytes));
        guest.read(&json!({}), &["one"]).option("--max-record-bytes", "100").run()
    };
    assert_eq!(numbers(&read(100).exits(0).records("one")), [1, 2, 3, 4, 101, 102, 103]);
    let finished = read(101).exits(1);
    let (_, message) = finished.error();
    for part in ["Record 4 of stream one", "101 bytes", "100", "--max-record-bytes"] {
        assert!(message.contains(part), "{part}: {message}");
    }
    assert_eq!(numbers(&finished.records("one")), [1, 2, 3]);
}

#[test]
fn a_record_of_32_mb_passes() {
    let record = format!("{{\"n\":4,\"a\":\"{}\"}}\n{{\"n\":5}}\n", "x".repeat(32_000_000));
    let finished =
        Guest::new("source-verbatim").with_file("records", &record).read(&json!({}), &["one"]).run().exits(0);
    let records = finished.records("one");
    assert_eq!(numbers(&records), [1, 2, 3, 4, 5, 101, 102, 103]);
    assert_eq!(records[3]["a"].as_str().unwrap().len(), 32_000_000);
}

#[test]
fn a_refusal_is_told_to_every_call_that_comes_after_it() {
    let guest = Guest::new("source-verbatim").with_file("records", "PRIVATE\n");
    let finished = guest.read(&json!({"until_told": true}), &["one", "two"]).run().exits(1);
    let (_, message) = finished.error();
    let answers = finished.logs("INFO");
    let told = |call: &str| format!("{call}: refused: {message}");
    assert_eq!(answers, [told("write"), told("checkpoint"), told("open"), told("finish")]);
    assert_eq!(numbers(&finished.records("one")), [1, 2, 3]);
    assert_eq!(finished.statuses("one").last(), Some(&"INCOMPLETE"));
    assert_eq!(finished.statuses("two"), ["INCOMPLETE"]);
}
