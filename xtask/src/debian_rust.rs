//! Debian's rustc with its wasm32-wasip2 standard library, unpacked into the user's cache: for machines that reach a
//! Debian mirror and not rustup's servers. It must not know when that is wanted.
//!
//! Libraries must match their compiler exactly, so a standard library cannot be given to rustup's compiler; Debian's
//! compiler comes with it. It wants a newer C library than older systems have, so that is unpacked too, and a wrapper
//! starts the compiler through it. Nothing is installed on the system.

use std::env;
use std::ffi::OsString;
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::{command, guest_toolchain};

/// A stable release: its compiler stays 1.85.1, which is what guests and the guest SDK promise to compile with.
const SUITE: &str = "trixie";

/// The compiler, the standard library for guests and for build scripts, and what the compiler itself is linked to.
const PACKAGES: [&str; 17] = [
    "rustc",
    "libstd-rust-1.85",
    "libstd-rust-dev",
    "libstd-rust-dev-wasm32",
    "libllvm19",
    "libc6",
    "libgcc-s1",
    "libstdc++6",
    "zlib1g",
    "libzstd1",
    "libxml2",
    "libedit2",
    "libtinfo6",
    "libffi8",
    "liblzma5",
    "libbsd0",
    "libmd0",
];

/// What proves that the packages are Debian's.
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

const WRAPPER: &str = r#"#!/bin/sh
# Runs this folder's rustc with this folder's own C library, whatever the system's is.
prefix=${0%/*}/../usr
exec "$prefix/lib64/ld-linux-x86-64.so.2" --library-path "$prefix/lib/x86_64-linux-gnu" "$prefix/bin/rustc" --sysroot "$prefix" "$@"
"#;

/// The compiler in an unpacked prefix.
pub fn rustc(prefix: &Path) -> PathBuf {
    prefix.join("bin/rustc")
}

/// The prefix of an earlier run, if it is there and works.
pub fn unpacked() -> Option<PathBuf> {
    let prefix = prefix(&cache().ok()?);
    works(&prefix).ok().map(|()| prefix)
}

/// Fetches and unpacks the compiler for a host triple, and returns its prefix.
pub fn unpack(host: &str) -> Result<PathBuf> {
    require(host, Path::new(KEYRING))?;
    let cache = cache()?;
    fs::create_dir_all(&cache).with_context(|| format!("cannot create {}", cache.display()))?;
    let _lock = lock(&cache)?;
    // Another run may have finished while this one waited.
    let prefix = prefix(&cache);
    if works(&prefix).is_ok() {
        return Ok(prefix);
    }

    eprintln!("Fetching a Rust compiler for guests from Debian {SUITE} (180 MB, once a user)");
    let partial = cache.join("partial");
    remove(&partial)?; // of a run that was broken off
    let fetched = fetch_and_unpack(&partial);
    if let Err(error) = fetched {
        remove(&partial)?;
        return Err(error.context(format!("no compiler in {}", prefix.display())));
    }
    remove(&prefix)?; // of a prefix that does not work
    fs::rename(partial.join("prefix"), &prefix)
        .with_context(|| format!("cannot move the compiler to {}", prefix.display()))?;
    remove(&partial)?;
    Ok(prefix)
}

fn fetch_and_unpack(partial: &Path) -> Result<()> {
    let apt = Apt::prepare(&partial.join("apt"), &mirror()?)?;
    let packages = partial.join("packages");
    let prefix = partial.join("prefix");
    fs::create_dir(&packages)?;
    fs::create_dir(&prefix)?;
    command::output(apt.command().arg("update")).context(
        "cannot read Debian's package lists (`apt-get update` must work on this machine, and its mirror must have the \
         release trixie)",
    )?;
    command::output(apt.command().arg("download").args(PACKAGES).current_dir(&packages))
        .context("cannot download Debian's packages")?;

    eprintln!("Unpacking it");
    for entry in fs::read_dir(&packages)? {
        let package = entry?.path();
        command::output(Command::new("dpkg-deb").arg("-x").arg(&package).arg(&prefix))?;
        fs::remove_file(package)?;
    }
    fs::create_dir(prefix.join("bin"))?;
    fs::write(rustc(&prefix), WRAPPER)?;
    fs::set_permissions(rustc(&prefix), fs::Permissions::from_mode(0o755))?;
    works(&prefix).context("Debian's compiler was unpacked and does not work")
}

/// The compiler starts, and it has a standard library for guests.
fn works(prefix: &Path) -> Result<()> {
    command::output(Command::new(rustc(prefix)).arg("--version"))?;
    let libraries = prefix.join(format!("usr/lib/rustlib/{}/lib", guest_toolchain::TARGET));
    if !guest_toolchain::has_standard_library(&libraries) {
        bail!("there is no standard library in {}", libraries.display());
    }
    Ok(())
}

/// Says what is missing before anything is downloaded.
fn require(host: &str, keyring: &Path) -> Result<()> {
    if host != "x86_64-unknown-linux-gnu" {
        bail!("Debian's compiler is used on x86_64-unknown-linux-gnu only, and this machine is {host}");
    }
    for (program, option) in [("apt-get", "--version"), ("dpkg-deb", "--version")] {
        command::output(Command::new(program).arg(option))
            .with_context(|| format!("Debian's compiler is fetched by {program}, which does not work here"))?;
    }
    if !keyring.is_file() {
        bail!(
            "{} is missing, so Debian's packages cannot be verified; install debian-archive-keyring",
            keyring.display()
        );
    }
    Ok(())
}

/// `$XDG_CACHE_HOME` or `~/.cache`: outside the checkout, so that the next clone finds it.
fn cache() -> Result<PathBuf> {
    cache_of(env::var_os("XDG_CACHE_HOME"), env::var_os("HOME"))
        .context("no cache directory: neither XDG_CACHE_HOME nor HOME is set to an absolute path")
}

fn cache_of(xdg_cache_home: Option<OsString>, home: Option<OsString>) -> Option<PathBuf> {
    let absolute = |path: OsString| Some(PathBuf::from(path)).filter(|path| path.is_absolute());
    xdg_cache_home
        .and_then(absolute)
        .or_else(|| home.and_then(absolute).map(|home| home.join(".cache")))
        .map(|cache| cache.join("airlock/guest-toolchain"))
}

fn prefix(cache: &Path) -> PathBuf {
    cache.join(format!("debian-{SUITE}"))
}

/// One run fetches, others wait for it. The system frees the lock however the run ends.
fn lock(cache: &Path) -> Result<File> {
    let path = cache.join("lock");
    let file = File::create(&path).with_context(|| format!("cannot create {}", path.display()))?;
    if file.try_lock().is_err() {
        eprintln!("Waiting for another run that fetches the compiler (lock {})", path.display());
        file.lock().with_context(|| format!("cannot lock {}", path.display()))?;
    }
    Ok(file)
}

fn remove(directory: &Path) -> Result<()> {
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", directory.display()))
        }
        _ => Ok(()),
    }
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
    fn the_cache_is_the_users() {
        let of = |xdg: Option<&str>, home: Option<&str>| cache_of(xdg.map(Into::into), home.map(Into::into));
        let path = |text: &str| Some(PathBuf::from(text));
        assert_eq!(of(Some("/c"), Some("/h")), path("/c/airlock/guest-toolchain"));
        assert_eq!(of(None, Some("/h")), path("/h/.cache/airlock/guest-toolchain"));
        assert_eq!(of(Some(""), Some("/h")), path("/h/.cache/airlock/guest-toolchain"));
        assert_eq!(of(Some("relative"), Some("/h")), path("/h/.cache/airlock/guest-toolchain"));
        assert_eq!(of(None, None), None);
    }

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

    #[test]
    fn a_machine_that_cannot_run_it_is_refused_before_a_download() {
        let error = require("aarch64-apple-darwin", Path::new(KEYRING)).expect_err("refused");
        assert!(error.to_string().contains("aarch64-apple-darwin"), "{error}");
    }

    #[test]
    fn a_prefix_without_a_compiler_does_not_work() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        assert!(works(directory.path()).is_err());
    }

    #[test]
    fn a_compiler_without_the_standard_library_for_guests_does_not_work() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        fs::create_dir(directory.path().join("bin")).expect("bin");
        std::os::unix::fs::symlink("/bin/true", rustc(directory.path())).expect("a compiler that only starts");
        let error = works(directory.path()).expect_err("no standard library");
        assert!(error.to_string().contains("no standard library"), "{error}");
        let libraries = directory.path().join("usr/lib/rustlib/wasm32-wasip2/lib");
        fs::create_dir_all(&libraries).expect("libraries");
        fs::write(libraries.join("libstd-0.rlib"), "").expect("a library");
        works(directory.path()).expect("now it does");
    }
}
