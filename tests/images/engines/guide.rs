//! The guide for publishers: each of its commands that can be run here, in its order.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use super::docker::Docker;
use super::podman::Podman;
use super::programs::{printed, said};
use super::registry::Registry;
use crate::harness::{Workspace, airlock_binary, connector, documents};

#[test]
fn the_commands_of_the_guide_run() {
    let (docker, podman, registry) = (Docker::shared(), Podman::new(), Registry::start(false));
    let workspace = Workspace::new();
    fs::copy(connector("source-faker"), workspace.path().join("source-faker.wasm")).unwrap();
    workspace.file("config.json", r#"{"count": 10}"#);
    fs::copy(connector("destination-local-json"), workspace.path().join("destination-local-json.wasm")).unwrap();
    workspace.file("destination.json", r#"{"destination_path": "/local/synced"}"#);
    fs::set_permissions(workspace.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let programs = workspace.directory("programs");
    std::os::unix::fs::symlink(airlock_binary(), programs.join("airlock")).unwrap();

    let mut outputs = Vec::new();
    for block in documents::commands("docs/publish.md") {
        let podman = podman.program("podman");
        let environment = podman.get_envs().filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned())));
        let environment: Vec<_> = environment.collect();
        let path = environment.iter().find(|(name, _)| name == "PATH").map(|(_, path)| path.to_str().unwrap());
        let output = Command::new("bash")
            .args(["-eu", "-c", &block.replace("registry.example", &registry.authority)])
            .current_dir(workspace.path())
            .env_clear()
            .envs(environment.iter().cloned())
            .env("PATH", format!("{}:{}", programs.display(), path.expect("the harness sets it")))
            .env("DOCKER_HOST", docker.host())
            .output()
            .unwrap();
        assert!(output.status.success(), "{block}\n{}", said(&output));
        outputs.push(String::from_utf8(output.stdout).unwrap());
    }
    // What is said of these commands, beside that they run.
    let printed_by = |text: &str| outputs.iter().any(|output| output.contains(text));
    assert!(printed_by(r#"{"type":"SPEC""#) && printed_by(r#""status":"SUCCEEDED""#), "{outputs:#?}");
    assert!(printed_by("application/vnd.oci.image.index.v1+json"), "{outputs:#?}");
    let names = printed(docker.client().args(["image", "ls", "--format={{.Repository}}:{{.Tag}}"]));
    for name in ["airlock/source-faker:0.1.0", "airlock/source-faker:0.1.0-arm64"] {
        assert!(names.lines().any(|line| line == name), "{names}");
    }
    let pushed = format!("{}/team/source-faker:0.1.0", registry.authority);
    printed(docker.client().args(["pull", &pushed]));
}
