//! The programs that run images in the tests: podman, runc, Docker's engine, a registry and others, from the machine's own
//! Debian release; and whether this machine can run containers. It must not know what is run in them.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::json;

use crate::obstacle::{Failure, Obstacle};
use crate::{cache, command, machine_debian};

/// Below the user's cache directory.
const CACHE: &str = "containers";

const PACKAGES: [&str; 10] = [
    "buildah",
    "conmon",
    "containerd",
    "docker-registry",
    "docker.io",
    "podman",
    "qemu-user-static",
    "runc",
    "skopeo",
    "umoci",
];

/// Newer releases have Docker's client in a package of its own.
const PACKAGES_IF_THERE: [&str; 1] = ["docker-cli"];

/// What the tests start, below the prefix, with an argument that only shows that it starts.
const PROGRAMS: [(&str, &str); 11] = [
    ("usr/bin/buildah", "--version"),
    ("usr/bin/conmon", "--version"),
    ("usr/bin/containerd", "--version"),
    ("usr/bin/docker", "--version"),
    ("usr/bin/docker-registry", "--version"),
    ("usr/bin/podman", "--version"),
    ("usr/bin/qemu-aarch64-static", "--version"),
    ("usr/bin/runc", "--version"),
    ("usr/bin/skopeo", "--version"),
    ("usr/bin/umoci", "--version"),
    ("usr/sbin/dockerd", "--version"),
];

/// A small static program of the packages, which the trial container runs.
const TRIAL: &str = "usr/bin/tini-static";

/// The first version of Linux that has binfmt_misc for each user namespace: images of another processor run without a change
/// to the whole machine.
const LINUX_WITH_OWN_BINFMT: (u32, u32) = (6, 7);

/// The programs, and what this machine can do with them.
pub struct Containers {
    prefix: PathBuf,
    /// The tests that can not be run here all the same.
    pub obstacles: Vec<Obstacle>,
}

/// All tests that run images.
pub const TESTS: &str = "images::engines::";

/// Those that run images of the other processor.
const ARM64_TESTS: &str = "images::engines::arm64::";

impl Containers {
    /// Finds the programs in the user's cache directory, or fetches them, and tries whether containers run. What the machine
    /// can not do is no error, but an obstacle.
    pub fn ensure() -> Result<Self, Failure> {
        let no_container = |reason| Failure::Machine(Obstacle { tests: TESTS, reason });
        check_machine().map_err(no_container)?;
        let prefix = programs().map_err(Failure::Error)?;
        try_container(&prefix).map_err(no_container)?;
        let mut obstacles = Vec::new();
        let linux = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        if linux_version(&linux).is_none_or(|version| version < LINUX_WITH_OWN_BINFMT) {
            let (major, minor) = LINUX_WITH_OWN_BINFMT;
            let reason = format!(
                "arm64 programs run by qemu's user emulation in a namespace, for which Linux {major}.{minor} is needed; this \
                 is Linux {}",
                linux.trim()
            );
            obstacles.push(Obstacle { tests: ARM64_TESTS, reason });
        }
        Ok(Self { prefix, obstacles })
    }

    /// What tells the tests where the programs are.
    pub fn environment(&self) -> (&'static str, &Path) {
        ("AIRLOCK_CONTAINERS", &self.prefix)
    }
}

fn check_machine() -> Result<(), String> {
    let user = command::output(Command::new("id").arg("-u")).unwrap_or_default();
    if user.trim() != "0" {
        return Err("containers are run as root, and this is another user".to_owned());
    }
    machine_debian::require().map_err(|error| format!("{error:#}"))
}

fn programs() -> Result<PathBuf> {
    let cache = cache::directory(CACHE)?;
    let prefix = cache.join(machine_debian::release()?);
    if let Err(first) = check_programs(&prefix) {
        let _lock = cache::lock(&cache)?;
        // Another run may have finished while this one waited.
        if check_programs(&prefix).is_err() {
            eprintln!("Fetching podman, Docker's engine and others into {} (800 MB, once a user)", prefix.display());
            fetch(&cache, &prefix)
                .with_context(|| format!("what runs images is not there ({first:#}), and can not be fetched"))
                .context(
                    "hint: AIRLOCK_CLIENTS=none leaves these tests out, and those that run other people's clients",
                )?;
        }
    }
    Ok(prefix)
}

fn fetch(cache: &Path, prefix: &Path) -> Result<()> {
    let partial = cache.join("partial");
    cache::remove(&partial)?; // of a run that was broken off
    let unpacked = partial.join("prefix");
    fs::create_dir_all(&partial).with_context(|| format!("cannot create {}", partial.display()))?;
    machine_debian::unpack(&PACKAGES, &PACKAGES_IF_THERE, &partial.join("packages"), &unpacked)?;
    check_programs(&unpacked)?;
    cache::remove(prefix)?; // of an older set of packages
    fs::rename(&unpacked, prefix).with_context(|| format!("cannot move the programs to {}", prefix.display()))?;
    cache::remove(&partial)
}

fn check_programs(prefix: &Path) -> Result<()> {
    for (program, option) in PROGRAMS {
        command::output(with_libraries(prefix, Command::new(prefix.join(program)).arg(option)))?;
    }
    Ok(())
}

/// Libraries are where the release puts them for this processor.
fn with_libraries<'a>(prefix: &Path, command: &'a mut Command) -> &'a mut Command {
    let libraries = format!("usr/lib/{}-linux-gnu", env::consts::ARCH);
    command.env("LD_LIBRARY_PATH", prefix.join(libraries))
}

/// Runs a container of one program, as the tests will: what is forbidden here would fail each of them.
fn try_container(prefix: &Path) -> Result<(), String> {
    let ran = || -> Result<String> {
        let bundle = tempfile::tempdir().context("no temporary directory")?;
        let files = bundle.path().join("rootfs");
        for directory in ["proc", "dev", "sys"] {
            fs::create_dir_all(files.join(directory))?;
        }
        fs::copy(prefix.join(TRIAL), files.join("trial"))?;
        let runc = || {
            let mut command = Command::new(prefix.join("usr/bin/runc"));
            with_libraries(prefix, &mut command);
            command
        };
        command::output(runc().args(["spec", "--bundle"]).arg(bundle.path()))?;
        let specification = bundle.path().join("config.json");
        let mut content: serde_json::Value = serde_json::from_slice(&fs::read(&specification)?)?;
        content["process"]["terminal"] = json!(false);
        content["process"]["args"] = json!(["/trial", "--version"]);
        fs::write(&specification, content.to_string())?;
        let name = format!("airlock-trial-{}", std::process::id());
        let state = bundle.path().join("state");
        command::output(runc().arg("--root").arg(state).args(["run", "--bundle"]).arg(bundle.path()).arg(name))
    };
    ran().map(drop).map_err(|error| format!("a trial container does not run: {error:#}"))
}

/// From a text like `6.18.44-generic`.
fn linux_version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_of_linux_is_its_first_two_numbers() {
        assert_eq!(linux_version("6.18.44-generic\n"), Some((6, 18)));
        assert_eq!(linux_version("6.7-rc1"), Some((6, 7)));
        assert_eq!(linux_version(""), None);
        assert!(linux_version("5.15.0").is_some_and(|version| version < LINUX_WITH_OWN_BINFMT));
        assert!(linux_version("6.10.0").is_some_and(|version| version >= LINUX_WITH_OWN_BINFMT));
    }

    #[test]
    fn a_prefix_without_programs_is_not_there() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let error = check_programs(directory.path()).expect_err("it is empty");
        assert!(format!("{error:#}").contains("buildah"), "{error:#}");
    }
}
