//! `airlock inspect`: what a connector is and may do, for people and for scripts.
//!
//! What is shown is gathered in one object (`Report`), which is what `--json` prints; its names stay.

use std::fmt::Display;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use anstyle::Style;
use serde::Serialize;

use crate::cli::people::{self, printable};
use crate::command::Grants;
use crate::connector::{
    self, CarriedFile, Code, ConnectorPaths, Description, ManifestHosts, Metadata, MetadataOrigin, Role,
};
use crate::exit_code;
use crate::sandbox::capability::{self, Capability, Import};
use crate::sandbox::{Author, Ceilings, NetworkPolicy, Wishes};

const HEADING: Style = Style::new().bold();

pub fn inspect(paths: &ConnectorPaths, grants: &Grants, json: bool) -> ExitCode {
    let description = match connector::describe(paths, grants.airbyte_directory.as_deref()) {
        Ok(description) => description,
        Err(failure) => {
            people::error(
                &failure.message,
                Some("a connector is a .wasm component, or what `airlock compile` made of one"),
            );
            return exit_code::FAILURE.into();
        }
    };
    let ceilings = match grants.ceilings() {
        Ok(ceilings) => ceilings,
        Err(failure) => {
            people::error(&failure.message, Some("no command of this connector would run: see docs/policy.md"));
            return exit_code::FAILURE.into();
        }
    };
    let report = Report::new(&paths.connector, description, grants, ceilings);
    let printed = if json { print_json(&report) } else { print_text(&report) };
    match printed {
        Ok(()) => exit_code::SUCCESS.into(),
        // Whoever reads has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => exit_code::FAILURE.into(),
        Err(error) => {
            people::error(&format!("stdout can not be written to: {error}"), None);
            exit_code::FAILURE.into()
        }
    }
}

/// Everything that is shown.
#[derive(Serialize)]
struct Report {
    /// The connector's file, as it was named.
    file: String,
    /// Its length in bytes.
    bytes: u64,
    role: Role,
    /// The version of `airlock:connector` that it was built for.
    contract: String,
    /// Whether its streams can be read at once.
    independent_streams: bool,
    /// None where the connector has no metadata.
    metadata: Option<MetadataReport>,
    /// The files that it carries, and reads below /connector.
    files: Vec<FileReport>,
    /// None where the connector carries no manifest.
    manifest: Option<ManifestHosts>,
    /// What its imports let it do.
    capabilities: Vec<Capability>,
    imports: Vec<ImportReport>,
    code: CodeReport,
    /// What the options of this command line would give to it.
    granted: GrantsReport,
    /// What is left of the hosts that the metadata (or the manifest, where that says nothing) and the options ask for, below the operator's
    /// policies.
    in_force: InForceReport,
}

/// The fields of the metadata. A field that is not there is null.
#[derive(Serialize)]
struct MetadataReport {
    /// `connector`, or `file`.
    origin: &'static str,
    /// The path, where the origin is a file.
    file: Option<String>,
    name: Option<String>,
    version: Option<String>,
    repository: Option<String>,
    definition_id: Option<String>,
    documentation_url: Option<String>,
    license: Option<String>,
    /// As they are written, placeholders and all.
    allowed_hosts: Option<Vec<String>>,
}

#[derive(Serialize)]
struct FileReport {
    /// Its path below /connector.
    name: String,
    /// Its length.
    bytes: u64,
}

#[derive(Serialize)]
struct ImportReport {
    name: String,
    /// What it lets the connector do, if anything.
    capability: Option<Capability>,
    /// Whether this airlock has it.
    given: bool,
}

#[derive(Serialize)]
#[serde(tag = "form", rename_all = "lowercase")]
enum CodeReport {
    /// A `.wasm`.
    Component {
        /// Whether its code for this machine is in the cache.
        cached: bool,
    },
    /// A `.cwasm`.
    Compiled {
        target: String,
        airlock: String,
        wasmtime: String,
        /// Whether it runs on this machine.
        runs_here: bool,
        /// Why not.
        problem: Option<String>,
    },
}

#[derive(Serialize)]
struct GrantsReport {
    airbyte_directory: Option<String>,
    mounts: Vec<MountReport>,
    hosts: Vec<String>,
    environment: Vec<String>,
}

#[derive(Serialize)]
struct MountReport {
    host: String,
    guest: String,
}

#[derive(Serialize)]
struct InForceReport {
    hosts: Vec<HostReport>,
    /// Entries of the metadata or the manifest with placeholders: which hosts they name is in the config.
    hosts_of_config: Vec<String>,
    /// The policy files over all of it.
    policies: Vec<String>,
    /// Sentences about what is left out or taken away.
    warnings: Vec<String>,
}

#[derive(Serialize)]
struct HostReport {
    host: String,
    /// `metadata`, `the manifest` or `--allow-host`.
    origin: String,
}

impl Report {
    fn new(path: &Path, description: Description, grants: &Grants, ceilings: Ceilings) -> Report {
        let said = description.metadata.as_ref().and_then(|metadata| metadata.allowed_hosts.as_deref());
        let in_force = in_force(said, description.manifest.as_ref(), grants, ceilings);
        let imports: Vec<ImportReport> = description.imports.into_iter().map(import).collect();
        let mut capabilities: Vec<Capability> = imports.iter().filter_map(|import| import.capability).collect();
        capabilities.sort();
        capabilities.dedup();
        Report {
            file: path.display().to_string(),
            bytes: description.size,
            role: description.role,
            contract: description.contract_version,
            independent_streams: description.independent_streams,
            metadata: description.metadata.map(metadata),
            files: description
                .files
                .into_iter()
                .map(|CarriedFile { name, bytes }| FileReport { name, bytes })
                .collect(),
            manifest: description.manifest,
            capabilities,
            imports,
            code: match description.code {
                Code::Component { cached } => CodeReport::Component { cached },
                Code::Compiled { target, airlock, wasmtime, problem } => {
                    CodeReport::Compiled { target, airlock, wasmtime, runs_here: problem.is_none(), problem }
                }
            },
            granted: granted(grants),
            in_force,
        }
    }
}

fn import(name: String) -> ImportReport {
    let meaning = capability::meaning(&name);
    let capability = match meaning {
        Import::Capability(capability) => Some(capability),
        Import::Harmless | Import::NotGiven => None,
    };
    // Of the contract's own version it is known already that it fits.
    let contract = name.strip_prefix(connector::PACKAGE).is_some_and(|rest| rest.starts_with('/'));
    ImportReport { capability, given: contract || meaning != Import::NotGiven, name }
}

fn metadata(metadata: Metadata) -> MetadataReport {
    let (origin, file) = match metadata.origin {
        MetadataOrigin::Connector => ("connector", None),
        MetadataOrigin::File(path) => ("file", Some(path.display().to_string())),
    };
    MetadataReport {
        origin,
        file,
        name: metadata.name,
        version: metadata.version,
        repository: metadata.repository,
        definition_id: metadata.definition_id,
        documentation_url: metadata.documentation_url,
        license: metadata.license,
        allowed_hosts: metadata.allowed_hosts,
    }
}

fn granted(grants: &Grants) -> GrantsReport {
    let shown = |path: &Path| path.display().to_string();
    let mounts = grants.mounts.iter();
    GrantsReport {
        airbyte_directory: grants.airbyte_directory.as_deref().map(shown),
        mounts: mounts.map(|mount| MountReport { host: shown(&mount.host), guest: mount.guest.clone() }).collect(),
        hosts: grants.hosts.iter().map(ToString::to_string).collect(),
        environment: grants.environment.clone(),
    }
}

/// `said` is what the metadata asks for; without that, what the manifest calls counts.
fn in_force(
    said: Option<&[String]>,
    manifest: Option<&ManifestHosts>,
    grants: &Grants,
    ceilings: Ceilings,
) -> InForceReport {
    let manifest = manifest.filter(|_| said.is_none());
    let asked_for = said.or(manifest.map(|manifest| manifest.hosts.as_slice())).unwrap_or_default();
    let author = if manifest.is_some() { Author::Manifest } else { Author::Metadata };
    let wishes = Wishes { asked_for, author, config: None, command_line: &grants.hosts };
    let (policy, mut warnings) = NetworkPolicy::new(wishes, ceilings);
    warnings.extend(manifest.iter().flat_map(|manifest| manifest.warnings.iter().cloned()));
    let entries = policy.entries().iter();
    InForceReport {
        hosts: entries
            .map(|entry| HostReport { host: entry.hosts.to_string(), origin: entry.origin.to_string() })
            .collect(),
        hosts_of_config: asked_for.iter().filter(|entry| entry.contains("${")).cloned().collect(),
        policies: policy.ceilings().files().map(|file| file.display().to_string()).collect(),
        warnings,
    }
}

fn print_json(report: &Report) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    serde_json::to_writer_pretty(&mut stdout, report)?;
    writeln!(stdout)?;
    stdout.flush()
}

fn print_text(report: &Report) -> io::Result<()> {
    let mut stdout = anstream::stdout().lock();
    print_identity(&mut stdout, report)?;
    print_files(&mut stdout, &report.files)?;
    print_capabilities(&mut stdout, report)?;
    print_hosts(&mut stdout, report)?;
    print_granted(&mut stdout, &report.granted)?;
    print_in_force(&mut stdout, &report.in_force)?;
    stdout.flush()
}

fn print_identity(out: &mut impl Write, report: &Report) -> io::Result<()> {
    let metadata = report.metadata.as_ref();
    let named = metadata.and_then(|metadata| metadata.name.clone());
    let title = named.unwrap_or_else(|| report.file.clone());
    writeln!(out, "{HEADING}{}{HEADING:#}", printable(&title))?;
    let mut line = |label: &str, value: &dyn Display| writeln!(out, "  {label:<15}{}", printable(&value.to_string()));
    line("role", &report.role.name())?;
    if let Some(metadata) = metadata {
        for (label, value) in [
            ("version", &metadata.version),
            ("repository", &metadata.repository),
            ("definition", &metadata.definition_id),
            ("documentation", &metadata.documentation_url),
            ("license", &metadata.license),
        ] {
            if let Some(value) = value {
                line(label, value)?;
            }
        }
    }
    match metadata {
        Some(MetadataReport { file: Some(file), .. }) => line("metadata", file)?,
        Some(_) => line("metadata", &MetadataOrigin::Connector)?,
        None => line("metadata", &"none. `airlock embed` puts one into a .wasm file")?,
    }
    line("contract", &format_args!("{}@{}", connector::PACKAGE, report.contract))?;
    if report.independent_streams {
        line("streams", &"independent: several are read at once (--max-concurrency)")?;
    }
    line("file", &format_args!("{} ({} KB)", report.file, report.bytes.div_ceil(1000)))?;
    match &report.code {
        CodeReport::Component { .. } if cfg!(not(feature = "compiler")) => {
            line("code", &"not compiled, and this airlock was built without its compiler")
        }
        CodeReport::Component { cached: true } => line("code", &"compiled for this machine, in the cache"),
        CodeReport::Component { cached: false } => line("code", &"not compiled yet: the first start will take longer"),
        CodeReport::Compiled { target, airlock, wasmtime, problem, .. } => {
            line("code", &format_args!("compiled for {target} by airlock {airlock} with wasmtime {wasmtime}"))?;
            match problem {
                None => line("", &"it runs on this machine"),
                Some(problem) => line("", &format_args!("it does not run here: it {problem}")),
            }
        }
    }
}

fn print_files(out: &mut impl Write, files: &[FileReport]) -> io::Result<()> {
    if files.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n{HEADING}Files that it carries{HEADING:#}")?;
    files.iter().try_for_each(|FileReport { name, bytes }| writeln!(out, "  {} ({bytes} bytes)", printable(name)))
}

fn print_capabilities(out: &mut impl Write, report: &Report) -> io::Result<()> {
    writeln!(out, "\n{HEADING}What its imports let it do{HEADING:#}")?;
    for capability in &report.capabilities {
        writeln!(out, "  {}", capability.words())?;
    }
    if report.capabilities.is_empty() {
        writeln!(out, "  nothing but to speak with airlock")?;
    }
    for import in report.imports.iter().filter(|import| !import.given) {
        writeln!(out, "  {}: NOT GIVEN by this airlock, so the connector can not be started", printable(&import.name))?;
    }
    Ok(())
}

fn print_hosts(out: &mut impl Write, report: &Report) -> io::Result<()> {
    let said = report.metadata.as_ref().and_then(|metadata| metadata.allowed_hosts.as_deref());
    let (whose, hosts) = match (said, &report.manifest) {
        (None, Some(manifest)) => ("manifest calls", manifest.hosts.as_slice()),
        _ => ("metadata asks for", said.unwrap_or_default()),
    };
    writeln!(out, "\n{HEADING}Hosts that its {whose}{HEADING:#}")?;
    for host in hosts {
        writeln!(out, "  {}", printable(host))?;
    }
    if hosts.is_empty() {
        writeln!(out, "  none")?;
    }
    Ok(())
}

fn print_granted(out: &mut impl Write, granted: &GrantsReport) -> io::Result<()> {
    let mut lines = Vec::new();
    lines.extend(granted.airbyte_directory.iter().map(|directory| format!("writes to {directory}, its /airbyte")));
    lines.extend(granted.mounts.iter().map(|mount| format!("reads {}, its {}", mount.host, mount.guest)));
    lines.extend(granted.hosts.iter().map(|host| format!("may reach the host {host}")));
    lines.extend(granted.environment.iter().map(|name| format!("sees the variable {name}")));
    if lines.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n{HEADING}What the options add{HEADING:#}")?;
    lines.iter().try_for_each(|line| writeln!(out, "  {}", printable(line)))
}

fn print_in_force(out: &mut impl Write, in_force: &InForceReport) -> io::Result<()> {
    writeln!(out, "\n{HEADING}Hosts that it may reach{HEADING:#}")?;
    let mut lines: Vec<String> =
        in_force.hosts.iter().map(|HostReport { host, origin }| format!("{host} ({origin})")).collect();
    lines.extend(in_force.hosts_of_config.iter().map(|entry| format!("{entry}, filled by the config")));
    if lines.is_empty() {
        lines.push("none".to_owned());
    }
    lines.extend(in_force.policies.iter().map(|file| format!("below the policy {file}")));
    lines.extend(in_force.warnings.iter().cloned());
    lines.iter().try_for_each(|line| writeln!(out, "  {}", printable(line)))
}
