//! The base image: where it is found, and whether it fits this airlock. Knows nothing of connectors.

use std::path::{Path, PathBuf};

use airlock_images::{Layout, LayoutError, Platform, PlatformImage, contents};
use oci_spec::distribution::Reference;
use oci_spec::image::Config;

use super::registry::{self, Problem};
use crate::cli::people::printable;
use crate::connector::WASMTIME_VERSION;

/// What to do where there is none that fits.
const ANOTHER: &str = "make one with `cargo xtask base-image` in a checkout of airlock, or name one with --base (or \
                       AIRLOCK_BASE_IMAGE): an archive or a directory with an OCI layout, or a registry's reference";

/// What connector images are made on.
pub struct Base {
    /// Where it came from, if that is a registry. (What a file says of its name may be nobody's.)
    pub name: Option<Reference>,
    /// One image for each platform that was asked for, in that order.
    pub images: Vec<PlatformImage>,
}

/// Finds the base image and reads it. `named` is a path or a reference to a registry; without it, what lies beside this binary.
pub fn find(named: Option<&str>, platforms: &[Platform]) -> Result<Base, Problem> {
    match named {
        Some(path) if is_path(path) => read(Path::new(path), platforms),
        Some(reference) => {
            let layout = registry::pull(reference, platforms).map_err(|(error, hint)| {
                (format!("{error}. There is no file {reference}, so it was taken for a registry's reference"), hint)
            })?;
            let base = Base::of(&layout, reference, platforms)?;
            Ok(Base { name: layout.reference().cloned(), ..base })
        }
        None => match beside_this_binary() {
            Some(path) => read(&path, platforms),
            None => Err(("there is no base image to put the connector on".to_owned(), ANOTHER.to_owned())),
        },
    }
}

/// What is there is meant, and so is what looks like a path: no repository begins with / or . or is an archive.
fn is_path(text: &str) -> bool {
    let archive = [".tar", ".tar.gz", ".tgz"].iter().any(|ending| text.ends_with(ending));
    archive || text.starts_with(['/', '.']) || Path::new(text).exists()
}

/// What `cargo xtask base-image` made: in the directory of this binary, or in the one where its checkout keeps what it built.
fn beside_this_binary() -> Option<PathBuf> {
    let executable = std::env::current_exe().ok()?.canonicalize().ok()?;
    let directory = executable.parent()?;
    let checkout = directory.ends_with("target/release").then(|| directory.ancestors().nth(2)).flatten();
    let places = [Some(directory.to_owned()), checkout.map(|checkout| checkout.join("dist"))];
    places.into_iter().flatten().map(|place| place.join(contents::BASE_ARCHIVE)).find(|archive| archive.is_file())
}

fn read(path: &Path, platforms: &[Platform]) -> Result<Base, Problem> {
    let called = path.display().to_string();
    let layout = Layout::read(path).map_err(|error| unusable(&called, &error))?;
    Base::of(&layout, &called, platforms)
}

fn unusable(called: &str, error: &LayoutError) -> Problem {
    let hint = match error {
        LayoutError::Unreadable(_) => ANOTHER,
        LayoutError::Invalid { hint, .. } => hint,
    };
    (format!("the base image {called} {error}"), hint.to_owned())
}

impl Base {
    /// What is in a layout, if it fits this airlock. `called` is how the user knows it.
    fn of(layout: &Layout, called: &str, platforms: &[Platform]) -> Result<Base, Problem> {
        let found = layout.images().map_err(|error| unusable(called, &error))?;
        let mut images = Vec::new();
        for platform in platforms {
            let Some(image) = found.iter().find(|image| image.platform == *platform) else {
                return Err(lacks(called, *platform, &found));
            };
            check(image, called)?;
            images.push(image.clone());
        }
        Ok(Base { name: None, images })
    }
}

fn lacks(called: &str, platform: Platform, found: &[PlatformImage]) -> Problem {
    let found: Vec<String> = found.iter().map(|image| image.platform.to_string()).collect();
    if found.is_empty() {
        let error = format!("the base image {called} is for none of the platforms that images are made for");
        return (error, ANOTHER.to_owned());
    }
    let (and, comma) = (found.join(" and "), found.join(","));
    (
        format!("the base image {called} is for {and}, and not for {platform}"),
        format!("make the image without it, by --platform {comma}, or name another base image with --base"),
    )
}

/// Refuses what could not run the connector.
fn check(image: &PlatformImage, called: &str) -> Result<(), Problem> {
    let config = image.config.config().clone().unwrap_or_default();
    let platform = image.platform;
    let label = |name: &str| config.labels().as_ref().and_then(|labels| labels.get(name)).map(|text| printable(text));
    let (Some(airlock), Some(wasmtime)) = (label(contents::VERSION_LABEL), label(contents::WASMTIME_LABEL)) else {
        return Err((
            format!(
                "{called} is no base image of airlock: for {platform} it has no labels {} and {}",
                contents::VERSION_LABEL,
                contents::WASMTIME_LABEL
            ),
            ANOTHER.to_owned(),
        ));
    };
    let ours = (env!("CARGO_PKG_VERSION"), WASMTIME_VERSION);
    if (airlock.as_str(), wasmtime.as_str()) != ours {
        return Err((
            format!(
                "the base image {called} has airlock {airlock} with wasmtime {wasmtime} for {platform}, and this is airlock {} with \
                 wasmtime {}: it could not run what this one compiles",
                ours.0, ours.1
            ),
            "name the base image of this version with --base, make it with `cargo xtask base-image`, or use the airlock of that \
             version"
                .to_owned(),
        ));
    }
    match starts_a_connector(&config) {
        Ok(()) => Ok(()),
        Err(problem) => Err((
            format!("the base image {called} would not start a connector: for {platform} {problem}"),
            "an image that is made on airlock's must leave its entry point and its environment as they are".to_owned(),
        )),
    }
}

/// Who runs a connector: nobody else is kept from changing what will be loaded.
const USERS: [&str; 4] = ["airbyte", "airbyte:airbyte", "1000", "1000:1000"];

/// The error is the rest of a sentence.
fn starts_a_connector(config: &Config) -> Result<(), String> {
    if config.entrypoint().as_ref().is_none_or(|words| words != &[contents::AIRLOCK]) {
        return Err(format!("its ENTRYPOINT is not {}", contents::AIRLOCK));
    }
    let variables = [
        ("AIRBYTE_ENTRYPOINT", contents::AIRLOCK),
        ("AIRLOCK_CONNECTOR", contents::CONNECTOR),
        ("AIRLOCK_AIRBYTE_DIR", contents::AIRBYTE_DIRECTORY),
    ];
    for (name, value) in variables {
        let expected = format!("{name}={value}");
        let named = |variable: &&String| variable.split_once('=').is_some_and(|(found, _)| found == name);
        // Of two, engines take the last.
        if !config.env().iter().flatten().filter(named).eq([&expected]) {
            return Err(format!("its environment is without {expected}, or has another {name} beside it"));
        }
    }
    if !config.user().as_deref().is_some_and(|user| USERS.contains(&user)) {
        return Err(format!("its USER is not {}", USERS[0]));
    }
    Ok(())
}
