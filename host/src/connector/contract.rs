//! Which contract a component was built for, read from its exports and imports before it is instantiated.

use semver::{Version, VersionReq};
use serde::{Deserialize, Serialize};

/// The contract's package.
pub const PACKAGE: &str = "airlock:connector";

/// The version of `wit/` that this host speaks.
pub const CONTRACT_VERSION: Version = Version::new(0, 1, 0);

/// The highest version of WASI that a connector may ask for.
const WASI_VERSION: &str = "0.2.12";

/// What a connector does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// It reads.
    Source,
    /// It writes.
    Destination,
}

impl Role {
    /// Its name in a sentence.
    pub fn name(self) -> &'static str {
        match self {
            Role::Source => "source",
            Role::Destination => "destination",
        }
    }

    /// The interface that a connector of this role exports.
    fn interface(self) -> &'static str {
        match self {
            Role::Source => "source-commands",
            Role::Destination => "destination-commands",
        }
    }
}

/// The names at a component's top level, as in `wasi:io/streams@0.2.12`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interfaces {
    /// What it gives.
    pub exports: Vec<String>,
    /// What it asks for.
    pub imports: Vec<String>,
}

impl Interfaces {
    /// The role of the connector that has these interfaces. The error says what is wrong with them, and what to do: it is the
    /// rest of a sentence.
    pub fn role(&self) -> Result<Role, String> {
        for (interface, version) in self.exports.iter().chain(&self.imports).filter_map(|name| contract_interface(name))
        {
            check_version(interface, version)?;
        }
        match (self.contract_version(Role::Source), self.contract_version(Role::Destination)) {
            (Some(_), None) => Ok(Role::Source),
            (None, Some(_)) => Ok(Role::Destination),
            (Some(_), Some(_)) => Err(format!(
                "exports both {PACKAGE}/source-commands and {PACKAGE}/destination-commands. A connector is one of them: build two components"
            )),
            (None, None) => Err(format!(
                "is a WebAssembly component but no connector: it exports neither {PACKAGE}/source-commands nor \
                 {PACKAGE}/destination-commands. Build it for one of the worlds in wit/"
            )),
        }
    }

    /// Whether the streams of a source are independent of each other.
    pub fn independent_streams(&self) -> bool {
        let mut exports = self.exports.iter().filter_map(|name| contract_interface(name));
        exports.any(|(interface, _)| interface == "independent-streams")
    }

    /// The version of the contract that the commands of this role were built for, if they are exported.
    pub fn contract_version(&self, role: Role) -> Option<&str> {
        let mut exports = self.exports.iter().filter_map(|name| contract_interface(name));
        exports.find(|(interface, _)| *interface == role.interface()).map(|(_, version)| version)
    }
}

/// What is wrong with a component for which the linker has this error, and what to do. The rest of a sentence.
pub fn wrong_import(error: &wasmtime::Error) -> String {
    // The linker says only within its text which name is at fault.
    let text = format!("{error:#}");
    let quoted = |before: &str| {
        let (_, rest) = text.split_once(before)?;
        rest.split('`').nth(1)
    };
    let import = quoted("component imports ").unwrap_or("something");
    let item = quoted("instance export ").map(|item| format!("{item} of ")).unwrap_or_default();
    let words = plain_words(import).map(|words| format!(" ({words})")).unwrap_or_default();
    let advice = if import.starts_with(PACKAGE) {
        "Build it from wit/ as it is, or use a newer airlock".to_owned()
    } else if import.starts_with("wasi:") {
        format!(
            "Build it for WASI 0.2, up to {WASI_VERSION}, and for what this airlock gives of it, or use a newer airlock"
        )
    } else {
        format!("Build it without: a connector may import {PACKAGE} and WASI 0.2")
    };
    let airlock = env!("CARGO_PKG_VERSION");
    if text.ends_with("is missing") || text.ends_with("found nothing") {
        format!("imports {item}{import}{words}, which this airlock {airlock} does not give. {advice}")
    } else {
        format!("imports {item}{import}{words} in another form than this airlock {airlock} gives it. {advice} ({text})")
    }
}

/// What is wrong with a component that has not the exports of the contract, and what to do. The rest of a sentence.
pub fn wrong_export(error: &wasmtime::Error) -> String {
    format!("does not export what the contract wants. Build it from wit/ as it is ({error:#})")
}

/// What an interface is for, where its name does not say that to everybody.
fn plain_words(import: &str) -> Option<&'static str> {
    let known = [
        ("wasi:http/", "HTTP"),
        ("wasi:sockets/", "network sockets"),
        ("wasi:filesystem/", "files"),
        ("wasi:keyvalue/", "a key-value store"),
        ("wasi:blobstore/", "an object store"),
        ("wasi:config/", "settings of its host"),
        ("wasi:nn/", "machine learning"),
        ("wasi:tls/", "encrypted connections"),
    ];
    known.iter().find(|(prefix, _)| import.starts_with(prefix)).map(|(_, words)| *words)
}

/// The interface and the version of a name such as `airlock:connector/source-commands@0.1.0`.
fn contract_interface(name: &str) -> Option<(&str, &str)> {
    let interface = name.strip_prefix(PACKAGE)?.strip_prefix('/')?;
    Some(interface.split_once('@').unwrap_or((interface, "")))
}

fn check_version(interface: &str, version: &str) -> Result<(), String> {
    let theirs = Version::parse(version).map_err(|_| {
        format!("names the interface {PACKAGE}/{interface} without a version: build it from wit/ as it is")
    })?;
    // A connector may know less of a version than the host, never more: what it imports must be there.
    let compatible = VersionReq::parse(&format!("^{theirs}")).is_ok_and(|accepts| accepts.matches(&CONTRACT_VERSION));
    if compatible {
        return Ok(());
    }
    let advice = if theirs > CONTRACT_VERSION {
        "Run it with a newer airlock"
    } else {
        "Build it anew with the SDK of this airlock, or run it with an older one"
    };
    Err(format!(
        "was built for the contract {PACKAGE}@{theirs} ({interface}), and this airlock {} speaks \
         {PACKAGE}@{CONTRACT_VERSION}. {advice}",
        env!("CARGO_PKG_VERSION")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn role(exports: &[&str], imports: &[&str]) -> Result<Role, String> {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Interfaces { exports: owned(exports), imports: owned(imports) }.role()
    }

    #[test]
    fn roles_are_read_from_exports() {
        let imports = ["airlock:connector/types@0.1.0", "wasi:io/streams@0.2.12"];
        assert_eq!(role(&["airlock:connector/source-commands@0.1.0"], &imports), Ok(Role::Source));
        assert_eq!(role(&["airlock:connector/destination-commands@0.1.0"], &imports), Ok(Role::Destination));
        assert!(role(&["wasi:cli/run@0.2.3"], &[]).unwrap_err().contains("no connector"));
    }

    #[test]
    fn a_version_that_does_not_fit_names_both_sides_and_what_to_do() {
        for (version, advice) in [("0.2.0", "newer"), ("0.1.1", "newer"), ("0.0.9", "anew"), ("1.0.0", "newer")] {
            let problem = role(&[&format!("airlock:connector/source-commands@{version}")], &[]).unwrap_err();
            assert!(problem.contains(version) && problem.contains("0.1.0") && problem.contains(advice), "{problem}");
        }
        assert!(role(&["airlock:connector/source-commands@0.1.0"], &["airlock:connector/host@0.2.0"]).is_err());
    }
}
