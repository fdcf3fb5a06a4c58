//! A guest that tries to leave `/airbyte` by files: by every path, link, name and race. The host's files are looked at afterwards.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, symlink};
use std::os::unix::net::UnixListener;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::process::Signal;
use serde_json::{Value, json};

use super::Guest;
use super::live::Live;
use crate::harness::workspace::configured_catalog;
use crate::harness::{Airlock, Finished};

/// A guest, its directory, a mount, and what lies outside of both.
struct Scene {
    guest: Guest,
    outside: PathBuf,
    data: PathBuf,
}

/// Everything below a directory: what it is, what is in it, when it was changed.
type Snapshot = BTreeMap<PathBuf, (u32, i64, i64, Vec<u8>)>;

fn snapshot(directory: &Path) -> Snapshot {
    let mut found = Snapshot::new();
    let mut waiting = vec![directory.to_owned()];
    while let Some(path) = waiting.pop() {
        let metadata = path.symlink_metadata().expect("it is there");
        let content = if metadata.is_dir() {
            waiting.extend(fs::read_dir(&path).expect("a directory").map(|entry| entry.expect("an entry").path()));
            Vec::new()
        } else if metadata.is_symlink() {
            fs::read_link(&path).expect("a link").as_os_str().as_bytes().to_vec()
        } else {
            fs::read(&path).expect("a file")
        };
        found.insert(path, (metadata.mode(), metadata.mtime(), metadata.mtime_nsec(), content));
    }
    found
}

impl Scene {
    fn new() -> Scene {
        let guest = Guest::new("source-escapes");
        let outside = guest.workspace.directory("outside");
        let data = guest.workspace.directory("data");
        let above = guest.workspace.path().to_owned();
        for (directory, file) in [(&above, "canary"), (&outside, "canary"), (&data, "file")] {
            fs::write(directory.join(file), "kept").unwrap();
            fs::create_dir(directory.join("directory")).unwrap();
        }
        symlink("../outside", data.join("link-out")).unwrap();
        let own = guest.airbyte();
        fs::create_dir(own.join("inside")).unwrap();
        fs::write(own.join("inside/file"), "of the guest").unwrap();
        for (name, target) in [
            ("link-out", Path::new("../outside")),
            ("link-out-absolute", &outside),
            ("link-chain", Path::new("link-out")),
            ("link-dangling", Path::new("../outside/new")),
            ("link-root", Path::new("/")),
            ("link-proc", Path::new("/proc/self/root")),
            ("link-in", Path::new("inside")),
            ("link-not-text", Path::new(OsStr::from_bytes(b"\xff"))),
        ] {
            symlink(target, own.join(name)).unwrap();
        }
        Scene { guest, outside, data }
    }

    fn read(&self, way: &str) -> Airlock {
        let config = json!({"way": way, "outside": self.outside});
        self.guest.read(&config, &["one"]).option("--mount", format!("{}:/data", self.data.display()))
    }

    /// Both as they are now.
    fn snapshots(&self) -> (Snapshot, Snapshot) {
        (snapshot(&self.outside), snapshot(&self.data))
    }
}

fn outcomes(finished: &Finished) -> BTreeMap<String, Value> {
    let records = finished.records("one").into_iter();
    records.map(|record| (record["attempt"].as_str().unwrap().to_owned(), record["outcome"].clone())).collect()
}

/// All were denied but these.
#[track_caller]
fn assert_denied_but(outcomes: &BTreeMap<String, Value>, allowed: &[&str]) {
    let done: Vec<&str> =
        outcomes.iter().filter(|(_, outcome)| *outcome == "done").map(|(name, _)| name.as_str()).collect();
    let mut allowed = allowed.to_vec();
    allowed.sort_unstable();
    assert_eq!(done, allowed);
}

#[test]
fn no_path_and_no_link_leads_out() {
    let scene = Scene::new();
    let before = scene.snapshots();
    let finished = scene.read("paths").run().exits(0);
    assert_eq!(scene.snapshots(), before);
    assert_eq!(fs::read_to_string(scene.guest.airbyte().join("inside/file")).unwrap(), "of the guest");
    for (name, content) in [("canary", Some("kept")), ("new", None)] {
        assert_eq!(fs::read_to_string(scene.guest.workspace.path().join(name)).ok().as_deref(), content);
    }
    assert!(scene.guest.workspace.path().join("directory").is_dir());
    assert!(!scene.guest.airbyte().join("stolen").exists());
    let outcomes = outcomes(&finished);
    assert!(outcomes.len() > 1000, "{} attempts", outcomes.len());
    assert_denied_but(&outcomes, ALLOWED);
}

/// A link of the guest's own may say what it likes: it leads the guest nowhere. An absolute one might mislead others, and is denied.
const ALLOWED: &[&str] = &[
    "link inside",
    "link to ..",
    "link to ../data",
    "link to ../outside",
    "link to ../outside/",
    "link to chain-2",
    "link to inside/../../outside",
    "link to inside/../chain-3",
    "link to link-out",
    "link to loop",
    "link to loop-2",
    "link to made-up/outside",
    "link to self",
    "read through .. that stays inside",
    "read through a link inside",
    "read through a link inside that the host made",
];

#[test]
fn a_mount_can_be_read_and_that_is_all() {
    let scene = Scene::new();
    let before = scene.snapshots();
    let finished = scene.read("mount").run().exits(0);
    assert_eq!(scene.snapshots(), before);
    assert!(scene.guest.airbyte().join("inside/file").exists());
    assert_denied_but(&outcomes(&finished), &["list", "read"]);
}

#[test]
fn names_that_no_file_should_have_do_no_harm() {
    let scene = Scene::new();
    let own = scene.guest.airbyte();
    fs::write(own.join(OsStr::from_bytes(b"not-text-\xff")), "").unwrap();
    let _socket = UnixListener::bind(own.join("socket")).unwrap();
    let before = scene.snapshots();
    let finished = scene.read("names").run().exits(0);
    assert_eq!(scene.snapshots(), before);
    let mut outcomes = outcomes(&finished);
    // A list ends at a name that is no text, with an error that says so: what comes after it is not seen.
    let listed = outcomes.remove("list").unwrap();
    let last = listed.as_array().unwrap().last().unwrap().as_str().unwrap();
    assert!(last.contains("Illegal byte sequence"), "{listed}");
    assert_denied_but(&outcomes, &["a name with a line break"]);
}

#[test]
fn a_guest_that_waits_for_a_pipe_for_ever_is_ended_by_a_signal() {
    let scene = Scene::new();
    mknodat(CWD, scene.guest.airbyte().join("pipe"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let mut run = Live::start(scene.read("fifo"));
    run.wait_for(|message| message["log"]["message"] == "opens the pipe");
    run.signal(Signal::TERM);
    let finished = run.finish();
    assert_eq!(finished.status.signal(), Some(15));
    assert!(finished.records("one").is_empty());
}

#[test]
fn a_link_that_takes_the_place_of_a_directory_between_two_calls_leads_nowhere() {
    let scene = Scene::new();
    let own = scene.guest.airbyte();
    fs::write(scene.outside.join("canary"), "outside").unwrap();
    fs::create_dir(own.join("swapped")).unwrap();
    fs::create_dir(own.join("mine")).unwrap();
    fs::write(own.join("swapped/canary"), "inside").unwrap();
    let before = snapshot(&scene.outside);
    let mut swaps = scene.read("swap").spawn();
    let reading = scene.guest.workspace.json("reading.json", &json!({"way": "read while it is swapped"}));
    let catalog = scene.guest.workspace.json("catalog.json", &configured_catalog(&["one"]));
    // As often as it takes for the two to meet: a machine may have one processor.
    let mut met = false;
    for _ in 0..20 {
        let run = Airlock::of(&scene.guest.path).option("--airbyte-dir", own).arg("read");
        let finished = run.option("--config", &reading).option("--catalog", &catalog).run().exits(0);
        let seen = outcomes(&finished).remove("read").unwrap();
        assert_eq!(seen["outside"], 0, "{seen}");
        assert_eq!(snapshot(&scene.outside), before);
        if seen["inside"].as_u64() > Some(0) && seen["denied"].as_u64() > Some(0) {
            met = true;
            break;
        }
    }
    swaps.kill().unwrap();
    swaps.wait().unwrap();
    assert!(met, "the directory was there, and the link was there");
}

#[test]
fn a_directory_that_is_a_link_is_the_directory_it_leads_to() {
    let scene = Scene::new();
    let link = scene.guest.workspace.path().join("link-to-airbyte");
    symlink(scene.guest.airbyte(), &link).unwrap();
    let before = scene.snapshots();
    let config = scene.guest.workspace.json("config.json", &json!({"way": "paths", "outside": scene.outside}));
    let catalog = scene.guest.workspace.json("catalog.json", &configured_catalog(&["one"]));
    let run = Airlock::of(&scene.guest.path).option("--airbyte-dir", &link).arg("read");
    let run = run.option("--config", config).option("--catalog", catalog);
    let finished = run.option("--mount", format!("{}:/data", scene.data.display())).run().exits(0);
    assert_eq!(scene.snapshots(), before);
    assert_denied_but(&outcomes(&finished), ALLOWED);
}

#[test]
fn a_directory_below_airbyte_shows_nothing_of_what_lies_above_it() {
    // As PyAirbyte mounts it: configs of other connectors beside the directory of this one.
    let scene = Scene::new();
    let above = scene.outside.join("directory");
    fs::create_dir_all(above.join("mine/inside")).unwrap();
    fs::write(above.join("mine/inside/file"), "of the guest").unwrap();
    fs::create_dir(above.join("outside")).unwrap();
    for place in [&above, &above.join("outside")] {
        fs::write(place.join("canary"), "another connector's secret").unwrap();
    }
    let before = snapshot(&above.join("outside"));
    let config = scene.guest.workspace.json("config.json", &json!({"way": "paths", "outside": above}));
    let catalog = scene.guest.workspace.json("catalog.json", &configured_catalog(&["one"]));
    let run = Airlock::of(&scene.guest.path).env("AIRLOCK_AIRBYTE_DIR", above.join("mine")).arg("read");
    let finished = run.option("--config", config).option("--catalog", catalog).run().exits(0);
    let outcomes = outcomes(&finished);
    for (attempt, outcome) in &outcomes {
        let own = ["link", "read through"].iter().any(|word| attempt.starts_with(word));
        assert!(own || outcome != "done", "{attempt}");
    }
    assert_eq!(snapshot(&above.join("outside")), before);
    assert_eq!(fs::read(above.join("canary")).unwrap(), b"another connector's secret");
}

/// A run without a directory of its own: a temporary one below `temporary`, and no more open files than these.
fn dig(scene: &Scene, temporary: &Path, way: &str, depth: u32) -> Airlock {
    let config = scene.guest.workspace.json("config.json", &json!({"way": way, "depth": depth}));
    let catalog = scene.guest.workspace.json("catalog.json", &configured_catalog(&["one"]));
    let run = Airlock::of(&scene.guest.path).arg("read").option("--config", config).option("--catalog", catalog);
    run.env("TMPDIR", temporary)
}

#[test]
fn a_temporary_directory_goes_however_deep_it_was_dug() {
    let scene = Scene::new();
    let temporary = scene.guest.workspace.directory("tmp");
    let finished = dig(&scene, &temporary, "deep", 100_000).run();
    let left = fs::read_dir(&temporary).unwrap().count();
    // What this test would leave behind is too deep for the standard library.
    Command::new("rm").arg("-rf").arg(&temporary).status().unwrap();
    assert_eq!(left, 0);
    finished.exits(0);
}

#[test]
fn a_temporary_directory_goes_where_the_guest_has_opened_all_files_that_there_are() {
    let scene = Scene::new();
    let temporary = scene.guest.workspace.directory("tmp");
    let mut run = Live::start(dig(&scene, &temporary, "open without an end", 0).with_open_files(200));
    run.wait_for(|message| message["log"]["message"].as_str().is_some_and(|text| text.contains("can open no more")));
    run.signal(Signal::TERM);
    assert_eq!(run.finish().status.signal(), Some(15));
    assert_eq!(fs::read_dir(&temporary).unwrap().count(), 0);
}

#[test]
fn a_temporary_directory_goes_with_a_process_that_a_signal_ends() {
    let scene = Scene::new();
    let temporary = scene.guest.workspace.directory("tmp");
    let mut run = Live::start(dig(&scene, &temporary, "stay", 0));
    run.wait_for(|message| message["trace"]["stream_status"]["status"] == "STARTED");
    assert_eq!(fs::read_dir(&temporary).unwrap().count(), 1);
    run.signal(Signal::TERM);
    let finished = run.finish();
    assert_eq!(finished.status.signal(), Some(15));
    assert_eq!(fs::read_dir(&temporary).unwrap().count(), 0);
}
