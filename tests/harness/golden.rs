//! What a connector must print, as it lies in `golden/`.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::{Airlock, connector};

/// `spec` prints the connector's specification in `golden/`, field for field, and nothing else.
#[track_caller]
pub fn assert_spec(name: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("golden/{name}.spec.json"));
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let expected: Value = serde_json::from_str(&text).expect("the golden file is JSON");
    let finished = Airlock::of(&connector(name)).arg("spec").run().exits(0);
    assert_eq!(finished.messages, [json!({"type": "SPEC", "spec": expected})]);
}
