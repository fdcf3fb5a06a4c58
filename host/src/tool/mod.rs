//! The author's tools: what they print is for people. Knows nothing of the protocol's streams.

#[cfg(feature = "compiler")]
mod build;
#[cfg(feature = "compiler")]
mod compile;
#[cfg(feature = "compiler")]
mod compiler_memory;
mod embed;
#[cfg(feature = "compiler")]
mod image;
mod inspect;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[cfg(feature = "compiler")]
use airlock_images::Platform;

#[cfg(feature = "compiler")]
pub use self::image::{Created, ImageName};
use crate::cli::people;
use crate::command::Grants;
use crate::connector::ConnectorPaths;
use crate::exit_code;
use crate::sandbox::MemorySize;

/// A tool and what it is run with.
pub enum ToolRequest {
    /// Makes a connector of a manifest.
    #[cfg(feature = "compiler")]
    Build(ManifestBuild),
    /// Compiles a component ahead of time.
    Compile(Compilation),
    /// Makes a connector image.
    #[cfg(feature = "compiler")]
    ImageBuild(Box<ImageBuild>),
    /// Sends an image to a registry.
    #[cfg(feature = "compiler")]
    ImagePush {
        /// An archive or a directory with an OCI layout.
        input: PathBuf,
        /// Where it goes; by the name that it has if nothing is said.
        reference: Option<String>,
    },
    /// Puts metadata and files into a component.
    Embed(Embedding),
    /// Shows what a connector is and what it may do.
    Inspect {
        /// The connector's files.
        connector: ConnectorPaths,
        /// What it would be run with.
        grants: Grants,
        /// For scripts.
        json: bool,
    },
}

/// A connector that is to be made of a manifest.
#[cfg(feature = "compiler")]
pub struct ManifestBuild {
    /// The manifest.
    pub manifest: PathBuf,
    /// The component that runs manifests.
    pub component: PathBuf,
    /// The connector's metadata; none for what lies beside the manifest.
    pub metadata: Option<PathBuf>,
    /// Where the connector goes; if nothing is named, its name says it.
    pub output: Option<PathBuf>,
}

/// What is put into a component.
pub struct Embedding {
    /// The component.
    pub input: PathBuf,
    /// Where the result goes; in its place if none is named.
    pub output: Option<PathBuf>,
    /// The metadata, if any is named.
    pub metadata: Option<PathBuf>,
    /// The directory with the files that the connector is to carry, if one is named.
    pub files: Option<PathBuf>,
}

/// What is compiled, and with what.
#[cfg_attr(not(feature = "compiler"), expect(dead_code, reason = "it only says that it can not compile"))]
pub struct Compilation {
    /// The component.
    pub input: PathBuf,
    /// Where its code goes; beside it if nothing is named.
    pub output: Option<PathBuf>,
    /// What it is compiled for; this machine's if none is named.
    #[cfg(feature = "compiler")]
    pub platform: Option<Platform>,
    /// Its metadata; none for what it carries or what lies beside it.
    pub metadata: Option<PathBuf>,
    /// Where connectors may write, if that is known: what lies there is not taken for metadata.
    pub airbyte_directory: Option<PathBuf>,
    /// The memory that the compiler may take, where that is more than this machine says.
    pub memory: Option<MemorySize>,
}

/// A connector image that is to be made.
#[cfg(feature = "compiler")]
pub struct ImageBuild {
    /// The component.
    pub input: PathBuf,
    /// Where the archive goes: `-` for stdout, beside the component if nothing is named.
    pub output: Option<PathBuf>,
    /// What the image is for.
    pub platforms: Vec<Platform>,
    /// The base image: a path or a reference; the one beside this binary if nothing is said.
    pub base: Option<String>,
    /// The image's name, in the place of the metadata's.
    pub tag: Option<ImageName>,
    /// When it says it was made.
    pub created: Created,
    /// The connector's metadata; none for what it carries or what lies beside it.
    pub metadata: Option<PathBuf>,
    /// Where connectors may write, if that is known: what lies there is not taken for metadata.
    pub airbyte_directory: Option<PathBuf>,
    /// The memory that the compiler may take, where that is more than this machine says.
    pub memory: Option<MemorySize>,
}

/// Refuses to write over what is read. The error is what happened, and a hint.
fn require_another_file<'a>(
    output: &Path,
    read: impl IntoIterator<Item = Option<&'a Path>>,
) -> Result<(), (String, String)> {
    let Ok(output) = output.canonicalize() else { return Ok(()) };
    let same = |input: &&Path| input.canonicalize().is_ok_and(|input| input == output);
    let Some(input) = read.into_iter().flatten().find(same) else { return Ok(()) };
    let error = format!("{} would be written over with what is made of it", input.display());
    Err((error, "name another place with --output FILE".to_owned()))
}

/// What went wrong, and what to do where that is not said yet.
type Problem = (String, Option<String>);

/// Tells what a tool has made, or why it has not.
fn tell(made: Result<String, Problem>) -> ExitCode {
    match made {
        Ok(text) => {
            // The file is there: a stdout that takes nothing is no reason to fail.
            let _ = writeln!(io::stdout(), "{text}");
            exit_code::SUCCESS.into()
        }
        Err((error, hint)) => {
            people::error(&error, hint.as_deref());
            exit_code::FAILURE.into()
        }
    }
}

/// Runs a tool and gives the exit code.
pub fn run(request: ToolRequest) -> ExitCode {
    match request {
        #[cfg(feature = "compiler")]
        ToolRequest::Build(manifest) => build::build(&manifest),
        #[cfg(feature = "compiler")]
        ToolRequest::Compile(compilation) => compile::compile(compilation),
        #[cfg(not(feature = "compiler"))]
        ToolRequest::Compile(Compilation { input, output, .. }) => {
            let output = output.unwrap_or_else(|| input.with_extension("cwasm"));
            let error = format!("{} can not be made: this airlock was built without its compiler", output.display());
            crate::cli::people::error(&error, Some("use the full one, which `cargo xtask build` makes"));
            crate::exit_code::FAILURE.into()
        }
        #[cfg(feature = "compiler")]
        ToolRequest::ImageBuild(build) => image::build(*build),
        #[cfg(feature = "compiler")]
        ToolRequest::ImagePush { input, reference } => image::push(&input, reference.as_deref()),
        ToolRequest::Embed(embedding) => embed::embed(&embedding),
        ToolRequest::Inspect { connector, grants, json } => inspect::inspect(&connector, &grants, json),
    }
}
