//! The command line: which commands and options there are, where they may stand, and what wrong usage looks like.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::json;

use crate::harness::{Airlock, Workspace, airlock_binary, connector};

#[test]
fn options_go_before_or_after_the_command_and_take_an_equals_sign() {
    let workspace = Workspace::new();
    let config = workspace.json("config.json", &json!({"count": 3}));
    let config = config.to_str().unwrap();
    let faker = connector("source-faker");
    let faker = faker.to_str().unwrap();
    let expected = Airlock::new(["--connector", faker, "check", "--config", config]).run().exits(0).messages;
    for arguments in [
        vec!["check".to_owned(), format!("--config={config}"), format!("--connector={faker}")],
        vec!["--config".into(), config.into(), "--connector".into(), faker.into(), "check".into()],
        vec![format!("--config={config}"), "check".into(), "--connector".into(), faker.into(), "--debug".into()],
    ] {
        let finished = Airlock::new(&arguments).env("LOG_LEVEL", "error").run().exits(0);
        assert_eq!(finished.of_type("CONNECTION_STATUS"), expected.iter().collect::<Vec<_>>(), "{arguments:?}");
    }
    let by_variable = Airlock::new(["check", "--config", config]).env("AIRLOCK_CONNECTOR", faker).run().exits(0);
    assert_eq!(by_variable.messages, expected);
}

#[test]
fn wrong_usage_is_told_on_stderr_with_exit_code_2_and_nothing_on_stdout() {
    let workspace = Workspace::new();
    let config = workspace.json("config.json", &json!({}));
    let config = config.to_str().unwrap();
    let faker = connector("source-faker");
    let faker = faker.to_str().unwrap();
    let local_json = connector("destination-local-json");
    let local_json = local_json.to_str().unwrap();
    let directory = workspace.directory("airbyte");
    let directory = directory.to_str().unwrap();
    let cases: &[(&[&str], &str)] = &[
        (&[], "Usage"),
        (&["bogus"], "bogus"),
        (&["--connector", faker, "check"], "--config"),
        (&["--connector", faker, "discover"], "--config"),
        (&["--connector", faker, "read", "--config", config], "--catalog"),
        (&["--connector", faker, "spec", "--config", config], "spec takes no --config"),
        (&["--connector", faker, "check", "--config", config, "--state", config], "check takes no --state"),
        (&["--connector", faker, "read", "--config"], "--config"),
        (&["--connector", faker, "spec", "--nonsense"], "--nonsense"),
        (&["--connector", faker, "spec", "surplus"], "surplus"),
        (&["spec"], "AIRLOCK_CONNECTOR"),
        (&["--connector", "", "spec"], "AIRLOCK_CONNECTOR"),
        (&["compile", faker, "--config", config], "compile takes no --config"),
        (&["--connector", faker, "--mount", "nonsense", "spec"], "HOST:GUEST"),
        (&["--connector", faker, "--mount", "/tmp:/airbyte/x", "spec"], "/airbyte"),
        (&["--connector", faker, "--max-record-bytes", "many", "spec"], "--max-record-bytes"),
        (&["--connector", local_json, "write", "--config", config, "--catalog", config], "--airbyte-dir"),
        (&["--connector", local_json, "discover", "--config", config], "is a destination"),
        (
            &["--connector", faker, "write", "--config", config, "--catalog", config, "--airbyte-dir", directory],
            "is a source",
        ),
    ];
    for (arguments, expected) in cases {
        let finished = Airlock::new(*arguments).run().exits(2);
        assert!(finished.stdout.is_empty(), "{arguments:?}");
        assert!(finished.stderr.contains(expected), "{arguments:?}: {}", finished.stderr);
    }
}

#[test]
fn help_is_for_people() {
    for arguments in [&["--help"][..], &["help"], &["read", "--help"], &["--version"]] {
        let finished = Airlock::new(arguments).run_tool().exits(0);
        assert!(!finished.stdout.is_empty() && finished.stderr.is_empty(), "{arguments:?}");
    }
    let help = String::from_utf8(Airlock::new(["--help"]).run_tool().stdout).unwrap();
    for word in ["Examples:", "Exit codes:", "compile", "AIRLOCK_CONNECTOR", "AIRLOCK_AIRBYTE_DIR"] {
        assert!(help.contains(word), "{word}: {help}");
    }
}

#[test]
fn directories_that_are_not_there_are_told() {
    let workspace = Workspace::new();
    let config = workspace.json("config.json", &json!({}));
    let file = workspace.file("file", "");
    let airbyte = workspace.directory("airbyte");
    let outside = workspace.directory("outside");
    std::fs::create_dir(airbyte.join("data")).unwrap();
    std::os::unix::fs::symlink(&outside, airbyte.join("link")).unwrap();
    for inside in ["data", "link", "."] {
        let check = Airlock::of(&connector("source-faker")).arg("check").option("--config", &config);
        let mount = format!("{}:/data", airbyte.join(inside).display());
        let finished = check.option("--airbyte-dir", &airbyte).option("--mount", mount).run().exits(1);
        let (_, message) = finished.error();
        assert!(message.contains("--mount") && message.contains("may write"), "{inside}: {message}");
    }
    for (option, value, expected) in [
        ("--airbyte-dir", workspace.path().join("missing").into_os_string(), "mkdir -p"),
        ("--airbyte-dir", file.clone().into_os_string(), "is not a directory"),
        ("--mount", format!("{}:/data", workspace.path().join("missing").display()).into(), "does not exist"),
    ] {
        let check = Airlock::of(&connector("source-faker")).arg("check").option("--config", &config);
        let finished = check.option(option, value).run().exits(1);
        let (kind, message) = finished.error();
        assert_eq!(kind, "config_error");
        assert!(message.contains(expected) && message.contains(option), "{message}");
    }
}

#[test]
fn the_log_level_is_what_the_platform_or_the_user_says() {
    let spec = || Airlock::of(&connector("source-faker")).arg("spec");
    let unknown = spec().env("LOG_LEVEL", "loud").run().exits(0);
    assert!(unknown.logs("WARN")[0].contains("loud"));
    assert_eq!(spec().env("LOG_LEVEL", "ERROR").run().exits(0).messages.len(), 1);
}

#[test]
fn compile_makes_a_file_that_runs_and_is_refused_where_it_could_be_forged() {
    let workspace = Workspace::new();
    let compiled = workspace.path().join("faker.cwasm");
    let compile = Airlock::new(["compile"]).arg(connector("source-faker")).option("--output", &compiled);
    let said = String::from_utf8(compile.run_tool().exits(0).stdout).unwrap();
    assert!(said.contains("source") && said.contains("faker.cwasm"), "{said}");

    let spec = |path: &Path| Airlock::of(path).arg("spec").run();
    let expected = Airlock::of(&connector("source-faker")).arg("spec").run().exits(0).messages;
    assert_eq!(spec(&compiled).exits(0).messages, expected);

    let refused = Airlock::of(&compiled).arg("spec").option("--airbyte-dir", workspace.path()).run().exits(1);
    assert!(refused.error().1.contains("where connectors may write"), "{:?}", refused.error());
    fs::set_permissions(&compiled, fs::Permissions::from_mode(0o666)).unwrap();
    assert!(spec(&compiled).exits(1).error().1.contains("chmod o-w"));

    // Native code of another program.
    assert!(spec(&airlock_binary()).exits(1).error().1.contains("airlock compile"));
}

#[test]
fn compile_tells_people_what_is_wrong() {
    let workspace = Workspace::new();
    let text = workspace.file("text.wasm", "not wasm");
    let missing = workspace.path().join("missing.wasm");
    for (input, expected) in [(&text, "no WebAssembly component"), (&missing, "does not exist")] {
        let finished = Airlock::new(["compile"]).arg(input).run_tool().exits(1);
        assert!(finished.stdout.is_empty());
        assert!(finished.stderr.starts_with("error: ") && finished.stderr.contains(expected), "{}", finished.stderr);
    }
    let nowhere = workspace.path().join("missing/out.cwasm");
    let finished = Airlock::new(["compile"]).arg(connector("source-faker")).option("-o", nowhere).run_tool().exits(1);
    assert!(finished.stderr.contains("hint: "), "{}", finished.stderr);
    let leftovers: Vec<_> = fs::read_dir(workspace.path()).unwrap().collect();
    assert_eq!(leftovers.len(), 1, "nothing but the text file: {leftovers:?}");
}

#[test]
fn an_empty_variable_is_one_that_is_not_set() {
    let spec = Airlock::of(&connector("source-faker")).arg("spec").env("AIRLOCK_AIRBYTE_DIR", "").env("LOG_LEVEL", "");
    assert_eq!(spec.run().exits(0).messages.len(), 1);
}

#[test]
fn streams_that_take_nothing_change_no_exit_code() {
    let run = |arguments: &[&str], stdout: &str, stderr: &str| {
        let open = |path: &str| fs::OpenOptions::new().write(true).open(path).unwrap();
        let mut command = Airlock::new(arguments).into_command();
        command.stdout(open(stdout)).stderr(open(stderr)).status().unwrap().code()
    };
    let faker = connector("source-faker");
    let spec = ["--connector", faker.to_str().unwrap(), "spec"];
    assert_eq!(run(&spec, "/dev/null", "/dev/full"), Some(0));
    assert_eq!(run(&spec, "/dev/full", "/dev/full"), Some(1));
    assert_eq!(run(&["spec"], "/dev/full", "/dev/full"), Some(2));
}

#[test]
fn code_is_never_kept_where_a_connector_may_write() {
    let workspace = Workspace::new();
    let spec = Airlock::of(&connector("source-faker")).arg("spec").env("XDG_CACHE_HOME", workspace.path());
    let finished = spec.option("--airbyte-dir", workspace.path()).run().exits(0);
    assert!(finished.logs("WARN")[0].contains("where the connector may write"), "{:?}", finished.messages);
    assert_eq!(fs::read_dir(workspace.path().join("airlock/components")).unwrap().count(), 0);
}
