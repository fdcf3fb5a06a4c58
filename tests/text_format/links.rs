//! Components that ask for what is not there, or that are not what the contract wants: told before any of their code runs.

use serde_json::json;

use super::{Source, told};
use crate::harness::{Airlock, Finished, Workspace};
use crate::images::base::base as base_image;

/// Runs `spec` of a component in text format.
#[track_caller]
fn spec(text: &str) -> Finished {
    spec_of(&wat::parse_str(text).unwrap_or_else(|error| panic!("{error}")))
}

#[track_caller]
fn spec_of(component: &[u8]) -> Finished {
    let workspace = Workspace::new();
    Airlock::of(&workspace.file("hostile.wasm", component)).option("--timeout", "60s").arg("spec").run()
}

const EXPORT: &str = r#"(instance $commands) (export "airlock:connector/source-commands@0.1.0" (instance $commands))"#;

#[test]
fn an_import_that_is_not_there_is_named_in_plain_words() {
    for (import, parts) in [
        ("wasi:http/outgoing-handler@0.3.0", ["think of wasi:http", "(HTTP)"]),
        ("wasi:nn/graph@0.2.0", ["(machine learning)", "WASI 0.2"]),
        ("wasi:keyvalue/store@0.2.0-draft", ["(a key-value store)", "WASI 0.2"]),
        ("acme:secrets/vault@1.0.0", ["Build it without", "WASI 0.2"]),
        ("airlock:connector/telepathy@0.1.0", ["wit/", "does not give"]),
    ] {
        let text = format!(r#"(component (import "{import}" (instance (export "think" (func)))) {EXPORT})"#);
        let message = told(&spec(&text), "config_error");
        for part in parts.iter().chain(&[import, "this airlock"]) {
            assert!(message.contains(part), "{part}: {message}");
        }
    }
}

#[test]
fn an_import_of_another_form_is_told() {
    let text = format!(
        r#"(component (import "airlock:connector/host@0.1.0" (instance (export "max-log-level" (func (param "x" u32))))) {EXPORT})"#
    );
    let message = told(&spec(&text), "config_error");
    assert!(message.contains("airlock:connector/host@0.1.0 in another form"), "{message}");
    let text = format!(r#"(component (import "airlock:connector/host@0.1.0" (func)) {EXPORT})"#);
    told(&spec(&text), "config_error");
    let text = format!(r#"(component (import "run" (func)) {EXPORT})"#);
    assert!(told(&spec(&text), "config_error").contains("imports run"));
}

#[test]
fn exports_of_another_form_are_told() {
    // Nothing in it; a function that takes and gives something else; no instance at all.
    for text in [
        format!("(component {EXPORT})"),
        r#"(component
            (core module $m (func (export "f")))
            (core instance $i (instantiate $m))
            (func $f (canon lift (core func $i "f")))
            (instance $commands (export "spec" (func $f)) (export "check" (func $f)) (export "discover" (func $f))
                (export "read" (func $f)))
            (export "airlock:connector/source-commands@0.1.0" (instance $commands)))"#
            .to_owned(),
    ] {
        let message = told(&spec(&text), "config_error");
        assert!(message.contains("does not export what the contract wants"), "{message}");
    }
}

#[test]
fn nothing_of_a_connector_runs_that_can_not_be_linked() {
    // Its start would loop for ever.
    let text = r#"(component
        (core module $m (func $f (loop $again (br $again))) (start $f))
        (core instance (instantiate $m))
        (instance $commands)
        (export "airlock:connector/source-commands@0.1.0" (instance $commands)))"#;
    let message = told(&spec(text), "config_error");
    assert!(message.contains("does not export"), "{message}");
}

#[test]
fn components_within_components_are_no_bomb() {
    for depth in [90, 1_000, 20_000] {
        let mut component = b"\0asm\x0d\0\x01\0".to_vec();
        for _ in 0..depth {
            let inner = std::mem::replace(&mut component, b"\0asm\x0d\0\x01\0\x04".to_vec());
            append_number(&mut component, inner.len());
            component.extend_from_slice(&inner);
        }
        let finished = spec_of(&component);
        told(&finished, finished.error().0);
        let workspace = Workspace::new();
        let path = workspace.file("hostile.wasm", &component);
        let compiled = Airlock::new(["compile".as_ref(), path.as_os_str()]).run_tool().exits(1);
        assert!(compiled.stdout.is_empty() && compiled.stderr.contains("error: "), "{}", compiled.stderr);
        assert!(!compiled.stderr.contains("panicked"), "{}", compiled.stderr);
    }
    // Each level instantiates the one below it ten times.
    let mut text = "(component $c0 (core module $m (memory 1)) (core instance (instantiate $m)))".to_owned();
    for level in 1..8 {
        let instances = format!("(instance (instantiate $c{}))", level - 1).repeat(10);
        text = format!("(component $c{level} {text} {instances})");
    }
    let text = format!("(component {text} (instance (instantiate $c7)) {EXPORT})");
    // The compiler has the memory of the default here.
    let message = told(&spec(&text), "system_error");
    assert!(message.contains("can not be compiled in the"), "{message}");
    let workspace = Workspace::new();
    let path = workspace.file("hostile.wasm", wat::parse_str(&text).expect("it is well written"));
    let base = base_image(&workspace);
    let output = workspace.path().join("output");
    let tools = [Airlock::new(["compile"]), Airlock::new(["image", "build", "--tag", "a:1"]).option("--base", base)];
    for tool in tools {
        let finished = tool.arg(&path).option("--output", &output).run_tool().exits(1);
        assert!(finished.stderr.contains("can not be compiled in the"), "{}", finished.stderr);
        assert!(finished.stdout.is_empty() && !output.exists());
    }
}

#[test]
fn a_huge_custom_section_is_no_matter() {
    let mut component = Source::default().component();
    let name = b"\x04junk";
    component.push(0);
    append_number(&mut component, 50_000_000 + name.len());
    component.extend_from_slice(name);
    component.resize(component.len() + 50_000_000, b'x');
    let finished = spec_of(&component).exits(0);
    assert_eq!(finished.of_type("SPEC"), [&json!({"type": "SPEC", "spec": {"connectionSpecification": {}}})]);
}

/// A number as WebAssembly writes it.
fn append_number(bytes: &mut Vec<u8>, mut number: usize) {
    while number >= 0x80 {
        bytes.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}
