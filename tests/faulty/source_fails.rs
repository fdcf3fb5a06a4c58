//! Failures that a guest returns: of a command, and of one stream.

use serde_json::json;

use super::{Guest, numbers, saved};

const KINDS: [&str; 3] = ["config_error", "transient_error", "system_error"];

#[test]
fn a_failure_of_read_is_told_with_all_its_fields_and_without_secrets() {
    for kind in KINDS {
        let details = "{\"code\": 7, \"message\": \"not this\", \"note\": [\"of hunter22\"]}";
        let config = json!({"from": "read", "kind": kind, "password": "hunter22", "details": details});
        let finished = Guest::new("source-fails").read(&config, &["one", "two"]).run().exits(1);
        assert_eq!(finished.error(), (kind, "The door is shut to ****."));
        let error = finished.errors()[0];
        assert_eq!(error["internal_message"], "knocked with ****");
        assert_eq!(error["stack_trace"], "at the door\nwith ****");
        assert_eq!(error["stream_descriptor"], json!({"name": "one"}));
        assert_eq!((&error["code"], &error["note"]), (&json!(7), &json!(["of ****"])));
        assert!(!String::from_utf8_lossy(&finished.stdout).contains("hunter22"));
        for stream in ["one", "two"] {
            // What it had said before leaves whole.
            assert_eq!(numbers(&finished.records(stream)), [1, 2, 3]);
            assert_eq!(finished.statuses(stream), ["STARTED", "RUNNING", "INCOMPLETE"]);
        }
        assert_eq!(saved(&finished.states()), [2, 2]);
    }
}

#[test]
fn details_that_are_no_object_do_not_cost_the_failure() {
    for details in ["no JSON", "[1]", ""] {
        let config = json!({"from": "read", "details": details});
        let finished = Guest::new("source-fails").read(&config, &["one"]).run().exits(1);
        assert_eq!(finished.error(), ("system_error", "The door is shut to nobody."), "{details}");
    }
}

#[test]
fn one_stream_fails_alone_and_the_exit_code_is_1() {
    for kind in KINDS {
        let config = json!({"from": "stream", "kind": kind});
        let finished = Guest::new("source-fails").read(&config, &["two", "one", "three"]).run().exits(1);
        assert_eq!(finished.error(), (kind, "The door is shut to nobody."));
        // The stream that failed is the one that was finished so, whatever the failure says of itself.
        assert_eq!(finished.errors()[0]["stream_descriptor"], json!({"name": "two"}));
        assert_eq!(finished.statuses("two"), ["STARTED", "RUNNING", "INCOMPLETE"]);
        for stream in ["one", "three"] {
            assert_eq!(finished.statuses(stream), ["STARTED", "RUNNING", "COMPLETE"]);
        }
        assert_eq!(finished.of_type("RECORD").len(), 9);
    }
}

#[test]
fn check_answers_a_config_failure_and_fails_for_the_others() {
    for kind in KINDS {
        let config = json!({"from": "check", "kind": kind, "password": "hunter22"});
        let finished = Guest::new("source-fails").command("check", &config).run();
        let answer = json!({"status": "FAILED", "message": "The door is shut to ****."});
        let finished = if kind == "config_error" {
            let finished = finished.exits(0);
            assert_eq!(finished.of_type("CONNECTION_STATUS")[0]["connectionStatus"], answer);
            assert_eq!(finished.outline(), ["ERROR", "CONNECTION_STATUS"]);
            finished
        } else {
            let finished = finished.exits(1);
            assert_eq!(finished.outline(), ["ERROR"]);
            finished
        };
        assert_eq!(finished.error(), (kind, "The door is shut to ****."));
    }
}

#[test]
fn check_that_answers_failed_is_no_failure() {
    let config = json!({"from": "answer", "password": "hunter22"});
    let finished = Guest::new("source-fails").command("check", &config).run().exits(0);
    assert_eq!(finished.outline(), ["CONNECTION_STATUS"]);
    let answer = &finished.of_type("CONNECTION_STATUS")[0]["connectionStatus"];
    assert_eq!(answer, &json!({"status": "FAILED", "message": "**** does not open the door"}));
}

#[test]
fn a_failure_of_discover_is_told() {
    for kind in KINDS {
        let finished = Guest::new("source-fails").command("discover", &json!({"kind": kind})).run().exits(1);
        assert_eq!(finished.error(), (kind, "The door is shut to nobody."));
        assert_eq!(finished.outline(), ["ERROR"]);
    }
}
