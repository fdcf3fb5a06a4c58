//! The directories that a guest sees: `/airbyte`, which it may write to, mounts, which it may read, and `/connector`, where its
//! connector carries files.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use wasmtime_wasi::{FsPerms, WasiCtxBuilder};

use super::carried_directory::{self, CONNECTOR_DIRECTORY};
use super::in_force::Directory;
use super::private_directory::PrivateDirectory;

/// Where a guest finds the one directory that it may write to.
pub const AIRBYTE_DIRECTORY: &str = "/airbyte";

/// So many open files are kept from guests, or a fourth where there are few: a temporary directory can not be removed without.
const FILES_KEPT_BACK: u64 = 64;

/// Lets a guest have as many files open as this process ever may, but for a few. A destination with a file for each stream needs
/// them, and what a shell gives by default ends at some 250 or 1,000 streams.
fn allow_many_open_files() {
    let limit = getrlimit(Resource::Nofile);
    // Where that is not granted, the default has to do.
    let current = limit.maximum.map(|files| files - FILES_KEPT_BACK.min(files / 4));
    let _ = setrlimit(Resource::Nofile, Rlimit { current, ..limit });
}

/// A directory of the host that a guest may read: `HOST:GUEST`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// The directory on this machine.
    pub host: PathBuf,
    /// Its absolute path in the guest.
    pub guest: String,
}

impl FromStr for Mount {
    type Err = String;

    fn from_str(text: &str) -> Result<Mount, String> {
        let (host, guest) = text
            .rsplit_once(":/")
            .filter(|(host, _)| !host.is_empty())
            .ok_or("a mount is written HOST:GUEST, and GUEST is an absolute path, as in ./data:/data")?;
        let guest = format!("/{}", guest.trim_end_matches('/'));
        let reserved = |own: &str| guest.strip_prefix(own).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        if guest == "/" || reserved(AIRBYTE_DIRECTORY) || reserved(CONNECTOR_DIRECTORY) {
            return Err(format!(
                "{guest} can not be mounted on: choose a directory that is neither / nor below /airbyte or /connector"
            ));
        }
        if guest[1..].split('/').any(|part| matches!(part, ".." | "." | "")) {
            return Err(format!("{guest} must be a path without . and .. and doubled slashes"));
        }
        Ok(Mount { host: host.into(), guest })
    }
}

/// The directories of one run.
pub struct Filesystem {
    airbyte: PathBuf,
    mounts: Vec<Mount>,
    /// Removed when this is dropped.
    temporary: Option<PrivateDirectory>,
    /// Where the files are that the connector carries.
    carried: Option<PathBuf>,
    /// The directory that was made for them, and is removed as well.
    unpacked: Option<PrivateDirectory>,
}

impl Filesystem {
    /// With this directory as the guest's `/airbyte`, or else a private one that lives as long as this does.
    pub fn new(airbyte: Option<&Path>, mounts: &[Mount]) -> Result<Filesystem, String> {
        for (place, mount) in mounts.iter().enumerate() {
            require_directory(&mount.host, "--mount")?;
            if let Some(airbyte) = airbyte {
                require_outside(&mount.host, airbyte)?;
            }
            if mounts[..place].iter().any(|other| other.guest == mount.guest) {
                return Err(format!("--mount names {} twice: give each directory a place of its own.", mount.guest));
            }
        }
        let (airbyte, temporary) = match airbyte {
            Some(directory) => {
                require_directory(directory, "--airbyte-dir (or AIRLOCK_AIRBYTE_DIR)")?;
                (directory.to_owned(), None)
            }
            None => {
                let temporary = private_directory()?;
                (temporary.path().to_owned(), Some(temporary))
            }
        };
        allow_many_open_files();
        Ok(Filesystem { airbyte, mounts: mounts.to_vec(), temporary, carried: None, unpacked: None })
    }

    /// The directory on this machine that is the guest's `/airbyte`.
    pub fn airbyte(&self) -> &Path {
        &self.airbyte
    }

    /// Puts the files that a connector carries where its guest reads them: where they lie already, if that is `laid_out`.
    pub fn carry<'a>(
        &mut self,
        files: impl Iterator<Item = (&'a str, &'a [u8])> + Clone,
        laid_out: &Path,
    ) -> Result<(), String> {
        if carried_directory::lie_in(laid_out, files.clone(), &self.airbyte) {
            self.carried = Some(laid_out.to_owned());
            return Ok(());
        }
        let unpacked = carried_directory::unpack(files, &self.airbyte)?;
        self.carried = Some(unpacked.path().to_owned());
        self.unpacked = Some(unpacked);
        Ok(())
    }

    /// The directories that go with the process: the guest's `/airbyte` and `/connector`, where they are such.
    pub fn temporary(&self) -> [Option<&Path>; 2] {
        [&self.temporary, &self.unpacked].map(|directory| directory.as_ref().map(PrivateDirectory::path))
    }

    /// What the guest may read and no more: where it is here, and there.
    fn readable(&self) -> impl Iterator<Item = (&Path, &str)> {
        let mounts = self.mounts.iter().map(|mount| (mount.host.as_path(), mount.guest.as_str()));
        mounts.chain(self.carried.iter().map(|directory| (directory.as_path(), CONNECTOR_DIRECTORY)))
    }

    /// What the guest sees.
    pub(super) fn directories(&self) -> Vec<Directory> {
        let directory =
            |guest: &str, host: &Path, writable| Directory { guest: guest.into(), host: host.into(), writable };
        let readable = self.readable().map(|(host, guest)| directory(guest, host, false));
        std::iter::once(directory(AIRBYTE_DIRECTORY, &self.airbyte, true)).chain(readable).collect()
    }

    pub(super) fn grant(&self, builder: &mut WasiCtxBuilder) -> Result<(), String> {
        let writable = (self.airbyte.as_path(), AIRBYTE_DIRECTORY, FsPerms::ReadWrite);
        let readable = self.readable().map(|(host, guest)| (host, guest, FsPerms::ReadOnly));
        for (host, guest, permissions) in std::iter::once(writable).chain(readable) {
            builder.preopened_dir(host, guest, permissions).map_err(|error| {
                format!("The directory {}, the connector's {guest}, can not be opened: {error:#}.", host.display())
            })?;
        }
        Ok(())
    }
}

fn private_directory() -> Result<PrivateDirectory, String> {
    PrivateDirectory::new().map_err(|error| {
        format!(
            "A temporary directory for the connector's /airbyte can not be made below {}: {error}. \
             Name a directory with --airbyte-dir.",
            std::env::temp_dir().display()
        )
    })
}

/// What lies in the connector's own directory it may write to, also where it is mounted for reading; and it may have put a link there
/// that leads elsewhere.
fn require_outside(mount: &Path, airbyte: &Path) -> Result<(), String> {
    let real = |path: &Path| path.canonicalize().ok();
    let named = std::path::absolute(mount).ok();
    let named = named.as_deref().and_then(Path::parent).and_then(real);
    let inside = |place: Option<PathBuf>| place.zip(real(airbyte)).is_some_and(|(place, own)| place.starts_with(own));
    if inside(real(mount)) || inside(named) {
        return Err(format!(
            "{}, which --mount names, is in {}, where the connector may write. Mount a directory that is elsewhere: what is in that one, \
             the connector sees below {AIRBYTE_DIRECTORY}.",
            mount.display(),
            airbyte.display()
        ));
    }
    Ok(())
}

fn require_directory(path: &Path, option: &str) -> Result<(), String> {
    let problem = match path.metadata() {
        Ok(metadata) if metadata.is_dir() => return Ok(()),
        Ok(_) => "is not a directory".to_owned(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            format!("does not exist. Make it first: mkdir -p {}", path.display())
        }
        Err(error) => format!("can not be used: {error}"),
    };
    Err(format!("{}, which {option} names, {problem}.", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_are_parsed_and_nothing_goes_over_airbyte() {
        let mount: Mount = "C:odd:dir:/data/".parse().unwrap();
        assert_eq!((mount.host.to_str(), mount.guest.as_str()), (Some("C:odd:dir"), "/data"));
        for bad in [
            "",
            "/data",
            ":/data",
            "a:b",
            "a:/",
            "a:/airbyte",
            "a:/airbyte/x",
            "a:/airbyte/",
            "a:/b/../airbyte",
            "a://airbyte",
            "a:/connector",
            "a:/connector/x",
        ] {
            assert!(bad.parse::<Mount>().is_err(), "{bad}");
        }
    }
}
