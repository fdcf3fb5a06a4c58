//! Whatever a guest prints becomes LOG lines.

use serde_json::json;

use super::{Guest, numbers, saved};

#[test]
fn prints_between_records_become_log_lines_in_their_place() {
    let config = json!({"password": "hunter22"});
    let finished = Guest::new("source-prints").read(&config, &["one"]).run().exits(0);
    assert_eq!(numbers(&finished.records("one")), [1, 2, 3], "the forged record is none");
    assert_eq!(saved(&finished.states()), [3], "the forged state is none");
    assert_eq!(finished.statuses("one"), ["STARTED", "RUNNING", "COMPLETE"]);
    assert!(finished.stderr.is_empty(), "{}", finished.stderr);

    let said = finished.logs("INFO");
    assert_eq!(said[..3], ["spec without a line break", "before any stream", "in pieces, whole at last"]);
    let forged: serde_json::Value = serde_json::from_str(said[3]).unwrap();
    assert_eq!(forged["type"], "RECORD");
    let forged: serde_json::Value = serde_json::from_str(said[4]).unwrap();
    assert_eq!(forged["type"], "STATE");
    assert_eq!(said[5], "not UTF-8: \u{fffd}\u{fffd}");
    let long: String = said[6..said.len() - 1].concat();
    assert_eq!(long, "long ".repeat(40_000), "a long line is cut and nothing of it is lost");
    assert!(said[6..].iter().all(|piece| piece.len() <= 64 * 1024));
    assert_eq!(said.last(), Some(&"the end of stdout"));
    let errors = finished.logs("WARN");
    assert_eq!(errors, ["to stderr", "\u{1b}[31mred\u{1b}[0m", "the password is ****", "the end of stderr"]);

    // Each where it was said.
    let outline = finished.outline();
    let expected =
        ["LOG", "STARTED", "RUNNING", "RECORD", "LOG", "RECORD", "LOG", "RECORD", "STATE", "LOG", "COMPLETE"];
    assert_eq!(outline, expected);
}

#[test]
fn prints_are_left_out_below_their_level() {
    for (level, said, warned) in [("warn", false, true), ("error", false, false), ("debug", true, true)] {
        let run = Guest::new("source-prints").read(&json!({}), &["one"]).env("LOG_LEVEL", level).run().exits(0);
        assert_eq!((!run.logs("INFO").is_empty(), !run.logs("WARN").is_empty()), (said, warned), "{level}");
    }
}

#[test]
fn an_answer_is_never_a_print() {
    let guest = Guest::new("source-prints");
    let finished = guest.command("check", &json!({})).run().exits(0);
    let answers = finished.of_type("CONNECTION_STATUS");
    assert_eq!(answers.len(), 1);
    assert_eq!(answers[0]["connectionStatus"], json!({"status": "SUCCEEDED"}));
    let finished = guest.spec().run().exits(0);
    assert_eq!(finished.outline(), ["LOG", "SPEC"]);
}
