//! Memory: whatever a guest does to get more than it may have, it is told so, with the figure and the flag, and nothing crashes.

use serde_json::json;

use super::{LOG_IMPORT, OPEN, OPEN_IMPORT, Source, WRITE, WRITE_IMPORT, told};
use crate::harness::Finished;

/// Grows until that fails or traps, then crashes.
const GROW: &str = "(loop $again (br_if $again (i32.ge_s (memory.grow (i32.const 1)) (i32.const 0)))) (unreachable)";

#[track_caller]
fn with_memory(source: &Source, command: &str, size: &str) -> Finished {
    source.run_with(command, |run| run.option("--max-memory", size))
}

#[track_caller]
fn told_of_memory(finished: &Finished, size: &str) {
    let message = told(finished, "system_error");
    assert!(message.contains(size) && message.contains("--max-memory"), "{message}");
}

#[test]
fn memory_that_grows_for_ever_is_told_with_the_figure_and_the_flag() {
    for command in ["spec", "check", "read"] {
        let function = GROW.to_owned();
        let source = Source { spec: function.clone(), check: function.clone(), read: function, ..Source::default() };
        told_of_memory(&with_memory(&source, command, "64MiB"), "64 MiB");
    }
    let source = Source { spec: GROW.to_owned(), ..Source::default() };
    let finished = source.run_with("spec", |run| run.env("AIRLOCK_MAX_MEMORY", "100000000"));
    told_of_memory(&finished, "95.4 MiB");
    let internal_message = finished.errors()[0]["internal_message"].as_str().unwrap();
    assert!(internal_message.contains("64 KiB more"), "{internal_message}");
}

#[test]
fn memory_that_is_too_large_from_the_start_is_told() {
    let source = Source { memory: "(memory (export \"memory\") 8192)", ..Source::default() };
    told_of_memory(&with_memory(&source, "spec", "256MiB"), "256 MiB");
    with_memory(&source, "spec", "1GiB").exits(0);
    // There is a limit where nobody names one: what the container leaves, or 2 GiB.
    let source = Source { memory: "(memory (export \"memory\") 65536)", ..Source::default() };
    let limit =
        |file: &str| std::fs::read_to_string(file).ok()?.trim().parse::<u64>().ok().filter(|limit| *limit < 1 << 60);
    let files = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"];
    if !files.into_iter().any(|file| limit(file).is_some()) {
        told_of_memory(&source.run("spec"), "2 GiB of memory that a connector may use unless told otherwise");
    }
}

#[test]
fn all_memories_count_together() {
    let memories = "(memory 512) ".repeat(9);
    let source = Source { items: memories, ..Source::default() };
    told_of_memory(&with_memory(&source, "spec", "256MiB"), "256 MiB");
    with_memory(&source, "spec", "512MiB").exits(0);
}

#[test]
fn more_memories_than_any_connector_has_are_refused() {
    let source = Source { items: "(memory 0) ".repeat(64), ..Source::default() };
    let message = told(&source.run("spec"), "system_error");
    assert!(message.contains("more instances, tables or memories"), "{message}");
}

#[test]
fn tables_count_as_well() {
    let grow = "(loop $again (br_if $again (i32.ge_s (table.grow $t (ref.null func) (i32.const 65536)) (i32.const 0)))) (unreachable)";
    let source = Source { items: "(table $t 1 funcref)".into(), spec: grow.into(), ..Source::default() };
    told_of_memory(&with_memory(&source, "spec", "64MiB"), "64 MiB");
    let source = Source { items: "(table $t 100000000 funcref)".into(), ..Source::default() };
    told_of_memory(&with_memory(&source, "spec", "64MiB"), "64 MiB");
}

#[test]
fn a_crash_after_memory_could_not_grow_for_another_reason_says_so() {
    let source = Source { memory: "(memory (export \"memory\") 2 100)", spec: GROW.into(), ..Source::default() };
    let message = told(&source.run("spec"), "system_error");
    assert!(
        message.contains("crashed") && message.contains("grown to 6.3 MiB and could not grow further"),
        "{message}"
    );
}

#[test]
fn what_is_handed_to_the_host_counts() {
    // 200 MB of text to an import, again and again.
    let source = Source {
        imports: LOG_IMPORT.into(),
        memory: "(memory (export \"memory\") 3100)",
        spec:
            "(loop $again (call $log (i32.const 3) (i32.const 65536) (i32.const 200000000)) (br $again)) (unreachable)"
                .into(),
        ..Source::default()
    };
    let finished = with_memory(&source, "spec", "256MiB");
    let message = told(&finished, "system_error");
    assert!(message.contains("--max-memory"), "{message}");
}

#[test]
fn a_record_that_does_not_fit_is_told() {
    // Spaces all over: one line that is 100 MB long.
    let source = Source {
        imports: format!("{OPEN_IMPORT} {WRITE_IMPORT}"),
        memory: "(memory (export \"memory\") 2000)",
        read: format!(
            "{OPEN} {WRITE} (memory.fill (i32.const 70000) (i32.const 32) (i32.const 100000000))
            (call $write (i32.load (i32.const 516)) (i32.const 70000) (i32.const 100000000) (i32.const 512)) (i32.const 128)"
        ),
        ..Source::default()
    };
    let finished = with_memory(&source, "read", "150MiB");
    let message = told(&finished, "system_error");
    assert!(message.contains("--max-memory"), "{message}");
    assert_eq!(finished.records("one"), [&json!({"n": 1})]);
    assert_eq!(finished.statuses("one"), ["STARTED", "RUNNING", "INCOMPLETE"]);
}

#[test]
fn the_specification_of_a_connector_can_not_fill_the_memory() {
    // An array of 40 million numbers is 80 MB of text, and many times that as a value.
    let source = Source {
        memory: "(memory (export \"memory\") 1300)",
        items: r#"(data (i32.const 65536) "{\22connectionSpecification\22:{\22enum\22:[1")"#.into(),
        spec: r#"(local $i i32)
            (local.set $i (i32.const 65573))
            (loop $again
                (i32.store16 (local.get $i) (i32.const 0x312c))
                (local.set $i (i32.add (local.get $i) (i32.const 2)))
                (br_if $again (i32.lt_u (local.get $i) (i32.const 80000000))))
            (i32.store (local.get $i) (i32.const 0x207d7d5d))
            (i32.store (i32.const 516) (i32.const 65536))
            (i32.store (i32.const 520) (i32.sub (i32.add (local.get $i) (i32.const 4)) (i32.const 65536)))
            (i32.const 512)"#
            .into(),
        ..Source::default()
    };
    told_of_memory(&with_memory(&source, "spec", "500MiB"), "500 MiB");
}

#[test]
fn a_million_log_lines_are_only_slow() {
    let source = Source {
        imports: LOG_IMPORT.into(),
        spec: "(local $i i32)
            (loop $again
                (call $log (i32.const 5) (i32.const 1024) (i32.const 3))
                (call $log (i32.const 3) (i32.const 1024) (i32.const 0))
                (local.set $i (i32.add (local.get $i) (i32.const 1)))
                (br_if $again (i32.lt_u (local.get $i) (i32.const 100000))))
            (i32.const 64)"
            .into(),
        ..Source::default()
    };
    with_memory(&source, "spec", "64MiB").exits(0);
}

#[test]
fn a_machine_that_gives_no_memory_is_told_and_the_connector_not_blamed() {
    for kibibytes in [4_000_000, 600_000] {
        let finished = Source::default().run_with("spec", |run| run.with_address_space(kibibytes));
        let message = told(&finished, "system_error");
        assert!(message.contains("ulimit -v") && message.contains("This machine"), "{kibibytes}: {message}");
    }
}

#[test]
fn a_machine_that_gives_no_more_memory_later_on_is_told_as_well() {
    // Its memory fits, what it hands over does not.
    let source = Source {
        imports: LOG_IMPORT.into(),
        memory: "(memory (export \"memory\") 3100)",
        spec: "(call $log (i32.const 3) (i32.const 65536) (i32.const 200000000)) (i32.const 64)".into(),
        ..Source::default()
    };
    // How much the program itself takes is a matter of how it was built: in the range after what is too little for a start, whoever
    // ends the process tells it, and not the error of a start, which would have an internal message.
    let later = (4_200_000..6_600_000).step_by(60_000).map(|kibibytes| {
        source.run_with("spec", |run| run.option("--max-memory", "20GiB").with_address_space(kibibytes))
    });
    let is_told_later =
        |finished: &Finished| finished.errors().first().is_some_and(|error| error["internal_message"].is_null());
    let finished = later.into_iter().find(is_told_later).expect("some range is too little later on");
    let message = told(&finished, "system_error");
    assert!(message.contains("ulimit -v"), "{message}");
}

#[test]
fn random_numbers_and_resources_without_an_end_are_refused() {
    let random = r#"package wasi:random@0.2.0; interface random { get-random-bytes: func(len: u64) -> list<u8>; }"#;
    for length in ["1152921504606846976", "-1", "4000000000"] {
        let source = Source {
            wit: vec![(random, "import wasi:random/random@0.2.0;")],
            imports: r#"(import "wasi:random/random@0.2.0" "get-random-bytes" (func $random (param i64 i32)))"#.into(),
            spec: format!("(call $random (i64.const {length}) (i32.const 512)) (i32.const 64)"),
            ..Source::default()
        };
        told(&source.run("spec"), "system_error");
    }
    let poll = r#"package wasi:io@0.2.0; interface poll { resource pollable; }"#;
    let clocks = r#"package wasi:clocks@0.2.0;
        interface monotonic-clock { use wasi:io/poll@0.2.0.{pollable}; subscribe-duration: func(when: u64) -> pollable; }"#;
    let source = Source {
        wit: vec![(poll, ""), (clocks, "import wasi:clocks/monotonic-clock@0.2.0;")],
        imports:
            r#"(import "wasi:clocks/monotonic-clock@0.2.0" "subscribe-duration" (func $wait (param i64) (result i32)))"#
                .into(),
        spec: "(loop $again (drop (call $wait (i64.const 1))) (br $again)) (unreachable)".into(),
        ..Source::default()
    };
    let message = told(&source.run("spec"), "system_error");
    assert!(message.contains("1000000 files, streams and other resources"), "{message}");
    // And as many as that says are given: two of them are behind each.
    let few = "(local $i i32)
        (loop $again
            (drop (call $wait (i64.const 1)))
            (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (br_if $again (i32.lt_u (local.get $i) (i32.const 400000))))
        (i32.const 64)";
    Source { spec: few.into(), ..source.clone() }.run("spec").exits(0);
    told_of_memory(&with_memory(&source, "spec", "16MiB"), "16 MiB");
}
