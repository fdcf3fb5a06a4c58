//! The host of the images, taken out of the base image: it runs here as well as in a container. It must not know what is measured.

use std::fs::File;
use std::path::{Path, PathBuf};

use airlock_images::{Platform, contents};
use anyhow::{Context, Result, bail};
use tar::Archive;

use super::measure::command_of;
use super::workbench::Workbench;
use crate::{command, dist};

/// How it is called in the tables.
pub const IMAGE_HOST: &str = "airlock of the images, .cwasm";

const HINT: &str = "`cargo xtask base-image` makes it";

/// The program, or why there is none. `compiled` is a connector that it must be able to start.
pub fn find(workbench: &Workbench, compiled: &Path) -> Result<PathBuf, String> {
    let platform = if cfg!(target_arch = "aarch64") { Platform::LinuxArm64 } else { Platform::LinuxAmd64 };
    let files = dist::root_file_system(platform);
    if !files.is_file() {
        return Err(format!("there is no base image ({HINT})"));
    }
    let program = workbench.file("image-airlock");
    unpack(&files, contents::AIRLOCK, &program).map_err(|error| format!("{error:#} ({HINT})"))?;
    // Native code runs on the very version that made it.
    command_of(&Workbench::call(&program, compiled, "spec"))
        .and_then(|mut command| command::output(&mut command))
        .map_err(|_| format!("the base image is of another version ({HINT} anew)"))?;
    Ok(program)
}

fn unpack(archive: &Path, path: &str, to: &Path) -> Result<()> {
    let file = File::open(archive).with_context(|| format!("cannot open {}", archive.display()))?;
    let mut archive = Archive::new(file);
    archive.set_preserve_permissions(true);
    for entry in archive.entries()? {
        let mut entry = entry?;
        if entry.path()? == Path::new(path.trim_start_matches('/')) {
            entry.unpack(to)?;
            return Ok(());
        }
    }
    bail!("the base image has no {path}")
}
