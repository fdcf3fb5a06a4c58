//! A connector's metadata: how it is put in, where it is found, when it is refused; and `inspect`, which shows it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::{Value, json};

use crate::harness::{Airlock, Finished, Workspace, airlock_binary, connector, test_guest};

/// A source that carries no metadata, in a directory of its own.
fn source(workspace: &Workspace) -> PathBuf {
    workspace.file("source.wasm", fs::read(test_guest("source-states")).unwrap())
}

fn metadata(name: &str) -> String {
    format!("data:\n  name: {name}\n  connectorType: source\n  allowedHosts: {{hosts: [\"*.{name}.example\"]}}\n")
}

fn embed(connector: &Path, metadata: &Path) -> Airlock {
    Airlock::new(["embed"]).arg(connector).option("--metadata", metadata)
}

fn compile(connector: &Path) -> Finished {
    Airlock::new(["compile"]).arg(connector).run_tool()
}

#[track_caller]
fn report(run: Airlock) -> Value {
    let finished = run.arg("--json").run_tool().exits(0);
    assert!(finished.stderr.is_empty(), "{}", finished.stderr);
    serde_json::from_slice(&finished.stdout).expect("one JSON object")
}

#[track_caller]
fn inspect(connector: &Path) -> Value {
    report(Airlock::new(["inspect"]).arg(connector))
}

/// The name that the connector's metadata gives to it.
#[track_caller]
fn name(run: Airlock) -> Value {
    report(run)["metadata"]["name"].clone()
}

/// The connector does not start, for a reason with all these parts.
#[track_caller]
fn refused(run: Airlock, parts: &[&str]) {
    let finished = run.arg("spec").run().exits(1);
    let (kind, message) = finished.error();
    assert_eq!(kind, "config_error", "{message}");
    for part in parts {
        assert!(message.contains(part), "{part}: {message}");
    }
}

/// A section of a WebAssembly file. The lengths of these tests need two bytes at most.
fn section(id: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).unwrap();
    assert!(length < 1 << 14);
    let mut bytes = vec![id, 0x80 | (length & 0x7f) as u8, (length >> 7) as u8];
    bytes.extend_from_slice(content);
    bytes
}

fn text(text: &str) -> Vec<u8> {
    [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat()
}

/// A component that imports and exports instances in which there is nothing: the same, whichever compiler made the guests.
fn empty_component(imports: &[&str], export: &str) -> Vec<u8> {
    let count = u8::try_from(imports.len()).unwrap();
    let mut imported = vec![count];
    for import in imports {
        imported.extend([&[0], &text(import)[..], &[5, 0]].concat());
    }
    [
        b"\0asm\x0d\0\x01\0".to_vec(),
        section(7, &[1, 0x42, 0]),
        section(10, &imported),
        section(5, &[1, 1, 0]),
        section(11, &[&[1, 0], &text(export)[..], &[5, count, 0]].concat()),
    ]
    .concat()
}

#[test]
fn metadata_is_a_part_of_the_connector_compiled_or_not() {
    let workspace = Workspace::new();
    let source = source(&workspace);
    assert_eq!(inspect(&source)["metadata"], json!(null));
    let spec = |path: &Path| Airlock::of(path).arg("spec").run().exits(0).messages;
    let expected = spec(&source);

    let carried = workspace.path().join("carried.wasm");
    let file = workspace.file("some.yaml", metadata("one"));
    embed(&source, &file).option("--output", &carried).run_tool().exits(0);
    assert_eq!(inspect(&source)["metadata"], json!(null), "the original is as it was");
    let shown = inspect(&carried);
    assert_eq!(shown["metadata"]["name"], "one");
    assert_eq!(shown["metadata"]["allowed_hosts"], json!(["*.one.example"]));
    assert_eq!(spec(&carried), expected);

    assert!(String::from_utf8(compile(&carried).exits(0).stdout).unwrap().contains("metadata of the connector's own"));
    let compiled = inspect(&workspace.path().join("carried.cwasm"));
    assert_eq!(compiled["metadata"], shown["metadata"]);
    assert_eq!(compiled["imports"], shown["imports"]);
    assert_eq!(compiled["code"]["runs_here"], true);
    assert_eq!(spec(&workspace.path().join("carried.cwasm")), expected);

    // In place, and in the place of the first.
    let before = fs::metadata(&carried).unwrap().len();
    embed(&carried, &workspace.file("some.yaml", metadata("two"))).run_tool().exits(0);
    assert_eq!(name(Airlock::new(["inspect"]).arg(&carried)), "two");
    assert_eq!(fs::metadata(&carried).unwrap().len(), before);
    let bytes = fs::read(&carried).unwrap();
    assert!(bytes.windows(15).filter(|part| part == b"airlock:metadat").count() == 1, "one section");
    assert_eq!(spec(&carried), expected);
}

#[test]
fn what_is_named_comes_before_what_is_carried_and_that_before_what_lies_beside() {
    let workspace = Workspace::new();
    let source = source(&workspace);
    let inspect = || Airlock::new(["inspect"]).arg(&source);
    let named = workspace.file("named.yaml", metadata("named"));

    workspace.file("metadata.yaml", metadata("directory"));
    assert_eq!(name(inspect()), "directory");
    let beside = workspace.file("source.metadata.yaml", metadata("beside"));
    assert_eq!(name(inspect()), "beside");
    assert_eq!(report(inspect())["metadata"]["file"], beside.to_str().unwrap());
    // What lies beside it when it is compiled goes into the compiled file.
    compile(&source).exits(0);
    let compiled = workspace.directory("elsewhere").join("source.cwasm");
    fs::rename(workspace.path().join("source.cwasm"), &compiled).unwrap();
    assert_eq!(name(Airlock::new(["inspect"]).arg(&compiled)), "beside");

    embed(&source, &workspace.file("some.yaml", metadata("carried"))).run_tool().exits(0);
    assert_eq!(name(inspect()), "carried");
    assert_eq!(report(inspect())["metadata"]["file"], json!(null));
    for connector in [&source, &compiled] {
        let inspect = || Airlock::new(["inspect"]).arg(connector);
        assert_eq!(name(inspect().env("AIRLOCK_METADATA", &named)), "named");
        assert_eq!(name(inspect().option("--metadata", &named)), "named");
    }
}

#[test]
fn embed_refuses_what_does_not_belong_together_and_leaves_the_file_alone() {
    let workspace = Workspace::new();
    let source = source(&workspace);
    let right = workspace.file("right.yaml", metadata("right"));
    let module = workspace.file("module.wasm", b"\0asm\x01\0\0\0");
    let text = workspace.file("text.wasm", "not wasm");
    let command = workspace.file("command.wasm", fs::read(test_guest("command")).unwrap());
    let half = fs::read(&source).unwrap();
    let half = workspace.file("half.wasm", &half[..half.len() / 2]);
    let absent = workspace.path().join("absent");
    let other = workspace.file("other.yaml", metadata("other").replace("source", "destination"));
    let field = workspace.file("field.yaml", "data: {allowedHosts: {hosts: [1, [2]]}}");
    let long = workspace.file("long.yaml", format!("data: {{}}\n#{}", "x".repeat(1024 * 1024)));
    for (connector, metadata, parts) in [
        (&module, &right, &["module.wasm", "core WebAssembly module"][..]),
        (&text, &right, &["text.wasm", "no WebAssembly component"]),
        (&command, &right, &["command.wasm", "no connector"]),
        (&half, &right, &["half.wasm", "damaged, or cut off"]),
        (&absent, &right, &["absent", "does not exist"]),
        (&source, &absent, &["source.wasm", "absent"]),
        (&source, &other, &["source.wasm", "belongs to another", "other.yaml", "connectorType"]),
        (&source, &field, &["source.wasm", "field.yaml", "data.allowedHosts.hosts[1]"]),
        (&source, &long, &["source.wasm", "long.yaml", "1024 KB"]),
    ] {
        let before = fs::read(connector).ok();
        let finished = embed(connector, metadata).run_tool().exits(1);
        assert!(finished.stdout.is_empty() && finished.stderr.starts_with("error: "), "{}", finished.stderr);
        for part in parts {
            assert!(finished.stderr.contains(part), "{part}: {}", finished.stderr);
        }
        assert_eq!(fs::read(connector).ok(), before, "{parts:?}");
    }
    let finished = Airlock::new(["embed"]).arg(&source).run_tool().exits(2);
    assert!(finished.stderr.contains("--metadata"), "{}", finished.stderr);
}

#[test]
fn metadata_that_is_there_and_wrong_is_never_none() {
    let workspace = Workspace::new();
    let source = source(&workspace);
    let wrong = "data:\n  allowedHosts:\n    hosts: example.com\n";
    let named = workspace.file("named.yaml", wrong);
    refused(
        Airlock::of(&source).option("--metadata", &named),
        &["named.yaml", "data.allowedHosts.hosts", "source.wasm"],
    );
    let absent = workspace.path().join("absent.yaml");
    refused(Airlock::of(&source).env("AIRLOCK_METADATA", absent), &["absent.yaml", "source.wasm"]);

    // `embed` would refuse it.
    let mut bytes = fs::read(&source).unwrap();
    let content = |metadata: &str| [&text("airlock:metadata")[..], metadata.as_bytes()].concat();
    bytes.extend(section(0, &content(wrong)));
    let carries = workspace.file("carries.wasm", &bytes);
    refused(Airlock::of(&carries), &["the connector's own file", "data.allowedHosts.hosts"]);
    assert!(compile(&carries).exits(1).stderr.contains("data.allowedHosts.hosts"));
    bytes.extend(section(0, &content("data: {}")));
    refused(Airlock::of(&workspace.file("twice.wasm", &bytes)), &["carries metadata twice"]);

    for (name, content) in [("metadata.yaml", wrong), ("source.metadata.yaml", "data: {connectorType: destination}")] {
        workspace.file(name, content);
        refused(Airlock::of(&source), &[name, "source.wasm"]);
    }
    let beside = workspace.path().join("source.metadata.yaml");
    fs::remove_file(&beside).unwrap();
    std::os::unix::fs::symlink("nowhere", &beside).unwrap();
    refused(Airlock::of(&source), &["source.metadata.yaml"]);
    fs::remove_file(&beside).unwrap();
    fs::create_dir(&beside).unwrap();
    refused(Airlock::of(&source), &["source.metadata.yaml", "is no file"]);
}

#[test]
fn a_connector_can_not_have_written_its_own_metadata() {
    let workspace = Workspace::new();
    let airbyte = workspace.directory("airbyte");
    let run = |connector: &Path| Airlock::of(connector).option("--airbyte-dir", &airbyte);
    let parts = ["where connectors may write", "source.wasm"];

    let source = source(&workspace);
    let named = airbyte.join("named.yaml");
    fs::write(&named, metadata("forged")).unwrap();
    refused(run(&source).option("--metadata", &named), &parts);
    let link = workspace.path().join("source.metadata.yaml");
    std::os::unix::fs::symlink(&named, &link).unwrap();
    refused(run(&source), &parts);
    fs::remove_file(link).unwrap();
    run(&source).arg("spec").run().exits(0);

    // The connector itself may lie there, as long as it asks for nothing.
    let inside = airbyte.join("source.wasm");
    fs::copy(&source, &inside).unwrap();
    run(&inside).arg("spec").run().exits(0);
    fs::write(airbyte.join("metadata.yaml"), "data: {}").unwrap();
    refused(run(&inside), &parts);
    let compiled = Airlock::new(["compile"]).arg(&inside).env("AIRLOCK_AIRBYTE_DIR", &airbyte).run_tool().exits(1);
    assert!(compiled.stderr.contains(parts[0]) && !airbyte.join("source.cwasm").exists(), "{}", compiled.stderr);
    fs::remove_file(airbyte.join("metadata.yaml")).unwrap();
    embed(&inside, &workspace.file("quiet.yaml", "data: {allowedHosts: {hosts: []}}")).run_tool().exits(0);
    run(&inside).arg("spec").run().exits(0);
    embed(&inside, &workspace.file("greedy.yaml", metadata("greedy"))).run_tool().exits(0);
    refused(run(&inside), &parts);
    // Under another directory it is an ordinary file.
    Airlock::of(&inside).arg("spec").run().exits(0);
}

#[test]
fn every_example_carries_its_metadata() {
    for (name, network) in [
        ("source-faker", None),
        ("source-file", None),
        ("source-pokeapi", Some(("http", "pokeapi.co"))),
        ("source-postgres", Some(("tls", "${host}"))),
        ("source-e2e-test", None),
        ("destination-local-json", None),
        ("destination-csv", None),
        ("destination-postgres", Some(("tls", "${host}"))),
        ("destination-dev-null", None),
    ] {
        let shown = inspect(&connector(name));
        assert_eq!(shown["metadata"]["origin"], "connector", "{name}: {shown:#}");
        assert_eq!(shown["metadata"]["repository"], format!("airlock/{name}"));
        assert_eq!(shown["role"], name.split('-').next().unwrap());
        assert_eq!(shown["contract"], "0.1.0");
        assert_eq!(shown["independent_streams"], name == "source-faker");
        let capabilities = shown["capabilities"].as_array().unwrap();
        assert!(capabilities.contains(&json!("clocks")), "{shown:#}");
        for capability in ["http", "tls"] {
            let wanted = network.is_some_and(|(used, _)| used == capability);
            assert_eq!(capabilities.contains(&json!(capability)), wanted, "{shown:#}");
        }
        assert!(shown["imports"].as_array().unwrap().iter().all(|import| import["given"] == true), "{shown:#}");
        // People are shown the same.
        let finished = Airlock::new(["inspect"]).arg(connector(name)).run_tool().exits(0);
        let text = String::from_utf8(finished.stdout).unwrap();
        for part in [
            shown["metadata"]["name"].as_str().unwrap(),
            &format!("airlock/{name}"),
            "clocks",
            network.map_or("none", |(_, host)| host),
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(!text.contains('\x1b'), "no colours where there is no terminal: {text:?}");
    }
}

#[test]
fn inspect_prints_for_scripts_what_is_promised() {
    let workspace = Workspace::new();
    let imports = [
        "airlock:connector/host@0.1.0",
        "wasi:filesystem/types@0.2.3",
        "wasi:filesystem/preopens@0.2.3",
        "wasi:sockets/tcp@0.2.3",
        "wasi:io/streams@0.2.3",
        "wasi:keyvalue/store@0.2.0",
        "wasi:clocks/wall-clock@0.3.0",
    ];
    let component = empty_component(&imports, "airlock:connector/source-commands@0.1.0");
    let path = workspace.file("example.wasm", component);
    let metadata = workspace.file(
        "example.yaml",
        "data: {name: \"Example\", dockerRepository: example/source, dockerImageTag: 1.2.3, definitionId: 0000-1, license: MIT, \
         documentationUrl: https://example.com/docs, connectorType: source, allowedHosts: {hosts: [\"${host}\", \"*.example.com\"]}}",
    );
    embed(&path, &metadata).run_tool().exits(0);
    compile(&path).exits(0);
    let data = workspace.directory("data");
    let shown = |file: &str| {
        let run = Airlock::new(["inspect"]).arg(workspace.path().join(file));
        let run =
            run.option("--allow-host", "db.example:5432").option("--allow-env", "TZ").env("XDG_CACHE_HOME", &data);
        let mut report = report(run.option("--mount", format!("{}:/data", data.display())));
        for place in ["/file", "/granted/mounts/0/host"] {
            let value = report.pointer_mut(place).unwrap();
            *value = value.as_str().unwrap().replace(workspace.path().to_str().unwrap(), "DIRECTORY").into();
        }
        report
    };
    let mut expected: Value = serde_json::from_str(include_str!("golden/inspect.json")).unwrap();
    let component = shown("example.wasm");
    assert_eq!(component, expected, "{component:#}");

    let mut compiled = shown("example.cwasm");
    let (size, code) = (compiled["bytes"].take(), compiled["code"].take());
    assert!(size.as_u64().unwrap() > 1000);
    assert!(code["target"].as_str().unwrap().starts_with(std::env::consts::ARCH));
    assert!(code["wasmtime"].is_string());
    assert_eq!(
        (&code["form"], &code["airlock"], &code["runs_here"], &code["problem"]),
        (&json!("compiled"), &json!(env!("CARGO_PKG_VERSION")), &json!(true), &json!(null))
    );
    for place in ["bytes", "code"] {
        expected[place] = json!(null);
    }
    expected["file"] = json!("DIRECTORY/example.cwasm");
    assert_eq!(compiled, expected, "{compiled:#}");
}

#[test]
fn inspect_tells_people_what_is_and_what_is_not_given() {
    let workspace = Workspace::new();
    let imports = [
        "airlock:connector/tls@0.1.0",
        "wasi:filesystem/types@0.2.3",
        "wasi:http/outgoing-handler@0.2.3",
        "wasi:keyvalue/store@0.2.0",
    ];
    let component = empty_component(&imports, "airlock:connector/destination-commands@0.1.0");
    let path = workspace.file("example.wasm", component);
    let metadata = workspace.file("m.yaml", "data: {name: \"a\\e[2Kb\\nc\", allowedHosts: {hosts: [\"${host}\"]}}");
    let inspect = || Airlock::new(["inspect"]).option("--connector", &path);
    let finished = inspect().option("--metadata", metadata).option("--allow-env", "TZ").run_tool().exits(0);
    let text = String::from_utf8(finished.stdout).unwrap();
    for part in [
        "destination",
        "below /airbyte",
        "HTTP requests",
        "TLS on its own connections",
        "wasi:keyvalue/store@0.2.0: NOT GIVEN",
        "  ${host}\n",
        "sees the variable TZ",
        "airlock:connector@0.1.0",
        "a\u{fffd}[2Kb\u{fffd}c",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let finished = inspect().env("AIRLOCK_METADATA", "").run_tool().exits(0);
    assert!(String::from_utf8(finished.stdout).unwrap().contains("airlock embed"), "it has none");
}

#[test]
fn inspect_tells_what_is_no_connector() {
    let workspace = Workspace::new();
    let module = workspace.file("module.wasm", b"\0asm\x01\0\0\0");
    let garbage = workspace.file("garbage.wasm", "garbage");
    let absent = workspace.path().join("absent.wasm");
    let newer = workspace.file("newer.wasm", empty_component(&[], "airlock:connector/source-commands@0.9.0"));
    let odd = workspace.file("odd.wasm", empty_component(&[], "airlock:connector/\x1b[2Kodd"));
    for (path, part) in [
        (&odd, "airlock:connector/\u{fffd}[2Kodd without a version"),
        (&module, "core WebAssembly module"),
        (&garbage, "no WebAssembly component"),
        (&absent, "does not exist"),
        (&newer, "newer airlock"),
        (&test_guest("command"), "no connector"),
        (&airlock_binary(), "was not made by this version of `airlock compile`"),
        (&workspace.path().to_owned(), "is not a file"),
    ] {
        for finished in [
            Airlock::new(["inspect"]).arg(path).run_tool().exits(1),
            Airlock::new(["inspect", "--json"]).arg(path).run_tool().exits(1),
        ] {
            assert!(finished.stdout.is_empty(), "{part}");
            let said = &finished.stderr;
            assert!(
                said.starts_with("error: ") && said.contains(part) && said.contains("\nhint: "),
                "{part}: {said:?}"
            );
        }
    }
    let mut run = Airlock::new(["inspect"]).arg(connector("source-faker")).into_command();
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    assert_eq!(
        run.stdout(full).stderr(Stdio::null()).status().unwrap().code(),
        Some(1),
        "what was not shown is no success"
    );
    assert!(Airlock::new(["inspect"]).run_tool().exits(2).stderr.contains("AIRLOCK_CONNECTOR"));
}

#[test]
fn what_is_no_file_is_never_read_to_its_end() {
    let workspace = Workspace::new();
    let pipe = workspace.path().join("pipe.wasm");
    rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RWXU).unwrap();
    let metadata = workspace.file("some.yaml", metadata("some"));
    // The one waits for somebody who writes, the other has no end.
    for path in [pipe.as_path(), Path::new("/dev/zero")] {
        let output = workspace.path().join("output");
        for finished in [
            embed(path, &metadata).option("--output", &output).run_tool().exits(1),
            Airlock::new(["compile"]).arg(path).option("--output", &output).run_tool().exits(1),
        ] {
            assert!(finished.stderr.contains("is not a file"), "{}", finished.stderr);
        }
    }
}

#[test]
fn inspect_knows_what_is_in_the_cache() {
    let workspace = Workspace::new();
    let path = source(&workspace);
    let cached = || {
        let run = Airlock::new(["inspect"]).arg(&path).env("XDG_CACHE_HOME", workspace.path());
        report(run)["code"]["cached"] == true
    };
    let compiles = || {
        let spec = Airlock::of(&path).arg("spec").arg("--debug").env("XDG_CACHE_HOME", workspace.path());
        spec.run().exits(0).logs("DEBUG").iter().any(|text| text.starts_with("Compiling"))
    };
    assert!(!cached() && !workspace.path().join("airlock").exists(), "to look makes nothing");
    assert!(compiles() && cached() && !compiles());
    // One changed bit of native code.
    let cache = workspace.path().join("airlock/components");
    let file = fs::read_dir(cache).unwrap().next().unwrap().unwrap().path();
    let mut code = fs::read(&file).unwrap();
    let middle = code.len() / 2;
    code[middle] ^= 1;
    fs::write(&file, code).unwrap();
    assert!(!cached() && compiles() && cached());
}

#[test]
fn a_compiled_file_that_is_damaged_anywhere_is_refused() {
    let workspace = Workspace::new();
    compile(&source(&workspace)).exits(0);
    let whole = fs::read(workspace.path().join("source.cwasm")).unwrap();
    let run = |bytes: &[u8]| Airlock::of(&workspace.file("damaged.cwasm", bytes));
    let end = whole.len() - 20;
    let places = (0..30).map(|step| step * end / 30).chain(end..whole.len());
    for (number, place) in places.enumerate() {
        let mut damaged = whole.clone();
        damaged[place] ^= 1 << (number % 8);
        refused(run(&damaged), &["damaged.cwasm"]);
    }
    for length in (0..20).map(|step| step * whole.len() / 20).chain(end..whole.len()) {
        refused(run(&whole[..length]), &["damaged.cwasm"]);
    }
    run(&whole).arg("spec").run().exits(0);
}

#[test]
fn a_compiled_file_of_another_airlock_is_told_with_both_sides() {
    let workspace = Workspace::new();
    compile(&source(&workspace)).exits(0);
    let mut code = fs::read(workspace.path().join("source.cwasm")).unwrap();
    let version = env!("CARGO_PKG_VERSION");
    let ours = format!("{{\"airlock\":\"{version}\"");
    let label = code.windows(ours.len()).rposition(|part| part == ours.as_bytes()).expect("it says who made it");
    let other = format!("9{}", &version[1..]);
    code[label..label + ours.len()].copy_from_slice(ours.replace(version, &other).as_bytes());
    // The checksum is right: the file is whole, and was made elsewhere.
    let end = code.len() - 12;
    let mut checksum = flate2::Crc::new();
    checksum.update(&code[..end]);
    code[end..end + 4].copy_from_slice(&checksum.sum().to_le_bytes());
    let path = workspace.file("other.cwasm", code);
    refused(Airlock::of(&path), &["another airlock", &other, version, "airlock compile"]);
    let shown = inspect(&path);
    assert_eq!(shown["role"], "source");
    assert_eq!((&shown["code"]["airlock"], &shown["code"]["runs_here"]), (&json!(other), &json!(false)));
    assert!(shown["code"]["problem"].as_str().unwrap().contains("another airlock"));
}
