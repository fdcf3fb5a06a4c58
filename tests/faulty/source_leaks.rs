//! A guest that says its secrets wherever something can be said. What it says to the platform's data is its own business.

use serde_json::{Value, json};

use super::Guest;
use crate::harness::Finished;

/// With characters that JSON and URLs write otherwise, and long enough that half of it would be known again.
const PASSWORD: &str = "hunter2/\"ü+ correct horse";

const PIN: u64 = 4_815_162_342;

fn config(place: &str) -> Value {
    json!({"password": PASSWORD, "pin": PIN, "where": place})
}

fn read(place: &str) -> Finished {
    Guest::new("source-leaks").read(&config(place), &["one"]).run()
}

/// Nothing of the secrets is there, nor of their halves.
#[track_caller]
fn assert_hidden(finished: &Finished, masks: usize) {
    let said = String::from_utf8_lossy(&finished.stdout).into_owned() + &finished.stderr;
    for part in ["hunter2", "correct", "horse", "unter", "orse", "48151", "162342"] {
        assert!(!said.contains(part), "{part} of a secret is there");
    }
    assert_eq!(said.matches("****").count(), masks, "of {} bytes", said.len());
}

#[test]
fn a_print_hides_secrets_byte_by_byte_and_where_a_line_is_cut() {
    for place in ["print", "print to stderr"] {
        let finished = read(place).exits(0);
        assert_hidden(&finished, 3);
        let level = if place == "print" { "INFO" } else { "WARN" };
        let said = finished.logs(level);
        let long: String = said[..said.len() - 1].concat();
        assert_eq!(long, "x".repeat(64 * 1024 - 3) + "****", "{place}: nothing else is lost");
        assert_eq!(said.last(), Some(&"**** ****"));
    }
}

#[test]
fn the_last_words_of_a_crash_hold_no_half_of_a_secret() {
    let finished = read("panic").exits(1);
    let error = finished.errors()[0];
    let internal = error["internal_message"].as_str().unwrap();
    assert!(internal.matches("****").count() > 500, "{internal}");
    let said = String::from_utf8_lossy(&finished.stdout).into_owned();
    assert!(!said.contains("orse") && !said.contains("unter"), "{internal}");
    assert_hidden(&read("exit").exits(1), 8);
}

#[test]
fn a_failure_hides_secrets_in_every_field_of_it() {
    let guest = Guest::new("source-leaks");
    let runs = [
        guest.read(&config("failure"), &["one"]).run().exits(1),
        guest.read(&config("stream failure"), &["one"]).run().exits(1),
        guest.command("discover", &config("")).run().exits(1),
        guest.command("check", &config("check failure")).run().exits(0),
    ];
    for finished in &runs {
        let error = finished.errors()[0];
        assert_eq!((&error["message"], &error["internal_message"]), (&json!("message ****"), &json!("internal ****")));
        assert!(error["stack_trace"].as_str().unwrap().ends_with("yyy****"), "cut where it is too long");
        assert_eq!(error["****"], json!({"deep": ["****", "****"], "****": true}));
    }
    let descriptors: Vec<&Value> = runs.iter().map(|run| &run.errors()[0]["stream_descriptor"]).collect();
    let hidden = json!({"name": "****", "namespace": "****"});
    assert_eq!(descriptors, [&hidden, &json!({"name": "one"}), &hidden, &hidden]);
    for (finished, masks) in runs.iter().zip([9, 7, 9, 10]) {
        assert_hidden(finished, masks);
    }
}

#[test]
fn an_answer_of_check_hides_secrets() {
    let finished = Guest::new("source-leaks").command("check", &config("")).run().exits(0);
    assert_eq!(finished.messages[0]["connectionStatus"], json!({"status": "FAILED", "message": "**** is wrong"}));
    assert_hidden(&finished, 1);
}

#[test]
fn reasons_of_a_status_hide_secrets_however_their_json_is_written() {
    let finished = read("reasons").exits(0);
    let statuses: Vec<&Value> = finished
        .of_type("TRACE")
        .into_iter()
        .map(|message| &message["trace"]["stream_status"]["reasons"])
        .filter(|reasons| !reasons.is_null())
        .collect();
    assert_eq!(*statuses[0], json!([{"type": "RATE_LIMITED", "****": {"n": ["****.5", "****", "****"]}}]));
    assert_hidden(&finished, 4);
    let stdout = String::from_utf8(finished.stdout).unwrap();
    assert!(stdout.contains(r#"[{"type":"RATE_LIMITED","n":1.10}]"#), "what holds none is not rewritten");
}

#[test]
fn measurements_and_names_of_streams_hide_secrets() {
    let finished = read("analytics").exits(0);
    assert_hidden(&finished, 2);
    let finished = read("stream").exits(1);
    let error = finished.errors()[0];
    assert_eq!(error["stream_descriptor"], json!({"name": "****", "namespace": "****"}));
    assert!(finished.error().1.contains("stream ****.****"), "{}", finished.error().1);
    assert_hidden(&finished, 4);
}

#[test]
fn refusals_name_no_content() {
    let finished = read("refusals").exits(1);
    assert!(finished.error().1.starts_with("Record 2 of stream one"), "{}", finished.error().1);
    assert_hidden(&finished, 0);
}

#[test]
fn a_renewed_secret_is_hidden_beside_the_old_one() {
    let finished = read("renewal").exits(0);
    assert_eq!(finished.logs("INFO"), ["**** became ****"]);
    // The platform has to know the new one, and nobody else.
    let stdout = String::from_utf8(finished.stdout).unwrap();
    assert_eq!(stdout.matches("the-fresh-one").count(), 1);
}

#[test]
fn a_renewed_config_whose_secrets_can_not_be_masked_is_not_passed_on() {
    let finished = read("renewal without end").exits(0);
    assert!(finished.of_type("CONTROL").is_empty());
    assert!(finished.logs("INFO")[0].contains("too long to be masked"), "{:?}", finished.logs("INFO"));
    let huge = json!({"password": "x".repeat(2_000_000)});
    let finished = Guest::new("source-leaks").read(&huge, &["one"]).run().exits(1);
    assert_eq!(finished.error().0, "config_error");
}

#[test]
fn records_and_states_are_left_alone() {
    let config = json!({"password": "hunter2", "where": "data"});
    let finished = Guest::new("source-leaks").read(&config, &["one"]).run().exits(0);
    assert_eq!(finished.records("one"), [&json!({"hunter2": "hunter2"})]);
    assert_eq!(finished.states()[0]["stream"]["stream_state"], json!({"hunter2": "hunter2"}));
}

#[test]
fn a_secret_is_hidden_in_every_form_in_which_it_is_said() {
    let config = |text: &str| json!({"password": PASSWORD, "pin": PIN, "where": "log", "text": text});
    for (text, shown) in [
        (PASSWORD.to_owned(), "****"),
        (format!("{{\"a\":{}}}", json!(PASSWORD)), r#"{"a":"****"}"#),
        (json!(json!(PASSWORD).to_string()).to_string(), r#""\"****\"""#),
        ("hunter2/\\\"\\u00fc+ correct horse".to_owned(), "****"),
        ("https://x/?key=hunter2%2F%22%C3%BC%2B%20correct%20horse&y".to_owned(), "https://x/?key=****&y"),
        ("key=hunter2%2f%22%c3%bc%2b+correct+horse".to_owned(), "key=****"),
        ("aHVudGVyMi8iw7wrIGNvcnJlY3QgaG9yc2U=".to_owned(), "****"),
        ("aHVudGVyMi8iw7wrIGNvcnJlY3QgaG9yc2U".to_owned(), "****"),
        // `me:` and the password: but for the first character, which holds bits of both.
        ("Basic bWU6aHVudGVyMi8iw7wrIGNvcnJlY3QgaG9yc2U=".to_owned(), "Basic bWU6****"),
        (format!("{PASSWORD}{PASSWORD} {PIN}."), "******** ****."),
        // As a URL that was made readable as a whole, and as Python shows bytes.
        ("https://x/?key=hunter2/%22%C3%BC+%20correct%20horse".to_owned(), "https://x/?key=****"),
        ("b'hunter2/\"\\xc3\\xbc+ correct horse'".to_owned(), "b'****'"),
    ] {
        let finished = Guest::new("source-leaks").read(&config(&text), &["one"]).run().exits(0);
        assert_eq!(finished.logs("INFO"), [shown], "{text}");
    }
}

#[test]
fn what_is_too_short_to_be_a_secret_is_not_masked_into_noise() {
    for short in [json!("abc"), json!(443), json!(true), json!(null), json!("")] {
        let config = json!({"short": short, "where": "log", "text": "abc of 443 is true, or null"});
        let finished = Guest::new("source-leaks").read(&config, &["one"]).run().exits(0);
        assert_eq!(finished.logs("INFO"), ["abc of 443 is true, or null"], "{short}");
    }
}

#[test]
fn a_violation_of_the_specification_names_no_value() {
    let config = json!({"password": PASSWORD.repeat(500), "pin": PASSWORD, "where": 5});
    let guest = Guest::new("source-leaks");
    let finished = guest.read(&config, &["one"]).run().exits(1);
    assert!(finished.error().1.contains("/password") && finished.error().1.contains("/pin"), "{:?}", finished.error());
    assert_hidden(&finished, 0);
    // Before anything is known of what is secret.
    let broken = guest.workspace.file("broken.json", format!("{{\"password\": \"{PASSWORD}, \"pin\": {PIN}"));
    let run = crate::harness::Airlock::of(&guest.path).arg("check").arg("--debug").option("--config", broken);
    assert_hidden(&run.run().exits(1), 0);
}
