//! PostgreSQL's programs, which start servers for tests and measurements: the machine's own, or those of its Debian release from
//! a cache directory. It must not know what is done with a server.

use std::env;
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use crate::obstacle::{Failure, Obstacle};
use crate::{cache, command, machine_debian};

/// Below the cache directory.
const CACHE: &str = "postgres";

/// PostgreSQL refuses to run as root. Another user can not enter root's home directory, where root's cache is.
const CACHE_OF_ROOT: &str = "/var/cache/airlock";

/// A user that is there and owns nothing, for root to run them as.
const NOBODY: [&str; 4] = ["--reuid=65534", "--regid=65534", "--clear-groups", "--"];
const NOBODY_ID: u32 = 65534;

/// All tests that need a server.
pub const TESTS: &str = "_postgres::";

const PROGRAMS: [&str; 4] = ["initdb", "pg_config", "postgres", "psql"];

/// The oldest version that has all that the tests ask of one.
const OLDEST: u32 = 14;

/// Types that the tests read and PostgreSQL leaves to extensions. They come with the server's package on most systems.
const EXTENSIONS: [&str; 2] = ["citext", "hstore"];

/// A release has one version of them.
const PACKAGES: [&str; 10] = [
    "postgresql-14",
    "postgresql-client-14",
    "postgresql-15",
    "postgresql-client-15",
    "postgresql-16",
    "postgresql-client-16",
    "postgresql-17",
    "postgresql-client-17",
    "postgresql-18",
    "postgresql-client-18",
];

/// Where Debian's packages have a folder for each version.
const VERSIONS: &str = "usr/lib/postgresql";

/// Beside what is unpacked: programs that find their libraries.
const WRAPPERS: &str = "airlock-bin";

/// The programs.
pub struct Postgres {
    programs: PathBuf,
}

impl Postgres {
    /// Finds them on the machine or in the cache directory, or fetches them.
    pub fn ensure() -> Result<Self, Failure> {
        let obstacle = |reason| Failure::Machine(Obstacle { tests: TESTS, reason });
        if is_root() && command::output(Command::new("setpriv").arg("--version")).is_err() {
            let reason =
                "PostgreSQL refuses to run as root, and there is no setpriv (of util-linux) to become another user";
            return Err(obstacle(reason.to_owned()));
        }
        let candidates = installed();
        if let Some(programs) = candidates.iter().find(|programs| check(programs).is_ok()) {
            return Ok(Self { programs: programs.clone() });
        }
        machine_debian::require().map_err(|error| {
            obstacle(format!(
                "PostgreSQL {OLDEST} or newer with its contributed extensions is not installed, and {error:#}"
            ))
        })?;
        let prefix = cache_directory()
            .and_then(|cache| {
                let works = |prefix: &Path| check(&prefix.join(WRAPPERS));
                cache::once(&cache, &machine_debian::release()?, works, fetch)
            })
            .context(
                "there is no PostgreSQL, and the release's own can not be had.\nhint: install it (on Debian: postgresql); \
                 AIRLOCK_CLIENTS=none leaves the tests out that need it",
            )
            .map_err(Failure::Error)?;
        Ok(Self { programs: prefix.join(WRAPPERS) })
    }

    /// The directory of the programs.
    pub fn programs(&self) -> &Path {
        &self.programs
    }

    /// One of them, as a user that it runs as.
    pub fn program(&self, name: &str) -> Command {
        run(&self.programs.join(name))
    }

    /// An empty directory of that user.
    pub fn directory(&self) -> Result<TempDir> {
        let directory = tempfile::Builder::new().prefix("airlock-postgres-").tempdir()?;
        if is_root() {
            chown(directory.path(), Some(NOBODY_ID), Some(NOBODY_ID))?;
        }
        Ok(directory)
    }

    /// What tells the tests where they are.
    pub fn environment(&self) -> (&'static str, &Path) {
        ("AIRLOCK_POSTGRES", self.programs())
    }
}

fn cache_directory() -> Result<PathBuf> {
    if is_root() { Ok(Path::new(CACHE_OF_ROOT).join(CACHE)) } else { cache::directory(CACHE) }
}

/// A program, as a user that it runs as.
fn run(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(NOBODY).arg(program);
    command
}

fn is_root() -> bool {
    command::output(Command::new("id").arg("-u")).is_ok_and(|user| user.trim() == "0")
}

/// Directories that may have the programs: where a shell would find them, then the newest of the packages.
fn installed() -> Vec<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let on_path = env::split_paths(&path).filter_map(|directory| fs::canonicalize(directory.join("postgres")).ok());
    let mut found: Vec<PathBuf> = on_path.filter_map(|postgres| Some(postgres.parent()?.to_owned())).collect();
    if let Ok(directory) = command::output(Command::new("pg_config").arg("--bindir")) {
        found.push(PathBuf::from(directory.trim()));
    }
    found.extend(versions(Path::new("/")));
    found
}

/// The programs of each version that packages have put below a root, the newest first.
fn versions(root: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(root.join(VERSIONS)).into_iter().flatten().flatten();
    let mut versions: Vec<(u32, PathBuf)> = entries
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .filter(|(_, programs)| programs.join("postgres").is_file())
        .collect();
    versions.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
    versions.into_iter().map(|(_, programs)| programs).collect()
}

/// Whether the programs start, are new enough, and have the extensions.
fn check(programs: &Path) -> Result<()> {
    let mut version = String::new();
    for program in PROGRAMS {
        let said = command::output(run(&programs.join(program)).arg("--version"))?;
        if program == "postgres" {
            version = said;
        }
    }
    if major(&version).is_none_or(|major| major < OLDEST) {
        bail!("{} is {}, and version {OLDEST} is needed", programs.display(), version.trim());
    }
    // Like the server, it finds the files by where it lies itself.
    let share = command::output(run(&programs.join("pg_config")).arg("--sharedir"))?;
    let extensions = Path::new(share.trim()).join("extension");
    for extension in EXTENSIONS {
        let control = extensions.join(format!("{extension}.control"));
        if !control.is_file() {
            bail!("{} is not there: the contributed extensions are not installed", control.display());
        }
    }
    Ok(())
}

/// From a text like `postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)`.
fn major(version: &str) -> Option<u32> {
    let number = version.split(' ').nth(2)?;
    number.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

fn fetch(prefix: &Path) -> Result<()> {
    eprintln!("Fetching PostgreSQL into {} (up to 200 MB, once)", prefix.display());
    let working = prefix.join("working");
    let unpacked = prefix.join("unpacked");
    fs::create_dir_all(&working).with_context(|| format!("cannot create {}", working.display()))?;
    machine_debian::unpack(&[], &PACKAGES, &working, &unpacked)?;
    cache::remove(&working)?;
    let versions = versions(&unpacked);
    let programs = versions.first().context("the release has no PostgreSQL that is known here")?;
    write_wrappers(prefix, programs)
}

/// The programs find each other and their files by where they lie, but not their libraries.
fn write_wrappers(prefix: &Path, programs: &Path) -> Result<()> {
    let wrappers = prefix.join(WRAPPERS);
    fs::create_dir_all(&wrappers).with_context(|| format!("cannot create {}", wrappers.display()))?;
    // All is moved to its place when it is whole, so nothing names it by a full path.
    let programs = programs.strip_prefix(prefix).context("unpacked elsewhere")?;
    for program in PROGRAMS {
        let wrapper = wrappers.join(program);
        let script = format!(
            "#!/bin/sh\nhere=${{0%/*}}/..\nexport LD_LIBRARY_PATH=\"$here/unpacked/usr/lib/{}-linux-gnu\"\n\
             exec \"$here/{}/{program}\" \"$@\"\n",
            env::consts::ARCH,
            programs.display(),
        );
        fs::write(&wrapper, script).with_context(|| format!("cannot write {}", wrapper.display()))?;
        fs::set_permissions(&wrapper, fs::Permissions::from_mode(0o755))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_the_third_word() {
        assert_eq!(major("postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)\n"), Some(15));
        assert_eq!(major("postgres (PostgreSQL) 18beta1\n"), Some(18));
        assert_eq!(major("postgres"), None);
    }

    #[test]
    fn the_newest_version_comes_first() {
        let root = tempfile::tempdir().expect("a temporary directory");
        for version in ["9", "17", "100", "common"] {
            let programs = root.path().join(VERSIONS).join(version).join("bin");
            fs::create_dir_all(&programs).expect("created");
            fs::write(programs.join("postgres"), "").expect("written");
        }
        // A client alone is no server.
        fs::create_dir_all(root.path().join(VERSIONS).join("200/bin")).expect("created");
        let found: Vec<PathBuf> =
            ["100", "17", "9"].map(|version| root.path().join(VERSIONS).join(version).join("bin")).into();
        assert_eq!(versions(root.path()), found);
    }

    #[test]
    fn a_directory_without_programs_is_no_postgres() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let error = check(directory.path()).expect_err("it is empty");
        assert!(format!("{error:#}").contains("initdb"), "{error:#}");
    }

    #[test]
    fn a_wrapper_starts_the_program_wherever_it_has_been_moved_to() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let (first, second) = (directory.path().join("first"), directory.path().join("second place"));
        let programs = first.join("unpacked/usr/lib/postgresql/15/bin");
        fs::create_dir_all(&programs).expect("created");
        for program in PROGRAMS {
            fs::write(programs.join(program), "#!/bin/sh\necho \"$0 $LD_LIBRARY_PATH $1\"\n").expect("written");
            fs::set_permissions(programs.join(program), fs::Permissions::from_mode(0o755)).expect("set");
        }
        write_wrappers(&first, &programs).expect("written");
        fs::rename(&first, &second).expect("moved");
        let said =
            command::output(Command::new(second.join(WRAPPERS).join("psql")).arg("an argument")).expect("it starts");
        assert!(
            said.contains("15/bin/psql") && said.contains("second place") && said.contains("an argument"),
            "{said}"
        );
    }
}
