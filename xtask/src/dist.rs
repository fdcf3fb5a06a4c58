//! `dist/`: where the build leaves its results, so that scripts, images and tests find them.
//! It must not know how they are made.

use std::fs;
use std::path::{Path, PathBuf};
use std::process;

use airlock_images::{Platform, contents};
use anyhow::{Context, Result};

use crate::command;

/// The directory itself.
pub fn directory() -> PathBuf {
    command::workspace_root().join("dist")
}

/// The host.
pub fn airlock() -> PathBuf {
    directory().join("airlock")
}

/// A guest of guest-examples/.
pub fn connector(name: &str) -> PathBuf {
    directory().join("connectors").join(format!("{name}.wasm"))
}

/// What the platform's registry knows of a guest.
pub fn metadata(name: &str) -> PathBuf {
    directory().join("connectors").join(format!("{name}.metadata.yaml"))
}

/// A faulty guest of the tests.
pub fn test_guest(name: &str) -> PathBuf {
    directory().join("test-guests").join(format!("{name}.wasm"))
}

/// The image that connector images start from.
pub fn base_image() -> PathBuf {
    directory().join(contents::BASE_ARCHIVE)
}

/// The files of that image for one platform, which images/Dockerfile unpacks.
pub fn root_file_system(platform: Platform) -> PathBuf {
    directory().join("base-image").join(format!("rootfs-{}.tar", platform.architecture()))
}

/// Copies a file to its place. Nobody ever sees half of it, and a file that is the same already keeps its time.
pub fn put(from: &Path, to: &Path) -> Result<()> {
    let what = || format!("cannot copy {} to {}", from.display(), to.display());
    let new = fs::read(from).with_context(what)?;
    let permissions = fs::metadata(from).with_context(what)?.permissions();
    let same =
        fs::read(to).is_ok_and(|old| old == new) && fs::metadata(to).is_ok_and(|old| old.permissions() == permissions);
    if same {
        return Ok(());
    }
    if let Some(parent) = to.parent() {
        fs::create_dir_all(parent).with_context(what)?;
    }
    let name = to.file_name().unwrap_or_default().to_string_lossy();
    let temporary = to.with_file_name(format!(".{name}.{}", process::id()));
    fs::write(&temporary, new)
        .and_then(|()| fs::set_permissions(&temporary, permissions))
        .and_then(|()| fs::rename(&temporary, to))
        .inspect_err(|_| {
            // The first error is the one to report.
            let _ = fs::remove_file(&temporary);
        })
        .with_context(what)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    use super::*;

    fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).expect("a directory");
        let mut names: Vec<String> =
            entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_is_put_in_place_and_replaced_only_when_it_changed() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let (from, to) = (directory.path().join("from"), directory.path().join("dist/to"));
        fs::write(&from, "one").expect("written");
        fs::set_permissions(&from, fs::Permissions::from_mode(0o755)).expect("executable");

        put(&from, &to).expect("put");
        assert_eq!(fs::read(&to).expect("there"), b"one");
        assert_eq!(fs::metadata(&to).expect("there").permissions().mode() & 0o777, 0o755);

        let first = fs::metadata(&to).expect("there").ino();
        put(&from, &to).expect("put again");
        assert_eq!(fs::metadata(&to).expect("there").ino(), first, "the same file was replaced");

        fs::write(&from, "two").expect("written");
        put(&from, &to).expect("put a change");
        assert_eq!(fs::read(&to).expect("there"), b"two");
        assert_eq!(names(&directory.path().join("dist")), ["to"], "a temporary file stayed");
    }

    #[test]
    fn a_failure_names_both_files_and_leaves_the_old_one() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let to = directory.path().join("to");
        fs::write(&to, "old").expect("written");
        let error = put(&directory.path().join("absent"), &to).expect_err("absent");
        let text = format!("{error:#}");
        assert!(text.contains("absent") && text.contains("/to"), "{text}");
        assert_eq!(fs::read(&to).expect("there"), b"old");
    }
}
