//! `airbyte-cdk image test`, by which Airbyte certifies the image of a connector, with a stand-in for docker.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::{executable, python_program, run, said};
use crate::harness::{Workspace, connector, dist};

/// A connector's folder as Airbyte's repository has them, and the test over it.
fn image_test(workspace: &Workspace, name: &str, config: &Value, wrong: &Value, tests: &Value) -> Command {
    let folder = workspace.directory(name);
    let metadata = fs::read_to_string(dist().join(format!("connectors/{name}.metadata.yaml"))).unwrap();
    // It knows three languages, and with the other two it looks at more than the image.
    assert!(metadata.contains("language:rust"));
    fs::write(folder.join("metadata.yaml"), metadata.replace("language:rust", "language:java")).unwrap();
    // JSON is YAML.
    let acceptance = json!({"connector_image": format!("airlock/{name}:dev"), "acceptance_tests": tests});
    fs::write(folder.join("acceptance-test-config.yml"), acceptance.to_string()).unwrap();
    fs::create_dir(folder.join("secrets")).unwrap();
    fs::write(folder.join("secrets/config.json"), config.to_string()).unwrap();
    fs::write(folder.join("secrets/wrong.json"), wrong.to_string()).unwrap();

    let programs = workspace.directory("programs");
    let python = python_program("clients", "python", workspace);
    let stand_in = Path::new(env!("CARGO_MANIFEST_DIR")).join("airbyte_clients/docker.py");
    let docker = programs.join("docker");
    let text =
        format!("#!/bin/sh\nexec '{}' '{}' \"$@\"\n", Path::new(python.get_program()).display(), stand_in.display());
    fs::write(&docker, text).unwrap();
    fs::set_permissions(&docker, fs::Permissions::from_mode(0o755)).unwrap();

    let mut command = python_program("clients", "airbyte-cdk", workspace);
    let path = command.get_envs().find(|(variable, _)| *variable == "PATH").and_then(|(_, value)| value).unwrap();
    let path = format!("{}:{}", programs.display(), path.to_string_lossy());
    let airbyte = workspace.directory("airbyte");
    command
        .args(["image", "test", "--image", &format!("airlock/{name}:dev"), "."])
        .current_dir(folder)
        .env("PATH", path)
        // Without it no stream is read.
        .env("PYTEST_ADDOPTS", "--read-from-streams=all")
        .env("AIRBYTE_ENTRYPOINT", executable(workspace, "entrypoint", &connector(name), Some(&airbyte)));
    command
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
    let mut test =
        image_test(&workspace, "source-faker", &json!({"count": 50, "seed": 1}), &json!({"count": "many"}), &tests);
    // spec, the config against it, two checks, discover, read
    assert_eq!(passed(&mut test), "6 passed, 4 skipped");
}

#[test]
fn the_destination_passes() {
    let workspace = Workspace::new();
    let tests = json!({
        "spec": {"tests": [{"config_path": "secrets/config.json"}]},
        "connection": {"tests": [
            {"config_path": "secrets/config.json", "status": "succeed"},
            {"config_path": "secrets/wrong.json", "status": "failed"},
        ]},
    });
    let (config, wrong) = (json!({"destination_path": "/local/out"}), json!({"destination_path": "/../../etc"}));
    let mut test = image_test(&workspace, "destination-local-json", &config, &wrong, &tests);
    // spec, the config against it, two checks
    assert_eq!(passed(&mut test), "4 passed, 6 skipped");
}
