//! Debian's packages, unpacked into a directory without being installed. It must not know what they are for.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::command;

/// A stable release: its compiler stays 1.85.1, which is what guests and the guest SDK promise to compile with.
pub const SUITE: &str = "trixie";

/// What proves that the packages are Debian's.
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// Says what is missing before anything is downloaded.
pub fn require() -> Result<()> {
    for (program, option) in [("apt-get", "--version"), ("dpkg-deb", "--version")] {
        command::output(Command::new(program).arg(option))
            .with_context(|| format!("Debian's packages are fetched by {program}, which does not work here"))?;
    }
    if !Path::new(KEYRING).is_file() {
        bail!("{KEYRING} is missing, so Debian's packages cannot be verified; install debian-archive-keyring");
    }
    Ok(())
}

/// Fetches packages and unpacks them into a prefix. The working directory is not needed afterwards.
pub fn unpack(packages: &[&str], working: &Path, prefix: &Path) -> Result<()> {
    let apt = Apt::prepare(&working.join("apt"), &mirror()?)?;
    let archives = working.join("archives");
    fs::create_dir(&archives)?;
    fs::create_dir(prefix)?;
    command::output(apt.command().arg("update")).context(
        "cannot read Debian's package lists (`apt-get update` must work on this machine, and its mirror must have the \
         release trixie)",
    )?;
    command::output(apt.command().arg("download").args(packages).current_dir(&archives))
        .context("cannot download Debian's packages")?;

    eprintln!("Unpacking it");
    for entry in fs::read_dir(&archives)? {
        let archive = entry?.path();
        command::output(Command::new("dpkg-deb").arg("-x").arg(&archive).arg(prefix))?;
        fs::remove_file(archive)?;
    }
    Ok(())
}

/// The mirror that this machine's own apt uses. Asked in a way that needs no lists: images often come without them.
fn mirror() -> Result<String> {
    let indexes = command::output(Command::new("apt-get").args(["--print-uris", "update"]))?;
    choose_mirror(&indexes)
        .map(str::to_owned)
        .context("apt knows no package archive; hint: see /etc/apt/sources.list.d")
}

/// From lines like `'http://mirror.example/debian/dists/bookworm/InRelease' …`. Vendors' archives are configured beside
/// Debian's on many machines, and an archive of security updates has none of the packages.
fn choose_mirror(indexes: &str) -> Option<&str> {
    let archives = || {
        let addresses = indexes.lines().filter_map(|line| line.strip_prefix('\''));
        addresses.filter_map(|address| Some(address.split_once("/dists/")?.0))
    };
    archives()
        .find(|archive| archive.ends_with("/debian"))
        .or_else(|| archives().find(|archive| archive.contains("debian") && !archive.contains("security")))
        .or_else(|| archives().next())
}

/// apt with a configuration of its own: it reads one archive, and writes below one directory.
struct Apt {
    configuration: PathBuf,
}

impl Apt {
    fn prepare(directory: &Path, mirror: &str) -> Result<Self> {
        let sources = directory.join("sources.list");
        let lists = directory.join("lists");
        let cache = directory.join("cache");
        let status = directory.join("status");
        for path in [lists.join("partial"), cache.join("archives/partial")] {
            fs::create_dir_all(&path).with_context(|| format!("cannot create {}", path.display()))?;
        }
        fs::write(&sources, format!("deb [signed-by={KEYRING}] {mirror} {SUITE} main\n"))?;
        fs::write(&status, "")?;
        let configuration = directory.join("apt.conf");
        fs::write(
            &configuration,
            format!(
                r#"Dir::Etc::sourcelist "{}";
Dir::Etc::sourceparts "-";
Dir::Etc::preferences "-";
Dir::Etc::preferencesparts "-";
Dir::State::lists "{}";
Dir::Cache "{}";
// apt prefers what is installed to what can be downloaded, so it is told that nothing is.
Dir::State::status "{}";
APT::Architecture "amd64";
APT::Architectures "amd64";
// The sandbox's user may not enter the home directory of root.
APT::Sandbox::User "root";
// Otherwise `update` succeeds without a network.
APT::Update::Error-Mode "any";
// What the system does after its own updates is not for this one.
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
Acquire::Languages "none";
Acquire::Retries "1";
Acquire::http::Timeout "20";
Acquire::https::Timeout "20";
"#,
                sources.display(),
                lists.display(),
                cache.display(),
                status.display(),
            ),
        )?;
        Ok(Self { configuration })
    }

    /// An apt-get that reads this configuration after the system's, which may name a proxy.
    fn command(&self) -> Command {
        let mut command = Command::new("apt-get");
        command.arg("-q").arg("-c").arg(&self.configuration);
        command
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mirror_is_debians_archive_whatever_else_is_configured() {
        let indexes = |archives: &[&str]| -> String {
            let line = |archive| format!("'{archive}/dists/bookworm/InRelease' some_file 0 \n");
            archives.iter().map(line).collect()
        };
        let vendor = "https://vendor.example/apt";
        let security = "http://mirror.example/debian-security";
        let debian = "http://mirror.example/debian";
        let from_list = "mirror+file:/etc/apt/mirrors/debian.list";
        let chosen = |archives: &[&str]| choose_mirror(&indexes(archives)).map(str::to_owned);
        assert_eq!(chosen(&[vendor, security, debian]).as_deref(), Some(debian));
        assert_eq!(chosen(&[vendor, security, from_list]).as_deref(), Some(from_list));
        assert_eq!(chosen(&["http://proxy.example/all"]).as_deref(), Some("http://proxy.example/all"));
        assert_eq!(choose_mirror("Reading package lists...\n"), None);
    }
}
