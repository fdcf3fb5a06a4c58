//! `airlock build`: a connector of a low-code manifest. The component that runs manifests gets this one, and what belongs to it, to carry.
//! Whether it is right is for that component to say: it is asked for the specification before anything is written.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use serde::Deserialize;

use super::{ManifestBuild, Problem, require_another_file, tell};
use crate::cli::people;
use crate::connector::{self, CarriedFiles, WithManifest, metadata_of_manifest, write_named};

/// So many hosts are shown; of more there is a number.
const HOSTS_SHOWN: usize = 20;

pub fn build(build: &ManifestBuild) -> ExitCode {
    tell(make(build))
}

fn make(build: &ManifestBuild) -> Result<String, Problem> {
    let ManifestBuild { manifest, component, metadata, output } = build;
    let files = CarriedFiles::of_manifest(manifest)
        .map_err(|problem| (format!("the files of the manifest {} {problem}", manifest.display()), None))?;
    let metadata = metadata.clone().or_else(|| metadata_of_manifest(manifest));
    let made =
        connector::embed_manifest(component, metadata.as_deref(), &files).map_err(|failure| (failure.message, None))?;
    let output = match output {
        Some(output) => output.clone(),
        None => named_after(manifest, &made)?,
    };
    require_another_file(&output, [Some(manifest.as_path()), Some(component.as_path()), metadata.as_deref()])
        .map_err(|(error, hint)| (error, Some(hint)))?;
    let warnings = try_out(build, metadata.as_deref())?;
    for warning in warnings.iter().chain(made.warnings()) {
        people::warning(warning);
    }
    write_named(&output, &[&made.bytes]).map_err(|error| {
        let hint = "name another place with --output FILE".to_owned();
        (format!("{} can not be written: {error}", output.display()), Some(hint))
    })?;
    Ok(summary(manifest, &output, &made))
}

/// In the current directory: as the metadata calls it, or its directory.
fn named_after(manifest: &Path, made: &WithManifest) -> Result<PathBuf, Problem> {
    let repository = made.metadata.as_ref().and_then(|metadata| metadata.repository.as_deref());
    let of_metadata = repository.and_then(|repository| repository.rsplit('/').next()).map(ToOwned::to_owned);
    let of_directory = || {
        let manifest = manifest.canonicalize().ok()?;
        Some(manifest.parent()?.file_name()?.to_str()?.to_owned())
    };
    // Others wrote it, and it becomes a path.
    let is_plain = |name: &String| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        !name.is_empty() && !name.starts_with('.') && !name.starts_with('-') && name.bytes().all(plain)
    };
    let name = of_metadata.filter(is_plain).or_else(|| of_directory().filter(is_plain));
    name.map(|name| PathBuf::from(format!("{name}.wasm"))).ok_or_else(|| {
        let hint =
            "say where the connector goes: airlock build --manifest FILE --output source-example.wasm".to_owned();
        ("neither the metadata nor the manifest's directory gives the connector a name".to_owned(), Some(hint))
    })
}

/// Asks for the specification, in a process and a sandbox of its own. Gives what it warns of.
fn try_out(build: &ManifestBuild, metadata: Option<&Path>) -> Result<Vec<String>, Problem> {
    let not_run = |error: io::Error| (format!("the connector can not be tried: {error}"), None);
    let mut command = Command::new(std::env::current_exe().map_err(not_run)?);
    command.arg("spec").arg("--connector").arg(&build.component).arg("--manifest-path").arg(&build.manifest);
    if let Some(metadata) = metadata {
        command.arg("--metadata").arg(metadata);
    }
    // Warnings are wanted, whatever the user's shell says of other runs.
    let output =
        command.env("LOG_LEVEL", "warn").stdin(Stdio::null()).stderr(Stdio::inherit()).output().map_err(not_run)?;
    let mut warnings = Vec::new();
    let mut specified = false;
    for line in output.stdout.split(|byte| *byte == b'\n') {
        match serde_json::from_slice(line) {
            Ok(Said::Trace { trace: Trace { error: Some(error) } }) => {
                let hint = "nothing was written: correct the manifest, and build it again".to_owned();
                return Err((
                    format!("the manifest {} does not work: {}", build.manifest.display(), error.message),
                    Some(hint),
                ));
            }
            Ok(Said::Log { log }) if matches!(log.level.as_str(), "WARN" | "ERROR" | "FATAL") => {
                warnings.push(log.message)
            }
            Ok(Said::Spec) => specified = true,
            _ => {}
        }
    }
    if specified && output.status.success() {
        return Ok(warnings);
    }
    Err((format!("the connector gives no specification ({})", output.status), None))
}

/// What is looked at of a connector's messages.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "UPPERCASE")]
enum Said {
    Log { log: Log },
    Trace { trace: Trace },
    Spec,
}

#[derive(Deserialize)]
struct Log {
    level: String,
    message: String,
}

#[derive(Deserialize)]
struct Trace {
    error: Option<TraceError>,
}

#[derive(Deserialize)]
struct TraceError {
    message: String,
}

fn summary(manifest: &Path, output: &Path, made: &WithManifest) -> String {
    let (whose, hosts) = made.hosts();
    let shown: Vec<String> = hosts.iter().take(HOSTS_SHOWN).map(|host| people::printable(host)).collect();
    let hosts = match hosts.len() {
        0 => format!("It asks for no host ({whose})."),
        number if number > HOSTS_SHOWN => {
            format!("It asks for {} and {} more hosts ({whose}).", shown.join(", "), number - HOSTS_SHOWN)
        }
        _ => format!("It asks for {} ({whose}).", shown.join(", ")),
    };
    let output = output.display();
    let others = match made.files.files().len() {
        0 | 1 => String::new(),
        2 => " and 1 file more".to_owned(),
        number => format!(" and {} files more", number - 1),
    };
    format!(
        "Made the source {output} of {}{others} ({} KB). {hosts}\nNext: `airlock --connector {output} spec`, or `airlock image build {output}`",
        manifest.display(),
        made.bytes.len().div_ceil(1000)
    )
}
