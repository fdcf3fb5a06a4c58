//! References to images in registries, as people write them. Knows nothing of how an image is fetched.

use std::net::IpAddr;

use oci_spec::distribution::Reference;

/// What went wrong, and what to do about it.
pub type Problem = (String, String);

/// A reference with all that people leave out: `airbyte/source-faker` is `docker.io/airbyte/source-faker:latest`.
pub fn parse(text: &str) -> Result<Reference, Problem> {
    let refused = |why: &str| {
        (
            format!("{text:?} is no reference to an image: {why}"),
            "write REGISTRY/REPOSITORY:TAG in small letters, as in registry.example/airbyte/source-faker:0.1.0"
                .to_owned(),
        )
    };
    // The library takes every letter of any language in a tag.
    if !text.is_ascii() {
        return Err(refused("it has letters beside a to z"));
    }
    if text.contains("://") {
        return Err(refused("it is a URL"));
    }
    // Docker Hub has images whose names have no folder; none is called as a registry is.
    let alone = text.split([':', '@']).next().filter(|name| !name.contains('/'));
    if alone.is_some_and(|name| name == "localhost" || name.contains('.')) && !text.contains('/') {
        return Err(refused("it names a registry, and no repository there"));
    }
    Reference::try_from(text).map_err(|error| refused(&error.to_string()))
}

/// Whether a registry is on this machine.
pub fn is_loopback(registry: &str) -> bool {
    let host = registry.rsplit_once(':').map_or(registry, |(host, _)| host);
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_is_what_docker_takes_it_for() {
        let full = |text| parse(text).unwrap().whole();
        assert_eq!(full("airbyte/source-faker"), "docker.io/airbyte/source-faker:latest");
        assert_eq!(full("localhost:5000/source-faker:0.1.0"), "localhost:5000/source-faker:0.1.0");
        let digest = format!("registry.example/a/b@sha256:{}", "0".repeat(64));
        assert_eq!(full(&digest), digest);
    }

    #[test]
    fn what_no_registry_takes_is_refused() {
        for text in [
            "",
            "A/B",
            "a b",
            "a/b:",
            "a/b:t@sha256:12",
            "https://a.example/b:c",
            "a/b:ü",
            "a//b",
            "a/b:\u{1b}[2J",
            "localhost:5000",
            "registry.example",
            "/a",
        ] {
            let (error, hint) = parse(text).unwrap_err();
            assert!(error.contains("is no reference"), "{error}");
            assert!(!error.contains('\u{1b}'));
            assert!(hint.contains("REGISTRY/REPOSITORY:TAG"));
        }
    }

    #[test]
    fn only_this_machine_is_loopback() {
        for registry in ["localhost", "localhost:5000", "127.0.0.1:1", "127.1.2.3"] {
            assert!(is_loopback(registry), "{registry}");
        }
        for registry in ["localhost.example:5000", "docker.io", "10.0.0.1:5000", "127.0.0.1.example", "128.0.0.1"] {
            assert!(!is_loopback(registry), "{registry}");
        }
    }
}
