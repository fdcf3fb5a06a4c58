//! Which directory a `destination_path` names. Touches no file.

use std::path::{Component, Path, PathBuf};

use airlock_sdk::{Result, config_error};

/// The root of every `destination_path`, as users know it.
const LOCAL: &str = "/local";

/// The directory for the files: `/local/x` and `/x` both are `local/x` below the given directory.
pub fn directory(airbyte_directory: &Path, destination_path: &str) -> Result<PathBuf> {
    let path = Path::new(destination_path);
    let below_local = match path.strip_prefix(LOCAL) {
        Ok(rest) => rest,
        Err(_) => path,
    };
    let mut directory = airbyte_directory.join("local");
    let mut depth = 0_usize;
    for component in below_local.components() {
        match component {
            Component::Normal(name) => {
                directory.push(name);
                depth += 1;
            }
            Component::ParentDir if depth > 0 => {
                directory.pop();
                depth -= 1;
            }
            Component::ParentDir => {
                return Err(config_error(format!(
                    "Destination file should be inside the {LOCAL} directory. The destination_path \
                     \"{destination_path}\" leads out of it: choose a path without \"..\".",
                )));
            }
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
    }
    Ok(directory)
}

#[cfg(test)]
mod tests {
    use super::*;
    use airlock_sdk::FailureKind;

    fn directory_of(destination_path: &str) -> Result<PathBuf> {
        directory(Path::new("/airbyte"), destination_path)
    }

    #[test]
    fn paths_are_below_local() {
        for (path, directory) in [
            ("/json_data", "/airbyte/local/json_data"),
            ("/local/json_data", "/airbyte/local/json_data"),
            ("json_data", "/airbyte/local/json_data"),
            ("/local", "/airbyte/local"),
            ("/", "/airbyte/local"),
            ("", "/airbyte/local"),
            ("/localities", "/airbyte/local/localities"),
            ("/local/a/./b//c/", "/airbyte/local/a/b/c"),
            ("/local/a/../b", "/airbyte/local/b"),
            ("/a b/ü", "/airbyte/local/a b/ü"),
        ] {
            assert_eq!(directory_of(path).unwrap(), Path::new(directory), "{path}");
        }
    }

    #[test]
    fn no_path_leads_out() {
        for path in
            ["/local/../x", "/local/..", "..", "../local/x", "/../local/x", "/local/a/../../b", "/local/../local/x"]
        {
            let failure = directory_of(path).unwrap_err();
            assert_eq!(failure.kind, FailureKind::ConfigError, "{path}");
            assert!(failure.message.starts_with("Destination file should be inside the /local directory"), "{failure}");
        }
    }
}
