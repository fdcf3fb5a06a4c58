//! PyAirbyte: its library and its command line, with a source, a destination, and both.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::{executable, python_program, run, script, seen};
use crate::harness::{Workspace, connector, test_guest};

/// The data that destination-local-json wrote, by the name of the file's stream.
fn written(directory: &Path) -> BTreeMap<String, Vec<Value>> {
    let entries = fs::read_dir(directory).expect("it was written").map(|entry| entry.unwrap().path());
    let mut written = BTreeMap::new();
    for path in entries.filter(|path| !path.file_name().unwrap().to_string_lossy().starts_with('.')) {
        let name = path.file_stem().unwrap().to_string_lossy().strip_prefix("_airbyte_raw_").unwrap().to_owned();
        let text = fs::read_to_string(&path).unwrap();
        let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        written.insert(name, lines.map(|mut line| line["_airbyte_data"].take()).collect());
    }
    written
}

#[test]
fn the_library_reads_into_its_cache_and_writes_to_a_destination() {
    let workspace = Workspace::new();
    let airbyte = workspace.directory("airbyte");
    let documents = workspace.directory("documents");
    let stream = json!({"name": "one", "json_schema": {"type": "object", "properties": {"n": {"type": "integer"}}},
        "supported_sync_modes": ["full_refresh"]});
    fs::write(documents.join("catalog"), json!({"streams": [stream]}).to_string()).unwrap();
    let arguments = json!({
        "directory": workspace.path(),
        "source": executable(&workspace, "source-faker", &connector("source-faker"), None),
        "files": executable(&workspace, "source-file", &connector("source-file"), Some(&workspace.directory("files"))),
        "failing_source": executable(&workspace, "source-documents", &test_guest("source-documents"), Some(&documents)),
        "destination":
            executable(&workspace, "local-json", &connector("destination-local-json"), Some(&airbyte)),
        "seen": workspace.path().join("seen.json"),
    });
    run(script("pyairbyte.py", &workspace).arg(arguments.to_string()));
    let seen = seen(&workspace.path().join("seen.json"));

    assert_eq!(seen["streams"], json!(["products", "users", "purchases"]));
    assert_eq!(seen["selected"], json!(["users", "purchases"]));
    assert_eq!(seen["docs_url"], "https://docs.airbyte.com/integrations/sources/faker");
    assert_eq!(seen["schema"]["properties"]["age"], json!({"type": "integer"}));

    let ids: Vec<i64> = (1..=120).collect();
    let records = seen["records"].as_array().unwrap();
    assert_eq!(records.iter().map(|record| record["id"].as_i64().unwrap()).collect::<Vec<_>>(), ids);
    assert!(records.iter().all(|record| record["address"]["city"].is_string() && record["age"].is_i64()));

    assert_eq!((&seen["first_read"], &seen["in_duckdb"]), (&json!(240), &json!({"users": 120, "purchases": 120})));
    assert_eq!(seen["in_pandas"], json!({"ids": ids, "ages_are_numbers": true}));
    assert_eq!(seen["second_read"], 0, "it went on from its state");
    assert_eq!(seen["third_read"], 60, "the source had grown by 30 users");
    assert_eq!(seen["in_duckdb_after_growth"], json!({"users": 150, "purchases": 150}));

    assert_eq!(seen["directories"], json!([[1, 2], [1, 2], [1, 2]]), "no file of an earlier read is lost");

    let failed = |what: &str, expected: &str| {
        let failure = seen[what].as_str().unwrap_or_else(|| panic!("{what} did not fail"));
        assert!(failure.contains(expected), "{what}: {failure}");
    };
    failed("wrong_config", "/count: value is not of type \"integer\"");
    failed("failing_read", "Exit Code: 1");
    failed("wrong_path", "inside the /local directory");

    assert_eq!(seen["written"], 240);
    assert_eq!(seen["written_with_states"], 240);
    assert_eq!(seen["written_again"], 0, "it went on from the states that the destination had echoed");
    let written = written(&airbyte.join("local/pyairbyte"));
    assert_eq!(written.keys().collect::<Vec<_>>(), ["purchases", "users"]);
    // PyAirbyte asks for deduplication, which in these files is appending: two writes brought all, the third nothing.
    let twice: Vec<i64> = (1..=120).chain(1..=120).collect();
    assert_eq!(written["users"].iter().map(|user| user["id"].as_i64().unwrap()).collect::<Vec<_>>(), twice);
    assert_eq!(written["users"][7]["email"], records[7]["email"]);
    assert_eq!(written["purchases"].len(), 240);
}

#[test]
fn the_command_line_validates_a_source() {
    let workspace = Workspace::new();
    let source = executable(&workspace, "source-faker", &connector("source-faker"), None);
    let config = workspace.json("config.json", &json!({"count": 10}));
    let validate = |config: &Path| {
        let mut pyab = python_program("clients", "pyab", &workspace);
        pyab.arg("validate").arg(format!("--connector={}", source.display()));
        pyab.arg(format!("--config={}", config.display()));
        pyab
    };
    let output = run(&mut validate(&config));
    assert!(String::from_utf8_lossy(&output.stderr).contains("Connection check succeeded"), "{}", super::said(&output));
}

#[test]
fn a_destination_takes_every_scenario_of_the_smoke_test() {
    let workspace = Workspace::new();
    let airbyte = workspace.directory("airbyte");
    let destination = executable(&workspace, "local-json", &connector("destination-local-json"), Some(&airbyte));
    let mut smoke_test = python_program("clients", "pyab", &workspace);
    smoke_test.args(["destination-smoke-test", "--scenarios=all", "--skip-preflight", "--reuse-namespace=smoke"]);
    smoke_test.arg(format!("--destination={}", destination.display()));
    smoke_test.arg(r#"--config={"destination_path": "/local/smoke"}"#);
    let output = run(&mut smoke_test);
    let seen_by_script = workspace.path().join("scenarios.json");
    run(script("smoke_scenarios.py", &workspace).arg(&seen_by_script));
    let mut sent: BTreeMap<String, Vec<Value>> = serde_json::from_value(seen(&seen_by_script)).unwrap();
    let report: Value = serde_json::from_str(&json_of(&output.stdout)).unwrap();
    assert_eq!(report["success"], true, "{report}");
    let count: usize = sent.values().map(Vec::len).sum();
    assert_eq!(report["records_delivered"], count);

    let written = written(&airbyte.join("local/smoke"));
    let names = |streams: &BTreeMap<String, Vec<Value>>| streams.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&written), names(&sent));
    assert!(sent.len() >= 22 && sent["large_batch_stream"].len() == 1000 && sent["empty_stream"].is_empty());
    for (stream, sent) in &mut sent {
        // What Airbyte's Python sources print has no field that is null.
        let fields = sent.iter_mut().filter_map(Value::as_object_mut);
        fields.for_each(|fields| fields.retain(|_, value| !value.is_null()));
        assert_eq!(&written[stream], sent, "{stream}");
    }
}

/// From the line that opens the object: PyAirbyte tells its progress before.
fn json_of(stdout: &[u8]) -> String {
    let text = String::from_utf8_lossy(stdout);
    text.lines().skip_while(|line| *line != "{").collect::<Vec<_>>().join("\n")
}
