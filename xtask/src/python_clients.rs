//! The Python packages that the tests and the benchmark run beside airlock, and those whose manifests they read: clients of
//! Airbyte's protocol, and Airbyte's own connectors. Installed from PyPI into the user's cache directory, once. It must not know
//! what is tested with them.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::{cache, command};

/// Below the user's cache directory.
const CACHE: &str = "python-clients";

/// Each set of packages has an environment of its own, for they disagree about airbyte-cdk. All versions are pinned.
const ENVIRONMENTS: [(&str, &str); 2] =
    [("clients", include_str!("../python/clients.txt")), ("source-faker", include_str!("../python/source-faker.txt"))];

/// Packages that are data: nothing of them is run, so they have no dependencies.
const MANIFESTS: &str = include_str!("../python/manifests.txt");

/// The Python that these packages are for, whatever the machine has.
const PYTHON_OF_MANIFESTS: &str = "3.11";

/// What the packages run with: at least the first, and below the second.
const MINOR_VERSIONS: (u32, u32) = (10, 13);

/// Installs in a third of the time that pip takes.
const UV: &str = "uv==0.13.9";

/// In the directory of a whole installation. An environment can not be moved into place, for it holds its own path.
const COMPLETE: &str = "complete";

/// Environments that are there and whole.
#[derive(Debug, Clone)]
pub struct PythonClients {
    directory: PathBuf,
}

impl PythonClients {
    /// Finds the environments in the cache, or makes them.
    pub fn ensure() -> Result<Self> {
        let python = Python::find()?;
        let cache = cache::directory(CACHE)?;
        let directory = cache.join(key(&python.version));
        if !is_complete(&directory) {
            let _lock = cache::lock(&cache)?;
            // Another run may have finished while this one waited.
            if !is_complete(&directory) {
                eprintln!(
                    "Installing Airbyte's Python packages with {} into {} (1 GB, once a user)",
                    python.describe(),
                    directory.display()
                );
                cache::remove(&directory)?; // of a run that was broken off, or of a Python that is gone
                install(&python, &directory)?;
            }
        }
        Ok(Self { directory })
    }

    /// One folder below for each environment.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The executable of Airbyte's own source-faker, which the benchmark compares with.
    pub fn source_faker(&self) -> PathBuf {
        self.directory.join("source-faker/bin/source-faker")
    }

    /// The executable of Airbyte's declarative CDK, which runs manifests.
    pub fn source_declarative_manifest(&self) -> PathBuf {
        self.directory.join("clients/bin/source-declarative-manifest")
    }
}

/// A folder for each Python and each set of pins. Another Rust may hash them otherwise: then they are installed once more.
fn key(version: &str) -> String {
    let mut hasher = DefaultHasher::new();
    (ENVIRONMENTS, MANIFESTS).hash(&mut hasher);
    format!("{version}-{:016x}", hasher.finish())
}

/// All is installed, and the Python that it was installed with is still there.
fn is_complete(directory: &Path) -> bool {
    let starts = |name| command::output(Command::new(interpreter(&directory.join(name))).args(["-c", ""])).is_ok();
    directory.join(COMPLETE).is_file() && ENVIRONMENTS.iter().all(|(name, _)| starts(name))
}

fn interpreter(environment: &Path) -> PathBuf {
    environment.join("bin/python")
}

fn install(python: &Python, directory: &Path) -> Result<()> {
    fs::create_dir_all(directory).with_context(|| format!("cannot create {}", directory.display()))?;
    let installer = directory.join("installer");
    python.make_environment(&installer, true)?;
    if let Err(error) = command::output(pip(&installer).arg(UV)) {
        cache::remove(directory)?;
        bail!(
            "cannot install from PyPI: {error:#}\n\
             hint: `pip download uv` must work on this machine; without a network, AIRLOCK_CLIENTS=none leaves these \
             tests out"
        );
    }
    for (name, pins) in ENVIRONMENTS {
        let environment = directory.join(name);
        let list = directory.join(format!("{name}.txt"));
        fs::write(&list, pins).with_context(|| format!("cannot write {}", list.display()))?;
        python.make_environment(&environment, false)?;
        let mut by_uv = Command::new(installer.join("bin/uv"));
        by_uv
            // Behind a proxy that opens connections, only the system knows whom to trust.
            .args(["pip", "install", "--quiet", "--system-certs", "--no-deps", "--compile-bytecode", "--python"])
            .arg(interpreter(&environment))
            .arg("--requirement")
            .arg(&list)
            // Its files are linked into the environments, so removing it costs nothing.
            .env("UV_CACHE_DIR", directory.join("downloads"));
        if let Err(error) = command::output(&mut by_uv) {
            eprintln!("{error:#}\nThat was uv; pip, which has its own configuration, may do better, in some minutes");
            python.make_environment(&environment, true)?;
            command::output(pip(&environment).args(["--no-deps", "--requirement"]).arg(&list)).with_context(|| {
                format!("cannot install the packages of xtask/python/{name}.txt from PyPI, neither by uv nor by pip")
            })?;
        }
    }
    fetch_manifests(&installer, directory)?;
    cache::remove(&installer)?;
    cache::remove(&directory.join("downloads"))?;
    fs::write(directory.join(COMPLETE), "").with_context(|| format!("cannot write into {}", directory.display()))
}

/// A folder for each package, in `manifests`.
fn fetch_manifests(installer: &Path, directory: &Path) -> Result<()> {
    let list = directory.join("manifests.txt");
    fs::write(&list, MANIFESTS).with_context(|| format!("cannot write {}", list.display()))?;
    let target = directory.join("manifests");
    let mut by_uv = Command::new(installer.join("bin/uv"));
    by_uv
        .args(["pip", "install", "--quiet", "--system-certs", "--no-deps", "--python-version", PYTHON_OF_MANIFESTS])
        .arg("--target")
        .arg(&target)
        .arg("--requirement")
        .arg(&list)
        .env("UV_CACHE_DIR", directory.join("downloads"));
    if let Err(error) = command::output(&mut by_uv) {
        eprintln!("{error:#}\nThat was uv; pip, which has its own configuration, may do better, in some minutes");
        let mut by_pip = pip(installer);
        by_pip.args(["--no-deps", "--only-binary", ":all:", "--python-version", PYTHON_OF_MANIFESTS, "--target"]);
        command::output(by_pip.arg(&target).arg("--requirement").arg(&list))
            .context("cannot fetch the packages of xtask/python/manifests.txt from PyPI, neither by uv nor by pip")?;
    }
    Ok(())
}

fn pip(environment: &Path) -> Command {
    let mut command = Command::new(interpreter(environment));
    command.args(["-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check"]);
    command
}

/// A Python of the machine that the packages run with.
struct Python {
    program: &'static str,
    /// As in `3.11.7`.
    version: String,
}

impl Python {
    /// The first that will do.
    fn find() -> Result<Self> {
        let mut reasons = String::new();
        for program in ["python3", "python3.12", "python3.11", "python3.10"] {
            match Self::probe(program) {
                Ok(python) => return Ok(python),
                Err(error) => reasons += &format!("\n- {program}: {}", format!("{error:#}").replace('\n', "\n  ")),
            }
        }
        let (oldest, newest) = (MINOR_VERSIONS.0, MINOR_VERSIONS.1 - 1);
        bail!(
            "there is no Python for Airbyte's Python packages; they need Python 3.{oldest} to 3.{newest} with its modules \
             venv and ensurepip (on Debian: python3-venv):{reasons}\n\
             hint: put one on the PATH as python3, or as python3.{newest} (`uv python install 3.{newest}` does that); \
             AIRLOCK_CLIENTS=none leaves these tests out"
        )
    }

    fn probe(program: &'static str) -> Result<Self> {
        let code = "import sys, venv, ensurepip; print('%d.%d.%d' % sys.version_info[:3])";
        let version = command::output(Command::new(program).args(["-c", code]))?.trim().to_owned();
        check_version(&version)?;
        Ok(Self { program, version })
    }

    fn make_environment(&self, directory: &Path, with_pip: bool) -> Result<()> {
        let mut command = Command::new(self.program);
        command.args(["-m", "venv", "--clear"]);
        if !with_pip {
            command.arg("--without-pip");
        }
        command::output(command.arg(directory)).context("cannot make a virtual environment")?;
        Ok(())
    }

    fn describe(&self) -> String {
        format!("{} ({})", self.program, self.version)
    }
}

fn check_version(version: &str) -> Result<()> {
    let (oldest, beyond) = MINOR_VERSIONS;
    let minor = version.strip_prefix("3.").and_then(|rest| rest.split('.').next()?.parse().ok());
    if !minor.is_some_and(|minor: u32| (oldest..beyond).contains(&minor)) {
        bail!("it is Python {version}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_packages_run_with_three_versions_of_python() {
        for version in ["3.10.0", "3.11.7", "3.12.12"] {
            check_version(version).expect(version);
        }
        for version in ["3.9.21", "3.13.1", "2.7.18", "3", "", "3.x.1"] {
            assert!(check_version(version).is_err(), "{version}");
        }
    }

    #[test]
    fn every_package_is_pinned_and_those_that_were_asked_for_are_there() {
        for (name, pins) in ENVIRONMENTS {
            let pins: Vec<&str> = pins.lines().filter(|line| !line.starts_with('#')).collect();
            assert!(pins.iter().all(|pin| pin.contains("==")), "{name}");
            let wished = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("python/{name}.in"));
            let wished = fs::read_to_string(wished).expect("readable");
            for wish in wished.lines().filter(|line| !line.starts_with('#')) {
                assert!(pins.contains(&wish.replace("[dev]", "").as_str()), "{wish} is not in {name}.txt: renew it");
            }
        }
    }

    #[test]
    fn every_package_with_a_manifest_is_pinned_and_named_once() {
        let pins: Vec<&str> = MANIFESTS.lines().filter(|line| !line.starts_with('#')).collect();
        assert!(pins.len() >= 50 && pins.iter().all(|pin| pin.starts_with("airbyte-source-") && pin.contains("==")));
        assert!(pins.is_sorted() && pins.windows(2).all(|pair| pair[0] != pair[1]));
    }

    #[test]
    fn a_broken_off_installation_is_not_there() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        assert!(!is_complete(directory.path()));
        fs::write(directory.path().join(COMPLETE), "").expect("written");
        assert!(!is_complete(directory.path()), "the Python of the environments is gone");
    }

    #[test]
    fn pins_and_python_decide_the_folder() {
        assert_eq!(key("3.11.7"), key("3.11.7"));
        assert_ne!(key("3.11.7"), key("3.11.8"));
    }
}
