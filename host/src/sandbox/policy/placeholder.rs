//! Entries of a connector's `allowedHosts`, and the placeholders in them (`${host}`) that the user's config fills.
//! Knows nothing of what is granted. A value of the config never stands in an error: it may be a secret.

use serde_json::Value;
use url::Host;

use super::host_pattern::{HostPattern, is_label, plain_host, split_port};

/// What an entry of `allowedHosts` asks for.
#[derive(Debug, PartialEq, Eq)]
pub enum Wish {
    /// These hosts, which the connector's author wrote (but for parts of a name).
    Authors(HostPattern),
    /// These hosts, which the config has at the place that the placeholder names.
    Users {
        /// Where in the config: `tunnel_method.tunnel_host`.
        path: String,
        /// The hosts.
        hosts: Vec<HostPattern>,
        /// Some of what is there is no host.
        incomplete: bool,
    },
    /// None: the config has nothing where a placeholder points, as of a tunnel that is off.
    Unfilled,
}

/// What `entry` asks for, with this config; without one no placeholder is filled. The error says what is wrong with it, or with
/// the value of the placeholder in it.
pub fn wish(entry: &str, config: Option<&Value>) -> Result<Wish, String> {
    // Some of Airbyte's connectors write URLs here.
    let entry = entry.trim();
    let entry = entry.split_once("://").map_or(entry, |(_, rest)| rest);
    let entry = entry.split_once('/').map_or(entry, |(host, _)| host);
    let parts = parts(entry)?;
    if let [Part::Placeholder(path)] = parts[..] {
        return match filled(path, config) {
            Some(value) => users_hosts(path, value),
            None => Ok(Wish::Unfilled),
        };
    }
    let partial = parts.iter().any(|part| matches!(part, Part::Placeholder(_)));
    let mut text = String::new();
    for part in parts {
        match part {
            Part::Text(part) => text.push_str(part),
            Part::Placeholder(path) => {
                let Some(value) = filled(path, config) else { return Ok(Wish::Unfilled) };
                let label = value.as_str().map(str::trim).filter(|value| value.split('.').all(is_label));
                text += label.ok_or_else(|| {
                    format!(
                        "the config's `{path}` is no part of a host's name (letters, digits, - and dots between them)"
                    )
                })?;
            }
        }
    }
    let pattern: HostPattern = text.parse()?;
    if partial && matches!(pattern.hosts, super::host_pattern::Hosts::Address(_)) {
        return Err("with the config's values in it, it is an address and no name".to_owned());
    }
    Ok(Wish::Authors(pattern))
}

enum Part<'a> {
    Text(&'a str),
    Placeholder(&'a str),
}

fn parts(entry: &str) -> Result<Vec<Part<'_>>, String> {
    let mut parts = Vec::new();
    let mut rest = entry;
    while let Some((text, after)) = rest.split_once("${") {
        let (path, after) = after.split_once('}').ok_or("a placeholder in it has no end: it is written ${field}")?;
        if !text.is_empty() {
            parts.push(Part::Text(text));
        }
        parts.push(Part::Placeholder(path.trim()));
        rest = after;
    }
    if !rest.is_empty() || parts.is_empty() {
        parts.push(Part::Text(rest));
    }
    Ok(parts)
}

/// What the config has at a dotted path. Nothing is as good as null or an empty text.
/// What the config has at a placeholder's path; nothing and what is empty fill none.
pub fn filled<'a>(path: &str, config: Option<&'a Value>) -> Option<&'a Value> {
    let value = path.split('.').try_fold(config?, |value, field| value.get(field))?;
    let empty = value.is_null() || value.as_str().is_some_and(|text| text.trim().is_empty());
    (!empty).then_some(value)
}

fn users_hosts(path: &str, value: &Value) -> Result<Wish, String> {
    let texts: Vec<&str> = match value {
        Value::String(text) => vec![text],
        // What is no text in it is no host either.
        Value::Array(elements) => elements.iter().map(|element| element.as_str().unwrap_or_default()).collect(),
        _ => Vec::new(),
    };
    let found: Vec<Option<Host>> = texts.into_iter().flat_map(hosts_in).collect();
    let hosts: Vec<HostPattern> = found.iter().flatten().map(HostPattern::of).collect();
    if hosts.is_empty() {
        return Err(format!("the config's `{path}` is no host, no URL and no list of them"));
    }
    Ok(Wish::Users { path: path.to_owned(), incomplete: hosts.len() < found.len(), hosts })
}

/// The hosts of a text in which a user said where something is: a host, one with a port, a URL, or a list of these with commas
/// between them. None stands for what is no host.
fn hosts_in(text: &str) -> Vec<Option<Host>> {
    let schemes = text.matches("://").count();
    let begins_with_scheme = text.split_once("://").is_some_and(|(scheme, _)| !scheme.contains(','));
    // One URL may have many hosts (mongodb://a,b/database) and commas after them; else every comma divides.
    let urls: Vec<&str> = if schemes == 1 && begins_with_scheme { vec![text] } else { text.split(',').collect() };
    urls.into_iter().flat_map(|url| authority(url).split(',')).map(host_in).collect()
}

/// The part of a URL, or of what may be one without its scheme, where hosts are: what is neither the path nor who logs in.
fn authority(url: &str) -> &str {
    let url = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = url.split(['/', '\\', '?', '#', ';']).next().unwrap_or_default();
    authority.rsplit_once('@').map_or(authority, |(_, hosts)| hosts)
}

fn host_in(text: &str) -> Option<Host> {
    let (host, _) = split_port(text.trim())?;
    // Which has no `*`: a config's value is never more than one host.
    plain_host(host)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn hosts(value: Value) -> String {
        match wish("${host}", Some(&json!({"host": value}))) {
            Ok(Wish::Users { hosts, incomplete, .. }) => {
                let hosts: Vec<String> = hosts.iter().map(ToString::to_string).collect();
                hosts.join(" ") + if incomplete { " …" } else { "" }
            }
            Ok(other) => format!("{other:?}"),
            Err(_) => "error".to_owned(),
        }
    }

    #[test]
    fn a_value_says_in_many_forms_where_something_is() {
        for (value, expected) in [
            (json!("db.internal"), "db.internal"),
            (json!(" DB.Internal. "), "db.internal"),
            (json!("db.internal:5432"), "db.internal"),
            (json!("https://u:p@h.example:8443/x?y=z#f"), "h.example"),
            (json!("https://u:p%2F@h.example"), "h.example"),
            (json!("https://u@x:p@h.example"), "h.example"),
            (json!("https://h.example\\@evil.example/"), "h.example"),
            (json!("jdbc:postgresql://h:5432/db"), "h"),
            (json!("jdbc:sqlserver://h:1433;databaseName=db"), "h"),
            (json!("mongodb+srv://u:p@cluster.example.net/db?w=majority"), "cluster.example.net"),
            (json!("mongodb://u:p,q@a:27017,b:27017/db?tags=dc:ny,rack:1"), "a b"),
            (json!("b1:9092,b2:9092"), "b1 b2"),
            (json!("SASL_SSL://b1:9092, SASL_SSL://b2:9092"), "b1 b2"),
            (json!("b1:9092,https://b2/x"), "b1 b2"),
            (json!(["a", "https://b/", "c:1,d"]), "a b c d"),
            (json!("[::1]:5432"), "[::1]"),
            (json!("fd12::5"), "[fd12::5]"),
            (json!("http://[fd12::5]/"), "[fd12::5]"),
            (json!("10.0.0.5:80"), "10.0.0.5"),
            (json!("0x7f.1"), "127.0.0.1"),
            (json!("a, ,b"), "a b …"),
            (json!(["a", 1]), "a …"),
            // Never more than one host, and nothing that is none.
            (json!("*"), "error"),
            (json!("*.example.com"), "error"),
            (json!("a,*"), "a …"),
            (json!("user:pa,ss@h"), "h …"),
            (json!("a b"), "error"),
            (json!("a:b:c"), "error"),
            (json!("%2a"), "error"),
            (json!("${other}"), "error"),
            (json!("fe80::1%eth0"), "error"),
            (json!(5432), "error"),
            (json!(true), "error"),
            (json!({"a": "b"}), "error"),
            (json!([]), "error"),
            (json!(""), "Unfilled"),
            (json!(" "), "Unfilled"),
            (json!(null), "Unfilled"),
        ] {
            assert_eq!(hosts(value.clone()), expected, "{value}");
        }
    }

    fn shown(entry: &str, config: &Value) -> String {
        match wish(entry, Some(config)) {
            Ok(Wish::Authors(pattern)) => pattern.to_string(),
            Ok(Wish::Users { path, .. }) => path,
            Ok(Wish::Unfilled) => "unfilled".to_owned(),
            Err(error) => error,
        }
    }

    #[test]
    fn a_placeholder_is_a_path_into_the_config() {
        let config = json!({"subdomain": "acme", "region": "eu.west", "tunnel_method": {"tunnel_host": "bastion"},
            "url": "https://hush.example/", "star": "*", "number": 7, "a.b": "c"});
        for (entry, expected) in [
            ("api.example.com", "api.example.com"),
            ("https://api.example.com/v1/*", "api.example.com"),
            ("${tunnel_method.tunnel_host}", "tunnel_method.tunnel_host"),
            (" ${ tunnel_method.tunnel_host } ", "tunnel_method.tunnel_host"),
            ("${tunnel_method.none}", "unfilled"),
            ("${none.tunnel_host}", "unfilled"),
            ("${a.b}", "unfilled"),
            ("${}", "unfilled"),
            ("${none}.zendesk.com", "unfilled"),
            ("${subdomain}.zendesk.com", "acme.zendesk.com"),
            ("https://${subdomain}.zendesk.com/api", "acme.zendesk.com"),
            ("${subdomain}.${region}.example.com:443", "acme.eu.west.example.com:443"),
            ("api-${subdomain}.example.com", "api-acme.example.com"),
            ("*.${subdomain}.example.com", "*.acme.example.com"),
        ] {
            assert_eq!(shown(entry, &config), expected, "{entry}");
        }
        for entry in
            ["${url}.example.com", "${star}.example.com", "${number}.example.com", "x${star}", "a*${subdomain}"]
        {
            let error = wish(entry, Some(&config)).expect_err(entry);
            assert!(!error.contains("hush") && !error.contains("acme"), "{error}");
        }
        for entry in ["${subdomain", "a*.x", "", "*.*"] {
            assert!(wish(entry, Some(&config)).is_err(), "{entry}");
        }
        assert_eq!(wish("${subdomain}.zendesk.com", None), Ok(Wish::Unfilled), "spec has no config");
        let address = wish("10.0.0.${x}", Some(&json!({"x": "5"})));
        assert!(address.is_err(), "a part of the config makes no address");
    }

    proptest! {
        #[test]
        fn no_value_reaches_beyond_the_end_of_an_entry(value in ".*", name in "[a-z.*@/:]{0,20}") {
            let config = json!({"x": value});
            if let Ok(Wish::Authors(pattern)) = wish("${x}.zendesk.com", Some(&config)) {
                prop_assert!(pattern.to_string().ends_with(".zendesk.com"));
                prop_assert!(!pattern.names(&name, None));
            }
        }

        #[test]
        fn labels_fill_and_nothing_else_does(value in "[a-zA-Z0-9.*@/:%_-]{1,12}") {
            let filled = wish("${x}.zendesk.com", Some(&json!({"x": value})));
            if let Ok(Wish::Authors(pattern)) = &filled {
                let expected = format!("{}.zendesk.com", value.to_ascii_lowercase());
                prop_assert_eq!(pattern.to_string(), expected);
            }
            let plain = value.split('.').all(|label| !label.is_empty() && !label.contains(['*', '@', '/', ':', '%']));
            prop_assert!(filled.is_err() || plain);
        }

        #[test]
        fn no_value_makes_a_wildcard_or_a_panic(value in ".*", entry in ".*") {
            let config = json!({"x": value.as_str(), "y": [value.as_str()]});
            for path in ["${x}", "${y}"] {
                if let Ok(Wish::Users { hosts, .. }) = wish(path, Some(&config)) {
                    use super::super::host_pattern::Hosts;
                    let single = |pattern: &HostPattern| matches!(pattern.hosts, Hosts::Name(_) | Hosts::Address(_));
                    prop_assert!(hosts.iter().all(single));
                }
            }
            let _ = wish(&entry, Some(&config));
        }
    }
}
