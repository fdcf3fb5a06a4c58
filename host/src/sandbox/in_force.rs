//! What is in force for one run, for people and scripts. Knows nothing of where it is told.

use std::fmt;
use std::path::PathBuf;

use super::{MemorySize, Sandbox};

/// So many hosts are shown; of more there is a number.
const HOSTS_SHOWN: usize = 50;

/// All that a connector may touch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InForce {
    /// The hosts that it may reach, and who names each: `metadata`, `--allow-host`, ``the config's `host` ``.
    pub hosts: Vec<(String, String)>,
    /// The directories that it sees.
    pub directories: Vec<Directory>,
    /// The names of the environment variables that it sees.
    pub environment: Vec<String>,
    /// The memory that it may take.
    pub memory: MemorySize,
    /// The operator's policy files, which all hold.
    pub policy_files: Vec<PathBuf>,
}

/// A directory that a connector sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directory {
    /// Its path in the connector.
    pub guest: String,
    /// Its path on this machine.
    pub host: PathBuf,
    /// Whether the connector may write there.
    pub writable: bool,
}

impl Sandbox {
    /// What is in force.
    pub fn in_force(&self) -> InForce {
        InForce {
            hosts: self
                .network
                .entries()
                .iter()
                .map(|entry| (entry.hosts.to_string(), entry.origin.to_string()))
                .collect(),
            directories: self.filesystem.directories(),
            environment: self.environment.names().map(ToOwned::to_owned).collect(),
            memory: self.memory.limit().size,
            policy_files: self.network.ceilings().files().map(ToOwned::to_owned).collect(),
        }
    }
}

/// On one line: "/airbyte is /data (read and write); hosts api.example.com (metadata); no environment variables; 2 GiB of memory; no policy file".
impl fmt::Display for InForce {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Directory { guest, host, writable } in &self.directories {
            let access = if *writable { "read and write" } else { "read only" };
            write!(formatter, "{guest} is {} ({access}); ", host.display())?;
        }
        let hosts: Vec<String> =
            self.hosts.iter().take(HOSTS_SHOWN).map(|(host, origin)| format!("{host} ({origin})")).collect();
        formatter.write_str(&listed("hosts", "no hosts", &hosts))?;
        if self.hosts.len() > HOSTS_SHOWN {
            write!(formatter, " and {} more", self.hosts.len() - HOSTS_SHOWN)?;
        }
        let files: Vec<String> = self.policy_files.iter().map(|file| file.display().to_string()).collect();
        write!(
            formatter,
            "; {}; {} of memory; {}",
            listed("environment variables", "no environment variables", &self.environment),
            self.memory,
            listed("below the policy", "no policy file", &files)
        )
    }
}

fn listed(some: &str, none: &str, items: &[String]) -> String {
    if items.is_empty() { none.to_owned() } else { format!("{some} {}", items.join(", ")) }
}
