//! Other people's programs that speak Airbyte's protocol, from PyPI and Debian, run against the binary: what passes here is
//! not only this repository's own reading of the protocol. A script beside a module only drives the client and writes down
//! what it saw; what must come out stands in the module.
//!
//! They need what `cargo xtask clients` fetches, and are left out together: `--skip airbyte_clients::`.

mod busybox;
pub mod image_test;
mod protocol_models;
mod pyairbyte;
mod serverless;
mod source_faker;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

use crate::harness::Workspace;

/// What `cargo xtask clients` found or fetched.
pub fn fetched(variable: &str) -> PathBuf {
    let Some(path) = std::env::var_os(variable) else {
        panic!(
            "{variable} is not set: run the tests by `cargo xtask test`, or after `eval \"$(cargo xtask clients)\"`, or \
             without other people's clients: `cargo test … -- --skip airbyte_clients::`"
        );
    };
    PathBuf::from(path)
}

/// A program of a Python environment. Whatever it writes goes to the workspace, and it asks nobody over the network.
fn python_program(environment: &str, name: &str, workspace: &Workspace) -> Command {
    let programs = fetched("AIRLOCK_PYTHON_CLIENTS").join(environment).join("bin");
    let program = programs.join(name);
    assert!(program.exists(), "{} is not there: run `cargo xtask clients`", program.display());
    let mut path = programs.into_os_string();
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap_or_default());
    let mut command = Command::new(program);
    command
        .current_dir(workspace.path())
        .env_clear()
        .env("PATH", path)
        .env("HOME", workspace.directory("home"))
        .env("TMPDIR", workspace.directory("temporary"))
        .env("PYTHONWARNINGS", "ignore")
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("AIRBYTE_OFFLINE_MODE", "1")
        .env("DO_NOT_TRACK", "1")
        // Some ask Airbyte's registry all the same.
        .env("HTTPS_PROXY", "http://127.0.0.1:9")
        .env("AIRBYTE_LOGGING_ROOT", workspace.directory("logs"))
        .env("AIRBYTE_TEMP_DIR", workspace.directory("temporary"))
        .env("AIRBYTE_PROJECT_DIR", workspace.path());
    command
}

/// Python with a script of this folder.
pub fn script(name: &str, workspace: &Workspace) -> Command {
    script_at(&format!("airbyte_clients/{name}"), workspace)
}

/// Python with a script of the tests.
pub fn script_at(path: &str, workspace: &Workspace) -> Command {
    let mut command = python_program("clients", "python", workspace);
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join(path));
    command
}

/// Runs a program that must succeed.
#[track_caller]
pub fn run(command: &mut Command) -> Output {
    let output = command.output().expect("the program starts");
    assert!(output.status.success(), "{command:?}\n{}", said(&output));
    output
}

/// What a program printed, for a failing test.
fn said(output: &Output) -> String {
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    format!("{}\n---- stdout\n{stdout}\n---- stderr\n{stderr}", output.status)
}

/// What a script wrote down.
pub fn seen(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).expect("the script wrote it")).expect("it is JSON")
}

/// A connector as one executable file, for clients that take no arguments: what README advises.
fn executable(workspace: &Workspace, name: &str, connector: &Path, airbyte_directory: Option<&Path>) -> PathBuf {
    let cache = crate::harness::dist().join("test-cache");
    let entrypoint = workspace.entrypoint(connector, airbyte_directory);
    let path =
        workspace.file(name, format!("#!/bin/sh\nXDG_CACHE_HOME='{}' exec {entrypoint} \"$@\"\n", cache.display()));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("it is ours");
    path
}
