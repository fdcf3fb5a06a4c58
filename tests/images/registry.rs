//! Images in registries: what a push sends, and to whom; whose credentials go where; and what is said where a registry refuses,
//! fails or lies.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use airlock_images::{LayerBuilder, Layout, Platform, PlatformImage};
use oci_spec::image::ImageConfiguration;
use serde_json::json;

use crate::harness::certificates::Authority;
use crate::harness::registry::{AUTH, Access, PASSWORD, Registry, USER, digest_of, refuse};
use crate::harness::server::{Server, respond};
use crate::harness::{Airlock, Finished, Workspace};
use crate::network::proxies::proxy as tunnelling_proxy;

/// `somebody:wrong-nobody-guesses`
const WRONG_AUTH: &str = "c29tZWJvZHk6d3Jvbmctbm9ib2R5LWd1ZXNzZXM=";

/// An image for two platforms, which share a layer.
struct Image {
    workspace: Workspace,
    layout: Layout,
    archive: PathBuf,
}

impl Image {
    fn new() -> Image {
        Image::named(Some("registry.example/airbyte/source-faker:0.1.0"))
    }

    fn named(name: Option<&str>) -> Image {
        let layer = |path: &str, content: Vec<u8>| LayerBuilder::new().file(path, 0o644, content).build().unwrap();
        let mut random = fastrand::Rng::with_seed(1);
        // More than one piece of what is sent.
        let base = layer("/base", std::iter::repeat_with(|| random.u8(..)).take(300_000).collect());
        let image = |platform: Platform| PlatformImage {
            platform,
            config: ImageConfiguration::default(),
            layers: vec![base.clone(), layer("/connector", platform.to_string().into_bytes())],
        };
        let name = name.map(|name| name.parse().unwrap());
        let layout = Layout::of(&Platform::ALL.map(image), &BTreeMap::new(), name.as_ref()).unwrap();
        let workspace = Workspace::new();
        let archive = workspace.path().join("image.tar");
        layout.write_archive(fs::File::create(&archive).unwrap()).unwrap();
        Image { workspace, layout, archive }
    }

    fn digest(&self) -> String {
        self.layout.root().digest().to_string()
    }

    /// A push by somebody who has a home and nothing in it.
    fn push(&self, reference: &str) -> Airlock {
        let home = self.workspace.directory("home");
        Airlock::new(["image".as_ref(), "push".as_ref(), self.archive.as_os_str(), reference.as_ref()])
            .env("HOME", home)
    }

    /// Docker's configuration file of that user.
    fn docker_config(&self, config: &serde_json::Value) {
        self.workspace.directory("home/.docker");
        self.workspace.json("home/.docker/config.json", config);
    }

    /// A credential helper, and the PATH that it is on.
    fn helper(&self, name: &str, script: &str) -> String {
        let directory = self.workspace.directory("helpers");
        let file = self.workspace.file(&format!("helpers/docker-credential-{name}"), format!("#!/bin/sh\n{script}\n"));
        fs::set_permissions(file, fs::Permissions::from_mode(0o755)).unwrap();
        format!("{}:{}", directory.display(), std::env::var("PATH").unwrap_or_default())
    }

    #[track_caller]
    fn is_in(&self, registry: &Registry, tag: &str) {
        let (media_type, index) = registry.manifest(tag).expect("the tag is there");
        assert_eq!(media_type, "application/vnd.oci.image.index.v1+json");
        assert_eq!(digest_of(&index), self.digest());
        for (descriptor, manifest) in self.layout.manifests().unwrap() {
            let digest = descriptor.digest().to_string();
            assert_eq!(registry.manifest(&digest).unwrap().1, self.layout.blob(&digest).unwrap());
            for part in manifest.layers().iter().chain([manifest.config()]) {
                let digest = part.digest().to_string();
                assert_eq!(registry.blob(&digest).as_deref(), self.layout.blob(&digest));
            }
        }
    }
}

/// What a failed push said, which has no secret in it.
#[track_caller]
fn said(finished: Finished) -> String {
    let finished = finished.exits(1);
    assert!(finished.stdout.is_empty());
    for secret in [PASSWORD, AUTH, "nobody-guesses", "panicked"] {
        assert!(!finished.stderr.contains(secret), "{secret}: {}", finished.stderr);
    }
    assert!(finished.stderr.contains("hint: "), "{}", finished.stderr);
    finished.stderr
}

#[track_caller]
fn says(finished: Finished, expected: &[&str]) {
    let said = said(finished);
    for expected in expected {
        assert!(said.contains(expected), "{expected:?} in: {said}");
    }
}

fn auths(registry: &str) -> serde_json::Value {
    json!({"auths": {registry: {"auth": AUTH}}})
}

#[test]
fn an_image_is_in_the_registry_as_it_is_in_the_archive() {
    let (image, registry) = (Image::new(), Registry::start(Access::Open));
    let reference = registry.reference("airbyte/source-faker:0.1.0");
    let finished = image.push(&reference).run_tool().exits(0);
    let stdout = String::from_utf8(finished.stdout).unwrap();
    assert_eq!(stdout, format!("Pushed {reference}, digest {}\n", image.digest()));
    image.is_in(&registry, "0.1.0");
    // A layer of both platforms, one and a configuration of each.
    assert_eq!(registry.asked("POST /v2/airbyte/source-faker/blobs/uploads/"), 5);

    // What is there is not sent again.
    image.push(&registry.reference("airbyte/source-faker:latest")).run_tool().exits(0);
    image.is_in(&registry, "latest");
    assert_eq!(registry.asked("POST "), 5);
}

#[test]
fn a_single_image_and_a_directory_are_pushed_too() {
    let (image, registry) = (Image::new(), Registry::start(Access::Open));
    let directory = image.workspace.directory("layout/blobs/sha256");
    let (descriptor, manifest) = &image.layout.manifests().unwrap()[0];
    for part in manifest.layers().iter().chain([manifest.config(), descriptor]) {
        let digest = part.digest().to_string();
        fs::write(directory.join(&digest["sha256:".len()..]), image.layout.blob(&digest).unwrap()).unwrap();
    }
    image.workspace.json("layout/oci-layout", &json!({"imageLayoutVersion": "1.0.0"}));
    let index = json!({"schemaVersion": 2, "manifests": [descriptor]});
    image.workspace.json("layout/index.json", &index);
    let layout = image.workspace.path().join("layout");
    let push =
        |reference: &str| Airlock::new(["image".as_ref(), "push".as_ref(), layout.as_os_str(), reference.as_ref()]);
    push(&registry.reference("a/b")).run_tool().exits(0);
    let digest = descriptor.digest().to_string();
    assert_eq!(registry.manifest("latest").unwrap().1, image.layout.blob(&digest).unwrap());
    // By its own digest, and not by another's.
    push(&registry.reference(&format!("a/c@{digest}"))).run_tool().exits(0);
    says(push(&registry.reference(&format!("a/c@{}", image.digest()))).run_tool(), &["another image", &digest]);
    // It has no name of its own.
    let nameless = Airlock::new(["image".as_ref(), "push".as_ref(), layout.as_os_str()]);
    says(nameless.run_tool(), &["has no name", "REGISTRY/REPOSITORY:TAG"]);
}

#[test]
fn the_archive_says_where_it_goes() {
    let registry = Registry::start(Access::Open);
    let reference = registry.reference("airbyte/source-faker:0.1.0");
    let image = Image::named(Some(&reference));
    let push = Airlock::new(["image".as_ref(), "push".as_ref(), image.archive.as_os_str()]);
    push.run_tool().exits(0);
    image.is_in(&registry, "0.1.0");
}

#[test]
fn credentials_are_found_where_docker_and_podman_keep_them() {
    for access in [Access::Basic, Access::Token(None)] {
        let registry = Registry::start(access.clone());
        let (name, reference) = (registry.server.authority(), registry.reference("a/b:c"));
        let printed = json!({"Username": USER, "Secret": PASSWORD});
        let helper = format!("read -r registry; [ \"$registry\" = {name} ] && [ \"$1\" = get ] && echo '{printed}'");

        let image = Image::new();
        image.docker_config(&auths(&name));
        image.push(&reference).run_tool().exits(0);
        image.is_in(&registry, "c");

        let image = Image::new();
        let directory = image.workspace.directory("elsewhere");
        image.workspace.json("elsewhere/config.json", &auths(&name));
        image.push(&reference).env("DOCKER_CONFIG", directory).run_tool().exits(0);

        let image = Image::new();
        let path = image.helper("test", &helper);
        image.docker_config(&json!({"credHelpers": {name.as_str(): "test"}}));
        image.push(&reference).env("PATH", &path).run_tool().exits(0);
        // As `docker login` leaves it where there is a store.
        image.docker_config(&json!({"credsStore": "test", "auths": {name.as_str(): {}}}));
        image.push(&reference).env("PATH", &path).run_tool().exits(0);

        let image = Image::new();
        image.docker_config(&auths("another.example"));
        let file = image.workspace.json("auth.json", &auths(&name));
        image.push(&reference).env("REGISTRY_AUTH_FILE", file).run_tool().exits(0);
        let directory = image.workspace.directory("run/containers");
        fs::rename(image.workspace.path().join("auth.json"), directory.join("auth.json")).unwrap();
        image.push(&reference).env("XDG_RUNTIME_DIR", image.workspace.path().join("run")).run_tool().exits(0);
    }
}

#[test]
fn without_the_right_credentials_a_push_says_how_to_log_in() {
    for access in [Access::Basic, Access::Token(None)] {
        let registry = Registry::start(access.clone());
        let (name, reference) = (registry.server.authority(), registry.reference("a/b:c"));
        let image = Image::new();
        let log_in = format!("docker login {name}");
        says(image.push(&reference).run_tool(), &["without credentials", &log_in]);

        // The registry repeats what it was given, which is a secret though it is wrong.
        image.docker_config(&json!({"auths": {name.as_str(): {"auth": WRONG_AUTH}}}));
        let config = image.workspace.path().join("home/.docker/config.json").display().to_string();
        let said = said(image.push(&reference).run_tool());
        for expected in ["refuses the credentials of somebody", &config, &log_in] {
            assert!(said.contains(expected), "{expected:?} in: {said}");
        }
        assert!(!said.contains(WRONG_AUTH), "{said}");
        assert_eq!(said.contains("(not by Basic ****)"), matches!(access, Access::Basic), "{said}");
        assert!(registry.manifest("c").is_none());
    }
}

#[test]
fn credentials_that_can_not_be_had_are_an_error_and_not_forgotten() {
    let registry = Registry::start(Access::Open);
    let (name, reference) = (registry.server.authority(), registry.reference("a/b:c"));
    let image = Image::new();
    let file = image.workspace.directory("home/.docker").join("config.json");
    fs::write(&file, format!("{{\"auths\": {PASSWORD}")).unwrap();
    says(image.push(&reference).run_tool(), &["no configuration file of Docker's", &file.display().to_string()]);

    image.docker_config(&json!({"credHelpers": {name.as_str(): "none"}}));
    says(image.push(&reference).run_tool(), &["docker-credential-none", "can not be run", "PATH"]);
    let path = image.helper("bad", &format!("cat > /dev/null; echo {PASSWORD}; echo {PASSWORD} >&2; exit 1"));
    image.docker_config(&json!({"credsStore": "bad"}));
    says(image.push(&reference).env("PATH", path).run_tool(), &["docker-credential-bad", "fails"]);
    let path = image.helper("bad", &format!("cat > /dev/null; echo {PASSWORD}"));
    says(image.push(&reference).env("PATH", path).run_tool(), &["docker-credential-bad", "no user and password"]);
    assert!(registry.server.requests().is_empty());

    // Nobody logged in: that is no failure.
    let path = image.helper("bad", "cat > /dev/null; echo 'credentials not found in native keychain'; exit 1");
    image.push(&reference).env("PATH", path).run_tool().exits(0);
}

#[test]
fn credentials_stay_with_their_registry() {
    let elsewhere =
        Server::start(|_, connection| respond(connection, "201 Created", &[("Location", "/v2/there")], b""));
    let storage = elsewhere.url("/storage?key=of-a-signature");
    for access in [Access::Basic, Access::Token(None)] {
        let before = elsewhere.requests().len();
        let location = storage.clone();
        let registry = Registry::misbehaving(access, move |request, connection| {
            let upload = request.method == "POST" && request.header("authorization").is_some();
            upload.then(|| respond(connection, "202 Accepted", &[("Location", &location)], b""))
        });
        let image = Image::new();
        image.docker_config(&auths(&registry.server.authority()));
        image.push(&registry.reference("a/b:c")).run_tool().exits(0);
        let requests = elsewhere.requests();
        assert_eq!(requests.len() - before, 5);
        assert!(requests.iter().all(|request| request.header("authorization").is_none()));
    }
    // Nor are they sent where a registry leads on.
    let before = elsewhere.requests().len();
    let location = storage.clone();
    let registry = Registry::misbehaving(Access::Basic, move |request, connection| {
        let asked = request.method == "HEAD" && request.header("authorization").is_some();
        asked.then(|| respond(connection, "307 Temporary Redirect", &[("Location", &location)], b""))
    });
    let image = Image::new();
    image.docker_config(&auths(&registry.server.authority()));
    let _ = image.push(&registry.reference("a/b:c")).run_tool();
    let requests = elsewhere.requests().split_off(before);
    assert!(!requests.is_empty() && requests.iter().all(|request| request.header("authorization").is_none()));
}

#[test]
fn a_registry_shows_who_it_is() {
    let authority = Authority::new();
    let registry = Registry::secure(authority.server("127.0.0.1"), Access::Basic);
    let image = Image::new();
    let name = registry.server.authority();
    image.docker_config(&auths(&name));
    let trusted = image.workspace.file("authority.pem", authority.pem());
    let push = || image.push(&registry.reference("a/b:c"));
    push().env("SSL_CERT_FILE", &trusted).run_tool().exits(0);
    image.is_in(&registry, "c");

    let asked = registry.server.requests().len();
    let stranger = image.workspace.file("stranger.pem", Authority::new().pem());
    says(push().env("SSL_CERT_FILE", stranger).run_tool(), &["can not show who it is", &name, "SSL_CERT_FILE"]);
    says(push().env("SSL_CERT_FILE", "/nowhere/at-all.pem").run_tool(), &["SSL_CERT_FILE"]);
    assert_eq!(registry.server.requests().len(), asked, "nothing is sent to a stranger, by no way");
}

/// A proxy that makes tunnels to nowhere, and is not to be asked for anything else.
fn proxy() -> Server {
    Server::start(|_, connection| respond(connection, "403 Forbidden", &[], b""))
}

fn through(run: Airlock, proxy: &Server) -> Airlock {
    let url = format!("http://{}", proxy.authority());
    ["HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY"]
        .into_iter()
        .fold(run, |run, name| run.env(name, &url))
}

#[test]
fn what_is_not_on_this_machine_is_asked_by_https_only() {
    let proxy = proxy();
    let image = Image::new();
    for (reference, registry, asked) in [
        ("airbyte/source-faker:0.1.0", "docker.io", "index.docker.io:443"),
        ("registry.example:5000/a/b", "registry.example:5000", "registry.example:5000"),
        ("127.0.0.1.example/a/b", "127.0.0.1.example", "127.0.0.1.example:443"),
    ] {
        let before = proxy.requests().len();
        says(through(image.push(reference), &proxy).run_tool(), &[&format!("error: {registry} can not be reached")]);
        let requests = proxy.requests().split_off(before);
        assert!(!requests.is_empty());
        assert!(
            requests.iter().all(|request| (request.method.as_str(), request.target.as_str()) == ("CONNECT", asked)),
            "{requests:?}"
        );
    }
    // What is on this machine is not a proxy's to see.
    let before = proxy.requests().len();
    let registry = Registry::start(Access::Open);
    through(image.push(&registry.reference("a/b:c")), &proxy).run_tool().exits(0);
    let by_name = format!("localhost:{}/a/b:d", registry.server.port());
    through(image.push(&by_name), &proxy).run_tool().exits(0);
    assert_eq!(proxy.requests().len(), before);
}

#[test]
fn nobody_leads_a_push_to_plain_http() {
    let proxy = proxy();
    let authority = Authority::new();
    let away = "http://storage.example/somewhere";
    let image = Image::new();
    let trusted = image.workspace.file("authority.pem", authority.pem());
    let refused = |registry: &Registry| {
        image.docker_config(&auths(&registry.server.authority()));
        let push = image.push(&registry.reference("a/b:c")).env("SSL_CERT_FILE", &trusted);
        says(through(push, &proxy).run_tool(), &["plain HTTP"]);
        assert!(registry.manifest("c").is_none());
        assert!(proxy.requests().is_empty(), "{:?}", proxy.requests());
    };
    // Where the tokens are.
    refused(&Registry::secure(authority.server("127.0.0.1"), Access::Token(Some(away.to_owned()))));
    // Where a blob goes, and where it should be.
    for method in ["POST", "HEAD"] {
        refused(&Registry::misbehaving(Access::Open, move |request, connection| {
            let status = if method == "POST" { "202 Accepted" } else { "307 Temporary Redirect" };
            (request.method == method).then(|| respond(connection, status, &[("Location", away)], b""))
        }));
    }
}

/// The password would be shown to whoever listens there.
#[test]
fn a_registry_elsewhere_leads_nobody_to_this_machine() {
    let local = Server::start(|_, connection| respond(connection, "200 OK", &[], br#"{"token": "a"}"#));
    let authority = Authority::new();
    let realm = format!("http://{}/token", local.authority());
    let registry = Registry::secure(authority.server("registry.example"), Access::Token(Some(realm)));
    let proxy = tunnelling_proxy(Some(registry.server.port()));
    let image = Image::new();
    image.docker_config(&auths("registry.example"));
    let push = image.push("registry.example/a/b:c");
    let push = push.env("SSL_CERT_FILE", image.workspace.file("authority.pem", authority.pem()));
    says(through(push, &proxy).run_tool(), &["plain HTTP"]);
    assert!(registry.asked("GET /v2/") > 0);
    assert!(local.requests().is_empty(), "{:?}", local.requests());
}

/// The library asks for a token anew when one has expired, and takes the new one for what it should be.
#[test]
fn a_token_that_is_none_is_told_whenever_it_comes() {
    // {}, and {"exp":1}
    const EXPIRED: &str = "e30.eyJleHAiOjF9.AA";
    for good in 0..4 {
        let asked = AtomicUsize::new(0);
        let registry = Registry::misbehaving(Access::Token(None), move |request, connection| {
            let tokens = request.target.starts_with("/token");
            let token = |asked: usize| if asked < good { EXPIRED } else { "a\nb" };
            tokens.then(|| {
                let body = json!({"token": token(asked.fetch_add(1, Ordering::SeqCst))}).to_string();
                respond(connection, "200 OK", &[], body.as_bytes())
            })
        });
        says(Image::new().push(&registry.reference("a/b:c")).run_tool(), &["hint: "]);
    }
}

#[test]
fn a_tag_that_is_left_out_is_the_images_own() {
    let (image, registry) = (Image::new(), Registry::start(Access::Open));
    image.push(&registry.reference("team/source")).run_tool().exits(0);
    image.is_in(&registry, "0.1.0");
    assert!(registry.manifest("latest").is_none());
}

#[test]
fn a_registry_that_fails_for_a_while_is_asked_again() {
    let failures = Arc::new(AtomicUsize::new(0));
    let counted = failures.clone();
    let registry = Registry::misbehaving(Access::Open, move |request, connection| {
        let fails = matches!(request.method.as_str(), "PUT") && counted.fetch_add(1, Ordering::SeqCst) % 3 == 0;
        fails.then(|| respond(connection, "503 Service Unavailable", &[], b"<html>"))
    });
    let image = Image::new();
    image.push(&registry.reference("a/b:c")).run_tool().exits(0);
    image.is_in(&registry, "c");
    assert!(failures.load(Ordering::SeqCst) > 1);
}

#[test]
fn what_a_registry_refuses_is_said_with_its_own_words() {
    let image = Image::new();
    let cases: [(&str, &str, &str, &[&str]); 5] = [
        ("403 Forbidden", "DENIED", "not in this house", &["(not in this house)", "docker login"]),
        ("404 Not Found", "NAME_UNKNOWN", "no such house", &["has no repository a/b", "(no such house)"]),
        ("429 Too Many Requests", "TOOMANYREQUESTS", "slowly", &["too many requests", "(slowly)", "wait"]),
        ("500 Internal Server Error", "UNKNOWN", "on \u{1b}[31mfire", &["status 500", "fire"]),
        ("413 Payload Too Large", "SIZE_INVALID", "", &["status 413"]),
    ];
    for (status, code, message, expected) in cases {
        let registry = Registry::misbehaving(Access::Open, move |request, connection| {
            (request.method == "POST").then(|| refuse(request, connection, status, code, message))
        });
        let finished = image.push(&registry.reference("a/b:c")).run_tool();
        assert!(!finished.stderr.contains('\u{1b}'), "{}", finished.stderr);
        says(finished, expected);
    }
}

#[test]
fn a_registry_that_lies_is_found_out() {
    let image = Image::new();
    // Another image under the tag.
    let registry = Registry::misbehaving(Access::Open, |request, connection| {
        let asked = request.method == "HEAD" && request.target.ends_with("/manifests/c");
        let other = digest_of(b"another");
        asked.then(|| respond(connection, "200 OK", &[("Docker-Content-Digest", &other)], b""))
    });
    says(image.push(&registry.reference("a/b:c")).run_tool(), &[&digest_of(b"another"), &image.digest()]);

    // Answers that are none.
    for location in ["no-url", "http://", "ftp://127.0.0.1/", "//"] {
        let registry = Registry::misbehaving(Access::Open, move |request, connection| {
            (request.method == "POST").then(|| respond(connection, "202 Accepted", &[("Location", location)], b""))
        });
        said(image.push(&registry.reference("a/b:c")).run_tool());
    }
    for token in ["{\"token\": \"two\\nlines\"}", "{}", "no JSON"] {
        let registry = Registry::misbehaving(Access::Token(None), move |request, connection| {
            request.target.starts_with("/token").then(|| respond(connection, "200 OK", &[], token.as_bytes()))
        });
        said(image.push(&registry.reference("a/b:c")).run_tool());
    }
    let registry = Registry::misbehaving(Access::Open, |request, connection| {
        (request.method == "HEAD").then(|| respond(connection, "302 Found", &[("Location", &request.target)], b""))
    });
    said(image.push(&registry.reference("a/b:c")).run_tool());
}

#[test]
fn what_is_not_there_is_said() {
    let image = Image::new();
    // A port that was free a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    says(image.push(&format!("localhost:{port}/a/b")).run_tool(), &["can not be reached", "refused"]);
    says(image.push("registry.invalid/a/b").run_tool(), &["registry.invalid can not be reached"]);
    says(image.push("A B").run_tool(), &["is no reference", "REGISTRY/REPOSITORY:TAG"]);
    let missing =
        |path: &Path| Airlock::new(["image".as_ref(), "push".as_ref(), path.as_os_str(), "localhost/a".as_ref()]);
    says(missing(Path::new("/nowhere.tar")).run_tool(), &["/nowhere.tar", "can not be read"]);
}
