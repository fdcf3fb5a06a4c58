//! `image build`: what is wrong with its input, its base image or its output is told, and leaves nothing.

use std::fs;
use std::path::Path;
use std::process::Command;

use airlock_images::Platform;
use serde_json::{Value, json};

use super::base;
use super::build::{METADATA, build};
use crate::harness::{Airlock, Workspace, airlock_binary, connector, test_guest};

/// It failed, said all this, and made no image.
#[track_caller]
fn refused(run: Airlock, workspace: &Workspace, parts: &[&str]) {
    let finished = run.run_tool().exits(1);
    assert!(finished.stdout.is_empty());
    assert!(finished.stderr.starts_with("error: "), "{}", finished.stderr);
    for part in parts {
        assert!(finished.stderr.contains(part), "{part}: {}", finished.stderr);
    }
    assert!(finished.stderr.lines().all(|line| !line.contains(char::is_control)), "{:?}", finished.stderr);
    let left: Vec<_> = fs::read_dir(workspace.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| name != "source.tar" && !name.to_string_lossy().starts_with('.')), "{left:?}");
}

#[test]
fn metadata_that_gives_no_name_is_told() {
    let repository = "dockerRepository: airbyte/source-faker";
    for (metadata, parts) in [
        ("data: {dockerImageTag: '1'}".to_owned(), ["no dockerRepository", "source.metadata.yaml", "--tag"]),
        (format!("data: {{{repository}}}"), ["no dockerImageTag", "source.metadata.yaml", "--tag"]),
        (format!("data: {{{repository}, dockerImageTag: a/b}}"), ["dockerImageTag in ", "'/'", "--tag"]),
        (format!("data: {{{repository}:1, dockerImageTag: '1'}}"), ["dockerRepository in ", "holds a tag", "--tag"]),
        ("data: {dockerRepository: \"a\\nb\", dockerImageTag: '1'}".to_owned(), ["dockerRepository", "'\\n'", "--tag"]),
        ("data: {dockerRepository: \"\\e[2J\", dockerImageTag: '1'}".to_owned(), ["Repository", "'\\u{1b}'", "--tag"]),
    ] {
        let workspace = Workspace::new();
        refused(build(&workspace, &metadata), &workspace, &parts);
    }
    let workspace = Workspace::new();
    let run = build(&workspace, METADATA);
    fs::remove_file(workspace.path().join("source.metadata.yaml")).unwrap();
    refused(run, &workspace, &["has no name", "no metadata", "airlock embed", "--metadata", "--tag"]);
}

#[test]
fn what_is_no_connector_is_told() {
    let workspace = Workspace::new();
    let text = workspace.file("text.wasm", "text");
    let missing = workspace.path().join("missing.wasm");
    let base = base::base(&workspace);
    for (input, part) in [
        (&test_guest("command"), "no connector: it exports neither"),
        (&text, "is no WebAssembly component"),
        (&missing, "does not exist"),
        (&workspace.path().to_owned(), "is not a file"),
    ] {
        let output = workspace.path().join("source.tar");
        let run = Airlock::new(["image", "build"]).arg(input).option("--base", &base).option("--output", output);
        refused(run.option("--tag", "a:1"), &workspace, &[part]);
    }
    // A destination with the metadata of a source.
    let run = Airlock::new(["image", "build"]).arg(connector("destination-csv")).option("--base", &base);
    let metadata = workspace.file("metadata.yaml", METADATA);
    let run = run.option("--metadata", metadata).option("--output", workspace.path().join("source.tar"));
    refused(run, &workspace, &["connectorType", "it is a destination"]);
}

#[test]
fn a_base_image_that_does_not_fit_is_told() {
    let set = |pointer: &'static str, value: Value| {
        move |config: &mut Value| *config.pointer_mut(pointer).expect("it is there") = value.clone()
    };
    let labels = "/config/Labels";
    type Change = Box<dyn Fn(&mut Value)>;
    let cases: Vec<(Change, &[&str])> = vec![
        (Box::new(set(labels, json!({}))), &["no base image of airlock", "airlock.version", "cargo xtask base-image"]),
        (
            Box::new(set(labels, json!({"airlock.version": env!("CARGO_PKG_VERSION")}))),
            &["no base image of airlock", "airlock.wasmtime"],
        ),
        (
            Box::new(set("/config/Labels/airlock.version", "9.9.9".into())),
            &["has airlock 9.9.9", concat!("this is airlock ", env!("CARGO_PKG_VERSION")), "hint: "],
        ),
        (
            Box::new(set("/config/Labels/airlock.wasmtime", "9.9.9\u{1b}[2J\nhint: run this".into())),
            &["wasmtime 9.9.9\u{fffd}[2J\u{fffd}hint"],
        ),
        (Box::new(set("/config/Entrypoint", json!(["/bin/sh"]))), &["ENTRYPOINT is not /usr/bin/airlock"]),
        (Box::new(set("/config/Env/1", "A=b".into())), &["AIRBYTE_ENTRYPOINT=/usr/bin/airlock"]),
        (Box::new(set("/config/Env/2", "A=b".into())), &["AIRLOCK_AIRBYTE_DIR=/airbyte"]),
        (
            Box::new(set("/config/Env/3", "AIRLOCK_CONNECTOR=/tmp/x.cwasm".into())),
            &["AIRLOCK_CONNECTOR=/connector/connector.cwasm"],
        ),
        // Of two, engines take the last.
        (Box::new(set("/config/Env/0", "AIRLOCK_CONNECTOR=/tmp/x.cwasm".into())), &["another AIRLOCK_CONNECTOR"]),
        (Box::new(set("/config/User", "root".into())), &["USER is not airbyte"]),
    ];
    for (change, parts) in cases {
        let workspace = Workspace::new();
        let run = build(&workspace, METADATA);
        base::write(&workspace.path().join("base.tar"), &Platform::ALL, change);
        refused(run, &workspace, &[parts, &["base.tar"]].concat());
    }
}

#[test]
fn a_platform_that_the_base_image_lacks_is_told() {
    let workspace = Workspace::new();
    let run = build(&workspace, METADATA);
    base::write(&workspace.path().join("base.tar"), &[Platform::LinuxAmd64], |_| {});
    let parts = ["is for linux/amd64, and not for linux/arm64", "--platform linux/amd64", "base.tar"];
    refused(run, &workspace, &parts);
}

#[test]
fn nothing_that_is_read_is_written_over() {
    let workspace = Workspace::new();
    build(&workspace, METADATA);
    let [source, base] = ["source.wasm", "base.tar"].map(|name| workspace.path().join(name));
    let image = || Airlock::new(["image", "build", "--tag", "a:1"]).arg(&source).option("--base", &base);
    let compile = Airlock::new(["compile"]).arg(&source);
    let metadata = workspace.file("metadata.yaml", METADATA);
    let embed = Airlock::new(["embed"]).arg(&source).option("--metadata", &metadata);
    let with_metadata = image().option("--metadata", &metadata);
    let cases =
        [(image(), &source), (image(), &base), (with_metadata, &metadata), (compile, &source), (embed, &metadata)];
    for (tool, read) in cases {
        let before = fs::read(read).unwrap();
        refused(tool.option("--output", read), &workspace, &["would be written over", "--output"]);
        assert!(fs::read(read).unwrap() == before, "{} has changed", read.display());
    }
}

#[test]
fn what_is_no_base_image_is_told() {
    let workspace = Workspace::new();
    let run = || Airlock::new(["image", "build"]).arg(workspace.path().join("source.wasm"));
    build(&workspace, METADATA);
    let text = workspace.file("text", "text");
    for (base, part) in [
        (Path::new("./missing"), "can not be read"),
        (Path::new("/missing/base"), "can not be read"),
        (Path::new("missing.tar"), "can not be read"),
        (&text, "base image"),
        (workspace.path(), "base image"),
    ] {
        refused(
            run().option("--base", base),
            &workspace,
            &["the base image", &base.display().to_string(), part, "hint: "],
        );
    }
}

#[test]
fn wrong_usage_of_image_build_is_told_with_exit_code_2() {
    let workspace = Workspace::new();
    let cases: &[(&[&str], &str)] = &[
        (&["--tag", "airbyte/source-faker"], "has no tag"),
        (&["--tag", "A:1"], "'A'"),
        (&["--tag", "a:1\u{1b}[2J"], "'\\u{1b}'"),
        (&["--platform", "linux/s390x"], "the platforms are linux/amd64 and linux/arm64"),
        (&["--platform", ""], "the platforms are linux/amd64 and linux/arm64"),
        (&["--config", "x"], "image build takes no --config"),
        (&["--max-memory", "much"], "--max-memory"),
    ];
    for (options, expected) in cases {
        let run = options.iter().fold(build(&workspace, METADATA), |build, option| build.arg(*option));
        let finished = run.run_tool().exits(2);
        assert!(finished.stdout.is_empty(), "{options:?}");
        assert!(finished.stderr.contains(expected), "{options:?}: {}", finished.stderr);
    }
    for wrong in ["yesterday", "-1", "1.5"] {
        let finished = build(&workspace, METADATA).env("SOURCE_DATE_EPOCH", wrong).run_tool().exits(2);
        assert!(finished.stderr.contains("SOURCE_DATE_EPOCH"), "{}", finished.stderr);
    }
    assert!(!workspace.path().join("source.tar").exists());
    build(&workspace, METADATA).env("SOURCE_DATE_EPOCH", "").run_tool().exits(0);
}

#[test]
fn an_output_that_can_not_be_written_is_told_and_leaves_nothing() {
    let workspace = Workspace::new();
    for output in [workspace.path().join("missing/image.tar").as_path(), Path::new("/dev/full"), workspace.path()] {
        let run = build(&workspace, METADATA).option("--output", output);
        refused(run, &workspace, &["can not be written", "hint: ", "--output"]);
    }
}

#[test]
fn a_write_that_ends_early_leaves_what_was_there() {
    let workspace = Workspace::new();
    build(&workspace, METADATA);
    let output = workspace.file("source.tar", "before");
    // The system takes no more than 8 KiB of a file: by an error, or by a signal in the middle of the write.
    for (signal, code) in [("trap '' XFSZ;", Some(1)), ("", None)] {
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("{signal} ulimit -f 16; exec \"$@\""), "sh"]).arg(airlock_binary());
        shell.args(["image", "build"]).arg(workspace.path().join("source.wasm"));
        let ended = shell.arg("--base").arg(workspace.path().join("base.tar")).output().unwrap();
        assert_eq!(ended.status.code(), code, "{}", String::from_utf8_lossy(&ended.stderr));
        assert_eq!(fs::read(&output).unwrap(), b"before");
        if code.is_some() {
            let names = fs::read_dir(workspace.path()).unwrap().map(|entry| entry.unwrap().file_name());
            assert!(names.into_iter().all(|name| !name.to_string_lossy().starts_with('.')));
        }
    }
}
