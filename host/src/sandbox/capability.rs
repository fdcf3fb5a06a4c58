//! What the interfaces of WASI that a component imports let it do, in words for people, and which of them this airlock gives.
//! To import is not to be granted: what is reached behind an interface is decided elsewhere.

use semver::Version;
use serde::Serialize;

/// The newest WASI that wasmtime has.
const WASI_VERSION: Version = Version::new(0, 2, 12);

/// Something that a guest may do, in the order in which people are told. Scripts know it by the variant's name in lower case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Capability {
    Files,
    Http,
    Tcp,
    Udp,
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
            Capability::Files => "files: reads and writes below /airbyte, reads what is mounted",
            Capability::Http => "network: HTTP requests to the hosts that its policy names",
            Capability::Tcp => "network: TCP connections to the hosts that its policy names",
            Capability::Udp => "network: UDP, which is always refused",
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

/// What the import of this interface of WASI means, as in `wasi:filesystem/types@0.2.3`.
pub fn meaning(import: &str) -> Import {
    let (interface, version) = import.split_once('@').unwrap_or((import, ""));
    // A component may know less of WASI 0.2 than the host, never more.
    let given = Version::parse(version).is_ok_and(|version| {
        (version.major, version.minor) == (0, 2) && version.pre.is_empty() && version <= WASI_VERSION
    });
    if !given {
        return Import::NotGiven;
    }
    Import::Capability(match interface {
        "wasi:filesystem/types" | "wasi:filesystem/preopens" => Capability::Files,
        "wasi:http/types" | "wasi:http/outgoing-handler" => Capability::Http,
        "wasi:sockets/tcp"
        | "wasi:sockets/tcp-create-socket"
        | "wasi:sockets/ip-name-lookup"
        | "wasi:sockets/network"
        | "wasi:sockets/instance-network" => Capability::Tcp,
        "wasi:sockets/udp" | "wasi:sockets/udp-create-socket" => Capability::Udp,
        "wasi:cli/environment" => Capability::Environment,
        "wasi:cli/stdin" | "wasi:cli/terminal-input" | "wasi:cli/terminal-stdin" => Capability::Stdin,
        "wasi:cli/stdout"
        | "wasi:cli/stderr"
        | "wasi:cli/terminal-output"
        | "wasi:cli/terminal-stdout"
        | "wasi:cli/terminal-stderr" => Capability::Stdout,
        "wasi:clocks/wall-clock" | "wasi:clocks/monotonic-clock" => Capability::Clocks,
        "wasi:random/random" | "wasi:random/insecure" | "wasi:random/insecure-seed" => Capability::Random,
        "wasi:io/error" | "wasi:io/poll" | "wasi:io/streams" | "wasi:cli/exit" => return Import::Harmless,
        _ => return Import::NotGiven,
    })
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
