//! The documents as tests see them: their blocks of code, and their commands run. It must not know what a document says.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use super::{Workspace, airlock_binary, dist};

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

/// The block of a document that is a file of this name.
#[track_caller]
pub fn file(document: &str, name: &str) -> String {
    let found = blocks(document).into_iter().find(|block| block.file.as_deref() == Some(name));
    found.unwrap_or_else(|| panic!("{document} has no {name}")).text
}

/// Runs the commands of a document in their order, in a directory that has what they need, with `airlock` on the path; what each
/// printed.
#[track_caller]
pub fn run_commands(document: &str, workspace: &Workspace, variables: &[(&str, &OsStr)]) -> Vec<String> {
    let programs = workspace.directory("programs");
    std::os::unix::fs::symlink(airlock_binary(), programs.join("airlock")).expect("a link");
    let mut path = OsString::from(programs);
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap_or_default());
    let mut outputs = Vec::new();
    for text in commands(document) {
        let mut command = Command::new("bash");
        command.args(["-eu", "-c", &text]).current_dir(workspace.path()).env_clear();
        command.env("PATH", &path).env("XDG_CACHE_HOME", dist().join("test-cache"));
        command.envs(variables.iter().copied());
        let output = command.output().expect("bash starts");
        let [printed, said] = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        assert!(output.status.success(), "{text}\n{said}\n{printed}");
        outputs.push(printed);
    }
    outputs
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

/// The top of the repository.
pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}
