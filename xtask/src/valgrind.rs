//! valgrind, which counts a program's instructions: the machine's own, or its Debian release's from the user's cache directory. It must
//! not know what is counted.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::{cache, command, machine_debian};

/// Below the user's cache directory.
const CACHE: &str = "valgrind";
const PACKAGES: [&str; 1] = ["valgrind"];

/// In what is unpacked: the program, which the packages start by a script that looks for it on the system, and its tools, of which
/// it has to be told.
const PROGRAM: &str = "unpacked/usr/bin/valgrind.bin";
const TOOLS: &str = "unpacked/usr/libexec/valgrind";

/// A valgrind that works.
#[derive(Debug)]
pub struct Valgrind {
    program: PathBuf,
    tools: Option<PathBuf>,
}

impl Valgrind {
    /// Finds it or fetches it.
    pub fn ensure() -> Result<Self> {
        if let Some(installed) = Self::installed() {
            return Ok(installed);
        }
        machine_debian::require().context("there is no valgrind; hint: install it")?;
        let prefix = cache::once(&cache::directory(CACHE)?, &machine_debian::release()?, works, fetch)
            .context("there is no valgrind, and the release's own can not be had.\nhint: install valgrind")?;
        Ok(Self::unpacked(&prefix))
    }

    /// The machine's own.
    pub fn installed() -> Option<Self> {
        let installed = Self { program: "valgrind".into(), tools: None };
        installed.try_out().is_ok().then_some(installed)
    }

    /// The program, in an environment that is the same for everybody: what is counted reads it, too.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.env_clear();
        for name in ["HOME", "PATH"] {
            command.envs(env::var_os(name).map(|value| (name, value)));
        }
        if let Some(tools) = &self.tools {
            command.env("VALGRIND_LIB", tools);
        }
        command
    }

    fn unpacked(prefix: &Path) -> Self {
        Self { program: prefix.join(PROGRAM), tools: Some(prefix.join(TOOLS)) }
    }

    /// It may be there and not know this machine's processor or C library.
    fn try_out(&self) -> Result<()> {
        command::output(self.command().args(["--tool=none", "--quiet", "true"])).map(drop)
    }
}

fn works(prefix: &Path) -> Result<()> {
    Valgrind::unpacked(prefix).try_out()
}

fn fetch(prefix: &Path) -> Result<()> {
    eprintln!("Fetching valgrind into {} (80 MB, once a user)", prefix.display());
    let working = prefix.join("working");
    fs::create_dir_all(&working).with_context(|| format!("cannot create {}", working.display()))?;
    machine_debian::unpack(&PACKAGES, &[], &working, &prefix.join("unpacked"))?;
    cache::remove(&working)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_unpacked_is_told_where_its_tools_are() {
        let command = Valgrind::unpacked(Path::new("/cache/trixie")).command();
        let shown = command::display_with_environment(&command);
        assert!(
            shown.ends_with(
                " VALGRIND_LIB=/cache/trixie/unpacked/usr/libexec/valgrind /cache/trixie/unpacked/usr/bin/valgrind.bin"
            ),
            "{shown}"
        );
    }

    #[test]
    fn an_empty_prefix_does_not_work() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let error = works(directory.path()).expect_err("there is nothing");
        assert!(format!("{error:#}").contains("valgrind.bin"), "{error:#}");
    }
}
