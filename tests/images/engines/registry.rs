//! A real registry on loopback: what `airlock image push` sends is there as it was made, and every engine pulls it.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::built::{Image, image};
use super::daemon::Daemon;
use super::docker::Docker;
use super::podman::Podman;
use super::programs::{printed, program};
use crate::harness::registry::{AUTH, PASSWORD, USER};
use crate::harness::{Airlock, connector, dist};

/// Docker's own registry.
pub struct Registry {
    _daemon: Daemon,
    /// Its address, as references begin with it.
    pub authority: String,
    directory: TempDir,
}

/// `PASSWORD`, as the registry keeps it: bcrypt of the least cost.
const HASH: &str = "$2b$05$oKMH7RbW4WVX7NQytN9HD.0/eP9mxOHHRcdtNlMUd86FVeT0nN9xy";

impl Registry {
    /// For everybody, or for one user only.
    pub fn start(closed: bool) -> Registry {
        let directory = TempDir::new().expect("a temporary directory");
        let at = |name: &str| directory.path().join(name);
        let mut configuration = json!({
            "version": 0.1,
            "log": {"level": "info"},
            "storage": {"filesystem": {"rootdirectory": at("store")}},
            "http": {"addr": "127.0.0.1:0"},
        });
        if closed {
            fs::write(at("htpasswd"), format!("{USER}:{HASH}\n")).expect("a file");
            configuration["auth"] = json!({"htpasswd": {"realm": "tests", "path": at("htpasswd")}});
        }
        // JSON is YAML.
        fs::write(at("registry.yml"), configuration.to_string()).expect("a file");
        let mut command = program("docker-registry", directory.path());
        command.arg("serve").arg(at("registry.yml"));
        let daemon = Daemon::start(&command, &at("log"));
        let authority = daemon.until(|log| {
            let (_, rest) = log.split_once("listening on ")?;
            let authority: String = rest.chars().take_while(|c| c.is_ascii_digit() || ".:".contains(*c)).collect();
            // The rest of the line may not be there yet.
            (authority.len() < rest.len()).then_some(authority)
        });
        Registry { _daemon: daemon, authority, directory }
    }

    fn reference(&self, image: &Image) -> String {
        format!("{}/{}", self.authority, image.reference)
    }

    /// `airlock image push`, by somebody with this home.
    fn push(&self, image: &Path, reference: &str, home: &Path) -> Airlock {
        Airlock::new(["image", "push"]).arg(image).arg(reference).env("HOME", home)
    }

    /// skopeo, with credentials or without, and with none that somebody left.
    fn skopeo(&self, credentials: Option<&str>) -> Command {
        let home = self.directory.path().join("nobody");
        fs::create_dir_all(&home).expect("a directory");
        let mut skopeo = program("skopeo", &home);
        skopeo.args(["inspect", "--tls-verify=false"]);
        skopeo.args(credentials.iter().map(|credentials| format!("--creds={credentials}")));
        skopeo
    }
}

/// The digest by which a registry knows the image: that of what skopeo reads from the archive.
fn digest(image: &Image, home: &Path) -> String {
    let raw = printed(program("skopeo", home).args(["inspect", "--raw", &image.oci_archive()]));
    let path = home.join("index");
    fs::write(&path, raw).expect("a file");
    printed(program("skopeo", home).arg("manifest-digest").arg(path)).trim().to_owned()
}

#[test]
fn what_is_pushed_is_pulled_and_run_by_each_engine() {
    let registry = Registry::start(false);
    let image = image(&connector("source-faker"));
    let reference = registry.reference(&image);
    let home = registry.directory.path();
    let pushed = registry.push(&image.archive, &reference, home).run_tool().exits(0);
    let digest = digest(&image, home);
    let said = String::from_utf8(pushed.stdout).unwrap();
    assert!(said.contains(&digest) && said.contains(&reference), "{said}");
    let format = "--format={{.Digest}}";
    let found = printed(registry.skopeo(None).arg(format).arg(format!("docker://{reference}")));
    assert_eq!(found.trim(), digest);
    // Again: all of it is there already.
    registry.push(&image.archive, &reference, home).run_tool().exits(0);

    let podman = Podman::new();
    for architecture in ["arm64", "amd64"] {
        let pull = ["pull", "--quiet", "--tls-verify=false", &format!("--arch={architecture}"), &reference];
        printed(podman.program("podman").args(pull));
        let format = "--format={{.Architecture}}";
        assert_eq!(
            printed(podman.program("podman").args(["image", "inspect", format, &reference])).trim(),
            architecture
        );
    }
    let docker = Docker::shared();
    let pulled = printed(docker.client().args(["pull", &reference]));
    assert!(pulled.contains(&digest), "{pulled}");
    let run = ["run", "--rm", "--network=none", &reference, "spec"];
    for spec in [printed(podman.program("podman").args(run)), printed(docker.client().args(run))] {
        assert!(spec.starts_with(r#"{"type":"SPEC""#), "{spec}");
    }
}

#[test]
fn a_closed_registry_takes_it_from_whom_it_knows() {
    let registry = Registry::start(true);
    let image = image(&connector("source-faker"));
    let reference = registry.reference(&image);
    let home = registry.directory.path();
    let refused = registry.push(&image.archive, &reference, home).run_tool().exits(1);
    assert!(refused.stderr.contains("docker login"), "{}", refused.stderr);

    let docker_config = home.join(".docker");
    fs::create_dir(&docker_config).unwrap();
    let write = |auth: &str| {
        let auths = json!({"auths": {&registry.authority: {"auth": auth}}});
        fs::write(docker_config.join("config.json"), auths.to_string()).unwrap();
    };
    // somebody:wrong
    write("c29tZWJvZHk6d3Jvbmc=");
    let refused = registry.push(&image.archive, &reference, home).run_tool().exits(1);
    assert!(!refused.stderr.contains("wrong"), "{}", refused.stderr);

    // As `docker login` leaves it.
    fs::remove_file(docker_config.join("config.json")).unwrap();
    let login = ["login", "--username", USER, "--password", PASSWORD, &registry.authority];
    printed(program("docker", home).args(login).env("DOCKER_HOST", Docker::shared().host()));
    assert!(fs::read_to_string(docker_config.join("config.json")).unwrap().contains(AUTH));
    registry.push(&image.archive, &reference, home).run_tool().exits(0);

    let name = format!("docker://{reference}");
    let format = "--format={{.Digest}}";
    let found = printed(registry.skopeo(Some(&format!("{USER}:{PASSWORD}"))).arg(format).arg(&name));
    assert_eq!(found.trim(), digest(&image, home));
    assert!(!registry.skopeo(None).arg(&name).output().unwrap().status.success());
}

/// The same base from a registry gives the same layers.
#[test]
fn the_base_image_comes_from_a_registry() {
    let registry = Registry::start(false);
    let home = registry.directory.path();
    let reference = format!("{}/airlock/base:{}", registry.authority, env!("CARGO_PKG_VERSION"));
    registry.push(&dist().join("airlock-base.tar"), &reference, home).run_tool().exits(0);
    let output = home.join("image.tar");
    let source = connector("source-faker");
    let build = Airlock::new(["image", "build"]).arg(&source).option("--base", &reference).option("--output", &output);
    build.env("HOME", home).run_tool().exits(0);
    let expected = image(&source);
    let inspect = |architecture: &str, what: &[&str], name: &str| -> Value {
        let mut skopeo = program("skopeo", home);
        let inspect = skopeo.args(["--override-arch", architecture, "inspect"]).args(what).arg(name);
        serde_json::from_str(&printed(inspect)).expect("it is JSON")
    };
    let built = format!("oci-archive:{}:{}", output.display(), expected.tag());
    for architecture in ["amd64", "arm64"] {
        let layers = |name: &str| inspect(architecture, &[], name)["Layers"].clone();
        assert_eq!(layers(&built), layers(&expected.oci_archive()));
        let config = inspect(architecture, &["--config"], &built);
        assert_eq!(config["config"]["Labels"]["org.opencontainers.image.base.name"], reference);
    }
}
