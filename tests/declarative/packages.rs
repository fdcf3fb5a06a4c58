//! Manifests of Airbyte's own connectors, from the packages that `cargo xtask clients` fetches. It must not know what is done with
//! them.

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::airbyte_clients::fetched;

/// Their folders, by name.
pub fn all() -> Vec<PathBuf> {
    let folder = fetched("AIRLOCK_PYTHON_CLIENTS").join("manifests");
    let entries = fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}: run `cargo xtask clients`", folder.display()));
    let mut folders: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    folders.retain(|folder| folder.join("manifest.yaml").is_file());
    folders.sort();
    folders
}

/// What a config must have that the specification does not say.
pub fn given(package: &str) -> Value {
    match package {
        "source_appfollow" => json!({"api_key": "a-key", "cid": "1"}),
        "source_gocardless" => json!({"access_token": "sandbox_key"}),
        "source_lever_hiring" => {
            json!({"credentials": {"auth_type": "Api Key", "api_key": "a-key"}, "environment": "Sandbox"})
        }
        "source_metabase" => {
            json!({"instance_api_url": "https://meta.example.com/api/", "username": "me", "password": "a-word"})
        }
        _ => json!({}),
    }
}
