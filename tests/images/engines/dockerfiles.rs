//! The Dockerfiles of `images/`, built by buildah and by Docker's engine: the same images as without them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use super::built::image;
use super::docker::Docker;
use super::files::list;
use super::podman::Podman;
use super::programs::{printed, program};
use crate::harness::{Airlock, connector, dist};

const BASE: &str = "localhost/airlock/base:dockerfile";
const SOURCE: &str = "localhost/airlock/source-faker:dockerfile";
const NAME: &str = "airlock/source-faker";
const VERSION: &str = env!("CARGO_PKG_VERSION");

fn dockerfile(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../images").join(name)
}

/// What a connector's image is built from.
fn context(directory: &Path) -> PathBuf {
    let context = directory.join("context");
    fs::create_dir(&context).expect("a directory");
    for architecture in ["amd64", "arm64"] {
        let compiled = context.join(format!("connector.{architecture}.cwasm"));
        let compile = Airlock::new(["compile"]).arg(connector("source-faker"));
        compile.option("--platform", format!("linux/{architecture}")).option("--output", compiled).run_tool().exits(0);
    }
    context
}

/// What the configuration of an image says of how it is run, and its labels.
fn configuration(skopeo: &mut Command) -> Value {
    let whole: Value = serde_json::from_str(&printed(skopeo)).expect("it is JSON");
    let config = &whole["config"];
    let mut environment: Vec<&str> = config["Env"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    environment.sort_unstable();
    let mut labels = config["Labels"].clone();
    let labels = labels.as_object_mut().unwrap();
    // The builder's own; and what only metadata has.
    labels.retain(|name, _| name != "io.buildah.version" && !name.starts_with("org.opencontainers.image."));
    serde_json::json!({
        "platform": [whole["os"], whole["architecture"]],
        "user": config["User"],
        "directory": config["WorkingDir"],
        "entrypoint": config["Entrypoint"],
        "environment": environment,
        "labels": labels,
    })
}

/// Of the image that `airlock image build` made.
fn expected(architecture: &str, directory: &Path) -> (Value, String) {
    let image = image(&connector("source-faker"));
    let mut skopeo = program("skopeo", directory);
    skopeo.args(["--override-arch", architecture, "inspect", "--config", &image.oci_archive()]);
    let to = directory.join("expected");
    fs::create_dir_all(&to).expect("a directory");
    let files = list(&image.unpack(architecture, &to).join("rootfs"));
    (configuration(&mut skopeo), files)
}

/// The files of an image in a layout.
fn unpacked(layout: &Path, directory: &Path) -> String {
    let bundle = directory.join("bundle");
    let umoci = ["unpack", "--image", &format!("{}:one", layout.display())];
    printed(program("umoci", directory).args(umoci).arg(&bundle));
    list(&bundle.join("rootfs"))
}

#[test]
fn buildah_makes_the_same_for_both_platforms() {
    let directory = TempDir::new().expect("a temporary directory");
    let context = context(directory.path());
    let podman = Podman::new();
    for architecture in ["amd64", "arm64"] {
        let build = |file: &str, tag: &str, arguments: &[&str], context: &Path| {
            let mut buildah = podman.program("buildah");
            buildah.args(["build", "--quiet", "--timestamp=0", "--pull=never", "--tag", tag]);
            buildah.arg(format!("--platform=linux/{architecture}")).args(arguments);
            printed(buildah.arg("--file").arg(dockerfile(file)).arg(context));
        };
        build("Dockerfile", BASE, &[], &dist().join("base-image"));
        let arguments = [
            format!("--build-arg=BASE={BASE}"),
            format!("--build-arg=NAME={NAME}"),
            format!("--build-arg=VERSION={VERSION}"),
        ];
        build("connector.Dockerfile", SOURCE, &arguments.each_ref().map(String::as_str), &context);

        let own = directory.path().join(architecture);
        fs::create_dir(&own).expect("a directory");
        let layout = own.join("layout");
        let name = format!("oci:{}:one", layout.display());
        printed(podman.program("buildah").args(["push", "--quiet", SOURCE, &name]));
        let mut skopeo = podman.program("skopeo");
        skopeo.args(["--override-arch", architecture, "inspect", "--config", &name]);
        let built = (configuration(&mut skopeo), unpacked(&layout, &own));
        assert_eq!(built, expected(architecture, &own));
    }
}

#[test]
fn docker_makes_the_same() {
    let directory = TempDir::new().expect("a temporary directory");
    let context = context(directory.path());
    let docker = Docker::shared();
    let build = |file: &str, tag: &str, arguments: &[String], context: &Path| {
        let mut client = docker.client();
        client.args(["build", "--quiet", "--build-arg=TARGETARCH=amd64", "--tag", tag]).args(arguments);
        printed(client.env("DOCKER_BUILDKIT", "0").arg("--file").arg(dockerfile(file)).arg(context));
    };
    build("Dockerfile", BASE, &[], &dist().join("base-image"));
    let arguments = [
        format!("--build-arg=BASE={BASE}"),
        format!("--build-arg=NAME={NAME}"),
        format!("--build-arg=VERSION={VERSION}"),
    ];
    build("connector.Dockerfile", SOURCE, &arguments, &context);

    let archive = directory.path().join("docker.tar");
    printed(docker.client().args(["save", "--output"]).arg(&archive).arg(SOURCE));
    let layout = directory.path().join("layout");
    let name = format!("oci:{}:one", layout.display());
    let from = format!("docker-archive:{}", archive.display());
    printed(program("skopeo", directory.path()).args(["--insecure-policy", "copy", "--quiet", &from, &name]));
    let mut skopeo = program("skopeo", directory.path());
    skopeo.args(["inspect", "--config", &name]);
    let built = (configuration(&mut skopeo), unpacked(&layout, directory.path()));
    assert_eq!(built, expected("amd64", directory.path()));
}
