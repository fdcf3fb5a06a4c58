//! The arguments, their help, and the rules between them.

use std::ffi::OsString;
#[cfg(feature = "compiler")]
use std::io::IsTerminal;
use std::mem::ManuallyDrop;
#[cfg(feature = "compiler")]
use std::path::Path;
use std::path::PathBuf;
use std::process::exit;
use std::str::FromStr;

#[cfg(feature = "compiler")]
use airlock_images::Platform;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use super::{Request, people};
use crate::command::{AirbyteCommand, Grants, Invocation, Limits};
use crate::connector::{ConnectorPaths, declarative_component};
use crate::exit_code;
use crate::sandbox::{HostPattern, Mount, PolicyFile};
use crate::tool::{Compilation, Embedding, ToolRequest};
#[cfg(feature = "compiler")]
use crate::tool::{Created, ImageBuild, ImageName, ManifestBuild};

/// A record may be as long as this many bytes unless told otherwise: more than six times what makes the platform warn.
const MAX_RECORD_BYTES: usize = 128 * 1024 * 1024;

const EXAMPLES: &str = "\
Examples:
  airlock --connector source-faker.wasm spec
  airlock --connector source-faker.wasm discover --config config.json
  airlock --connector source-faker.wasm read --config config.json --catalog catalog.json --state state.jsonl
  airlock --manifest-path manifest.yaml check --config config.json
  airlock --connector destination-local-json.wasm write --airbyte-dir ./out --config config.json --catalog catalog.json
  airlock compile source-faker.wasm --output source-faker.cwasm
  airlock embed source-faker.wasm --metadata metadata.yaml --files ./data
  airlock inspect source-faker.wasm
  airlock build --manifest manifest.yaml --output source-everhour.wasm
  airlock image build source-faker.wasm --output source-faker.tar

Exit codes: 0 success, 1 failure (told by a TRACE ERROR), 2 wrong usage.";

/// Runs Airbyte connectors that are WebAssembly components.
#[derive(Parser)]
#[command(name = "airlock", version, after_help = EXAMPLES, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,

    /// The connector: a .wasm component, or a .cwasm that `airlock compile` made
    #[arg(long, global = true, env = "AIRLOCK_CONNECTOR", value_name = "PATH", help_heading = "Connector")]
    connector: Option<OsString>,

    /// The connector's metadata.yaml, in the place of what it carries and what lies beside it
    #[arg(long, global = true, env = "AIRLOCK_METADATA", value_name = "FILE", help_heading = "Connector")]
    metadata: Option<OsString>,

    /// A low-code manifest that is tried in the place of the one that the connector carries, with schemas/, spec.yaml and metadata.yaml
    /// beside it. Without --connector, source-declarative beside this program runs it
    #[arg(long, global = true, value_name = "FILE", help_heading = "Connector")]
    manifest_path: Option<PathBuf>,

    /// The directory that is the connector's /airbyte, the only one it may write to. A temporary one if none is named;
    /// `write` wants one
    #[arg(long, global = true, env = "AIRLOCK_AIRBYTE_DIR", value_name = "DIR", help_heading = "Connector")]
    airbyte_dir: Option<OsString>,

    /// A directory that the connector may read: HOST:GUEST, as in ./data:/data. May be given more than once
    #[arg(long, global = true, value_name = "HOST:GUEST", help_heading = "Connector")]
    mount: Vec<Mount>,

    /// A host that the connector may reach beside those of its metadata: NAME, *.NAME or an address, with or without :PORT.
    /// May be given more than once
    #[arg(long, global = true, value_name = "HOST", help_heading = "Connector")]
    allow_host: Vec<HostPattern>,

    /// An environment variable that the connector may see, with the value that it has here. May be given more than once
    #[arg(long, global = true, value_name = "NAME", help_heading = "Connector")]
    allow_env: Vec<String>,

    /// The operator's policy, a file: what the connector may do at most, whatever it and the other options ask for. It holds
    /// beside the one that AIRLOCK_POLICY names, and /etc/airlock/policy.yaml
    // Not with clap's `env`: there the option would take the place of the variable.
    #[arg(long, global = true, value_name = "FILE", help_heading = "Connector")]
    policy: Option<PathBuf>,

    /// A longer record, in bytes, ends the sync with an error
    #[arg(long, global = true, value_name = "BYTES", default_value_t = MAX_RECORD_BYTES, help_heading = "Connector")]
    max_record_bytes: usize,

    /// The memory that the connector may use, as in 512MiB or 2GiB. What the container leaves if not said, else 2GiB
    #[arg(long, global = true, env = "AIRLOCK_MAX_MEMORY", value_name = "SIZE", help_heading = "Connector")]
    max_memory: Option<String>,

    /// How many streams are read at once, where the connector says that it can: as many as there are cores if not said
    #[arg(long, global = true, env = "AIRLOCK_MAX_CONCURRENCY", value_name = "NUMBER", help_heading = "Connector")]
    max_concurrency: Option<String>,

    /// How long the command may take, as in 90s, 15m or 2h. As long as it takes if not said
    #[arg(long, global = true, env = "AIRLOCK_TIMEOUT", value_name = "TIME", help_heading = "Connector")]
    timeout: Option<String>,

    /// Log what developers want to see, as LOG_LEVEL=debug does
    #[arg(long, global = true, help_heading = "Connector")]
    debug: bool,

    /// The configuration: a file with a JSON object
    #[arg(long, global = true, value_name = "FILE", help_heading = "Airbyte")]
    config: Option<PathBuf>,

    /// The configured catalog: a file with a JSON object
    #[arg(long, global = true, value_name = "FILE", help_heading = "Airbyte")]
    catalog: Option<PathBuf>,

    /// The state of an earlier read: a file with a JSON array of state messages, or with lines of STATE messages
    #[arg(long, global = true, value_name = "FILE", help_heading = "Airbyte")]
    state: Option<PathBuf>,
}

#[derive(Subcommand)]
enum Command {
    /// Print the connector's specification
    Spec,
    /// Try a configuration
    Check,
    /// Print the catalog of streams that a source has
    Discover,
    /// Read from a source: records and states on stdout
    Read,
    /// Write to a destination: records and states on stdin, the states that are safe on stdout
    Write,
    /// Make a connector of a low-code manifest
    ///
    /// The component that runs manifests gets this one to carry, with schemas/ and spec.yaml, spec.yml or spec.json beside it. It is the one
    /// that --connector names, or source-declarative.wasm beside this program. The metadata is the one that --metadata names, or
    /// metadata.yaml beside the manifest; where it has no allowedHosts, the hosts that the manifest calls are those that the connector asks
    /// for. The connector is asked for its specification before it is written.
    #[cfg(feature = "compiler")]
    #[command(after_help = BUILD_EXAMPLES)]
    Build {
        /// The manifest, a YAML file
        #[arg(long, value_name = "FILE")]
        manifest: PathBuf,
        /// Where the connector goes; as the metadata's dockerRepository or the manifest's directory is called, with the ending .wasm, if not
        /// said
        #[arg(long, short, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Compile a component ahead of time, so that it starts in milliseconds on every machine of a platform
    Compile {
        /// The component, a .wasm file
        #[arg(value_name = "CONNECTOR.wasm")]
        input: PathBuf,
        /// Where the compiled connector goes; beside the component, with the ending .cwasm, if not said
        #[arg(long, short, value_name = "FILE")]
        output: Option<PathBuf>,
        /// What the code is for: linux/amd64 or linux/arm64; this machine's, if not said
        #[cfg(feature = "compiler")]
        #[arg(long, value_name = "PLATFORM")]
        platform: Option<Platform>,
    },
    /// Make a connector image, or send one to a registry, without Docker
    #[cfg(feature = "compiler")]
    Image {
        #[command(subcommand)]
        command: ImageCommand,
    },
    /// Put metadata and files into a component, so that a connector and what it needs stay one file
    ///
    /// The metadata is Airbyte's metadata.yaml, named by --metadata. The files are those of a directory, named by --files: the connector reads
    /// them below /connector. Each takes the place of what the component carries.
    #[command(after_help = EMBED_EXAMPLES)]
    Embed {
        /// The component, a .wasm file
        #[arg(value_name = "CONNECTOR.wasm")]
        input: PathBuf,
        /// Where the component with its metadata goes; in its own place, if not said
        #[arg(long, short, value_name = "FILE")]
        output: Option<PathBuf>,
        /// The directory with the files that the connector reads below /connector. An empty one takes away what it carries
        #[arg(long, value_name = "DIR")]
        files: Option<PathBuf>,
    },
    /// Show what a connector is and what it may do, without running it
    Inspect {
        /// The connector, a .wasm or .cwasm file; what --connector names, if not said
        #[arg(value_name = "CONNECTOR")]
        input: Option<PathBuf>,
        /// Print one JSON object, for scripts
        #[arg(long)]
        json: bool,
    },
}

#[cfg(feature = "compiler")]
#[expect(clippy::large_enum_variant, reason = "there is one, read once")]
#[derive(Subcommand)]
enum ImageCommand {
    /// Make a connector image: an archive for `docker load`, `podman load`, `skopeo` and `airlock image push`
    ///
    /// The image is the base image and one layer with the connector, compiled ahead of time for each platform. Its name is
    /// dockerRepository and dockerImageTag of the connector's metadata. The same input gives the same bytes.
    #[command(after_help = IMAGE_BUILD_EXAMPLES)]
    Build {
        /// The component, a .wasm file
        #[arg(value_name = "CONNECTOR.wasm")]
        input: PathBuf,
        /// Where the archive goes, - for stdout; beside the component, with the ending .tar, if not said
        #[arg(long, short, value_name = "FILE")]
        output: Option<PathBuf>,
        /// What the image is for: linux/amd64, linux/arm64, or both
        #[arg(long, value_name = "PLATFORM", value_delimiter = ',', default_value = "linux/amd64,linux/arm64")]
        platform: Vec<Platform>,
        /// The base image: a directory or an archive with an OCI layout, or a reference to a registry. What `cargo xtask
        /// base-image` made beside this airlock, if not said
        #[arg(long, env = "AIRLOCK_BASE_IMAGE", value_name = "IMAGE")]
        base: Option<String>,
        /// The image's name, in the place of the metadata's
        #[arg(long, value_name = "REPOSITORY:TAG")]
        tag: Option<ImageName>,
    },
    /// Send an image to a registry, with the credentials that `docker login` or `podman login` left
    ///
    /// HTTPS, and plain HTTP to a registry on this machine.
    #[command(after_help = IMAGE_PUSH_EXAMPLES)]
    Push {
        /// The image: an archive that `airlock image build` made, or any OCI layout
        #[arg(value_name = "IMAGE.tar")]
        input: PathBuf,
        /// Where it goes, as in registry.example/airbyte/source-faker:0.1.0; by the name that it has, if not said
        #[arg(value_name = "REFERENCE")]
        reference: Option<String>,
    },
}

#[cfg(feature = "compiler")]
const BUILD_EXAMPLES: &str = "\
Examples:
  airlock build --manifest source-everhour/manifest.yaml
  airlock build --manifest manifest.yaml --metadata metadata.yaml --output source-everhour.wasm
  airlock --connector source-everhour.wasm check --config config.json

To try a manifest without building: airlock --manifest-path manifest.yaml check --config config.json";

const EMBED_EXAMPLES: &str = "\
Examples:
  airlock embed source-faker.wasm --metadata metadata.yaml
  airlock embed source-faker.wasm --files ./data --output source-faker-with-data.wasm";

#[cfg(feature = "compiler")]
const IMAGE_BUILD_EXAMPLES: &str = "\
Examples:
  airlock image build source-faker.wasm --output source-faker.tar
  docker load --input source-faker.tar
  airlock image build source-faker.wasm --tag mine/source-faker:dev --output - | docker load
  airlock image build source-faker.wasm --platform linux/amd64 --base registry.example/airlock/base:0.1.0

SOURCE_DATE_EPOCH says when the image was made; without it, it says 1970.";

#[cfg(feature = "compiler")]
const IMAGE_PUSH_EXAMPLES: &str = "\
Examples:
  airlock image push source-faker.tar
  airlock image push source-faker.tar localhost:5000/airbyte/source-faker:dev";

/// Reads the command line. Ends the process where it is wrong, or asks for help.
pub fn parse() -> Request {
    // Not dropped: it is large, and goes with the process.
    let mut command = ManuallyDrop::new(Arguments::command());
    let matches = command.try_get_matches_from_mut(std::env::args_os());
    let arguments = matches.and_then(|mut matches| {
        Arguments::from_arg_matches_mut(&mut matches).map_err(|error| error.format(&mut command))
    });
    let arguments = arguments.unwrap_or_else(|error| error.exit());
    request(arguments).unwrap_or_else(|(error, hint)| {
        people::error(&error, Some(&hint));
        exit(exit_code::WRONG_USAGE.into());
    })
}

type WrongUsage = (String, String);

fn request(arguments: Arguments) -> Result<Request, WrongUsage> {
    let Arguments {
        command,
        connector,
        metadata,
        manifest_path,
        airbyte_dir,
        mount,
        allow_host,
        allow_env,
        policy,
        max_record_bytes,
        max_memory,
        max_concurrency,
        timeout,
        debug,
        config,
        catalog,
        state,
    } = arguments;
    let (name, wants_config, wants_catalog, takes_state) = match command {
        Command::Spec => ("spec", false, false, false),
        Command::Check => ("check", true, false, false),
        Command::Discover => ("discover", true, false, false),
        Command::Read => ("read", true, true, true),
        Command::Write => ("write", true, true, false),
        #[cfg(feature = "compiler")]
        Command::Build { .. } => ("build", false, false, false),
        Command::Compile { .. } => ("compile", false, false, false),
        #[cfg(feature = "compiler")]
        Command::Image { command: ImageCommand::Build { .. } } => ("image build", false, false, false),
        #[cfg(feature = "compiler")]
        Command::Image { command: ImageCommand::Push { .. } } => ("image push", false, false, false),
        Command::Embed { .. } => ("embed", false, false, false),
        Command::Inspect { .. } => ("inspect", false, false, false),
    };
    let takes =
        [("--config", &config, wants_config), ("--catalog", &catalog, wants_catalog), ("--state", &state, takes_state)];
    if let Some((option, ..)) = takes.iter().find(|(_, given, taken)| given.is_some() && !taken) {
        return Err((
            format!("{name} takes no {option}"),
            format!("leave {option} out, or see what each command takes: airlock {name} --help"),
        ));
    }
    // An empty variable is one that somebody meant to unset.
    let named = |path: Option<OsString>| path.filter(|path| !path.is_empty()).map(PathBuf::from);
    let required = |option: &str, given: Option<PathBuf>| {
        given.ok_or_else(|| (format!("{name} needs {option}"), format!("name the file: airlock {name} {option} FILE")))
    };
    if manifest_path.is_some() && !matches!(name, "spec" | "check" | "discover" | "read" | "inspect") {
        return Err((
            format!("{name} takes no --manifest-path"),
            "it is for spec, check, discover, read and inspect, which try a manifest".to_owned(),
        ));
    }
    let metadata = named(metadata);
    // Both run a manifest.
    let is_manifest = manifest_path.is_some() || name == "build";
    let connector = match (named(connector), is_manifest) {
        (Some(connector), _) => Ok(connector),
        (None, true) => declarative_component().map_err(|problem| {
            let hint = "name the component that runs manifests with --connector PATH, or AIRLOCK_CONNECTOR";
            (format!("no connector is named, and {problem}"), hint.to_owned())
        }),
        (None, false) => Err((
            "no connector is named".to_owned(),
            "name one with --connector PATH, or with the environment variable AIRLOCK_CONNECTOR".to_owned(),
        )),
    };
    let grants = Grants {
        airbyte_directory: named(airbyte_dir),
        mounts: mount,
        hosts: allow_host,
        environment: variable_names(allow_env)?,
        policies: policy_files(named(std::env::var_os("AIRLOCK_POLICY")), policy),
    };
    let command = match command {
        Command::Spec => AirbyteCommand::Spec,
        Command::Check => AirbyteCommand::Check { config: required("--config", config)? },
        Command::Discover => AirbyteCommand::Discover { config: required("--config", config)? },
        Command::Read => AirbyteCommand::Read {
            config: required("--config", config)?,
            catalog: required("--catalog", catalog)?,
            state,
        },
        Command::Write => {
            AirbyteCommand::Write { config: required("--config", config)?, catalog: required("--catalog", catalog)? }
        }
        #[cfg(feature = "compiler")]
        Command::Image { command: ImageCommand::Build { input, output, platform, base, tag } } => {
            refuse_archive_on_terminal(output.as_deref())?;
            let build = ImageBuild {
                input,
                output,
                platforms: platform,
                base: base.filter(|base| !base.is_empty()),
                tag,
                created: created()?,
                metadata,
                airbyte_directory: grants.airbyte_directory,
                memory: limit("--max-memory", "AIRLOCK_MAX_MEMORY", max_memory)?,
            };
            return Ok(Request::Tool(ToolRequest::ImageBuild(Box::new(build))));
        }
        #[cfg(feature = "compiler")]
        Command::Image { command: ImageCommand::Push { input, reference } } => {
            return Ok(Request::Tool(ToolRequest::ImagePush { input, reference }));
        }
        Command::Compile {
            input,
            output,
            #[cfg(feature = "compiler")]
            platform,
        } => {
            let memory = limit("--max-memory", "AIRLOCK_MAX_MEMORY", max_memory)?;
            let airbyte_directory = grants.airbyte_directory;
            let compilation = Compilation {
                input,
                output,
                #[cfg(feature = "compiler")]
                platform,
                metadata,
                airbyte_directory,
                memory,
            };
            return Ok(Request::Tool(ToolRequest::Compile(compilation)));
        }
        #[cfg(feature = "compiler")]
        Command::Build { manifest, output } => {
            let component = connector?;
            return Ok(Request::Tool(ToolRequest::Build(ManifestBuild { manifest, component, metadata, output })));
        }
        Command::Embed { input, output, files } => {
            if metadata.is_none() && files.is_none() {
                return Err((
                    "embed needs --metadata or --files".to_owned(),
                    "name what is to be put in: airlock embed CONNECTOR.wasm --metadata FILE --files DIR".to_owned(),
                ));
            }
            return Ok(Request::Tool(ToolRequest::Embed(Embedding { input, output, metadata, files })));
        }
        Command::Inspect { input, json } => {
            let connector =
                ConnectorPaths { connector: input.map_or(connector, Ok)?, metadata, manifest: manifest_path };
            return Ok(Request::Tool(ToolRequest::Inspect { connector, grants, json }));
        }
    };
    let connector = ConnectorPaths { connector: connector?, metadata, manifest: manifest_path };
    if matches!(command, AirbyteCommand::Write { .. }) && grants.airbyte_directory.is_none() {
        return Err((
            "write needs a directory for the destination's files".to_owned(),
            "name one with --airbyte-dir DIR (or AIRLOCK_AIRBYTE_DIR): in a temporary one they would be lost"
                .to_owned(),
        ));
    }
    let limits = Limits {
        max_record_bytes,
        concurrency: limit("--max-concurrency", "AIRLOCK_MAX_CONCURRENCY", max_concurrency)?,
        memory: limit("--max-memory", "AIRLOCK_MAX_MEMORY", max_memory)?,
        time: limit("--timeout", "AIRLOCK_TIMEOUT", timeout)?,
    };
    Ok(Request::Airbyte(Box::new(Invocation { command, connector, grants, limits, debug })))
}

/// The value of an option or of its variable, which has the same effect where it is empty as where it is not set.
fn limit<T: FromStr<Err = String>>(
    option: &str,
    variable: &str,
    text: Option<String>,
) -> Result<Option<T>, WrongUsage> {
    let Some(text) = text.filter(|text| !text.trim().is_empty()) else { return Ok(None) };
    let parsed = text.parse().map(Some);
    parsed.map_err(|problem| (format!("{option} (or {variable}) can not be used"), problem))
}

/// A variable of all tools that make the same thing twice, and so no option here.
#[cfg(feature = "compiler")]
fn created() -> Result<Created, WrongUsage> {
    const VARIABLE: &str = "SOURCE_DATE_EPOCH";
    let text = std::env::var_os(VARIABLE).filter(|text| !text.is_empty());
    let parsed = text.map_or(Ok(Created::default()), |text| text.to_string_lossy().parse());
    parsed.map_err(|problem| (format!("{VARIABLE} can not be used"), problem))
}

#[cfg(feature = "compiler")]
fn refuse_archive_on_terminal(output: Option<&Path>) -> Result<(), WrongUsage> {
    if output != Some(Path::new("-")) || !std::io::stdout().is_terminal() {
        return Ok(());
    }
    Err((
        "an image is nothing for a terminal".to_owned(),
        "name a file with --output FILE, or say who takes it: airlock image build … --output - | docker load"
            .to_owned(),
    ))
}

/// The policies that are named. All of them hold.
fn policy_files(variable: Option<PathBuf>, option: Option<PathBuf>) -> Vec<PolicyFile> {
    let named = [("AIRLOCK_POLICY", variable), ("--policy", option)];
    named.into_iter().filter_map(|(named_by, path)| Some(PolicyFile { path: path?, named_by })).collect()
}

/// Names, and no values: others on the machine see a command line.
fn variable_names(names: Vec<String>) -> Result<Vec<String>, WrongUsage> {
    let Some(wrong) = names.iter().find(|name| name.is_empty() || name.contains('=')) else { return Ok(names) };
    let name = wrong.split('=').next().filter(|name| !name.is_empty()).unwrap_or("NAME");
    Err((
        "--allow-env takes the name of an environment variable, and no value".to_owned(),
        format!(
            "set the variable where airlock is started, and say --allow-env {name}: others see what is on a command line"
        ),
    ))
}
