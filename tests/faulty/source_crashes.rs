//! A guest that crashes, in every function and in every way: the host tells it and whole lines leave.

use serde_json::json;

use super::{Guest, numbers, saved};
use crate::harness::{Airlock, Finished};

fn crash(function: &str, way: &str) -> Finished {
    let guest = Guest::new("source-crashes").with_file("crash", format!("{function} {way}\n"));
    let run: Airlock = match function {
        "spec" => guest.spec(),
        "read" => guest.read(&json!({}), &["one"]),
        command => guest.command(command, &json!({})),
    };
    run.run()
}

#[test]
fn a_crash_in_read_leaves_what_came_before_it() {
    for (way, what) in [
        ("panic", "crashed"),
        ("unreachable", "crashed"),
        ("overflow", "crashed"),
        ("memory", "crashed"),
        ("exit", "exit code 0"),
        ("exit-failing", "exit code 1"),
    ] {
        let finished = crash("read", way).exits(1);
        let (kind, message) = finished.error();
        assert_eq!(kind, "system_error", "{way}");
        for part in ["source-crashes", " in read", what] {
            assert!(message.contains(part), "{way}: {message}");
        }
        assert!(finished.errors()[0]["stack_trace"].as_str().unwrap().contains("wasm backtrace"), "{way}");
        assert_eq!(numbers(&finished.records("one")), [1, 2, 3], "{way}");
        assert_eq!(saved(&finished.states()), [2], "{way}");
        assert_eq!(finished.statuses("one"), ["STARTED", "RUNNING", "INCOMPLETE"], "{way}");
        let outline = finished.outline();
        assert_eq!(outline[outline.len() - 2..], ["ERROR", "INCOMPLETE"], "{way}");
    }
}

#[test]
fn too_little_memory_is_told_with_the_limit_and_its_flag() {
    let guest = Guest::new("source-crashes").with_file("crash", "read leak");
    let finished = guest.read(&json!({}), &["one"]).option("--max-memory", "100MiB").run().exits(1);
    let (kind, message) = finished.error();
    assert_eq!(kind, "system_error");
    for part in ["source-crashes", "more than the 100 MiB of memory", "--max-memory", "AIRLOCK_MAX_MEMORY"] {
        assert!(message.contains(part), "{part}: {message}");
    }
    assert_eq!(numbers(&finished.records("one")), [1, 2, 3]);
    assert_eq!(finished.statuses("one"), ["STARTED", "RUNNING", "INCOMPLETE"]);
}

#[test]
fn a_crash_in_the_other_functions_is_told_and_nothing_else_is_said() {
    for function in ["spec", "check", "discover"] {
        for way in ["panic", "unreachable", "exit"] {
            let finished = crash(function, way).exits(1);
            let (kind, message) = finished.error();
            assert_eq!(kind, "system_error");
            assert!(message.contains(&format!(" in {function}.")), "{message}");
            assert_eq!(finished.messages.len(), finished.of_type("LOG").len() + 1, "{:?}", finished.outline());
            // A panic says why, on stderr.
            assert_eq!(finished.logs("WARN").contains(&format!("the panic of {function}").as_str()), way == "panic");
        }
    }
}

#[test]
fn a_crash_in_spec_is_told_by_the_commands_that_begin_with_it() {
    let guest = Guest::new("source-crashes").with_file("crash", "spec unreachable");
    for command in
        [guest.command("check", &json!({})), guest.command("discover", &json!({})), guest.read(&json!({}), &["one"])]
    {
        let finished = command.run().exits(1);
        assert!(finished.error().1.contains(" in spec."), "{:?}", finished.error());
        assert_eq!(finished.outline(), ["ERROR"]);
    }
}

#[test]
fn the_words_of_a_panic_are_in_the_error() {
    let finished = crash("read", "panic");
    let error = finished.errors()[0];
    let internal_message = error["internal_message"].as_str().unwrap();
    assert!(internal_message.contains("the panic of read"), "{internal_message}");
    assert!(internal_message.contains("source-crashes.rs"), "{internal_message}");
    let message = finished.error().1;
    assert!(message.ends_with("It last said: the panic of read"), "{message}");
}
