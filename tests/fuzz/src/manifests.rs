//! Manifests of any text, and the hosts that they ask for. Whatever a manifest says, it is read in bounded time and room, and each
//! of its hosts is an entry that the policy takes, waits for the config, or is told to be wrong.

use std::time::{Duration, Instant};

use serde_json::{Map, Value};

use crate::connector::ManifestHosts;
use crate::sandbox::{Author, Ceilings, NetworkPolicy, Wishes};

/// Far more than a manifest takes that was written to take long, in a program that is not made for speed.
const LONGEST: Duration = Duration::from_secs(10);

/// No more hosts and warnings, whatever a manifest says, and no longer warnings.
const MOST_HOSTS: usize = 1_000;
const MOST_WARNINGS: usize = 22;
const LONGEST_WARNING: usize = 2_000;

/// A manifest as it is written.
pub fn manifest(data: &[u8]) {
    let start = Instant::now();
    let ManifestHosts { hosts, warnings } = ManifestHosts::parse(data);
    assert!(start.elapsed() < LONGEST, "it took {:?}", start.elapsed());
    assert!(hosts.len() <= MOST_HOSTS && hosts.is_sorted_by(|one, next| one < next), "each once: {hosts:?}");
    assert!(warnings.len() <= MOST_WARNINGS && warnings.iter().all(|warning| warning.len() < LONGEST_WARNING));
    for host in hosts {
        assert!(!host.contains('*'), "{host:?} is more than one host");
        let is_answered = |config: Option<&Value>| {
            let asked_for = std::slice::from_ref(&host);
            let wishes = Wishes { asked_for, author: Author::Manifest, config, command_line: &[] };
            let (policy, warnings) = NetworkPolicy::new(wishes, Ceilings::default());
            !policy.denies_everything() || !warnings.is_empty()
        };
        let places = places(&host);
        assert!(is_answered(None) || !places.is_empty(), "{host:?} is lost without a config");
        if let Some(config) = config(&places) {
            assert!(is_answered(Some(&config)), "{host:?} is lost with {config}");
        }
    }
}

/// The places of the config that an entry names.
fn places(host: &str) -> Vec<&str> {
    host.split("${").skip(1).map(|rest| rest.split_once('}').expect("a place has an end").0).collect()
}

/// A config with something at each place, unless one is in another.
fn config(places: &[&str]) -> Option<Value> {
    let mut config = Value::Object(Map::new());
    for place in places {
        let mut value = &mut config;
        for name in place.split('.') {
            assert!(!name.is_empty(), "{place:?} is no place of a config");
            value = value.as_object_mut()?.entry(name).or_insert_with(|| Value::Object(Map::new()));
        }
        if value.as_object().is_some_and(|fields| !fields.is_empty()) {
            return None;
        }
        *value = Value::from("label");
    }
    Some(config)
}
