//! The programs that run images, where `cargo xtask clients` unpacked them. Knows nothing of images.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Where the packages are unpacked.
pub fn prefix() -> PathBuf {
    let Some(prefix) = std::env::var_os("AIRLOCK_CONTAINERS") else {
        panic!(
            "AIRLOCK_CONTAINERS is not set: run the tests by `cargo xtask test`, or after `eval \"$(cargo xtask clients)\"`, \
             or without containers: `cargo test … -- --skip images::engines::`"
        );
    };
    PathBuf::from(prefix)
}

/// A program of the packages.
pub fn path(name: &str) -> PathBuf {
    let places = ["usr/bin", "usr/sbin"].map(|directory| prefix().join(directory).join(name));
    let found = places.into_iter().find(|path| path.is_file());
    found.unwrap_or_else(|| panic!("{name} is not in AIRLOCK_CONTAINERS: run `cargo xtask clients`"))
}

/// What such a program needs to find its libraries and the others.
pub fn environment() -> [(&'static str, String); 2] {
    let prefix = prefix();
    let prefix = prefix.display();
    [
        ("PATH", format!("{prefix}/usr/bin:{prefix}/usr/sbin:/usr/sbin:/usr/bin:/sbin:/bin")),
        ("LD_LIBRARY_PATH", format!("{prefix}/usr/lib/{}-linux-gnu", std::env::consts::ARCH)),
    ]
}

/// A run of such a program, which keeps its own files in a directory.
pub fn program(name: &str, home: &Path) -> Command {
    let mut command = Command::new(path(name));
    command.env_clear().envs(environment()).env("HOME", home).env("TMPDIR", home);
    command
}

/// Runs a program that must succeed, and gives what it printed.
#[track_caller]
pub fn printed(command: &mut Command) -> String {
    let output = command.output().expect("the program starts");
    assert!(output.status.success(), "{command:?}\n{}", said(&output));
    String::from_utf8(output.stdout).expect("it is text")
}

/// What a program said, for a failing test.
pub fn said(output: &Output) -> String {
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    format!("{}\n---- stdout\n{stdout}\n---- stderr\n{stderr}", output.status)
}
