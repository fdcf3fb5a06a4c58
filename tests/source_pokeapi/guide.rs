//! The guide for authors: its code is the example's, and its commands run.

use std::fs;

use serde_json::Value;

use super::world::{ROOT, World};
use crate::harness::documents::{self, file};
use crate::harness::{Workspace, connector, protocol};

const GUIDE: &str = "docs/rest-source.md";
const EXAMPLE: &str = "guest-examples/source-pokeapi";

/// Lines with something in them: where a block ends, a blank line may be.
fn lines(text: &str) -> Vec<&str> {
    text.lines().filter(|line| !line.is_empty()).collect()
}

#[test]
fn its_code_is_the_examples() {
    documents::assert_quoted(GUIDE, EXAMPLE, 12);
    // Who puts the blocks behind each other has the files. What is left out is copied, as the guide says.
    for entry in fs::read_dir(documents::root().join(EXAMPLE).join("src")).unwrap() {
        let name = format!("src/{}", entry.unwrap().file_name().to_str().unwrap());
        let blocks = documents::blocks(GUIDE);
        if ["src/schemas", "src/tests.rs"].contains(&name.as_str()) {
            let copied =
                format!("cp {}../airlock/{EXAMPLE}/{name} src/\n", if name.ends_with(".rs") { "" } else { "-r " });
            assert!(blocks.iter().any(|block| block.text.contains(&copied)), "{copied}");
            continue;
        }
        let texts = blocks.into_iter().filter(|block| block.file.as_ref() == Some(&name)).map(|block| block.text);
        let text: String = texts.collect();
        assert_eq!(lines(&text), lines(&documents::read(&format!("{EXAMPLE}/{name}"))), "{name}");
    }
    // Outside of the workspace the versions stand in the manifest; the crates and their features are the same.
    let crates = |manifest: &str| -> Vec<(String, bool)> {
        let dependencies = manifest.split("[dependencies]\n").nth(1).expect("there are some");
        let lines = dependencies.lines().take_while(|line| !line.is_empty());
        let name = |line: &str| line.split([' ', '.', '=']).next().unwrap_or_default().to_owned();
        lines.map(|line| (name(line), line.contains("raw_value"))).collect()
    };
    assert_eq!(crates(&file(GUIDE, "Cargo.toml")), crates(&documents::read(&format!("{EXAMPLE}/Cargo.toml"))));
}

#[test]
fn its_commands_run() {
    let workspace = Workspace::new();
    let server = World::of(5).serve();
    let config = file(GUIDE, "config.json").replace("https://pokeapi.co/api/v2/", &server.url(ROOT));
    assert!(config.contains("127.0.0.1"), "{config}");
    workspace.file("config.json", config);
    workspace.file("catalog.json", file(GUIDE, "catalog.json"));
    workspace.file("metadata.yaml", file(GUIDE, "metadata.yaml"));
    fs::copy(connector("source-pokeapi"), workspace.path().join("source_pokeapi.wasm")).unwrap();
    let outputs = documents::run_commands(GUIDE, &workspace, &[]);
    let printed = outputs.concat();
    assert!(printed.contains(r#"{"type":"SPEC""#) && printed.contains(r#""status":"SUCCEEDED""#), "{printed}");
    let written = |name: &str| protocol::messages(&fs::read(workspace.path().join(name)).unwrap());
    assert_eq!(written("discovered.jsonl")[0]["type"], "CATALOG");
    let of_records = |messages: &[Value]| messages.iter().filter(|message| message["type"] == "RECORD").count();
    assert_eq!(of_records(&written("messages.jsonl")), 6);
    let next = protocol::messages(outputs.last().expect("there are commands").as_bytes());
    assert!(!next.is_empty() && of_records(&next) == 0, "{next:?}");
}
