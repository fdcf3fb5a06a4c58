//! podman, with a store and a configuration of its own.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;
use tempfile::TempDir;

use super::built::{OfEach, image};
use super::container::{Container, Engine};
use super::programs::{path, prefix, printed, program};
use super::{checks, pods, programs};
use crate::harness::connector;

/// Removes its store at the end.
pub struct Podman {
    directory: TempDir,
    /// The names of the images that are in the store.
    loaded: OfEach<String>,
}

impl Podman {
    pub fn new() -> Podman {
        let directory = TempDir::new().expect("a temporary directory");
        let podman = Podman { directory, loaded: OfEach::new() };
        let at = |name: &str| podman.directory.path().join(name);
        let write = |name: &str, text: String| fs::write(at(name), text).expect("a file");
        // The programs that podman starts find theirs by what it hands them.
        let environment = programs::environment().map(|(name, value)| format!("{name}={value}"));
        write(
            "containers.conf",
            format!(
                "[containers]\n\
                 # More than the default, which a machine may not allow.\n\
                 default_ulimits = [\"nofile=1024:1024\", \"nproc=4096:4096\"]\n\
                 netns = \"none\"\n\
                 [engine]\n\
                 runtime = \"runc\"\n\
                 cgroup_manager = \"cgroupfs\"\n\
                 events_logger = \"none\"\n\
                 conmon_path = [{conmon:?}]\n\
                 conmon_env_vars = {environment:?}\n\
                 helper_binaries_dir = [{helpers:?}]\n\
                 tmp_dir = {temporary:?}\n\
                 [engine.runtimes]\n\
                 runc = [{runc:?}]\n\
                 [network]\n\
                 network_backend = \"cni\"\n\
                 network_config_dir = {networks:?}\n",
                conmon = path("conmon"),
                helpers = prefix().join("usr/lib/podman"),
                temporary = at("temporary"),
                runc = path("runc"),
                networks = at("networks"),
            ),
        );
        // Layers are copied: the overlay would leave a mount.
        let storage =
            format!("[storage]\ndriver = \"vfs\"\ngraphroot = {:?}\nrunroot = {:?}\n", at("store"), at("running"));
        write("storage.conf", storage);
        write("registries.conf", String::new());
        fs::create_dir_all(at(".config/containers")).expect("a directory");
        write(".config/containers/policy.json", json!({"default": [{"type": "insecureAcceptAnything"}]}).to_string());
        podman
    }

    /// podman itself, or a program that shares its configuration.
    pub fn program(&self, name: &str) -> Command {
        let home = self.directory.path();
        let mut command = program(name, home);
        command
            .env("CONTAINERS_CONF", home.join("containers.conf"))
            .env("CONTAINERS_STORAGE_CONF", home.join("storage.conf"))
            .env("CONTAINERS_REGISTRIES_CONF", home.join("registries.conf"))
            .env("XDG_RUNTIME_DIR", home)
            .env("BUILDAH_ISOLATION", "chroot");
        command
    }

    /// Loads an image, and gives the name that podman has for it.
    pub fn load(&self, component: &Path) -> String {
        let image = image(component);
        let loaded = printed(self.program("podman").args(["load", "--input"]).arg(&image.archive));
        let name = loaded.trim().strip_prefix("Loaded image: ").expect("it says what it loaded").to_owned();
        assert_eq!(name, format!("docker.io/{}", image.reference));
        name
    }
}

impl Drop for Podman {
    /// podman cleans up after a container by a process that nobody waits for, and that would write into what is being removed.
    fn drop(&mut self) {
        let directory = self.directory.path().to_string_lossy().into_owned();
        let begin = Instant::now();
        while named_by_a_process(&directory) && begin.elapsed() < Duration::from_secs(10) {
            thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Whether a process that runs was given this word, or a longer one.
fn named_by_a_process(word: &str) -> bool {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    processes
        .filter_map(|process| fs::read(process.path().join("cmdline")).ok())
        .any(|words| String::from_utf8_lossy(&words).contains(word))
}

impl Engine for Podman {
    fn command(&self, container: &Container) -> Command {
        let mut command = self.program("podman");
        command.args(["run", "--rm", "--interactive", "--cap-drop=ALL", "--security-opt=no-new-privileges"]);
        if container.read_only {
            command.args(["--read-only", "--read-only-tmpfs=false"]);
        }
        if container.lacks_airbyte() {
            // `U` makes it the user's own; it would be root's, whatever mode is asked for.
            command.arg("--tmpfs=/airbyte:rw,U");
        }
        command.args(container.options());
        let name = self.loaded.get(&container.component, || self.load(&container.component));
        command.arg(name).args(&container.arguments);
        command
    }
}

#[test]
fn a_source_speaks_the_protocol() {
    checks::a_source_speaks_the_protocol(&Podman::new());
}

#[test]
fn a_destination_writes_below_airbyte() {
    checks::a_destination_writes_below_airbyte(&Podman::new());
}

#[test]
fn it_is_airbyte_and_may_write_below_airbyte_only() {
    checks::it_is_airbyte_and_may_write_below_airbyte_only(&Podman::new());
}

#[test]
fn sigterm_ends_it() {
    checks::sigterm_ends_it(&Podman::new());
}

#[test]
fn pods_run_and_end() {
    pods::run(&Podman::new());
}

/// `podman load` takes the image for this machine; the other is there as well.
#[test]
fn it_loads_the_image_of_either_platform() {
    let podman = Podman::new();
    let image = image(&connector("source-faker"));
    for architecture in ["amd64", "arm64"] {
        let archive = image.oci_archive();
        let mut pull = podman.program("podman");
        let id = printed(pull.args(["pull", "--quiet", &format!("--arch={architecture}"), &archive]));
        let format = "--format={{.Os}}/{{.Architecture}} {{.User}}";
        let seen = printed(podman.program("podman").args(["image", "inspect", format, id.trim()]));
        assert_eq!(seen.trim(), format!("linux/{architecture} airbyte"));
    }
}
