//! Airbyte's own programs that run images: PyAirbyte's `docker_image`, and `airbyte-cdk image test`, with Docker's engine.

use serde_json::json;

use super::docker::Docker;
use super::programs;
use crate::airbyte_clients::{image_test, run, script, seen};
use crate::harness::{Workspace, connector};

/// PATH with Docker's client on it, before what is there already.
fn with_docker(docker: &Docker, command: &mut std::process::Command) {
    let path = command.get_envs().find(|(variable, _)| *variable == "PATH").and_then(|(_, value)| value);
    let path = path.expect("the harness sets it").to_string_lossy().into_owned();
    let client = programs::path("docker");
    let client = client.parent().expect("it is in a directory").display();
    command.env("PATH", format!("{client}:{path}")).env("DOCKER_HOST", docker.host());
}

#[test]
fn pyairbyte_reads_from_an_image_and_writes_to_one() {
    let docker = Docker::shared();
    let workspace = Workspace::new();
    let arguments = json!({
        "directory": workspace.path(),
        "source": docker.load(&connector("source-faker")),
        "destination": docker.load(&connector("destination-local-json")),
        "seen": workspace.path().join("seen.json"),
    });
    let mut client = script("docker_image.py", &workspace);
    with_docker(&docker, client.arg(arguments.to_string()));
    run(&mut client);
    let seen = seen(&workspace.path().join("seen.json"));
    assert_eq!(seen["streams"], json!(["products", "users", "purchases"]));
    assert_eq!(seen["first_read"], 240);
    assert_eq!(seen["in_duckdb"], json!({"users": 120, "purchases": 120}));
    assert_eq!(seen["second_read"], 0, "it went on from its state");
    let wrong = seen["wrong_config"].as_str().expect("it failed");
    assert!(wrong.contains("/count: value is not of type \"integer\""), "{wrong}");
    assert_eq!(seen["written"], 240);
    // Where PyAirbyte has mounted a directory of this machine, and not in the container.
    let file = |stream: &str| format!("pyairbyte/_airbyte_raw_{stream}.jsonl");
    assert_eq!(seen["files"], json!({file("purchases"): 120, file("users"): 120}));
}

#[test]
fn the_source_passes_airbytes_test_of_images() {
    let docker = Docker::shared();
    let image = docker.load(&connector("source-faker"));
    image_test::the_source_passes_with(&image, |command, _, _| with_docker(&docker, command));
}

#[test]
fn the_destination_passes_airbytes_test_of_images() {
    let docker = Docker::shared();
    let image = docker.load(&connector("destination-local-json"));
    image_test::the_destination_passes_with(&image, |command, _, _| with_docker(&docker, command));
}
