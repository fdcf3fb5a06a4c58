//! The options, with the names of Airbyte's source-file where it has them, and what they come to. Touches no file.

use airlock_sdk::{Result, config_error};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::position::Reader;
use crate::reader_options::ReaderOptions;

/// What the user chooses. The specification comes from `connection_specification.json`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct Config {
    /// The stream's name.
    pub dataset_name: String,
    /// What the files are.
    pub format: String,
    /// A file, a directory, or a pattern.
    pub url: String,
    /// Where the files are.
    pub provider: Provider,
    /// pandas' options, as JSON in a string.
    #[serde(default)]
    pub reader_options: Option<String>,
    /// The field that tells new records from old ones; without it, files are told apart.
    #[serde(default)]
    pub cursor_field: Option<String>,
    /// The fields that identify a record.
    #[serde(default)]
    pub primary_key: Vec<String>,
}

/// Where the files are.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct Provider {
    /// Airbyte's word for the place.
    pub storage: String,
}

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Rows of fields.
    Csv,
    /// One document: an object, or an array of objects.
    Json,
    /// An object a line.
    JsonLines,
}

impl Format {
    /// The name in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Format::Csv => "csv",
            Format::Json => "json",
            Format::JsonLines => "jsonl",
        }
    }
}

/// A configuration that makes sense.
#[derive(Clone, Debug)]
pub struct Dataset {
    /// The stream's name.
    pub stream: String,
    /// What the files are.
    pub format: Format,
    /// An absolute path, which may be a pattern.
    pub path: String,
    /// How the files are read.
    pub options: ReaderOptions,
    /// The same in the user's words.
    pub reader: Reader,
    /// The field that tells new records from old ones.
    pub cursor_field: Option<String>,
    /// The fields that identify a record.
    pub primary_key: Vec<String>,
}

impl Config {
    /// What the options come to.
    pub fn dataset(self) -> Result<Dataset> {
        if self.dataset_name.trim().is_empty() {
            return Err(config_error("The option `dataset_name` is empty: give the stream a name."));
        }
        let format = match self.format.as_str() {
            "csv" => Format::Csv,
            "json" => Format::Json,
            "jsonl" => Format::JsonLines,
            other => {
                return Err(config_error(format!(
                    "The format {other} is not supported: choose csv, json or jsonl in the option `format`."
                )));
            }
        };
        if !self.provider.storage.eq_ignore_ascii_case("local") {
            return Err(config_error(format!(
                "The storage {} is not supported, for connectors have no network yet: copy the files to where the \
                 connector sees them, and choose {{\"storage\": \"local\"}} in the option `provider`.",
                self.provider.storage
            )));
        }
        let reader = Reader { format: self.format, reader_options: self.reader_options.unwrap_or_default() };
        let options = ReaderOptions::parse(&reader.reader_options, format)?;
        let named = |name: &String| !name.is_empty();
        Ok(Dataset {
            stream: self.dataset_name,
            format,
            path: path_of(&self.url)?,
            options,
            reader,
            cursor_field: self.cursor_field.filter(named),
            primary_key: self.primary_key,
        })
    }
}

/// The path that a URL means to the connector. A path without a slash at its start is below `/airbyte`.
fn path_of(url: &str) -> Result<String> {
    let url = url.trim();
    let path = match url.split_once("://") {
        Some(("file", path)) => path,
        Some((scheme, _)) if !scheme.contains('/') => {
            return Err(config_error(format!(
                "The option `url` begins with {scheme}://, and connectors have no network yet: copy the files to \
                 where the connector sees them, and give their path."
            )));
        }
        _ => url,
    };
    if path.is_empty() {
        return Err(config_error("The option `url` names no file: give a path, as in /airbyte/data.csv."));
    }
    if path.starts_with('/') { Ok(path.to_owned()) } else { Ok(format!("/airbyte/{}", path.trim_start_matches("./"))) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use airlock_sdk::FailureKind;
    use serde_json::{Value, json};

    fn dataset(change: &Value) -> Result<Dataset> {
        let mut config =
            json!({"dataset_name": "a", "format": "csv", "url": "/airbyte/a.csv", "provider": {"storage": "local"}});
        for (name, value) in change.as_object().unwrap() {
            config[name] = value.clone();
        }
        serde_json::from_value::<Config>(config).unwrap().dataset()
    }

    #[test]
    fn urls_are_paths() {
        for (url, path) in [
            ("/data/a.csv", "/data/a.csv"),
            ("file:///data/a b%20.csv", "/data/a b%20.csv"),
            ("a.csv", "/airbyte/a.csv"),
            ("./x/*.csv", "/airbyte/x/*.csv"),
            (" /local/a.csv\n", "/local/a.csv"),
            ("/odd/a://b", "/odd/a://b"),
        ] {
            assert_eq!(path_of(url), Ok(path.to_owned()), "{url}");
        }
    }

    #[test]
    fn what_is_not_supported_is_named_with_what_is() {
        for (change, words) in [
            (json!({"format": "parquet"}), ["parquet", "csv, json or jsonl"]),
            (json!({"provider": {"storage": "S3", "aws_secret_access_key": "x"}}), ["S3", "no network"]),
            (json!({"url": "https://example.com/a.csv"}), ["https://", "no network"]),
            (json!({"url": "file://"}), ["`url`", "path"]),
            (json!({"dataset_name": " "}), ["`dataset_name`", "name"]),
            (json!({"reader_options": "{\"thousands\": \".\"}"}), ["`thousands`", "skiprows"]),
        ] {
            let failure = dataset(&change).unwrap_err();
            assert_eq!(failure.kind, FailureKind::ConfigError);
            assert!(words.iter().all(|word| failure.message.contains(word)), "{failure}");
        }
        assert_eq!(dataset(&json!({"cursor_field": ""})).unwrap().cursor_field, None);
    }
}
