//! `airlock image build`: the base image, and a layer with the connector for each platform.

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;

use airlock_images::{Layer, LayerBuilder, Layout, Owner, PlatformImage, contents};

use super::super::{ImageBuild, compiler_memory, require_another_file};
use super::name::ImageName;
use super::{base, configuration};
use crate::cli::people;
use crate::connector::{CarriedFiles, UncompiledConnector, laid_out, write_named};
use crate::exit_code;

/// What went wrong, and what to do where that is not said yet.
type Problem = (String, Option<String>);

pub fn build(build: ImageBuild) -> ExitCode {
    match make(build) {
        Ok(()) => exit_code::SUCCESS.into(),
        Err((problem, hint)) => {
            people::error(&problem, hint.as_deref());
            exit_code::FAILURE.into()
        }
    }
}

fn make(build: ImageBuild) -> Result<(), Problem> {
    let ImageBuild { input, output, mut platforms, base, tag, created, metadata, airbyte_directory, memory } = build;
    let with_hint = |(problem, hint)| (problem, Some(hint));
    compiler_memory::bound(memory, &input).map_err(|problem| (problem, None))?;
    platforms.sort();
    platforms.dedup();
    let connector = UncompiledConnector::read(&input, metadata.as_deref(), airbyte_directory.as_deref())
        .map_err(|failure| (failure.message, None))?;
    let output = output.unwrap_or_else(|| input.with_extension("tar"));
    let read = [Some(input.as_path()), metadata.as_deref(), base.as_deref().map(Path::new)];
    require_another_file(&output, read).map_err(with_hint)?;
    let name = match tag {
        Some(name) => name,
        None => ImageName::of(connector.metadata(), &input.display().to_string()).map_err(with_hint)?,
    };
    let base = base::find(base.as_deref(), &platforms).map_err(with_hint)?;
    let labels = configuration::labels(&name, connector.metadata(), base.name.as_ref());

    let mut images = Vec::new();
    for PlatformImage { platform, config, mut layers } in base.images {
        // It takes seconds, and nobody else waits for them.
        if io::stderr().is_terminal() {
            people::progress(&format!("Compiling {} for {platform} …", input.display()));
        }
        let code = connector.compile(platform.target()).map_err(|failure| (failure.message, None))?;
        // A name may be longer than an archive takes: then they are unpacked for each run.
        let layer = connector_layer(&code, connector.files())
            .or_else(|_| connector_layer(&code, None))
            .map_err(|error| (format!("the connector's layer for {platform} can not be made: {error}"), None))?;
        let config = configuration::configuration(&config, &labels, created);
        layers.push(layer);
        images.push(PlatformImage { platform, config, layers });
    }
    let mut archive = Vec::new();
    Layout::of(&images, &configuration::annotations(&labels), Some(&name.reference))
        .and_then(|layout| layout.write_archive(&mut archive))
        .map_err(|error| (format!("the image can not be put together: {error}"), None))?;

    let made = Made { connector: &connector, input: &input, name: &name, images: &images, bytes: archive.len() };
    if output == Path::new("-") { to_stdout(&archive, &made) } else { to_file(&archive, &output, &made) }
}

/// Root's, outside the only directory that a guest may write to. What the connector carries lies beside it as well: a container in which
/// nothing else can be written to has no place where it could be unpacked.
fn connector_layer(code: &[Vec<u8>], files: Option<&CarriedFiles>) -> io::Result<Layer> {
    let mut layer = LayerBuilder::new();
    layer.directory(contents::CONNECTOR_DIRECTORY, 0o755, Owner::ROOT).file(contents::CONNECTOR, 0o644, code.concat());
    let place = laid_out(Path::new(contents::CONNECTOR));
    for (name, content) in files.iter().flat_map(|files| files.iter()) {
        layer.file(&format!("{}/{name}", place.display()), 0o644, content.to_vec());
    }
    layer.build()
}

fn to_file(archive: &[u8], output: &Path, made: &Made) -> Result<(), Problem> {
    write_named(output, &[archive]).map_err(|error| {
        let hint = "name another place with --output FILE, or `-` for stdout";
        (format!("{} can not be written: {error}", output.display()), Some(hint.to_owned()))
    })?;
    let output = output.display();
    let next =
        format!("Next: `docker load --input {output}`, or `airlock image push {output} REGISTRY/REPOSITORY:TAG`");
    // The file is there: a stdout that takes nothing is no reason to fail.
    let _ = writeln!(io::stdout(), "{}{next}", made.summary(&output.to_string()));
    Ok(())
}

/// For `docker load` and its like at the other end of a pipe: what people read goes elsewhere.
fn to_stdout(archive: &[u8], made: &Made) -> Result<(), Problem> {
    let mut stdout = io::stdout().lock();
    let written = stdout.write_all(archive).and_then(|()| stdout.flush());
    written.map_err(|error| (format!("the image can not be written to stdout: {error}"), None))?;
    let _ = write!(io::stderr(), "{}", made.summary("stdout"));
    Ok(())
}

/// What there is to say of an image.
struct Made<'a> {
    connector: &'a UncompiledConnector,
    input: &'a Path,
    name: &'a ImageName,
    images: &'a [PlatformImage],
    bytes: usize,
}

impl Made<'_> {
    fn summary(&self, output: &str) -> String {
        let kilobytes = |bytes: usize| bytes.div_ceil(1000);
        let metadata = match self.connector.metadata() {
            Some(metadata) => format!("with the metadata of {}", metadata.origin),
            None if self.connector.hosts_of_manifest().is_some() => {
                "without metadata: it will have the hosts that its manifest calls".to_owned()
            }
            None => "without metadata: it will have no network".to_owned(),
        };
        let mut text = format!(
            "Made the image {} of the {} {}, {metadata}: {output} ({} KB).\n",
            self.name,
            self.connector.role().name(),
            self.input.display(),
            kilobytes(self.bytes)
        );
        for PlatformImage { platform, layers, .. } in self.images {
            let all = layers.iter().map(|layer| layer.bytes.len()).sum();
            let connector = layers.last().map_or(0, |layer| layer.bytes.len());
            let (all, connector) = (kilobytes(all), kilobytes(connector));
            let _ = writeln!(text, "  {platform}: {all} KB compressed, of which {connector} KB are the connector");
        }
        text
    }
}
