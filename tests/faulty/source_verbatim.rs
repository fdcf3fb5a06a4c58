//! Records that are none, in every way: what came before them leaves, nothing after them does.

use serde_json::json;

use super::{Guest, numbers, saved};

const CONTENT: &str = "PRIVATE";

/// Broken batches, which record of the stream is at fault (three came before), what the error says of it, and which records
/// of the batch still leave.
fn refused() -> Vec<(&'static str, Vec<u8>, u64, &'static str, Vec<u64>)> {
    let good = |number: u64| format!("{{\"n\":{number}}}\n");
    let around = |broken: &[u8]| [good(4).as_bytes(), good(5).as_bytes(), broken, b"\n", good(7).as_bytes()].concat();
    vec![
        ("text", around(b"PRIVATE is no JSON"), 6, "is not a JSON object", vec![4, 5]),
        ("an array", around(br#"[{"n":6,"a":"PRIVATE"}]"#), 6, "is not a JSON object", vec![4, 5]),
        ("a string", around(br#""PRIVATE""#), 6, "is not a JSON object", vec![4, 5]),
        ("null", around(b"null"), 6, "is not a JSON object", vec![4, 5]),
        ("cut in two lines", around(b"{\"n\":6,\"a\":\n\"PRIVATE\"}"), 6, "ends early, at byte 11", vec![4, 5]),
        ("a line break in a string", around(b"{\"n\":6,\"a\":\"PRI\nVATE\"}"), 6, "ends early", vec![4, 5]),
        ("cut off", around(br#"{"n":6,"a":"PRIVATE"#), 6, "ends early", vec![4, 5]),
        ("two in one line", around(br#"{"n":6,"a":"PRIVATE"}{"n":6}"#), 6, "goes wrong at byte", vec![4, 5]),
        ("more after it", around(br#"{"n":6,"a":"PRIVATE"},"#), 6, "goes wrong at byte", vec![4, 5]),
        ("a control character", around(b"{\"n\":6,\"a\":\"PRIVATE\x01\"}"), 6, "goes wrong at byte", vec![4, 5]),
        ("JSON of JavaScript", around(br#"{n:6,a:"PRIVATE"}"#), 6, "goes wrong at byte 2", vec![4, 5]),
        ("not a number", around(br#"{"n":NaN,"a":"PRIVATE"}"#), 6, "goes wrong at byte", vec![4, 5]),
        ("not UTF-8", around(b"{\"n\":6,\"a\":\"PRIVATE\xff\"}"), 6, "is not UTF-8: byte 19", vec![4, 5]),
        ("not text", around(&[0, 159, 146, 150]), 6, "is not UTF-8", vec![4, 5]),
        (
            "a byte order mark",
            around(b"\xef\xbb\xbf{\"n\":6,\"a\":\"PRIVATE\"}"),
            6,
            "is not a JSON object",
            vec![4, 5],
        ),
        ("the first of the batch", b"PRIVATE\n".to_vec(), 4, "is not a JSON object", vec![]),
        ("after an empty record", b"{}\n{\"n\":4}\nPRIVATE".to_vec(), 6, "is not a JSON object", vec![4]),
    ]
}

#[test]
fn what_is_no_record_is_refused_and_nothing_after_it_leaves() {
    for (case, batch, ordinal, problem, of_batch) in refused() {
        let finished =
            Guest::new("source-verbatim").with_file("records", batch).read(&json!({}), &["one"]).run().exits(1);
        let (kind, message) = finished.error();
        assert_eq!(kind, "system_error", "{case}");
        assert!(message.starts_with(&format!("Record {ordinal} of stream one ")), "{case}: {message}");
        assert!(message.contains(problem), "{case}: {message}");
        assert_eq!(finished.errors()[0]["stream_descriptor"], json!({"name": "one"}), "{case}");
        assert!(!String::from_utf8_lossy(&finished.stdout).contains(CONTENT), "{case}: content in the output");
        assert!(!finished.stderr.contains(CONTENT), "{case}: content on stderr");

        let expected: Vec<u64> = (1..=3).chain(of_batch).collect();
        assert_eq!(numbers(&finished.records("one")), expected, "{case}");
        assert_eq!(saved(&finished.states()), [3], "{case}");
        assert_eq!(finished.statuses("one"), ["STARTED", "RUNNING", "INCOMPLETE"], "{case}");
        let outline = finished.outline();
        assert_eq!(outline[outline.len() - 2..], ["ERROR", "INCOMPLETE"], "{case}");
    }
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
