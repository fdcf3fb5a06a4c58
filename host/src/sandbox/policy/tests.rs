//! What is allowed and refused, by all the rules together.

use std::path::Path;
use std::sync::Arc;

use proptest::prelude::*;
use serde_json::json;

use super::ceiling::Ceiling;
use super::host_pattern::plain_host;
use super::*;

fn patterns(entries: &[&str]) -> Vec<HostPattern> {
    entries.iter().map(|entry| entry.parse().unwrap_or_else(|error| panic!("{entry}: {error}"))).collect()
}

fn ceilings(texts: &[&str]) -> Ceilings {
    let parse = |(number, text): (usize, &&str)| {
        let file = format!("/policies/{number}.yaml");
        Arc::new(Ceiling::parse(Path::new(&file), text).unwrap_or_else(|error| panic!("{text}: {error}")))
    };
    Ceilings::of(texts.iter().enumerate().map(parse))
}

fn policy_below(metadata: &[&str], config: Value, command_line: &[&str], ceiling: &[&str]) -> NetworkPolicy {
    let metadata: Vec<String> = metadata.iter().map(ToString::to_string).collect();
    let command_line = patterns(command_line);
    let wishes =
        Wishes { asked_for: &metadata, config: Some(&config), command_line: &command_line, ..Wishes::default() };
    NetworkPolicy::new(wishes, ceilings(ceiling)).0
}

fn host(text: &str) -> Host {
    plain_host(text).unwrap_or_else(|| panic!("{text} is no host"))
}

/// Whether the whole way to a host is free: first its name, then the address it leads to.
fn reaches(policy: &NetworkPolicy, name: &str, port: u16, address: &str) -> bool {
    let (host, address) = (host(name), address.parse().unwrap());
    policy.check_host(&host, Some(port)).and_then(|()| policy.check_address(&host, Some(port), address)).is_ok()
}

#[test]
fn what_is_not_named_is_refused() {
    let nothing = NetworkPolicy::default();
    assert!(nothing.denies_everything());
    let denial = nothing.check_host(&host("api.example.com"), Some(443)).unwrap_err();
    assert_eq!(denial.why, "no policy names it");
    assert!(denial.advice.contains("--allow-host api.example.com"), "{}", denial.advice);

    let policy = policy_below(&["api.example.com:443", "*.example.net"], json!({}), &["other.example"], &[]);
    assert!(!policy.denies_everything());
    for (name, port, allowed) in [
        ("api.example.com", 443, true),
        ("API.EXAMPLE.COM.", 443, true),
        ("api.example.com", 80, false),
        ("www.example.com", 443, false),
        ("a.b.example.net", 80, true),
        ("example.net", 80, false),
        ("other.example", 1, true),
        ("sub.other.example", 1, false),
        ("93.184.216.34", 443, false),
    ] {
        assert_eq!(reaches(&policy, name, port, "93.184.216.34"), allowed, "{name}:{port}");
    }
    assert!(policy.check_host(&host("api.example.com"), None).is_ok(), "the port is not known yet");
    let denial = policy.check_host(&host("api.example.com"), Some(80)).unwrap_err();
    assert!(denial.why.contains("other ports") && denial.advice.contains("api.example.com:80"), "{denial:?}");
    let denial = policy.check_address(&host("www.example.com"), Some(1), "1.1.1.1".parse().unwrap());
    assert!(denial.is_err(), "the address alone allows nothing");
}

/// Special addresses, those that a host may stand for first.
const LOCAL: &[&str] = &["127.0.0.1", "::1", "::ffff:127.0.0.1", "64:ff9b::127.0.0.1", "2002:7f00:1::"];
const PRIVATE: &[&str] =
    &["10.0.0.5", "172.16.0.1", "192.168.1.1", "100.64.0.1", "fd12::5", "::ffff:10.0.0.5", "64:ff9b::10.0.0.5"];
const LINK: &[&str] = &[
    "169.254.169.254",
    "fe80::1",
    "100.100.100.200",
    "168.63.129.16",
    "fd00:ec2::254",
    "::ffff:169.254.169.254",
    "64:ff9b::169.254.169.254",
];
const RESERVED: &[&str] = &["255.255.255.255", "192.0.2.1", "198.18.0.1", "240.0.0.1", "2001:db8::1"];
const NOWHERE: &[&str] = &["0.0.0.0", "0.0.0.1", "224.0.0.1", "::", "ff02::1", "::ffff:0.0.0.0"];

#[track_caller]
fn assert_leads(policy: &NetworkPolicy, name: &str, groups: [(&[&str], bool); 5]) {
    for (addresses, allowed) in groups {
        for address in addresses {
            assert_eq!(reaches(policy, name, 5432, address), allowed, "{name} leads to {address}");
        }
    }
    assert!(name == "localhost" || reaches(policy, name, 5432, "1.1.1.1"), "{name} leads to a public address");
}

#[test]
fn a_name_leads_to_special_addresses_only_where_the_user_named_it() {
    let none = [(LOCAL, false), (PRIVATE, false), (LINK, false), (RESERVED, false), (NOWHERE, false)];
    let own = [(LOCAL, true), (PRIVATE, true), (LINK, false), (RESERVED, false), (NOWHERE, false)];
    let config = json!({"host": "db.config:5432", "part": "x"});
    let metadata = ["db.metadata", "*.wild.metadata", "${host}", "${part}.metadata", "localhost"];
    let policy = policy_below(&metadata, config, &["db.flag", "*.wild.flag"], &[]);
    for name in ["db.metadata", "a.wild.metadata", "x.metadata", "a.wild.flag"] {
        assert_leads(&policy, name, none);
    }
    for name in ["db.config", "db.flag"] {
        assert_leads(&policy, name, own);
    }
    assert_leads(
        &policy,
        "localhost",
        [(LOCAL, true), (PRIVATE, false), (LINK, false), (RESERVED, false), (NOWHERE, false)],
    );
    assert!(!reaches(&policy, "localhost", 1, "1.1.1.1"), "localhost is this machine");
    assert_leads(&policy_below(&["*"], json!({}), &["*"], &[]), "any.name", none);
    assert!(!reaches(&policy_below(&["*"], json!({}), &[], &[]), "localhost", 1, "127.0.0.1"), "a * does not mean it");
}

#[test]
fn an_address_is_reached_where_that_very_address_is_named() {
    let config = json!({"host": "10.9.9.9", "link": "169.254.169.254", "reserved": "192.0.2.1"});
    let metadata =
        ["10.0.0.5:5432", "169.254.1.1", "[fd12::5]", "${host}", "${link}", "${reserved}", "db.example", "224.0.0.1"];
    let policy = policy_below(&metadata, config, &["127.0.0.1", "255.255.255.255", "0.0.0.0", "[64:ff9b::a00:9]"], &[]);
    for (address, allowed) in [
        ("10.0.0.5", true),
        ("::ffff:10.0.0.5", true),
        ("10.0.0.6", false),
        ("64:ff9b::10.0.0.5", false),
        ("64:ff9b::10.0.0.9", true),
        ("169.254.1.1", true),
        ("fd12::5", true),
        ("127.0.0.1", true),
        ("0x7f.1", true),
        ("2130706433", true),
        ("127.0.0.2", false),
        ("255.255.255.255", true),
        ("1.1.1.1", false),
        ("10.9.9.9", true),
        // What a config names is never on the link, or anything that is no host's.
        ("169.254.169.254", false),
        ("192.0.2.1", false),
        ("224.0.0.1", false),
        ("0.0.0.0", false),
    ] {
        let asked = host(address);
        let resolved = Asked::from(&asked);
        let Asked::Address(resolved) = resolved else { panic!("{address}") };
        assert_eq!(reaches(&policy, address, 5432, &resolved.to_string()), allowed, "{address}");
        assert_eq!(policy.check_proxied(&asked, Some(5432)).is_ok(), allowed, "{address} through a proxy");
    }
    assert!(!reaches(&policy, "10.0.0.5", 80, "10.0.0.5"), "at its port only");
    assert!(reaches(&policy, "db.example", 5432, "10.0.0.5"), "a named name may lead to a named address");
    assert!(!reaches(&policy, "db.example", 5432, "169.254.169.254"));
    let elsewhere = policy.check_address(&host("10.0.0.5"), Some(5432), "10.9.9.9".parse().unwrap());
    assert!(elsewhere.is_err(), "a literal is itself");
    let all = policy_below(&["*:443"], json!({}), &[], &[]);
    assert!(reaches(&all, "1.1.1.1", 443, "1.1.1.1") && !reaches(&all, "1.1.1.1", 80, "1.1.1.1"));
    for address in LOCAL.iter().chain(PRIVATE).chain(LINK).chain(RESERVED).chain(NOWHERE) {
        assert!(!reaches(&all, address, 443, address), "* and {address}");
    }
}

#[test]
fn through_a_proxy_names_are_checked() {
    let policy =
        policy_below(&["*.example.com"], json!({}), &["localhost", "metadata.google.internal", "*.localhost"], &[]);
    for (name, allowed) in [
        ("a.example.com", true),
        ("example.com", false),
        ("localhost", true),
        ("db.localhost", false),
        ("metadata.google.internal", false),
    ] {
        assert_eq!(policy.check_proxied(&host(name), Some(80)).is_ok(), allowed, "{name}");
    }
    let all = policy_below(&["*"], json!({}), &[], &[]);
    assert!(all.check_proxied(&host("any.example"), Some(80)).is_ok());
    assert!(all.check_proxied(&host("localhost"), Some(80)).is_err());
    assert!(all.check_proxied(&host("1.1.1.1"), Some(80)).is_ok());
    assert!(all.check_proxied(&host("10.0.0.1"), Some(80)).is_err());
}

#[test]
fn a_name_that_no_host_has_is_refused_whatever_is_named() {
    let policy = policy_below(&["*"], json!({}), &["*"], &[]);
    for name in ["$(reboot)", "a;b", "a..b", "a'b", ""] {
        let denial = policy.check_host(&Host::Domain(name.to_owned()), Some(80)).unwrap_err();
        assert!(!denial.advice.contains("allow-host"), "nobody copies that to a shell: {denial:?}");
    }
}

#[test]
fn denials_say_what_to_do() {
    let policy = policy_below(&["db.example", "10.0.0.5:1"], json!({}), &[], &[]);
    let at =
        |name: &str, address: &str| policy.check_address(&host(name), Some(80), address.parse().unwrap()).unwrap_err();
    let denial = at("db.example", "10.1.2.3");
    assert_eq!(denial.why, "it leads to 10.1.2.3, a private address");
    assert!(denial.advice.ends_with("--allow-host db.example"), "{denial:?}");
    let denial = at("db.example", "169.254.169.254");
    assert!(denial.advice.ends_with("--allow-host 169.254.169.254"), "{denial:?}");
    assert_eq!(at("db.example", "224.0.0.1").advice, "Nothing allows that");
    assert!(at("10.0.0.5", "10.0.0.5").why.contains("other ports"));

    let below = policy_below(&["*"], json!({}), &[], &["hosts: [a.example]\nprivate_addresses: false"]);
    let denial = below.check_host(&host("b.example"), Some(80)).unwrap_err();
    assert_eq!(denial.why, "the policy file /policies/0.yaml does not name it");
}

#[test]
fn a_ceiling_takes_away() {
    let wishes = ["api.example.com", "*.example.net", "10.0.0.5", "10.0.0.6"];
    let below = |text: &str| policy_below(&wishes, json!({}), &["db.flag"], &[text]);
    /// A name, the address it leads to, and whether it is reached.
    type Case = (&'static str, &'static str, bool);
    let cases: &[(&str, &[Case])] = &[
        ("{}", &[("api.example.com", "1.1.1.1", true), ("db.flag", "10.0.0.9", true), ("10.0.0.5", "10.0.0.5", true)]),
        ("hosts: []", &[("api.example.com", "1.1.1.1", false), ("10.0.0.5", "10.0.0.5", false)]),
        (
            "hosts: ['*.example.com', db.flag, a.b.example.net]",
            &[
                ("api.example.com", "1.1.1.1", true),
                ("www.example.com", "1.1.1.1", false),
                ("a.b.example.net", "1.1.1.1", true),
                ("b.example.net", "1.1.1.1", false),
                ("db.flag", "10.0.0.9", true),
                ("10.0.0.5", "10.0.0.5", false),
            ],
        ),
        (
            "hosts: [10.0.0.0/29, '2606::/16', 1.1.1.1]",
            &[
                ("10.0.0.5", "10.0.0.5", true),
                ("db.flag", "10.0.0.7", true),
                ("db.flag", "10.0.0.9", false),
                ("api.example.com", "1.1.1.1", true),
                ("api.example.com", "1.1.1.2", false),
                ("api.example.com", "2606::1", true),
            ],
        ),
        (
            "hosts: ['*']",
            &[("api.example.com", "1.1.1.1", true), ("db.flag", "10.0.0.9", true), ("10.0.0.5", "10.0.0.5", false)],
        ),
        ("hosts: ['api.example.com:80']", &[("api.example.com", "1.1.1.1", false), ("db.flag", "1.1.1.1", false)]),
        (
            "private_addresses: false",
            &[("api.example.com", "1.1.1.1", true), ("db.flag", "10.0.0.9", false), ("10.0.0.5", "10.0.0.5", false)],
        ),
        (
            "private_addresses: false\nhosts: ['*', 10.0.0.5]",
            &[
                ("10.0.0.5", "10.0.0.5", true),
                ("db.flag", "10.0.0.5", true),
                ("10.0.0.6", "10.0.0.6", false),
                ("db.flag", "10.0.0.6", false),
                ("db.flag", "1.1.1.1", true),
            ],
        ),
    ];
    for (text, expected) in cases {
        for (name, address, allowed) in *expected {
            assert_eq!(reaches(&below(text), name, 443, address), *allowed, "{text}: {name} at {address}");
        }
    }
    let proxied = |name: &str| {
        policy_below(&[], json!({}), &["localhost", "a.example"], &["private_addresses: false"])
            .check_proxied(&host(name), Some(1))
            .is_ok()
    };
    assert!(proxied("a.example") && !proxied("localhost"));
    assert!(policy_below(&["a.example:443"], json!({}), &[], &["hosts: ['a.example:80']"]).denies_everything());
    assert!(below("hosts: []").denies_everything());
    assert!(below("hosts: [other.example]").denies_everything());
    let both = ["hosts: [api.example.com, db.flag]", "hosts: [db.flag, x.example.net]"];
    let policy = policy_below(&wishes, json!({}), &["db.flag"], &both);
    assert!(reaches(&policy, "db.flag", 1, "1.1.1.1") && !reaches(&policy, "api.example.com", 1, "1.1.1.1"));
    assert!(
        below("hosts: [10.0.0.0/8]").check_proxied(&host("api.example.com"), Some(1)).is_err(),
        "nobody sees where"
    );
    assert!(below("hosts: [10.0.0.0/8]").check_proxied(&host("10.0.0.5"), Some(1)).is_ok());
    let mapped = below("hosts: [10.0.0.0/8]");
    assert!(reaches(&mapped, "db.flag", 1, "::ffff:10.0.0.9"), "as the system connects to it");
}

#[test]
fn what_a_ceiling_takes_away_is_said() {
    let metadata = ["api.example.com".to_owned(), "${host}".to_owned(), "a*.x".to_owned(), "${bad}".to_owned()];
    let config = json!({"host": "hush.example", "bad": "hush hush"});
    let command_line = patterns(&["db.flag", "kept.example"]);
    let wishes =
        Wishes { asked_for: &metadata, config: Some(&config), command_line: &command_line, ..Wishes::default() };
    let (policy, warnings) = NetworkPolicy::new(wishes, ceilings(&["hosts: [kept.example]"]));
    assert_eq!(policy.entries().len(), 1);
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(warnings[0].contains("\"a*.x\"") && warnings[0].contains("`bad`"), "{}", warnings[0]);
    assert_eq!(
        warnings[1],
        "The policy file /policies/0.yaml takes away these hosts: api.example.com (metadata), the config's `host`, db.flag \
         (--allow-host)."
    );
    assert!(!warnings.concat().contains("hush"), "{warnings:?}");

    let many: Vec<String> = (0..1000).map(|number| format!("a*{number}")).collect();
    let (_, warnings) = NetworkPolicy::new(Wishes { asked_for: &many, ..Wishes::default() }, Ceilings::default());
    assert!(warnings.len() == 1 && warnings[0].len() < 20_000 && warnings[0].contains("980 more"), "{warnings:?}");
}

#[test]
fn a_policy_file_is_understood_or_refused() {
    for text in ["{}", "hosts: []", "{\"hosts\": [\"a.example\"], \"private_addresses\": false}", "mounts: [/srv]"] {
        assert!(Ceiling::parse(Path::new("policy"), text).is_ok(), "{text}");
    }
    for (text, told) in [
        ("", "policy"),
        ("# hosts: []", "policy"),
        ("[]", "policy"),
        ("hosts:", "[]"),
        ("hosts: ~", "[]"),
        ("environment:", "[]"),
        ("mounts:", "[]"),
        ("hosts: api.example.com", "policy"),
        ("host: []", "host"),
        ("hosts: [a]\nhosts: [b]", "hosts"),
        ("hosts: ['a*.x']", "a*.x"),
        ("hosts: ['${host}']", "${host}"),
        ("hosts: [10.0.0.0/33]", "10.0.0.0/33"),
        ("hosts: [1.5, {a: b}]", "policy"),
        ("private_addresses: nope", "policy"),
        ("mounts: [srv]", "absolute"),
        ("hosts: [a\n", "policy"),
        ("{}\n---\n{}", "policy"),
    ] {
        let error = Ceiling::parse(Path::new("policy"), text).expect_err(text);
        assert!(error.contains(told) && !error.contains('\n'), "{text}: {error}");
    }
}

#[test]
fn the_example_in_the_documentation_is_a_policy() {
    let page = include_str!("../../../../docs/policy.md");
    let (_, page) = page.split_once("## The ceiling").unwrap();
    let example = page.split("```yaml\n").nth(1).unwrap().split("```").next().unwrap();
    let policy = policy_below(&["*"], json!({}), &["db.flag", "api.example.com"], &[example]);
    assert!(reaches(&policy, "api.example.com", 443, "1.1.1.1") && reaches(&policy, "a.example.net", 443, "1.1.1.1"));
    assert!(reaches(&policy, "db.flag", 443, "10.20.0.1") && !reaches(&policy, "db.flag", 443, "10.21.0.1"));
    let allowed = |name: &str| ceilings(&[example]).require_environment(&[name.to_owned()]).is_ok();
    assert!(allowed("HTTP_USER_AGENT") && !allowed("TOKEN"));
}

const NAMES: &[&str] =
    &["a.example.com", "b.a.example.com", "example.com", "localhost", "db.internal", "metadata.google.internal"];
const PATTERNS: &[&str] = &[
    "a.example.com",
    "*.example.com",
    "*.a.example.com",
    "*",
    "*:443",
    "a.example.com:443",
    "localhost",
    "db.internal",
    "10.0.0.5",
    "127.0.0.1:443",
    "169.254.169.254",
    "1.1.1.1",
    "[::1]",
    "*.com",
    "metadata.google.internal",
];
const RANGES: &[&str] = &["10.0.0.0/8", "::/0", "0.0.0.0/0", "169.254.0.0/16", "1.1.1.0/24"];
const ADDRESSES: &[&str] = &[
    "1.1.1.1",
    "10.0.0.5",
    "10.0.0.6",
    "127.0.0.1",
    "::1",
    "169.254.169.254",
    "::ffff:10.0.0.5",
    "64:ff9b::a00:5",
    "0.0.0.0",
    "224.0.0.1",
    "2606::1",
];

fn some_of(texts: &'static [&'static str]) -> impl Strategy<Value = Vec<&'static str>> {
    proptest::collection::vec(proptest::sample::select(texts), 0..4)
}

fn a_ceiling() -> impl Strategy<Value = String> {
    let entries = (some_of(PATTERNS), some_of(RANGES)).prop_map(|(patterns, ranges)| [patterns, ranges].concat());
    (proptest::option::of(entries), any::<bool>()).prop_map(|(hosts, private)| {
        let mut fields = json!({"private_addresses": private});
        if let Some(hosts) = hosts {
            fields["hosts"] = json!(hosts);
        }
        fields.to_string()
    })
}

fn answers(policy: &NetworkPolicy) -> Vec<bool> {
    let mut answers = vec![!policy.denies_everything()];
    for port in [None, Some(443), Some(80)] {
        for name in NAMES.iter().chain(ADDRESSES) {
            let host = host(name);
            answers.push(policy.check_host(&host, port).is_ok());
            answers.push(policy.check_proxied(&host, port).is_ok());
            let addresses = ADDRESSES.iter().map(|address| address.parse().unwrap());
            answers.extend(addresses.map(|address| policy.check_address(&host, port, address).is_ok()));
        }
    }
    answers
}

proptest! {
    #[test]
    fn a_ceiling_only_ever_narrows(
        metadata in some_of(PATTERNS), command_line in some_of(PATTERNS), value in proptest::sample::select(ADDRESSES),
        ceiling in a_ceiling(), other in a_ceiling(),
    ) {
        let metadata = [metadata, vec!["${host}"]].concat();
        let config = json!({"host": value});
        let free = policy_below(&metadata, config.clone(), &command_line, &[]);
        let below = policy_below(&metadata, config.clone(), &command_line, &[&ceiling]);
        let below_both = policy_below(&metadata, config.clone(), &command_line, &[&ceiling, &other]);
        let narrows = |wide: &NetworkPolicy, narrow: &NetworkPolicy| {
            answers(wide).into_iter().zip(answers(narrow)).all(|(wide, narrow)| wide || !narrow)
        };
        prop_assert!(narrows(&free, &below));
        prop_assert!(narrows(&below, &below_both));
        // Of what the ceiling took away, nothing could have been reached.
        let kept: Vec<&HostPattern> = below.entries.iter().map(|entry| &entry.hosts).collect();
        for taken in free.entries.iter().filter(|entry| !kept.contains(&&entry.hosts)) {
            let alone = NetworkPolicy { entries: vec![taken.clone()], ..below.clone() };
            prop_assert!(!answers(&alone)[1..].contains(&true), "{:?}", taken);
        }
    }

    #[test]
    fn no_policy_file_makes_parsing_panic(text in ".*", hosts in proptest::collection::vec(".*", 0..4)) {
        let _ = Ceiling::parse(Path::new("policy"), &text);
        let _ = Ceiling::parse(Path::new("policy"), &json!({"hosts": hosts}).to_string());
    }
}

#[test]
fn a_manifest_that_a_connector_brings_into_its_config_names_hosts_anew() {
    let manifest = |url: &str| json!({"a": 1, INJECTED_MANIFEST: {"url": url}});
    let policy = policy_below(&[], manifest("https://own.example"), &[], &[]);
    assert_eq!(policy.named_anew(&manifest("https://own.example")), None);
    assert_eq!(policy.named_anew(&json!({"a": 2})), None);
    assert!(policy.named_anew(&manifest("https://other.example")).unwrap().contains(INJECTED_MANIFEST));
    assert!(policy_below(&[], json!({}), &[], &[]).named_anew(&manifest("https://own.example")).is_some());
}

#[test]
fn what_a_manifest_names_reaches_no_further_than_what_a_config_names() {
    let entries = ["169.254.169.254", "127.0.0.1", "10.0.0.5", "internal.example"].map(ToOwned::to_owned);
    let wishes = |author| Wishes { asked_for: &entries, author, ..Wishes::default() };
    let of_manifest = NetworkPolicy::new(wishes(Author::Manifest), Ceilings::default()).0;
    let of_metadata = NetworkPolicy::new(wishes(Author::Metadata), Ceilings::default()).0;
    for (name, address, manifest, metadata) in [
        ("127.0.0.1", "127.0.0.1", true, true),
        ("10.0.0.5", "10.0.0.5", true, true),
        ("169.254.169.254", "169.254.169.254", false, true),
        ("internal.example", "10.0.0.5", true, true),
        ("internal.example", "10.0.0.6", false, false),
    ] {
        assert_eq!(reaches(&of_manifest, name, 80, address), manifest, "{name}");
        assert_eq!(reaches(&of_metadata, name, 80, address), metadata, "{name}");
    }
}
