//! The configuration, and the directory it names. Touches no file.

use std::path::{Component, Path, PathBuf};

use airlock_sdk::{Result, config_error};
use schemars::JsonSchema;
use serde::Deserialize;

/// The root of every `destination_path`, as users know it.
const LOCAL: &str = "/local";

// What a user configures. The schema is Airbyte's to the letter, so that a configuration of its connector works here.
// No doc comment: it would become a description.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Local Json Destination Spec")]
pub struct Config {
    #[schemars(
        title = "Destination Path",
        description = "Path to the directory where json files will be written. The files will be placed inside that local mount. For more information check out our <a href=\"https://docs.airbyte.io/integrations/destinations/local-json\">docs</a>",
        example = "/json_data"
    )]
    destination_path: String,
}

impl Config {
    /// The directory for the files: `/local/x` and `/x` both are `local/x` below the given directory.
    pub fn directory(&self, airbyte_directory: &Path) -> Result<PathBuf> {
        let path = Path::new(&self.destination_path);
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
                        "Destination file should be inside the {LOCAL} directory. The destination_path \"{}\" leads \
                         out of it: choose a path without \"..\".",
                        self.destination_path
                    )));
                }
                Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
            }
        }
        Ok(directory)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use airlock_sdk::FailureKind;

    fn directory_of(destination_path: &str) -> Result<PathBuf> {
        let config = Config { destination_path: destination_path.to_owned() };
        config.directory(Path::new("/airbyte"))
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
