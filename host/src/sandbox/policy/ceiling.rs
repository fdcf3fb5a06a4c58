//! The operator's policy files: ceilings over what a connector's metadata and the command line ask for. They only ever take
//! away. Knows nothing of what is asked for.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use ipnet::IpNet;
use serde::{Deserialize, Deserializer};

use super::Denial;
use super::address::{AddressClass, classify};
use super::host_pattern::{HostPattern, Hosts};
use crate::sandbox::{LimitOrigin, MemoryLimit, MemorySize, TimeLimit};

/// Where an image, or whoever looks after a machine, puts a policy for all connectors.
const SYSTEM_FILE: &str = "/etc/airlock/policy.yaml";

/// A policy file is a page of text, and no more is read of one.
const FILE_BYTES: u64 = 1024 * 1024;

/// A file that is named as a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyFile {
    /// Where it is.
    pub path: PathBuf,
    /// The option or variable that names it.
    pub named_by: &'static str,
}

/// All policy files that are in force: what one of them forbids is forbidden.
#[derive(Debug, Clone, Default)]
pub struct Ceilings(Vec<Arc<Ceiling>>);

impl Ceilings {
    /// Reads `files` and the system's own, if there is one. A file that can not be read, or not be understood, is an error: it
    /// is never as if there were none. `airbyte_directory` is where connectors may write; no policy counts there.
    pub fn load(files: &[PolicyFile], airbyte_directory: Option<&Path>) -> Result<Ceilings, String> {
        let system = PolicyFile { path: SYSTEM_FILE.into(), named_by: "the system's policy" };
        let there = match system.path.symlink_metadata() {
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            // Whatever else is the matter with it, reading it tells.
            _ => Some(&system),
        };
        let files = there.into_iter().chain(files);
        files.map(|file| Ceiling::read(file, airbyte_directory).map(Arc::new)).collect::<Result<_, _>>().map(Ceilings)
    }

    /// The limit, or what a policy leaves of it.
    pub fn limit_memory(&self, limit: MemoryLimit) -> MemoryLimit {
        let sizes = self.iter().filter_map(|ceiling| Some((ceiling.max_memory?, &ceiling.file)));
        match sizes.min_by_key(|(size, _)| *size) {
            Some((size, file)) if size < limit.size => {
                MemoryLimit { size, origin: LimitOrigin::Policy(file.as_path().into()) }
            }
            _ => limit,
        }
    }

    /// The least of the times that policies allow, and the file that says so.
    pub fn time(&self) -> Option<(TimeLimit, &Path)> {
        let times = self.iter().filter_map(|ceiling| Some((ceiling.timeout?, ceiling.file.as_path())));
        times.min_by_key(|(limit, _)| *limit)
    }

    #[cfg(test)]
    pub(super) fn of(ceilings: impl Iterator<Item = Arc<Ceiling>>) -> Ceilings {
        Ceilings(ceilings.collect())
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Ceiling> {
        self.0.iter().map(|ceiling| &**ceiling)
    }

    /// The files, in the order in which they were read.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.iter().map(|ceiling| ceiling.file.as_path())
    }

    /// Is every one of these directories, which are to be mounted, at or below one that the policies name? The error names the
    /// file.
    pub fn require_mounts<'a>(&self, directories: impl Iterator<Item = &'a Path> + Clone) -> Result<(), String> {
        for (ceiling, allowed) in self.iter().filter_map(|ceiling| Some((ceiling, ceiling.mounts.as_ref()?))) {
            // One that is not there is told of by whoever opens it.
            let real = directories.clone().filter_map(|directory| Some((directory, directory.canonicalize().ok()?)));
            for (directory, real) in real {
                if !allowed.iter().any(|above| real.starts_with(above)) {
                    return Err(format!(
                        "The directory {} can not be mounted: the policy file {} does not name it, nor one above it, under \
                         `mounts`.",
                        directory.display(),
                        ceiling.file.display()
                    ));
                }
            }
        }
        Ok(())
    }

    /// May a connector see all these environment variables? The error names the file.
    pub fn require_environment(&self, names: &[String]) -> Result<(), String> {
        for (ceiling, allowed) in self.iter().filter_map(|ceiling| Some((ceiling, ceiling.environment.as_ref()?))) {
            if let Some(name) = names.iter().find(|name| !allowed.contains(name)) {
                return Err(format!(
                    "The environment variable {name} can not be given to the connector: the policy file {} does not name it \
                     under `environment`.",
                    ceiling.file.display()
                ));
            }
        }
        Ok(())
    }
}

/// One policy file.
#[derive(Debug, PartialEq, Eq)]
pub struct Ceiling {
    pub(super) file: PathBuf,
    /// None for no limit.
    hosts: Option<Vec<CeilingHosts>>,
    private_addresses: bool,
    environment: Option<Vec<String>>,
    /// As the system knows them, without links.
    mounts: Option<Vec<PathBuf>>,
    max_memory: Option<MemorySize>,
    timeout: Option<TimeLimit>,
}

#[derive(Debug, PartialEq, Eq)]
enum CeilingHosts {
    Pattern(HostPattern),
    Range(IpNet),
}

/// What stands in the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    #[serde(default, deserialize_with = "list")]
    hosts: Option<Vec<String>>,
    #[serde(default = "yes")]
    private_addresses: bool,
    #[serde(default, deserialize_with = "list")]
    environment: Option<Vec<String>>,
    #[serde(default, deserialize_with = "list")]
    mounts: Option<Vec<PathBuf>>,
    #[serde(default, deserialize_with = "limit")]
    max_memory: Option<MemorySize>,
    #[serde(default, deserialize_with = "limit")]
    timeout: Option<TimeLimit>,
}

/// A limit as it is written after an option, or a bare number.
fn limit<'de, D: Deserializer<'de>, T: FromStr<Err = String>>(deserializer: D) -> Result<Option<T>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Scalar {
        Number(u64),
        Text(String),
    }
    let text = match Scalar::deserialize(deserializer)? {
        Scalar::Number(number) => number.to_string(),
        Scalar::Text(text) => text,
    };
    text.parse().map(Some).map_err(serde::de::Error::custom)
}

fn yes() -> bool {
    true
}

/// A field that is there is a list: one with nothing after its colon must not be taken for one that is not there.
fn list<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<Vec<T>>, D::Error> {
    let list = Option::<Vec<T>>::deserialize(deserializer)?;
    list.map(Some).ok_or_else(|| {
        serde::de::Error::custom("a list is expected: [] allows nothing, and without the field there is no limit")
    })
}

impl Ceiling {
    fn read(file: &PolicyFile, airbyte_directory: Option<&Path>) -> Result<Ceiling, String> {
        let problem = |text: String| {
            let (path, named_by) = (file.path.display(), file.named_by);
            format!("The policy file {path} ({named_by}) {text}. No connector runs before that is put right.")
        };
        let unreadable = |error: std::io::Error| problem(format!("can not be read: {error}"));
        let real = file.path.canonicalize().map_err(unreadable)?;
        // A link there could be turned to another file, so it counts as much as the file.
        let linked = std::path::absolute(&file.path).map_err(unreadable)?;
        let linked = linked.parent().unwrap_or(&linked).canonicalize().map_err(unreadable)?;
        // A directory that is not there is told of by whoever opens it.
        if let Some(guests) = airbyte_directory.and_then(|directory| directory.canonicalize().ok())
            && (real.starts_with(&guests) || linked.starts_with(&guests))
        {
            return Err(problem(format!(
                "is in {}, where connectors may write: one could have written its own policy. Keep it elsewhere",
                guests.display()
            )));
        }
        if !real.is_file() {
            return Err(problem("is not a file".to_owned()));
        }
        let mut text = Vec::new();
        File::open(&real).and_then(|file| file.take(FILE_BYTES + 1).read_to_end(&mut text)).map_err(unreadable)?;
        if text.len() as u64 > FILE_BYTES {
            return Err(problem(format!("has more than {FILE_BYTES} bytes")));
        }
        let text = String::from_utf8(text).map_err(|_| problem("is not UTF-8 text".to_owned()))?;
        Ceiling::parse(&file.path, &text).map_err(problem)
    }

    /// The error is the rest of a sentence that begins with the file.
    pub(super) fn parse(file: &Path, text: &str) -> Result<Ceiling, String> {
        let options = serde_saphyr::options! { with_snippet: false };
        let fields: Option<Fields> =
            serde_saphyr::from_str_with_options(text, options).map_err(|error| format!("is no policy: {error}"))?;
        // A file that came out empty by mistake must not lift every limit.
        let Fields { hosts, private_addresses, environment, mounts, max_memory, timeout } =
            fields.ok_or("is no policy: it is empty. One that limits nothing is written {}")?;
        let hosts =
            hosts.map(|entries| entries.iter().map(|entry| CeilingHosts::parse(entry)).collect()).transpose()?;
        if let Some(relative) = mounts.iter().flatten().find(|directory| !directory.is_absolute()) {
            return Err(format!("names the mount {}, which must be an absolute path", relative.display()));
        }
        // Nothing can be mounted from a directory that is not there.
        let mounts = mounts.map(|mounts| mounts.iter().filter_map(|directory| directory.canonicalize().ok()).collect());
        Ok(Ceiling { file: file.to_owned(), hosts, private_addresses, environment, mounts, max_memory, timeout })
    }

    /// Before a name is resolved: may it lead to anything at all?
    pub(super) fn check_name(&self, name: &str, port: Option<u16>) -> Result<(), Denial> {
        let possible = |entry: &CeilingHosts| entry.names(name, port) || entry.is_about_addresses();
        self.hosts.as_ref().is_none_or(|hosts| hosts.iter().any(possible)).then_some(()).ok_or_else(|| self.not_named())
    }

    /// A name that a proxy resolves: entries about addresses say nothing of it.
    pub(super) fn check_proxied_name(&self, name: &str, port: Option<u16>, class: AddressClass) -> Result<(), Denial> {
        let named = |hosts: &Vec<CeilingHosts>| hosts.iter().any(|entry| entry.names(name, port));
        if !self.hosts.as_ref().is_none_or(named) {
            return Err(self.not_named());
        }
        if class > AddressClass::Public && !self.private_addresses { Err(self.private(class)) } else { Ok(()) }
    }

    /// May `address` be connected to? `name` is what led there, if it was a name.
    pub(super) fn check_address(&self, name: Option<&str>, port: Option<u16>, address: IpAddr) -> Result<(), Denial> {
        let class = classify(address);
        let hosts = self.hosts.as_deref();
        let holds_address = hosts.unwrap_or_default().iter().any(|entry| entry.holds(address, port));
        let passes = |entry: &CeilingHosts| match name {
            Some(name) => entry.names(name, port),
            None => class == AddressClass::Public && entry.is_all(port),
        };
        if !holds_address && !hosts.is_none_or(|hosts| hosts.iter().any(passes)) {
            return Err(self.not_named());
        }
        if class > AddressClass::Public && !self.private_addresses && !holds_address {
            return Err(self.private(class));
        }
        Ok(())
    }

    /// Whether anything of what an entry names is left.
    pub(super) fn leaves(&self, entry: &HostPattern) -> bool {
        if let Hosts::Address(address) = entry.hosts {
            return self.check_address(None, entry.port, address).is_ok();
        }
        let overlap = |hosts: &Vec<CeilingHosts>| hosts.iter().any(|own| own.overlaps(entry));
        self.hosts.as_ref().is_none_or(overlap)
    }

    fn not_named(&self) -> Denial {
        Denial {
            why: format!("the policy file {} does not name it", self.file.display()),
            advice: "Whoever runs this airlock can add it to `hosts` there".to_owned(),
        }
    }

    fn private(&self, class: AddressClass) -> Denial {
        Denial {
            why: format!(
                "it is or leads to {}, which the policy file {} forbids",
                class.described(),
                self.file.display()
            ),
            advice: "Whoever runs this airlock can add the address to `hosts` there".to_owned(),
        }
    }
}

impl CeilingHosts {
    fn parse(entry: &str) -> Result<CeilingHosts, String> {
        if let Ok(range) = entry.parse() {
            return Ok(CeilingHosts::Range(range));
        }
        let wrong = |error: String| {
            format!(
                "has the entry {entry:?} under `hosts`, which is wrong: {error}, or a range of addresses (10.0.0.0/8)"
            )
        };
        entry.parse().map(CeilingHosts::Pattern).map_err(wrong)
    }

    fn names(&self, name: &str, port: Option<u16>) -> bool {
        matches!(self, CeilingHosts::Pattern(pattern) if pattern.names(name, port))
    }

    fn holds(&self, address: IpAddr, port: Option<u16>) -> bool {
        match self {
            CeilingHosts::Pattern(pattern) => pattern.is_address(address, port),
            CeilingHosts::Range(range) => range.contains(&address),
        }
    }

    fn is_all(&self, port: Option<u16>) -> bool {
        matches!(self, CeilingHosts::Pattern(pattern) if pattern.hosts == Hosts::All && pattern.is_for_port(port))
    }

    fn is_about_addresses(&self) -> bool {
        matches!(self, CeilingHosts::Range(_) | CeilingHosts::Pattern(HostPattern { hosts: Hosts::Address(_), .. }))
    }

    /// Whether there may be a host that both this and an entry of names name.
    fn overlaps(&self, entry: &HostPattern) -> bool {
        let CeilingHosts::Pattern(own) = self else { return true };
        let names = match (&own.hosts, &entry.hosts) {
            (Hosts::All | Hosts::Address(_), _) | (_, Hosts::All) => true,
            (Hosts::Below(one), Hosts::Below(other)) => one.ends_with(other.as_str()) || other.ends_with(one.as_str()),
            (_, Hosts::Name(name)) => own.names(name, None),
            (Hosts::Name(name), _) => entry.names(name, None),
            (Hosts::Below(_), Hosts::Address(_)) => false,
        };
        names && entry.is_for_port(own.port)
    }
}
