//! What a connector image is called: a repository and a tag, held to what every engine and every registry takes. Knows where the
//! metadata has them, and nothing of images.

use std::fmt;
use std::str::FromStr;

use oci_spec::distribution::Reference;

use super::registry::Problem;
use crate::connector::Metadata;

/// As registries bound it.
const MAX_TAG_BYTES: usize = 128;

/// As in `airbyte/source-faker:0.1.0`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageName {
    /// With the registry, where one is said.
    pub repository: String,
    /// The version, more often than not.
    pub tag: String,
    /// Both, as registries and layouts have them.
    pub reference: Reference,
}

impl ImageName {
    /// The name that the metadata of `connector` gives to its image.
    pub fn of(metadata: Option<&Metadata>, connector: &str) -> Result<ImageName, Problem> {
        const BY_HAND: &str = "or name the image with --tag REPOSITORY:TAG";
        let Some(metadata) = metadata else {
            return Err((
                format!("the image of {connector} has no name: the connector has no metadata"),
                format!(
                    "put its metadata.yaml into it with `airlock embed`, name that with --metadata FILE, {BY_HAND}"
                ),
            ));
        };
        let origin = &metadata.origin;
        let missing = |field: &str, example: &str| {
            (
                format!("the image of {connector} has no name: the metadata in {origin} has no {field}"),
                format!("add it below `data`, as in `{field}: {example}`, {BY_HAND}"),
            )
        };
        let repository = metadata.repository.as_deref();
        let repository = repository.ok_or_else(|| missing("dockerRepository", "airbyte/source-faker"))?;
        let tag = metadata.version.as_deref().ok_or_else(|| missing("dockerImageTag", "0.1.0"))?;
        let fields = ["dockerRepository", "dockerImageTag"].map(|field| format!("{field} in {origin}"));
        ImageName::new(repository, tag, &fields).map_err(|problem| {
            (format!("the image of {connector} can not be named: {problem}"), format!("mend it there, {BY_HAND}"))
        })
    }

    /// The error is a sentence that begins with one of the names that the two parts have where they come from.
    fn new(repository: &str, tag: &str, [of_repository, of_tag]: &[String; 2]) -> Result<ImageName, String> {
        let reference = check_tag(tag)
            .map_err(|problem| format!("{of_tag} {problem}"))
            .and_then(|()| reference(repository, tag).map_err(|problem| format!("{of_repository} {problem}")))?;
        Ok(ImageName { repository: repository.to_owned(), tag: tag.to_owned(), reference })
    }
}

impl FromStr for ImageName {
    type Err = String;

    fn from_str(text: &str) -> Result<ImageName, String> {
        // What is behind a registry's port is no tag.
        let Some((repository, tag)) = text.rsplit_once(':').filter(|(_, tag)| !tag.contains('/')) else {
            return Err("it has no tag: REPOSITORY:TAG is asked for, as in airbyte/source-faker:0.1.0".to_owned());
        };
        ImageName::new(repository, tag, &["the repository", "the tag"].map(ToOwned::to_owned))
    }
}

impl fmt::Display for ImageName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.repository, self.tag)
    }
}

/// The reference of both, where the repository is one. The error is the rest of a sentence, in which no character stands that could
/// move a cursor.
fn reference(repository: &str, tag: &str) -> Result<Reference, String> {
    if repository.is_empty() {
        return Err("is empty".to_owned());
    }
    if repository.contains('@') {
        return Err("holds a digest (@…), and an image that is only being made has none to be named by".to_owned());
    }
    if repository.rsplit('/').next().is_some_and(|last| last.contains(':')) {
        return Err("holds a tag (:…), which is said for itself".to_owned());
    }
    // `Reference` takes capitals in a first part without dots, which engines then refuse.
    let allowed = |character: char| matches!(character, 'a'..='z' | '0'..='9' | '.' | '_' | '-' | '/' | ':');
    if let Some(strange) = repository.chars().find(|character| !allowed(*character)) {
        return Err(format!(
            "holds {strange:?}: it is made of small letters, digits and . _ - between them, with / for folders"
        ));
    }
    format!("{repository}:{tag}")
        .parse()
        .map_err(|error| format!("is no name of a repository, as in airbyte/source-faker ({error})"))
}

/// Not left to `Reference`, whose letters are those of all alphabets.
fn check_tag(tag: &str) -> Result<(), String> {
    if tag.is_empty() {
        return Err("is empty".to_owned());
    }
    if tag.len() > MAX_TAG_BYTES {
        return Err(format!("is longer than {MAX_TAG_BYTES} characters"));
    }
    let allowed = |character: char| character.is_ascii_alphanumeric() || matches!(character, '.' | '_' | '-');
    if let Some(strange) = tag.chars().find(|character| !allowed(*character)) {
        return Err(format!("holds {strange:?}: it is made of letters, digits and . _ -"));
    }
    if tag.starts_with(['.', '-']) {
        return Err("begins with . or -, which no tag does".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connector::MetadataOrigin;

    fn of(yaml: &str) -> Result<ImageName, Problem> {
        let metadata = Metadata::parse(yaml.as_bytes(), MetadataOrigin::Connector).unwrap();
        ImageName::of(Some(&metadata), "source.wasm")
    }

    #[test]
    fn names_that_engines_take_are_taken() {
        for (text, repository, tag) in [
            ("airbyte/source-faker:7.2.1", "airbyte/source-faker", "7.2.1"),
            ("faker:Dev_1", "faker", "Dev_1"),
            ("localhost:5000/faker:1", "localhost:5000/faker", "1"),
            ("127.0.0.1:5000/a/b__c/d-e.f:_", "127.0.0.1:5000/a/b__c/d-e.f", "_"),
            ("ghcr.io/airbyte/source-faker:0.1.0-rc.1", "ghcr.io/airbyte/source-faker", "0.1.0-rc.1"),
        ] {
            let name: ImageName = text.parse().unwrap();
            assert_eq!((name.repository.as_str(), name.tag.as_str()), (repository, tag));
            assert_eq!(name.to_string(), text);
        }
        let longest = format!("faker:{}", "a".repeat(128));
        assert!(longest.parse::<ImageName>().is_ok());
    }

    #[test]
    fn what_is_no_name_is_refused_and_nothing_of_it_moves_a_cursor() {
        let long_tag = format!("faker:{}", "a".repeat(129));
        let long_repository = format!("{}:1", "a/".repeat(200) + "a");
        for (text, part) in [
            ("", "has no tag"),
            ("faker", "has no tag"),
            ("localhost:5000/faker", "has no tag"),
            (":1", "repository is empty"),
            ("faker:", "tag is empty"),
            ("faker:1:2", "holds a tag"),
            ("faker@sha256:00", "holds a digest"),
            ("Airbyte/source-faker:1", "holds 'A'"),
            ("airbyte/Source:1", "holds 'S'"),
            ("a b:1", "holds ' '"),
            ("a\n:1", "holds '\\n'"),
            ("$(id):1", "holds '$'"),
            ("a;id:1", "holds ';'"),
            ("\u{1b}[2Ja:1", "holds '\\u{1b}'"),
            ("\u{202e}a:1", "holds '\\u{202e}'"),
            ("ä:1", "holds 'ä'"),
            ("/a:1", "no name of a repository"),
            ("a/:1", "no name of a repository"),
            ("a//b:1", "no name of a repository"),
            ("-a:1", "no name of a repository"),
            ("a...b:1", "no name of a repository"),
            ("a:b/c:1", "no name of a repository"),
            (&long_repository, "no name of a repository"),
            (&long_tag, "longer than 128"),
            ("a:.1", "begins with"),
            ("a:-1", "begins with"),
            ("a:1 ", "holds ' '"),
            ("a:1\n", "holds '\\n'"),
            ("a:ä", "holds 'ä'"),
            ("a:$x", "holds '$'"),
        ] {
            let problem = text.parse::<ImageName>().unwrap_err();
            assert!(problem.contains(part) && !problem.contains(char::is_control), "{text:?}: {problem}");
        }
    }

    #[test]
    fn metadata_names_an_image_or_says_what_it_lacks() {
        let named = of("data: {dockerRepository: airbyte/source-faker, dockerImageTag: 7.2.1}").unwrap();
        assert_eq!(named.to_string(), "airbyte/source-faker:7.2.1");
        for (yaml, part) in [
            ("data: {dockerImageTag: 7.2.1}", "has no dockerRepository"),
            ("data: {dockerRepository: airbyte/source-faker}", "has no dockerImageTag"),
            (
                "data: {dockerRepository: 'a:1', dockerImageTag: '1'}",
                "dockerRepository in the connector's own file holds a tag",
            ),
            (
                "data: {dockerRepository: a, dockerImageTag: 1/2}",
                "dockerImageTag in the connector's own file holds '/'",
            ),
            ("data: {dockerRepository: 'localhost:5000', dockerImageTag: '1'}", "holds a tag"),
        ] {
            let (problem, hint) = of(yaml).unwrap_err();
            assert!(problem.contains(part) && hint.contains("--tag"), "{yaml}: {problem}");
        }
        assert!(ImageName::of(None, "source.wasm").unwrap_err().0.contains("has no metadata"));
    }
}
