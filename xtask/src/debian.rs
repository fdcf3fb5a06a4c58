//! Debian's packages, unpacked into a directory without being installed. It must not know what they are for.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::command;

/// A release of Debian.
pub struct Release {
    /// As in the mirror's `dists/`.
    pub suite: &'static str,
    /// Whether its security updates are wanted: what they bring may be of another version.
    security: bool,
    /// What packages are for unless they say otherwise comes first.
    architectures: &'static [&'static str],
}

/// A stable release: its compiler stays 1.85.1, which is what guests and the guest SDK promise to compile with.
pub const TRIXIE: Release = Release { suite: "trixie", security: false, architectures: &["amd64"] };

/// The release before it, which browsers keep supplied with a compiler that is new enough for the host; and what is in
/// images, with its security updates.
pub const BOOKWORM: Release = Release { suite: "bookworm", security: true, architectures: &["amd64", "arm64"] };

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

/// The package lists of a release: apt with a configuration of its own, which reads this release only, and writes below
/// one directory.
pub struct Lists {
    directory: PathBuf,
}

impl Lists {
    /// Reads them from the mirror that this machine's own apt uses. Asked in a way that needs no lists: images often come
    /// without them. The directory is not needed after the last package is unpacked.
    pub fn fetch(release: &Release, directory: &Path) -> Result<Self> {
        let indexes = command::output(Command::new("apt-get").args(["--print-uris", "update"]))?;
        let sources = sources(release, &indexes)?;
        let lists = Self { directory: directory.to_owned() };
        lists.configure(release, &sources)?;
        command::output(lists.apt("apt-get").arg("update")).with_context(|| {
            format!(
                "cannot read Debian's package lists (`apt-get update` must work on this machine, and its mirror must \
                 have the release {})",
                release.suite
            )
        })?;
        Ok(lists)
    }

    /// The names of the packages that a package depends on.
    pub fn dependencies(&self, package: &str) -> Result<Vec<String>> {
        Ok(dependencies_in(&command::output(self.apt("apt-cache").args(["depends", "--important", package]))?))
    }

    /// Fetches packages (`NAME` or `NAME:ARCHITECTURE`) and unpacks them into a prefix. Beside their files, `DEBIAN/NAME`
    /// says what each package is.
    pub fn unpack(&self, packages: &[&str], prefix: &Path) -> Result<()> {
        let archives = self.directory.join("archives");
        fs::create_dir_all(&archives)?;
        let records = prefix.join(RECORDS);
        fs::create_dir_all(&records)?;
        command::output(self.apt("apt-get").arg("download").args(packages).current_dir(&archives))
            .context("cannot download Debian's packages")?;

        for entry in fs::read_dir(&archives)? {
            let archive = entry?.path();
            command::output(Command::new("dpkg-deb").arg("-x").arg(&archive).arg(prefix))?;
            let record = command::output(Command::new("dpkg-deb").arg("--field").arg(&archive))?;
            let name = field(&record, "Package").context("a package of Debian's has no name")?;
            fs::write(records.join(name), &record)?;
            fs::remove_file(archive)?;
        }
        Ok(())
    }

    fn configure(&self, release: &Release, sources: &str) -> Result<()> {
        let lists = self.directory.join("lists");
        let cache = self.directory.join("cache");
        for path in [lists.join("partial"), cache.join("archives/partial")] {
            fs::create_dir_all(&path).with_context(|| format!("cannot create {}", path.display()))?;
        }
        let sources_list = self.directory.join("sources.list");
        let status = self.directory.join("status");
        fs::write(&sources_list, sources)?;
        fs::write(&status, "")?;
        fs::write(
            self.configuration(),
            format!(
                r#"Dir::Etc::sourcelist "{}";
Dir::Etc::sourceparts "-";
Dir::Etc::preferences "-";
Dir::Etc::preferencesparts "-";
Dir::State::lists "{}";
Dir::Cache "{}";
// apt prefers what is installed to what can be downloaded, so it is told that nothing is.
Dir::State::status "{}";
APT::Architecture "{}";
#clear APT::Architectures;
APT::Architectures {{ "{}"; }};
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
                sources_list.display(),
                lists.display(),
                cache.display(),
                status.display(),
                release.architectures[0],
                release.architectures.join("\"; \""),
            ),
        )?;
        Ok(())
    }

    fn configuration(&self) -> PathBuf {
        self.directory.join("apt.conf")
    }

    /// A program of apt's that reads this configuration after the system's, which may name a proxy.
    fn apt(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.arg("-q").arg("-c").arg(self.configuration());
        command
    }
}

/// Fetches packages of a release and unpacks them into a prefix. `packages` beside it may go afterwards.
pub fn unpack(release: &Release, packages: &[&str], prefix: &Path) -> Result<()> {
    let working = prefix.with_file_name("packages");
    Lists::fetch(release, &working)?.unpack(packages, prefix)
}

/// Where an unpacked prefix keeps what the packages say of themselves.
const RECORDS: &str = "DEBIAN";

/// What an unpacked package says of itself, as in `Version`.
pub fn package_field(prefix: &Path, package: &str, name: &str) -> Result<Option<String>> {
    let path = prefix.join(RECORDS).join(package);
    let record = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(field(&record, name).map(str::to_owned))
}

fn field<'a>(record: &'a str, name: &str) -> Option<&'a str> {
    record.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

/// From lines like `  Depends: libc6` and, of several that will do, ` |Depends: debconf`.
fn dependencies_in(text: &str) -> Vec<String> {
    let names = text.lines().filter_map(|line| line.trim_start_matches([' ', '|']).strip_prefix("Depends: "));
    names.map(str::to_owned).collect()
}

/// apt's `sources.list` for a release, by the archives that this machine's apt names.
fn sources(release: &Release, indexes: &str) -> Result<String> {
    let mirror = choose_mirror(indexes).context("apt knows no package archive; hint: see /etc/apt/sources.list.d")?;
    let suite = release.suite;
    let mut sources = format!("deb [signed-by={KEYRING}] {mirror} {suite} main\n");
    if release.security {
        let security = choose_security(indexes, mirror).with_context(|| {
            format!(
                "apt knows no archive of Debian's security updates, and none can be told from {mirror}; hint: add one \
                 to /etc/apt/sources.list.d"
            )
        })?;
        sources += &format!("deb [signed-by={KEYRING}] {security} {suite}-security main\n");
    }
    Ok(sources)
}

/// From lines like `'http://mirror.example/debian/dists/bookworm/InRelease' …`.
fn archives(indexes: &str) -> impl Iterator<Item = (&str, &str)> {
    indexes.lines().filter_map(|line| line.strip_prefix('\'')?.split_once("/dists/"))
}

/// Vendors' archives are configured beside Debian's on many machines, and an archive of security updates has few of the
/// packages.
fn choose_mirror(indexes: &str) -> Option<&str> {
    let archives = || archives(indexes).map(|(archive, _)| archive);
    archives()
        .find(|archive| archive.ends_with("/debian"))
        .or_else(|| archives().find(|archive| archive.contains("debian") && !archive.contains("security")))
        .or_else(|| archives().next())
}

/// The archive that this machine's own security updates come from, or the one that mirrors have beside Debian's.
fn choose_security(indexes: &str, mirror: &str) -> Option<String> {
    archives(indexes)
        .find(|(archive, index)| {
            let suite = index.split('/').next().unwrap_or_default();
            archive.contains("debian") && suite.ends_with("-security")
        })
        .map(|(archive, _)| archive.to_owned())
        .or_else(|| mirror.ends_with("/debian").then(|| format!("{mirror}-security")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn indexes(archives: &[(&str, &str)]) -> String {
        archives.iter().map(|(archive, suite)| format!("'{archive}/dists/{suite}/InRelease' some_file 0 \n")).collect()
    }

    const VENDOR: (&str, &str) = ("https://vendor.example/apt", "stable");
    const SECURITY: (&str, &str) = ("http://mirror.example/debian-security", "trixie-security");
    const DEBIAN: (&str, &str) = ("http://mirror.example/debian", "trixie");

    #[test]
    fn the_mirror_is_debians_archive_whatever_else_is_configured() {
        let from_list = ("mirror+file:/etc/apt/mirrors/debian.list", "trixie");
        let proxy = ("http://proxy.example/all", "trixie");
        let chosen = |archives: &[_]| choose_mirror(&indexes(archives)).map(str::to_owned);
        assert_eq!(chosen(&[VENDOR, SECURITY, DEBIAN]).as_deref(), Some(DEBIAN.0));
        assert_eq!(chosen(&[VENDOR, SECURITY, from_list]).as_deref(), Some(from_list.0));
        assert_eq!(chosen(&[proxy]).as_deref(), Some(proxy.0));
        assert_eq!(choose_mirror("Reading package lists...\n"), None);
    }

    #[test]
    fn security_updates_come_from_the_machines_own_archive_or_from_beside_the_mirror() {
        let elsewhere = ("http://security.debian.example", "trixie-security");
        let chosen = |archives: &[_], mirror| choose_security(&indexes(archives), mirror);
        assert_eq!(chosen(&[VENDOR, DEBIAN, elsewhere], DEBIAN.0).as_deref(), Some(elsewhere.0));
        assert_eq!(chosen(&[VENDOR, DEBIAN], DEBIAN.0).as_deref(), Some(SECURITY.0));
        assert_eq!(chosen(&[VENDOR], VENDOR.0), None);
    }

    #[test]
    fn a_release_has_the_archives_that_it_is_wanted_from() {
        let machine = indexes(&[DEBIAN, SECURITY]);
        let trixie = sources(&TRIXIE, &machine).expect("a mirror");
        assert_eq!(trixie, format!("deb [signed-by={KEYRING}] http://mirror.example/debian trixie main\n"));
        let bookworm = sources(&BOOKWORM, &machine).expect("a mirror");
        assert!(bookworm.contains("example/debian bookworm main\n"), "{bookworm}");
        assert!(bookworm.contains("example/debian-security bookworm-security main\n"), "{bookworm}");
    }

    #[test]
    fn dependencies_are_read_from_apts_answer() {
        let text = "libllvm22\n  Depends: libc6\n |Depends: debconf\n  Depends: <debconf-2.0>\n    cdebconf\n";
        assert_eq!(dependencies_in(text), ["libc6", "debconf", "<debconf-2.0>"]);
    }

    #[test]
    fn a_package_says_what_it_is() {
        let record = "Package: busybox-static\nSource: busybox (1:1.35.0-4)\nVersion: 1:1.35.0-4+b1\n";
        assert_eq!(field(record, "Version"), Some("1:1.35.0-4+b1"));
        assert_eq!(field(record, "Built-Using"), None);
    }
}
