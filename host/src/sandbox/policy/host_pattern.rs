//! Which hosts an entry names: a host, all below a name, all, or an address; each at one port or at all.
//! Knows nothing of who wrote the entry and of what follows from it.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use url::Host;

use super::address;

/// What every error about an entry ends with.
const FORMS: &str = "an entry is a name (api.example.com), everything below one (*.example.com), * for all, \
                     or an address (10.0.0.5, [::1]), each with or without a port (:443)";

/// The hosts that one entry names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPattern {
    /// Which hosts.
    pub hosts: Hosts,
    /// At this port only.
    pub port: Option<u16>,
}

/// Which hosts an entry names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hosts {
    /// Every name, and every public address.
    All,
    /// Every name, however deep, that ends with this: `.example.com`.
    Below(String),
    /// This name, in lower case, as DNS writes it, without a dot at its end.
    Name(String),
    /// This address, as the system connects to it.
    Address(IpAddr),
}

impl HostPattern {
    /// The host with this name or address, at every port.
    pub fn of(host: &Host) -> HostPattern {
        let hosts = match host {
            Host::Domain(name) => Hosts::Name(plain_name(name)),
            Host::Ipv4(address) => Hosts::Address((*address).into()),
            Host::Ipv6(address) => Hosts::Address(address::canonical((*address).into())),
        };
        HostPattern { hosts, port: None }
    }

    /// Whether it names this name, at this port or, where that is not known yet, at any.
    pub fn names(&self, name: &str, port: Option<u16>) -> bool {
        let named = match &self.hosts {
            Hosts::All => true,
            Hosts::Below(end) => name.len() > end.len() && name.ends_with(end.as_str()),
            Hosts::Name(own) => own == name,
            Hosts::Address(_) => false,
        };
        named && self.is_for_port(port)
    }

    /// Whether it names this very address.
    pub fn is_address(&self, address: IpAddr, port: Option<u16>) -> bool {
        self.hosts == Hosts::Address(address) && self.is_for_port(port)
    }

    /// Whether it is for this port; that is so of every port as long as it is not known which one it will be.
    pub fn is_for_port(&self, port: Option<u16>) -> bool {
        self.port.is_none() || port.is_none() || self.port == port
    }
}

impl FromStr for HostPattern {
    /// Says what is wrong without repeating the text, in which a value of the config may stand.
    type Err = String;

    fn from_str(text: &str) -> Result<HostPattern, String> {
        let (host, port) = split_port(text).ok_or_else(|| format!("it has no valid port: {FORMS}"))?;
        let hosts = match host.strip_prefix('*') {
            Some("") => Hosts::All,
            Some(end) => match end.strip_prefix('.').and_then(plain_host) {
                Some(Host::Domain(name)) => Hosts::Below(format!(".{name}")),
                _ => return Err(format!("a * stands alone or before a dot and a name: {FORMS}")),
            },
            None if host.contains('*') => return Err(format!("a * stands at the beginning only: {FORMS}")),
            None => {
                let host = plain_host(host).ok_or_else(|| format!("it is no name and no address: {FORMS}"))?;
                return Ok(HostPattern { port, ..HostPattern::of(&host) });
            }
        };
        Ok(HostPattern { hosts, port })
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.hosts {
            Hosts::All => formatter.write_str("*")?,
            Hosts::Below(end) => write!(formatter, "*{end}")?,
            Hosts::Name(name) => formatter.write_str(name)?,
            Hosts::Address(IpAddr::V4(address)) => write!(formatter, "{address}")?,
            Hosts::Address(IpAddr::V6(address)) => write!(formatter, "[{address}]")?,
        }
        self.port.map_or(Ok(()), |port| write!(formatter, ":{port}"))
    }
}

/// A host and the port after it, if there is one. None where what stands there is no port.
pub fn split_port(text: &str) -> Option<(&str, Option<u16>)> {
    // Without brackets an IPv6 address has no port: its last part would be one.
    if text.parse::<Ipv6Addr>().is_ok() {
        return Some((text, None));
    }
    let end = if text.starts_with('[') { text.find(']')? + 1 } else { text.find(':').unwrap_or(text.len()) };
    let (host, rest) = text.split_at(end);
    if rest.is_empty() {
        return Some((host, None));
    }
    let digits = rest.strip_prefix(':')?;
    let digits = Some(digits).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
    let port = digits.parse().ok().filter(|port| *port != 0)?;
    Some((host, Some(port)))
}

/// A host as it is written in entries and configs: an address (also as `0x7f.1` or `2130706433`, which are 127.0.0.1), or a name
/// of letters, digits, `-` and `_` once DNS's form is made of it.
pub fn plain_host(text: &str) -> Option<Host> {
    if let Ok(address) = text.parse::<Ipv6Addr>() {
        return Some(Host::Ipv6(address));
    }
    if text.contains('%') {
        return None;
    }
    match Host::parse(text).ok()? {
        Host::Domain(name) => {
            let name = plain_name(&name);
            is_plain(&name).then_some(Host::Domain(name))
        }
        address => Some(address),
    }
}

/// The one form of a name: in lower case, without the dot that may stand at its end.
pub fn plain_name(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

/// Whether a name is what hosts are called, and harmless in a message that somebody may copy to a shell.
pub fn is_plain(name: &str) -> bool {
    name.len() <= 253 && name.split('.').all(is_label)
}

/// Whether this is what stands between two dots of a name.
pub fn is_label(label: &str) -> bool {
    let letters = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    !label.is_empty() && label.len() <= 63 && label.bytes().all(letters)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Entries and the one form of each.
    const FORMS_OF_ENTRIES: &[(&str, &str)] = &[
        ("api.example.com", "api.example.com"),
        ("API.Example.COM.", "api.example.com"),
        ("api.example.com:8443", "api.example.com:8443"),
        ("my_db", "my_db"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("*.bücher.example", "*.xn--bcher-kva.example"),
        ("*", "*"),
        ("*:443", "*:443"),
        ("*.example.com:443", "*.example.com:443"),
        ("*.com", "*.com"),
        ("10.0.0.5", "10.0.0.5"),
        ("10.0.0.5:5432", "10.0.0.5:5432"),
        ("0x7f.1", "127.0.0.1"),
        ("2130706433", "127.0.0.1"),
        ("017700000001:80", "127.0.0.1:80"),
        ("[::1]", "[::1]"),
        ("::1", "[::1]"),
        ("[::1]:5432", "[::1]:5432"),
        ("::ffff:10.0.0.5", "10.0.0.5"),
        ("[::FFFF:a00:5]:1", "10.0.0.5:1"),
    ];

    const NO_ENTRIES: &[&str] = &[
        "",
        " ",
        ".",
        "a..b",
        ".a",
        "a*.x",
        "*a.x",
        "*.*",
        "*.*.x",
        "x.*",
        "**",
        "*.",
        "*.com:*",
        "a:*",
        "a:",
        "a:0",
        "a:65536",
        "a:+1",
        "a:x",
        ":80",
        "a b",
        "a/b",
        "http://a",
        "u@a",
        "a?b",
        "a#b",
        "[::1",
        "::1]",
        "[::1]x",
        "[::1]:",
        "[fe80::1%eth0]",
        "a%2eb",
        "%61",
        "a;b",
        "$(a)",
        "a`b`",
        "${host}",
        "*.1",
        "*.0.0.1",
        "*.[::1]",
        "1.2.3.4.5",
        "256.1.1.1",
        "10.0.0.0/8",
        "a\nb",
        "a\0b",
    ];

    #[test]
    fn the_forms_of_entries() {
        for (text, form) in FORMS_OF_ENTRIES {
            let pattern: HostPattern = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(pattern.to_string(), *form, "{text}");
            assert_eq!(form.parse(), Ok(pattern), "{form} is {text} again");
        }
        for text in NO_ENTRIES {
            let error = text.parse::<HostPattern>().expect_err(text);
            assert!(error.contains("*.example.com"), "the forms are told: {error}");
        }
    }

    #[test]
    fn which_names_an_entry_names() {
        for (entry, name, port, named) in [
            ("api.example.com", "api.example.com", Some(443), true),
            ("api.example.com", "example.com", Some(443), false),
            ("api.example.com", "x.api.example.com", Some(443), false),
            ("api.example.com", "api.example.com.evil.com", Some(443), false),
            ("api.example.com:443", "api.example.com", Some(443), true),
            ("api.example.com:443", "api.example.com", Some(80), false),
            ("api.example.com:443", "api.example.com", None, true),
            ("*.example.com", "a.example.com", Some(1), true),
            ("*.example.com", "a.b.c.example.com", Some(1), true),
            ("*.example.com", "example.com", Some(1), false),
            ("*.example.com", ".example.com", Some(1), false),
            ("*.example.com", "evilexample.com", Some(1), false),
            ("*.example.com:443", "a.example.com", Some(80), false),
            ("*", "anything", Some(1), true),
            ("*:443", "anything", Some(1), false),
            ("10.0.0.5", "10.0.0.5", Some(1), false),
        ] {
            let pattern: HostPattern = entry.parse().unwrap();
            assert_eq!(pattern.names(name, port), named, "{entry} and {name} at {port:?}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_parsing_panic(text in ".*") {
            let _ = text.parse::<HostPattern>();
        }

        #[test]
        fn what_is_an_entry_is_one_again_as_it_is_shown(text in "[*a-z0-9.:_\\[\\]-]{0,12}") {
            if let Ok(pattern) = text.parse::<HostPattern>() {
                prop_assert_eq!(pattern.to_string().parse(), Ok(pattern));
            }
        }
    }
}
