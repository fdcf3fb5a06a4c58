//! Guests that lie to the host about pointers, lengths, text, variants and handles, and that call it where nobody may.

use serde_json::json;

use super::{LOG_IMPORT, OPEN, OPEN_IMPORT, Source, WRITE, WRITE_IMPORT, told};

#[track_caller]
fn broken(source: &Source, command: &str) -> String {
    let finished = source.run(command);
    let message = told(&finished, "system_error");
    assert!(message.contains("broke the contract") && message.contains(&format!(" in {command}")), "{message}");
    let internal_message = finished.errors()[0]["internal_message"].as_str().unwrap();
    internal_message.to_owned()
}

#[test]
fn memory_that_is_no_place_for_what_the_host_passes_is_refused() {
    for realloc in ["(i32.const -8)", "(i32.const 131071)", "(i32.const 200000)"] {
        broken(&Source { realloc: realloc.to_owned(), ..Source::default() }, "check");
    }
    // The state is a list of structures, which have an alignment.
    let source = Source {
        realloc: "(i32.const 4097)".to_owned(),
        imports: r#"(import "airlock:connector/host@0.1.0" "config-changed" (func $changed (param i32 i32 i32)))"#
            .into(),
        ..Source::default()
    };
    source.run("check").exits(0);
}

#[test]
fn memory_that_overlaps_what_is_there_is_the_guests_own_affair() {
    // Both texts of `read` in one place, over the specification.
    let source = Source { realloc: "(i32.const 256)".to_owned(), ..Source::default() };
    source.run("check").exits(0);
    let finished = source.run("read");
    assert_eq!(finished.statuses("one"), ["INCOMPLETE"], "{:?}", finished.outline());
}

#[test]
fn results_that_lie_out_of_memory_are_refused() {
    for place in ["131072", "-4", "65", "131068"] {
        broken(&Source { spec: format!("(i32.const {place})"), ..Source::default() }, "spec");
    }
    for length in ["-1", "1073741824", "200000"] {
        let spec = format!(
            "(i32.store (i32.const 516) (i32.const 1024)) (i32.store (i32.const 520) (i32.const {length})) (i32.const 512)"
        );
        broken(&Source { spec, ..Source::default() }, "spec");
    }
}

#[test]
fn variants_that_do_not_exist_are_refused() {
    for place in ["512", "516"] {
        let check = format!("(i32.store8 (i32.const {place}) (i32.const 7)) (i32.const 512)");
        broken(&Source { check, ..Source::default() }, "check");
    }
    // A failure of a kind that there is not.
    let spec = "(i32.store8 (i32.const 512) (i32.const 1)) (i32.store8 (i32.const 516) (i32.const 3)) (i32.const 512)";
    broken(&Source { spec: spec.into(), ..Source::default() }, "spec");
    let log = "(call $log (i32.const 6) (i32.const 1024) (i32.const 3)) (i32.const 64)";
    broken(&Source { imports: LOG_IMPORT.into(), spec: log.into(), ..Source::default() }, "spec");
}

#[test]
fn text_that_is_no_unicode_is_refused() {
    let log = "(call $log (i32.const 3) (i32.const 1056) (i32.const 4)) (i32.const 64)";
    let internal_message =
        broken(&Source { imports: LOG_IMPORT.into(), spec: log.into(), ..Source::default() }, "spec");
    assert!(internal_message.contains("utf-8"), "{internal_message}");
}

#[test]
fn lists_that_are_longer_than_the_memory_are_refused() {
    let annotated = r#"(import "airlock:connector/output@0.1.0" "[method]stream-writer.write-annotated"
        (func $annotated (param i32 i32 i32 i32 i32 i32)))"#;
    for count in ["1073741824", "-1", "3000"] {
        let source = Source {
            imports: format!("{OPEN_IMPORT} {annotated}"),
            read: format!(
                "{OPEN} (call $annotated (i32.load (i32.const 516)) (i32.const 1040) (i32.const 8)
                    (i32.const 4096) (i32.const {count}) (i32.const 512)) (i32.const 128)"
            ),
            ..Source::default()
        };
        broken(&source, "read");
    }
}

#[test]
fn many_annotations_are_bounded_by_the_memory() {
    // Two million of them, all of record 0.
    let annotated = r#"(import "airlock:connector/output@0.1.0" "[method]stream-writer.write-annotated"
        (func $annotated (param i32 i32 i32 i32 i32 i32)))"#;
    let source = Source {
        imports: format!("{OPEN_IMPORT} {annotated}"),
        memory: "(memory (export \"memory\") 1600)",
        read: format!(
            "{OPEN} (call $annotated (i32.load (i32.const 516)) (i32.const 1040) (i32.const 8)
                (i32.const 1048576) (i32.const 2000000) (i32.const 512)) (i32.const 128)"
        ),
        ..Source::default()
    };
    let finished = source.run_with("read", |run| run.option("--max-memory", "256MiB"));
    assert!(told(&finished, "system_error").contains("--max-memory"));
    // With more of it, they are refused for what they are.
    let finished = source.run("read").exits(1);
    assert!(finished.error().1.contains("annotation"), "{:?}", finished.error());
    assert_eq!(finished.statuses("one").last(), Some(&"INCOMPLETE"));
}

#[test]
fn handles_that_were_never_given_or_are_given_up_are_refused() {
    let drop_import =
        r#"(import "airlock:connector/output@0.1.0" "[resource-drop]stream-writer" (func $drop (param i32)))"#;
    let imports = format!("{OPEN_IMPORT} {WRITE_IMPORT} {drop_import}");
    let write = |handle: &str| format!("(call $write {handle} (i32.const 1040) (i32.const 8) (i32.const 512))");
    let handle = "(i32.load (i32.const 516))";
    for read in [
        write("(i32.const 0)"),
        write("(i32.const 1)"),
        write("(i32.const -1)"),
        format!("{OPEN} {}", write("(i32.const 1000)")),
        format!("{OPEN} {WRITE} (call $drop {handle}) {}", write(handle)),
        format!("{OPEN} (call $drop {handle}) (call $drop {handle})"),
        "(call $drop (i32.const 12345))".to_owned(),
    ] {
        let source = Source { imports: imports.clone(), read: format!("{read} (i32.const 128)"), ..Source::default() };
        broken(&source, "read");
    }
}

#[test]
fn what_was_written_before_a_lie_is_there() {
    let source = Source {
        imports: format!("{OPEN_IMPORT} {WRITE_IMPORT}"),
        read: format!("{OPEN} {WRITE} (i32.const 131071)"),
        ..Source::default()
    };
    let finished = source.run("read");
    told(&finished, "system_error");
    assert_eq!(finished.records("one"), [&json!({"n": 1})]);
    assert_eq!(finished.statuses("one"), ["STARTED", "RUNNING", "INCOMPLETE"]);
}

#[test]
fn a_failure_without_a_word_is_told_in_words() {
    // A failure whose message is empty, and one that is nothing but white space.
    for (place, length) in [(1024, 0), (8192, 3)] {
        let fails = format!(
            "(i32.store8 (i32.const 512) (i32.const 1)) (i32.store8 (i32.const 516) (i32.const 2))
            (i32.store (i32.const 520) (i32.const {place})) (i32.store (i32.const 524) (i32.const {length})) (i32.const 512)"
        );
        let items = "(data (i32.const 8192) \" \\0a\\09\")".to_owned();
        let source = Source { items, spec: fails.clone(), ..Source::default() };
        let finished = source.run("spec").exits(1);
        assert!(finished.error().1.contains("did not say why"), "{:?}", finished.error());
        // A check that answers so.
        let check = format!(
            "(i32.store8 (i32.const 512) (i32.const 0)) (i32.store8 (i32.const 516) (i32.const 1))
            (i32.store (i32.const 520) (i32.const {place})) (i32.store (i32.const 524) (i32.const {length})) (i32.const 512)"
        );
        let finished = Source { check, spec: Source::default().spec, ..source }.run("check").exits(0);
        let status = &finished.of_type("CONNECTION_STATUS")[0]["connectionStatus"];
        assert!(status["message"].as_str().unwrap().contains("and not why"), "{status}");
    }
}

#[test]
fn the_host_is_not_to_be_called_while_it_passes_something() {
    let call = "(call $log (i32.const 3) (i32.const 1024) (i32.const 3)) (i32.const 4096)";
    let source = Source { imports: LOG_IMPORT.into(), realloc: call.into(), ..Source::default() };
    let finished = source.run("check");
    let message = told(&finished, "system_error");
    assert!(message.contains(" in check"), "{message}");
    // Nor after it.
    let items = format!(
        "(func (export \"cabi_post_airlock:connector/source-commands@0.1.0#spec\") (param i32) {} (drop))",
        "(call $log (i32.const 3) (i32.const 1024) (i32.const 3)) (i32.const 0)"
    );
    let source = Source { imports: LOG_IMPORT.into(), items, ..Source::default() };
    told(&source.run("spec"), "system_error");
}

#[test]
fn a_specification_that_refers_to_itself_for_ever_is_no_end_of_the_host() {
    for schema in [
        r##"{"$ref":"#"}"##,
        r##"{"allOf":[{"$ref":"#"}]}"##,
        r##"{"properties":{"a":{"$ref":"#/properties/a"}}}"##,
        r#"{"$ref":"http://127.0.0.1:1/x"}"#,
        r#"{"$ref":"file:///etc/passwd"}"#,
        r#"{"type":"object","additionalProperties":{"pattern":"(a+)+$"}}"#,
    ] {
        let text = format!("{{\"connectionSpecification\":{schema}}}");
        let source = Source {
            items: format!("(data (i32.const 8192) \"{}\")", text.replace('"', "\\22")),
            spec: format!(
                "(i32.store (i32.const 516) (i32.const 8192)) (i32.store (i32.const 520) (i32.const {})) (i32.const 512)",
                text.len()
            ),
            ..Source::default()
        };
        let finished = source.run_with("read", |run| run.option("--timeout", "20s"));
        assert!(matches!(finished.status.code(), Some(0 | 1)), "{schema}: {:?} {}", finished.status, finished.stderr);
        assert!(finished.errors().len() <= 1 && !finished.stderr.contains("panicked"), "{schema}: {}", finished.stderr);
    }
}
