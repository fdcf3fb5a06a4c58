//! Which files there are. Only this module lists directories.

use std::fs::{self, File, Metadata};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use airlock_sdk::{Failure, Result, config_error, system_error};
use glob::{MatchOptions, Pattern};
use serde::{Deserialize, Serialize};

use crate::timestamp;

/// Where Airbyte's users keep local files, and where a connector has them.
const LOCAL: &str = "/local";
const LOCAL_IN_AIRBYTE: &str = "/airbyte/local";

/// What a file has been when it was looked at: it is another one once any of this has changed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Version {
    /// When it was changed last, to the nanosecond.
    pub modified: String,
    /// How many bytes it has.
    pub size: u64,
}

/// A file that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundFile {
    /// As the connector sees it.
    pub path: String,
    /// What it was when it was found.
    pub version: Version,
}

/// The files that a path means, the oldest first: the file itself, those in the directory, or those that the pattern
/// matches.
pub fn find(path: &str) -> Result<Vec<FoundFile>> {
    let path = in_airbyte(path);
    let mut files = match fs::metadata(&path) {
        Ok(metadata) if metadata.is_dir() => {
            let files = in_directory(&path)?;
            if files.is_empty() {
                return Err(config_error(format!(
                    "There is no file in the directory {path}: check the option `url`. Files whose name begins with a \
                     dot do not count, nor do those in directories below; {path}/**/* is for these."
                )));
            }
            files
        }
        // To open a pipe could take for ever.
        Ok(metadata) if !metadata.is_file() => return Err(no_regular_file(&path)),
        Ok(metadata) => vec![found(&path, &metadata)?],
        Err(error) if is_missing(&error) && path.contains(['*', '?', '[']) => {
            let files = matching(&path)?;
            if files.is_empty() {
                return Err(config_error(format!("No file matches {path}: check the option `url`. {WHAT_IS_SEEN}")));
            }
            files
        }
        Err(error) => return Err(failure("find", Path::new(&path), error)),
    };
    files.sort_by(|one, other| (&one.version.modified, &one.path).cmp(&(&other.version.modified, &other.path)));
    Ok(files)
}

/// Opens a file, and looks at what it is now. None if it is gone since it was found: a moment later it would not have
/// been.
pub fn open(file: &FoundFile) -> Result<Option<(File, Version)>> {
    let path = Path::new(&file.path);
    let opened = match File::open(path) {
        Err(error) if is_missing(&error) => {
            log::warn!("{} was removed before it could be read.", file.path);
            return Ok(None);
        }
        opened => opened.map_err(|error| failure("open", path, error))?,
    };
    let metadata = opened.metadata().map_err(|error| failure("open", path, error))?;
    if !metadata.is_file() {
        return Err(no_regular_file(&file.path));
    }
    Ok(Some((opened, version(path, &metadata)?)))
}

fn no_regular_file(path: &str) -> Failure {
    config_error(format!("{path} is no regular file: check the option `url`."))
}

/// Why a file can not be used, and what to do about it.
pub fn failure(action: &str, path: &Path, error: io::Error) -> Failure {
    let path = path.display();
    let failure = match error.kind() {
        _ if is_missing(&error) => {
            config_error(format!("There is no file or directory {path}: check the option `url`. {WHAT_IS_SEEN}"))
        }
        ErrorKind::PermissionDenied => config_error(format!(
            "Can not {action} {path}: it is not permitted. Let the user that runs the connector read it. {WHAT_IS_SEEN}"
        )),
        _ if is_bad_name(&error) => config_error(format!(
            "Can not {action} {path}: the name of a file in it is not UTF-8. Rename the file, or move it away."
        )),
        _ => system_error(format!("Can not {action} {path}: look at the disk or the mount that it is on.")),
    };
    failure.with_internal(error)
}

const WHAT_IS_SEEN: &str = "A connector sees /airbyte, which --airbyte-dir DIRECTORY is, and directories that \
                            are shown to it with --mount DIRECTORY:/data; symbolic links that lead out of them lead nowhere.";

/// What is outside of all directories that a guest was given is not there either: what a link or `..` leads to, too.
fn is_missing(error: &io::Error) -> bool {
    #[cfg(target_os = "wasi")]
    const NOT_PERMITTED: i32 = 63;
    // Without a code where the standard library itself knows no directory for a path, as Rust 1.85's does.
    #[cfg(target_os = "wasi")]
    if matches!(error.raw_os_error(), None | Some(NOT_PERMITTED)) {
        return true;
    }
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

/// WASI knows names in UTF-8 only, and does not go on with a directory behind another.
fn is_bad_name(error: &io::Error) -> bool {
    const ILLEGAL_BYTE_SEQUENCE: i32 = if cfg!(target_os = "wasi") { 25 } else { 84 };
    error.raw_os_error() == Some(ILLEGAL_BYTE_SEQUENCE)
}

/// Airbyte's local files are below `/local`: that is a directory shown to the connector, or else `/airbyte/local`.
fn in_airbyte(path: &str) -> String {
    match path.strip_prefix(LOCAL) {
        Some(rest) if (rest.is_empty() || rest.starts_with('/')) && fs::metadata(LOCAL).is_err() => {
            format!("{LOCAL_IN_AIRBYTE}{rest}")
        }
        _ => path.to_owned(),
    }
}

fn in_directory(directory: &str) -> Result<Vec<FoundFile>> {
    let mut files = Vec::new();
    for entry in entries(Path::new(directory))? {
        if !entry.name.starts_with('.') {
            files.extend(entry.file()?);
        }
    }
    Ok(files)
}

fn matching(pattern: &str) -> Result<Vec<FoundFile>> {
    const OPTIONS: MatchOptions =
        MatchOptions { case_sensitive: true, require_literal_separator: true, require_literal_leading_dot: true };
    let compiled = Pattern::new(pattern)
        .map_err(|error| config_error(format!("The pattern in the option `url` is wrong: {error}.")))?;
    // Only below the directory that the pattern says in full.
    let first_wildcard = pattern.find(['*', '?', '[']).unwrap_or(pattern.len());
    let fixed = pattern[..first_wildcard].rfind('/').unwrap_or(0);
    let levels = if pattern.contains("**") { usize::MAX } else { pattern[fixed + 1..].matches('/').count() };
    let mut directories = vec![(PathBuf::from(if fixed == 0 { "/" } else { &pattern[..fixed] }), 0)];
    let mut files = Vec::new();
    while let Some((directory, level)) = directories.pop() {
        let entries = match entries(&directory) {
            Err(failure) if level == 0 => return Err(failure),
            // A directory that may not be looked into would hide files: say so.
            entries => entries?,
        };
        for entry in entries {
            if entry.is_directory {
                if level < levels {
                    directories.push((entry.path, level + 1));
                }
            } else if compiled.matches_path_with(&entry.path, OPTIONS) {
                files.extend(entry.file()?);
            }
        }
    }
    Ok(files)
}

struct Entry {
    path: PathBuf,
    name: String,
    /// A link to a directory is none: it might lead round in a circle.
    is_directory: bool,
}

impl Entry {
    /// The file, if it is one.
    fn file(&self) -> Result<Option<FoundFile>> {
        let metadata = match fs::metadata(&self.path) {
            // A link that leads nowhere, or a file that was removed just now.
            Err(error) if is_missing(&error) || error.kind() == ErrorKind::PermissionDenied => return Ok(None),
            metadata => metadata.map_err(|error| failure("look at", &self.path, error))?,
        };
        let Some(path) = self.path.to_str().filter(|_| metadata.is_file()) else {
            return Ok(None);
        };
        found(path, &metadata).map(Some)
    }
}

fn entries(directory: &Path) -> Result<Vec<Entry>> {
    let look = |error| failure("look into", directory, error);
    let mut all = Vec::new();
    for entry in fs::read_dir(directory).map_err(look)? {
        let entry = entry.map_err(look)?;
        let is_directory = entry.file_type().map_err(look)?.is_dir();
        let name = entry.file_name().to_string_lossy().into_owned();
        all.push(Entry { path: entry.path(), name, is_directory });
    }
    Ok(all)
}

fn found(path: &str, metadata: &Metadata) -> Result<FoundFile> {
    Ok(FoundFile { path: path.to_owned(), version: version(Path::new(path), metadata)? })
}

fn version(path: &Path, metadata: &Metadata) -> Result<Version> {
    let modified = metadata.modified().map_err(|error| failure("look at", path, error))?;
    Ok(Version { modified: timestamp::of_file(modified), size: metadata.len() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;
    use std::time::{Duration, UNIX_EPOCH};
    use tempfile::{TempDir, tempdir};

    fn tree(files: &[&str]) -> TempDir {
        let root = tempdir().unwrap();
        for (age, name) in files.iter().enumerate() {
            let path = root.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, "x").unwrap();
            let time = UNIX_EPOCH + Duration::from_secs(1000 - age as u64);
            File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
        }
        root
    }

    fn names(root: &TempDir, pattern: &str) -> Result<Vec<String>> {
        let prefix = format!("{}/", root.path().display());
        let files = find(&format!("{prefix}{pattern}"))?;
        Ok(files.into_iter().map(|file| file.path.strip_prefix(&prefix).unwrap().to_owned()).collect())
    }

    #[test]
    fn a_path_is_a_file_a_directory_or_a_pattern() {
        let root = tree(&["b.csv", "a.csv", ".hidden.csv", "d/c.csv", "d/e/f.csv", "d[1]/x.csv", "n.txt"]);
        symlink(root.path().join("a.csv"), root.path().join("link.csv")).unwrap();
        symlink("/nowhere/at/all", root.path().join("dead.csv")).unwrap();
        symlink(root.path(), root.path().join("d/round")).unwrap();
        assert_eq!(names(&root, "a.csv").unwrap(), ["a.csv"]);
        assert_eq!(names(&root, "d").unwrap(), ["d/c.csv"]);
        assert_eq!(names(&root, "*.csv").unwrap(), ["a.csv", "link.csv", "b.csv"], "the oldest first");
        assert_eq!(names(&root, "[ab].csv").unwrap(), ["a.csv", "b.csv"]);
        assert_eq!(names(&root, "*/?.csv").unwrap(), ["d[1]/x.csv", "d/c.csv"]);
        assert_eq!(names(&root, "d[1]/x.csv").unwrap(), ["d[1]/x.csv"], "a file's own name comes first");
        assert_eq!(names(&root, "d/**/*.csv").unwrap(), ["d/e/f.csv", "d/c.csv"]);
        assert_eq!(names(&root, "**/f.csv").unwrap(), ["d/e/f.csv"]);
    }

    #[test]
    fn a_file_that_is_gone_since_it_was_found_is_not_opened() {
        let root = tree(&["a.csv", "b.csv"]);
        let files = find(root.path().to_str().unwrap()).unwrap();
        fs::remove_file(root.path().join("a.csv")).unwrap();
        let (_, version) = open(&files[0]).unwrap().unwrap();
        assert_eq!(version, files[0].version);
        assert!(files[1].path.ends_with("a.csv") && open(&files[1]).unwrap().is_none());
    }

    #[test]
    fn what_is_not_there_is_named_with_what_to_do() {
        let root = tree(&["empty/.hidden"]);
        for (path, words) in [
            ("missing.csv", "There is no file or directory"),
            ("missing/*.csv", "There is no file or directory"),
            ("*.csv", "No file matches"),
            ("empty", "There is no file in the directory"),
            ("a/[", "pattern"),
            ("empty/.hidden/x", "There is no file or directory"),
        ] {
            let failure = names(&root, path).unwrap_err();
            assert!(failure.message.contains(words), "{path}: {failure}");
            assert_eq!(failure.kind, airlock_sdk::FailureKind::ConfigError);
        }
        assert!(names(&root, "missing.csv").unwrap_err().message.contains("--mount"));
        // As root, a test of it would find everything permitted.
        let denied = failure("open", Path::new("/data/a.csv"), ErrorKind::PermissionDenied.into());
        assert_eq!(denied.kind, airlock_sdk::FailureKind::ConfigError);
        assert!(denied.message.contains("Can not open /data/a.csv: it is not permitted"), "{denied}");
    }
}
