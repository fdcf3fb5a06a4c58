//! The files that the connector carries: its manifest, and what may lie beside it. Knows where they are, and nothing of what is in them.

use std::path::{Component, Path, PathBuf};

use airlock_sdk::{Result, config_error, system_error};

/// Where the host shows a connector its own files.
const DIRECTORY: &str = "/connector";

/// The text of a file, by its path below the directory. None where it is not there.
pub fn read(path: &str, max_bytes: usize) -> Result<Option<String>> {
    let below = Path::new(path);
    if !below.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir)) {
        return Err(config_error(format!("The path {path:?} leads out of the connector's own files.")));
    }
    let bytes = match std::fs::read(directory().join(below)) {
        Ok(bytes) => bytes,
        Err(error) if matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        // A connector that carries no files has no such directory, for which Rust's versions have errors of different kinds.
        Err(_) if std::fs::metadata(directory()).is_err() => return Ok(None),
        Err(error) => return Err(system_error(format!("The connector's file {path} can not be read: {error}."))),
    };
    if bytes.len() > max_bytes {
        return Err(config_error(format!(
            "The connector's file {path} has {} bytes: {max_bytes} is the most that is read.",
            bytes.len()
        )));
    }
    String::from_utf8(bytes).map(Some).map_err(|_| config_error(format!("The connector's file {path} is not UTF-8.")))
}

#[cfg(not(test))]
fn directory() -> PathBuf {
    PathBuf::from(DIRECTORY)
}

#[cfg(test)]
fn directory() -> PathBuf {
    testing::DIRECTORY.with_borrow(Clone::clone).unwrap_or_else(|| PathBuf::from(DIRECTORY))
}

#[cfg(test)]
pub mod testing {
    use std::cell::RefCell;
    use std::path::PathBuf;
    use std::sync::atomic::{AtomicU32, Ordering};

    thread_local! {
        /// Stands for the directory in the tests of a thread.
        pub static DIRECTORY: RefCell<Option<PathBuf>> = RefCell::default();
    }

    /// Runs a test of a connector that carries these files.
    pub fn with_files<T>(files: &[(&str, String)], test: impl FnOnce() -> T) -> T {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let directory = std::env::temp_dir().join(format!("source-declarative-{}-{number}", std::process::id()));
        for (path, text) in files {
            let path = directory.join(path);
            std::fs::create_dir_all(path.parent().expect("a file in a directory")).expect("a directory");
            std::fs::write(path, text).expect("a file");
        }
        DIRECTORY.set(Some(directory.clone()));
        let result = test();
        DIRECTORY.set(None);
        let _ = std::fs::remove_dir_all(directory);
        result
    }
}
