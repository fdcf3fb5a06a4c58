//! Tries to leave `/airbyte` in every way that files allow. Each attempt is a record with what became of it.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::time::SystemTime;

use test_guests::output::StreamWriter;
use test_guests::types::{Failure, SavedState, StreamName};
use test_guests::{Source, Value, export_source, json, lines, say};
use wasip2::filesystem::preopens::get_directories;
use wasip2::filesystem::types::{Descriptor, DescriptorFlags, ErrorCode, OpenFlags, PathFlags};

struct Escapes;

impl Source for Escapes {
    fn properties() -> Value {
        json!({"way": {"type": "string"}, "outside": {"type": "string"}, "depth": {"type": "integer"}})
    }

    fn read(config: &Value, streams: &[StreamName], _: SavedState) -> Result<(), Failure> {
        let writer = StreamWriter::open(&streams[0])?;
        let mut attempts = Attempts::default();
        match config["way"].as_str().unwrap_or_default() {
            "paths" => {
                make_links(&mut attempts);
                for place in places(config["outside"].as_str().unwrap_or_default()) {
                    reach_out(&place, &mut attempts);
                }
            }
            "mount" => write_to("/data", &mut attempts),
            "carried" => {
                let granted: Vec<String> = get_directories().into_iter().map(|(_, name)| name).collect();
                attempts.tell("granted", &json!(granted));
                read_all("/connector", &mut attempts);
                write_to("/connector", &mut attempts);
                attempts.add("leave it", fs::read("/connector/../etc/passwd"));
            }
            "names" => names(&mut attempts),
            "fifo" => {
                say("opens the pipe");
                attempts.add("read a pipe", fs::read("/airbyte/pipe"));
            }
            "deep" => {
                dig(config["depth"].as_u64().unwrap_or_default());
                say("has dug");
            }
            "open without an end" => {
                let files: Vec<_> = (0..).map_while(|number| File::create(format!("/airbyte/{number}")).ok()).collect();
                say("can open no more");
                // As a guest that never comes to close them.
                loop {
                    std::hint::black_box(&files);
                }
            }
            "stay" => loop {
                std::hint::black_box(dig(1));
            },
            "swap" => swap(),
            "read while it is swapped" => read_swapped(&mut attempts),
            _ => {}
        }
        writer.write(&lines(&attempts.0))?;
        Ok(())
    }
}

#[derive(Default)]
struct Attempts(Vec<Value>);

impl Attempts {
    fn add<T, E: ToString>(&mut self, attempt: &str, result: Result<T, E>) {
        let outcome = match result {
            Ok(_) => "done".to_owned(),
            Err(error) => format!("denied: {}", error.to_string()),
        };
        self.tell(attempt, &json!(outcome));
    }

    fn tell(&mut self, attempt: &str, outcome: &Value) {
        self.0.push(json!({"attempt": attempt, "outcome": outcome}));
    }
}

/// Symbolic links of the guest's own.
fn make_links(attempts: &mut Attempts) {
    for (name, target) in [
        ("made-out", "../outside"),
        ("made-up", ".."),
        ("made-over", "inside/../../outside"),
        ("made-of-host-link", "link-out"),
        ("chain", "chain-2"),
        ("chain-2", "inside/../chain-3"),
        ("chain-3", "made-up/outside"),
        ("loop", "loop-2"),
        ("loop-2", "loop"),
        ("self", "self"),
        ("made-mounted", "../data"),
        ("made-slash", "../outside/"),
    ] {
        attempts.add(&format!("link to {target}"), symlink(target, &format!("/airbyte/{name}")));
    }
    for target in ["/", "/etc", "/data/file", "/proc/self/root", "//airbyte"] {
        attempts.add(&format!("link to absolute {target}"), symlink(target, "/airbyte/absolute"));
    }
    attempts.add("link that goes over a mount", symlink("inside", "/data/made"));
    attempts.add("link inside", symlink("inside", "/airbyte/made-in"));
    attempts.add("read through a link inside", fs::read("/airbyte/made-in/file"));
    attempts.add("read through a link inside that the host made", fs::read("/airbyte/link-in/file"));
    attempts.add("read through .. that stays inside", fs::read("/airbyte/inside/../inside/./file"));
    attempts.add("target of an absolute link", fs::read_link("/airbyte/link-out-absolute"));
}

fn symlink(target: &str, link: &str) -> Result<(), ErrorCode> {
    let (directory, name) = preopened(link).ok_or(ErrorCode::NoEntry)?;
    directory.symlink_at(target, &name)
}

/// The granted directory that a path begins with, and the rest of the path.
fn preopened(path: &str) -> Option<(Descriptor, String)> {
    get_directories().into_iter().find_map(|(directory, name)| {
        let rest = path.strip_prefix(&name)?.strip_prefix('/')?.to_owned();
        Some((directory, rest))
    })
}

/// All the ways by which the directory outside, or something else of the host, might be reached.
fn places(outside: &str) -> Vec<String> {
    let below_airbyte = [
        "..",
        "../outside",
        "./../outside",
        "inside/../../outside",
        "inside/./../inside/../../outside",
        ".//..//outside",
        "inside/../..",
        "../outside/",
        "../outside/.",
        "../outside//",
        "..//",
        "missing/../../outside",
        "inside/file/../../../outside",
        "link-out",
        "link-out/",
        "link-out/.",
        "link-out//",
        "link-out/../outside",
        "inside/../link-out",
        "link-out-absolute",
        "link-out-absolute/",
        "link-chain",
        "link-dangling",
        "link-root",
        "link-proc",
        "made-out",
        "made-out/",
        "made-up",
        "made-up/outside",
        "made-over",
        "made-of-host-link",
        "chain",
        "chain/",
        "loop",
        "self",
        "made-mounted",
        "made-slash",
        "link-in/../../outside",
        "made-in/../../outside",
    ];
    let mut places: Vec<String> = below_airbyte.iter().map(|place| format!("/airbyte/{place}")).collect();
    for place in [
        "/",
        "/..",
        "..",
        "../outside",
        ".",
        "/proc/self/cwd",
        "/proc/self/fd",
        "/proc/self/root",
        "/proc/1",
        "/dev",
        "/etc",
        "/tmp",
        "/data/..",
        "/data/../outside",
        "/data/link-out",
        "/data/link-out/",
        "/data/directory/../../outside",
        "//airbyte/../outside",
    ] {
        places.push(place.to_owned());
    }
    places.push(outside.to_owned());
    places.push(format!("/airbyte/{outside}"));
    places.push(format!("/airbyte/link-root{outside}"));
    places.push(format!("/airbyte/link-proc{outside}"));
    places.push(format!("/proc/self/root{outside}"));
    places.push(format!("/airbyte/{}{outside}", "../".repeat(40)));
    places
}

/// Whatever can be done to a directory and to the file `canary` in it.
fn reach_out(place: &str, attempts: &mut Attempts) {
    let canary = format!("{place}/canary");
    let new = format!("{place}/new");
    let own = "/airbyte/inside/file";
    let mut add = |what: &str, result: io::Result<()>| attempts.add(&format!("{what} {place}"), result);
    add("read below", fs::read(&canary).map(drop));
    add("list", fs::read_dir(place).map(drop));
    add("ask about", fs::metadata(&canary).map(drop));
    add("ask about the link below", fs::symlink_metadata(&canary).map(drop));
    add("read the link below", fs::read_link(&canary).map(drop));
    add("write below", fs::write(&canary, "lost"));
    add("append below", OpenOptions::new().append(true).open(&canary).map(drop));
    add("truncate below", OpenOptions::new().write(true).truncate(true).open(&canary).map(drop));
    add("create below", fs::write(&new, "lost"));
    add("create anew below", File::create_new(&new).map(drop));
    add("make a directory below", fs::create_dir(&new));
    add("remove below", fs::remove_file(&canary));
    add("remove a directory below", fs::remove_dir(format!("{place}/directory")));
    add("remove all below", fs::remove_dir_all(format!("{place}/directory")));
    add("move out of", fs::rename(&canary, "/airbyte/stolen"));
    add("move into", fs::rename(own, &new));
    add("move over", fs::rename(own, &canary));
    add("link out of", fs::hard_link(&canary, "/airbyte/stolen"));
    add("link into", fs::hard_link(own, &new));
    add("copy out of", fs::copy(&canary, "/airbyte/stolen").map(drop));
    add("set the times below", File::open(&canary).and_then(|file| file.set_modified(SystemTime::UNIX_EPOCH)));
    let linked = symlink("inside", &new).map_err(|error| io::Error::other(error.to_string()));
    add("make a link below", linked);
}

/// A directory that is there to be read: it has a `file`, and a `directory` with something in it.
fn write_to(read_only: &str, attempts: &mut Attempts) {
    let file = &*format!("{read_only}/file");
    let new = &*format!("{read_only}/new");
    attempts.add("read", fs::read(file));
    attempts.add("list", fs::read_dir(read_only));
    attempts.add("write", fs::write(file, "lost"));
    attempts.add("append", OpenOptions::new().append(true).open(file));
    attempts.add("truncate", OpenOptions::new().write(true).truncate(true).open(file));
    attempts.add("open for both", OpenOptions::new().read(true).write(true).open(file));
    attempts.add("set its length", File::open(file).and_then(|file| file.set_len(0)));
    attempts.add("set its times", File::open(file).and_then(|file| file.set_modified(SystemTime::UNIX_EPOCH)));
    attempts.add("remove", fs::remove_file(file));
    attempts.add("remove a directory", fs::remove_dir(format!("{read_only}/directory")));
    attempts.add("make a directory", fs::create_dir(new));
    attempts.add("create", File::create_new(new));
    attempts.add("rename", fs::rename(file, new));
    attempts.add("move out", fs::rename(file, "/airbyte/stolen"));
    attempts.add("move in", fs::rename("/airbyte/inside/file", new));
    attempts.add("link", fs::hard_link(file, new));
    attempts.add("link out", fs::hard_link(file, "/airbyte/stolen"));
    attempts.add("link in", fs::hard_link("/airbyte/inside/file", new));
    attempts.add("link by a symbolic link", symlink("file", new));
    for (directory, name) in get_directories() {
        if name == read_only {
            let all = DescriptorFlags::READ | DescriptorFlags::WRITE | DescriptorFlags::MUTATE_DIRECTORY;
            let (follow, none) = (PathFlags::SYMLINK_FOLLOW, OpenFlags::empty());
            attempts.add("open with every right", directory.open_at(follow, "file", none, all));
            // A directory below does not have more rights than the mount.
            let below = directory.open_at(follow, "directory", OpenFlags::DIRECTORY, DescriptorFlags::MUTATE_DIRECTORY);
            let made = below.and_then(|below| below.create_directory_at("new"));
            attempts.add("make a directory in a directory", made);
        }
    }
}

/// What is in a directory and below.
fn read_all(directory: &str, attempts: &mut Attempts) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = format!("{directory}/{}", entry.file_name().to_string_lossy());
        match fs::read_to_string(&path) {
            Ok(content) => attempts.tell(&path, &json!(content)),
            Err(_) => read_all(&path, attempts),
        }
    }
}

/// Names that no file should have.
fn names(attempts: &mut Attempts) {
    let listed: Vec<Value> = fs::read_dir("/airbyte")
        .into_iter()
        .flatten()
        .take(100)
        .map(|entry| match entry {
            Ok(entry) => json!(entry.file_name().to_string_lossy()),
            Err(error) => json!(format!("error: {error}")),
        })
        .collect();
    attempts.tell("list", &json!(listed));
    attempts.add("read a link whose target is no text", fs::read_link("/airbyte/link-not-text"));
    attempts.add("a long name", fs::write(format!("/airbyte/{}", "n".repeat(300)), ""));
    attempts.add("a long path", fs::create_dir_all(format!("/airbyte/{}", "d/".repeat(10_000))));
    attempts.add("a long way back", fs::read(format!("/airbyte/{}file", "inside/../".repeat(2_000))));
    attempts.add("an empty path", fs::read(""));
    attempts.add("a socket", fs::read("/airbyte/socket"));
    for (directory, name) in get_directories() {
        if name == "/airbyte" {
            let open =
                |path: &str| directory.open_at(PathFlags::empty(), path, OpenFlags::CREATE, DescriptorFlags::WRITE);
            attempts.add("a name with NUL", open("nul\0byte"));
            attempts.add("a path that ends with NUL", open("../outside/canary\0"));
            attempts.add("a name with a line break", open("line\nbreak"));
        }
    }
}

/// Directories in directories, so deep that no path is long enough for the last. Says how deep it came.
fn dig(depth: u64) -> u64 {
    let Some((mut here, _)) = get_directories().into_iter().find(|(_, name)| name == "/airbyte") else { return 0 };
    for level in 0..depth {
        let rights = DescriptorFlags::READ | DescriptorFlags::MUTATE_DIRECTORY;
        let below = here
            .create_directory_at("d")
            .or(Ok(()))
            .and_then(|()| here.open_at(PathFlags::empty(), "d", OpenFlags::DIRECTORY, rights));
        match below {
            Ok(below) => here = below,
            Err(ErrorCode::Access) => return level,
            Err(error) => panic!("at level {level}: {error}"),
        }
        if level % 1000 == 0 {
            let _ = here.open_at(PathFlags::empty(), "file", OpenFlags::CREATE, DescriptorFlags::WRITE);
        }
    }
    depth
}

/// A directory and a link that leads out change places, for as long as it is left to.
fn swap() {
    let _ = symlink("../outside", "/airbyte/trap");
    loop {
        let _ = fs::rename("/airbyte/swapped", "/airbyte/aside")
            .and_then(|()| fs::rename("/airbyte/trap", "/airbyte/swapped"));
        let _ = fs::rename("/airbyte/swapped", "/airbyte/trap")
            .and_then(|()| fs::rename("/airbyte/aside", "/airbyte/swapped"));
    }
}

fn read_swapped(attempts: &mut Attempts) {
    let (mut inside, mut outside, mut denied) = (0, 0, 0);
    for number in 0..30_000 {
        match fs::read("/airbyte/swapped/canary").as_deref() {
            Ok(b"inside") => inside += 1,
            Ok(_) => outside += 1,
            Err(_) => denied += 1,
        }
        if number % 10 == 0 {
            let _ = fs::write("/airbyte/swapped/written", "");
            let _ = fs::create_dir("/airbyte/swapped/made");
            let _ = fs::rename("/airbyte/mine", "/airbyte/swapped/moved");
            let _ = fs::rename("/airbyte/swapped/moved", "/airbyte/mine");
        }
    }
    attempts.tell("read", &json!({"inside": inside, "outside": outside, "denied": denied}));
}

export_source!(Escapes);
