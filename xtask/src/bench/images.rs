//! What images weigh, and how long a container takes to answer `spec` beside one that does nothing. It must not know how images
//! are made, or how their host starts without a container (`start.rs`).

use std::fmt::Write;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use airlock_images::{Layer, Layout, contents};
use anyhow::{Context, Result, ensure};
use flate2::read::GzDecoder;
use serde_json::{Value, json};
use tar::Archive;

use super::{Findings, progress};
use crate::containers::Containers;
use crate::obstacle::Failure;
use crate::{command, dist};

/// How often each container is started.
const RUNS: usize = 41;

/// Makes source-faker's image of the base image, which is there, and starts containers of it.
pub fn measure(directory: &Path) -> Result<Findings> {
    let archive = directory.join("source-faker.tar");
    let mut image_build = Command::new(dist::airlock());
    image_build.args(["image", "build"]).arg(dist::connector("source-faker")).arg("--output").arg(&archive);
    let start = Instant::now();
    command::output(&mut image_build)?;
    let took = start.elapsed();
    let image = Layout::read(&archive)?;

    let mut weights = sizes(&Layout::read(&dist::base_image())?, &image)?;
    let _ = writeln!(weights, "\n`airlock image build` of both platforms took {:.1} s.", took.as_secs_f64());
    let files = directory.join("bundle/rootfs");
    let native = image.images()?.into_iter().find(|image| image.platform.target() == host());
    for layer in native.context("there is no image for this machine")?.layers {
        archive_of(&layer).unpack(&files)?;
    }
    let tables = vec![("image-sizes", weights), ("container-start", container_start(directory)?)];
    Ok(Findings { tables, promises: Vec::new() })
}

/// This machine's target.
fn host() -> &'static str {
    if cfg!(target_arch = "aarch64") { "aarch64-unknown-linux-gnu" } else { "x86_64-unknown-linux-gnu" }
}

fn archive_of(layer: &Layer) -> Archive<GzDecoder<&[u8]>> {
    let mut archive = Archive::new(GzDecoder::new(layer.bytes.as_slice()));
    archive.set_preserve_permissions(true);
    archive
}

fn sizes(base: &Layout, image: &Layout) -> Result<String> {
    let mut text = String::from("| | platform | unpacked MB | compressed MB |\n|---|---|--:|--:|\n");
    for (name, layout) in [("base image", base), ("source-faker's image", image)] {
        for image in layout.images()? {
            let mut unpacked = 0;
            let mut compressed = 0;
            for layer in &image.layers {
                compressed += layer.bytes.len();
                for entry in archive_of(layer).entries()? {
                    unpacked += entry?.size();
                }
            }
            let _ = writeln!(
                text,
                "| {name} | {} | {:.2} | {:.2} |",
                image.platform,
                unpacked as f64 / 1e6,
                compressed as f64 / 1e6
            );
        }
    }
    Ok(text)
}

fn container_start(directory: &Path) -> Result<String> {
    let containers = match Containers::ensure() {
        Ok(containers) => containers,
        Err(Failure::Machine(obstacle)) => return Ok(format!("Not measured. {obstacle}\n")),
        Err(Failure::Error(error)) => return Err(error),
    };
    let runc = Runc { program: containers.environment().1.join("usr/bin/runc"), directory: directory.to_owned() };
    let programs = [
        ("busybox `echo`", vec!["/bin/busybox", "echo", "started"]),
        ("airlock `spec`", vec![contents::AIRLOCK, "spec"]),
    ];
    let mut times: [Vec<Duration>; 2] = [Vec::new(), Vec::new()];
    for round in 0..RUNS {
        progress(&format!("containers, {} of {RUNS}", round + 1));
        for ((_, arguments), times) in programs.iter().zip(&mut times) {
            times.push(runc.first_byte(arguments)?);
        }
    }
    let mut text = String::from("| | median ms | fastest ms | runs |\n|---|--:|--:|--:|\n");
    for ((name, _), times) in programs.iter().zip(&mut times) {
        times.sort();
        let milliseconds = |time: Duration| time.as_secs_f64() * 1e3;
        let _ = writeln!(
            text,
            "| {name} | {:.1} | {:.1} | {RUNS} |",
            milliseconds(times[RUNS / 2]),
            milliseconds(times[0])
        );
    }
    Ok(text)
}

/// Containers of the files that were unpacked, as Airbyte's pods have them: user 1000, no capabilities, nothing to write to.
struct Runc {
    program: PathBuf,
    directory: PathBuf,
}

impl Runc {
    fn first_byte(&self, arguments: &[&str]) -> Result<Duration> {
        let bundle = self.directory.join("bundle");
        let specification = bundle.join("config.json");
        let _ = fs::remove_file(&specification);
        command::output(Command::new(&self.program).args(["spec", "--bundle"]).arg(&bundle))?;
        let mut content: Value = serde_json::from_slice(&fs::read(&specification)?)?;
        let process = &mut content["process"];
        process["terminal"] = json!(false);
        process["args"] = json!(arguments);
        process["user"] = json!({"uid": 1000, "gid": 1000});
        process["cwd"] = json!(contents::AIRBYTE_DIRECTORY);
        process["capabilities"] = json!({});
        process["env"] = json!([
            format!("AIRLOCK_CONNECTOR={}", contents::CONNECTOR),
            format!("AIRLOCK_AIRBYTE_DIR={}", contents::AIRBYTE_DIRECTORY),
        ]);
        fs::write(&specification, content.to_string())?;

        let mut run = Command::new(&self.program);
        run.arg("--root").arg(self.directory.join("state")).args(["run", "--bundle"]).arg(&bundle).arg("bench");
        let start = Instant::now();
        let mut child = run.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().context("cannot start runc")?;
        let mut stdout = child.stdout.take().context("runc has no output")?;
        let mut first = [0];
        stdout.read_exact(&mut first).context("the container printed nothing")?;
        let time = start.elapsed();
        std::io::copy(&mut stdout, &mut std::io::sink())?;
        let status = child.wait()?;
        ensure!(status.success(), "the container failed ({status})");
        Ok(time)
    }
}
