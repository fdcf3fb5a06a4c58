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
    // It knows three languages: python and manifest-only mean that it looks at more than the image.
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
    let text = format!("#!/bin/sh\nexec {} {} \"$@\"\n", Path::new(python.get_program()).display(), stand_in.display());
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
        .env("AIRBYTE_ENTRYPOINT", executable(workspace, "entrypoint", &connector(name), Some(&airbyte)));
    command
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
    let config = json!({"count": 50, "seed": 1});
    let output = run(&mut image_test(&workspace, "source-faker", &config, &json!({"count": "many"}), &tests));
    println!("{}", said(&output));
}
