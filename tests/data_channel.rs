//! What the platform asks for in the environment and in the catalog: records as lines on stdin and stdout, or a clear refusal
//! before anything is moved.

use serde_json::{Value, json};

use crate::harness::lines::{record_line, state_line};
use crate::harness::{Airlock, Finished, Workspace, connector};

fn catalog(include_files: &Value) -> Value {
    json!({"streams": [{
        "stream": {"name": "users", "json_schema": {}, "supported_sync_modes": ["full_refresh", "incremental"]},
        "sync_mode": "full_refresh",
        "destination_sync_mode": "append",
        "include_files": include_files,
    }]})
}

/// `read` and `write`, with these variables and this catalog.
fn both(environment: &[(&str, &str)], catalog: &Value) -> [Finished; 2] {
    let workspace = Workspace::new();
    let catalog = workspace.json("catalog.json", catalog);
    let read = Airlock::of(&connector("source-faker"))
        .arg("read")
        .option("--config", workspace.json("source.json", &json!({"count": 3})));
    let write = Airlock::of(&connector("destination-local-json"))
        .arg("write")
        .option("--airbyte-dir", workspace.directory("airbyte"))
        .option("--config", workspace.json("destination.json", &json!({"destination_path": "/local"})))
        .stdin(record_line("users", 1) + &state_line("users", 1));
    [read, write].map(|command| {
        let command = command.option("--catalog", catalog.clone());
        environment.iter().fold(command, |command, (name, value)| command.env(name, *value)).run()
    })
}

#[test]
fn what_the_platform_says_of_lines_changes_nothing() {
    let environment = [
        ("DATA_CHANNEL_MEDIUM", "STDIO"),
        ("DATA_CHANNEL_FORMAT", "JSONL"),
        ("USE_FILE_TRANSFER", "false"),
        ("USE_STREAM_CAPABLE_STATE", "true"),
        ("AIRBYTE_STAGING_DIRECTORY", "/staging/files"),
    ];
    for include_files in [Value::Null, json!(false)] {
        let [read, write] = both(&environment, &catalog(&include_files));
        assert_eq!(read.exits(0).records("users").len(), 3);
        assert_eq!(write.exits(0).states().len(), 1);
    }
}

#[test]
fn sockets_protocol_buffers_and_files_are_refused_before_anything_moves() {
    for (environment, include_files, words) in [
        (&[("DATA_CHANNEL_MEDIUM", "SOCKET")][..], json!(null), ["DATA_CHANNEL_MEDIUM=SOCKET", "connectorIPCOptions"]),
        (&[("DATA_CHANNEL_FORMAT", "PROTOBUF")], json!(null), ["DATA_CHANNEL_FORMAT=PROTOBUF", "connectorIPCOptions"]),
        (&[("USE_FILE_TRANSFER", "true")], json!(null), ["USE_FILE_TRANSFER=true", "Turn the transfer of files off"]),
        (&[], json!(true), ["users", "include_files"]),
    ] {
        for finished in both(environment, &catalog(&include_files)) {
            let finished = finished.exits(1);
            let (kind, message) = finished.error();
            assert_eq!(kind, "config_error");
            for word in words {
                assert!(message.contains(word), "{message}");
            }
            assert!(finished.of_type("RECORD").is_empty() && finished.states().is_empty());
        }
    }
}
