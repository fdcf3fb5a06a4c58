//! What is neither record nor state.

use serde_json::json;

use super::Guest;
use crate::harness::{Airlock, Finished};

const LEVELS: [&str; 6] = ["FATAL", "ERROR", "WARN", "INFO", "DEBUG", "TRACE"];

fn logged_levels(run: Airlock) -> (Vec<String>, Finished) {
    let finished = run.run().exits(0);
    let at = |level: &&str| finished.logs(level).contains(&format!("at {}", level.to_lowercase()).as_str());
    (LEVELS.into_iter().filter(at).map(str::to_owned).collect(), finished)
}

#[test]
fn a_log_has_the_levels_that_were_asked_for() {
    let guest = Guest::new("source-talks");
    let read = || guest.read(&json!({}), &["one"]);
    for (run, count) in [
        (read().env("LOG_LEVEL", "fatal"), 1),
        (read().env("LOG_LEVEL", "ERROR"), 2),
        (read().env("LOG_LEVEL", "warning"), 3),
        (read(), 4),
        (read().env("LOG_LEVEL", ""), 4),
        (read().arg("--debug"), 5),
        (read().env("LOG_LEVEL", "Debug"), 5),
        (read().env("LOG_LEVEL", "error").arg("--debug"), 5),
        (read().env("LOG_LEVEL", "trace").arg("--debug"), 6),
    ] {
        let (levels, finished) = logged_levels(run);
        assert_eq!(levels, LEVELS[..count]);
        // The guest knows it, so that it may save itself the work.
        let name = LEVELS[count - 1];
        let known = format!("the level is LogLevel::{}{}", &name[..1], name[1..].to_lowercase());
        assert!(finished.logs("FATAL").contains(&known.as_str()), "{:?}", finished.logs("FATAL"));
    }
}

#[test]
fn a_log_level_that_is_none_is_told_and_is_info() {
    let (levels, finished) =
        logged_levels(Guest::new("source-talks").read(&json!({}), &["one"]).env("LOG_LEVEL", "loud"));
    assert_eq!(levels, LEVELS[..4]);
    assert!(finished.logs("WARN")[0].contains("loud"), "{:?}", finished.logs("WARN"));
}

#[test]
fn secrets_are_masked_in_logs_those_of_a_new_config_as_well() {
    let config = json!({"password": "hunter22", "account": {"token": "abc-123", "name": "visible"}});
    let finished = Guest::new("source-talks").read(&config, &["one"]).run().exits(0);
    let said = finished.logs("INFO");
    assert!(
        said.contains(&r#"the config is {"account":{"name":"visible","token":"****"},"password":"****"}"#),
        "{said:?}"
    );
    assert!(said.contains(&"the new password is ****"), "{said:?}");
    assert!(said.contains(&"two\nlines with \"quotes\" and a \u{0}"), "{said:?}");
    let stdout = String::from_utf8(finished.stdout).unwrap();
    assert!(!stdout.contains("hunter22") && !stdout.contains("abc-123"));
}

#[test]
fn a_secret_of_many_lines_is_masked_in_json_and_where_it_is_printed() {
    let config = json!({"password": "-----BEGIN KEY-----\nc2VjcmV0 \"quoted\"\n-----END KEY-----\n"});
    let finished = Guest::new("source-talks").read(&config, &["one"]).run().exits(0);
    let said = finished.logs("INFO");
    assert!(said.contains(&r#"the config is {"password":"****"}"#), "{said:?}");
    let finished = Guest::new("source-prints").read(&config, &["one"]).run().exits(0);
    assert_eq!(finished.logs("WARN")[2..5], ["the password is ****", "****", "****"]);
}

#[test]
fn the_other_messages_are_airbytes() {
    let finished = Guest::new("source-talks").read(&json!({}), &["one"]).run().exits(0);
    let traces = |kind: &str| {
        let traces = finished.of_type("TRACE").into_iter().map(|message| &message["trace"]);
        traces.filter(|trace| trace["type"] == kind).collect::<Vec<_>>()
    };
    let analytics: Vec<_> = traces("ANALYTICS").iter().map(|trace| &trace["analytics"]).collect();
    assert_eq!(analytics[0], &json!({"type": "reads", "value": "1"}));
    assert_eq!(analytics[1]["type"], "without-value");
    assert_eq!(
        traces("ESTIMATE")[0]["estimate"],
        json!({"name": "one", "type": "STREAM", "row_estimate": 3, "byte_estimate": 24})
    );
    let reasons: Vec<_> =
        traces("STREAM_STATUS").iter().map(|trace| trace["stream_status"]["reasons"].clone()).collect();
    assert_eq!(reasons[1], json!([{"type": "RATE_LIMITED", "rate_limited": {"quota_reset": 1_700_000_000_000_i64}}]));
    // What the connector says of it, twice, and what its first record says.
    assert_eq!(finished.statuses("one"), ["STARTED", "RUNNING", "RUNNING", "RUNNING", "COMPLETE"]);
    let control = &finished.of_type("CONTROL")[0]["control"];
    // The platform keeps it for the next run: this one message has to hold the secret.
    assert_eq!(control["connectorConfig"]["config"], json!({"password": "fresh-secret", "account": {}}));
    let place = |wanted: &dyn Fn(&serde_json::Value) -> bool| finished.messages.iter().position(wanted).unwrap();
    let control = place(&|message| message["type"] == "CONTROL");
    let told = place(&|message| message["log"]["message"] == "config changed: ok");
    assert!(control < told, "the call returns after the message has left");
    assert_eq!(finished.states()[0]["stream"]["stream_state"], json!({"n": 3}));
}
