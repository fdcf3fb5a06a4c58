//! What the interfaces that a component imports let it do, in words for people, and which of them this airlock gives.
//! To import is not to be granted: what is reached behind an interface is decided elsewhere.

use semver::Version;
use serde::Serialize;

/// The newest WASI that wasmtime has.
pub(super) const WASI_VERSION: Version = Version::new(0, 2, 12);

/// Something that a guest may do, in the order in which people are told. Scripts know it by the variant's name in lower case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Capability {
    Files,
    Http,
    Tcp,
    Udp,
    Tls,
    Environment,
    Stdin,
    Stdout,
    Clocks,
    Random,
}

impl Capability {
    /// What it comes to, for people.
    pub fn words(self) -> &'static str {
        match self {
            Capability::Files => "files: reads and writes below /airbyte, reads what is mounted and what it carries",
            Capability::Http => "network: HTTP requests to the hosts that its policy names",
            Capability::Tcp => "network: TCP connections to the hosts that its policy names",
            Capability::Udp => "network: UDP, which is always refused",
            Capability::Tls => "network: TLS on its own connections; it chooses which servers it believes there",
            Capability::Environment => "environment variables that are granted by name",
            Capability::Stdin => "standard input, which is always empty",
            Capability::Stdout => "standard output and standard error, which become log messages",
            Capability::Clocks => "clocks",
            Capability::Random => "random numbers",
        }
    }
}

/// What an import of a component means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Import {
    /// It lets the guest do something.
    Capability(Capability),
    /// It is given, and lets nobody do anything by itself: streams, errors, the way to end.
    Harmless,
    /// This airlock does not have it: a component that imports it can not be started.
    NotGiven,
}

/// The interfaces of WASI 0.2 that guests are linked to where they import them; a test holds them against the linker.
pub(super) const INTERFACES: [(&str, Import); 29] = [
    ("wasi:cli/environment", Import::Capability(Capability::Environment)),
    ("wasi:cli/exit", Import::Harmless),
    ("wasi:cli/stderr", Import::Capability(Capability::Stdout)),
    ("wasi:cli/stdin", Import::Capability(Capability::Stdin)),
    ("wasi:cli/stdout", Import::Capability(Capability::Stdout)),
    ("wasi:cli/terminal-input", Import::Capability(Capability::Stdin)),
    ("wasi:cli/terminal-output", Import::Capability(Capability::Stdout)),
    ("wasi:cli/terminal-stderr", Import::Capability(Capability::Stdout)),
    ("wasi:cli/terminal-stdin", Import::Capability(Capability::Stdin)),
    ("wasi:cli/terminal-stdout", Import::Capability(Capability::Stdout)),
    ("wasi:clocks/monotonic-clock", Import::Capability(Capability::Clocks)),
    ("wasi:clocks/wall-clock", Import::Capability(Capability::Clocks)),
    ("wasi:filesystem/preopens", Import::Capability(Capability::Files)),
    ("wasi:filesystem/types", Import::Capability(Capability::Files)),
    ("wasi:http/outgoing-handler", Import::Capability(Capability::Http)),
    ("wasi:http/types", Import::Capability(Capability::Http)),
    ("wasi:io/error", Import::Harmless),
    ("wasi:io/poll", Import::Harmless),
    ("wasi:io/streams", Import::Harmless),
    ("wasi:random/insecure", Import::Capability(Capability::Random)),
    ("wasi:random/insecure-seed", Import::Capability(Capability::Random)),
    ("wasi:random/random", Import::Capability(Capability::Random)),
    ("wasi:sockets/instance-network", Import::Capability(Capability::Tcp)),
    ("wasi:sockets/ip-name-lookup", Import::Capability(Capability::Tcp)),
    ("wasi:sockets/network", Import::Capability(Capability::Tcp)),
    ("wasi:sockets/tcp", Import::Capability(Capability::Tcp)),
    ("wasi:sockets/tcp-create-socket", Import::Capability(Capability::Tcp)),
    ("wasi:sockets/udp", Import::Capability(Capability::Udp)),
    ("wasi:sockets/udp-create-socket", Import::Capability(Capability::Udp)),
];

/// The interface of the contract that is about more than the connector's data.
const TLS: &str = "airlock:connector/tls";

/// What the import of this interface means, as in `wasi:filesystem/types@0.2.3`.
pub fn meaning(import: &str) -> Import {
    let (name, version) = import.split_once('@').unwrap_or((import, ""));
    if name == TLS {
        // Whether the contract's version fits is known already.
        return Import::Capability(Capability::Tls);
    }
    // A component may know less of WASI 0.2 than the host, never more.
    let given = Version::parse(version).is_ok_and(|version| {
        (version.major, version.minor) == (0, 2) && version.pre.is_empty() && version <= WASI_VERSION
    });
    let found = INTERFACES.iter().find(|(interface, _)| given && *interface == name);
    found.map_or(Import::NotGiven, |(_, meaning)| *meaning)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn imports_are_put_into_words() {
        for (import, expected) in [
            ("wasi:filesystem/types@0.2.3", Import::Capability(Capability::Files)),
            ("wasi:http/outgoing-handler@0.2.0", Import::Capability(Capability::Http)),
            ("wasi:cli/environment@0.2.12", Import::Capability(Capability::Environment)),
            ("wasi:io/streams@0.2.6", Import::Harmless),
            ("airlock:connector/tls@0.1.0", Import::Capability(Capability::Tls)),
            ("wasi:cli/environment@0.2.13", Import::NotGiven),
            ("wasi:cli/environment@0.3.0", Import::NotGiven),
            ("wasi:cli/environment@0.2.0-rc-2023-11-10", Import::NotGiven),
            ("wasi:cli/environment", Import::NotGiven),
            ("wasi:keyvalue/store@0.2.0", Import::NotGiven),
            ("", Import::NotGiven),
        ] {
            assert_eq!(meaning(import), expected, "{import}");
        }
    }
}
