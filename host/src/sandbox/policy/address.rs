//! What an address is: somewhere in the public internet, or a place that no name of a stranger's may lead to.
//! Knows nothing of policies.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};

/// What kind of address it is, the harmless first: of two that apply, the greater counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum AddressClass {
    /// One that everybody can reach.
    Public,
    /// This machine.
    Loopback,
    /// A network that is somebody's own.
    Private,
    /// The link, and what clouds answer on it or in its manner: credentials, most often.
    LinkLocal,
    /// Set aside for documentation, tests and times to come.
    Reserved,
    /// Nowhere one host stands: multicast, and the address that is none (to which Linux gives this machine).
    Nowhere,
}

impl AddressClass {
    /// As the end of a sentence: "a private address".
    pub fn described(self) -> &'static str {
        match self {
            AddressClass::Public => "a public address",
            AddressClass::Loopback => "a loopback address",
            AddressClass::Private => "a private address",
            AddressClass::LinkLocal => "a link-local or cloud metadata address",
            AddressClass::Reserved => "a reserved address",
            AddressClass::Nowhere => "a multicast or unspecified address",
        }
    }
}

use AddressClass::{LinkLocal, Loopback, Nowhere, Private, Public, Reserved};

const fn v4(a: u8, b: u8, c: u8, d: u8, length: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), length)
}

const fn v6(a: u16, b: u16, c: u16, h: u16, length: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, 0, 0, 0, 0, h), length)
}

/// IANA's special-purpose registry, and where clouds keep their metadata outside the link. Of several that hold an address, the
/// greatest class counts.
const SPECIAL_V4: &[(Ipv4Net, AddressClass)] = &[
    (v4(0, 0, 0, 0, 8), Nowhere),
    (v4(10, 0, 0, 0, 8), Private),
    (v4(100, 64, 0, 0, 10), Private),
    // Alibaba Cloud.
    (v4(100, 100, 100, 200, 32), LinkLocal),
    (v4(127, 0, 0, 0, 8), Loopback),
    // Azure.
    (v4(168, 63, 129, 16, 32), LinkLocal),
    (v4(169, 254, 0, 0, 16), LinkLocal),
    (v4(172, 16, 0, 0, 12), Private),
    (v4(192, 0, 0, 0, 24), Reserved),
    (v4(192, 0, 2, 0, 24), Reserved),
    (v4(192, 88, 99, 0, 24), Reserved),
    (v4(192, 168, 0, 0, 16), Private),
    (v4(198, 18, 0, 0, 15), Reserved),
    (v4(198, 51, 100, 0, 24), Reserved),
    (v4(203, 0, 113, 0, 24), Reserved),
    (v4(224, 0, 0, 0, 4), Nowhere),
    (v4(240, 0, 0, 0, 4), Reserved),
];

const SPECIAL_V6: &[(Ipv6Net, AddressClass)] = &[
    (v6(0, 0, 0, 0, 128), Nowhere),
    (v6(0, 0, 0, 1, 128), Loopback),
    (v6(0x0064, 0xff9b, 1, 0, 48), Private),
    (v6(0x2001, 0x0002, 0, 0, 48), Reserved),
    (v6(0x2001, 0x0010, 0, 0, 28), Reserved),
    (v6(0x2001, 0x0020, 0, 0, 28), Reserved),
    (v6(0x2001, 0x0db8, 0, 0, 32), Reserved),
    (v6(0x3fff, 0, 0, 0, 20), Reserved),
    (v6(0xfc00, 0, 0, 0, 7), Private),
    // Amazon: the instance's metadata and its pods' credentials.
    (v6(0xfd00, 0x0ec2, 0, 0, 32), LinkLocal),
    // Google Cloud.
    (v6(0xfd20, 0x00ce, 0, 0x0254, 128), LinkLocal),
    (v6(0xfe80, 0, 0, 0, 10), LinkLocal),
    (v6(0xfec0, 0, 0, 0, 10), Private),
    (v6(0xff00, 0, 0, 0, 8), Nowhere),
];

/// All that has been given out of IPv6 as addresses of single hosts.
const GLOBAL_V6: Ipv6Net = v6(0x2000, 0, 0, 0, 3);
const NAT64: Ipv6Net = v6(0x0064, 0xff9b, 0, 0, 96);
const LOCAL_NAT64: Ipv6Net = v6(0x0064, 0xff9b, 1, 0, 48);
const SIX_TO_FOUR: Ipv6Net = v6(0x2002, 0, 0, 0, 16);
const TEREDO: Ipv6Net = v6(0x2001, 0, 0, 0, 32);
const IPV4_COMPATIBLE: Ipv6Net = v6(0, 0, 0, 0, 96);

/// The address as the system connects to it: an IPv4-mapped one is the IPv4 address.
pub fn canonical(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

/// What kind of address it is, also by the IPv4 address that an IPv6 address leads to.
pub fn classify(address: IpAddr) -> AddressClass {
    match canonical(address) {
        IpAddr::V4(address) => classify_v4(address),
        IpAddr::V6(address) => classify_v6(address),
    }
}

/// What a name leads to wherever it is resolved; public for those of which that is not known. All that can be said of a name
/// that a proxy resolves.
pub fn classify_name(name: &str) -> AddressClass {
    if name == "localhost" || name.ends_with(".localhost") {
        Loopback
    } else if matches!(name, "metadata.google.internal" | "metadata.goog") {
        LinkLocal
    } else {
        Public
    }
}

fn classify_v4(address: Ipv4Addr) -> AddressClass {
    let classes = SPECIAL_V4.iter().filter(|(range, _)| range.contains(&address)).map(|(_, class)| *class);
    classes.max().unwrap_or(Public)
}

fn classify_v6(address: Ipv6Addr) -> AddressClass {
    let classes = SPECIAL_V6.iter().filter(|(range, _)| range.contains(&address)).map(|(_, class)| *class);
    let own = match classes.max() {
        Some(class) => class,
        None if GLOBAL_V6.contains(&address) || NAT64.contains(&address) => Public,
        None => Reserved,
    };
    ipv4_inside(address).into_iter().map(classify_v4).fold(own, AddressClass::max)
}

/// The IPv4 addresses that a gateway may take this IPv6 address to.
fn ipv4_inside(address: Ipv6Addr) -> Vec<Ipv4Addr> {
    let bytes = address.octets();
    let at = |places: [usize; 4]| Ipv4Addr::from(places.map(|place| bytes[place]));
    let last = at([12, 13, 14, 15]);
    if NAT64.contains(&address) {
        vec![last]
    } else if LOCAL_NAT64.contains(&address) {
        // How long the network's own prefix is, nobody knows: the address stands after 48 bits or at the end (RFC 6052), and
        // the other place is empty.
        [at([6, 7, 9, 10]), last].into_iter().filter(|inside| !inside.is_unspecified()).collect()
    } else if SIX_TO_FOUR.contains(&address) {
        vec![at([2, 3, 4, 5])]
    } else if TEREDO.contains(&address) {
        vec![at([4, 5, 6, 7]), Ipv4Addr::from(!u32::from(last))]
    } else if IPV4_COMPATIBLE.contains(&address) && !address.is_loopback() {
        vec![last]
    } else {
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn assert_class(class: AddressClass, addresses: &[&str]) {
        for address in addresses {
            assert_eq!(classify(address.parse().unwrap()), class, "{address}");
        }
    }

    #[test]
    fn every_kind_of_ipv4_address_is_known() {
        assert_class(
            Public,
            &["1.1.1.1", "8.8.8.8", "93.184.216.34", "172.15.255.255", "172.32.0.0", "100.63.255.255"],
        );
        assert_class(
            Public,
            &["9.255.255.255", "11.0.0.0", "126.255.255.255", "128.0.0.0", "192.167.1.1", "223.255.255.255"],
        );
        assert_class(
            Public,
            &["100.128.0.0", "169.253.255.255", "169.255.0.0", "168.63.129.15", "192.0.1.0", "198.20.0.0"],
        );
        assert_class(Loopback, &["127.0.0.1", "127.0.0.0", "127.255.255.255"]);
        assert_class(Private, &["10.0.0.0", "10.255.255.255", "172.16.0.1", "172.31.255.255", "192.168.0.1"]);
        assert_class(Private, &["100.64.0.1", "100.127.255.255"]);
        assert_class(
            LinkLocal,
            &["169.254.169.254", "169.254.0.1", "169.254.170.2", "100.100.100.200", "168.63.129.16"],
        );
        assert_class(Reserved, &["192.0.0.192", "192.0.2.1", "198.18.0.1", "198.19.255.255", "198.51.100.7"]);
        assert_class(Reserved, &["203.0.113.9", "240.0.0.1", "255.255.255.255"]);
        assert_class(Nowhere, &["0.0.0.0", "0.1.2.3", "224.0.0.1", "239.255.255.255"]);
    }

    #[test]
    fn every_kind_of_ipv6_address_is_known() {
        assert_class(Public, &["2606:4700:4700::1111", "2a00:1450:4001:800::200e"]);
        assert_class(Loopback, &["::1"]);
        assert_class(Private, &["fc00::1", "fd12:3456::1", "fdff:ffff::", "fec0::1"]);
        assert_class(LinkLocal, &["fe80::1", "febf::1", "fd00:ec2::254", "fd00:ec2::23", "fd20:ce::254"]);
        assert_class(
            Reserved,
            &["2001:db8::1", "3fff::1", "100::1", "2001:2::1", "2001:10::1", "2001:20::1", "4000::1"],
        );
        assert_class(Nowhere, &["::", "ff02::1", "ff0e::1"]);
    }

    #[test]
    fn an_ipv6_address_is_judged_by_the_ipv4_address_inside() {
        assert_class(Loopback, &["::ffff:127.0.0.1", "64:ff9b::127.0.0.1", "2002:7f00:1::"]);
        assert_class(Private, &["::ffff:10.0.0.5", "64:ff9b::10.0.0.5", "2002:a00:5::1", "2002:c0a8:101::"]);
        let metadata = ["::ffff:169.254.169.254", "64:ff9b::169.254.169.254", "2002:a9fe:a9fe::"];
        assert_class(LinkLocal, &metadata);
        // At both places of a network's own prefix: after 48 bits, and at the end.
        assert_class(LinkLocal, &["64:ff9b:1:a9fe:a9:fe00::", "64:ff9b:1::169.254.169.254"]);
        assert_class(Private, &["64:ff9b:1::8.8.8.8", "64:ff9b:1:808:8:800::", "64:ff9b:1::10.0.0.5"]);
        // Teredo: the server, and the client with every bit turned.
        assert_class(LinkLocal, &["2001:0:a9fe:a9fe::f7f7:f7f7", "2001:0:808:808::5601:5601"]);
        assert_class(Public, &["64:ff9b::8.8.8.8", "2002:808:808::", "2001:0:808:808::f7f7:f7f7"]);
        assert_class(Nowhere, &["64:ff9b::", "64:ff9b::0.0.0.0", "::ffff:0.0.0.0", "::ffff:224.0.0.1"]);
        // The kind of its own counts as well.
        assert_class(Reserved, &["::8.8.8.8", "::10.0.0.5", "::169.254.169.254"]);
    }

    #[test]
    fn some_names_lead_to_the_same_place_everywhere() {
        assert_eq!(classify_name("localhost"), Loopback);
        assert_eq!(classify_name("db.localhost"), Loopback);
        assert_eq!(classify_name("metadata.google.internal"), LinkLocal);
        assert_eq!(classify_name("localhost.example.com"), Public);
    }
}
