//! `image build`: what is in the image that it makes.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use tar::EntryType;

use super::archive::{Archive, Entry};
use super::base;
use super::compile::PLATFORMS;
use crate::harness::registry::{Access, Registry};
use crate::harness::{Airlock, Finished, Workspace, airlock_binary, test_guest};

pub const METADATA: &str = "data:
  name: Faker
  connectorType: source
  dockerRepository: airbyte/source-faker
  dockerImageTag: 7.2.1
  license: MIT
  documentationUrl: https://docs.example/faker
";

/// A build of a small source with this metadata, on a base image that fits.
pub fn build(workspace: &Workspace, metadata: &str) -> Airlock {
    let source = workspace.file("source.wasm", fs::read(test_guest("source-states")).unwrap());
    workspace.file("source.metadata.yaml", metadata);
    Airlock::new(["image", "build"]).arg(source).option("--base", base::base(workspace))
}

/// The same, done.
#[track_caller]
fn built(workspace: &Workspace, options: &[&str]) -> (Archive, Finished) {
    let build = options.iter().fold(build(workspace, METADATA), |build, option| build.arg(*option));
    let finished = build.run_tool().exits(0);
    assert!(finished.stderr.is_empty(), "{}", finished.stderr);
    (Archive::read(&workspace.path().join("source.tar")), finished)
}

#[test]
fn an_image_is_the_base_and_one_layer_with_the_connector() {
    let workspace = Workspace::new();
    let (archive, finished) = built(&workspace, &[]);
    assert_eq!(archive.platforms(), ["linux/amd64", "linux/arm64"]);
    let root = archive.root();
    assert_eq!(root["annotations"]["org.opencontainers.image.ref.name"], "7.2.1");
    assert_eq!(root["annotations"]["io.containerd.image.name"], "docker.io/airbyte/source-faker:7.2.1");
    assert_eq!(archive.index()["annotations"]["org.opencontainers.image.title"], "Faker");
    let said = String::from_utf8(finished.stdout).unwrap();
    let output = workspace.path().join("source.tar").display().to_string();
    for part in ["airbyte/source-faker:7.2.1", "source.metadata.yaml", "linux/amd64: ", "linux/arm64: ", "docker load"]
    {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(said.contains(&output), "{said}");

    let below = Archive::read(&workspace.path().join("base.tar"));
    for platform in archive.platforms() {
        let (image, base) = (archive.image(&platform), below.image(&platform));
        assert_eq!(image.manifest["layers"][0], base.manifest["layers"][0]);
        let [_, connector] = &image.layers[..] else { panic!("{} layers", image.layers.len()) };
        let facts = |entry: &Entry| (entry.path.clone(), entry.kind, entry.mode, entry.owner, entry.modified);
        assert_eq!(
            connector.iter().map(facts).collect::<Vec<_>>(),
            [
                ("connector".to_owned(), EntryType::Directory, 0o755, (0, 0), 0),
                ("connector/connector.cwasm".to_owned(), EntryType::Regular, 0o644, (0, 0), 0)
            ]
        );
        assert!(connector[1].content.starts_with(b"\x7fELF"));

        let mut expected = base.config["config"].clone();
        expected["Labels"] = json!({
            "airlock.version": expected["Labels"]["airlock.version"],
            "airlock.wasmtime": expected["Labels"]["airlock.wasmtime"],
            "io.airbyte.name": "airbyte/source-faker",
            "io.airbyte.version": "7.2.1",
            "org.opencontainers.image.documentation": "https://docs.example/faker",
            "org.opencontainers.image.licenses": "MIT",
            "org.opencontainers.image.title": "Faker",
            "org.opencontainers.image.version": "7.2.1",
        });
        assert_eq!(image.config["config"], expected);
        assert_eq!(image.config["created"], "1970-01-01T00:00:00Z");
        let history = image.config["history"].as_array().unwrap();
        assert_eq!((history.len(), &history[0]), (2, &base.config["history"][0]));
        assert!(history[1]["created_by"].as_str().unwrap().contains("airlock"), "{}", history[1]);
    }
}

#[test]
fn the_connector_in_an_image_runs_with_its_metadata() {
    let workspace = Workspace::new();
    let (archive, _) = built(&workspace, &[]);
    let [here, elsewhere] = PLATFORMS;
    let connector = workspace.file("connector.cwasm", archive.connector(here));
    let expected = Airlock::of(&test_guest("source-states")).arg("spec").run().exits(0).messages;
    assert_eq!(Airlock::of(&connector).arg("spec").run().exits(0).messages, expected);
    let shown = Airlock::new(["inspect", "--json"]).arg(&connector).run_tool().exits(0);
    let shown: Value = serde_json::from_slice(&shown.stdout).unwrap();
    assert_eq!(shown["metadata"]["name"], "Faker");

    let foreign = workspace.file("foreign.cwasm", archive.connector(elsewhere));
    let refused = Airlock::of(&foreign).arg("spec").run().exits(1);
    assert!(refused.error().1.contains("for another machine"), "{:?}", refused.error());
}

#[test]
fn the_same_input_gives_the_same_bytes_wherever_and_whenever() {
    let [here, there] = [Workspace::new(), Workspace::new()];
    build(&here, METADATA).run_tool().exits(0);
    let expected = fs::read(here.path().join("source.tar")).unwrap();

    // Another name, time, place, mode, umask and user's home.
    build(&there, METADATA);
    let source = there.path().join("other.wasm");
    fs::rename(there.path().join("source.wasm"), &source).unwrap();
    fs::rename(there.path().join("source.metadata.yaml"), there.path().join("other.metadata.yaml")).unwrap();
    let long_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
    File::options().write(true).open(&source).unwrap().set_modified(long_ago).unwrap();
    let temporary = there.directory("temporary");
    let mut shell = Command::new("sh");
    shell.args(["-c", "umask 077; exec \"$@\"", "sh"]).arg(airlock_binary());
    shell.args(["image", "build", "other.wasm", "--base", "base.tar", "--platform", "linux/arm64,linux/amd64"]);
    shell.args(["--output", "-"]).current_dir(there.path());
    shell.env("TMPDIR", &temporary).env("HOME", &temporary).env("TZ", "Asia/Tokyo").env_remove("SOURCE_DATE_EPOCH");
    let output = shell.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.stdout == expected, "{} and {} bytes", output.stdout.len(), expected.len());
}

#[test]
fn source_date_epoch_is_when_it_was_made() {
    let workspace = Workspace::new();
    build(&workspace, METADATA).env("SOURCE_DATE_EPOCH", "1700000000").run_tool().exits(0);
    let config = Archive::read(&workspace.path().join("source.tar")).image(PLATFORMS[0]).config;
    assert_eq!(config["created"], "2023-11-14T22:13:20Z");
    assert_eq!(config["history"][1]["created"], "2023-11-14T22:13:20Z");
    assert_eq!(config["history"][0]["created"], "1970-01-01T00:00:00Z", "the base's is the base's");
}

#[test]
fn an_image_is_for_the_platforms_that_are_named() {
    let workspace = Workspace::new();
    for (named, expected) in
        [("linux/amd64", "linux/amd64"), ("linux/arm64/v8", "linux/arm64"), ("linux/arm64,linux/arm64", "linux/arm64")]
    {
        let (archive, _) = built(&workspace, &["--platform", named]);
        assert_eq!(archive.platforms(), [expected]);
        assert!(archive.connector(expected).starts_with(b"\x7fELF"));
    }
    let (archive, _) = built(&workspace, &["--platform", "linux/arm64,linux/amd64", "--platform", "linux/arm64"]);
    assert_eq!(archive.platforms(), ["linux/amd64", "linux/arm64"]);
}

#[test]
fn a_name_that_is_said_counts_before_the_metadata_s() {
    let workspace = Workspace::new();
    let (archive, finished) = built(&workspace, &["--tag", "localhost:5000/mine:dev"]);
    assert_eq!(archive.root()["annotations"]["io.containerd.image.name"], "localhost:5000/mine:dev");
    let labels = archive.image(PLATFORMS[0]).config["config"]["Labels"].clone();
    // It is the same connector still.
    assert_eq!(
        (&labels["io.airbyte.name"], &labels["io.airbyte.version"]),
        (&"airbyte/source-faker".into(), &"7.2.1".into())
    );
    assert!(String::from_utf8(finished.stdout).unwrap().contains("localhost:5000/mine:dev"));

    // Without metadata it is all that there is.
    fs::remove_file(workspace.path().join("source.metadata.yaml")).unwrap();
    let source = workspace.path().join("source.wasm");
    let run = Airlock::new(["image", "build"]).arg(source).option("--base", workspace.path().join("base.tar"));
    let finished = run.option("--tag", "mine:dev").run_tool().exits(0);
    assert!(String::from_utf8(finished.stdout).unwrap().contains("without metadata"));
    let labels =
        Archive::read(&workspace.path().join("source.tar")).image(PLATFORMS[0]).config["config"]["Labels"].clone();
    assert_eq!((&labels["io.airbyte.name"], &labels["io.airbyte.version"]), (&"mine".into(), &"dev".into()));
}

#[test]
fn texts_of_hostile_metadata_are_one_line_each_and_move_no_cursor() {
    let workspace = Workspace::new();
    let hostile = "data: {name: \"a\\nLABEL b=c\\e[2J\", license: \"$(id) `id`\", documentationUrl: \"\\r\\0\\x9b\", \
                   dockerRepository: evil, dockerImageTag: '1'}";
    let finished = build(&workspace, hostile).run_tool().exits(0);
    let told = format!("{}{}", String::from_utf8(finished.stdout).unwrap(), finished.stderr);
    assert!(told.lines().all(|line| !line.contains(char::is_control)), "{told:?}");
    let archive = Archive::read(&workspace.path().join("source.tar"));
    let labels = archive.image(PLATFORMS[0]).config["config"]["Labels"].clone();
    assert_eq!(labels["org.opencontainers.image.title"], "a\u{fffd}LABEL b=c\u{fffd}[2J");
    assert_eq!(labels["org.opencontainers.image.licenses"], "$(id) `id`");
    for text in labels.as_object().unwrap().values().chain(archive.index()["annotations"].as_object().unwrap().values())
    {
        assert!(!text.as_str().unwrap().contains(char::is_control), "{labels}");
    }
}

#[test]
fn an_archive_goes_to_stdout_where_it_is_said() {
    let workspace = Workspace::new();
    let finished = build(&workspace, METADATA).option("--output", "-").run_tool().exits(0);
    assert_eq!(Archive::of(&finished.stdout).platforms().len(), 2);
    assert!(finished.stderr.contains("Made the image airbyte/source-faker:7.2.1"), "{}", finished.stderr);
    assert!(!workspace.path().join("source.tar").exists() && !Path::new("-").exists());
    let mut full = build(&workspace, METADATA).option("--output", "-").into_command();
    let output = full.stdout(File::options().write(true).open("/dev/full").unwrap()).output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.starts_with("error: the image can not be written to stdout: "), "{told}");
}

/// A directory with this binary in it and nothing else. It is in `dist/`, so that the binary can be a link.
fn directory_of_the_binary() -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir_in(crate::harness::dist()).expect("dist/ can be written to");
    let binary = directory.path().join("airlock");
    fs::hard_link(airlock_binary(), &binary).expect("a link in the same file system");
    (directory, binary)
}

#[test]
fn the_base_image_is_found_beside_the_binary_and_in_its_checkout() {
    let workspace = Workspace::new();
    build(&workspace, METADATA);
    let run = |binary: &Path, variable: &str| {
        let mut build = Command::new(binary);
        build.args(["image", "build"]).arg(workspace.path().join("source.wasm")).env_clear();
        let mut output = build.env("AIRLOCK_BASE_IMAGE", variable).output().unwrap();
        output.stdout.append(&mut output.stderr);
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let (directory, binary) = directory_of_the_binary();
    let (code, said) = run(&binary, "");
    assert_eq!(code, Some(1));
    for part in ["error: there is no base image", "cargo xtask base-image", "--base", "AIRLOCK_BASE_IMAGE"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let base = workspace.path().join("base.tar");
    assert_eq!(run(&binary, base.to_str().unwrap()).0, Some(0));
    let beside = directory.path().join("airlock-base.tar");
    fs::copy(&base, &beside).unwrap();
    assert_eq!(run(&binary, ""), run(&binary, base.to_str().unwrap()));
    let link = workspace.path().join("link");
    std::os::unix::fs::symlink(&binary, &link).unwrap();
    assert_eq!(run(&link, "").0, Some(0), "a link to the binary");

    // Where cargo puts it.
    let release = directory.path().join("target/release");
    fs::create_dir_all(&release).unwrap();
    fs::create_dir(directory.path().join("dist")).unwrap();
    let built = release.join("airlock");
    fs::rename(&binary, &built).unwrap();
    assert_eq!(run(&built, "").0, Some(1));
    fs::rename(&beside, directory.path().join("dist/airlock-base.tar")).unwrap();
    assert_eq!(run(&built, "").0, Some(0));
}

#[test]
fn a_base_image_is_a_directory_as_well() {
    let workspace = Workspace::new();
    let archive = base::base(&workspace);
    let directory = workspace.directory("base");
    tar::Archive::new(File::open(archive).unwrap()).unpack(&directory).unwrap();
    let output = workspace.path().join("image.tar");
    let build = Airlock::new(["image", "build", "--tag", "a:1"]).arg(test_guest("source-states"));
    build.option("--base", directory).option("--output", &output).run_tool().exits(0);
    assert_eq!(Archive::read(&output).platforms().len(), 2);
}

#[test]
fn a_base_image_comes_from_a_registry() {
    let workspace = Workspace::new();
    let registry = Registry::start(Access::Open);
    let reference = registry.reference("airlock/base:0.1.0");
    let push = Airlock::new(["image", "push"]).arg(base::base(&workspace)).arg(&reference);
    push.env("HOME", workspace.path()).run_tool().exits(0);
    let build = |base: &str, name: &str| {
        let output = workspace.path().join(name);
        let build = Airlock::new(["image", "build", "--tag", "a:1"]).arg(test_guest("source-states"));
        let build = build.option("--base", base).option("--output", &output).env("HOME", workspace.path());
        build.run_tool().exits(0);
        Archive::read(&output)
    };
    let from_registry = build(&reference, "one.tar");
    let from_file = build(workspace.path().join("base.tar").to_str().unwrap(), "two.tar");
    for platform in from_file.platforms() {
        let [one, two] = [&from_registry, &from_file].map(|archive| archive.image(&platform));
        assert_eq!(one.manifest["layers"], two.manifest["layers"]);
        assert_eq!(one.config["config"]["Labels"]["org.opencontainers.image.base.name"], reference.as_str());
    }
}
