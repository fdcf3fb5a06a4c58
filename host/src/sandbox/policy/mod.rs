//! Which hosts a guest may reach: what its metadata or its manifest names, what the user adds, and the operator's ceilings over both.
//! Rules over names and addresses. Knows nothing of sockets and HTTP.

mod address;
mod ceiling;
mod host_pattern;
mod placeholder;

use std::fmt;
use std::net::IpAddr;

use serde_json::Value;
use url::Host;

use address::{AddressClass, canonical, classify, classify_name};
use host_pattern::{Hosts, is_plain, plain_name};
use placeholder::Wish;

pub use ceiling::{Ceilings, PolicyFile};
pub use host_pattern::HostPattern;

/// So many entries of a metadata file are named in a warning: one that is wrong throughout is understood by then.
const ENTRIES_TOLD: usize = 20;

/// The hosts that are in force for one run. Whatever is not named is refused.
#[derive(Debug, Clone, Default)]
pub struct NetworkPolicy {
    entries: Vec<Entry>,
    ceilings: Ceilings,
    /// The author's entries as they are written, and what they ask for with the user's config.
    asked_for: Vec<String>,
    author: Author,
    wished: Vec<Entry>,
    /// The manifest that the user's config brings along.
    manifest_of_config: Option<Value>,
}

/// Hosts that are named, and by whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The hosts.
    pub hosts: HostPattern,
    /// Who names them.
    pub origin: Origin,
}

/// Who names a host, which decides how far it reaches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The connector's author.
    Author(Author),
    /// The user, in the config, at this place that the metadata points to.
    Config(String),
    /// The user, on the command line.
    CommandLine,
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Author(Author::Metadata) => formatter.write_str("metadata"),
            Origin::Author(Author::Manifest) => formatter.write_str("the manifest"),
            Origin::Config(path) => write!(formatter, "the config's `{path}`"),
            Origin::CommandLine => formatter.write_str("--allow-host"),
        }
    }
}

/// Where the hosts stand that a connector's author asks for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Author {
    /// In the metadata's `allowedHosts`.
    #[default]
    Metadata,
    /// In the manifest, as URLs that it calls.
    Manifest,
}

/// The field of a config that brings a manifest along, as Airbyte's connector builder does.
pub const INJECTED_MANIFEST: &str = "__injected_declarative_manifest";

/// What hosts are asked for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wishes<'a> {
    /// The author's entries, as they are written.
    pub asked_for: &'a [String],
    /// Where they stand.
    pub author: Author,
    /// The user's config, which fills the placeholders among them.
    pub config: Option<&'a Value>,
    /// What the command line adds.
    pub command_line: &'a [HostPattern],
}

/// Why a host or an address is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denial {
    /// Why, as the rest of a sentence: "no policy names it".
    pub why: String,
    /// What to do, a sentence without its full stop: "Allow it with --allow-host".
    pub advice: String,
}

/// A host that is asked for, in its one form.
enum Asked {
    Name(String),
    Address(IpAddr),
}

impl From<&Host> for Asked {
    fn from(host: &Host) -> Asked {
        match host {
            Host::Domain(name) => Asked::Name(plain_name(name)),
            Host::Ipv4(address) => Asked::Address((*address).into()),
            Host::Ipv6(address) => Asked::Address(canonical((*address).into())),
        }
    }
}

impl NetworkPolicy {
    /// What is left of the wishes below the ceilings; and warnings, for the user, of what is wrong with a wish or is not granted.
    /// They hold no value of the config.
    pub fn new(wishes: Wishes, ceilings: Ceilings) -> (NetworkPolicy, Vec<String>) {
        let (wished, wrong) = authors_entries(wishes);
        let mut entries = wished.clone();
        let command_line = wishes.command_line.iter().cloned();
        entries.extend(command_line.map(|hosts| Entry { hosts, origin: Origin::CommandLine }));
        let mut warnings = Vec::new();
        if !wrong.is_empty() {
            let whose = match wishes.author {
                Author::Metadata => "allowedHosts",
                Author::Manifest => "manifest's hosts",
            };
            warnings.push(format!("Of the connector's {whose} these are left out: {}.", shortened(&wrong, "; ")));
        }
        for ceiling in ceilings.iter() {
            let (left, taken): (Vec<Entry>, Vec<Entry>) =
                entries.into_iter().partition(|entry| ceiling.leaves(&entry.hosts));
            entries = left;
            if !taken.is_empty() {
                let taken: Vec<String> = taken.iter().map(Entry::without_values).collect();
                warnings.push(format!(
                    "The policy file {} takes away these hosts: {}.",
                    ceiling.file.display(),
                    shortened(&taken, ", ")
                ));
            }
        }
        let Wishes { asked_for, author, config, .. } = wishes;
        let manifest_of_config = config.and_then(|config| config.get(INJECTED_MANIFEST)).cloned();
        let asked_for = asked_for.to_vec();
        (NetworkPolicy { entries, ceilings, asked_for, author, wished, manifest_of_config }, warnings)
    }

    /// May the guest ask for this host? Asked before its name is resolved. `port` is none where it is not known yet: when a
    /// guest that uses raw sockets looks a name up.
    pub fn check_host(&self, host: &Host, port: Option<u16>) -> Result<(), Denial> {
        match Asked::from(host) {
            Asked::Address(address) => self.check_literal(address, port),
            Asked::Name(name) => {
                self.ceilings.iter().try_for_each(|ceiling| ceiling.check_name(&name, port))?;
                self.require_named(&name, port)
            }
        }
    }

    /// May the guest be connected to `address`, which is what `host` leads to? Asked after `check_host`, for a name may lead
    /// anywhere, whoever it belongs to.
    pub fn check_address(&self, host: &Host, port: Option<u16>, address: IpAddr) -> Result<(), Denial> {
        let address = canonical(address);
        let name = match Asked::from(host) {
            Asked::Name(name) => name,
            Asked::Address(literal) if literal == address => return self.check_literal(literal, port),
            Asked::Address(literal) => return Err(Denial::elsewhere(literal, address)),
        };
        self.ceilings.iter().try_for_each(|ceiling| ceiling.check_address(Some(&name), port, address))?;
        self.require_named(&name, port)?;
        let class = classify(address);
        if name == "localhost" && class != AddressClass::Loopback {
            return Err(Denial::not_this_machine(address));
        }
        let reach = self.reach_of_name(&name, port).max(self.reach_of_address(address, port));
        if class <= reach { Ok(()) } else { Err(Denial::special(&name, Some(address), class)) }
    }

    /// May the guest reach this host through a proxy, where nobody sees the address that its name leads to?
    pub fn check_proxied(&self, host: &Host, port: Option<u16>) -> Result<(), Denial> {
        let name = match Asked::from(host) {
            Asked::Address(address) => return self.check_literal(address, port),
            Asked::Name(name) => name,
        };
        let class = classify_name(&name);
        self.ceilings.iter().try_for_each(|ceiling| ceiling.check_proxied_name(&name, port, class))?;
        self.require_named(&name, port)?;
        if class <= self.reach_of_name(&name, port) { Ok(()) } else { Err(Denial::special(&name, None, class)) }
    }

    /// Who names a host in this config that the author's entries did not ask for with the user's own. A connector that renews its
    /// config must not choose by it what it may reach in the next run.
    pub fn named_anew(&self, config: &Value) -> Option<String> {
        let manifest = config.get(INJECTED_MANIFEST);
        if manifest.is_some() && manifest != self.manifest_of_config.as_ref() {
            return Some(format!("the config's `{INJECTED_MANIFEST}`"));
        }
        let wishes =
            Wishes { asked_for: &self.asked_for, author: self.author, config: Some(config), command_line: &[] };
        let (entries, _) = authors_entries(wishes);
        entries.into_iter().find(|entry| !self.wished.contains(entry)).map(|entry| entry.origin.to_string())
    }

    /// Whether no host at all can be reached.
    pub fn denies_everything(&self) -> bool {
        self.entries.is_empty()
    }

    /// What is named, and left by the ceilings.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The hosts that `config` names as a whole, as they are told, and its value that does.
    pub fn hosts_of_config<'a>(&self, config: &'a Value) -> impl Iterator<Item = (&'a Value, String)> {
        self.entries.iter().filter_map(move |entry| match &entry.origin {
            Origin::Config(path) => Some((placeholder::filled(path, Some(config))?, entry.hosts.to_string())),
            Origin::Author(_) | Origin::CommandLine => None,
        })
    }

    /// The policies over it.
    pub fn ceilings(&self) -> &Ceilings {
        &self.ceilings
    }

    fn require_named(&self, name: &str, port: Option<u16>) -> Result<(), Denial> {
        if !is_plain(name) {
            return Err(Denial::no_host());
        }
        if self.entries.iter().any(|entry| entry.hosts.names(name, port)) {
            return Ok(());
        }
        let elsewhere = self.entries.iter().any(|entry| entry.hosts.names(name, None));
        Err(Denial::not_named(name, port.filter(|_| elsewhere)))
    }

    fn check_literal(&self, address: IpAddr, port: Option<u16>) -> Result<(), Denial> {
        self.ceilings.iter().try_for_each(|ceiling| ceiling.check_address(None, port, address))?;
        let class = classify(address);
        let all = self.entries.iter().any(|entry| entry.hosts.hosts == Hosts::All && entry.hosts.is_for_port(port));
        let named = |port| self.entries.iter().any(|entry| entry.hosts.is_address(address, port));
        let shown = shown(address);
        if named(port) && class <= self.reach_of_address(address, port) || all && class == AddressClass::Public {
            Ok(())
        } else if class > AddressClass::Public && (named(port) || all) {
            Err(Denial::special(&shown, Some(address), class))
        } else {
            Err(Denial::not_named(&shown, port.filter(|_| named(None))))
        }
    }

    /// The greatest class of addresses that this name may lead to.
    fn reach_of_name(&self, name: &str, port: Option<u16>) -> AddressClass {
        let entries = self.entries.iter().filter(|entry| entry.hosts.names(name, port));
        let reaches = entries.map(|entry| match (&entry.hosts.hosts, &entry.origin) {
            (Hosts::Name(name), _) if name == "localhost" => AddressClass::Loopback,
            (Hosts::Name(_), Origin::CommandLine | Origin::Config(_)) => AddressClass::Private,
            _ => AddressClass::Public,
        });
        reaches.max().unwrap_or(AddressClass::Public)
    }

    /// Up to which class entries that name this very address make it reachable.
    fn reach_of_address(&self, address: IpAddr, port: Option<u16>) -> AddressClass {
        let entries = self.entries.iter().filter(|entry| entry.hosts.is_address(address, port));
        let reaches = entries.map(|entry| match &entry.origin {
            // Who fills in a form may be somebody else than who runs the connector, and a manifest may come with one.
            Origin::Config(_) | Origin::Author(Author::Manifest) => AddressClass::Private,
            Origin::Author(Author::Metadata) | Origin::CommandLine => AddressClass::Reserved,
        });
        reaches.max().unwrap_or(AddressClass::Public)
    }
}

impl Entry {
    /// For messages from the time before a config's secrets are known.
    fn without_values(&self) -> String {
        match &self.origin {
            Origin::Config(_) => self.origin.to_string(),
            origin => format!("{} ({origin})", self.hosts),
        }
    }
}

/// The entries that the author asks for, and what is wrong with the others.
fn authors_entries(wishes: Wishes) -> (Vec<Entry>, Vec<String>) {
    let mut entries = Vec::new();
    let mut wrong = Vec::new();
    for text in wishes.asked_for {
        match placeholder::wish(text, wishes.config) {
            Ok(Wish::Authors(hosts)) => entries.push(Entry { hosts, origin: Origin::Author(wishes.author) }),
            Ok(Wish::Users { path, hosts, incomplete }) => {
                if incomplete {
                    wrong.push(format!("a part of the config's `{path}`, which is no host"));
                }
                let origin = Origin::Config(path);
                entries.extend(hosts.into_iter().map(|hosts| Entry { hosts, origin: origin.clone() }));
            }
            Ok(Wish::Unfilled) => {}
            Err(error) => wrong.push(format!("{text:?}: {error}")),
        }
    }
    (entries, wrong)
}

/// An address as it is written where a host stands.
fn shown(address: IpAddr) -> String {
    HostPattern { hosts: Hosts::Address(address), port: None }.to_string()
}

fn shortened(texts: &[String], between: &str) -> String {
    let told = texts.iter().take(ENTRIES_TOLD).cloned().collect::<Vec<_>>().join(between);
    match texts.len().saturating_sub(ENTRIES_TOLD) {
        0 => told,
        more => format!("{told}{between}and {more} more"),
    }
}

impl Denial {
    /// `port` is given where only the port is not named.
    fn not_named(host: &str, port: Option<u16>) -> Denial {
        let (why, port) = match port {
            Some(port) => ("the policy names it for other ports only", format!(":{port}")),
            None => ("no policy names it", String::new()),
        };
        Denial {
            why: why.to_owned(),
            advice: format!(
                "Allow it with --allow-host {host}{port}, or name it under allowedHosts in the connector's metadata.yaml"
            ),
        }
    }

    fn no_host() -> Denial {
        Denial {
            why: "it is no host's name: that has letters, digits, - and _ with dots between them".to_owned(),
            advice: "Look at where the connector has it from".to_owned(),
        }
    }

    /// `host` is named, and is or leads to something that a name alone does not reach.
    fn special(host: &str, address: Option<IpAddr>, class: AddressClass) -> Denial {
        let address = address.map(shown);
        let kind = class.described();
        let why = match &address {
            Some(address) if address == host => format!("it is {kind}"),
            Some(address) => format!("it leads to {address}, {kind}"),
            None => format!("it leads to {kind}"),
        };
        let advice = match (class, address) {
            (AddressClass::Nowhere, _) | (_, None) if class > AddressClass::Private => "Nothing allows that".to_owned(),
            (AddressClass::Loopback | AddressClass::Private, _) => {
                format!("If that is what you want, allow it with --allow-host {host}")
            }
            (_, address) => format!(
                "If that is what you want, allow that very address with --allow-host {}",
                address.as_deref().unwrap_or(host)
            ),
        };
        Denial { why, advice }
    }

    fn not_this_machine(address: IpAddr) -> Denial {
        Denial {
            why: format!("localhost leads to {address}, which is not this machine"),
            advice: "Name the host that is meant".to_owned(),
        }
    }

    fn elsewhere(asked: IpAddr, address: IpAddr) -> Denial {
        Denial {
            why: format!("{asked} was asked for, and it leads to {address}"),
            advice: "Name the address that is meant".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests;
