//! Manifests of Airbyte's own connectors, from the packages that `cargo xtask clients` fetches. It must not know what is done with
//! them.

use std::path::PathBuf;
use std::sync::Mutex;
use std::{env, fs, thread};

use serde_json::{Value, json};

use super::bench::Bench;
use super::cdk::Cdk;
use crate::airbyte_clients::fetched;

/// Packages that are looked at beside each other: some of the time is waits.
const AT_ONCE: usize = 4;

/// A package to look at.
pub struct Package {
    /// `source-x`
    pub name: String,
    /// Where it stands among all.
    pub number: usize,
    pub manifest: Value,
    /// For the config.
    pub given: Value,
}

/// Looks at all packages, or those whose names hold `AIRLOCK_CASE`; what was seen is in their order.
pub fn look<T: Send>(look: impl Fn(&mut Bench, &mut Cdk, Package) -> T + Sync) -> Vec<T> {
    let wished = env::var("AIRLOCK_CASE").unwrap_or_default();
    let folders = all().into_iter().enumerate().map(|(number, folder)| {
        let package = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        (number, folder, package)
    });
    let folders = folders.filter(|(_, _, package)| package.contains(&wished)).collect::<Vec<_>>();
    let folders = Mutex::new(folders.into_iter());
    let some = || {
        let (mut cdk, mut bench) = (Cdk::start(), Bench::new());
        let mut seen = Vec::new();
        loop {
            let Some((number, folder, package)) = folders.lock().expect("nobody panics").next() else { return seen };
            let manifest = cdk.package(&folder).unwrap_or_else(|error| panic!("{package}: {error}"));
            let (name, given) = (package.replace('_', "-"), given(&package));
            seen.push((number, look(&mut bench, &mut cdk, Package { name, number, manifest, given })));
        }
    };
    let mut seen: Vec<(usize, T)> = thread::scope(|scope| {
        let workers: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(some)).collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("its package is told above")).collect()
    });
    seen.sort_by_key(|(number, _)| *number);
    seen.into_iter().map(|(_, seen)| seen).collect()
}

/// Their folders, by name.
fn all() -> Vec<PathBuf> {
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
