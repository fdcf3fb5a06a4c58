//! airbyte-serverless, which starts a connector by words of a shell, with what it says on stderr in between.

use serde_json::{Value, json};

use super::{run, script, seen};
use crate::harness::{Workspace, connector, dist};

#[test]
fn a_source_is_read_and_goes_on_from_its_states() {
    let workspace = Workspace::new();
    let seen_by_script = workspace.path().join("seen.json");
    let arguments = json!({"source": workspace.entrypoint(&connector("source-faker"), None), "seen": seen_by_script});
    run(script("serverless.py", &workspace)
        .arg(arguments.to_string())
        .env("XDG_CACHE_HOME", dist().join("test-cache")));
    let seen = seen(&seen_by_script);
    assert_eq!(seen["streams"], json!(["products", "users", "purchases"]));
    assert_eq!(seen["documentation_url"], "https://docs.airbyte.com/integrations/sources/faker");
    assert_eq!(seen["check"]["status"], "SUCCEEDED");
    // Of whichever stream: they are read at once.
    assert_eq!(seen["first_record"]["data"]["id"], 1);
    let of_type = |messages: &Value, kind: &str| {
        messages.as_array().unwrap().iter().filter(|message| message["type"] == kind).count()
    };
    assert_eq!(of_type(&seen["messages"], "RECORD"), 60);
    assert_eq!(of_type(&seen["messages"], "STATE"), 3);
    assert_eq!(of_type(&seen["again"], "RECORD"), 0);
    assert!(
        seen["wrong_config"].as_str().unwrap().contains("/count: value is not of type"),
        "{}",
        seen["wrong_config"]
    );
}
