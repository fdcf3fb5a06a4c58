//! Guests that never come back, wherever they are called: --timeout ends them all the same.

use std::fs;
use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::{LOG_IMPORT, OPEN, OPEN_IMPORT, Source, WRITE, WRITE_IMPORT, component_of, told};
use crate::faulty::live::Live;
use crate::harness::protocol::messages;
use crate::harness::{Airlock, Finished, Workspace};

const LOOP: &str = "(loop $again (br $again)) (unreachable)";

/// What a guest that moves data gets to clean up (`GRACE` in the host), and some time for a busy machine.
const GRACE: Duration = Duration::from_secs(10);
const PATIENCE: Duration = Duration::from_secs(60);

#[track_caller]
fn timed_out(source: &Source, command: &str) -> Finished {
    let since = Instant::now();
    let finished = source.run_with(command, |run| run.option("--timeout", "1s"));
    let message = told_of_the_time(&finished);
    assert!(message.contains("1 second"), "{message}");
    assert!((Duration::from_secs(1)..PATIENCE).contains(&since.elapsed()), "{:?}", since.elapsed());
    finished
}

#[track_caller]
fn told_of_the_time(finished: &Finished) -> String {
    assert_eq!(finished.status.code(), Some(1), "{:?} {}", finished.status, finished.stderr);
    let (kind, message) = finished.error();
    assert_eq!(kind, "transient_error");
    assert!(message.contains("--timeout"), "{message}");
    message.to_owned()
}

#[test]
fn a_loop_at_the_start_ends_in_time() {
    let source = Source { items: format!("(func $endless {LOOP}) (start $endless)"), ..Source::default() };
    for command in ["spec", "check", "discover", "read"] {
        let finished = timed_out(&source, command);
        assert_eq!(finished.outline(), ["ERROR"], "{command}");
    }
}

#[test]
fn a_loop_in_a_function_ends_in_time() {
    timed_out(&Source { spec: LOOP.to_owned(), ..Source::default() }, "spec");
    timed_out(&Source { check: LOOP.to_owned(), ..Source::default() }, "check");
    // It is called for the config.
    timed_out(&Source { realloc: LOOP.to_owned(), ..Source::default() }, "check");
    let post_return =
        format!("(func (export \"cabi_post_airlock:connector/source-commands@0.1.0#spec\") (param i32) {LOOP})");
    timed_out(&Source { items: post_return, ..Source::default() }, "spec");
}

/// Says `one` in `spec`, and never comes back.
fn says_one_and_loops() -> Source {
    let spec = format!("(call $log (i32.const 3) (i32.const 1024) (i32.const 3)) {LOOP}");
    Source { imports: LOG_IMPORT.into(), spec, ..Source::default() }
}

#[test]
fn a_signal_ends_a_loop_in_spec_and_nothing_stays_behind() {
    for (signal, number) in [(Signal::TERM, 15), (Signal::INT, 2)] {
        let workspace = Workspace::new();
        let temporary = workspace.directory("temporary");
        let mut live = Live::start(says_one_and_loops().command(&workspace, "spec").env("TMPDIR", &temporary));
        live.wait_for(|message| message["log"]["message"] == "one");
        let airbyte = fs::read_dir(&temporary).unwrap().next().expect("its /airbyte is there").unwrap().path();
        fs::create_dir_all(airbyte.join("deep/deeper/deepest")).unwrap();
        fs::write(airbyte.join("deep/deeper/file"), "").unwrap();
        live.signal(signal);
        let finished = live.finish();
        assert_eq!(finished.status.signal(), Some(number), "{:?} {}", finished.status, finished.stderr);
        assert_eq!(finished.outline(), ["LOG"]);
        assert_eq!(fs::read_dir(&temporary).unwrap().count(), 0);
    }
}

#[test]
fn as_the_first_process_of_a_container_spec_ends_by_a_signal_as_well() {
    const FIRST: [&str; 5] = ["--user", "--map-root-user", "--pid", "--fork", "--kill-child"];
    if !Command::new("unshare").args(FIRST).arg("true").output().is_ok_and(|tried| tried.status.success()) {
        println!("left out: this kernel gives this user no namespace of its own for processes");
        return;
    }
    let workspace = Workspace::new();
    let run = says_one_and_loops().command(&workspace, "spec").into_command();
    let mut command = Command::new("unshare");
    command.args(FIRST).arg(run.get_program()).args(run.get_args()).env_clear();
    command.envs(run.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let mut parent = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut one = [0; 8];
    parent.stdout.as_mut().unwrap().read_exact(&mut one).unwrap();
    let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", parent.id())).unwrap();
    let first = Pid::from_raw(children.trim().parse().unwrap()).unwrap();
    kill_process(first, Signal::TERM).unwrap();
    assert_eq!(parent.wait().unwrap().code(), Some(128 + 15));
}

#[test]
fn spec_starts_no_thread_for_output_signals_or_memory() {
    let workspace = Workspace::new();
    let mut live = Live::start(says_one_and_loops().command(&workspace, "spec"));
    live.wait_for(|message| message["log"]["message"] == "one");
    let threads = fs::read_dir(format!("/proc/{}/task", live.id())).unwrap();
    let names = threads.map(|thread| fs::read_to_string(thread.unwrap().path().join("comm")).unwrap());
    let names: Vec<String> = names.map(|name| name.trim().to_owned()).collect();
    live.kill();
    for thread in ["output", "signals", "memory", "tokio-rt-worker"] {
        assert!(!names.iter().any(|name| name == thread), "{names:?}");
    }
}

#[test]
fn a_loop_in_read_is_ended_after_its_grace_and_what_came_before_is_whole() {
    let source = Source {
        imports: format!("{OPEN_IMPORT} {WRITE_IMPORT}"),
        read: format!("{OPEN} {WRITE} {WRITE} {LOOP}"),
        ..Source::default()
    };
    let since = Instant::now();
    let finished = timed_out(&source, "read");
    assert!(since.elapsed() >= GRACE, "{:?}", since.elapsed());
    assert_eq!(finished.records("one"), [&json!({"n": 1}), &json!({"n": 1})]);
    assert_eq!(finished.statuses("one"), ["STARTED", "RUNNING", "INCOMPLETE"]);
    assert!(finished.logs("ERROR")[0].contains("It was ended"), "{:?}", finished.logs("ERROR"));
}

#[test]
fn a_guest_that_hears_of_it_ends_before_the_grace_is_over() {
    // Waits for a day, and is told that it is cancelled.
    let source = Source {
        imports: format!(
            "{OPEN_IMPORT} (import \"airlock:connector/host@0.1.0\" \"wait\" (func $wait (param i64 i32)))"
        ),
        read: format!("{OPEN} (call $wait (i64.const 86400000) (i32.const 512)) (i32.const 128)"),
        ..Source::default()
    };
    let since = Instant::now();
    let finished = timed_out(&source, "read");
    assert!(since.elapsed() < GRACE, "{:?}", since.elapsed());
    assert_eq!(finished.statuses("one"), ["STARTED", "INCOMPLETE"]);
    assert!(!finished.logs("WARN").iter().any(|text| text.contains("signal")), "{:?}", finished.logs("WARN"));
}

/// What leaves, and the exit code, where nobody reads until the time is over.
fn read_too_late(source: &Source, command: &str) -> (Option<i32>, Vec<Value>) {
    let workspace = Workspace::new();
    let mut child = source.command(&workspace, command).option("--timeout", "2s").spawn();
    // Time is what this is about: for two seconds after its end the host still writes.
    thread::sleep(Duration::from_millis(2500));
    let mut stdout = Vec::new();
    child.stdout.take().expect("it was asked for").read_to_end(&mut stdout).expect("stdout is readable");
    (child.wait().expect("it ends").code(), messages(&stdout))
}

#[test]
fn a_time_that_ends_while_an_answer_waits_for_its_reader_is_told_once() {
    let errors = |messages: &[Value]| {
        let errors = messages.iter().map(|message| message["trace"]["error"]["failure_type"].clone());
        errors.filter(|kind| !kind.is_null()).collect::<Vec<_>>()
    };
    // More than a pipe takes.
    let records = format!(
        "(local $i i32) {OPEN}
        (loop $again
            {WRITE}
            (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (br_if $again (i32.lt_u (local.get $i) (i32.const 2000))))"
    );
    // A failure that has been told is the only one.
    let fails = "(i32.store8 (i32.const 512) (i32.const 1)) (i32.store8 (i32.const 516) (i32.const 0)) (i32.store (i32.const 520) (i32.const 1024))
        (i32.store (i32.const 524) (i32.const 3)) (i32.const 512)";
    let source = Source {
        imports: format!("{OPEN_IMPORT} {WRITE_IMPORT}"),
        read: format!("{records} {fails}"),
        ..Source::default()
    };
    let (code, messages) = read_too_late(&source, "read");
    assert_eq!((code, errors(&messages)), (Some(1), vec![json!("config_error")]));
    // An answer that was right ends with exit code 1 all the same, and nobody is to wonder why.
    let source = Source {
        memory: "(memory (export \"memory\") 20)",
        items: r#"(data (i32.const 8192) "{\22connectionSpecification\22:{}")"#.into(),
        spec: "(memory.fill (i32.const 65536) (i32.const 97) (i32.const 1000000))
            (memory.copy (i32.const 65536) (i32.const 8192) (i32.const 29))
            (i64.store (i32.const 65565) (i64.const 0x6161223a227a222c))
            (i32.store16 (i32.const 1065534) (i32.const 0x7d22))
            (i32.store (i32.const 516) (i32.const 65536)) (i32.store (i32.const 520) (i32.const 1000000)) (i32.const 512)"
            .into(),
        ..Source::default()
    };
    let (code, messages) = read_too_late(&source, "spec");
    assert_eq!(messages[0]["type"], "SPEC");
    assert_eq!((code, errors(&messages)), (Some(1), vec![json!("transient_error")]));
}

#[test]
fn a_command_that_ends_in_time_is_not_told_anything() {
    let finished = Source::default().run_with("spec", |run| run.env("AIRLOCK_TIMEOUT", "10m")).exits(0);
    assert_eq!(finished.outline(), ["SPEC"]);
}

#[test]
fn a_limit_that_is_none_is_wrong_usage() {
    for (option, value) in [("--timeout", "soon"), ("--timeout", "0"), ("--max-memory", "much"), ("--max-memory", "0")]
    {
        let finished = Source::default().run_with("spec", |run| run.option(option, value)).exits(2);
        assert!(finished.stdout.is_empty() && finished.stderr.contains(option), "{}", finished.stderr);
    }
    // A variable that is empty is one that somebody meant to unset.
    Source::default().run_with("spec", |run| run.env("AIRLOCK_TIMEOUT", "").env("AIRLOCK_MAX_MEMORY", "")).exits(0);
}

#[test]
fn a_crash_names_functions_and_lines_where_the_component_says_them() {
    let source = Source {
        items: "(func $the_culprit\n (unreachable))\n (func $its_caller (call $the_culprit))".into(),
        spec: "(call $its_caller) (i32.const 64)".into(),
        ..Source::default()
    };
    let module = wat::Parser::new()
        .generate_dwarf(wat::GenerateDwarf::Full)
        .parse_str(Some("culprit.wat".as_ref()), source.text())
        .expect("the module is well written");
    let line = source.text().lines().position(|line| line.contains("(unreachable))")).expect("it is there") + 1;
    let workspace = Workspace::new();
    let path = workspace.file("hostile.wasm", component_of(&module, &[]));
    let compiled = workspace.path().join("hostile.cwasm");
    Airlock::new(["compile".as_ref(), path.as_os_str()]).option("--output", &compiled).run_tool().exits(0);
    for path in [path, compiled] {
        let finished = Airlock::of(&path).arg("spec").run();
        told(&finished, "system_error");
        let stack_trace = finished.errors()[0]["stack_trace"].as_str().unwrap();
        for part in ["the_culprit", "its_caller", &format!("culprit.wat:{line}:")] {
            assert!(stack_trace.contains(part), "{part}: {stack_trace}");
        }
    }
}

#[test]
fn recursion_without_an_end_is_told() {
    let source = Source {
        items: "(func $deep (call $deep))".into(),
        spec: "(call $deep) (unreachable)".into(),
        ..Source::default()
    };
    let message = told(&source.run("spec"), "system_error");
    assert!(message.contains("call stack exhausted") && message.contains(" in spec"), "{message}");
}
