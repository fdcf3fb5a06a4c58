//! What the base image has from Debian: busybox, the certificates of authorities, and texts of licences. It must not know where
//! in the image they go.

use std::fs;
use std::path::{Path, PathBuf};

use airlock_images::Platform;
use anyhow::{Context, Result, bail};

use crate::debian::{self, BOOKWORM, Lists};
use crate::{cache, command};

/// In target/base-image: `cargo clean` makes the next build fetch what is newest.
const PREFIX: &str = "debian-bookworm";
/// In the prefix, beside a folder for each platform.
const COMMON: &str = "all";

/// Statically linked: it runs in an image without a C library.
const BUSYBOX: &str = "busybox-static";
const CERTIFICATES: &str = "ca-certificates";
/// For the texts of licences that Debian's packages refer to.
const LICENCES: &str = "base-files";

/// The packages, unpacked.
pub struct Packages {
    prefix: PathBuf,
}

impl Packages {
    /// Finds them below `target/`, or gets them from Debian's mirror.
    pub fn ensure() -> Result<Self> {
        let cache = command::workspace_root().join("target/base-image");
        let prefix = cache::once(&cache, PREFIX, works, fetch).context(
            "busybox and the certificates of the base image can not be had from Debian.\nhint: this needs apt-get and a \
             mirror of Debian's",
        )?;
        Ok(Self { prefix })
    }

    /// busybox, as a program.
    pub fn busybox(&self, platform: Platform) -> Result<Vec<u8>> {
        read(&busybox(&self.prefix, platform))
    }

    /// One file with all the certificates, in the order in which Debian's `update-ca-certificates` puts them.
    pub fn certificates(&self) -> Result<Vec<u8>> {
        let directory = self.prefix.join(COMMON).join("usr/share/ca-certificates/mozilla");
        let entries = fs::read_dir(&directory).with_context(|| format!("cannot read {}", directory.display()))?;
        let mut files = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
        files.sort();
        bundle(&files.iter().map(|file| read(file)).collect::<Result<Vec<_>>>()?)
    }

    /// What Debian says about busybox's licence, and where its source is.
    pub fn busybox_copyright(&self, platform: Platform) -> Result<Vec<u8>> {
        let prefix = self.prefix.join(platform.architecture());
        let mut text = read(&prefix.join("usr/share/doc/busybox-static/copyright"))?;
        let field = |name| debian::package_field(&prefix, BUSYBOX, name).map(Option::unwrap_or_default);
        text.extend(source_offer(&field("Version")?, &field("Source")?, &field("Built-Using")?).into_bytes());
        Ok(text)
    }

    /// What Debian says about the certificates' licence.
    pub fn certificates_copyright(&self) -> Result<Vec<u8>> {
        let mut text = read(&self.prefix.join(COMMON).join("usr/share/doc/ca-certificates/copyright"))?;
        text.extend(format!("\nThis is version {} of Debian's package.\n", self.certificates_version()?).into_bytes());
        Ok(text)
    }

    /// The text of a licence, by the name that Debian has for it.
    pub fn licence(&self, name: &str) -> Result<Vec<u8>> {
        read(&self.prefix.join(COMMON).join("usr/share/common-licenses").join(name))
    }

    /// What was used, for people.
    pub fn describe(&self, platform: Platform) -> Result<String> {
        let busybox = debian::package_field(&self.prefix.join(platform.architecture()), BUSYBOX, "Version")?;
        Ok(format!(
            "{BUSYBOX} {}, {CERTIFICATES} {} of Debian {}",
            busybox.unwrap_or_default(),
            self.certificates_version()?,
            BOOKWORM.suite
        ))
    }

    fn certificates_version(&self) -> Result<String> {
        debian::package_field(&self.prefix.join(COMMON), CERTIFICATES, "Version").map(Option::unwrap_or_default)
    }
}

fn fetch(prefix: &Path) -> Result<()> {
    debian::require()?;
    eprintln!("Fetching busybox and certificates from Debian {}", BOOKWORM.suite);
    let lists = Lists::fetch(&BOOKWORM, &prefix.with_file_name("packages"))?;
    for platform in Platform::ALL {
        let architecture = platform.architecture();
        lists.unpack(&[&format!("{BUSYBOX}:{architecture}")], &prefix.join(architecture))?;
    }
    lists.unpack(&[CERTIFICATES, LICENCES], &prefix.join(COMMON))
}

fn works(prefix: &Path) -> Result<()> {
    let mut expected = Platform::ALL.map(|platform| busybox(prefix, platform)).to_vec();
    expected.push(prefix.join(COMMON).join("usr/share/ca-certificates/mozilla"));
    expected.push(prefix.join(COMMON).join("usr/share/common-licenses/GPL-2"));
    match expected.iter().find(|path| !path.exists()) {
        Some(missing) => bail!("there is no {}", missing.display()),
        None => Ok(()),
    }
}

fn busybox(prefix: &Path, platform: Platform) -> PathBuf {
    prefix.join(platform.architecture()).join("bin/busybox")
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

fn bundle(certificates: &[Vec<u8>]) -> Result<Vec<u8>> {
    let mut bundle = Vec::new();
    for certificate in certificates {
        if !certificate.starts_with(b"-----BEGIN CERTIFICATE-----") {
            bail!("Debian's package of certificates has a file that is none");
        }
        bundle.extend(certificate);
        if !certificate.ends_with(b"\n") {
            bundle.push(b'\n');
        }
    }
    if bundle.is_empty() {
        bail!("Debian's package of certificates has none");
    }
    Ok(bundle)
}

/// The licence of busybox asks that whoever gets the program can get its source, of just this version.
fn source_offer(version: &str, source: &str, built_using: &str) -> String {
    // A package that was built again from the same source names that source's version.
    let (name, source_version) = source.split_once(' ').unwrap_or((source, version));
    let name = if name.is_empty() { "busybox" } else { name };
    let source_version = source_version.trim_matches(['(', ')']);
    let libraries = if built_using.is_empty() { "glibc" } else { built_using };
    format!(
        "
This is the program of Debian's package {BUSYBOX} {version}, unchanged. Its source is Debian's source
package {name} {source_version}: `apt-get source {name}={source_version}` gets it from Debian's archive, and Debian's archive
of snapshots keeps it when that has moved on. Whoever hands this image on may point there as well.
It is linked statically to the GNU C Library (Debian: {libraries}), which is under the LGPL, version 2.1 or
later: /usr/share/common-licenses/LGPL-2.1. Debian's source package is all that is needed to link it anew.
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_are_put_together_each_on_lines_of_its_own() {
        let certificate = |name: &str, end: &str| format!("-----BEGIN CERTIFICATE-----{name}{end}").into_bytes();
        let text = bundle(&[certificate("a", ""), certificate("b", "\n")]).expect("a bundle");
        assert_eq!(text, b"-----BEGIN CERTIFICATE-----a\n-----BEGIN CERTIFICATE-----b\n");
        assert!(bundle(&[b"README".to_vec()]).is_err());
        assert!(bundle(&[]).is_err());
    }

    #[test]
    fn the_source_is_named_with_its_own_version() {
        let text = source_offer("1:1.35.0-4+b1", "busybox (1:1.35.0-4)", "glibc (= 2.36-9)");
        for part in ["busybox-static 1:1.35.0-4+b1", "apt-get source busybox=1:1.35.0-4`", "glibc (= 2.36-9)"] {
            assert!(text.contains(part), "{part} is missing in {text}");
        }
        let text = source_offer("1:1.35.0-4", "busybox", "");
        assert!(text.contains("apt-get source busybox=1:1.35.0-4`"), "{text}");
    }
}
