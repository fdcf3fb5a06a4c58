//! Packages of the Debian release that this machine runs, with what they depend on, unpacked into a directory without being
//! installed: they share the machine's own libraries. It must not know what they are for.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::command;

/// The release's name, as in `bookworm`. Programs that were unpacked for one may miss their libraries in the next.
pub fn release() -> Result<String> {
    let text = fs::read_to_string("/etc/os-release").context("cannot read /etc/os-release")?;
    codename(&text).map(str::to_owned).context("/etc/os-release names no release (VERSION_CODENAME)")
}

fn codename(os_release: &str) -> Option<&str> {
    let name = os_release.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME="))?.trim_matches('"');
    Some(name).filter(|name| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric()))
}

/// Says what is missing before anything is downloaded.
pub fn require() -> Result<()> {
    for (program, option) in [("apt-get", "--version"), ("dpkg-deb", "--version")] {
        command::output(Command::new(program).arg(option))
            .with_context(|| format!("packages are fetched by {program}, which does not work here"))?;
    }
    release().map(drop)
}

/// Fetches packages, and those that they need and the machine lacks, and unpacks them all into a prefix. A package of
/// `if_there` is left out where the release has none of that name. The working directory is not needed afterwards.
pub fn unpack(packages: &[&str], if_there: &[&str], working: &Path, prefix: &Path) -> Result<()> {
    let apt = Apt::prepare(&working.join("apt"))?;
    command::output(apt.get().arg("update"))
        .context("cannot read the package lists (`apt-get update` must work on this machine)")?;
    let known =
        |package: &&&str| command::output(apt.cache().args(["show", "--no-all-versions"]).arg(**package)).is_ok();
    let packages: Vec<&str> = packages.iter().chain(if_there.iter().filter(known)).copied().collect();

    let mut simulation = apt.get();
    simulation.args(["install", "--simulate", "--no-install-recommends", "--reinstall"]).args(&packages);
    let simulated = command::output(&mut simulation).context("apt does not know how to install the packages")?;
    let needed = to_be_installed(&simulated);
    if let Some(missing) = packages.iter().find(|package| !needed.contains(package)) {
        bail!(
            "the package {missing} is installed, and its version can not be downloaded; hint: `apt-get upgrade {missing}`"
        );
    }

    let archives = working.join("archives");
    fs::create_dir(&archives)?;
    fs::create_dir(prefix)?;
    command::output(apt.get().arg("download").args(&needed).current_dir(&archives))
        .context("cannot download packages")?;
    for entry in fs::read_dir(&archives)? {
        let archive = entry?.path();
        command::output(Command::new("dpkg-deb").arg("-x").arg(&archive).arg(prefix))?;
        fs::remove_file(archive)?;
    }
    Ok(())
}

/// From lines like `Inst podman (4.3.1 Debian:12 [amd64])`.
fn to_be_installed(simulated: &str) -> Vec<&str> {
    let lines = simulated.lines().filter_map(|line| line.strip_prefix("Inst "));
    lines.filter_map(|line| line.split(' ').next()).collect()
}

/// apt as the machine has it configured, but for its lists, which images often come without, and which are not ours to renew.
struct Apt {
    configuration: PathBuf,
}

impl Apt {
    fn prepare(directory: &Path) -> Result<Self> {
        let (lists, cache) = (directory.join("lists"), directory.join("cache"));
        for path in [lists.join("partial"), cache.join("archives/partial")] {
            fs::create_dir_all(&path).with_context(|| format!("cannot create {}", path.display()))?;
        }
        let configuration = directory.join("apt.conf");
        let text = format!(
            r#"Dir::State::lists "{}";
Dir::Cache "{}";
// The sandbox's user may not enter the home directory of root.
APT::Sandbox::User "root";
// What the system does after its own updates is not for this one.
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
Acquire::Languages "none";
Acquire::Retries "1";
Acquire::http::Timeout "20";
Acquire::https::Timeout "20";
"#,
            lists.display(),
            cache.display(),
        );
        fs::write(&configuration, text).with_context(|| format!("cannot write {}", configuration.display()))?;
        Ok(Self { configuration })
    }

    fn get(&self) -> Command {
        self.command("apt-get")
    }

    fn cache(&self) -> Command {
        self.command("apt-cache")
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.arg("-q").arg("-c").arg(&self.configuration);
        command
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_is_known_by_its_codename() {
        assert_eq!(codename("ID=debian\nVERSION_CODENAME=bookworm\n"), Some("bookworm"));
        assert_eq!(codename("VERSION_CODENAME=\"noble\"\n"), Some("noble"));
        assert_eq!(codename("ID=alpine\n"), None);
        assert_eq!(codename("VERSION_CODENAME=../..\n"), None);
    }

    #[test]
    fn what_apt_would_install_is_what_is_downloaded() {
        let simulated = "The following NEW packages will be installed:\n  runc tini\n\
                         Inst runc (1.1.5 Debian:12 [amd64])\n\
                         Inst login [1:4.13] (1:4.13+deb12u2 Debian:12 [amd64])\n\
                         Conf runc (1.1.5 Debian:12 [amd64])\n";
        assert_eq!(to_be_installed(simulated), ["runc", "login"]);
    }
}
