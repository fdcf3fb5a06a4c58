//! What the base image says of itself: environment, user, entry point, labels. images/Dockerfile says the same, and a test holds
//! it to that. It must not know what files there are.

use std::collections::BTreeMap;
use std::fs;

use airlock_images::{Platform, contents};
use anyhow::{Context, Result};
use oci_spec::image::{ConfigBuilder, ImageConfiguration, ImageConfigurationBuilder, RootFsBuilder};

use crate::command;

/// The workspace has one version.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// By its name: documentation of Airbyte's asks for that. `/etc/passwd` has it.
pub const USER: &str = "airbyte";

/// All times in an image are the same, or no two builds would be.
const CREATED: &str = "1970-01-01T00:00:00Z";

/// The configuration of an image with one layer.
pub fn configuration(platform: Platform, diff_id: &str) -> Result<ImageConfiguration> {
    let config = ConfigBuilder::default()
        .user(USER)
        .env(environment())
        .entrypoint([contents::AIRLOCK.to_owned()])
        .working_dir(contents::AIRBYTE_DIRECTORY)
        .labels(labels()?.into_iter().collect::<std::collections::HashMap<_, _>>())
        .build()?;
    Ok(ImageConfigurationBuilder::default()
        .created(CREATED)
        .architecture(platform.architecture())
        .os("linux")
        .config(config)
        .rootfs(RootFsBuilder::default().typ("layers").diff_ids([diff_id.to_owned()]).build()?)
        .build()?)
}

/// `NAME=VALUE`
fn environment() -> Vec<String> {
    vec![
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned(),
        format!("AIRBYTE_ENTRYPOINT={}", contents::AIRLOCK),
        format!("AIRLOCK_AIRBYTE_DIR={}", contents::AIRBYTE_DIRECTORY),
        format!("AIRLOCK_CONNECTOR={}", contents::CONNECTOR),
    ]
}

/// The same words are on the image index, where registries look for some of them.
pub fn labels() -> Result<BTreeMap<String, String>> {
    let lock = command::workspace_root().join("Cargo.lock");
    let lock = fs::read_to_string(&lock).with_context(|| format!("cannot read {}", lock.display()))?;
    let wasmtime = locked_version(&lock, "wasmtime").context("Cargo.lock has no wasmtime")?;
    let labels = [
        (contents::VERSION_LABEL, VERSION),
        (contents::WASMTIME_LABEL, wasmtime),
        ("org.opencontainers.image.title", "airlock"),
        ("org.opencontainers.image.description", "Runs an Airbyte connector that is a WebAssembly component"),
        ("org.opencontainers.image.version", VERSION),
        // Of all that is in it, as SPDX writes that; the texts are in the image.
        ("org.opencontainers.image.licenses", "(MIT OR Apache-2.0) AND GPL-2.0-only AND LGPL-2.1-or-later AND MPL-2.0"),
    ];
    Ok(labels.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
}

fn locked_version<'a>(lock: &'a str, package: &str) -> Option<&'a str> {
    let (_, rest) = lock.split_once(&format!("name = \"{package}\"\nversion = \""))?;
    Some(rest.split_once('"')?.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A Dockerfile's instructions, those that go over several lines put together.
    fn instructions(dockerfile: &str) -> Vec<(String, String)> {
        let lines = dockerfile.replace("\\\n", " ");
        let lines = lines.lines().filter(|line| !line.starts_with('#'));
        let split = lines.filter_map(|line| line.split_once(' '));
        split.map(|(name, rest)| (name.to_owned(), rest.split_whitespace().collect::<Vec<_>>().join(" "))).collect()
    }

    /// The words `NAME=VALUE` of a Dockerfile's ENV and LABEL, in quotes or not.
    fn pairs(instructions: &[(String, String)], wanted: &str) -> Vec<String> {
        let mut pairs = Vec::new();
        for (_, text) in instructions.iter().filter(|(name, _)| name == wanted) {
            let mut quoted = false;
            let words = text.split(|c: char| {
                quoted ^= c == '"';
                c == ' ' && !quoted
            });
            pairs.extend(words.map(|word| word.replace('"', "")));
        }
        pairs.sort();
        pairs
    }

    #[test]
    fn the_dockerfile_says_the_same() {
        let path = command::workspace_root().join("images/Dockerfile");
        let dockerfile = instructions(&fs::read_to_string(path).expect("images/Dockerfile"));
        let image = configuration(Platform::LinuxAmd64, "sha256:0").expect("a configuration");
        let config = image.config().as_ref().expect("what to run");
        let one = |wanted: &str| {
            let mut all = dockerfile.iter().filter(|(name, _)| name == wanted).map(|(_, text)| text.clone());
            (all.next().unwrap_or_default(), all.next())
        };

        let mut environment = environment();
        environment.sort();
        assert_eq!(pairs(&dockerfile, "ENV"), environment);
        let labels: Vec<String> =
            labels().expect("labels").iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(pairs(&dockerfile, "LABEL"), labels);
        assert_eq!(one("USER"), (config.user().clone().expect("a user"), None));
        assert_eq!(one("WORKDIR"), (config.working_dir().clone().expect("a directory"), None));
        let entrypoint = serde_json::to_string(config.entrypoint().as_ref().expect("an entry point")).expect("JSON");
        assert_eq!(one("ENTRYPOINT"), (entrypoint, None));
        assert_eq!(one("FROM"), ("scratch".to_owned(), None));
    }

    #[test]
    fn the_entry_point_is_the_one_that_airbyte_is_told_of() {
        let image = configuration(Platform::LinuxArm64, "sha256:0").expect("a configuration");
        let config = image.config().as_ref().expect("what to run");
        let entrypoint = config.entrypoint().as_ref().expect("an entry point").join(" ");
        let environment = config.env().as_ref().expect("an environment");
        assert!(environment.contains(&format!("AIRBYTE_ENTRYPOINT={entrypoint}")), "{environment:?}");
    }

    #[test]
    fn a_version_is_read_from_the_lock_file() {
        let lock = "[[package]]\nname = \"wasmtime-wasi\"\nversion = \"1.0.0\"\n\n[[package]]\nname = \"wasmtime\"\nversion = \"48.0.8\"\n";
        assert_eq!(locked_version(lock, "wasmtime"), Some("48.0.8"));
        assert_eq!(locked_version(lock, "wasm"), None);
    }
}
