//! Docker's engine: a real one, on a socket of its own, without a network.

use std::fs;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use serde_json::json;
use tempfile::TempDir;

use super::built::{OfEach, image};
use super::container::{Container, Engine};
use super::daemon::Daemon;
use super::programs::{printed, program};
use super::shared::Shared;
use super::{checks, pods};

/// The engine. Its images and containers go with it.
pub struct Docker {
    // In the order in which they end.
    _daemon: Daemon,
    directory: TempDir,
    /// The names of the images that it has.
    loaded: OfEach<String>,
}

impl Docker {
    /// The one that serves all tests that run now.
    pub fn shared() -> Arc<Docker> {
        static DOCKER: Shared<Docker> = Shared::new();
        DOCKER.get(Docker::start)
    }

    fn start() -> Docker {
        let directory = TempDir::new().expect("a temporary directory");
        let at = |name: &str| directory.path().join(name);
        // As many open files as any machine allows.
        let limits = json!({"default-ulimits": {"nofile": {"Name": "nofile", "Soft": 1024, "Hard": 1024}}});
        fs::write(at("daemon.json"), limits.to_string()).expect("a file");
        let mut command = program("dockerd", directory.path());
        command
            .arg("--config-file")
            .arg(at("daemon.json"))
            .arg("--data-root")
            .arg(at("data"))
            .arg("--exec-root")
            .arg(at("run"))
            .arg("--pidfile")
            .arg(at("pid"))
            .arg(format!("--host={}", socket_address(&at("socket"))))
            .args(["--bridge=none", "--iptables=false", "--ip6tables=false", "--ip-forward=false", "--ip-masq=false"]);
        let daemon = Daemon::start(&command, &at("log"));
        daemon.until(|_| UnixStream::connect(at("socket")).ok());
        Docker { _daemon: daemon, directory, loaded: OfEach::new() }
    }

    /// What DOCKER_HOST has to be.
    pub fn host(&self) -> String {
        socket_address(&self.directory.path().join("socket"))
    }

    /// Docker's command line.
    pub fn client(&self) -> Command {
        let mut command = program("docker", self.directory.path());
        command.env("DOCKER_HOST", self.host());
        command
    }

    /// Loads an image, and gives its name.
    pub fn load(&self, component: &Path) -> String {
        let image = image(component);
        let loaded = printed(self.client().args(["load", "--input"]).arg(&image.archive));
        // An older engine has one platform for a name.
        assert!(loaded.lines().any(|line| line == format!("Loaded image: {}", image.reference)), "{loaded}");
        image.reference.clone()
    }
}

fn socket_address(socket: &Path) -> String {
    format!("unix://{}", socket.display())
}

impl Engine for Docker {
    fn command(&self, container: &Container) -> Command {
        let mut command = self.client();
        command.args(["run", "--rm", "--interactive", "--network=none", "--cap-drop=ALL"]);
        command.arg("--security-opt=no-new-privileges");
        if container.read_only {
            command.arg("--read-only");
        }
        if container.lacks_airbyte() {
            command.arg("--tmpfs=/airbyte:rw,mode=755,uid=1000,gid=1000");
        }
        command.args(container.options());
        let name = self.loaded.get(&container.component, || self.load(&container.component));
        command.arg(name).args(&container.arguments);
        command
    }
}

#[test]
fn a_source_speaks_the_protocol() {
    checks::a_source_speaks_the_protocol(&*Docker::shared());
}

#[test]
fn a_destination_writes_below_airbyte() {
    checks::a_destination_writes_below_airbyte(&*Docker::shared());
}

#[test]
fn it_is_airbyte_and_may_write_below_airbyte_only() {
    checks::it_is_airbyte_and_may_write_below_airbyte_only(&*Docker::shared());
}

#[test]
fn sigterm_ends_it() {
    checks::sigterm_ends_it(&*Docker::shared());
}

#[test]
fn docker_stop_ends_it() {
    let docker = Docker::shared();
    let (workspace, container) = checks::endless_read();
    let id: PathBuf = workspace.path().join("id");
    let run = Identified { docker: &docker, id: &id };
    let finished = container.run_until_record(&run, |_| {
        let id = fs::read_to_string(&id).expect("docker wrote it");
        // Without SIGTERM's answer it would be killed after the time, and its code were 137.
        printed(docker.client().args(["stop", "--time=60", &id]));
    });
    checks::check_terminated(finished);
}

/// Containers whose identifier is written down.
struct Identified<'a> {
    docker: &'a Docker,
    id: &'a Path,
}

impl Engine for Identified<'_> {
    fn command(&self, container: &Container) -> Command {
        let command = self.docker.command(container);
        let words: Vec<_> = command.get_args().collect();
        let mut identified = self.docker.client();
        identified.arg(words[0]).arg("--cidfile").arg(self.id).args(&words[1..]);
        identified
    }
}

#[test]
fn pods_run_and_end() {
    pods::run(&*Docker::shared());
}
