//! A base image that lies in a registry: what is fetched of it, and what is said where it can not be had.

use std::io;
use std::path::PathBuf;

use airlock_images::Platform;
use serde_json::{Value, json};

use super::archive::Archive;
use super::base;
use super::build::METADATA;
use crate::harness::registry::{AUTH, Access, PASSWORD, Registry, digest_of};
use crate::harness::server::{Connection, Request, Server, begin, respond};
use crate::harness::{Airlock, Finished, Workspace, test_guest};

/// Somebody with a connector, a base image in a file, and a home.
struct Publisher {
    workspace: Workspace,
    base: PathBuf,
}

impl Publisher {
    fn new() -> Publisher {
        Publisher::of(&Platform::ALL)
    }

    fn of(platforms: &[Platform]) -> Publisher {
        let workspace = Workspace::new();
        let base = workspace.path().join("base.tar");
        base::write(&base, platforms, |_| {});
        workspace.file("source.wasm", std::fs::read(test_guest("source-states")).unwrap());
        workspace.file("source.metadata.yaml", METADATA);
        Publisher { workspace, base }
    }

    fn log_in(&self, registry: &Registry) {
        self.workspace.directory("home/.docker");
        let config = json!({"auths": {registry.server.authority(): {"auth": AUTH}}});
        self.workspace.json("home/.docker/config.json", &config);
    }

    /// Puts the base image into a registry, and gives the reference to it.
    fn push(&self, registry: &Registry) -> String {
        let reference = registry.reference("airlock/base:0.1.0");
        let push = Airlock::new(["image".as_ref(), "push".as_ref(), self.base.as_os_str(), reference.as_ref()]);
        push.env("HOME", self.workspace.path().join("home")).run_tool().exits(0);
        reference
    }

    fn build(&self, base: &str) -> Airlock {
        let source = self.workspace.path().join("source.wasm");
        let build = Airlock::new(["image", "build", "--platform", "linux/amd64"]).arg(source).option("--base", base);
        build.env("HOME", self.workspace.path().join("home"))
    }

    fn built(&self) -> Archive {
        Archive::read(&self.workspace.path().join("source.tar"))
    }
}

#[track_caller]
fn says(finished: Finished, expected: &[&str]) {
    let said = finished.exits(1).stderr;
    for secret in [PASSWORD, AUTH, "panicked"] {
        assert!(!said.contains(secret), "{said}");
    }
    for expected in expected.iter().chain(&["error: ", "hint: "]) {
        assert!(said.contains(expected), "{expected:?} in: {said}");
    }
}

/// Where the blobs of a manifest are in a registry.
fn parts(archive: &Archive, platform: &str) -> Vec<String> {
    let manifest = archive.image(platform).manifest;
    let layers = manifest["layers"].as_array().unwrap().iter().chain([&manifest["config"]]);
    layers.map(|part| part["digest"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn of_a_base_in_a_registry_what_is_needed_is_fetched() {
    for access in [Access::Open, Access::Basic, Access::Token(None)] {
        let (publisher, registry) = (Publisher::new(), Registry::start(access));
        publisher.log_in(&registry);
        let reference = publisher.push(&registry);
        publisher.build(&reference).run_tool().exits(0);
        let base = Archive::read(&publisher.base);
        let (ours, theirs) = (publisher.built().image("linux/amd64"), base.image("linux/amd64"));
        assert_eq!(ours.manifest["layers"][0], theirs.manifest["layers"][0]);
        let gets = |digest: &str| registry.asked(&format!("GET /v2/airlock/base/blobs/{digest}"));
        assert!(parts(&base, "linux/amd64").iter().all(|digest| gets(digest) == 1));
        let others = parts(&base, "linux/arm64");
        assert_eq!(gets(others.last().unwrap()), 0, "the configuration for another platform is not fetched");

        // By its digest it is the same.
        let (_, index) = registry.manifest("0.1.0").unwrap();
        publisher.build(&registry.reference(&format!("airlock/base@{}", digest_of(&index)))).run_tool().exits(0);
        assert_eq!(publisher.built().image("linux/amd64").manifest["layers"][0], theirs.manifest["layers"][0]);
    }
}

#[test]
fn blobs_may_lie_elsewhere_and_no_password_goes_there() {
    let publisher = Publisher::new();
    let blobs = Registry::start(Access::Open);
    publisher.push(&blobs);
    let storage = blobs.server.url("");
    let registry = Registry::misbehaving(Access::Basic, move |request, connection| {
        let leads_on = request.method == "GET" && request.target.contains("/blobs/");
        leads_on.then(|| {
            let location = format!("{storage}{}", request.target);
            respond(connection, "307 Temporary Redirect", &[("Location", &location)], b"")
        })
    });
    publisher.log_in(&registry);
    let reference = publisher.push(&registry);
    publisher.build(&reference).run_tool().exits(0);
    let requests = blobs.server.requests();
    let gets: Vec<&Request> =
        requests.iter().filter(|request| request.method == "GET" && request.target != "/v2/").collect();
    assert_eq!(gets.len(), 2);
    assert!(gets.iter().all(|request| request.header("authorization").is_none()), "{gets:?}");
}

#[test]
fn a_base_that_can_not_be_had_is_told_of() {
    let (publisher, registry) = (Publisher::new(), Registry::start(Access::Basic));
    let reference = registry.reference("airlock/base:0.1.0");
    says(publisher.build(&reference).run_tool(), &["lets nobody read", "docker login"]);
    publisher.log_in(&registry);
    says(publisher.build(&reference).run_tool(), &[&reference, "is not there", "check the name"]);
    says(publisher.build("no reference!").run_tool(), &["is no reference"]);

    let registry = Registry::start(Access::Open);
    let reference = Publisher::of(&[Platform::LinuxArm64]).push(&registry);
    says(publisher.build(&reference).run_tool(), &[&reference, "platform"]);
}

/// A registry with a base image, which answers requests of this kind in another way.
fn lying(
    publisher: &Publisher,
    kind: &'static str,
    lie: impl Fn(&[u8], &mut Connection) -> io::Result<()> + Send + Sync + 'static,
) -> Server {
    let honest = Registry::start(Access::Open);
    publisher.push(&honest);
    Server::start(move |request, connection| {
        let name = request.target.rsplit('/').next().unwrap_or_default();
        let content = honest.manifest(name).map(|(_, manifest)| manifest).or_else(|| honest.blob(name));
        match content {
            Some(content) if request.target.contains(kind) => lie(&content, connection),
            Some(content) => respond(connection, "200 OK", &[], &content),
            None => respond(connection, "200 OK", &[], b"{}"),
        }
    })
}

#[test]
fn a_registry_can_not_pass_off_something_else() {
    let publisher = Publisher::new();
    let build = |server: &Server| publisher.build(&format!("{}/airlock/base:0.1.0", server.authority())).run_tool();
    build(&lying(&publisher, "/nothing/", |_, _| Ok(()))).exits(0);

    let other = |content: &[u8], connection: &mut Connection| {
        let mut content = content.to_vec();
        content[10] ^= 1;
        respond(connection, "200 OK", &[], &content)
    };
    says(build(&lying(&publisher, "/blobs/", other)), &["is something else"]);
    says(build(&lying(&publisher, "/manifests/sha256:", other)), &["is something else"]);

    let cut_off =
        |content: &[u8], connection: &mut Connection| respond(connection, "200 OK", &[], &content[..content.len() / 2]);
    says(build(&lying(&publisher, "/blobs/", cut_off)), &["is something else"]);
    let no_image = |_: &[u8], connection: &mut Connection| respond(connection, "200 OK", &[], b"<html>");
    says(build(&lying(&publisher, "/manifests/0.1.0", no_image)), &["of a kind that airlock does not know"]);
    let large = |content: &[u8], connection: &mut Connection| {
        let mut index: Value = serde_json::from_slice(content).unwrap();
        index["manifests"][0]["size"] = json!(1_u64 << 40);
        respond(connection, "200 OK", &[], index.to_string().as_bytes())
    };
    says(build(&lying(&publisher, "/manifests/0.1.0", large)), &["is larger than what airlock takes"]);
}

/// An answer without an end.
fn endless(connection: &mut Connection, status: &str) -> io::Result<()> {
    begin(connection, status, &[])?;
    loop {
        connection.write_all(&[b' '; 64 * 1024])?;
    }
}

#[test]
fn an_answer_without_an_end_does_not_fill_the_machine() {
    let publisher = Publisher::new();
    let blobs = lying(&publisher, "/blobs/", |_, connection| endless(connection, "200 OK"));
    let reference = format!("{}/airlock/base:0.1.0", blobs.authority());
    says(publisher.build(&reference).run_tool(), &["longer than"]);

    // These the library takes whole, so the process is bounded.
    let manifests = lying(&publisher, "/manifests/", |_, connection| endless(connection, "200 OK"));
    let reference = format!("{}/airlock/base:0.1.0", manifests.authority());
    let finished = publisher.build(&reference).with_address_space(2_000_000).run_tool().exits(1);
    assert!(finished.stderr.contains("memory"), "{}", finished.stderr);
    let registry = Registry::misbehaving(Access::Open, |request, connection| {
        (request.method == "POST").then(|| endless(connection, "403 Forbidden"))
    });
    let reference = registry.reference("airlock/base:0.1.0");
    let push = Airlock::new(["image".as_ref(), "push".as_ref(), publisher.base.as_os_str(), reference.as_ref()]);
    says(push.with_address_space(2_000_000).run_tool(), &["memory"]);
}
