//! The files that commands are given: missing, unreadable, no JSON, no object, wrong in what they say.

use std::path::{Path, PathBuf};

use serde_json::json;

use crate::harness::workspace::configured_catalog;
use crate::harness::{Airlock, Finished, Workspace, connector};

struct Files {
    workspace: Workspace,
    config: PathBuf,
    catalog: PathBuf,
}

impl Files {
    fn new() -> Files {
        let workspace = Workspace::new();
        let config = workspace.json("config.json", &json!({"count": 2, "seed": 1}));
        let catalog = workspace.json("catalog.json", &configured_catalog(&["users"]));
        Files { workspace, config, catalog }
    }

    fn read(&self, config: &Path, catalog: &Path, state: Option<&Path>) -> Finished {
        let read = Airlock::of(&connector("source-faker")).arg("read");
        let read = read.option("--config", config).option("--catalog", catalog);
        match state {
            Some(state) => read.option("--state", state).run(),
            None => read.run(),
        }
    }
}

/// Files that are wrong for every option, each with what the error must say.
fn broken_files(workspace: &Workspace) -> Vec<(PathBuf, &'static str)> {
    vec![
        (workspace.path().join("missing.json"), "can not be read"),
        (workspace.directory("directory"), "can not be read"),
        (workspace.file("latin1.json", b"{\"name\":\"\xe9\"}"), "not UTF-8"),
        (workspace.file("cut.json", "{\"a\": 1, \"sec"), "not valid JSON"),
    ]
}

#[test]
fn a_broken_config_is_told_by_every_command_that_takes_one() {
    let files = Files::new();
    let mut broken = broken_files(&files.workspace);
    broken.push((files.workspace.file("empty.json", ""), "not valid JSON"));
    broken.push((files.workspace.file("array.json", "[1]"), "not a JSON object"));
    for (path, expected) in broken {
        for command in ["check", "discover", "read", "write"] {
            let name = if command == "write" { "destination-local-json" } else { "source-faker" };
            let mut run = Airlock::of(&connector(name)).arg(command).option("--config", &path);
            if command == "read" || command == "write" {
                run = run.option("--catalog", &files.catalog);
            }
            let finished = run.option("--airbyte-dir", files.workspace.path()).run().exits(1);
            let (kind, message) = finished.error();
            assert_eq!(kind, "config_error", "{message}");
            assert!(message.contains(expected) && message.contains("--config"), "{command}: {message}");
            assert!(message.contains(path.to_str().unwrap()) && !message.contains("sec\""), "{command}: {message}");
            assert_eq!(finished.messages.len(), 1, "nothing else is said");
        }
    }
}

#[test]
fn a_config_that_violates_the_spec_is_an_answer_of_check_and_an_error_of_the_others() {
    let files = Files::new();
    let config = files.workspace.json("wrong.json", &json!({"count": "many", "seed": 1.5}));
    let check = Airlock::of(&connector("source-faker")).arg("check").option("--config", &config).run().exits(0);
    let status = &check.messages[0]["connectionStatus"];
    assert_eq!(status["status"], "FAILED");
    let message = status["message"].as_str().unwrap();
    assert!(message.contains("/count") && message.contains("/seed") && message.contains("integer"), "{message}");
    assert_eq!(check.messages.len(), 1);

    let discover = Airlock::of(&connector("source-faker")).arg("discover").option("--config", &config).run();
    for finished in [discover, files.read(&config, &files.catalog, None)] {
        let finished = finished.exits(1);
        assert_eq!(finished.error(), ("config_error", message));
        assert_eq!(finished.messages.len(), 1);
    }
}

#[test]
fn a_byte_order_mark_is_no_reason_to_fail() {
    let files = Files::new();
    let config = files.workspace.file("bom.json", "\u{feff}{\"count\": 1}");
    assert_eq!(files.read(&config, &files.catalog, None).exits(0).records("users").len(), 1);
}

#[test]
fn a_broken_catalog_is_told() {
    let files = Files::new();
    let mut broken = broken_files(&files.workspace);
    let stream = |mode: &str| {
        json!({"streams": [{"stream": {"name": "users", "json_schema": {}}, "sync_mode": mode,
            "destination_sync_mode": "append"}]})
    };
    let mut twice = configured_catalog(&["users", "users"]);
    broken.push((files.workspace.file("empty.json", ""), "not valid JSON"));
    broken.push((files.workspace.file("array.json", "[]"), "not a JSON object"));
    broken.push((files.workspace.json("mode.json", &stream("INVALID")), "INVALID"));
    broken.push((files.workspace.json("twice.json", &twice), "twice"));
    twice["streams"] = json!({});
    broken.push((files.workspace.json("object.json", &twice), "expected a sequence"));
    let discovered = json!({"streams": [{"name": "users", "json_schema": {}}]});
    broken.push((files.workspace.json("discovered.json", &discovered), "must be configured first"));
    for (path, expected) in broken {
        for command in ["read", "write"] {
            let name = if command == "write" { "destination-local-json" } else { "source-faker" };
            let config = if command == "write" {
                files.workspace.json("write.json", &json!({"destination_path": "/local/x"}))
            } else {
                files.config.clone()
            };
            let run = Airlock::of(&connector(name)).arg(command).option("--config", config);
            let run = run.option("--catalog", &path).option("--airbyte-dir", files.workspace.path());
            let finished = run.run().exits(1);
            let (kind, message) = finished.error();
            assert_eq!(kind, "config_error", "{message}");
            assert!(message.contains(expected) && message.contains("--catalog"), "{message}");
            assert!(finished.of_type("RECORD").is_empty());
        }
    }
}

#[test]
fn a_stream_that_the_source_does_not_have_is_told() {
    let files = Files::new();
    let catalog = files.workspace.json("other.json", &configured_catalog(&["users", "nobody"]));
    let finished = files.read(&files.config, &catalog, None).exits(1);
    let errors = finished.errors();
    assert!(errors.iter().any(|error| error["message"].as_str().unwrap().contains("nobody")), "{errors:?}");
    assert_eq!(finished.statuses("nobody").last(), Some(&"INCOMPLETE"));
}

#[test]
fn a_broken_state_is_told() {
    let files = Files::new();
    let mut broken = broken_files(&files.workspace);
    let legacy = json!({"users": {"cursor": 1}});
    broken[3].1 = "no state message";
    broken.push((files.workspace.json("legacy.json", &legacy), "LEGACY"));
    broken.push((files.workspace.file("text.json", "nothing"), "neither a JSON array"));
    broken.push((files.workspace.file("numbers.json", "[1, 2]"), "element 0"));
    for (path, expected) in broken {
        let finished = files.read(&files.config, &files.catalog, Some(&path)).exits(1);
        let (kind, message) = finished.error();
        assert_eq!(kind, "config_error", "{message}");
        assert!(message.contains(expected) && message.contains("--state"), "{message}");
    }
}

#[test]
fn no_state_is_the_same_in_every_form() {
    let files = Files::new();
    let records = |finished: &Finished| {
        let mut records: Vec<_> = finished.records("users").into_iter().cloned().collect();
        // Of the moment of the sync.
        records.iter_mut().for_each(|record| record["updated_at"] = json!(null));
        records
    };
    let expected = records(&files.read(&files.config, &files.catalog, None).exits(0));
    assert_eq!(expected.len(), 2);
    for (name, content) in [("empty", ""), ("blank", " \n\n"), ("array", "[]")] {
        let state = files.workspace.file(name, content);
        assert_eq!(records(&files.read(&files.config, &files.catalog, Some(&state)).exits(0)), expected, "{name}");
    }
}
