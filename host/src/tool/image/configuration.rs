//! What a connector image says of itself: the base image's configuration, and what its connector's metadata adds. Knows nothing of
//! how an image is put together.

use std::collections::BTreeMap;

use oci_spec::distribution::Reference;
use oci_spec::image::{
    ANNOTATION_BASE_IMAGE_NAME, ANNOTATION_DOCUMENTATION, ANNOTATION_LICENSES, ANNOTATION_TITLE, ANNOTATION_VERSION,
    History, ImageConfiguration,
};

use super::created::Created;
use super::name::ImageName;
use crate::cli::people::printable;
use crate::connector::Metadata;

/// By which Airbyte's own tools know a connector.
const NAME_LABEL: &str = "io.airbyte.name";
const VERSION_LABEL: &str = "io.airbyte.version";

/// How many characters of a text a label has. They are in every manifest, which registries bound.
const MAX_LABEL: usize = 1000;

/// What the OCI labels begin with. Those of a base image describe that one.
const DESCRIPTION: &str = "org.opencontainers.image.";

/// The labels of a connector image. Texts of the metadata are one line each: whoever lists labels prints them.
pub fn labels(name: &ImageName, metadata: Option<&Metadata>, base: Option<&Reference>) -> BTreeMap<String, String> {
    let text = |field: fn(&Metadata) -> &Option<String>| {
        metadata.and_then(|metadata| field(metadata).as_deref()).filter(|text| !text.trim().is_empty())
    };
    // By another name it is the same connector still.
    let repository = text(|metadata| &metadata.repository).unwrap_or(&name.repository);
    let version = text(|metadata| &metadata.version).unwrap_or(&name.tag);
    let base = base.map(Reference::whole);
    let labels = [
        (NAME_LABEL, Some(repository)),
        (VERSION_LABEL, Some(version)),
        (ANNOTATION_TITLE, text(|metadata| &metadata.name).or(Some(repository))),
        (ANNOTATION_VERSION, Some(version)),
        (ANNOTATION_LICENSES, text(|metadata| &metadata.license)),
        (ANNOTATION_DOCUMENTATION, text(|metadata| &metadata.documentation_url)),
        (ANNOTATION_BASE_IMAGE_NAME, base.as_deref()),
    ];
    let short = |text: &str| printable(&text.chars().take(MAX_LABEL).collect::<String>());
    labels.into_iter().filter_map(|(label, text)| Some((label.to_owned(), short(text?)))).collect()
}

/// The labels that describe an image to registries, where it is the index's turn to say so.
pub fn annotations(labels: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let describing = labels.iter().filter(|(label, _)| label.starts_with(DESCRIPTION));
    describing.map(|(label, text)| (label.clone(), text.clone())).collect()
}

/// The base image's configuration with these labels, for one more layer. (Which layers there are is the layout's to say.)
pub fn configuration(
    base: &ImageConfiguration,
    labels: &BTreeMap<String, String>,
    created: Created,
) -> ImageConfiguration {
    let mut configuration = base.clone();
    configuration.set_created(Some(created.to_string()));
    configuration.set_history(history(base, created));
    let mut run = base.config().clone().unwrap_or_default();
    let mut all = run.labels().clone().unwrap_or_default();
    let licences_of_base = all.get(ANNOTATION_LICENSES).cloned();
    all.retain(|label, _| !label.starts_with(DESCRIPTION));
    all.extend(labels.clone());
    // Of all that is in the image, as OCI has it.
    if let Some(base) = licences_of_base {
        let both = labels.get(ANNOTATION_LICENSES).map(|own| format!("({own}) AND {base}"));
        all.insert(ANNOTATION_LICENSES.to_owned(), both.unwrap_or(base));
    }
    run.set_labels(Some(all));
    configuration.set_config(Some(run));
    configuration
}

/// One entry for each layer. Where the base image has another number of them, an entry more would be of the wrong layer.
fn history(base: &ImageConfiguration, created: Created) -> Option<Vec<History>> {
    let before = base.history().as_deref().unwrap_or_default();
    let of_layers = before.iter().filter(|entry| entry.empty_layer() != Some(true)).count();
    if of_layers != base.rootfs().diff_ids().len() {
        return None;
    }
    let mut entry = History::default();
    entry.set_created(Some(created.to_string()));
    entry.set_created_by(Some(concat!("airlock ", env!("CARGO_PKG_VERSION"), " image build").to_owned()));
    Some(before.iter().cloned().chain([entry]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connector::MetadataOrigin;

    fn labels_of(yaml: &str, name: &str) -> BTreeMap<String, String> {
        let metadata = Metadata::parse(yaml.as_bytes(), MetadataOrigin::Connector).unwrap();
        labels(&name.parse().unwrap(), Some(&metadata), Some(&"airlock/base:0.1.0".parse().unwrap()))
    }

    #[test]
    fn labels_are_the_metadata_s_whatever_the_image_is_called() {
        let yaml = "data: {name: Faker, dockerRepository: airbyte/source-faker, dockerImageTag: 7.2.1, license: MIT, \
                    documentationUrl: https://docs.example/faker}";
        let labels = labels_of(yaml, "localhost:5000/mine:dev");
        let expected = [
            ("io.airbyte.name", "airbyte/source-faker"),
            ("io.airbyte.version", "7.2.1"),
            ("org.opencontainers.image.base.name", "docker.io/airlock/base:0.1.0"),
            ("org.opencontainers.image.documentation", "https://docs.example/faker"),
            ("org.opencontainers.image.licenses", "MIT"),
            ("org.opencontainers.image.title", "Faker"),
            ("org.opencontainers.image.version", "7.2.1"),
        ];
        assert_eq!(labels, expected.map(|(label, text)| (label.to_owned(), text.to_owned())).into());
        assert_eq!(annotations(&labels).len(), 5);
    }

    #[test]
    fn what_metadata_does_not_say_the_name_says() {
        let labels = labels_of("data: {name: \"a\\n\\e[2Jb\"}", "mine:dev");
        assert_eq!(labels["io.airbyte.name"], "mine");
        assert_eq!(labels["io.airbyte.version"], "dev");
        assert_eq!(labels["org.opencontainers.image.title"], "a\u{fffd}\u{fffd}[2Jb");
        assert!(!labels.contains_key("org.opencontainers.image.licenses"));
    }

    #[test]
    fn the_base_s_configuration_stays_but_for_what_describes_the_base() {
        let base: ImageConfiguration = serde_json::from_value(serde_json::json!({
            "architecture": "amd64", "os": "linux", "created": "2001-01-01T00:00:00Z",
            "config": {"Env": ["A=b"], "User": "airbyte", "Labels": {"org.opencontainers.image.source": "x", "kept": "y"}},
            "rootfs": {"type": "layers", "diff_ids": ["sha256:a"]},
            "history": [{"created_by": "one"}, {"created_by": "two", "empty_layer": true}],
        }))
        .unwrap();
        let labels = BTreeMap::from([("added".to_owned(), "z".to_owned())]);
        let made = configuration(&base, &labels, Created::default());
        assert_eq!(made.created().as_deref(), Some("1970-01-01T00:00:00Z"));
        let run = made.config().as_ref().unwrap();
        assert_eq!((run.env(), run.user()), (&Some(vec!["A=b".to_owned()]), &Some("airbyte".to_owned())));
        let mut names: Vec<&String> = run.labels().as_ref().unwrap().keys().collect();
        names.sort();
        assert_eq!(names, ["added", "kept"]);
        let by: Vec<_> = made.history().iter().flatten().map(|entry| entry.created_by().as_deref().unwrap()).collect();
        assert_eq!((by[..2].to_vec(), by.len()), (vec!["one", "two"], 3));

        let mut odd = base;
        odd.set_history(None);
        assert_eq!(configuration(&odd, &labels, Created::default()).history(), &None);
    }
}
