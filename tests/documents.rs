//! The commands in the documents do what the documents say.

use std::process::Command;

use crate::harness::documents::{assert_quoted, commands, read, root};
use crate::harness::{airlock_binary, dist, protocol};

/// The shell code of a document's block that holds `mark`.
fn command(document: &str, mark: &str) -> String {
    let found = commands(document).into_iter().find(|block| block.contains(mark));
    found.unwrap_or_else(|| panic!("{document} has no block with {mark}"))
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
