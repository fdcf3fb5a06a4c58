//! Low-code manifests: the hosts that they call, where one may be named instead of carried, and connectors that are made of them. The guests
//! here do not run manifests: what is looked at is what the host makes of them.

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::harness::server::{Server, respond};
use crate::harness::workspace::configured_catalog;
use crate::harness::{Airlock, Finished, Workspace, airlock_binary, protocol, test_guest};

/// A guest in a workspace, with the files of a manifest.
struct Scene {
    workspace: Workspace,
    connector: PathBuf,
}

impl Scene {
    fn new(guest: &str) -> Scene {
        let workspace = Workspace::new();
        let connector = workspace.file("source.wasm", fs::read(test_guest(guest)).unwrap());
        Scene { workspace, connector }
    }

    /// The guest carries this manifest.
    fn carrying(guest: &str, manifest: &str) -> Scene {
        let scene = Scene::new(guest);
        fs::write(scene.workspace.directory("carried").join("manifest.yaml"), manifest).unwrap();
        let embed = Airlock::new(["embed"]).arg(&scene.connector);
        embed.option("--files", scene.workspace.path().join("carried")).run_tool().exits(0);
        scene
    }

    /// A manifest beside the connector, in a directory of its own.
    fn manifest(&self, manifest: &str) -> PathBuf {
        let path = self.workspace.directory("tried").join("manifest.yaml");
        fs::write(&path, manifest).unwrap();
        path
    }

    fn read(&self, config: &Value) -> Airlock {
        let config = self.workspace.json("config.json", config);
        let catalog = self.workspace.json("catalog.json", &configured_catalog(&["one"]));
        Airlock::of(&self.connector).arg("read").option("--config", config).option("--catalog", catalog)
    }

    fn inspect(&self) -> Airlock {
        Airlock::new(["inspect"]).arg(&self.connector)
    }
}

/// The outcome of the guest's one request.
#[track_caller]
fn outcome(run: Airlock) -> Value {
    let finished = run.run().exits(0);
    let records = finished.records("one");
    assert_eq!(records.len(), 1, "{:#?}", finished.messages);
    records[0].clone()
}

fn in_force(finished: &Finished) -> String {
    let line = protocol::all_messages(&finished.stdout).into_iter().find(protocol::says_what_is_in_force).unwrap();
    line["log"]["message"].as_str().unwrap().to_owned()
}

fn report(run: Airlock) -> Value {
    serde_json::from_slice(&run.arg("--json").run_tool().exits(0).stdout).unwrap()
}

fn hello() -> Server {
    Server::start(|_, connection| respond(connection, "200 OK", &[], b"hello"))
}

/// What the guest is asked for: one request to the server.
fn request(server: &Server) -> Value {
    json!({"requests": [{"url": server.url("/")}]})
}

const DENIED: &str = "ErrorCode::HttpRequestDenied";

#[test]
fn a_connector_reaches_the_hosts_that_its_manifest_calls_compiled_or_not() {
    let server = hello();
    let scene = Scene::carrying("source-http", &format!("requester: {{url_base: \"{}\"}}", server.url("/v1")));
    Airlock::new(["compile"]).arg(&scene.connector).run_tool().exits(0);
    for file in ["source.wasm", "source.cwasm"] {
        let scene = Scene { workspace: Workspace::new(), connector: scene.workspace.path().join(file) };
        let finished = scene.read(&request(&server)).run().exits(0);
        assert_eq!(finished.records("one")[0]["status"], 200, "{file}");
        assert!(in_force(&finished).contains(&format!("hosts {} (the manifest)", server.authority())), "{file}");
        let other = hello();
        assert_eq!(outcome(scene.read(&request(&other)))["error"], DENIED, "{file}");
        let shown = report(scene.inspect());
        assert_eq!(shown["manifest"], json!({"hosts": [server.authority()], "warnings": []}));
        assert_eq!(shown["in_force"]["hosts"], json!([{"host": server.authority(), "origin": "the manifest"}]));
    }
}

#[test]
fn metadata_that_names_hosts_comes_before_the_manifest_and_a_policy_before_both() {
    let server = hello();
    let scene = Scene::carrying("source-http", &format!("url: \"{}\"", server.url("/v1")));
    let config = request(&server);
    for (metadata, expected) in [
        ("data: {name: Silent}", json!(200)),
        ("data: {allowedHosts: {hosts: []}}", json!(null)),
        ("data: {allowedHosts: {hosts: [other.example]}}", json!(null)),
    ] {
        let metadata = scene.workspace.file("some.yaml", metadata);
        assert_eq!(outcome(scene.read(&config).option("--metadata", metadata))["status"], expected);
    }
    let policy = scene.workspace.file("policy.yaml", "hosts: [other.example]");
    let finished = scene.read(&config).option("--policy", policy).run().exits(0);
    assert_eq!(finished.records("one")[0]["error"], DENIED);
    let warning = finished.logs("WARN").join("\n");
    assert!(warning.contains("takes away these hosts") && warning.contains("(the manifest)"), "{warning}");
}

#[test]
fn what_the_manifest_has_from_the_config_is_filled_by_it() {
    let server = hello();
    let scene = Scene::carrying("source-http", "url_base: \"{{ config['api']['url'] or 'https://a.example' }}/v1\"");
    let mut config = request(&server);
    assert_eq!(outcome(scene.read(&config))["error"], DENIED);
    config["api"] = json!({"url": server.url("/base")});
    let finished = scene.read(&config).run().exits(0);
    assert_eq!(finished.records("one")[0]["status"], 200);
    let told = in_force(&finished);
    assert!(told.contains("127.0.0.1 (the config's `api.url`), a.example (the manifest)"), "{told}");
    assert_eq!(report(scene.inspect())["in_force"]["hosts_of_config"], json!(["${api.url}"]));
}

#[test]
fn a_manifest_that_comes_with_the_config_counts_where_there_is_no_other() {
    let (carried, injected) = (hello(), hello());
    let mut config = request(&injected);
    config["__injected_declarative_manifest"] = json!({"streams": [{"requester": {"url_base": injected.url("/")}}]});
    let bare = Scene::new("source-http");
    let finished = bare.read(&config).run().exits(0);
    assert_eq!(finished.records("one")[0]["status"], 200);
    assert!(in_force(&finished).contains(&format!("; hosts {} (the manifest); ", injected.authority())));
    // What is none is for the connector to refuse.
    let mut none = config.clone();
    none["__injected_declarative_manifest"] = json!("text");
    assert_eq!(outcome(bare.read(&none))["error"], DENIED);

    let scene = Scene::carrying("source-http", &format!("url: \"{}\"", carried.url("/")));
    assert_eq!(outcome(scene.read(&config))["error"], DENIED, "a config is no way around what is carried");
    let tried = scene.manifest("url: https://tried.example");
    assert_eq!(outcome(scene.read(&config).option("--manifest-path", tried))["error"], DENIED);
    config["requests"] = request(&carried)["requests"].clone();
    assert_eq!(outcome(scene.read(&config))["status"], 200);
}

#[test]
fn a_manifest_is_tried_as_if_it_were_carried() {
    let scene = Scene::carrying("source-escapes", "url: https://carried.example");
    let tried = scene.manifest("url: https://tried.example");
    let directory = tried.parent().unwrap();
    fs::create_dir_all(directory.join("schemas")).unwrap();
    for (name, content) in [("schemas/one.json", "{}"), ("spec.yaml", "a: b"), ("components.py", "import os")] {
        fs::write(directory.join(name), content).unwrap();
    }
    fs::write(directory.join("metadata.yaml"), "data: {name: Tried, connectorType: source}").unwrap();
    let finished = scene.read(&json!({"way": "carried"})).option("--manifest-path", &tried).run().exits(0);
    let found: Vec<(&str, &str)> = finished
        .records("one")
        .into_iter()
        .filter_map(|record| {
            Some((record["attempt"].as_str()?.strip_prefix("/connector/")?, record["outcome"].as_str()?))
        })
        .collect();
    assert_eq!(found.len(), 3, "{found:?}");
    for file in [("manifest.yaml", "url: https://tried.example"), ("schemas/one.json", "{}"), ("spec.yaml", "a: b")] {
        assert!(found.contains(&file), "{found:?}");
    }
    let told = in_force(&finished);
    assert!(told.contains("connector Tried:") && told.contains("hosts tried.example (the manifest)"), "{told}");
    let shown = report(scene.inspect().option("--manifest-path", &tried));
    assert_eq!((&shown["manifest"]["hosts"], &shown["metadata"]["name"]), (&json!(["tried.example"]), &json!("Tried")));
    for command in ["spec", "check", "discover"] {
        let run = Airlock::of(&scene.connector).arg(command).option("--manifest-path", &tried);
        let run =
            if command == "spec" { run } else { run.option("--config", scene.workspace.path().join("config.json")) };
        run.run().exits(0);
    }
}

#[test]
fn without_a_connector_the_one_beside_the_program_runs_a_manifest() {
    let scene = Scene::new("source-states");
    let manifest = scene.manifest("a: b");
    let binary = scene.workspace.path().join("airlock");
    fs::copy(airlock_binary(), &binary).unwrap();
    let spec = || {
        let mut command = std::process::Command::new(&binary);
        command.env_clear().env("HOME", scene.workspace.path()).arg("spec").arg("--manifest-path").arg(&manifest);
        command.output().unwrap()
    };
    let refused = spec();
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(2), "{said}");
    assert!(said.contains("source-declarative.wasm") && said.contains("--connector"), "{said}");
    fs::copy(&scene.connector, scene.workspace.directory("connectors").join("source-declarative.wasm")).unwrap();
    let output = spec();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_manifest_that_can_not_be_tried_is_told() {
    let scene = Scene::new("source-states");
    let missing = scene.workspace.path().join("missing.yaml");
    let finished = Airlock::of(&scene.connector).arg("spec").option("--manifest-path", &missing).run().exits(1);
    let (kind, message) = finished.error();
    assert_eq!(kind, "config_error");
    assert!(message.contains("missing.yaml can not be read"), "{message}");

    for arguments in [&["write"][..], &["compile", "a.wasm"], &["embed", "a.wasm"]] {
        let run = Airlock::new(arguments.iter().copied()).option("--manifest-path", "manifest.yaml");
        let refused = run.run_tool().exits(2);
        assert!(refused.stderr.contains("takes no --manifest-path"), "{}", refused.stderr);
    }
}

#[test]
fn a_manifest_that_a_connector_could_have_written_itself_is_not_believed() {
    let scene = Scene::new("source-http");
    let airbyte = scene.workspace.directory("airbyte");
    let refused = |run: Airlock| {
        let finished = run.arg("spec").option("--airbyte-dir", &airbyte).run().exits(1);
        let (kind, message) = finished.error();
        assert!(kind == "config_error" && message.contains("could have written itself a policy"), "{message}");
    };
    let written = airbyte.join("manifest.yaml");
    fs::write(&written, "url: https://evil.example").unwrap();
    refused(Airlock::of(&scene.connector).option("--manifest-path", &written));
    let carrying = Scene::carrying("source-http", "url: https://evil.example");
    let inside = airbyte.join("source.wasm");
    fs::copy(&carrying.connector, &inside).unwrap();
    refused(Airlock::of(&inside));
    // What asks for nothing may lie there.
    fs::write(&written, "url: ''").unwrap();
    let run = Airlock::of(&scene.connector).option("--manifest-path", &written).arg("spec");
    run.option("--airbyte-dir", &airbyte).run().exits(0);
}

#[test]
fn what_can_not_be_told_of_a_manifest_is_shown() {
    let scene = Scene::carrying(
        "source-states",
        "streams:\n  - {url_base: \"https://{{ stream_partition['site'] }}/\"}\n  - {url: \"https://a.example\"}",
    );
    let shown = report(scene.inspect());
    assert_eq!(shown["manifest"]["hosts"], json!(["a.example"]));
    let warning = shown["in_force"]["warnings"][0].as_str().unwrap();
    for part in ["streams.0.url_base", "stream_partition['site']", "allowedHosts", "--allow-host"] {
        assert!(warning.contains(part), "{part}: {warning}");
    }
    let text = String::from_utf8(scene.inspect().run_tool().exits(0).stdout).unwrap();
    assert!(
        text.contains("Hosts that its manifest calls\n  a.example\n") && text.contains("stream_partition"),
        "{text}"
    );
    // A manifest that is none calls nothing, and the connector itself says what is wrong with it.
    let broken = Scene::carrying("source-states", "a: [");
    assert!(report(broken.inspect())["manifest"]["warnings"][0].as_str().unwrap().contains("can not be read"));
    broken.read(&json!({})).run().exits(0);
}

/// A manifest's directory, as a repository of connectors has it, and the component that runs it.
struct Project {
    workspace: Workspace,
    component: PathBuf,
}

impl Project {
    fn new(manifest: &str) -> Project {
        let workspace = Workspace::new();
        let component = workspace.file("runs-manifests.wasm", fs::read(test_guest("source-manifest")).unwrap());
        let project = Project { workspace, component };
        project.file("manifest.yaml", manifest);
        project
    }

    fn directory(&self) -> PathBuf {
        self.workspace.directory("source-project")
    }

    fn file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.directory().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }

    fn build(&self) -> Airlock {
        let build = Airlock::new(["build"]).option("--connector", &self.component);
        build.option("--manifest", self.directory().join("manifest.yaml"))
    }

    /// Built into this file.
    fn built(&self) -> (PathBuf, Finished) {
        let output = self.workspace.path().join("built.wasm");
        let finished = self.build().option("--output", &output).run_tool().exits(0);
        (output, finished)
    }
}

#[test]
fn a_connector_is_made_of_a_manifest_and_what_lies_beside_it() {
    let project = Project::new(
        "url_base: \"https://{{ config['site'] }}.example/v1\"\ntoken_refresh_endpoint: https://auth.example/",
    );
    project.file("schemas/one.json", "{}");
    project.file("spec.json", r#"{"connectionSpecification":{"title":"Own"}}"#);
    project.file("components.py", "import os");
    project
        .file("metadata.yaml", "data: {name: Project, dockerRepository: airbyte/source-named, connectorType: source}");
    let (built, finished) = project.built();
    assert_eq!(finished.stderr, "");
    let said = String::from_utf8(finished.stdout).unwrap();
    for part in
        ["built.wasm", "manifest.yaml and 2 files more", "${site}.example, auth.example (its manifest)", "Next: "]
    {
        assert!(said.contains(part), "{part}: {said}");
    }
    let shown = report(Airlock::new(["inspect"]).arg(&built));
    let names: Vec<&str> =
        shown["files"].as_array().unwrap().iter().map(|file| file["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["manifest.yaml", "schemas/one.json", "spec.json"]);
    assert_eq!((&shown["metadata"]["name"], &shown["metadata"]["origin"]), (&json!("Project"), &json!("connector")));
    assert_eq!(shown["manifest"]["hosts"], json!(["${site}.example", "auth.example"]));
    let spec = Airlock::of(&built).arg("spec").run().exits(0);
    assert_eq!(spec.of_type("SPEC")[0]["spec"]["connectionSpecification"]["title"], "Own");
    // The same input gives the same bytes, also from a connector that was made of another manifest.
    let bytes = fs::read(&built).unwrap();
    project.built();
    assert_eq!(fs::read(&built).unwrap(), bytes);
    let other = Project::new("unsupported: old");
    other.file("schemas/old.json", "{}");
    let again = project.workspace.path().join("again.wasm");
    let build = Airlock::new(["build"]).option("--connector", other.built().0).option("--output", &again);
    build.option("--manifest", project.directory().join("manifest.yaml")).run_tool().exits(0);
    assert_eq!(fs::read(&again).unwrap(), bytes);
    // And an image can be made of it.
    let image =
        Airlock::new(["image", "build"]).arg(&built).option("--base", crate::images::base::base(&project.workspace));
    let image = image.option("--tag", "mine/built:1").run_tool().exits(0);
    assert!(String::from_utf8(image.stdout).unwrap().contains("mine/built:1"));
}

#[test]
fn without_an_output_the_connector_is_named_after_its_metadata_or_its_directory() {
    let project = Project::new("a: b");
    let here = project.workspace.directory("here");
    let build = || {
        let mut command = project.build().into_command();
        assert!(command.current_dir(&here).output().unwrap().status.success());
    };
    build();
    assert!(here.join("source-project.wasm").is_file());
    project.file("metadata.yaml", "data: {dockerRepository: airbyte/source-named}");
    build();
    assert!(here.join("source-named.wasm").is_file());
    project.file("metadata.yaml", "data: {dockerRepository: \"airbyte/..\"}");
    fs::remove_file(here.join("source-project.wasm")).unwrap();
    build();
    assert!(here.join("source-project.wasm").is_file(), "what is no name is not taken for one");
}

#[test]
fn warnings_of_the_connector_and_of_its_hosts_are_shown() {
    let project = Project::new("unsupported: orders\nunsupported: users\nurl: \"https://{{ stream_slice['x'] }}/\"");
    let (_, finished) = project.built();
    let warnings: Vec<&str> = finished.stderr.lines().filter(|line| line.starts_with("warning: ")).collect();
    assert_eq!(
        warnings[..2],
        ["warning: The stream orders is not supported.", "warning: The stream users is not supported."]
    );
    assert!(warnings.len() == 3 && warnings[2].contains("stream_slice['x']"), "{warnings:?}");
    let finished = project
        .build()
        .option("--output", project.workspace.path().join("quiet.wasm"))
        .env("LOG_LEVEL", "fatal")
        .run_tool()
        .exits(0);
    assert_eq!(finished.stderr.lines().count(), 3, "{}", finished.stderr);
    // Where the metadata says it, nothing is to be told.
    project.file("metadata.yaml", "data: {allowedHosts: {hosts: [\"*.example\"]}}");
    let (_, finished) = project.built();
    assert_eq!(finished.stderr.lines().count(), 2, "{}", finished.stderr);
    assert!(String::from_utf8(finished.stdout).unwrap().contains("*.example (its metadata)"));
}

#[test]
fn what_does_not_work_is_not_written() {
    let project = Project::new("broken: no streams");
    let output = project.workspace.path().join("built.wasm");
    let refused = |run: Airlock, parts: &[&str]| {
        let finished = run.option("--output", &output).run_tool().exits(1);
        for part in parts {
            assert!(finished.stderr.contains(part), "{part}: {}", finished.stderr);
        }
        assert!(!output.exists() && finished.stdout.is_empty());
    };
    refused(
        project.build(),
        &["error: the manifest", "The manifest is broken: no streams.", "hint: nothing was written"],
    );
    project.file("manifest.yaml", "a: b");
    project.file("spec.json", "{}");
    refused(project.build(), &["no `connectionSpecification`"]);
    fs::remove_file(project.directory().join("spec.json")).unwrap();
    project.file("metadata.yaml", "data: {connectorType: destination}");
    refused(project.build(), &["belongs to another"]);
    fs::remove_file(project.directory().join("metadata.yaml")).unwrap();
    let build = |component: PathBuf| {
        let build = Airlock::new(["build"]).option("--connector", component);
        build.option("--manifest", project.directory().join("manifest.yaml"))
    };
    refused(build(test_guest("destination-echo")), &["is a destination"]);
    refused(build(project.directory().join("manifest.yaml")), &["no WebAssembly component"]);
    refused(build(project.workspace.path().join("none.wasm")), &["none.wasm", "does not exist"]);
    std::os::unix::fs::symlink("/etc/passwd", project.file("schemas/a.json", "").with_file_name("b.json")).unwrap();
    refused(project.build(), &["the files of the manifest", "schemas/b.json is a link"]);
    fs::remove_file(project.directory().join("schemas/b.json")).unwrap();
    let missing = Airlock::new(["build"]).option("--connector", &project.component).run_tool().exits(2);
    assert!(missing.stderr.contains("--manifest"), "{}", missing.stderr);
    let over = project.build().option("--output", &project.component).run_tool().exits(1);
    assert!(over.stderr.contains("would be written over"), "{}", over.stderr);
}

#[test]
fn what_a_connector_says_of_its_manifest_in_spec_comes_before_the_specification() {
    let project = Project::new("unsupported: orders\nunsupported: users");
    let (built, _) = project.built();
    let spec = Airlock::of(&built).arg("spec").run().exits(0);
    assert_eq!(spec.outline(), ["LOG", "SPEC"]);
    assert_eq!(spec.logs("WARN"), ["The stream orders is not supported.", "The stream users is not supported."]);
}
