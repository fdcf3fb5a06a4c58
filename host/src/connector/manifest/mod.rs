//! The hosts that a low-code manifest calls: what its connector asks for where no metadata says it. Looks at the fields that hold URLs,
//! wherever they stand, so a definition that nobody uses counts as well. Knows nothing of how a manifest is run, and of what is granted.

mod template;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Where a connector carries its manifest.
pub const MANIFEST: &str = "manifest.yaml";

/// A longer manifest is not looked into. Airbyte's own are below 1 MB.
const MAX_BYTES: usize = 8 * 1024 * 1024;

/// The fields of the language that hold URLs.
const URL_FIELDS: [&str; 6] =
    ["url_base", "url", "api_url", "token_refresh_endpoint", "login_url", "validate_session_url"];

/// What hosts stand in there is data: schemas, what is sent, what is shown to people.
const NOT_CALLED: [&str; 9] = [
    "schema",
    "schemas",
    "spec",
    "metadata",
    "request_parameters",
    "request_headers",
    "request_body",
    "request_body_data",
    "request_body_json",
];

/// Words that stand for a URL which a server names during the sync, where a `path` is made of nothing else.
const NAMED_BY_SERVERS: [&str; 4] = ["download_target", "polling_response", "creation_response", "download_url"];

/// So many references to references are followed.
const MAX_REFERENCES: usize = 16;

/// So many that can not be told are told, and so much of each.
const MAX_WARNINGS: usize = 20;
const MAX_SHOWN: usize = 200;

/// More URLs are not looked into.
const MAX_URLS: usize = 10_000;

/// More hosts are not asked for.
const MAX_HOSTS: usize = 1_000;

/// So many values of one parameter are kept: one more than a URL may have.
const MAX_VALUES: usize = 33;

/// What a manifest says of hosts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestHosts {
    /// As entries of `allowedHosts`, with placeholders for what is in the config.
    pub hosts: Vec<String>,
    /// Sentences about what can not be told beforehand.
    pub warnings: Vec<String>,
}

impl ManifestHosts {
    /// Of a manifest as it is written. One that can not be read calls no host, and that is a warning: what is wrong with it is for its
    /// connector to say.
    pub fn parse(bytes: &[u8]) -> ManifestHosts {
        match read(bytes) {
            Ok(manifest) => ManifestHosts::of(&manifest),
            Err(problem) => {
                let warning = format!("Which hosts the manifest calls can not be told: it {problem}.");
                ManifestHosts { hosts: Vec::new(), warnings: vec![warning] }
            }
        }
    }

    /// Of a manifest that was read.
    pub fn of(manifest: &Value) -> ManifestHosts {
        let mut fields = Fields::default();
        fields.find(manifest);
        let parameters = |name: &str| fields.parameters.get(name).cloned().unwrap_or_default();
        let (mut hosts, mut unknown) = (BTreeSet::new(), BTreeMap::new());
        // Most requesters of a manifest call the same URL.
        let mut urls: BTreeMap<&str, &str> = BTreeMap::new();
        for Field { path, text } in &fields.urls {
            urls.entry(text.trim()).or_insert(path);
        }
        let not_looked_into = urls.len().saturating_sub(MAX_URLS);
        for (text, path) in urls.into_iter().take(MAX_URLS) {
            match template::hosts(text, &parameters) {
                Some(found) => hosts.extend(found),
                None => drop(unknown.insert(text, path)),
            }
        }
        let all: Vec<String> = hosts.into_iter().collect();
        let more = all.len().saturating_sub(MAX_HOSTS);
        let hosts: Vec<String> = all.into_iter().take(MAX_HOSTS).collect();
        let hidden = unknown.len().saturating_sub(MAX_WARNINGS) + not_looked_into;
        let mut warnings: Vec<String> = unknown
            .iter()
            .take(MAX_WARNINGS)
            .map(|(text, path)| {
                let text: String = text.chars().take(MAX_SHOWN).collect();
                format!(
                    "Which host the manifest calls at {path} can not be told beforehand: {text}. Name it under allowedHosts in the \
                     connector's metadata.yaml, with all others, or allow it with --allow-host."
                )
            })
            .collect();
        if hidden > 0 {
            warnings.push(format!("{hidden} more of the manifest's URLs can not be told beforehand."));
        }
        if more > 0 {
            warnings.push(format!("The manifest calls more than {MAX_HOSTS} hosts: {more} are left out."));
        }
        ManifestHosts { hosts, warnings }
    }
}

fn read(bytes: &[u8]) -> Result<Value, String> {
    if bytes.len() > MAX_BYTES {
        return Err(format!("is longer than {} MiB", MAX_BYTES / 1024 / 1024));
    }
    let text = std::str::from_utf8(bytes).map_err(|_| "is not UTF-8".to_owned())?;
    let options = serde_saphyr::options! {
        with_snippet: false,
        non_finite_float_policy: serde_saphyr::options::NonFiniteFloatPolicy::PassThrough,
        // As the Python CDK reads them.
        duplicate_keys: serde_saphyr::options::DuplicateKeyPolicy::LastWins,
        // Enough for every manifest that means well; aliases that multiply each other end here.
        budget: serde_saphyr::budget! { max_nodes: 1_000_000, max_total_scalar_bytes: 4 * MAX_BYTES },
    };
    serde_saphyr::from_str_with_options(text, options).map_err(|error| format!("can not be read: {error}"))
}

/// A URL, or a template of one, and where it stands.
struct Field<'a> {
    path: String,
    text: &'a str,
}

#[derive(Default)]
struct Fields<'a> {
    urls: Vec<Field<'a>>,
    /// The values of each name in any `$parameters`.
    parameters: BTreeMap<&'a str, Vec<&'a str>>,
}

impl<'a> Fields<'a> {
    /// Without calling itself: a manifest may be as deep as it likes.
    fn find(&mut self, manifest: &'a Value) {
        let mut places = vec![(String::new(), manifest)];
        while let Some((path, value)) = places.pop() {
            // Whoever wrote the names may have meant them to grow.
            let below = |name: &dyn std::fmt::Display| match path.len() {
                0 => format!("{name:.60}"),
                1..=MAX_SHOWN => format!("{path}.{name:.60}"),
                _ => path.clone(),
            };
            match value {
                Value::Object(fields) => {
                    self.find_in(manifest, fields, &below);
                    let called = fields.iter().filter(|(name, _)| !NOT_CALLED.contains(&name.as_str()));
                    places.extend(
                        called.filter(|(_, value)| is_collection(value)).map(|(name, value)| (below(name), value)),
                    );
                }
                Value::Array(elements) => {
                    let collections = elements.iter().enumerate().filter(|(_, value)| is_collection(value));
                    places.extend(collections.map(|(place, value)| (below(&place), value)));
                }
                _ => {}
            }
        }
    }

    fn find_in(
        &mut self,
        manifest: &'a Value,
        fields: &'a Map<String, Value>,
        below: &dyn Fn(&dyn std::fmt::Display) -> String,
    ) {
        for (name, value) in fields {
            let field = name.as_str();
            let is_url = |text: &str| {
                URL_FIELDS.contains(&field)
                    || field == "path"
                        && (is_http(text)
                            || text.contains("{{") && NAMED_BY_SERVERS.iter().any(|word| text.contains(word)))
            };
            if let Some(text) = text(manifest, value).filter(|text| is_url(text)) {
                self.urls.push(Field { path: below(name), text });
            }
            if field == "$parameters" {
                for (name, value) in value.as_object().into_iter().flatten() {
                    if let Some(text) = text(manifest, value) {
                        let values = self.parameters.entry(name).or_default();
                        if values.len() < MAX_VALUES && !values.contains(&text) {
                            values.push(text);
                        }
                    }
                }
            }
        }
        // How streams that are made of others' data get their URLs.
        let mapped = fields.get("field_path").and_then(Value::as_array).and_then(|path| path.last()?.as_str());
        if mapped.is_some_and(|field| URL_FIELDS.contains(&field))
            && let Some(text) = fields.get("value").and_then(Value::as_str)
        {
            self.urls.push(Field { path: below(&"value"), text });
        }
    }
}

fn is_collection(value: &Value) -> bool {
    value.is_object() || value.is_array()
}

fn is_http(text: &str) -> bool {
    let text = text.trim_start();
    text.starts_with("http://") || text.starts_with("https://")
}

/// A text, also by way of references: `"#/definitions/url"` and `{$ref: "#/definitions/url"}`.
fn text<'a>(manifest: &'a Value, mut value: &'a Value) -> Option<&'a str> {
    for _ in 0..MAX_REFERENCES {
        let reference = match value {
            Value::String(text) => match text.strip_prefix("#/") {
                Some(reference) => reference,
                None => return Some(text),
            },
            Value::Object(fields) => fields.get("$ref")?.as_str()?.strip_prefix("#/")?,
            _ => return None,
        };
        value = reference.split('/').try_fold(manifest, |value, part| match value {
            Value::Array(elements) => elements.get(part.parse::<usize>().ok()?),
            value => value.get(part),
        })?;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(yaml: &str) -> Vec<String> {
        let found = ManifestHosts::parse(yaml.as_bytes());
        assert_eq!(found.warnings, [""; 0], "{yaml}");
        found.hosts
    }

    #[test]
    fn urls_are_found_wherever_they_stand() {
        let yaml = r##"
type: DeclarativeSource
definitions:
  base: "https://linked.example/v1"
  requester: {type: HttpRequester, url_base: "https://api.example.com/v2/", path: /users}
  unused: {url: "https://unused.example:8443/x"}
streams:
  - retriever:
      requester:
        $ref: "#/definitions/requester"
        path: "https://other.example/{{ stream_slice.id }}"
        request_parameters: {url: "https://data.example"}
        authenticator: {token_refresh_endpoint: "https://auth.example/token", login_url: session}
    schema_loader: {schema: {properties: {url: {type: string}, example: {url: "https://schema.example"}}}}
  - retriever: {requester: {url_base: "#/definitions/base"}}
  - retriever: {requester: {url_base: {$ref: "#/definitions/base"}}}
  - $parameters: {url_base: "https://parameter.example", host: by-name.example, path: users}
    url: "https://{{ parameters['host'] }}/v1/{{ parameters.path }}"
  - components_mapping: [{field_path: [retriever, requester, url_base], value: "https://mapped.example"}]
spec: {connection_specification: {url: "https://spec.example"}}
"##;
        let expected = [
            "api.example.com",
            "auth.example",
            "by-name.example",
            "linked.example",
            "mapped.example",
            "other.example",
            "parameter.example",
            "unused.example:8443",
        ];
        assert_eq!(hosts(yaml), expected);
    }

    #[test]
    fn what_can_not_be_told_is_told_once_with_its_place() {
        let yaml = r#"
streams:
  - {requester: {url_base: "https://{{ stream_partition['site'] }}/api"}}
  - {requester: {url_base: "https://{{ stream_partition['site'] }}/api"}}
  - {download_requester: {url_base: "", path: "{{ download_target }}"}}
  - {requester: {url_base: "https://known.example/{{ stream_partition['id'] }}"}}
"#;
        let found = ManifestHosts::parse(yaml.as_bytes());
        assert_eq!(found.hosts, ["known.example"]);
        assert_eq!(found.warnings.len(), 2, "{:?}", found.warnings);
        assert!(
            found.warnings[0].contains("requester.url_base") && found.warnings[0].contains("stream_partition['site']")
        );
        assert!(found.warnings[1].contains("streams.2.download_requester.path"), "{:?}", found.warnings);
    }

    #[test]
    fn what_is_no_manifest_calls_nothing_and_says_so_where_it_can_not_be_read() {
        for yaml in
            ["", "text", "[1, 2]", "5", "a: b", "url_base: ~", "url_base: 5", "url_base: '#/none'", "url_base: ''"]
        {
            assert_eq!(hosts(yaml), [""; 0]);
        }
        assert_eq!(hosts("a: 1\na: 2\nurl: https://twice.example"), ["twice.example"], "as the Python CDK reads it");
        assert_eq!(hosts("404: {1.5: .nan, true: {url: 'https://keys.example'}}"), ["keys.example"]);
        for yaml in [&b"a: ["[..], b"\xff", b"a: b\n- c"] {
            let found = ManifestHosts::parse(yaml);
            assert!(found.hosts.is_empty() && found.warnings.len() == 1, "{found:?}");
        }
        assert_eq!(hosts("{a: '#/b', b: '#/a', url: '#/a'}"), [""; 0], "references in a circle");
    }

    #[test]
    fn what_was_written_to_grow_does_not() {
        // Long names around many URLs, parameters in parameters, more hosts than anybody calls.
        let long = "k".repeat(100_000);
        let urls: String =
            (0..20_000).map(|number| format!("  - {{a: {{url: 'https://{{{{ x }}}}{number}.example'}}}}\n")).collect();
        let nested = "{{ parameters['a'] or parameters['b'] }}";
        let values: String = (0..40)
            .map(|number| format!("- $parameters: {{a: \"{nested}{number}\", b: '{{{{ none }}}}'}}\n"))
            .collect();
        let calls = (0..2_000)
            .map(|number| format!("- url: \"https://{{{{ parameters['a'] }}}}{number}/\"\n"))
            .collect::<String>();
        let hosts: String = (0..20_000).map(|number| format!("- url: https://{number}.example/\n")).collect();
        for (text, hosts, warnings) in
            [(format!("? {long}\n:\n{urls}"), 0, 21), (format!("{values}{calls}"), 0, 21), (hosts, MAX_HOSTS, 2)]
        {
            let start = std::time::Instant::now();
            let found = ManifestHosts::parse(text.as_bytes());
            assert_eq!((found.hosts.len(), found.warnings.len()), (hosts, warnings), "{:?}", found.warnings.first());
            assert!(found.warnings.iter().all(|warning| warning.len() < 2_000));
            assert!(start.elapsed().as_secs() < 10, "it took {:?}", start.elapsed());
        }
    }

    #[test]
    fn bombs_are_refused_before_they_burst() {
        let mut laughs = "a0: &a0 [ha, ha, ha, ha, ha, ha, ha, ha, ha, ha]\n".to_owned();
        for level in 1..12 {
            let below = vec![format!("*a{}", level - 1); 10].join(", ");
            laughs += &format!("a{level}: &a{level} [{below}]\n");
        }
        let deep = format!("a: {}", "[".repeat(100_000));
        let deep_and_whole = format!("a: {}{}", "[".repeat(100_000), "]".repeat(100_000));
        for text in [laughs, deep, deep_and_whole, "a".repeat(MAX_BYTES + 1)] {
            let start = std::time::Instant::now();
            assert_eq!(ManifestHosts::parse(text.as_bytes()).warnings.len(), 1);
            assert!(start.elapsed().as_secs() < 10, "it took {:?}", start.elapsed());
        }
    }
}
