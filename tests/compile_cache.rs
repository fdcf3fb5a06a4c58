//! Code that is compiled once and kept: when it is used again, when it is not, and what is left where a first start went wrong.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use serde_json::{Value, json};

use crate::harness::workspace::configured_catalog;
use crate::harness::{Airlock, Workspace, connector};

/// What the cache in a workspace has with this ending.
fn files(workspace: &Path, extension: &str) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(workspace.join("airlock/components")) else { return Vec::new() };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.filter(|path| path.extension() == Some(OsStr::new(extension))).collect()
}

fn code_files(workspace: &Path) -> Vec<PathBuf> {
    files(workspace, "cwasm")
}

/// Links from components that were seen before.
fn links(workspace: &Path) -> Vec<PathBuf> {
    files(workspace, "link")
}

fn run(connector: &Path, cache: &Path) -> Airlock {
    Airlock::of(connector).env("XDG_CACHE_HOME", cache)
}

/// What `spec` says.
#[track_caller]
fn specification(connector: &Path, cache: &Path) -> Value {
    run(connector, cache).arg("spec").run().exits(0).of_type("SPEC")[0].clone()
}

fn compiles(connector: &Path, cache: &Path) -> bool {
    let finished = run(connector, cache).arg("spec").arg("--debug").run().exits(0);
    finished.logs("DEBUG").iter().any(|text| text.starts_with("Compiling"))
}

/// Starts a connector until its file has been left alone for long enough to be known again. Gives its link, which is none of these.
fn until_it_is_known(connector: &Path, cache: &Path, others: &[PathBuf]) -> PathBuf {
    loop {
        specification(connector, cache);
        if let Some(link) = links(cache).into_iter().find(|link| !others.contains(link)) {
            return link;
        }
    }
}

#[test]
fn a_component_is_compiled_once_for_a_user() {
    let workspace = Workspace::new();
    let run = || {
        let spec = Airlock::of(&connector("source-faker")).arg("spec").arg("--debug");
        let finished = spec.env("XDG_CACHE_HOME", workspace.path()).run().exits(0);
        finished.logs("DEBUG").iter().filter(|text| text.starts_with("Compiling")).count()
    };
    assert_eq!((run(), run()), (1, 0));
    let cache = workspace.path().join("airlock/components");
    assert_eq!(fs::metadata(&cache).unwrap().permissions().mode() & 0o777, 0o700);
    let files = code_files(workspace.path());
    assert_eq!(files.len(), 1);
    // What is damaged is compiled anew, and so is what others could have written.
    fs::write(&files[0], "damaged").unwrap();
    assert_eq!((run(), run()), (1, 0));
    fs::set_permissions(&cache, fs::Permissions::from_mode(0o777)).unwrap();
    assert_eq!((run(), run()), (1, 1));
}

#[test]
fn a_cache_that_can_not_be_used_costs_time_and_nothing_else() {
    let workspace = Workspace::new();
    let file = workspace.file("file", "");
    let spec = || Airlock::of(&connector("source-faker")).arg("spec");
    let finished = spec().env("XDG_CACHE_HOME", file).run().exits(0);
    assert!(finished.logs("WARN")[0].contains("not kept"), "{:?}", finished.messages);
    assert_eq!(finished.of_type("SPEC").len(), 1);
    let mut command = spec().into_command();
    command.env_remove("XDG_CACHE_HOME").env_remove("HOME");
    assert!(command.output().unwrap().status.success());
}

#[test]
fn a_component_that_was_seen_before_is_not_read_again() {
    let workspace = Workspace::new();
    let cache = workspace.path();
    let [faker, other] = ["source-faker", "source-e2e-test"]
        .map(|name| workspace.file(&format!("{name}.wasm"), fs::read(connector(name)).unwrap()));
    let of_faker = until_it_is_known(&faker, cache, &[]);
    let of_other = until_it_is_known(&other, cache, std::slice::from_ref(&of_faker));
    let expected = [&faker, &other].map(|connector| specification(connector, cache));
    // The link alone says which code is run.
    fs::remove_file(&of_faker).unwrap();
    symlink(fs::read_link(&of_other).unwrap(), &of_faker).unwrap();
    assert_eq!(specification(&faker, cache), expected[1]);
    // Until the file is another.
    fs::copy(connector("source-faker"), &faker).unwrap();
    assert_eq!(specification(&faker, cache), expected[0]);
}

#[test]
fn a_connector_that_changes_is_never_taken_for_the_one_it_was() {
    let workspace = Workspace::new();
    let path = workspace.path().join("connector.wasm");
    let contents = ["source-faker", "source-e2e-test"].map(|name| fs::read(connector(name)).unwrap());
    let expected = ["source-faker", "source-e2e-test"].map(|name| specification(&connector(name), workspace.path()));
    // As fast as it goes, in one file and by a new one, and with times that lie.
    for round in 0..12 {
        let which = round % 2;
        if round < 6 {
            fs::write(&path, &contents[which]).unwrap();
        } else {
            let new = workspace.file("new.wasm", &contents[which]);
            fs::rename(new, &path).unwrap();
        }
        File::options().write(true).open(&path).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
        assert_eq!(specification(&path, workspace.path()), expected[which], "{round}");
        assert_eq!(specification(&path, workspace.path()), expected[which], "{round}");
    }
    assert_eq!(code_files(workspace.path()).len(), 2);
}

#[test]
fn metadata_stays_with_a_component_that_is_not_read_again() {
    let workspace = Workspace::new();
    let path = workspace.file("source.wasm", fs::read(connector("source-faker")).unwrap());
    let metadata = workspace.file("metadata.yaml", "data:\n  name: The One\n  connectorType: source\n");
    Airlock::new(["embed"]).arg(&path).option("--metadata", &metadata).run_tool().exits(0);
    let config = workspace.json("config.json", &json!({"count": 1}));
    let catalog = workspace.json("catalog.json", &configured_catalog(&["users"]));
    let is_named = || {
        let read = run(&path, workspace.path()).arg("read").option("--config", &config).option("--catalog", &catalog);
        String::from_utf8(read.run().exits(0).stdout).unwrap().contains("for the connector The One:")
    };
    assert!(is_named());
    until_it_is_known(&path, workspace.path(), &[]);
    assert!(is_named());
    // Code that is lost is made anew, and the link leads to it again.
    for code in code_files(workspace.path()) {
        fs::remove_file(code).unwrap();
    }
    assert!(is_named() && !compiles(&path, workspace.path()) && is_named());
    assert_eq!((code_files(workspace.path()).len(), links(workspace.path()).len()), (1, 1));
}

#[test]
fn first_starts_at_once_do_not_disturb_each_other() {
    let workspace = Workspace::new();
    let cache = workspace.directory("cache");
    let faker = connector("source-faker");
    let starts: Vec<_> = (0..4).map(|_| run(&faker, &cache).arg("spec").spawn()).collect();
    let outputs: Vec<_> = starts.into_iter().map(|start| start.wait_with_output().unwrap()).collect();
    for output in &outputs {
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.stdout, outputs[0].stdout);
    }
    assert!(!compiles(&faker, &cache));
    let left = fs::read_dir(cache.join("airlock/components")).unwrap().count();
    assert_eq!(left, code_files(&cache).len() + links(&cache).len(), "nothing half done");
    assert_eq!(code_files(&cache).len(), 1);
}

#[test]
fn a_first_start_that_is_killed_leaves_nothing_that_is_run() {
    let faker = connector("source-faker");
    let workspace = Workspace::new();
    let expected = specification(&faker, &workspace.directory("whole"));
    for attempt in 0..6 {
        let cache = workspace.directory(&format!("{attempt}"));
        let components = cache.join("airlock/components");
        let mut child = run(&faker, &cache).arg("spec").spawn();
        // It is writing when something is there, and each attempt kills it a little later.
        let is_writing = || fs::read_dir(&components).is_ok_and(|mut entries| entries.next().is_some());
        let mut seen = 0;
        while seen <= 40 * attempt && child.try_wait().unwrap().is_none() {
            seen += usize::from(is_writing());
        }
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(specification(&faker, &cache), expected, "{attempt}");
        assert!(!compiles(&faker, &cache), "{attempt}");
    }
}

/// What a run says to a terminal.
fn said_to_a_terminal(airlock: Airlock) -> String {
    let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&terminal).unwrap();
    unlockpt(&terminal).unwrap();
    let name = ptsname(&terminal, Vec::new()).unwrap();
    let stderr = File::options().read(true).write(true).open(name.to_str().unwrap()).unwrap();
    let mut child = airlock
        .into_command()
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(stderr)
        .spawn()
        .expect("the binary starts");
    assert!(child.wait().unwrap().success());
    let mut said = Vec::new();
    // A terminal that nobody writes to any more ends with an error. What fits its buffer has waited.
    match File::from(terminal).read_to_end(&mut said) {
        Err(error) if error.raw_os_error() != Some(rustix::io::Errno::IO.raw_os_error()) => panic!("{error}"),
        _ => String::from_utf8(said).unwrap(),
    }
}

#[test]
fn a_person_is_told_what_the_first_start_waits_for() {
    let workspace = Workspace::new();
    let faker = connector("source-faker");
    let size = fs::metadata(&faker).unwrap().len() as f64 / 1e6;
    let spec = || run(&faker, workspace.path()).arg("spec");
    assert_eq!(said_to_a_terminal(spec()), format!("Compiling source-faker ({size:.1} MB), once …\r\x1b[K"));
    assert_eq!(said_to_a_terminal(spec()), "");
    let elsewhere = workspace.directory("elsewhere");
    assert_eq!(run(&faker, &elsewhere).arg("spec").run().exits(0).stderr, "", "no terminal");
}
