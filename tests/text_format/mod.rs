//! Components that no compiler would make, written in WebAssembly's text format against `wit/`: whatever they do, the command ends
//! with exit code 1, one TRACE ERROR and whole lines. The host's limits are tried with them as well.

mod damage;
mod lies;
mod limits;
mod links;
mod loops;

use serde_json::json;
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

use crate::harness::workspace::configured_catalog;
use crate::harness::{Airlock, Finished, Workspace};

/// A core module that is a source of the contract and does nothing wrong; each test replaces what it is about. The places of its
/// memory: 64 a result with the specification, 128 one that is ok and empty, 256 the specification, 512 where imports put what they
/// give, 1024 text; from 4096 on what the host passes.
#[derive(Clone)]
struct Source {
    /// Packages that it imports from beside the contract, and the lines of its world that do so.
    wit: Vec<(&'static str, &'static str)>,
    /// Imports, before everything else.
    imports: String,
    /// Whatever else the module has.
    items: String,
    memory: &'static str,
    /// The bodies of its functions.
    realloc: String,
    spec: String,
    check: String,
    read: String,
}

impl Default for Source {
    fn default() -> Source {
        Source {
            wit: Vec::new(),
            imports: String::new(),
            items: String::new(),
            memory: "(memory (export \"memory\") 2)",
            realloc: "(global.set $free (i32.and (i32.add (global.get $free) (i32.const 15)) (i32.const -16)))
                (global.get $free)
                (global.set $free (i32.add (global.get $free) (local.get $size)))"
                .to_owned(),
            spec: "(i32.const 64)".to_owned(),
            check: "(i32.const 128)".to_owned(),
            read: "(i32.const 128)".to_owned(),
        }
    }
}

const SPECIFICATION: &str = r#"{"connectionSpecification":{}}"#;

impl Source {
    fn text(&self) -> String {
        let Source { wit: _, imports, items, memory, realloc, spec, check, read } = self;
        let interface = "airlock:connector/source-commands@0.1.0";
        let specification = SPECIFICATION.replace('"', "\\22");
        format!(
            r#"(module $guest
    {imports}
    {memory}
    (global $free (mut i32) (i32.const 4096))
    (data (i32.const 64) "\00\00\00\00\00\01\00\00\1e\00\00\00")
    (data (i32.const 256) "{specification}")
    (data (i32.const 1024) "one")
    (data (i32.const 1040) "{{\22n\22:1}}\n")
    (data (i32.const 1056) "\ff\fe text")
    {items}
    (func $realloc (export "cabi_realloc") (param $old i32) (param $old_size i32) (param $align i32) (param $size i32) (result i32)
        {realloc})
    (func $spec (export "{interface}#spec") (result i32) {spec})
    (func $check (export "{interface}#check") (param i32 i32) (result i32) {check})
    (func $discover (export "{interface}#discover") (param i32 i32) (result i32) (i32.const 64))
    (func $read (export "{interface}#read") (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
        {read})
)"#
        )
    }

    fn component(&self) -> Vec<u8> {
        component_of(&wat::parse_str(self.text()).expect("the module is well written"), &self.wit)
    }

    /// Runs a command of it.
    #[track_caller]
    fn run(&self, command: &str) -> Finished {
        self.run_with(command, |run| run)
    }

    /// Runs a command of it, with options.
    #[track_caller]
    fn run_with(&self, command: &str, options: impl FnOnce(Airlock) -> Airlock) -> Finished {
        let workspace = Workspace::new();
        options(self.command(&workspace, command)).run()
    }

    /// A command of it, not yet run. What it is given lies in the workspace.
    fn command(&self, workspace: &Workspace, command: &str) -> Airlock {
        let path = workspace.file("hostile.wasm", self.component());
        let mut run = Airlock::of(&path).arg(command);
        if command != "spec" {
            run = run.option("--config", workspace.json("config.json", &json!({})));
        }
        if command == "read" {
            run = run.option("--catalog", workspace.json("catalog.json", &configured_catalog(&["one"])));
        }
        run
    }
}

/// The component of a core module whose names are those of the contract's source, and of these other packages.
fn component_of(module: &[u8], wit: &[(&str, &str)]) -> Vec<u8> {
    let mut resolve = Resolve::default();
    resolve.push_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../wit")).expect("the contract is well written");
    let mut world = "package hostile:guest; world guest { include airlock:connector/source@0.1.0;".to_owned();
    for (package, import) in wit {
        resolve.push_str("package.wit", package).expect("the package is well written");
        world += import;
    }
    let package = resolve.push_str("world.wit", &(world + "}")).expect("the world is well written");
    let world = resolve.select_world(&[package], Some("guest")).expect("it is there");
    let mut module = module.to_owned();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).expect("the module takes it");
    let mut encoder = ComponentEncoder::default();
    encoder.module(&module).expect("the module fits the contract").validate(true);
    encoder.encode().expect("the module fits the contract")
}

/// Opens the stream `one` and leaves its handle at 516.
const OPEN_IMPORT: &str = r#"(import "airlock:connector/output@0.1.0" "[static]stream-writer.open"
    (func $open (param i32 i32 i32 i32 i32 i32)))"#;
const OPEN: &str =
    "(call $open (i32.const 1024) (i32.const 3) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 512))";
const WRITE_IMPORT: &str = r#"(import "airlock:connector/output@0.1.0" "[method]stream-writer.write"
    (func $write (param i32 i32 i32 i32)))"#;
/// Writes one record to the stream that `OPEN` opened.
const WRITE: &str = "(call $write (i32.load (i32.const 516)) (i32.const 1040) (i32.const 8) (i32.const 512))";
const LOG_IMPORT: &str = r#"(import "airlock:connector/host@0.1.0" "log" (func $log (param i32 i32 i32)))"#;

/// The command failed as every failure must: whole lines (which `run` has checked), one TRACE ERROR that names the connector, exit
/// code 1. Gives the message.
#[track_caller]
fn told(finished: &Finished, kind: &str) -> String {
    assert_eq!(
        finished.status.code(),
        Some(1),
        "{:?} {}\n{}",
        finished.status,
        finished.stderr,
        String::from_utf8_lossy(&finished.stdout[..finished.stdout.len().min(2000)])
    );
    let (told_kind, message) = finished.error();
    assert_eq!(told_kind, kind, "{message}");
    assert!(message.contains("hostile"), "it names the connector: {message}");
    assert!(!message.contains("airlock itself failed") && !finished.stderr.contains("panicked"), "{}", finished.stderr);
    message.to_owned()
}

#[test]
fn a_component_of_text_that_does_nothing_wrong_works() {
    let source = Source {
        imports: format!("{OPEN_IMPORT} {WRITE_IMPORT} {LOG_IMPORT}"),
        read: format!("{OPEN} {WRITE} (call $log (i32.const 3) (i32.const 1024) (i32.const 3)) (i32.const 128)"),
        ..Source::default()
    };
    source.run("spec").exits(0);
    source.run("check").exits(0);
    let finished = source.run("read").exits(0);
    assert_eq!(finished.records("one"), [&json!({"n": 1})]);
    assert_eq!(finished.logs("INFO"), ["one"]);
    assert_eq!(finished.statuses("one"), ["STARTED", "RUNNING", "COMPLETE"]);
}
