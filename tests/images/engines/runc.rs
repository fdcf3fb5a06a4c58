//! runc alone: the program that Docker, podman and Kubernetes start containers with, and an image unpacked by umoci.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::built::{OfEach, image};
use super::container::{Container, Engine};
use super::programs::{printed, program};
use super::{checks, daemon, pods};

/// Containers of one processor's images.
pub struct Runc {
    directory: TempDir,
    architecture: &'static str,
    /// Words before the command: where its processes are.
    within: Vec<String>,
    /// The bundles that umoci made.
    unpacked: OfEach<PathBuf>,
    /// How many containers there have been.
    count: AtomicUsize,
}

impl Runc {
    /// For this machine's processor.
    pub fn new() -> Runc {
        Runc::of("amd64", Vec::new())
    }

    /// For a processor, as an image's configuration names it.
    pub fn of(architecture: &'static str, within: Vec<String>) -> Runc {
        Runc {
            directory: TempDir::new().expect("a temporary directory"),
            architecture,
            within,
            unpacked: OfEach::new(),
            count: AtomicUsize::new(0),
        }
    }
}

impl Engine for Runc {
    fn command(&self, container: &Container) -> Command {
        let component = &container.component;
        let unpacked = self.unpacked.get(component, || {
            let to = self.directory.path().join(component.file_stem().expect("a file"));
            fs::create_dir_all(&to).expect("a directory");
            image(component).unpack(self.architecture, &to)
        });
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        let bundle = self.directory.path().join(format!("container-{number}"));
        fs::create_dir(&bundle).expect("a directory");
        let mut root = unpacked.join("rootfs");
        if !container.read_only {
            let copy = bundle.join("rootfs");
            printed(Command::new("cp").arg("--archive").args([&root, &copy]));
            root = copy;
        }
        let text = fs::read(unpacked.join("config.json")).expect("umoci made it");
        let mut config: Value = serde_json::from_slice(&text).expect("it is JSON");
        adapt(&mut config, container, &root);
        fs::write(bundle.join("config.json"), config.to_string()).expect("a file");

        let mut command = program("runc", self.directory.path());
        if !self.within.is_empty() {
            // What it may not do with control groups in a namespace of users, it then goes without.
            command.args(["--rootless", "true"]);
        }
        // No other container of this machine has the name of this directory.
        let own = self.directory.path().file_name().expect("a name").to_string_lossy().replace('.', "");
        command.arg("--root").arg(self.directory.path().join("state"));
        command.args(["run", "--bundle"]).arg(bundle).arg(format!("airlock-{own}-{number}"));
        let words: Vec<&str> = self.within.iter().map(String::as_str).collect();
        if words.is_empty() { command } else { daemon::within(&words, &command) }
    }
}

/// What umoci made of the image's configuration, with what a container is given beside it.
fn adapt(config: &mut Value, container: &Container, root: &Path) {
    config["root"] = json!({"path": root, "readonly": container.read_only});
    let process = &mut config["process"];
    process["terminal"] = json!(false);
    process["capabilities"] = json!({});
    process["noNewPrivileges"] = json!(true);
    let own = process["args"].as_array().expect("the image has an entry point").clone();
    let entrypoint = container.entrypoint.as_ref().map_or(own, |program| vec![json!(program)]);
    process["args"] = entrypoint.into_iter().chain(container.arguments.iter().map(|word| json!(word))).collect();
    if let Some(directory) = &container.directory {
        process["cwd"] = json!(directory);
    }
    let environment = process["env"].as_array_mut().expect("the image has an environment");
    environment.extend(container.environment.iter().map(|(name, value)| json!(format!("{name}={value}"))));
    let mounts = config["mounts"].as_array_mut().expect("there are always some");
    if container.lacks_airbyte() {
        let options = ["nosuid", "nodev", "mode=755", "uid=1000", "gid=1000"];
        mounts.push(json!({"destination": "/airbyte", "type": "tmpfs", "source": "tmpfs", "options": options}));
    }
    mounts.extend(container.mounts.iter().map(|mount| {
        let options = ["rbind", "nosuid", "nodev", if mount.writable { "rw" } else { "ro" }];
        json!({"destination": mount.to, "type": "bind", "source": mount.from, "options": options})
    }));
}

#[test]
fn a_source_speaks_the_protocol() {
    checks::a_source_speaks_the_protocol(&Runc::new());
}

#[test]
fn a_destination_writes_below_airbyte() {
    checks::a_destination_writes_below_airbyte(&Runc::new());
}

#[test]
fn it_is_airbyte_and_may_write_below_airbyte_only() {
    checks::it_is_airbyte_and_may_write_below_airbyte_only(&Runc::new());
}

#[test]
fn sigterm_ends_it() {
    checks::sigterm_ends_it(&Runc::new());
}

#[test]
fn pods_run_and_end() {
    pods::run(&Runc::new());
}
