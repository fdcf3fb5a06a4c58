//! `airbyte-cdk image test`, by which Airbyte certifies the image of a connector, with a stand-in for docker; the tests that run
//! images let it have a real one.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::{executable, python_program, run, said};
use crate::harness::{Workspace, connector, dist};

/// Gives a test over a connector's folder the docker that it is to run.
type Arrangement<'a> = &'a dyn Fn(&mut Command, &Workspace, &str);

/// A connector's folder as Airbyte's repository has them, and the test over it.
fn image_test(
    workspace: &Workspace,
    name: &str,
    image: &str,
    [config, wrong, tests]: [&Value; 3],
    arrange: Arrangement<'_>,
) -> Command {
    let folder = workspace.directory(name);
    let metadata = fs::read_to_string(dist().join(format!("connectors/{name}.metadata.yaml"))).unwrap();
    // It knows three languages, and with the other two it looks at more than the image.
    assert!(metadata.contains("language:rust"));
    fs::write(folder.join("metadata.yaml"), metadata.replace("language:rust", "language:java")).unwrap();
    // JSON is YAML.
    let acceptance = json!({"connector_image": image, "acceptance_tests": tests});
    fs::write(folder.join("acceptance-test-config.yml"), acceptance.to_string()).unwrap();
    fs::create_dir(folder.join("secrets")).unwrap();
    fs::write(folder.join("secrets/config.json"), config.to_string()).unwrap();
    fs::write(folder.join("secrets/wrong.json"), wrong.to_string()).unwrap();

    let mut command = python_program("clients", "airbyte-cdk", workspace);
    command
        .args(["image", "test", "--image", image, "."])
        .current_dir(folder)
        // Without it no stream is read.
        .env("PYTEST_ADDOPTS", "--read-from-streams=all");
    arrange(&mut command, workspace, name);
    command
}

/// A docker that runs the connector without an image.
fn stand_in(command: &mut Command, workspace: &Workspace, name: &str) {
    let programs = workspace.directory("programs");
    let python = python_program("clients", "python", workspace);
    let stand_in = Path::new(env!("CARGO_MANIFEST_DIR")).join("airbyte_clients/docker.py");
    let docker = programs.join("docker");
    let text =
        format!("#!/bin/sh\nexec '{}' '{}' \"$@\"\n", Path::new(python.get_program()).display(), stand_in.display());
    fs::write(&docker, text).unwrap();
    fs::set_permissions(&docker, fs::Permissions::from_mode(0o755)).unwrap();
    let path = command.get_envs().find(|(variable, _)| *variable == "PATH").and_then(|(_, value)| value).unwrap();
    let path = format!("{}:{}", programs.display(), path.to_string_lossy());
    let airbyte = workspace.directory("airbyte");
    command
        .env("PATH", path)
        .env("AIRBYTE_ENTRYPOINT", executable(workspace, "entrypoint", &connector(name), Some(&airbyte)));
}

/// The tests that passed. Others are skipped, all for good reasons: there is no earlier release to compare with, and a
/// config that is meant to fail is only checked.
#[track_caller]
fn passed(command: &mut Command) -> String {
    let output = run(command);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let summary = text.lines().rev().find(|line| line.contains(" passed"));
    let summary = summary.unwrap_or_else(|| panic!("{}", said(&output))).trim_matches(['=', ' ']);
    summary.split(" in ").next().unwrap_or_default().to_owned()
}

#[test]
fn the_source_passes() {
    the_source_passes_with("airlock/source-faker:dev", stand_in);
}

#[test]
fn the_destination_passes() {
    the_destination_passes_with("airlock/destination-local-json:dev", stand_in);
}

/// source-faker as an image.
pub fn the_source_passes_with(image: &str, arrange: impl Fn(&mut Command, &Workspace, &str)) {
    let workspace = Workspace::new();
    let good = json!({"config_path": "secrets/config.json"});
    let tests = json!({
        "spec": {"tests": [good]},
        "connection": {"tests": [
            {"config_path": "secrets/config.json", "status": "succeed"},
            {"config_path": "secrets/wrong.json", "status": "failed"},
        ]},
        "discovery": {"tests": [good]},
        "basic_read": {"tests": [good]},
        "full_refresh": {"tests": [good]},
    });
    let (config, wrong) = (json!({"count": 50, "seed": 1}), json!({"count": "many"}));
    let mut test = image_test(&workspace, "source-faker", image, [&config, &wrong, &tests], &arrange);
    // spec, the config against it, two checks, discover, read
    assert_eq!(passed(&mut test), "6 passed, 4 skipped");
}

/// destination-local-json as an image.
pub fn the_destination_passes_with(image: &str, arrange: impl Fn(&mut Command, &Workspace, &str)) {
    let workspace = Workspace::new();
    let tests = json!({
        "spec": {"tests": [{"config_path": "secrets/config.json"}]},
        "connection": {"tests": [
            {"config_path": "secrets/config.json", "status": "succeed"},
            {"config_path": "secrets/wrong.json", "status": "failed"},
        ]},
    });
    let (config, wrong) = (json!({"destination_path": "/local/out"}), json!({"destination_path": "/../../etc"}));
    let mut test = image_test(&workspace, "destination-local-json", image, [&config, &wrong, &tests], &arrange);
    // spec, the config against it, two checks
    assert_eq!(passed(&mut test), "4 passed, 6 skipped");
}
