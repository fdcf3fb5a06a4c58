//! Files that are no connectors of this contract: each is told for what it is, and what to do.

use std::fs;
use std::path::Path;

use serde_json::json;

use crate::harness::{Airlock, Finished, Workspace, test_guest};

/// The parts of the contract that a component's names begin with.
const PACKAGE: &str = "airlock:connector/";
const VERSION: &str = "@0.1.0";

/// Runs each Airbyte command that a source has, and `compile`: all must refuse the file for the same reason.
#[track_caller]
fn refused(content: &[u8], parts: &[&str]) {
    let workspace = Workspace::new();
    let path = workspace.file("connector.wasm", content);
    let config = workspace.json("config.json", &json!({}));
    for command in ["spec", "check", "discover"] {
        let mut run = Airlock::of(&path).arg(command);
        if command != "spec" {
            run = run.option("--config", &config);
        }
        let finished = run.run().exits(1);
        let (kind, message) = finished.error();
        assert_eq!(kind, "config_error", "{message}");
        for part in parts.iter().chain(&["connector.wasm"]) {
            assert!(message.contains(part), "{part}: {message}");
        }
        assert_eq!(finished.outline(), ["ERROR"]);
    }
    let compiled = compile(&path).exits(1);
    assert!(compiled.stdout.is_empty());
    for part in parts.iter().chain(&["error:", "connector.wasm"]) {
        assert!(compiled.stderr.contains(part), "{part}: {}", compiled.stderr);
    }
    assert!(!workspace.path().join("connector.cwasm").exists());
}

fn compile(path: &Path) -> Finished {
    Airlock::new(["compile".as_ref(), path.as_os_str()]).run_tool()
}

fn component() -> Vec<u8> {
    fs::read(test_guest("source-states")).unwrap()
}

/// The component with what comes after the package's name and interface changed: same length, so that it stays whole.
fn with_version(version: &str) -> Vec<u8> {
    let version = format!("@{version}");
    assert_eq!(version.len(), VERSION.len());
    let mut bytes = component();
    let mut changed = 0;
    for start in 0..bytes.len() {
        if bytes[start..].starts_with(PACKAGE.as_bytes()) {
            let rest = &bytes[start + PACKAGE.len()..];
            let interface = rest.iter().take_while(|byte| byte.is_ascii_lowercase() || **byte == b'-').count();
            let place = start + PACKAGE.len() + interface;
            if bytes[place..].starts_with(VERSION.as_bytes()) {
                bytes[place..place + version.len()].copy_from_slice(version.as_bytes());
                changed += 1;
            }
        }
    }
    assert!(changed > 0, "the component names the contract");
    bytes
}

#[test]
fn another_version_of_the_contract_names_both_sides_and_what_to_do() {
    for (version, advice) in [("0.2.0", "newer airlock"), ("1.0.0", "newer airlock"), ("0.0.9", "Build it anew")] {
        refused(&with_version(version), &[&format!("airlock:connector@{version}"), "airlock:connector@0.1.0", advice]);
    }
}

#[test]
fn a_component_whose_import_is_not_there_is_told_which() {
    let mut bytes = component();
    let (name, unknown) = (b"airlock:connector/output@0.1.0", b"airlock:connector/uotput@0.1.0");
    for start in 0..bytes.len() - name.len() {
        if bytes[start..].starts_with(name) {
            bytes[start..start + name.len()].copy_from_slice(unknown);
        }
    }
    let workspace = Workspace::new();
    let finished = Airlock::of(&workspace.file("connector.wasm", bytes)).arg("spec").run().exits(1);
    let (kind, message) = finished.error();
    assert_eq!(kind, "config_error");
    assert!(message.contains("connector/uotput") && message.contains("this airlock"), "{message}");
}

#[test]
fn what_is_no_component_is_told_for_what_it_is() {
    refused(b"", &["is no WebAssembly component"]);
    refused(b"\0as", &["is no WebAssembly component"]);
    refused(b"#!/usr/bin/env python\nprint('a connector')\n", &["is no WebAssembly component"]);
    refused(b"\0asm\x01\0\0\0", &["core WebAssembly module", "wasm32-wasip2"]);
}

#[test]
fn a_damaged_component_is_told_to_be_damaged() {
    let whole = component();
    for length in [8, whole.len() / 2, whole.len() - 1] {
        let workspace = Workspace::new();
        let path = workspace.file("connector.wasm", &whole[..length]);
        let finished = Airlock::of(&path).arg("spec").run().exits(1);
        let (kind, message) = finished.error();
        assert_eq!(kind, "config_error", "{length}");
        // The first eight bytes alone are an empty component.
        let words = if length == 8 { "no connector" } else { "damaged" };
        assert!(message.contains(words), "{length}: {message}");
        compile(&path).exits(1);
    }
}

#[test]
fn a_damaged_file_of_compiled_code_is_refused() {
    let workspace = Workspace::new();
    let path = workspace.file("connector.wasm", component());
    compile(&path).exits(0);
    let whole = fs::read(workspace.path().join("connector.cwasm")).unwrap();
    Airlock::of(&workspace.file("whole.cwasm", &whole)).arg("spec").run().exits(0);
    for length in [4, 64, 4096, whole.len() / 2, whole.len() - 4096] {
        let finished = Airlock::of(&workspace.file("cut.cwasm", &whole[..length])).arg("spec").run().exits(1);
        let (kind, message) = finished.error();
        assert_eq!(kind, "config_error", "{length}");
        assert!(message.contains("cut.cwasm"), "{length}: {message}");
    }
    // A program of this machine is ELF as well.
    let program = fs::read("/proc/self/exe").unwrap();
    let finished = Airlock::of(&workspace.file("program.cwasm", &program[..100_000])).arg("spec").run().exits(1);
    assert!(finished.error().1.contains("airlock compile"), "{:?}", finished.error());
}
