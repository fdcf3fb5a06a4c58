//! The commands in the documents do what the documents say.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::harness::{airlock_binary, dist, protocol};

/// A block of code in a document.
pub struct Block {
    /// What stands behind its first marks: `sh` is to be run.
    pub language: String,
    /// The file that it is of, where one is named behind the language.
    pub file: Option<String>,
    pub text: String,
}

/// The blocks of a document.
pub fn blocks(document: &str) -> Vec<Block> {
    let page = read(document);
    let mut lines = page.lines();
    let mut blocks = Vec::new();
    while let Some(line) = lines.next() {
        let Some(head) = line.trim_start().strip_prefix("```") else { continue };
        let (language, file) = head.split_once(' ').map_or((head, None), |(language, file)| (language, Some(file)));
        let text = lines.by_ref().take_while(|line| line.trim_start() != "```").map(|line| format!("{line}\n"));
        let text = text.collect();
        blocks.push(Block { language: language.to_owned(), file: file.map(str::to_owned), text });
    }
    blocks
}

/// The shell code of a document's blocks that are to be run.
pub fn commands(document: &str) -> Vec<String> {
    blocks(document).into_iter().filter(|block| block.language == "sh").map(|block| block.text).collect()
}

/// Code that a document says is of a file below `folder` stands there, to the letter.
pub fn assert_quoted(document: &str, folder: &str, at_least: usize) {
    let mut compared = 0;
    for Block { file, text, .. } in blocks(document) {
        let Some(file) = file.filter(|file| file.ends_with(".rs") || file.ends_with("metadata.yaml")) else { continue };
        assert!(read(&format!("{folder}/{file}")).contains(&text), "{file} has not this of {document}:\n{text}");
        compared += 1;
    }
    assert!(compared >= at_least, "{document} was understood: {compared} blocks");
}

/// A file of the repository.
pub fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The shell code of a document's block that holds `mark`.
fn command(document: &str, mark: &str) -> String {
    let found = commands(document).into_iter().find(|block| block.contains(mark));
    found.unwrap_or_else(|| panic!("{document} has no block with {mark}"))
}

pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

fn run(script: &str) -> Vec<u8> {
    let output = Command::new("bash")
        .args(["-O", "expand_aliases", "-eu", "-c", script])
        .current_dir(root())
        .env("XDG_CACHE_HOME", dist().join("test-cache"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

#[test]
fn the_commands_of_the_readme_run() {
    let script = command("README.md", "alias airlock");
    assert_eq!(dist().join("airlock").canonicalize().unwrap(), airlock_binary());
    let messages = protocol::messages(&run(&script));
    let count = |kind: &str| messages.iter().filter(|message| message["type"] == kind).count();
    assert_eq!(count("SPEC"), 1);
    assert!(count("RECORD") > 1000 && count("STATE") > 3, "{} records", count("RECORD"));
}

#[test]
fn the_script_for_pyairbyte_is_an_executable_connector() {
    let script = command("README.md", "exec /path/to/airlock")
        .replace("/path/to/airlock", airlock_binary().to_str().unwrap())
        .replace("/path/to/source-faker.wasm", dist().join("connectors/source-faker.wasm").to_str().unwrap());
    let script = script.lines().map(str::trim).collect::<Vec<_>>().join("\n");
    let output = Command::new("sh").args(["-c", &script, "sh", "spec"]).output().unwrap();
    assert_eq!(protocol::messages(&output.stdout)[0]["type"], "SPEC");
}

/// The rows of the tables of a document: their cells, and the tests that they name, which have to be there.
fn rows_with_tests(document: &str) -> Vec<(Vec<String>, usize)> {
    let list = Command::new(std::env::current_exe().unwrap()).args(["--list", "--format", "terse"]).output().unwrap();
    let list = String::from_utf8(list.stdout).unwrap();
    let tests: Vec<&str> = list.lines().filter_map(|line| line.strip_suffix(": test")).collect();
    let page = read(document);
    let rows = page.lines().filter(|line| line.starts_with('|')).map(|row| {
        let named: Vec<&str> = row.split('`').skip(1).step_by(2).filter(|code| code.contains("::")).collect();
        for test in &named {
            assert!(tests.contains(test), "{document}: there is no test {test}: {row}");
        }
        (row.split('|').map(|cell| cell.trim().to_owned()).collect(), named.len())
    });
    rows.collect()
}

#[test]
fn what_works_of_airbyte_is_shown_by_tests() {
    let rows = rows_with_tests("docs/compatibility.md");
    let works: Vec<_> = rows.iter().filter(|(cells, _)| cells[2] == "works").collect();
    for (cells, tests) in &works {
        assert!(*tests > 0, "no test shows this: {cells:?}");
    }
    assert!(works.len() > 20, "the page was understood: {} features work", works.len());
}

#[test]
fn each_promise_of_the_sandbox_is_backed_by_tests() {
    let rows = rows_with_tests("SECURITY.md");
    let mut promises = Vec::new();
    for table in rows.chunk_by(|_, (next, _)| next[1] != "Promise") {
        if table[0].0[1] == "Promise" {
            promises.extend(&table[2..]);
        }
    }
    for (cells, tests) in &promises {
        assert!(*tests > 0, "no test backs this: {cells:?}");
    }
    assert!(promises.len() > 15, "the page was understood: {} promises", promises.len());
}

#[test]
fn the_code_in_the_guide_to_databases_is_the_examples() {
    assert_quoted("docs/database-source.md", ".", 7);
}
