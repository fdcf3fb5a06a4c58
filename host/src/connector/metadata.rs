//! A connector's metadata: Airbyte's `metadata.yaml`, which says what the connector is called and which hosts it needs.
//! Its author wrote it: what it asks for is a wish. Knows nothing of what is granted, and of how a file carries it.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::contract::Role;
use crate::protocol::failure::Failure;

/// A longer file is refused. Airbyte's own are below 100 KB.
const MAX_BYTES: usize = 1024 * 1024;

/// What is read of a `metadata.yaml`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metadata {
    /// `name`: the connector's name for people.
    pub name: Option<String>,
    /// `dockerRepository`, as in `airbyte/source-faker`.
    pub repository: Option<String>,
    /// `dockerImageTag`: the connector's version.
    pub version: Option<String>,
    /// `definitionId`: the UUID by which the platform knows the connector.
    pub definition_id: Option<String>,
    /// `documentationUrl`.
    pub documentation_url: Option<String>,
    /// `license`.
    pub license: Option<String>,
    /// `connectorType`.
    pub role: Option<Role>,
    /// `allowedHosts.hosts` as it is written, placeholders and all. None where there is no `allowedHosts`.
    pub allowed_hosts: Option<Vec<String>>,
    /// Where it was found. Whoever keeps metadata in a connector's file has it from there.
    #[serde(skip)]
    pub origin: MetadataOrigin,
    /// All of it, as it was written.
    pub(super) text: String,
}

/// Where metadata was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum MetadataOrigin {
    /// In the connector's own file.
    #[default]
    Connector,
    /// In a file beside it, or in the one that was named.
    File(PathBuf),
}

impl fmt::Display for MetadataOrigin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MetadataOrigin::Connector => formatter.write_str("the connector's own file"),
            MetadataOrigin::File(path) => write!(formatter, "{}", path.display()),
        }
    }
}

/// The metadata that a connector's file carries.
pub enum Carried {
    /// As its author wrote it: in a component.
    Text(Vec<u8>),
    /// As it was read when the connector was compiled.
    Read(Metadata),
}

impl Carried {
    fn into_metadata(self) -> Result<Metadata, String> {
        match self {
            Carried::Text(bytes) => Metadata::parse(&bytes, MetadataOrigin::Connector),
            Carried::Read(metadata) => Ok(metadata),
        }
    }
}

/// The metadata of the connector at `connector`: of the file that was named, else what the connector carries, else what lies
/// beside it. What is there and wrong is an error, never none.
///
/// Where guests may write (`guests`), none is believed that asks for anything: a guest could have written itself a policy.
pub fn find(
    connector: &Path,
    role: Role,
    named: Option<&Path>,
    carried: Option<Carried>,
    guests: Option<&Path>,
) -> Result<Option<Metadata>, Failure> {
    let found = match (named, carried) {
        (Some(file), _) => Some(from_file(file.to_owned())),
        (None, Some(carried)) => Some(carried.into_metadata()),
        (None, None) => beside(connector).map(from_regular_file),
    };
    let checked = found.map(|metadata| {
        let metadata = metadata?;
        metadata.require_role(role)?;
        metadata.require_out_of_reach(connector, guests)?;
        Ok(metadata)
    });
    checked.transpose().map_err(|problem: String| {
        Failure::config_error(format!("The connector {} has metadata that {problem}.", connector.display()))
    })
}

/// Where metadata may lie beside a connector: `NAME.metadata.yaml` for it alone, `metadata.yaml` for what is alone in its
/// directory.
fn beside(connector: &Path) -> Option<PathBuf> {
    let mut name = connector.file_stem()?.to_owned();
    name.push(".metadata.yaml");
    // A link that leads nowhere is there as well, and wrong.
    [connector.with_file_name(name), connector.with_file_name("metadata.yaml")]
        .into_iter()
        .find(|path| path.symlink_metadata().is_ok())
}

/// One that nobody named: a pipe would be waited for in vain.
fn from_regular_file(path: PathBuf) -> Result<Metadata, String> {
    match path.metadata() {
        Ok(metadata) if !metadata.is_file() => Err(format!("is no file: {}", path.display())),
        _ => from_file(path),
    }
}

fn from_file(path: PathBuf) -> Result<Metadata, String> {
    let mut bytes = Vec::new();
    let limit = MAX_BYTES as u64 + 1;
    let read = File::open(&path).and_then(|file| file.take(limit).read_to_end(&mut bytes));
    read.map_err(|error: io::Error| format!("can not be read: {}: {error}", path.display()))?;
    Metadata::parse(&bytes, MetadataOrigin::File(path))
}

/// The file as Airbyte has it. Other fields are nobody's business here.
#[derive(Deserialize)]
struct Document {
    data: Data,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Data {
    name: Option<String>,
    docker_repository: Option<String>,
    docker_image_tag: Option<String>,
    definition_id: Option<String>,
    documentation_url: Option<String>,
    license: Option<String>,
    connector_type: Option<Role>,
    allowed_hosts: Option<AllowedHosts>,
}

#[derive(Deserialize)]
struct AllowedHosts {
    hosts: Option<Vec<String>>,
}

impl Metadata {
    /// Reads a `metadata.yaml`. The error is the rest of a sentence.
    pub fn parse(bytes: &[u8], origin: MetadataOrigin) -> Result<Metadata, String> {
        let problem = |text: &dyn fmt::Display| format!("can not be read, in {origin}: {text}");
        if bytes.len() > MAX_BYTES {
            return Err(problem(&format_args!("it is longer than {} KB", MAX_BYTES / 1024)));
        }
        let text = std::str::from_utf8(bytes).map_err(|_| problem(&"it is not UTF-8"))?;
        let options = serde_saphyr::options! {
            with_snippet: false,
            // Fields that nobody reads may hold what they like.
            non_finite_float_policy: serde_saphyr::options::NonFiniteFloatPolicy::PassThrough,
            // Enough for every file of this length that means well; aliases that multiply each other end here.
            budget: serde_saphyr::budget! { max_nodes: 100_000, max_total_scalar_bytes: 4 * MAX_BYTES },
        };
        let mut field = None;
        let parsed = serde_saphyr::with_deserializer_from_str_with_options(text, options, |deserializer| {
            serde_path_to_error::deserialize(deserializer).map_err(|error| {
                field = Some(error.path().to_string());
                error.into_inner()
            })
        });
        let Document { data } = parsed.map_err(|error| match field.filter(|field| field != ".") {
            Some(field) => problem(&format_args!("{field}: {error}")),
            None => problem(&error),
        })?;
        Ok(Metadata {
            name: data.name,
            repository: data.docker_repository,
            version: data.docker_image_tag,
            definition_id: data.definition_id,
            documentation_url: data.documentation_url,
            license: data.license,
            role: data.connector_type,
            allowed_hosts: data.allowed_hosts.and_then(|allowed| allowed.hosts),
            text: text.to_owned(),
            origin,
        })
    }

    /// Refuses the metadata of another kind of connector.
    pub fn require_role(&self, role: Role) -> Result<(), String> {
        match self.role {
            Some(other) if other != role => Err(format!(
                "belongs to another: it is a {}, and the metadata is of a {} (connectorType in {})",
                role.name(),
                other.name(),
                self.origin
            )),
            _ => Ok(()),
        }
    }

    /// Refuses what a guest could have written. A connector may lie where guests write, as long as it asks for nothing.
    fn require_out_of_reach(&self, connector: &Path, guests: Option<&Path>) -> Result<(), String> {
        let (file, advice) = match &self.origin {
            MetadataOrigin::Connector if self.allowed_hosts.as_ref().is_none_or(Vec::is_empty) => return Ok(()),
            MetadataOrigin::Connector => (connector, "Keep the connector elsewhere"),
            MetadataOrigin::File(path) => (path.as_path(), "Keep it elsewhere, and name it with --metadata"),
        };
        require_out_of_reach(file, guests, &self.origin, advice)
    }
}

/// Refuses a file that asks for hosts and that a guest could have written; `shown` is what people call it.
pub(super) fn require_out_of_reach(
    file: &Path,
    guests: Option<&Path>,
    shown: &dyn fmt::Display,
    advice: &str,
) -> Result<(), String> {
    let Some(guests) = guests else { return Ok(()) };
    let found = |path: &Path| path.canonicalize().map_err(|error| format!("can not be found: {error}"));
    if !found(file)?.starts_with(found(guests)?) {
        return Ok(());
    }
    Err(format!(
        "is in {shown}, which lies in {}, where connectors may write: one could have written itself a policy. {advice}",
        guests.display()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Metadata, String> {
        Metadata::parse(text.as_bytes(), MetadataOrigin::Connector)
    }

    #[test]
    fn fields_are_read_and_others_left_alone() {
        let text = "metadataSpecVersion: '1.0'\ndata:\n  ab_internal: {sl: .nan, ? [odd, key] : !!binary aGk=, when: 2026-11-22}\n  name: Faker\n  \
                    dockerRepository: airbyte/source-faker\n  dockerImageTag: 7.2.1\n  connectorType: source\n  \
                    allowedHosts:\n    hosts: [\"*.example.com\", \"${tunnel_method.tunnel_host}\"]\n";
        let metadata = parse(text).unwrap();
        assert_eq!(metadata.name.as_deref(), Some("Faker"));
        assert_eq!(metadata.repository.as_deref(), Some("airbyte/source-faker"));
        assert_eq!(metadata.version.as_deref(), Some("7.2.1"));
        assert_eq!(metadata.role, Some(Role::Source));
        assert_eq!(metadata.allowed_hosts.unwrap(), ["*.example.com", "${tunnel_method.tunnel_host}"]);
        assert_eq!((metadata.license, metadata.text.as_str()), (None, text));
    }

    #[test]
    fn hosts_that_are_not_there_are_none() {
        for text in
            ["data: {}", "data: {allowedHosts: }", "data: {allowedHosts: {}}", "data: {allowedHosts: {hosts: ~}}"]
        {
            assert_eq!(parse(text).unwrap().allowed_hosts, None, "{text}");
        }
        assert_eq!(parse("data: {allowedHosts: {hosts: []}}").unwrap().allowed_hosts, Some(Vec::new()));
    }

    #[test]
    fn what_is_wrong_names_the_field() {
        for (text, part) in [
            ("", "end of input"),
            ("name: Faker", "data"),
            ("- data", "expected"),
            ("data: text", "data: "),
            ("data: {name: [a]}", "data.name: "),
            ("data: {connectorType: sink}", "data.connectorType: "),
            ("data: {allowedHosts: example.com}", "data.allowedHosts: "),
            ("data: {allowedHosts: {hosts: example.com}}", "data.allowedHosts.hosts: "),
            ("data: {allowedHosts: {hosts: [a, {b: c}]}}", "data.allowedHosts.hosts[1]: "),
            ("data: {name: a, name: b}", "name"),
            ("data: {}\n---\ndata: {}", "documents"),
            ("data: {", "line"),
        ] {
            let problem = parse(text).unwrap_err();
            assert!(problem.contains("the connector's own file") && problem.contains(part), "{text}: {problem}");
        }
        assert!(Metadata::parse(b"data: \xff", MetadataOrigin::Connector).unwrap_err().contains("UTF-8"));
    }

    #[test]
    fn bombs_are_refused_before_they_burst() {
        let mut laughs = "a0: &a0 [ha, ha, ha, ha, ha, ha, ha, ha, ha, ha]\n".to_owned();
        for level in 1..12 {
            let below = vec![format!("*a{}", level - 1); 10].join(", ");
            laughs += &format!("a{level}: &a{level} [{below}]\n");
        }
        let deep = format!("data: {{name: {}}}", "[".repeat(100_000));
        let many = format!("data: {{allowedHosts: {{hosts: [{}]}}}}", "a,".repeat(300_000));
        let long = format!("data: {{name: {}}}", "a".repeat(MAX_BYTES));
        for text in [laughs, deep, many, long] {
            let start = std::time::Instant::now();
            assert!(parse(&text).is_err());
            assert!(start.elapsed().as_secs() < 10, "it took {:?}", start.elapsed());
        }
    }
}
