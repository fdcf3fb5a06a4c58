//! `cargo xtask base-image`: the image that every connector image starts from, without a container engine.
//! It must not know what a connector is.

mod configuration;
mod executable;
mod files;
mod licences;
mod packages;

use std::fs;
use std::path::Path;

use airlock_images::{Layout, Platform, PlatformImage, Reference};
use anyhow::{Context, Result};

use crate::base_image::packages::Packages;
use crate::image_toolchain::ImageToolchain;
use crate::{build, command, dist};

/// Builds the host for each platform, and puts the image into `dist/`: as an archive, and as the root file systems that
/// images/Dockerfile is built from.
pub fn run(platforms: &[Platform], locked: bool) -> Result<()> {
    let packages = Packages::ensure()?;
    let mut images = Vec::new();
    for platform in Platform::ALL {
        if platforms.contains(&platform) {
            images.push(image(platform, &packages, locked)?);
        } else {
            // What is left of an earlier build may be of another version.
            forget(&dist::root_file_system(platform))?;
        }
    }
    let reference: Reference = format!("airlock/base:{}", configuration::VERSION).parse()?;
    let layout = Layout::of(&images, &configuration::labels()?, Some(&reference))?;
    let mut archive = Vec::new();
    layout.write_archive(&mut archive)?;
    put(&archive, &dist::base_image())?;
    println!("{} is {reference} ({})", dist::base_image().display(), megabytes(archive.len()));
    Ok(())
}

fn image(platform: Platform, packages: &Packages, locked: bool) -> Result<PlatformImage> {
    let toolchain = ImageToolchain::ensure(platform)?;
    println!("The host for {platform} is compiled by {}", toolchain.describe());
    let airlock = build::image_host(toolchain.cargo(), platform.target(), locked)?;
    let airlock = fs::read(&airlock).with_context(|| format!("cannot read {}", airlock.display()))?;
    executable::check(&airlock, platform)
        .with_context(|| format!("the host for {platform} is not fit for an image"))?;
    let airlock_size = airlock.len();

    let files = files::layer(platform, airlock, packages)?;
    let root_file_system = files.archive()?;
    put(&root_file_system, &dist::root_file_system(platform))?;
    let layer = files.build()?;
    println!(
        "{platform}: {} unpacked ({} of it airlock), {} compressed; with {}",
        megabytes(root_file_system.len()),
        megabytes(airlock_size),
        megabytes(layer.bytes.len()),
        packages.describe(platform)?
    );
    let config = configuration::configuration(platform, &layer.diff_id)?;
    Ok(PlatformImage { platform, config, layers: vec![layer] })
}

/// Puts a result into `dist/`, by way of `target/`.
fn put(content: &[u8], to: &Path) -> Result<()> {
    let directory = command::workspace_root().join("target/base-image");
    let from = directory.join(to.file_name().context("a result without a name")?);
    fs::create_dir_all(&directory)
        .and_then(|()| fs::write(&from, content))
        .with_context(|| format!("cannot write {}", from.display()))?;
    dist::put(&from, to)?;
    forget(&from)
}

fn forget(file: &Path) -> Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", file.display()))
        }
        _ => Ok(()),
    }
}

/// As registries count: a thousand bytes are a kilobyte.
#[expect(clippy::cast_precision_loss, reason = "two digits are shown")]
fn megabytes(bytes: usize) -> String {
    format!("{:.2} MB", bytes as f64 / 1e6)
}
