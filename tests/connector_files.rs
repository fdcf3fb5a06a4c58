//! Files that a connector carries beside its code: how they are put in, what its guest sees of them, and what becomes of those that are
//! wrong.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::thread;

use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::faulty::live::Live;
use crate::harness::workspace::configured_catalog;
use crate::harness::{Airlock, Finished, Workspace, protocol, test_guest};
use crate::images::{archive::Archive, base};

/// What the guest must find below /connector.
const FILES: [(&str, &str); 3] = [("directory/deeper/c.json", "{}"), ("directory/empty", ""), ("file", "kept")];

/// A workspace with a guest that carries `FILES`.
fn carrying(workspace: &Workspace) -> PathBuf {
    let directory = workspace.directory("carried");
    for (name, content) in FILES {
        let path = directory.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    let source = workspace.file("source.wasm", fs::read(test_guest("source-escapes")).unwrap());
    embed(&source, &directory).run_tool().exits(0);
    source
}

fn embed(connector: &Path, files: &Path) -> Airlock {
    Airlock::new(["embed"]).arg(connector).option("--files", files)
}

/// A read in which the guest looks at what it carries and tries to change it.
fn read(workspace: &Workspace, connector: &Path, way: &str) -> Airlock {
    let airbyte = workspace.directory("airbyte/inside");
    fs::write(airbyte.join("file"), "inside").unwrap();
    Airlock::of(connector)
        .arg("read")
        .option("--config", workspace.json("config.json", &json!({"way": way})))
        .option("--catalog", workspace.json("catalog.json", &configured_catalog(&["one"])))
        .option("--airbyte-dir", workspace.path().join("airbyte"))
        .option("--timeout", "60s")
}

fn outcomes(finished: &Finished) -> BTreeMap<String, Value> {
    let record = |record: &&Value| (record["attempt"].as_str().unwrap().to_owned(), record["outcome"].clone());
    finished.records("one").iter().map(record).collect()
}

/// The guest found all files and could do nothing but read them.
#[track_caller]
fn assert_carried(finished: &Finished) {
    let mut outcomes = outcomes(finished);
    assert_eq!(outcomes.remove("granted"), Some(json!(["/airbyte", "/connector"])));
    for (name, content) in FILES {
        assert_eq!(outcomes.remove(&format!("/connector/{name}")), Some(json!(content)), "{name}");
    }
    let done: Vec<&String> = outcomes.iter().filter(|(_, outcome)| *outcome == "done").map(|(name, _)| name).collect();
    assert_eq!(done, ["list", "read"], "{outcomes:#?}");
    assert!(outcomes.len() > 20, "{outcomes:#?}");
    let others = outcomes.iter().filter(|(name, _)| !["list", "read"].contains(&name.as_str()));
    for (attempt, outcome) in others {
        assert!(outcome.as_str().is_some_and(|outcome| outcome.starts_with("denied: ")), "{attempt}: {outcome}");
    }
}

fn in_force(finished: &Finished) -> String {
    let line = protocol::all_messages(&finished.stdout).into_iter().find(protocol::says_what_is_in_force).unwrap();
    line["log"]["message"].as_str().unwrap().to_owned()
}

fn entries(directory: &Path) -> usize {
    fs::read_dir(directory).unwrap().count()
}

fn inspect(connector: &Path) -> Value {
    let shown = Airlock::new(["inspect", "--json"]).arg(connector).run_tool().exits(0);
    serde_json::from_slice(&shown.stdout).unwrap()
}

#[test]
fn a_guest_reads_what_it_carries_and_can_change_none_of_it() {
    let workspace = Workspace::new();
    let source = carrying(&workspace);
    let temporary = workspace.directory("tmp");
    let compiled = workspace.path().join("source.cwasm");
    Airlock::new(["compile"]).arg(&source).run_tool().exits(0);
    let cache = workspace.directory("cache");
    // Compiled and kept, found by its content, and (once the file is old enough) by what the system says of it.
    for round in 0..3 {
        for connector in [&source, &compiled] {
            let run = read(&workspace, connector, "carried").env("TMPDIR", &temporary);
            let finished = run.env("XDG_CACHE_HOME", &cache).run().exits(0);
            assert_carried(&finished);
            assert_eq!(entries(&temporary), 0, "what was unpacked is gone");
            let told = in_force(&finished);
            assert!(told.contains(&format!("/connector is {}/airlock-", temporary.display())), "{told}");
        }
        thread::sleep(std::time::Duration::from_secs(if round == 1 { 4 } else { 0 }));
    }
    let links = fs::read_dir(cache.join("airlock/components")).unwrap().map(|entry| entry.unwrap().path());
    assert_eq!(links.filter(|path| path.extension().is_some_and(|extension| extension == "link")).count(), 1);
}

#[test]
fn a_guest_that_carries_nothing_has_no_such_directory() {
    let workspace = Workspace::new();
    let finished = read(&workspace, &test_guest("source-escapes"), "carried").run().exits(0);
    let outcomes = outcomes(&finished);
    assert_eq!(outcomes["granted"], json!(["/airbyte"]));
    assert!(outcomes.values().all(|outcome| outcome != "done"), "{outcomes:#?}");
}

#[test]
fn an_image_carries_the_files_and_needs_no_place_of_its_own() {
    let workspace = Workspace::new();
    let source = carrying(&workspace);
    let build = Airlock::new(["image", "build"]).arg(&source).option("--base", base::base(&workspace));
    build.option("--tag", "mine/source:1").run_tool().exits(0);
    let archive = Archive::read(&workspace.path().join("source.tar"));
    let here = if cfg!(target_arch = "aarch64") { "linux/arm64" } else { "linux/amd64" };
    let connector = workspace.file("connector.cwasm", archive.connector(here));
    // As in a container without a /tmp: they are unpacked elsewhere.
    let run =
        || read(&workspace, &connector, "carried").env("TMPDIR", "/proc/none").env("XDG_CACHE_HOME", "/proc/none");
    let finished = run().run().exits(0);
    assert_carried(&finished);
    assert!(in_force(&finished).contains("/connector is /dev/shm/"));
    // The image has them as files beside the connector, so that nothing is written at all.
    let prefix = "connector/connector.files/";
    let layers = archive.image(here).layers;
    let laid_out: Vec<_> =
        layers[1].iter().filter(|entry| entry.path.starts_with(prefix) && entry.kind.is_file()).collect();
    assert_eq!(laid_out.len(), FILES.len());
    for entry in laid_out {
        assert_eq!((entry.mode, entry.owner), (0o644, (0, 0)));
        let path = workspace.path().join(entry.path.strip_prefix("connector/").unwrap());
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, &entry.content).unwrap();
    }
    let finished = run().run().exits(0);
    assert_carried(&finished);
    let place = workspace.path().join("connector.files");
    assert!(in_force(&finished).contains(&format!("/connector is {} (read only)", place.display())));
    // What lies there and is not what is carried is not given to the guest.
    fs::write(place.join("more"), "").unwrap();
    let finished = run().run().exits(0);
    assert_carried(&finished);
    assert!(!in_force(&finished).contains("connector.files"));
    assert_eq!(inspect(&connector)["files"], inspect(&source)["files"]);
}

#[test]
fn what_a_guest_could_write_to_is_no_place_for_its_files() {
    let workspace = Workspace::new();
    let source = carrying(&workspace);
    let inside = workspace.directory("airbyte/tmp");
    let finished = read(&workspace, &source, "carried").env("TMPDIR", &inside).run().exits(0);
    assert_carried(&finished);
    let told = in_force(&finished);
    assert!(told.contains("/connector is /dev/shm/airlock-") && told.contains("(read only)"), "{told}");
    assert_eq!(entries(&inside), 0);
    // Where it may write everywhere, there is none.
    let everywhere = Airlock::of(&source).arg("spec").option("--airbyte-dir", "/").run().exits(1);
    let (kind, message) = everywhere.error();
    assert_eq!(kind, "config_error");
    assert!(message.contains("can not be unpacked") && message.contains("TMPDIR"), "{message}");
}

#[test]
fn runs_at_once_have_their_own_and_a_signal_leaves_nothing_behind() {
    let workspace = Workspace::new();
    let source = carrying(&workspace);
    let temporary = workspace.directory("tmp");
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let own = Workspace::new();
                assert_carried(&read(&own, &source, "carried").env("TMPDIR", &temporary).run().exits(0));
            });
        }
    });
    assert_eq!(entries(&temporary), 0);

    let run = read(&workspace, &source, "fifo").env("TMPDIR", &temporary);
    mknodat(CWD, workspace.path().join("airbyte/pipe"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let mut run = Live::start(run);
    run.wait_for(|message| message["log"]["message"] == "opens the pipe");
    assert_eq!(entries(&temporary), 1);
    run.signal(Signal::TERM);
    assert_eq!(run.finish().status.signal(), Some(15));
    assert_eq!(entries(&temporary), 0);
}

#[test]
fn files_are_shown_replaced_and_taken_away() {
    let workspace = Workspace::new();
    let source = carrying(&workspace);
    let shown = inspect(&source);
    assert_eq!(
        shown["files"],
        json!([{"name": "directory/deeper/c.json", "bytes": 2}, {"name": "directory/empty", "bytes": 0}, {"name": "file", "bytes": 4}])
    );
    let text = Airlock::new(["inspect"]).arg(&source).run_tool().exits(0);
    assert!(String::from_utf8(text.stdout).unwrap().contains("directory/deeper/c.json (2 bytes)"));

    // Metadata alone leaves the files as they are, and files the metadata.
    let metadata = workspace.file("some.yaml", "data: {name: Carries}");
    Airlock::new(["embed"]).arg(&source).option("--metadata", &metadata).run_tool().exits(0);
    assert_eq!(inspect(&source)["files"], shown["files"]);
    let other = workspace.directory("other");
    fs::write(other.join("other"), "text").unwrap();
    let said = embed(&source, &other).run_tool().exits(0);
    assert!(String::from_utf8(said.stdout).unwrap().starts_with("Put the file in "));
    let shown = inspect(&source);
    assert_eq!(
        (&shown["files"], &shown["metadata"]["name"]),
        (&json!([{"name": "other", "bytes": 4}]), &json!("Carries"))
    );
    // The same bytes, whatever was there before.
    let expected = fs::read(&source).unwrap();
    embed(&source, &workspace.path().join("carried")).run_tool().exits(0);
    embed(&source, &other).run_tool().exits(0);
    assert_eq!(fs::read(&source).unwrap(), expected);
    embed(&source, &workspace.directory("empty")).run_tool().exits(0);
    assert_eq!(inspect(&source)["files"], json!([]));
}

#[test]
fn what_can_not_be_carried_is_told_by_name_and_nothing_is_written() {
    let workspace = Workspace::new();
    let source = workspace.file("source.wasm", fs::read(test_guest("source-states")).unwrap());
    let before = fs::read(&source).unwrap();
    let directory = workspace.directory("carried");
    let refused = |files: &Path, parts: &[&str]| {
        let finished = embed(&source, files).run_tool().exits(1);
        for part in parts {
            assert!(finished.stderr.contains(part), "{part}: {}", finished.stderr);
        }
        assert_eq!(fs::read(&source).unwrap(), before);
    };
    symlink("/etc/passwd", directory.join("link")).unwrap();
    refused(&directory, &["carried/link is a link"]);
    fs::remove_file(directory.join("link")).unwrap();
    fs::write(directory.join("back\\slash"), "").unwrap();
    refused(&directory, &["back\\\\slash", "backslash"]);
    fs::remove_file(directory.join("back\\slash")).unwrap();
    fs::File::create(directory.join("large")).unwrap().set_len(33 << 20).unwrap();
    refused(&directory, &["carried/large", "longer than"]);
    fs::remove_file(directory.join("large")).unwrap();
    (0..1001).for_each(|number| fs::write(directory.join(number.to_string()), "").unwrap());
    refused(&directory, &["more than 1000"]);
    refused(&workspace.path().join("missing"), &["missing", "can not be read"]);
    let nothing = Airlock::new(["embed"]).arg(&source).run_tool().exits(2);
    assert!(nothing.stderr.contains("--metadata or --files"), "{}", nothing.stderr);
}

/// A component with this in its section of files, in the place of what it has.
fn with_section(component: &[u8], content: &[u8]) -> Vec<u8> {
    let number = |mut value: usize| {
        let mut bytes = Vec::new();
        while value >= 0x80 {
            bytes.push(u8::try_from(value & 0x7f).unwrap() | 0x80);
            value >>= 7;
        }
        bytes.push(u8::try_from(value).unwrap());
        bytes
    };
    let name = [&number(13)[..], b"airlock:files"].concat();
    let section = [&[0][..], &number(name.len() + content.len()), &name, content].concat();
    [&component[..8], &section, &component[8..]].concat()
}

#[test]
fn a_hostile_section_is_refused_by_everything_that_reads_it() {
    let workspace = Workspace::new();
    let component = fs::read(test_guest("source-states")).unwrap();
    let index = |index: &str, contents: &[u8]| {
        [&u32::try_from(index.len()).unwrap().to_le_bytes()[..], index.as_bytes(), contents].concat()
    };
    for (section, part) in [
        (index(r#"[["../../outside",4]]"#, b"lost"), "outside"),
        (index(r#"[["/etc/cron.d/x",4]]"#, b"lost"), "/etc/cron.d/x"),
        (index(r#"[["a",18446744073709551615]]"#, b""), "32 MiB"),
        (index(r#"[["a",0],["a",0]]"#, b""), "twice"),
        (index(r#"[["a",5]]"#, b"lost"), "damaged"),
        (vec![0xff; 100], "damaged"),
        (Vec::new(), "damaged"),
    ] {
        let hostile = workspace.file("hostile.wasm", with_section(&component, &section));
        let finished = Airlock::of(&hostile).arg("spec").run().exits(1);
        let (kind, message) = finished.error();
        assert_eq!(kind, "config_error");
        assert!(message.contains("hostile.wasm") && message.contains(part), "{part}: {message}");
        for tool in ["inspect", "compile"] {
            let refused = Airlock::new([tool]).arg(&hostile).run_tool().exits(1);
            assert!(refused.stderr.contains(part), "{tool}: {}", refused.stderr);
        }
        assert!(!workspace.path().parent().unwrap().join("outside").exists());
    }
}

#[test]
fn nothing_is_mounted_over_what_is_carried() {
    let workspace = Workspace::new();
    let source = carrying(&workspace);
    let refused = Airlock::of(&source).arg("spec").option("--mount", "/etc:/connector").run_tool().exits(2);
    assert!(refused.stderr.contains("/connector can not be mounted on"), "{}", refused.stderr);
}

#[test]
fn many_files_cost_little() {
    let workspace = Workspace::new();
    let directory = workspace.directory("many");
    (0..1000).for_each(|number| fs::write(directory.join(format!("{number}.json")), "x".repeat(1000)).unwrap());
    let source = workspace.file("source.wasm", fs::read(test_guest("source-escapes")).unwrap());
    embed(&source, &directory).run_tool().exits(0);
    let before = fs::metadata(&source).unwrap().permissions().mode();
    let finished = read(&workspace, &source, "carried").run().exits(0);
    assert_eq!(
        finished.records("one").iter().filter(|record| record["outcome"] == json!("x".repeat(1000))).count(),
        1000
    );
    assert_eq!(fs::metadata(&source).unwrap().permissions().mode(), before);
}
