//! The configured catalog: which streams are moved, and how. Knows nothing of the data in them.

use std::collections::HashMap;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::document::{self, RawObject};
use super::failure::Failure;
use super::output::StreamIndex;
use super::stream_name::StreamName;

/// Airbyte's ConfiguredAirbyteCatalog, as far as the host must understand it.
pub struct ConfiguredCatalog {
    /// As it came: what the connector gets.
    pub text: String,
    streams: Vec<StreamName>,
    stream_with_files: Option<StreamName>,
    index: HashMap<StreamName, StreamIndex>,
}

#[derive(Deserialize)]
struct Catalog {
    streams: Vec<ConfiguredStream>,
}

#[derive(Deserialize)]
struct ConfiguredStream {
    stream: StreamName,
    sync_mode: SyncMode,
    /// Words that are not known here are the destination's to judge: Airbyte adds some.
    #[serde(rename = "destination_sync_mode")]
    _destination_sync_mode: String,
    /// Whether files are to be moved beside the records.
    include_files: Option<bool>,
}

/// Airbyte's ways of reading a stream.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SyncMode {
    /// All of it.
    FullRefresh,
    /// What is new since a state.
    Incremental,
}

impl ConfiguredCatalog {
    /// Reads the file that `--catalog` names.
    pub fn from_file(path: &Path) -> Result<ConfiguredCatalog, Failure> {
        let text = document::read_file("--catalog", path)?;
        ConfiguredCatalog::from_text(text).map_err(|problem| {
            Failure::config_error(format!(
                "The file that --catalog names, {}, is no configured catalog: {problem}.",
                path.display()
            ))
        })
    }

    /// The same of a file's text. The error says what is wrong with it.
    pub fn from_text(text: String) -> Result<ConfiguredCatalog, String> {
        document::object_on_one_line(&text).map_err(|problem| format!("it {problem}"))?;
        let catalog: Catalog = serde_json::from_str(&text).map_err(|error| {
            let hint = if text.contains("\"CATALOG\"") || !text.contains("\"sync_mode\"") {
                " (what `discover` prints must be configured first: each stream needs a `stream`, a `sync_mode` and a \
                 `destination_sync_mode`)"
            } else {
                ""
            };
            format!("{error}{hint}")
        })?;
        let mut streams = Vec::with_capacity(catalog.streams.len());
        let mut stream_with_files = None;
        let mut index = HashMap::with_capacity(catalog.streams.len());
        for configured in catalog.streams {
            // Both are all the host needs to know: that the word is one of Airbyte's.
            let (SyncMode::FullRefresh | SyncMode::Incremental) = configured.sync_mode;
            let name = configured.stream;
            if index.insert(name.clone(), streams.len()).is_some() {
                return Err(format!("stream {name} is in it twice"));
            }
            if configured.include_files == Some(true) {
                stream_with_files.get_or_insert_with(|| name.clone());
            }
            streams.push(name);
        }
        Ok(ConfiguredCatalog { text, streams, stream_with_files, index })
    }

    /// For each stream a catalog of it alone, in their order. All else is as it came.
    pub fn of_one_stream_each(&self) -> Result<Vec<ConfiguredCatalog>, String> {
        #[derive(Deserialize)]
        struct Streams<'a> {
            #[serde(borrow)]
            streams: Vec<&'a RawValue>,
        }
        let problem = |error: serde_json::Error| error.to_string();
        let document: RawObject = serde_json::from_str(&self.text).map_err(problem)?;
        let Streams { streams } = serde_json::from_str(&self.text).map_err(problem)?;
        let mut rest = String::new();
        for (name, value) in document.0.iter().filter(|(name, _)| name != "streams") {
            rest.push_str(&format!(",{}:{value}", Value::from(name.as_str())));
        }
        let alone = |stream: &RawValue| ConfiguredCatalog::from_text(format!("{{\"streams\":[{stream}]{rest}}}"));
        streams.into_iter().map(alone).collect()
    }

    /// The streams in their order.
    pub fn streams(&self) -> &[StreamName] {
        &self.streams
    }

    /// The first stream whose files are to be moved beside its records.
    pub fn stream_with_files(&self) -> Option<&StreamName> {
        self.stream_with_files.as_ref()
    }

    /// The place of a stream.
    pub fn index_of(&self, stream: &StreamName) -> Option<StreamIndex> {
        self.index.get(stream).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(text: &str) -> String {
        ConfiguredCatalog::from_text(text.to_owned()).err().unwrap_or_default()
    }

    #[test]
    fn a_null_namespace_is_none() {
        let text = r#"{"streams":[{"stream":{"name":"a","namespace":null},"sync_mode":"full_refresh",
            "destination_sync_mode":"anything"}]}"#;
        let catalog = ConfiguredCatalog::from_text(text.to_owned()).unwrap();
        assert_eq!(catalog.index_of(&StreamName { name: "a".into(), namespace: None }), Some(0));
    }

    #[test]
    fn what_is_wrong_is_told() {
        assert!(problem("[]").contains("not a JSON object"));
        assert!(problem(r#"{"type":"CATALOG","catalog":{"streams":[]}}"#).contains("must be configured first"));
        let stream = r#"{"stream":{"name":"a"},"sync_mode":"INVALID","destination_sync_mode":"append"}"#;
        assert!(problem(&format!("{{\"streams\":[{stream}]}}")).contains("INVALID"));
        let stream = stream.replace("INVALID", "incremental");
        assert_eq!(problem(&format!("{{\"streams\":[{stream},{stream}]}}")), "stream a is in it twice");
    }
}
