//! Which hosts a guest may reach: what its metadata names, what the user adds, and the operator's ceilings over both.
//! Pure rules over names and addresses. Knows nothing of sockets, HTTP and files.

use std::net::IpAddr;

use url::Host;

/// The hosts that are in force for one run. Whatever is not named is refused.
#[derive(Debug, Clone, Default)]
pub struct NetworkPolicy {}

impl NetworkPolicy {
    /// May the guest ask for this host? Asked before its name is resolved. `port` is none where it is not known yet: when a
    /// guest that uses raw sockets looks a name up.
    pub fn check_host(&self, _host: &Host, _port: Option<u16>) -> Result<(), Denial> {
        Err(Denial::not_named())
    }

    /// May the guest be connected to `address`, which is what `host` leads to? Asked after `check_host`, for a name may lead
    /// anywhere, whoever it belongs to.
    pub fn check_address(&self, _host: &Host, _port: Option<u16>, _address: IpAddr) -> Result<(), Denial> {
        Err(Denial::not_named())
    }

    /// May the guest reach this host through a proxy, where nobody sees the address that its name leads to?
    pub fn check_proxied(&self, _host: &Host, _port: Option<u16>) -> Result<(), Denial> {
        Err(Denial::not_named())
    }

    /// Whether no host at all can be reached.
    pub fn denies_everything(&self) -> bool {
        true
    }
}

/// Why a host or an address is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denial {
    /// Why, as the rest of a sentence: "no policy names it".
    pub why: String,
    /// What to do, a sentence without its full stop: "Allow it with --allow-host".
    pub advice: String,
}

impl Denial {
    fn not_named() -> Denial {
        Denial { why: "no policy names it".to_owned(), advice: "Allow it with --allow-host".to_owned() }
    }
}
