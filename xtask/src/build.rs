//! `cargo xtask build`: the host and the guests, from source to `dist/`.
//! It must not know what a compiler for guests is made of.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::guest_toolchain::{GuestToolchain, TARGET};
use crate::{command, dist};

/// What to build.
pub struct Selection {
    pub host: bool,
    /// The guests of guest-examples/.
    pub connectors: bool,
    /// The faulty guests that the tests run.
    pub test_guests: bool,
    /// Whether Cargo.lock has to be right already.
    pub locked: bool,
}

/// Builds what is selected. Guests come first: they take seconds, and the host takes minutes. Connectors get their metadata at
/// the end, from the host that was built.
pub fn run(selection: &Selection) -> Result<()> {
    let connectors = if selection.connectors || selection.test_guests { guests(selection)? } else { Vec::new() };
    if selection.host {
        host(selection.locked)?;
    }
    connectors.iter().try_for_each(put_connector)
}

/// A guest of guest-examples/ that was built.
struct Connector {
    name: String,
    component: PathBuf,
    metadata: PathBuf,
}

/// Puts a connector into `dist/` with its metadata: as a file beside it, and in it as soon as there is a host, for that is
/// what puts it in. Without one, a connector finds what lies beside it.
fn put_connector(connector: &Connector) -> Result<()> {
    let Connector { name, component, metadata } = connector;
    if !metadata.is_file() {
        return dist::put(component, &dist::connector(name));
    }
    dist::put(metadata, &dist::metadata(name))?;
    if !dist::airlock().is_file() {
        println!("{name} has its metadata beside it, and not in it: there is no {} yet", dist::airlock().display());
        return dist::put(component, &dist::connector(name));
    }
    let embedded = component.with_extension("embedded.wasm");
    let mut command = Command::new(dist::airlock());
    command.arg("embed").arg(component).arg("--metadata").arg(metadata).arg("--output").arg(&embedded);
    command::output(&mut command).with_context(|| {
        format!("cannot put the metadata of {name} into it; if the host is an old one, build it as well")
    })?;
    dist::put(&embedded, &dist::connector(name))
}

fn host(locked: bool) -> Result<()> {
    let mut command = command::cargo();
    command.args(["build", "--release", "--package", "airlock"]);
    let artifacts = build(command, locked)?;
    let executable = artifacts
        .iter()
        .find_map(|artifact| artifact.executable.as_deref())
        .context("cargo built no executable from the package airlock")?;
    dist::put(executable, &dist::airlock())
}

/// Builds the host for images: without a compiler inside, and for size. Gives the program.
pub fn image_host(mut cargo: Command, target: &str, locked: bool) -> Result<PathBuf> {
    cargo.args(["build", "--profile", "image", "--package", "airlock", "--no-default-features", "--target", target]);
    let artifacts = build(cargo, locked)?;
    let executable = artifacts.into_iter().find_map(|artifact| artifact.executable);
    executable.context("cargo built no executable from the package airlock")
}

/// Builds the native programs that the host is measured against, in the host's own profile: the yardstick itself, and the
/// one that tells what a program used.
pub fn yardstick() -> Result<[PathBuf; 2]> {
    let mut command = command::cargo();
    command.args(["build", "--release", "--package", "yardstick"]);
    let artifacts = build(command, false)?;
    let program = |name: &str| {
        let artifact = artifacts.iter().find(|artifact| artifact.name == name && artifact.executable.is_some());
        artifact
            .and_then(|artifact| artifact.executable.clone())
            .with_context(|| format!("cargo built no program {name}"))
    };
    Ok([program("yardstick")?, program("usage")?])
}

/// Builds an example of the Rust SDK. Gives the component.
pub fn sdk_example(name: &str) -> Result<PathBuf> {
    let mut command = guest_build(&GuestToolchain::ensure()?, "airlock-sdk");
    command.args(["--example", name]);
    let artifacts = build(command, false)?;
    let component = artifacts.iter().filter(|artifact| artifact.is_example).find_map(Artifact::component);
    Ok(component.with_context(|| format!("the example {name} of the SDK built no component"))?.to_owned())
}

/// `cargo build` of a package for guests.
fn guest_build(toolchain: &GuestToolchain, package: &str) -> Command {
    let mut command = toolchain.cargo();
    command.args(["build", "--release", "--target", TARGET]);
    // A target directory of its own: another compiler may be at work than for the host.
    command.args(["--target-dir", "target/guests", "--package", package]);
    command
}

/// Builds the guests that are selected. Gives the connectors, which are not in `dist/` yet.
fn guests(selection: &Selection) -> Result<Vec<Connector>> {
    let root = command::workspace_root();
    let toolchain = GuestToolchain::ensure()?;
    println!("Guests are compiled by {}", toolchain.describe());
    let mut connectors = Vec::new();
    if selection.connectors {
        // One by one: in one build, a feature that one guest wants would find its way into all.
        for name in packages_below(&root.join("guest-examples"))? {
            let artifacts = build(guest_build(&toolchain, &name), selection.locked)?;
            let folder = root.join("guest-examples").join(&name);
            let component = artifacts
                .iter()
                .find(|artifact| artifact.manifest == folder.join("Cargo.toml"))
                .and_then(Artifact::component)
                .with_context(|| {
                    format!("{name} built no component; its Cargo.toml needs crate-type = [\"cdylib\"]")
                })?;
            let component = component.to_owned();
            connectors.push(Connector { name, component, metadata: folder.join("metadata.yaml") });
        }
    }

    if selection.test_guests && root.join("tests/guests").is_dir() {
        let mut command = guest_build(&toolchain, "test-guests");
        command.arg("--examples");
        for artifact in build(command, selection.locked)? {
            if let (true, Some(component)) = (artifact.is_example, artifact.component()) {
                dist::put(component, &dist::test_guest(&artifact.name))?;
            }
        }
    }
    Ok(connectors)
}

/// The folders that hold a package, by name.
fn packages_below(directory: &Path) -> Result<Vec<String>> {
    let entries =
        fs::read_dir(directory).with_context(|| format!("cannot read the directory {}", directory.display()))?;
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry?;
        if entry.path().join("Cargo.toml").is_file() {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// What cargo says that it has built.
struct Artifact {
    name: String,
    manifest: PathBuf,
    is_example: bool,
    executable: Option<PathBuf>,
    files: Vec<PathBuf>,
}

impl Artifact {
    /// From a line of `--message-format=json`, if it is about an artifact.
    fn parse(line: &str) -> Option<Self> {
        let message: Value = serde_json::from_str(line).ok()?;
        if message["reason"] != "compiler-artifact" {
            return None;
        }
        let target = &message["target"];
        let kinds = target["kind"].as_array()?;
        Some(Self {
            name: target["name"].as_str()?.to_owned(),
            manifest: message["manifest_path"].as_str()?.into(),
            is_example: kinds.iter().any(|kind| kind == "example"),
            executable: message["executable"].as_str().map(PathBuf::from),
            files: message["filenames"]
                .as_array()?
                .iter()
                .filter_map(|file| file.as_str().map(PathBuf::from))
                .collect(),
        })
    }

    fn component(&self) -> Option<&Path> {
        let wasm = |file: &&PathBuf| file.extension().is_some_and(|extension| extension == "wasm");
        self.files.iter().find(wasm).map(PathBuf::as_path)
    }
}

/// Runs a `cargo build` and asks cargo itself where the results are: a user's configuration may move them.
fn build(mut command: Command, locked: bool) -> Result<Vec<Artifact>> {
    if locked {
        command.arg("--locked");
    }
    let shown = command::display(&command);
    println!("$ {shown}");
    let output = command
        .arg("--message-format=json-render-diagnostics")
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot start `{shown}`"))?;
    if !output.status.success() {
        bail!("`{shown}` failed ({})", output.status);
    }
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text.lines().filter_map(Artifact::parse).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_artifact_is_read_from_cargos_messages() {
        let line = r#"{"reason":"compiler-artifact","package_id":"path+file:///w/guest-examples/source-faker#0.1.0",
            "manifest_path":"/w/guest-examples/source-faker/Cargo.toml","target":{"kind":["cdylib"],
            "crate_types":["cdylib"],"name":"source_faker","src_path":"/w/src/lib.rs","edition":"2024"},
            "filenames":["/t/source_faker.d","/t/source_faker.wasm"],"executable":null,"fresh":true}"#;
        let artifact = Artifact::parse(line).expect("an artifact");
        assert_eq!(artifact.name, "source_faker");
        assert_eq!(artifact.manifest, Path::new("/w/guest-examples/source-faker/Cargo.toml"));
        assert_eq!(artifact.component(), Some(Path::new("/t/source_faker.wasm")));
        assert!(!artifact.is_example && artifact.executable.is_none());

        let executable = line
            .replace("\"executable\":null", "\"executable\":\"/t/airlock\"")
            .replace("cdylib", "example")
            .replace("source_faker.wasm", "source_faker");
        let artifact = Artifact::parse(&executable).expect("an artifact");
        assert_eq!(artifact.executable.as_deref(), Some(Path::new("/t/airlock")));
        assert!(artifact.is_example && artifact.component().is_none());
    }

    #[test]
    fn other_messages_are_not_artifacts() {
        for line in ["", "not json", r#"{"reason":"build-finished","success":true}"#] {
            assert!(Artifact::parse(line).is_none(), "{line}");
        }
    }

    #[test]
    fn guests_are_the_folders_with_a_package_in_order() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        for name in ["source-b", "source-a", "notes"] {
            fs::create_dir(directory.path().join(name)).expect("a folder");
        }
        for name in ["source-b", "source-a"] {
            fs::write(directory.path().join(name).join("Cargo.toml"), "").expect("a package");
        }
        let names = packages_below(directory.path()).expect("readable");
        assert_eq!(names, ["source-a", "source-b"]);
        assert!(packages_below(&directory.path().join("absent")).is_err());
    }
}
